/* classify/rule_file, self_test: what is wrong with a rule is told with file, line, rule and example. */
#include <stdio.h>
#include <unistd.h>

#include "classify/classify.h"
#include "tests/unit/check_main.h"

#define GOOD_EXAMPLES "    examples: [\"550 blue moon a\", \"550 blue moon b\"]\n    not: [\"550 red moon\"]\n"

/* Loads `text` as the only file of a directory of rules; the problems go to `problems`. */
static struct classifier *load(const char *text, struct buf *problems) {
  char dir[] = "/tmp/bouncemill-rules-XXXXXX", path[64];
  ck_assert_ptr_nonnull(mkdtemp(dir));
  snprintf(path, sizeof path, "%s/a.yaml", dir);
  FILE *file = fopen(path, "w");
  fputs(text, file);
  fclose(file);
  struct error err;
  struct classifier *c = classifier_new(&(struct classifier_options){.rules_dir = dir, .problems = problems}, &err);
  unlink(path);
  rmdir(dir);
  return c;
}

/* That loading `text` tells `expected` somewhere. */
static void check_problem(const char *text, const char *expected) {
  struct buf problems = {0};
  struct classifier *c = load(text, &problems);
  buf_append_byte(&problems, '\0');
  ck_assert_msg(!c, "loaded; '%s' is expected", expected);
  ck_assert_msg(strstr(problems.ptr, expected) != NULL, "'%s' is not in: %s", expected, problems.ptr);
  buf_deinit(&problems);
}

START_TEST(good_rule_loads_and_is_listed) {
  struct buf problems = {0};
  struct classifier *c =
      load("provider: google\nrules:\n  - id: t.moon\n    cause: policy\n    any: [\"Blue Moon\"]\n" GOOD_EXAMPLES, &problems);
  ck_assert_msg(c != NULL, "%.*s", SLICE_ARG(buf_slice(&problems)));
  struct rule_info rule;
  classifier_rule(c, 0, &rule);
  ck_assert_slice_eq(rule.id, "t.moon");
  ck_assert_slice_eq(rule.provider, "google");
  ck_assert_uint_eq(rule.line, 3);
  ck_assert_uint_eq(rule.example_count, 2);
  ck_assert_uint_eq(rule.counter_example_count, 1);
  ck_assert(rule.cause == CAUSE_policy);
  classifier_free(c);
}
END_TEST

#define RULE(extra) "rules:\n  - id: t.moon\n    cause: policy\n    any: [blue moon]\n" extra GOOD_EXAMPLES

START_TEST(faults_of_a_rule_name_file_line_and_rule) {
  check_problem("rules:\n  - id: t.moon\n    cause: nonsense\n    any: [blue moon]\n" GOOD_EXAMPLES,
                "/a.yaml:3: rule t.moon: cause: 'nonsense' is not in the taxonomy");
  check_problem("rules:\n  - id: t.moon\n    any: [blue moon]\n" GOOD_EXAMPLES, "/a.yaml:2: rule t.moon: cause: missing");
  check_problem("rules:\n  - id: t.moon\n    cause: policy\n    smtp: [550]\n" GOOD_EXAMPLES,
                "a literal in 'all' or 'any' is needed");
  check_problem(RULE("    smtp: [55]\n"), "/a.yaml:5: rule t.moon: smtp: '55' is no reply code");
  check_problem(RULE("    dsn: [\"5.1\"]\n"), "dsn: '5.1' is no enhanced status code");
  check_problem(RULE("    regex: \"a(b\"\n"), "/a.yaml:5: rule t.moon: regex: ");
  check_problem(RULE("    regex: \"a*\"\n"), "regex: matches the empty text");
  check_problem(RULE("    status: [expired]\n"), "status: 'expired' is none of");
  check_problem(RULE("    status: [delivered]\n"), "status: delivered stands alone, with a cause that accepts");
  check_problem(RULE("    colour: blue\n"), "/a.yaml:5: rule t.moon: unknown key 'colour'");
  check_problem(RULE("    before: lunch\n"), "before: only 'blocklists' is known");
  check_problem("provider: nobody\n" RULE(""), "provider: 'nobody' is not in providers.yaml");
  check_problem("rules:\n  - id: T\n    cause: policy\n    any: [blue moon]\n" GOOD_EXAMPLES, "/a.yaml:2: id: up to 64 of");
  check_problem("rules:\n  - cause: policy\n", "/a.yaml:2: id: missing");
  check_problem("rules:\n  - id: t\n    cause: accepted_discarded\n    any: [blue moon]\n" GOOD_EXAMPLES,
                "needs status: [delivered]");
}
END_TEST

