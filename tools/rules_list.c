/* bouncemill rules list: the rules in the order in which they are tried, as a table or JSON. */
#include <stdio.h>

#include "base/json.h"
#include "tools/command.h"
#include "tools/rules.h"
#include "tools/text_layout.h"

static const char HELP[] =
    "usage: bouncemill rules list [OPTION]...\n\n"
    "The rules in the order in which they are tried: id, cause, provider (- for all), the step in which they are tried, how many\n"
    "examples and counter-examples they have, file and line. Filters that are given must all fit.\n\n"
    "      --cause CAUSE    rules with this cause\n"
    "      --provider ID    rules about this provider: limited to it, or written for its replies; also a family: microsoft\n"
    "      --group GROUP    rules whose cause is of this group\n"
    "      --fault FAULT    rules whose cause is the fault of this side\n"
    "      --json           one JSON object a line\n" RULE_HELP
    "  -h, --help           this text\n\n"
    "Exit codes: 0 ok, 2 usage, or a rule is wrong.\n";

struct list_options {
  struct rule_options rules;
  const char *provider;
  bool has_cause, has_group, has_fault, is_json, is_help;
  enum cause cause;
  enum group group;
  enum fault fault;
};

enum { OPTION_CAUSE = 256, OPTION_PROVIDER, OPTION_GROUP, OPTION_FAULT, OPTION_JSON };

/* ---- filters ----------------------------------------------------------------------------------------------------------------- */

/* The complaint about a filter's value, with all that it may be. */
static int unknown_value(const char *option, const char *value, const struct buf *known) {
  return command_usage("rules list", "%s: there is no '%s'; there are %.*s", option, value,
                       SLICE_ARG(known->len ? buf_slice(known) : SLICE("none")));
}

static void add_name(struct buf *names, struct slice name) { buf_printf(names, "%s%.*s", names->len ? ", " : "", SLICE_ARG(name)); }

static struct slice name_of_cause(unsigned i) { return CAUSES[i].name; }
static struct slice name_of_group(unsigned i) { return group_name((enum group)i); }
static struct slice name_of_fault(unsigned i) { return fault_name((enum fault)i); }

/* The number of `value` among `count` names; EXIT_OK, or the exit code of the complaint. */
static int find_word(const char *option, const char *value, struct slice (*name)(unsigned i), unsigned count, unsigned *out) {
  struct buf known = {0};
  for (*out = 0; *out < count; ++*out) {
    if (slice_equal(name(*out), slice_from_cstr(value))) {
      buf_deinit(&known);
      return EXIT_OK;
    }
    add_name(&known, name(*out));
  }
  int code = unknown_value(option, value, &known);
  buf_deinit(&known);
  return code;
}

static int take_option(struct list_options *options, int option, const char *value) {
  unsigned word = 0;
  int code = EXIT_OK;
  switch (option) {
    case 'h': options->is_help = true; break;
    case OPTION_JSON: options->is_json = true; break;
    case OPTION_PROVIDER: options->provider = value; break;
    case OPTION_CAUSE:
      code = find_word("--cause", value, name_of_cause, CAUSE_COUNT, &word);
      options->has_cause = true, options->cause = (enum cause)word;
      break;
    case OPTION_GROUP:
      code = find_word("--group", value, name_of_group, GROUP_COUNT, &word);
      options->has_group = true, options->group = (enum group)word;
      break;
    case OPTION_FAULT:
      code = find_word("--fault", value, name_of_fault, FAULT_COUNT, &word);
      options->has_fault = true, options->fault = (enum fault)word;
      break;
    default: rule_options_take(&options->rules, option, value); break;
  }
  return code;
}

static bool is_wanted(const struct list_options *options, const struct classifier *classifier, size_t i,
                      const struct rule_info *rule) {
  if (options->has_cause && rule->cause != options->cause) return false;
  if (options->has_group && CAUSES[rule->cause].group != options->group) return false;
  if (options->has_fault && CAUSES[rule->cause].fault != options->fault) return false;
  return !options->provider || classifier_rule_is_about(classifier, i, slice_from_cstr(options->provider));
}

/* ---- output ------------------------------------------------------------------------------------------------------------------ */

static void write_row(const struct rule_info *rule, size_t id_width, struct buf *out) {
  struct buf provider = {0};
  buf_append_slice(&provider, rule->provider_count ? rule->provider : SLICE("-"));
  if (rule->provider_count > 1) buf_printf(&provider, "+%zu", rule->provider_count - 1);
  text_append_left(out, rule->id, id_width + 2);
  text_append_left(out, cause_name(rule->cause), 21);
  text_append_left(out, buf_slice(&provider), 16);
  text_append_left(out, rule->step, 19);
  buf_printf(out, "%8zu %4zu  %.*s:%zu%s\n", rule->example_count, rule->counter_example_count, SLICE_ARG(rule->file), rule->line,
             rule->is_users ? " (user's)" : "");
  buf_deinit(&provider);
}

