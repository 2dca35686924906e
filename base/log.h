/* The program's own log: one logfmt line an event on stderr. Control plane only, never once per input line.
 *
 *   time=2026-11-24T08:15:07Z level=info event=flush segments=3 rows=1201
 *
 * Values with spaces or quotes are quoted by log_value(). */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include "base/slice.h"

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARNING, LOG_ERROR };

/* What is below `level` is not written. Set once in main, before threads start. */
void log_set_level(enum log_level level);

/* `event` is one word; `format` gives the key=value pairs behind it, or "" for none. Thread-safe. */
void log_event(enum log_level level, const char *event, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* `value` as logfmt needs it, into `out` (cut when longer); returns `out`. */
const char *log_value(char *out, size_t out_size, struct slice value);

#endif
