/* `bouncemill dump`: the rows of a dataset, merged and sorted, as NDJSON or CSV. */
#include <stdio.h>

#include "aggregate/aggregate.h"
#include "tools/command.h"
#include "tools/store_options.h"

/* Written out whenever so much has gathered. */
#define OUTPUT_BYTES (64u << 10)

static const char HELP[] =
    "usage: bouncemill dump DATASET [OPTION]...\n\n"
    "The rows of DATASET (traffic, relays, replies, senders, recipients), one for each key, sorted by key. Columns\n"
    "are those of docs/schemas.md.\n\n" STORE_HELP
    "      --format F       ndjson (default) or csv (with a header line)\n" PERIOD_HELP
    "  -h, --help           this text\n\n"
    "Exit codes: 0 ok, 1 damaged segments were left out, 2 usage, 3 the store cannot be read.\n";

struct dump {
  const struct dataset *dataset;
  bool is_csv;
  struct buf out;
  struct error *err;
  bool has_failed;
};

static bool flush(struct dump *dump) {
  dump->has_failed = !command_write(buf_slice(&dump->out), dump->err);
  buf_clear(&dump->out);
  return !dump->has_failed;
}

static bool write_row(void *context, const void *row) {
  struct dump *dump = context;
  if (dump->is_csv)
    dump->dataset->write_csv(row, &dump->out);
  else
    dump->dataset->write_json(row, &dump->out);
  buf_append(&dump->out, dump->is_csv ? "\r\n" : "\n", dump->is_csv ? 2 : 1);
  return dump->out.len < OUTPUT_BYTES || flush(dump);
}

static int dump_store(struct dump *dump, const struct store_options *options) {
  struct error err = {0};
  struct store *store = store_open(options->dir, STORE_READ, &err);
  if (!store) return command_fail(&err);
  dump->err = &err;
  if (dump->is_csv) {
    dataset_write_csv_header(dump->dataset, &dump->out);
    buf_append(&dump->out, "\r\n", 2);
  }
  struct query query = {
      .dataset = (enum dataset_id)(dump->dataset - DATASETS), .since_us = options->since_us, .until_us = options->until_us};
  size_t damaged = 0;
  bool is_done = query_rows(store, &query, write_row, dump, &damaged, &err) && !dump->has_failed && flush(dump);
  store_close(store);
  buf_deinit(&dump->out);
  if (!is_done) return command_fail(&err);
  return damaged ? EXIT_FINDINGS : EXIT_OK;
}

int dump_main(int argc, char **argv) {
  enum { OPTION_FORMAT = 256 };
  static const struct option LONG[] = {STORE_LONG_OPTION,
                                       PERIOD_LONG_OPTIONS,
                                       {"format", required_argument, NULL, OPTION_FORMAT},
                                       {"help", no_argument, NULL, 'h'},
                                       {0}};
  struct dump dump = {0};
  struct store_options options;
  struct error err = {0};
  store_options_init(&options);
  optind = 0;
  for (int option; (option = getopt_long(argc, argv, ":s:h", LONG, NULL)) != -1;) {
    if (option == ':' || option == '?') return command_bad_option("dump", option, argv[optind - 1]);
    if (option == 'h') {
      fputs(HELP, stdout);
      return EXIT_OK;
    }
    if (option == OPTION_FORMAT) {
      dump.is_csv = slice_equal(slice_from_cstr(optarg), SLICE("csv"));
      if (!dump.is_csv && !slice_equal(slice_from_cstr(optarg), SLICE("ndjson")))
        return command_usage("dump", "--format: '%s' is neither ndjson nor csv", optarg);
    } else if (!store_options_take(&options, option, optarg, &err)) {
      return command_usage("dump", "%s", err.text);
    }
  }
  if (optind + 1 != argc) return command_usage("dump", "needs one DATASET");
  dump.dataset = dataset_find(slice_from_cstr(argv[optind]));
  if (!dump.dataset) return command_usage("dump", "unknown dataset '%s'", argv[optind]);
  return dump_store(&dump, &options);
}
