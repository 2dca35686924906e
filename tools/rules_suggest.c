/* bouncemill rules suggest: a file of rules to be finished by hand, for replies that no rule knows. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/json.h"
#include "tools/command.h"
#include "tools/config.h"
#include "tools/rules.h"
#include "tools/store_options.h"
#include "tools/suggest.h"

static const char HELP[] =
    "usage: bouncemill rules suggest [OPTION]... [FILE]\n\n"
    "Groups unclassified replies by texts that they have in common, and writes a rule for each group as YAML: the text, how many\n"
    "replies have it, and examples. Choose each rule's cause, add what the comments ask for, and 'bouncemill rules test' loads "
    "it.\n"
    "The replies are those of a store, or of FILE (- for standard input), one a line.\n\n" STORE_HELP PERIOD_HELP
    "      --top N          so many groups at most (default: 20)\n" RULE_HELP
    "  -h, --help           this text\n\n"
    "Exit codes: 0 ok, also when there is nothing to suggest; 2 usage, or a rule is wrong; 3 cannot read.\n";

#define TOP_DEFAULT 20
#define EXAMPLES_MAX 3

enum { OPTION_TOP = 256 };

struct suggest_command {
  struct rule_options rules;
  struct store_options store;
  const char *path; /* NULL: the store */
  unsigned top;
};

/* ---- the replies ------------------------------------------------------------------------------------------------------------- */

static void take_reply(struct classify_context *context, struct slice reply, struct unclassified *list) {
  struct delivery delivery;
  struct verdict verdict;
  delivery_init(&delivery);
  delivery.reply = reply_unwrap(reply, &delivery.relay_host);
  reply_read_codes(delivery.reply, &delivery.smtp_code, &delivery.dsn);
  unsigned class = delivery.smtp_code / 100;
  delivery.status = class == 2 ? STATUS_delivered : class == 4 ? STATUS_deferred : STATUS_bounced;
  classify_deliveries(context, &delivery, 1, &verdict);
  list->refusals += class != 2;
  if (verdict.cause != CAUSE_unclassified) return;
  char example[LIMIT_TEMPLATE_BYTES];
  struct unclassified_reply one = {.provider = SLICE(""), .template = verdict.template, .count = 1};
  one.example = slice_of(example, utf8_copy_clean(reply, example, sizeof example));
  unclassified_add(list, &one);
}

static bool read_file(struct classify_context *context, const char *path, struct unclassified *list, struct error *err) {
  bool is_stdin = strcmp(path, "-") == 0;
  FILE *file = is_stdin ? stdin : fopen(path, "rb");
  if (!file) return error_set_errno(err, ERROR_INPUT, errno, "%s: cannot open", path);
  char *text = NULL;
  size_t cap = 0;
  ssize_t len;
  while ((len = getline(&text, &cap, file)) >= 0) {
    while (len && (text[len - 1] == '\n' || text[len - 1] == '\r')) len--;
    if (len) take_reply(context, slice_of(text, (size_t)len), list);
  }
  bool is_done = !ferror(file) || error_set_errno(err, ERROR_INPUT, errno, "%s: cannot read", path);
  free(text);
  if (!is_stdin) fclose(file);
  unclassified_sort(list);
  return is_done;
}

static bool read_store(const struct suggest_command *command, struct unclassified *list, struct error *err) {
  struct store *store = store_open(command->store.dir, STORE_READ, err);
  bool is_done = store && unclassified_read(list, store, command->store.since_us, command->store.until_us, err);
  store_close(store);
  return is_done;
}

/* ---- the rules --------------------------------------------------------------------------------------------------------------- */

static bool may_be_literal(void *context, struct slice phrase) {
  return rule_text_can_be_found(phrase) && classifier_count_examples_with(context, phrase) == 0;
}

/* "suggested.blorp-grumble": words of the literal that an id may have. */
static void write_id(struct slice literal, size_t number, struct buf *out) {
  buf_printf(out, "suggested.%zu", number);
  bool is_gap = true;
  for (size_t i = 0, written = 0; i < literal.len && written < 40; i++) {
    char c = literal.ptr[i];
    bool is_kept = (c >= 'a' && c <= 'z') || ascii_is_digit(c);
    if (is_kept && is_gap) buf_append_byte(out, '-');
    if (is_kept) buf_append_byte(out, c), written++;
    is_gap = !is_kept;
  }
}

