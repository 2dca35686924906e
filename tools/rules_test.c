/* bouncemill rules test: runs the examples of the rules, or measures the rules on tables of labelled replies (confusion.h). */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "tools/command.h"
#include "tools/config.h"
#include "tools/confusion.h"
#include "tools/rules.h"

static const char HELP[] =
    "usage: bouncemill rules test [OPTION]... [FILE.tsv]...\n\n"
    "Without FILE runs every example and counter-example of every rule and names those that fail.\n\n"
    "With FILEs, tables with tabs between columns and their names in the first line, classifies each `reply` and compares with\n"
    "`cause` (and `bounce_class`); `receiver`, if there, is the MX host. Prints each row that differs, which causes and bounce\n"
    "classes were taken for which, and the shares.\n\n"
    "      --min-cause P         the least share of right causes in percent, such as 96\n"
    "      --min-class P         the least share of right bounce classes\n"
    "      --max-false-hard P    the largest share of replies that are hard by mistake\n"
    "      --max-unclassified P  the largest share of unclassified replies\n"
    "      --json           one JSON object\n" RULE_HELP
    "  -h, --help           this text\n\n"
    "Exit codes: 0 all right; 1 rows differ, or, where one of the four shares was given, it is missed; 2 usage, or a rule or an\n"
    "example is wrong; 3 cannot read.\n";

enum { OPTION_LIMIT = 256, OPTION_JSON = OPTION_LIMIT + CONFUSION_SHARE_COUNT };

struct test_options {
  struct rule_options rules;
  double limits[CONFUSION_SHARE_COUNT]; /* percent; negative: none */
  bool has_limit, is_json, is_help;
};

static int test_examples(const struct classifier *classifier) {
  size_t rules = classifier_rule_count(classifier), examples = 0, counter_examples = 0;
  for (size_t i = 0; i < rules; i++) {
    struct rule_info rule;
    classifier_rule(classifier, i, &rule);
    examples += rule.example_count, counter_examples += rule.counter_example_count;
  }
  printf("%zu rules, %zu examples and %zu counter-examples: all right\n", rules, examples, counter_examples);
  return EXIT_OK;
}

/* ---- tables ------------------------------------------------------------------------------------------------------------------ */

/* Columns of the table; -1: not there. */
enum { COLUMN_CAUSE, COLUMN_BOUNCE_CLASS, COLUMN_RECEIVER, COLUMN_REPLY, TABLE_COLUMNS };
static const char *const TABLE_COLUMN_NAMES[TABLE_COLUMNS] = {"cause", "bounce_class", "receiver", "reply"};

struct table {
  const char *path;
  int place[TABLE_COLUMNS];
  size_t line;
};

/* The next cell of the line. */
static struct slice take_cell(struct slice *line) {
  size_t tab = slice_find_byte(*line, '\t');
  struct slice cell = slice_of(line->ptr, tab);
  *line = tab < line->len ? slice_skip(*line, tab + 1) : slice_of(line->ptr + line->len, 0);
  return cell;
}

static bool read_header(struct slice line, struct table *table, struct error *err) {
  for (int c = 0; c < TABLE_COLUMNS; c++) table->place[c] = -1;
  for (int place = 0; line.len; place++) {
    struct slice name = take_cell(&line);
    for (int c = 0; c < TABLE_COLUMNS; c++)
      if (slice_equal(name, slice_from_cstr(TABLE_COLUMN_NAMES[c]))) table->place[c] = place;
  }
  if (table->place[COLUMN_CAUSE] >= 0 && table->place[COLUMN_REPLY] >= 0) return true;
  return error_set(err, ERROR_USAGE, "%s:1: the columns 'cause' and 'reply' are needed", table->path);
}

/* A row does not say what became of the message: its cause does where that can only be accepted mail, else its reply code. */
static enum status status_of_row(enum cause cause, uint16_t smtp_code) {
  bool is_accepted = CAUSES[cause].outcome != OUTCOME_hard && CAUSES[cause].outcome != OUTCOME_soft;
  if (is_accepted || smtp_code / 100 == 2) return STATUS_delivered;
  return smtp_code / 100 == 4 ? STATUS_deferred : STATUS_bounced;
}

static bool read_row(struct slice line, const struct table *table, struct confusion_row *row, struct error *err) {
  struct slice cells[TABLE_COLUMNS] = {{0}};
  for (int place = 0; line.len; place++) {
    struct slice cell = take_cell(&line);
    for (int c = 0; c < TABLE_COLUMNS; c++)
      if (table->place[c] == place) cells[c] = cell;
  }
  *row = (struct confusion_row){.file = slice_from_cstr(table->path), .line = table->line, .receiver = cells[COLUMN_RECEIVER]};
  row->reply = cells[COLUMN_REPLY].ptr ? cells[COLUMN_REPLY] : SLICE("");
  if (!cause_from_name(cells[COLUMN_CAUSE], &row->cause))
    return error_set(err, ERROR_USAGE, "%s:%zu: cause: '%.*s' is not in the taxonomy", table->path, table->line,
                     SLICE_ARG(cells[COLUMN_CAUSE]));
  row->has_class = cells[COLUMN_BOUNCE_CLASS].len > 0;
  if (row->has_class && !outcome_from_name(cells[COLUMN_BOUNCE_CLASS], &row->bounce_class))
    return error_set(err, ERROR_USAGE, "%s:%zu: bounce_class: '%.*s' is none", table->path, table->line,
                     SLICE_ARG(cells[COLUMN_BOUNCE_CLASS]));
  return true;
}

