/* What went wrong, where, and what to do about it: filled at the place of failure, given context as it rises.
 *
 *   if (!segment_open(path, &segment, err)) return error_context(err, "store %s", dir);
 *   -> "store /var/lib/bm: traffic-17.mp.zst: frame 3: checksum differs; restore the file or run 'doctor'"
 */
#ifndef BASE_ERROR_H
#define BASE_ERROR_H

#include <stdbool.h>

#define ERROR_TEXT_MAX 1024

enum error_kind {
  ERROR_NONE = 0,
  ERROR_USAGE,   /* command line or configuration: exit code 2 */
  ERROR_INPUT,   /* input, disk, network, damaged data: exit code 3 */
  ERROR_RETRY,   /* somebody else holds it, or it is not there yet: exit code 75 */
  ERROR_STORAGE, /* a store that cannot be written now (disk full, read-only, device error), which may pass: exit code 3 */
};

struct error {
  enum error_kind kind;
  char text[ERROR_TEXT_MAX]; /* NUL-terminated, cut when longer */
};

/* Writes the error and returns false, so that `return error_set(err, ...)` reads well. `err` may be NULL. */
bool error_set(struct error *err, enum error_kind kind, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* As error_set, with ": " and the text of `errnum` behind. */
bool error_set_errno(struct error *err, enum error_kind kind, int errnum, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* Puts "context: " in front of what is there; returns false. */
bool error_context(struct error *err, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The exit code of the program for this error: 2, 3 or 75; 0 for ERROR_NONE. */
int error_exit_code(const struct error *err);

#endif
