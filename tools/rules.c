/* bouncemill rules: list | test | reload. Lists the rules, runs their examples, or measures them on a table of replies. */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/json.h"
#include "classify/classify.h"
#include "tools/cache_dir.h"
#include "tools/command.h"
#include "tools/rules_reload.h"

struct rules_options {
  const char *rules_dir, *cause, *provider, *table;
  bool json;
};

static void print_help(void) {
  printf(
      "usage: bouncemill rules list [--rules DIR] [--cause CAUSE] [--provider ID] [--json]\n"
      "       bouncemill rules test [--rules DIR] [FILE.tsv]\n"
      "       bouncemill rules reload [--store DIR] [--timeout S]\n\n"
      "list  the rules in the order in which they are tried: id, cause, provider (- for all), examples, file and line\n"
      "test  without FILE runs every example and counter-example of every rule and names those that fail.\n"
      "      With FILE, a table with tabs between columns and their names in the first line, classifies each `reply` and compares "
      "with\n"
      "      `cause` (and `bounce_class`); `receiver`, if there, is the MX host. Prints the shares and each row that differs.\n"
      "reload  has a running 'bouncemill run' read its rules again; see 'bouncemill rules reload --help'\n\n"
      "  --rules DIR     rules from DIR/*.yaml instead of those built in\n"
      "  --cause CAUSE   only rules with this cause\n"
      "  --provider ID   only rules for this provider\n"
      "  --json          one JSON object a line\n\n"
      "Exit codes: 0 all right, 1 rows differ, 2 a rule or example is wrong, 3 cannot read.\n");
}

/* ---- list -------------------------------------------------------------------------------------------------------------------- */

static void write_rule(const struct rule_info *rule, bool json, struct buf *out) {
  if (!json) {
    buf_printf(out, "%.*s\t%.*s\t%.*s\t%zu\t%.*s:%zu\n", SLICE_ARG(rule->id), SLICE_ARG(cause_name(rule->cause)),
               SLICE_ARG(rule->provider.len ? rule->provider : SLICE("-")), rule->example_count, SLICE_ARG(rule->file), rule->line);
    return;
  }
  buf_append_slice(out, SLICE("{\"id\":"));
  json_write_string(out, rule->id);
  buf_append_slice(out, SLICE(",\"cause\":"));
  json_write_string(out, cause_name(rule->cause));
  buf_append_slice(out, SLICE(",\"provider\":"));
  json_write_string_or_null(out, rule->provider);
  buf_append_slice(out, SLICE(",\"file\":"));
  json_write_string(out, rule->file);
  buf_printf(out, ",\"line\":%zu,\"examples\":%zu,\"counter_examples\":%zu}\n", rule->line, rule->example_count,
             rule->counter_example_count);
}

/* Whether some rule is limited to it; else `others` names those that have rules. */
static bool has_rules(const struct classifier *classifier, struct slice provider, struct buf *others) {
  struct slice last = SLICE_ABSENT;
  for (size_t i = 0; i < classifier_rule_count(classifier); i++) {
    struct rule_info rule;
    classifier_rule(classifier, i, &rule);
    if (!rule.provider.len || slice_equal(rule.provider, last)) continue;
    if (slice_equal(rule.provider, provider)) return true;
    buf_printf(others, "%s%.*s", others->len ? ", " : "", SLICE_ARG(rule.provider));
    last = rule.provider;
  }
  return false;
}

static int list_rules(const struct rules_options *options) {
  struct error err;
  enum cause cause;
  if (options->cause && !cause_from_name(slice_from_cstr(options->cause), &cause))
    return command_usage("rules", "--cause: '%s' is not in the taxonomy", options->cause);
  struct classifier *classifier = classifier_new_cached(&(struct classifier_options){.rules_dir = options->rules_dir}, &err);
  if (!classifier) return command_fail(&err);
  struct buf out = {0}, others = {0};
  if (options->provider && !has_rules(classifier, slice_from_cstr(options->provider), &others)) {
    int code = command_usage("rules", "--provider: no rule is limited to '%s'; there are %.*s", options->provider,
                             SLICE_ARG(others.len ? buf_slice(&others) : SLICE("none")));
    buf_deinit(&others);
    classifier_free(classifier);
    return code;
  }
  buf_deinit(&others);
  for (size_t i = 0; i < classifier_rule_count(classifier); i++) {
    struct rule_info rule;
    classifier_rule(classifier, i, &rule);
    if (options->cause && rule.cause != cause) continue;
    if (options->provider && !slice_equal(rule.provider, slice_from_cstr(options->provider))) continue;
    write_rule(&rule, options->json, &out);
  }
  bool done = command_write(buf_slice(&out), &err);
  buf_deinit(&out);
  classifier_free(classifier);
  return done ? EXIT_OK : command_fail(&err);
}

