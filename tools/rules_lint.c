/* bouncemill rules lint: what is wrong with rules that load, each with file and line. */
#include <stdio.h>

#include "base/json.h"
#include "tools/command.h"
#include "tools/rules.h"

static const char HELP[] =
    "usage: bouncemill rules lint [OPTION]...\n\n"
    "Prints what is wrong with rules, a line each: file, line, rule, kind and what to do.\n\n"
    "  stolen-example    an example that gives another rule, or none\n"
    "  unreachable-rule  an earlier rule takes every reply that this one could match\n"
    "  overlapping-text  a text under 'any' that decides nothing: a shorter one is in it, or an earlier rule takes all with it\n"
    "  missing-example   less than two examples\n"
    "  missing-negative  no counter-example under 'not', or one that matches\n"
    "  slow-pattern      a regex whose compiled form is large, or a text so short that it stands in most replies\n\n"
    "      --json           one JSON object a line\n" RULE_HELP
    "  -h, --help           this text\n\n"
    "Exit codes: 0 nothing was found, 1 something was, 2 usage, or a rule does not load.\n";

struct lint_run {
  bool is_json;
  size_t count;
  struct buf out;
};

static void write_finding(void *context, const struct lint_finding *finding) {
  struct lint_run *run = context;
  run->count++;
  if (!run->is_json) {
    buf_printf(&run->out, "%.*s:%zu: rule %.*s: %s: %s\n", SLICE_ARG(finding->file), finding->line, SLICE_ARG(finding->rule),
               finding->kind, finding->text);
    return;
  }
  buf_printf(&run->out, "{\"kind\":\"%s\",\"line\":%zu,\"file\":", finding->kind, finding->line);
  json_write_string(&run->out, finding->file);
  buf_append_slice(&run->out, SLICE(",\"rule\":"));
  json_write_string(&run->out, finding->rule);
  buf_append_slice(&run->out, SLICE(",\"text\":"));
  json_write_string(&run->out, slice_from_cstr(finding->text));
  buf_append(&run->out, "}\n", 2);
}

static int lint_rules(const struct rule_options *options, bool is_json) {
  struct error err;
  struct buf problems = {0};
  struct lint_run run = {.is_json = is_json};
  struct classifier *classifier = rule_options_load(options, true, &problems, &err);
  if (!classifier) {
    fprintf(stderr, "%.*s", SLICE_ARG(buf_slice(&problems)));
    buf_deinit(&problems);
    return error_exit_code(&err);
  }
  bool is_done = classifier_lint(classifier, write_finding, &run, &err);
  if (!is_json && run.count == 0) buf_printf(&run.out, "%zu rules: nothing found\n", classifier_rule_count(classifier));
  is_done = is_done && command_write(buf_slice(&run.out), &err);
  buf_deinit(&run.out);
  buf_deinit(&problems);
  classifier_free(classifier);
  if (!is_done) return command_fail(&err);
  return run.count ? EXIT_FINDINGS : EXIT_OK;
}

int rules_lint_main(int argc, char **argv) {
  static const struct option LONG[] = {{"json", no_argument, NULL, 'j'}, {"help", no_argument, NULL, 'h'}, RULE_LONG_OPTIONS, {0}};
  struct rule_options rules = {0};
  bool is_json = false;
  optind = 0;
  for (int option; (option = getopt_long(argc, argv, ":h", LONG, NULL)) != -1;) {
    if (option == ':' || option == '?') return command_bad_option("rules lint", option, argv[optind - 1]);
    if (option == 'h') {
      fputs(HELP, stdout);
      return EXIT_OK;
    }
    if (!rule_options_take(&rules, option, optarg)) is_json = true;
  }
  if (optind < argc) return command_usage("rules lint", "unexpected argument '%s'", argv[optind]);
  return lint_rules(&rules, is_json);
}
