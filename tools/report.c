/* `bouncemill report`: options in, the report out. */
#include "tools/report.h"

#include <stdio.h>

#include "tools/command.h"
#include "tools/config.h"
#include "tools/report_unclassified.h"
#include "tools/store_options.h"

#define TOP_DEFAULT 10

static const char HELP[] =
    "usage: bouncemill report [OPTION]...\n\n"
    "What is refused, by whom, why, and what to do about it; worst first.\n\n" STORE_HELP
    "      --json           one JSON object: from, to, totals, and a list for each of\n"
    "                       recipient_domain, sender_domain, source, provider, cause\n" PERIOD_HELP
    "      --unclassified   instead: replies that no rule knows, by form, with counts, share of all refusals,\n"
    "                       first and last time and an example; most frequent first\n"
    "      --by KEY         only the list of this key (one of the five)\n"
    "      --top N          entries of each list (default: 10; with --json: all)\n"
    "      --lang L         language of the advice: en (default) or zh-CN\n"
    "  -h, --help           this text\n\n"
    "Exit codes: 0 ok, 1 damaged segments were left out, 2 usage, 3 the store cannot be read.\n";

struct report_options {
  struct store_options store;
  struct report_view view;
  bool is_json, is_help, is_unclassified;
};

enum { OPTION_JSON = 256, OPTION_BY, OPTION_TOP, OPTION_LANG, OPTION_UNCLASSIFIED };

static bool take_option(struct report_options *options, int option, const char *value, struct error *err) {
  unsigned top;
  enum report_list list;
  switch (option) {
    case OPTION_JSON: options->is_json = true; return true;
    case 'h': options->is_help = true; return true;
    case OPTION_UNCLASSIFIED: options->is_unclassified = true; return true;
    case OPTION_BY:
      if (!report_list_from_name(slice_from_cstr(value), &list))
        return error_set(err, ERROR_USAGE, "--by: unknown key '%s'", value);
      for (unsigned i = 0; i < REPORT_LIST_COUNT; i++) options->view.has_list[i] = i == list;
      return true;
    case OPTION_TOP:
      if (!config_parse_unsigned(slice_from_cstr(value), 0, 1000000, &top))
        return error_set(err, ERROR_USAGE, "--top needs a number from 0 to 1000000, not '%s'", value);
      options->view.top = top;
      return true;
    case OPTION_LANG:
      options->view.language = slice_from_cstr(value);
      if (slice_equal(options->view.language, SLICE("en")) || slice_equal(options->view.language, SLICE("zh-CN"))) return true;
      return error_set(err, ERROR_USAGE, "--lang: '%s' is neither en nor zh-CN", value);
    default: return store_options_take(&options->store, option, value, err);
  }
}

static int read_options(struct report_options *options, int argc, char **argv) {
  static const struct option LONG[] = {STORE_LONG_OPTION,
                                       PERIOD_LONG_OPTIONS,
                                       {"json", no_argument, NULL, OPTION_JSON},
                                       {"by", required_argument, NULL, OPTION_BY},
                                       {"top", required_argument, NULL, OPTION_TOP},
                                       {"lang", required_argument, NULL, OPTION_LANG},
                                       {"unclassified", no_argument, NULL, OPTION_UNCLASSIFIED},
                                       {"help", no_argument, NULL, 'h'},
                                       {0}};
  struct error err = {0};
  *options = (struct report_options){.view = {.top = SIZE_MAX, .language = SLICE("en")}};
  store_options_init(&options->store);
  for (unsigned i = 0; i < REPORT_LIST_COUNT; i++) options->view.has_list[i] = true;
  optind = 0;
  for (int option; (option = getopt_long(argc, argv, ":s:h", LONG, NULL)) != -1;) {
    if (option == ':' || option == '?') return command_bad_option("report", option, argv[optind - 1]);
    if (!take_option(options, option, optarg, &err)) return command_usage("report", "%s", err.text);
  }
  if (optind < argc) return command_usage("report", "unexpected argument '%s'", argv[optind]);
  if (!options->is_json && options->view.top == SIZE_MAX) options->view.top = TOP_DEFAULT;
  options->view.store_dir = options->store.dir;
  return EXIT_OK;
}

/* Text needs the advice; JSON does not. */
static bool tell(const struct report_options *options, const struct report *report, struct error *err) {
  struct buf out = {0};
  struct classifier *classifier = NULL;
  bool is_done = true;
  if (options->is_json) {
    report_write_json(report, &options->view, &out);
  } else {
    classifier = classifier_new(&(struct classifier_options){.data_only = true}, err);
    is_done = classifier != NULL;
    if (is_done) report_write_text(report, &options->view, classifier, &out);
  }
  is_done = is_done && command_write(buf_slice(&out), err);
  classifier_free(classifier);
  buf_deinit(&out);
  return is_done;
}

/* The whole report; *is_partial: damaged segments were left out. */
static bool report_all(const struct report_options *options, struct store *store, bool *is_partial, struct error *err) {
  struct report report;
  bool is_done = report_build(&report, store, options->store.since_us, options->store.until_us, err) && tell(options, &report, err);
  *is_partial = report.damaged_segments > 0;
  report_deinit(&report);
  return is_done;
}

static bool report_unclassified(const struct report_options *options, struct store *store, bool *is_partial, struct error *err) {
  struct unclassified list;
  struct buf out = {0};
  unclassified_init(&list);
  bool is_done = unclassified_read(&list, store, options->store.since_us, options->store.until_us, err);
  if (is_done) (options->is_json ? report_unclassified_write_json : report_unclassified_write_text)(&list, options->view.top, &out);
  is_done = is_done && command_write(buf_slice(&out), err);
  *is_partial = list.damaged_segments > 0;
  unclassified_deinit(&list);
  buf_deinit(&out);
  return is_done;
}

int report_main(int argc, char **argv) {
  struct report_options options;
  struct error err = {0};
  int code = read_options(&options, argc, argv);
  if (code) return code;
  if (options.is_help) {
    fputs(HELP, stdout);
    return EXIT_OK;
  }
  struct store *store = store_open(options.store.dir, STORE_READ, &err);
  if (!store) return command_fail(&err);
  bool is_partial = false;
  bool is_done = (options.is_unclassified ? report_unclassified : report_all)(&options, store, &is_partial, &err);
  code = !is_done ? command_fail(&err) : is_partial ? EXIT_FINDINGS : EXIT_OK;
  store_close(store);
  return code;
}