/* ---- test -------------------------------------------------------------------------------------------------------------------- */

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

/* Columns of the table; -1: not there. */
enum { COLUMN_CAUSE, COLUMN_BOUNCE_CLASS, COLUMN_RECEIVER, COLUMN_REPLY, TABLE_COLUMNS };
static const char *const TABLE_COLUMN_NAMES[TABLE_COLUMNS] = {"cause", "bounce_class", "receiver", "reply"};

struct measure {
  int place[TABLE_COLUMNS];
  size_t rows, right_causes, right_classes, false_hard, unclassified;
};

/* The next cell of the line. */
static struct slice take_cell(struct slice *line) {
  size_t tab = slice_find_byte(*line, '\t');
  struct slice cell = slice_of(line->ptr, tab);
  *line = tab < line->len ? slice_skip(*line, tab + 1) : slice_of(line->ptr + line->len, 0);
  return cell;
}

static bool read_header(struct slice line, const char *path, struct measure *m, struct error *err) {
  for (int c = 0; c < TABLE_COLUMNS; c++) m->place[c] = -1;
  for (int place = 0; line.len; place++) {
    struct slice name = take_cell(&line);
    for (int c = 0; c < TABLE_COLUMNS; c++)
      if (slice_equal(name, slice_from_cstr(TABLE_COLUMN_NAMES[c]))) m->place[c] = place;
  }
  if (m->place[COLUMN_CAUSE] >= 0 && m->place[COLUMN_REPLY] >= 0) return true;
  return error_set(err, ERROR_USAGE, "%s:1: the columns 'cause' and 'reply' are needed", path);
}

/* A row does not say what became of the message: its cause does where that can only be accepted mail, else its reply code. */
static enum status status_of_row(struct slice cause_text, uint16_t smtp_code) {
  enum cause cause;
  bool is_accepted =
      cause_from_name(cause_text, &cause) && CAUSES[cause].outcome != OUTCOME_hard && CAUSES[cause].outcome != OUTCOME_soft;
  if (is_accepted || smtp_code / 100 == 2) return STATUS_delivered;
  return smtp_code / 100 == 4 ? STATUS_deferred : STATUS_bounced;
}

static void measure_row(struct classify_context *context, struct slice line, struct measure *m) {
  struct slice cells[TABLE_COLUMNS] = {{0}};
  for (int place = 0; line.len; place++) {
    struct slice cell = take_cell(&line);
    for (int c = 0; c < TABLE_COLUMNS; c++)
      if (m->place[c] == place) cells[c] = cell;
  }
  struct delivery delivery;
  delivery_init(&delivery);
  delivery.reply = reply_unwrap(cells[COLUMN_REPLY].ptr ? cells[COLUMN_REPLY] : SLICE(""), &delivery.relay_host);
  if (cells[COLUMN_RECEIVER].len) delivery.relay_host = cells[COLUMN_RECEIVER];
  reply_read_codes(delivery.reply, &delivery.smtp_code, &delivery.dsn);
  delivery.status = status_of_row(cells[COLUMN_CAUSE], delivery.smtp_code);
  struct verdict verdict;
  classify_deliveries(context, &delivery, 1, &verdict);
  struct slice class = outcome_name(verdict.bounce_class), cause = cause_name(verdict.cause);
  bool cause_is_right = slice_equal(cause, cells[COLUMN_CAUSE]);
  bool class_is_right = !cells[COLUMN_BOUNCE_CLASS].len || slice_equal(class, cells[COLUMN_BOUNCE_CLASS]);
  m->rows++;
  m->right_causes += cause_is_right;
  m->right_classes += class_is_right;
  m->false_hard += !class_is_right && verdict.bounce_class == OUTCOME_hard;
  m->unclassified += verdict.cause == CAUSE_unclassified;
  if (!cause_is_right || !class_is_right)
    printf("%.*s, not %.*s\t%.*s\t%.*s\n", SLICE_ARG(cause), SLICE_ARG(cells[COLUMN_CAUSE]), SLICE_ARG(verdict.rule),
           SLICE_ARG(delivery.reply));
}

