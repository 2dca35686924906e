/* What the subcommands share: their entry points, exit codes and how they complain. */
#ifndef TOOLS_COMMAND_H
#define TOOLS_COMMAND_H

#include "base/error.h"
#include "base/slice.h"

/* Exit codes of the program (documented in docs/cli.md). */
enum {
  EXIT_OK = 0,
  EXIT_FINDINGS = 1,  /* done, but something was found or is partial */
  EXIT_USAGE = 2,     /* command line or configuration */
  EXIT_INPUT = 3,     /* input or I/O */
  EXIT_TRY_AGAIN = 75 /* somebody else holds it; later */
};

#define COMMAND(name, what) int name##_main(int argc, char **argv);
#include "tools/commands.def"
#undef COMMAND

/* "bouncemill: text" on stderr; the exit code that belongs to the error. */
int command_fail(const struct error *err);

/* "bouncemill NAME: message; see 'bouncemill NAME --help'" on stderr; EXIT_USAGE. */
int command_usage(const char *name, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The complaint about `word`, for which getopt_long returned ':' (its value is missing) or '?' (nobody knows it); EXIT_USAGE. */
int command_bad_option(const char *name, int option, const char *word);

/* Writes all of `text` to stdout; false with err when that fails (a closed pipe, a full disk). */
bool command_write(struct slice text, struct error *err);

#endif
