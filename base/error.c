/* Errors as text with a kind. See error.h. */
#include "base/error.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* Puts ": " and `text` behind the first `used` bytes, cut at the end of the room. */
static void append_text(struct error *err, int used, const char *text) {
  if (used < 0 || (size_t)used + 3 > sizeof err->text) return;
  size_t room = sizeof err->text - (size_t)used - 3, len = strnlen(text, room);
  memcpy(err->text + used, ": ", 2);
  memcpy(err->text + used + 2, text, len);
  err->text[(size_t)used + 2 + len] = '\0';
}

bool error_set(struct error *err, enum error_kind kind, const char *format, ...) {
  if (!err) return false;
  err->kind = kind;
  va_list args;
  va_start(args, format);
  vsnprintf(err->text, sizeof err->text, format, args);
  va_end(args);
  return false;
}

bool error_set_errno(struct error *err, enum error_kind kind, int errnum, const char *format, ...) {
  if (!err) return false;
  err->kind = kind;
  va_list args;
  va_start(args, format);
  int used = vsnprintf(err->text, sizeof err->text, format, args);
  va_end(args);
  char reason[128];
  const char *text = strerror_r(errnum, reason, sizeof reason);
  append_text(err, used, text);
  return false;
}

bool error_context(struct error *err, const char *format, ...) {
  if (!err) return false;
  char inner[ERROR_TEXT_MAX];
  memcpy(inner, err->text, sizeof inner);
  inner[sizeof inner - 1] = '\0';
  va_list args;
  va_start(args, format);
  int used = vsnprintf(err->text, sizeof err->text, format, args);
  va_end(args);
  append_text(err, used, inner);
  return false;
}

int error_exit_code(const struct error *err) {
  switch (err->kind) {
    case ERROR_NONE: return 0;
    case ERROR_USAGE: return 2;
    case ERROR_INPUT:
    case ERROR_STORAGE: return 3;
    case ERROR_RETRY: return 75;
  }
  return 3;
}
