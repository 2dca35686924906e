/* `bouncemill compact`: merges the segments of a store, rolls old rows up and drops those past their retention, all at once. */
#include <inttypes.h>
#include <stdio.h>

#include "aggregate/aggregate.h"
#include "base/clock.h"
#include "tools/command.h"
#include "tools/config.h"
#include "tools/retention.h"
#include "tools/store_options.h"

static const char HELP[] =
    "usage: bouncemill compact [OPTION]...\n\n"
    "Merges the segments of a store that no run writes, rolls minutes up to hours and hours to days\n"
    "as they age, and drops rows past their retention. A run does the same by itself, bit by bit.\n\n" STORE_HELP
    "  -c, --config FILE    take store and retention from a configuration of run; options win\n"
    "      --retain [DATASET:]MINUTES,HOURS,ROWS\n"
    "                       days of age for which DATASET (without it, all) keeps minutes,\n"
    "                       hours, and rows at all (0: for ever); may be given often\n"
    "                       (default: 3,90,1826)\n"
    "      --now T          count ages from this time: a date, a time or a span back\n"
    "  -h, --help           this text\n\n"
    "Exit codes: 0 ok, 1 damaged segments were left as they are, 2 usage, 3 the store cannot be\n"
    "read or written, 75 a run writes the store.\n";

enum { OPTION_RETAIN = 256, OPTION_NOW };

struct compact_options {
  struct config config;
  const char *store; /* NULL: of the configuration, or the default */
  struct compaction compaction;
  bool is_help;
};

static bool take_option(struct compact_options *options, int option, const char *value, struct error *err) {
  switch (option) {
    case 'h': options->is_help = true; return true;
    case 's': options->store = value; return true;
    case OPTION_RETAIN:
      return retention_take(options->compaction.retention, slice_from_cstr(value), err) || error_context(err, "--retain");
    case OPTION_NOW:
      if (clock_parse_moment(slice_from_cstr(value), clock_wall_us(), &options->compaction.now_us)) return true;
      return error_set(err, ERROR_USAGE, "--now: '%s' is no date, time or span such as 7d", value);
    default: return true; /* 'c', read before */
  }
}

/* The configuration first, whatever the order. */
static int read_options(struct compact_options *options, int argc, char **argv) {
  static const struct option LONG[] = {STORE_LONG_OPTION,
                                       {"config", required_argument, NULL, 'c'},
                                       {"retain", required_argument, NULL, OPTION_RETAIN},
                                       {"now", required_argument, NULL, OPTION_NOW},
                                       {"help", no_argument, NULL, 'h'},
                                       {0}};
  struct error err = {0};
  for (int pass = 0; pass < 2; pass++) {
    optind = 0;
    for (int option; (option = getopt_long(argc, argv, ":s:c:h", LONG, NULL)) != -1;) {
      if (option == ':' || option == '?') return command_bad_option("compact", option, argv[optind - 1]);
      if (pass == 0 && option == 'c' && !config_read(&options->config, optarg, &err)) return command_fail(&err);
      if (pass == 0) continue;
      if (!take_option(options, option, optarg, &err)) return command_usage("compact", "%s", err.text);
    }
    if (pass == 0) memcpy(options->compaction.retention, options->config.retention, sizeof options->config.retention);
  }
  if (optind < argc) return command_usage("compact", "unexpected argument '%s'", argv[optind]);
  if (!options->store) options->store = options->config.store ? options->config.store : "store";
  return EXIT_OK;
}

static bool tell(const struct compaction_result *results, struct error *err) {
  struct buf out = {0};
  for (unsigned i = 0; i < DATASET_COUNT; i++)
    buf_printf(&out, "%s: %" PRIu64 " segments, %" PRIu64 " bytes -> %" PRIu64 " segments, %" PRIu64 " bytes\n", DATASETS[i].name,
               results[i].segments_before, results[i].bytes_before, results[i].segments_after, results[i].bytes_after);
  bool is_done = command_write(buf_slice(&out), err);
  buf_deinit(&out);
  return is_done;
}

static int compact(const struct compact_options *options) {
  struct error err = {0};
  struct compaction_result results[DATASET_COUNT];
  struct store *store = store_open(options->store, STORE_READ, &err); /* writing would make one */
  if (!store) return command_fail(&err);
  store_close(store);
  if (!(store = store_open(options->store, STORE_WRITE, &err))) return command_fail(&err);
  bool is_done = store_compact(store, &options->compaction, results, &err) && tell(results, &err);
  store_close(store);
  if (!is_done) return command_fail(&err);
  for (unsigned i = 0; i < DATASET_COUNT; i++)
    if (results[i].damaged) return EXIT_FINDINGS;
  return EXIT_OK;
}

int compact_main(int argc, char **argv) {
  struct compact_options options = {.compaction.now_us = clock_wall_us()};
  config_init(&options.config);
  int code = read_options(&options, argc, argv);
  if (!code && options.is_help) fputs(HELP, stdout);
  if (!code && !options.is_help) code = compact(&options);
  config_deinit(&options.config);
  return code;
}
