/* The table of formats. */
#include "ingest/formats.h"

static const struct format *const formats[] = {
    &FORMAT_POSTFIX,
    &FORMAT_EXIM,
    &FORMAT_SENDMAIL,
    &FORMAT_OPENSMTPD,
    &FORMAT_POWERMTA,
    &FORMAT_KUMOMTA,
    &FORMAT_HALON,
    &FORMAT_QMAIL,
    &FORMAT_HARAKA,
    &FORMAT_MIXED,
    &FORMAT_AUTO,
};

_Static_assert(sizeof formats / sizeof *formats <= FORMATS_MAX, "a parser has a place for each");

const struct format *format_at(size_t i) { return i < sizeof formats / sizeof *formats ? formats[i] : NULL; }

const struct format *format_find(struct slice name) {
  for (size_t i = 0; i < sizeof formats / sizeof *formats; i++)
    if (slice_equal(slice_from_cstr(formats[i]->name), name)) return formats[i];
  return NULL;
}
