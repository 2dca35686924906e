/* bouncemill rules reload: has a running `bouncemill run` read its rules again, and tells whether the new ones are in force. The lock of the store tells which process runs; it gets SIGHUP, and says in STORE/rules (rule_status.h) what came
 * of it. A reload that began after the signal was sent has read the files as they were then, or newer. */
#include "tools/rules.h"

#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "aggregate/aggregate.h"
#include "base/clock.h"
#include "tools/command.h"
#include "tools/config.h"
#include "tools/rule_status.h"
#include "tools/store_options.h"

/* Compiling takes a second or three, on a machine that is busy more; a run that waits for a broker looks at signals all the same. */
#define TIMEOUT_S_DEFAULT 60.0
#define LOOK_PERIOD_US 20000

static const char HELP[] =
    "usage: bouncemill rules reload [--store DIR] [--timeout S]\n\n"
    "Has the 'bouncemill run' that writes this store read its rules again (--rules of that run), waits for the\n"
    "outcome and tells it. New rules that are wrong change nothing: those before them stay in force. SIGHUP\n"
    "does the same without telling.\n\n" STORE_HELP
    "      --timeout S      how long to wait for the outcome, in seconds (default: 60)\n"
    "  -h, --help           this text\n\n"
    "Exit codes: 0 the new rules are in force; 2 they are wrong, and the old ones stay; 3 no run writes this store,\n"
    "or it cannot be told; 75 it has not answered in time.\n";

static bool find_run(const char *store_dir, long *pid, struct error *err) {
  struct buf text = {0};
  struct rule_status status;
  bool is_found = store_find_writer(store_dir, pid, err) && rule_status_read(store_dir, &text, &status, err);
  if (is_found && status.pid != *pid)
    is_found = error_set(err, ERROR_RETRY, "store %s: the run is about to start; try again", store_dir);
  buf_deinit(&text);
  return is_found;
}

/* Waits for a reload that began after `asked_us`. */
static bool wait_for_outcome(const char *store_dir, long pid, int64_t asked_us, int64_t timeout_us, struct buf *text,
                             struct rule_status *out, struct error *err) {
  for (;;) {
    if (!rule_status_read(store_dir, text, out, err)) return false;
    if (out->pid == pid && out->begun_us >= asked_us) return true;
    if (kill((pid_t)pid, 0) != 0 && errno == ESRCH)
      return error_set(err, ERROR_INPUT, "store %s: the run (process %ld) has ended", store_dir, pid);
    if (clock_monotonic_us() - asked_us > timeout_us)
      return error_set(err, ERROR_RETRY, "store %s: the run (process %ld) has not answered within %.0f s", store_dir, pid,
                       (double)timeout_us / 1e6);
    usleep(LOOK_PERIOD_US);
  }
}

static int reload(const char *store_dir, double timeout_s) {
  struct error err = {0};
  struct buf text = {0};
  struct rule_status status;
  long pid;
  if (!find_run(store_dir, &pid, &err)) return command_fail(&err);
  int64_t asked_us = clock_monotonic_us();
  if (kill((pid_t)pid, SIGHUP) != 0) {
    error_set_errno(&err, ERROR_INPUT, errno, "store %s: cannot signal the run (process %ld)", store_dir, pid);
    return command_fail(&err);
  }
  bool is_told = wait_for_outcome(store_dir, pid, asked_us, (int64_t)(timeout_s * 1e6), &text, &status, &err);
  int code = !is_told ? command_fail(&err) : status.is_loaded ? EXIT_OK : EXIT_USAGE;
  if (is_told && status.is_loaded) printf("%zu rules are in force\n", status.rule_count);
  if (is_told && !status.is_loaded) {
    fprintf(stderr, "%.*s", SLICE_ARG(status.problems));
    fprintf(stderr, "bouncemill: the new rules are wrong; the %zu before them stay in force\n", status.rule_count);
  }
  buf_deinit(&text);
  return fflush(stdout) == 0 ? code : EXIT_INPUT;
}

int rules_reload_main(int argc, char **argv) {
  enum { OPTION_TIMEOUT = 1024 };
  static const struct option LONG[] = {
      STORE_LONG_OPTION, {"timeout", required_argument, NULL, OPTION_TIMEOUT}, {"help", no_argument, NULL, 'h'}, {0}};
  struct store_options store;
  double timeout_s = TIMEOUT_S_DEFAULT;
  store_options_init(&store);
  optind = 1;
  for (int option; (option = getopt_long(argc, argv, ":s:h", LONG, NULL)) != -1;) {
    switch (option) {
      case 'h': fputs(HELP, stdout); return EXIT_OK;
      case 's': store.dir = optarg; break;
      case OPTION_TIMEOUT:
        if (!config_parse_seconds(slice_from_cstr(optarg), &timeout_s))
          return command_usage("rules reload", "--timeout needs seconds from 0 to 86400, not '%s'", optarg);
        break;
      default: return command_bad_option("rules reload", option, argv[optind - 1]);
    }
  }
  if (optind < argc) return command_usage("rules reload", "takes no file");
  return reload(store.dir, timeout_s);
}
