/* Complaints and output of the subcommands. See command.h. */
#include "tools/command.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

int command_fail(const struct error *err) {
  fprintf(stderr, "bouncemill: %s\n", err->text);
  return error_exit_code(err);
}

int command_usage(const char *name, const char *format, ...) {
  fprintf(stderr, "bouncemill %s: ", name);
  va_list args;
  va_start(args, format);
  vfprintf(stderr, format, args);
  va_end(args);
  fprintf(stderr, "; see 'bouncemill %s --help'\n", name);
  return EXIT_USAGE;
}

int command_bad_option(const char *name, int option, const char *word) {
  return command_usage(name, option == ':' ? "option '%s' needs a value" : "unknown option '%s'", word);
}

bool command_write(struct slice text, struct error *err) {
  while (text.len) {
    ssize_t wrote = write(STDOUT_FILENO, text.ptr, text.len);
    if (wrote < 0 && errno == EINTR) continue;
    if (wrote < 0) return error_set_errno(err, ERROR_INPUT, errno, "standard output: cannot write");
    text = slice_skip(text, (size_t)wrote);
  }
  return true;
}
