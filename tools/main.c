/* The program: finds the subcommand and hands over. */
#include <signal.h>
#include <stdio.h>

#include "tools/command.h"

static const struct {
  const char *name, *what;
  int (*main)(int argc, char **argv);
} COMMANDS[] = {
#define COMMAND(name, what) {#name, what, name##_main},
#include "tools/commands.def"
#undef COMMAND
};

#define COMMAND_COUNT (sizeof COMMANDS / sizeof *COMMANDS)

static void print_help(FILE *out) {
  fprintf(out,
          "usage: bouncemill COMMAND [OPTION]... [ARGUMENT]...\n"
          "       bouncemill COMMAND --help | bouncemill --version\n\n"
          "Reads the delivery logs of mail servers and tells why mail is refused, by whom, and what to do.\n\n");
  for (size_t i = 0; i < COMMAND_COUNT; i++) fprintf(out, "  %-10s %s\n", COMMANDS[i].name, COMMANDS[i].what);
  fprintf(out, "\nExit codes: 0 ok, 1 findings or partial, 2 usage or configuration, 3 input or I/O, 75 try again.\n");
}

int main(int argc, char **argv) {
  /* A reader that went away is an error of write(), not a death. */
  signal(SIGPIPE, SIG_IGN);
  if (argc < 2) {
    print_help(stderr);
    return EXIT_USAGE;
  }
  struct slice name = slice_from_cstr(argv[1]);
  if (slice_equal(name, SLICE("--help")) || slice_equal(name, SLICE("-h")) || slice_equal(name, SLICE("help"))) {
    print_help(stdout);
    return EXIT_OK;
  }
  if (slice_equal(name, SLICE("--version")) || slice_equal(name, SLICE("-V"))) {
    printf("bouncemill %s\n", BOUNCEMILL_VERSION);
    return EXIT_OK;
  }
  for (size_t i = 0; i < COMMAND_COUNT; i++)
    if (slice_equal(name, slice_from_cstr(COMMANDS[i].name))) return COMMANDS[i].main(argc - 1, argv + 1);
  fprintf(stderr, "bouncemill: unknown command '%s'; see 'bouncemill --help'\n", argv[1]);
  return EXIT_USAGE;
}