static void write_examples(const struct suggestion *group, struct buf *out) {
  size_t count = 0;
  struct slice last = SLICE_ABSENT;
  for (size_t i = 0; i < group->reply_count && count < EXAMPLES_MAX; i++) {
    if (slice_equal(group->replies[i]->example, last)) continue; /* of another provider */
    last = group->replies[i]->example;
    buf_append_slice(out, SLICE("      - "));
    json_write_string(out, last); /* a string of JSON is one of YAML */
    buf_append_byte(out, '\n');
    count++;
  }
  if (count < 2) buf_append_slice(out, SLICE("      # add another reply that means the same\n"));
}

static void write_rule(const struct suggestion *group, size_t number, uint64_t total, struct buf *out) {
  buf_printf(out, "  # %" PRIu64 " of %" PRIu64 " unclassified replies, %zu forms\n  - id: ", group->count, total,
             group->reply_count);
  write_id(group->literal, number, out);
  buf_append_slice(out, SLICE("\n    cause: policy # choose: docs/taxonomy.md\n    any: ["));
  json_write_string(out, group->literal);
  buf_append_slice(out, SLICE("]\n    examples:\n"));
  write_examples(group, out);
  buf_append_slice(out, SLICE("    not:\n      # add a reply that is alike and means something else\n"));
}

static void write_suggestions(const struct classifier *classifier, const struct unclassified *list, unsigned top, struct buf *out) {
  struct suggestions found;
  struct suggest_options options = {.max = top, .may_be_literal = may_be_literal, .context = (void *)classifier};
  suggestions_init(&found, list, &options);
  buf_printf(out,
             "# %" PRIu64 " of %" PRIu64
             " refusals are unclassified, in %zu forms. Put this into a directory of your own when it is finished:\n",
             list->total, list->refusals, list->count);
  buf_append_slice(out, SLICE("# bouncemill rules test --user-rules DIR\nrules:\n"));
  for (size_t i = 0; i < found.count; i++) write_rule(&found.items[i], i + 1, list->total, out);
  if (!found.count) buf_append_slice(out, SLICE("  [] # nothing to suggest\n"));
  suggestions_deinit(&found);
}

/* ---- the command ------------------------------------------------------------------------------------------------------------- */

static int suggest_rules(const struct suggest_command *command) {
  struct error err;
  struct unclassified list;
  struct buf out = {0};
  unclassified_init(&list);
  struct classifier *classifier = rule_options_load(&command->rules, false, NULL, &err);
  struct classify_context *context = classifier ? classify_context_new(classifier, &err) : NULL;
  bool is_done = context != NULL;
  is_done = is_done && (command->path ? read_file(context, command->path, &list, &err) : read_store(command, &list, &err));
  if (is_done) write_suggestions(classifier, &list, command->top, &out);
  is_done = is_done && command_write(buf_slice(&out), &err);
  buf_deinit(&out);
  unclassified_deinit(&list);
  classify_context_free(context);
  classifier_free(classifier);
  return is_done ? EXIT_OK : command_fail(&err);
}

int rules_suggest_main(int argc, char **argv) {
  static const struct option LONG[] = {STORE_LONG_OPTION,
                                       PERIOD_LONG_OPTIONS,
                                       {"top", required_argument, NULL, OPTION_TOP},
                                       {"help", no_argument, NULL, 'h'},
                                       RULE_LONG_OPTIONS,
                                       {0}};
  struct suggest_command command = {.top = TOP_DEFAULT};
  struct error err = {0};
  store_options_init(&command.store);
  optind = 0;
  for (int option; (option = getopt_long(argc, argv, ":s:h", LONG, NULL)) != -1;) {
    if (option == ':' || option == '?') return command_bad_option("rules suggest", option, argv[optind - 1]);
    if (option == 'h') {
      fputs(HELP, stdout);
      return EXIT_OK;
    }
    if (option == OPTION_TOP && !config_parse_unsigned(slice_from_cstr(optarg), 1, 1000, &command.top))
      return command_usage("rules suggest", "--top needs a number from 1 to 1000, not '%s'", optarg);
    if (option == OPTION_TOP || rule_options_take(&command.rules, option, optarg)) continue;
    if (!store_options_take(&command.store, option, optarg, &err)) return command_usage("rules suggest", "%s", err.text);
  }
  if (argc - optind > 1) return command_usage("rules suggest", "one FILE at most");
  command.path = argv[optind];
  return suggest_rules(&command);
}
