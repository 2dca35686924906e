/* logfmt on stderr. See log.h. */
#include "base/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

static enum log_level log_level_min = LOG_INFO;

void log_set_level(enum log_level level) { log_level_min = level; }

void log_event(enum log_level level, const char *event, const char *format, ...) {
  static const char *const NAMES[] = {"debug", "info", "warning", "error"};
  if (level < log_level_min) return;
  char line[2048], stamp[32];
  time_t now = time(NULL);
  struct tm utc;
  gmtime_r(&now, &utc);
  strftime(stamp, sizeof stamp, "%Y-%m-%dT%H:%M:%SZ", &utc);
  size_t used = (size_t)snprintf(line, sizeof line, "time=%s level=%s event=%s", stamp, NAMES[level], event);
  if (format[0]) {
    line[used++] = ' ';
    va_list args;
    va_start(args, format);
    int more = vsnprintf(line + used, sizeof line - used - 1, format, args);
    va_end(args);
    if (more > 0) used += (size_t)more;
    if (used > sizeof line - 2) used = sizeof line - 2;
  }
  line[used++] = '\n';
  /* One write: lines of several threads do not mix. */
  if (write(STDERR_FILENO, line, used) < 0) return;
}

const char *log_value(char *out, size_t out_size, struct slice value) {
  bool is_plain = value.len > 0;
  for (size_t i = 0; i < value.len && is_plain; i++) {
    unsigned char c = (unsigned char)value.ptr[i];
    is_plain = c > ' ' && c < 0x7f && c != '"' && c != '=' && c != '\\';
  }
  size_t n = 0;
  if (!is_plain && n + 1 < out_size) out[n++] = '"';
  for (size_t i = 0; i < value.len && n + 6 < out_size; i++) {
    unsigned char c = (unsigned char)value.ptr[i];
    if (c == '"' || c == '\\') out[n++] = '\\', out[n++] = (char)c;
    else if (c < ' ' || c == 0x7f) n += (size_t)snprintf(out + n, out_size - n, "\\x%02x", c);
    else out[n++] = (char)c;
  }
  if (!is_plain && n + 1 < out_size) out[n++] = '"';
  out[n] = '\0';
  return out;
}
