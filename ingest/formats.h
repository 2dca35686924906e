/* The formats that formats.c puts in its table; each is defined in the file of its name. */
#ifndef INGEST_FORMATS_H
#define INGEST_FORMATS_H

#include "ingest/ingest.h"

extern const struct format FORMAT_POSTFIX;
extern const struct format FORMAT_EXIM;
extern const struct format FORMAT_SENDMAIL;
extern const struct format FORMAT_OPENSMTPD;
extern const struct format FORMAT_POWERMTA;
extern const struct format FORMAT_KUMOMTA;
extern const struct format FORMAT_HALON;
extern const struct format FORMAT_QMAIL;
extern const struct format FORMAT_HARAKA;

/* No server's: mixed.c. */
extern const struct format FORMAT_MIXED;
extern const struct format FORMAT_AUTO;

#endif
