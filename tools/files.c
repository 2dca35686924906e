/* `bouncemill files`: the live segments of a dataset, for other engines to read. */
#include <stdio.h>

#include "aggregate/aggregate.h"
#include "tools/command.h"
#include "tools/store_options.h"

static const char HELP[] =
    "usage: bouncemill files DATASET [OPTION]...\n\n"
    "Paths of the live segments of DATASET (traffic, relays, replies, senders, recipients), one a line, oldest\n"
    "first. Each is rows of MessagePack in zstd: docs/format.md.\n\n" STORE_HELP
    "  -h, --help           this text\n\n"
    "Exit codes: 0 ok, 1 damaged segments were left out, 2 usage, 3 the store cannot be read.\n";

static bool add_path(void *context, const char *path) {
  buf_append(context, path, strlen(path));
  buf_append_byte(context, '\n');
  return true;
}

int files_main(int argc, char **argv) {
  static const struct option LONG[] = {STORE_LONG_OPTION, {"help", no_argument, NULL, 'h'}, {0}};
  struct store_options options;
  struct error err = {0};
  store_options_init(&options);
  optind = 0;
  for (int option; (option = getopt_long(argc, argv, ":s:h", LONG, NULL)) != -1;) {
    if (option == ':' || option == '?') return command_bad_option("files", option, argv[optind - 1]);
    if (option == 'h') {
      fputs(HELP, stdout);
      return EXIT_OK;
    }
    store_options_take(&options, option, optarg, &err);
  }
  if (optind + 1 != argc) return command_usage("files", "needs one DATASET");
  const struct dataset *dataset = dataset_find(slice_from_cstr(argv[optind]));
  if (!dataset) return command_usage("files", "unknown dataset '%s'", argv[optind]);
  struct store *store = store_open(options.dir, STORE_READ, &err);
  if (!store) return command_fail(&err);
  struct buf out = {0};
  size_t damaged = 0;
  bool is_done = store_each_whole_segment(store, (enum dataset_id)(dataset - DATASETS), add_path, &out, &damaged, &err) &&
                 command_write(buf_slice(&out), &err);
  buf_deinit(&out);
  store_close(store);
  if (!is_done) return command_fail(&err);
  return damaged ? EXIT_FINDINGS : EXIT_OK;
}