START_TEST(faults_of_a_file_are_told) {
  check_problem("rules: [", "/a.yaml:");
  check_problem("- a\n", "/a.yaml:1: 'rules:' is expected");
  check_problem("rule: []\n", "unknown key 'rule'");
  check_problem("rules: 3\n", "'rules:' with a list is expected");
}
END_TEST

START_TEST(id_twice_is_an_error) {
  check_problem(
      RULE("") "  - id: t.moon\n    cause: policy\n    any: [green moon]\n    examples: [green moon, green moon b]\n    not: [x]\n",
      "/a.yaml:7: id: 't.moon' is taken already, in line 2 of ");
}
END_TEST

START_TEST(literal_that_normalising_masks_is_an_error) {
  check_problem("rules:\n  - id: t\n    cause: policy\n    any: [blue moon, \"error 123456\"]\n" GOOD_EXAMPLES,
                "rule t: any: 'error 123456' can't be found: replies are compared as 'error <n>'");
  check_problem("rules:\n  - id: t\n    cause: policy\n    any: [blue moon]\n    none: [\"a@b.org\"]\n" GOOD_EXAMPLES,
                "none: 'a@b.org' can't be found");
}
END_TEST

START_TEST(too_few_examples_are_an_error) {
  check_problem("rules:\n  - id: t\n    cause: policy\n    any: [blue moon]\n    examples: [blue moon]\n    not: [x]\n",
                "rule t: examples: at least 2");
  check_problem("rules:\n  - id: t\n    cause: policy\n    any: [blue moon]\n    examples: [blue moon, blue moon b]\n",
                "rule t: not: at least 1");
}
END_TEST

START_TEST(every_failing_example_is_told_with_its_line) {
  const char *text =
      "rules:\n  - id: t.moon\n    cause: policy\n    any: [blue moon]\n    examples:\n      - \"550 blue moon\"\n"
      "      - \"550 green moon\"\n      - \"550 grey moon\"\n    not:\n      - \"550 a blue moon\"\n";
  check_problem(text, "/a.yaml:7: rule t.moon: example '550 green moon' gives no rule");
  check_problem(text, "/a.yaml:8: rule t.moon: example '550 grey moon' gives no rule");
  check_problem(text, "/a.yaml:10: rule t.moon: matches what it must not: '550 a blue moon'");
}
END_TEST

START_TEST(example_that_an_earlier_rule_takes_is_told) {
  check_problem(
      "rules:\n  - id: t.first\n    cause: spam_content\n    any: [moon]\n    examples: [\"550 moon\", \"550 moon b\"]\n    not: "
      "[sun]\n"
      "  - id: t.second\n    cause: policy\n    any: [blue moon]\n    examples: [\"550 blue moon\", \"550 blue moon b\"]\n    not: "
      "[sun]\n",
      "rule t.second: example '550 blue moon' gives t.first");
}
END_TEST

START_TEST(directory_that_is_not_there_or_empty_is_an_error) {
  struct error err;
  ck_assert(!classifier_new(&(struct classifier_options){.rules_dir = "/nowhere/at/all"}, &err));
  ck_assert_msg(strstr(err.text, "/nowhere/at/all: cannot read") != NULL, "%s", err.text);
  char dir[] = "/tmp/bouncemill-rules-XXXXXX";
  ck_assert_ptr_nonnull(mkdtemp(dir));
  ck_assert(!classifier_new(&(struct classifier_options){.rules_dir = dir}, &err));
  rmdir(dir);
}
END_TEST

TEST_MAIN(good_rule_loads_and_is_listed, faults_of_a_rule_name_file_line_and_rule, faults_of_a_file_are_told, id_twice_is_an_error,
          literal_that_normalising_masks_is_an_error, too_few_examples_are_an_error, every_failing_example_is_told_with_its_line,
          example_that_an_earlier_rule_takes_is_told, directory_that_is_not_there_or_empty_is_an_error)