static void write_json(const struct classifier *classifier, size_t number, const struct rule_info *rule, struct buf *out) {
  const struct slice texts[][2] = {{SLICE("{\"id\":"), rule->id},
                                   {SLICE(",\"cause\":"), cause_name(rule->cause)},
                                   {SLICE(",\"group\":"), group_name(CAUSES[rule->cause].group)},
                                   {SLICE(",\"fault\":"), fault_name(CAUSES[rule->cause].fault)},
                                   {SLICE(",\"provider\":"), rule->provider},
                                   {SLICE(",\"step\":"), rule->step},
                                   {SLICE(",\"file\":"), rule->file}};
  for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
    buf_append_slice(out, texts[i][0]);
    json_write_string_or_null(out, texts[i][1]);
  }
  buf_printf(out, ",\"line\":%zu,\"examples\":%zu,\"counter_examples\":%zu,\"is_users\":%s,\"providers\":[", rule->line,
             rule->example_count, rule->counter_example_count, rule->is_users ? "true" : "false");
  for (size_t i = 0; i < rule->provider_count; i++) {
    if (i) buf_append_byte(out, ',');
    json_write_string(out, classifier_rule_provider(classifier, number, i));
  }
  buf_append(out, "]}\n", 3);
}

static void write_rules(const struct list_options *options, const struct classifier *classifier, struct buf *out) {
  struct rule_info rule;
  size_t id_width = 2;
  for (size_t i = 0; i < classifier_rule_count(classifier); i++) {
    classifier_rule(classifier, i, &rule);
    if (is_wanted(options, classifier, i, &rule) && rule.id.len > id_width) id_width = rule.id.len;
  }
  if (!options->is_json) {
    text_append_left(out, SLICE("ID"), id_width + 2);
    buf_append_slice(out, SLICE("CAUSE                PROVIDER        STEP               EXAMPLES  NOT  WHERE\n"));
  }
  for (size_t i = 0; i < classifier_rule_count(classifier); i++) {
    classifier_rule(classifier, i, &rule);
    if (!is_wanted(options, classifier, i, &rule)) continue;
    if (options->is_json)
      write_json(classifier, i, &rule, out);
    else
      write_row(&rule, id_width, out);
  }
}

/* ---- the command ------------------------------------------------------------------------------------------------------------- */

struct search {
  struct slice wanted;
  bool is_found;
  struct buf names;
};

static void look_at(void *context, struct slice name) {
  struct search *search = context;
  search->is_found |= slice_equal(name, search->wanted);
  add_name(&search->names, name);
}

static int list_rules(const struct list_options *options) {
  struct error err;
  struct classifier *classifier = rule_options_load(&options->rules, false, NULL, &err);
  if (!classifier) return command_fail(&err);
  struct search search = {.wanted = slice_from_cstr(options->provider)};
  if (options->provider) classifier_each_subject(classifier, look_at, &search);
  int code = options->provider && !search.is_found ? unknown_value("--provider", options->provider, &search.names) : EXIT_OK;
  struct buf out = {0};
  if (code == EXIT_OK) {
    write_rules(options, classifier, &out);
    if (!command_write(buf_slice(&out), &err)) code = command_fail(&err);
  }
  buf_deinit(&out);
  buf_deinit(&search.names);
  classifier_free(classifier);
  return code;
}

int rules_list_main(int argc, char **argv) {
  static const struct option LONG[] = {{"cause", required_argument, NULL, OPTION_CAUSE},
                                       {"provider", required_argument, NULL, OPTION_PROVIDER},
                                       {"group", required_argument, NULL, OPTION_GROUP},
                                       {"fault", required_argument, NULL, OPTION_FAULT},
                                       {"json", no_argument, NULL, OPTION_JSON},
                                       {"help", no_argument, NULL, 'h'},
                                       RULE_LONG_OPTIONS,
                                       {0}};
  struct list_options options = {0};
  optind = 0;
  for (int option; (option = getopt_long(argc, argv, ":h", LONG, NULL)) != -1;) {
    if (option == ':' || option == '?') return command_bad_option("rules list", option, argv[optind - 1]);
    int code = take_option(&options, option, optarg);
    if (code) return code;
  }
  if (optind < argc) return command_usage("rules list", "unexpected argument '%s'", argv[optind]);
  if (!options.is_help) return list_rules(&options);
  fputs(HELP, stdout);
  return EXIT_OK;
}