static bool measure_table(struct classify_context *context, const char *path, struct measure *m, struct error *err) {
  FILE *file = fopen(path, "rb");
  if (!file) return error_set_errno(err, ERROR_INPUT, errno, "%s: cannot open", path);
  char *text = NULL;
  size_t cap = 0;
  ssize_t len;
  bool done = true, is_header = true;
  while (done && (len = getline(&text, &cap, file)) >= 0) {
    while (len && (text[len - 1] == '\n' || text[len - 1] == '\r')) len--;
    struct slice line = slice_of(text, (size_t)len);
    if (is_header)
      done = read_header(line, path, m, err);
    else if (len)
      measure_row(context, line, m);
    is_header = false;
  }
  if (done && ferror(file)) done = error_set_errno(err, ERROR_INPUT, errno, "%s: cannot read", path);
  if (done && is_header) done = error_set(err, ERROR_USAGE, "%s: empty", path);
  free(text);
  fclose(file);
  return done;
}

static double percent(size_t part, size_t whole) { return whole ? 100.0 * (double)part / (double)whole : 0; }

static int test_table(const struct classifier *classifier, const char *path) {
  struct error err;
  struct measure m = {0};
  struct classify_context *context = classify_context_new(classifier, &err);
  if (!context) return command_fail(&err);
  bool done = measure_table(context, path, &m, &err);
  classify_context_free(context);
  if (!done) return command_fail(&err);
  printf("cause right         %6zu of %zu (%.2f %%)\n", m.right_causes, m.rows, percent(m.right_causes, m.rows));
  if (m.place[COLUMN_BOUNCE_CLASS] >= 0) {
    printf("bounce class right  %6zu of %zu (%.2f %%)\n", m.right_classes, m.rows, percent(m.right_classes, m.rows));
    printf("false hard          %6zu of %zu (%.2f %%)\n", m.false_hard, m.rows, percent(m.false_hard, m.rows));
  }
  printf("unclassified        %6zu of %zu (%.2f %%)\n", m.unclassified, m.rows, percent(m.unclassified, m.rows));
  return m.right_causes == m.rows && m.right_classes == m.rows ? EXIT_OK : EXIT_FINDINGS;
}

static int test_rules(const struct rules_options *options) {
  struct error err;
  struct buf problems = {0};
  struct classifier *classifier =
      classifier_new_cached(&(struct classifier_options){.rules_dir = options->rules_dir, .problems = &problems}, &err);
  if (!classifier) {
    fprintf(stderr, "%.*s", SLICE_ARG(buf_slice(&problems)));
    buf_deinit(&problems);
    return error_exit_code(&err);
  }
  int code = options->table ? test_table(classifier, options->table) : test_examples(classifier);
  classifier_free(classifier);
  return fflush(stdout) == 0 ? code : EXIT_INPUT;
}

int rules_main(int argc, char **argv) {
  static const struct option LONG[] = {{"help", no_argument, NULL, 'h'},        {"rules", required_argument, NULL, 'r'},
                                       {"cause", required_argument, NULL, 'c'}, {"provider", required_argument, NULL, 'p'},
                                       {"json", no_argument, NULL, 'j'},        {NULL, 0, NULL, 0}};
  if (argc > 1 && strcmp(argv[1], "reload") == 0) return rules_reload_main(argc - 1, argv + 1);
  struct rules_options options = {0};
  int option;
  while ((option = getopt_long(argc, argv, "h", LONG, NULL)) != -1) {
    switch (option) {
      case 'h': print_help(); return EXIT_OK;
      case 'r': options.rules_dir = optarg; break;
      case 'c': options.cause = optarg; break;
      case 'p': options.provider = optarg; break;
      case 'j': options.json = true; break;
      default: return command_usage("rules", "bad option");
    }
  }
  struct slice what = slice_from_cstr(optind < argc ? argv[optind] : "");
  int rest = argc - optind - 1;
  if (slice_equal(what, SLICE("list"))) return rest > 0 ? command_usage("rules", "list takes no file") : list_rules(&options);
  if (!slice_equal(what, SLICE("test"))) return command_usage("rules", "'list', 'test' or 'reload' is expected");
  if (rest > 1) return command_usage("rules", "test takes one file");
  options.table = rest == 1 ? argv[optind + 1] : NULL;
  return test_rules(&options);
}