static void classify_row(struct classify_context *context, struct confusion *confusion, const struct confusion_row *row) {
  struct delivery delivery;
  delivery_init(&delivery);
  delivery.reply = reply_unwrap(row->reply, &delivery.relay_host);
  if (row->receiver.len) delivery.relay_host = row->receiver;
  reply_read_codes(delivery.reply, &delivery.smtp_code, &delivery.dsn);
  delivery.status = status_of_row(row->cause, delivery.smtp_code);
  struct verdict verdict;
  classify_deliveries(context, &delivery, 1, &verdict);
  confusion_add(confusion, row, &verdict);
}

static bool measure_table(struct classify_context *context, const char *path, struct confusion *confusion, struct error *err) {
  FILE *file = fopen(path, "rb");
  if (!file) return error_set_errno(err, ERROR_INPUT, errno, "%s: cannot open", path);
  struct table table = {.path = path};
  char *text = NULL;
  size_t cap = 0;
  ssize_t len;
  bool done = true;
  while (done && (len = getline(&text, &cap, file)) >= 0) {
    while (len && (text[len - 1] == '\n' || text[len - 1] == '\r')) len--;
    struct slice line = slice_of(text, (size_t)len);
    struct confusion_row row;
    if (++table.line == 1)
      done = read_header(line, &table, err);
    else if (len && (done = read_row(line, &table, &row, err)))
      classify_row(context, confusion, &row);
  }
  if (done && ferror(file)) done = error_set_errno(err, ERROR_INPUT, errno, "%s: cannot read", path);
  if (done && table.line == 0) done = error_set(err, ERROR_USAGE, "%s: empty", path);
  free(text);
  fclose(file);
  return done;
}

static int test_tables(const struct classifier *classifier, const struct test_options *options, char **paths) {
  struct error err;
  struct classify_context *context = classify_context_new(classifier, &err);
  if (!context) return command_fail(&err);
  struct confusion *confusion = confusion_new();
  struct buf out = {0};
  bool done = true;
  for (; done && *paths; paths++) done = measure_table(context, *paths, confusion, &err);
  if (done) (options->is_json ? confusion_write_json : confusion_write_text)(confusion, &out);
  done = done && command_write(buf_slice(&out), &err);
  int code = !done ? command_fail(&err) : confusion_is_right(confusion) ? EXIT_OK : EXIT_FINDINGS;
  if (done && options->has_limit) {
    code = EXIT_OK;
    for (unsigned i = 0; i < CONFUSION_SHARE_COUNT; i++) {
      if (options->limits[i] < 0 || confusion_keeps(confusion, (enum confusion_share)i, options->limits[i])) continue;
      fprintf(stderr, "bouncemill rules test: %s: %.2f %% were asked for\n", confusion_share_name((enum confusion_share)i),
              options->limits[i]);
      code = EXIT_FINDINGS;
    }
  }
  buf_deinit(&out);
  confusion_free(confusion);
  classify_context_free(context);
  return code;
}

/* ---- the command ------------------------------------------------------------------------------------------------------------- */

static int test_rules(const struct test_options *options, char **paths) {
  struct error err;
  struct buf problems = {0};
  struct classifier *classifier = rule_options_load(&options->rules, false, &problems, &err);
  if (!classifier) fprintf(stderr, "%.*s", SLICE_ARG(buf_slice(&problems)));
  buf_deinit(&problems);
  if (!classifier) return error_exit_code(&err);
  int code = *paths ? test_tables(classifier, options, paths) : test_examples(classifier);
  classifier_free(classifier);
  return fflush(stdout) == 0 ? code : EXIT_INPUT;
}

static bool read_percent(const char *text, double *out) {
  char *end;
  *out = strtod(text, &end);
  return *text && !*end && *out >= 0 && *out <= 100;
}

int rules_test_main(int argc, char **argv) {
  static const struct option LONG[] = {{"min-cause", required_argument, NULL, OPTION_LIMIT + CONFUSION_CAUSE},
                                       {"min-class", required_argument, NULL, OPTION_LIMIT + CONFUSION_CLASS},
                                       {"max-false-hard", required_argument, NULL, OPTION_LIMIT + CONFUSION_FALSE_HARD},
                                       {"max-unclassified", required_argument, NULL, OPTION_LIMIT + CONFUSION_UNCLASSIFIED},
                                       {"json", no_argument, NULL, OPTION_JSON},
                                       {"help", no_argument, NULL, 'h'},
                                       RULE_LONG_OPTIONS,
                                       {0}};
  struct test_options options = {.limits = {-1, -1, -1, -1}};
  optind = 0;
  for (int option; (option = getopt_long(argc, argv, ":h", LONG, NULL)) != -1;) {
    if (option == ':' || option == '?') return command_bad_option("rules test", option, argv[optind - 1]);
    if (option == 'h') {
      fputs(HELP, stdout);
      return EXIT_OK;
    }
    if (rule_options_take(&options.rules, option, optarg)) continue;
    options.is_json |= option == OPTION_JSON;
    if (option == OPTION_JSON) continue;
    options.has_limit = true;
    if (!read_percent(optarg, &options.limits[option - OPTION_LIMIT]))
      return command_usage("rules test", "a share in percent from 0 to 100 is expected, not '%s'", optarg);
  }
  return test_rules(&options, argv + optind);
}
