/* What the files of the OpenSMTPD format share.
 *
 *   opensmtpd.c            the format: header, session, what kind of line it is; sessions, refusals, noise
 *   opensmtpd_delivery.c   "mta delivery evpid=... from=<a> to=<b> ... result="Ok" stat="250 ok"", and envelopes that expire */
#ifndef INGEST_OPENSMTPD_INTERNAL_H
#define INGEST_OPENSMTPD_INTERNAL_H

#include "ingest/line_walk.h"
#include "ingest/syslog.h"

/* Digits of the id of a session or an envelope; the first OPENSMTPD_MESSAGE_ID_LEN of an envelope's are those of its message. */
#define OPENSMTPD_ID_LEN 16
#define OPENSMTPD_MESSAGE_ID_LEN 8

/* Whether `len` hexadecimal digits stand at p. */
static inline bool opensmtpd_is_id(const char *p, const char *end, unsigned len) {
  if (end - p < (ptrdiff_t)len) return false;
  for (unsigned i = 0; i < len; i++) {
    char lower = (char)(p[i] | 0x20);
    if (!ascii_is_digit(p[i]) && (lower < 'a' || lower > 'f')) return false;
  }
  return true;
}

/* Behind the value at p, which is "<...>" (quotes kept together), "\"...\"", or ends before the next `separator`; *value is without its
 * brackets or quotes. NULL when it does not end. */
const char *opensmtpd_read_value(const char *p, const char *end, struct slice separator, struct slice *value);

/* "mta delivery " and "mda delivery ", [p, end) behind them: adds it and returns a read_result. */
unsigned opensmtpd_read_delivery(struct line_walk *walk, struct slice host, struct slice service, const char *p, const char *end);

/* "relay: Expire for EVPID: from=<a>, to=<b>, ..." and its kin, from its front on. */
unsigned opensmtpd_read_envelope(struct line_walk *walk, struct slice host, const char *p, const char *end);

#endif
