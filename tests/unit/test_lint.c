/* classify/lint: each kind of fault of rules that load is found where it stands, and rules without it are not accused. */
#include <stdio.h>
#include <unistd.h>

#include "classify/classify.h"
#include "tests/unit/check_main.h"

#define RULE(id, conditions, examples) \
  "  - id: " id "\n    cause: policy\n    " conditions "\n    examples: " examples "\n    not: [\"550 red sun\"]\n"
#define MOONS "[\"550 blue moon a\", \"550 blue moon b\"]"

static void write_finding(void *context, const struct lint_finding *finding) {
  struct slice file = finding->file;
  while (slice_find_byte(file, '/') < file.len) file = slice_skip(file, slice_find_byte(file, '/') + 1);
  buf_printf(context, "%.*s:%zu: %.*s: %s: %s\n", SLICE_ARG(file), finding->line, SLICE_ARG(finding->rule), finding->kind,
             finding->text);
}

/* What lint says of `rules` as the only file of a directory. */
static struct buf lint(const char *rules) {
  char dir[] = "/tmp/bouncemill-lint-XXXXXX", path[64];
  ck_assert_ptr_nonnull(mkdtemp(dir));
  snprintf(path, sizeof path, "%s/a.yaml", dir);
  FILE *file = fopen(path, "w");
  fputs(rules, file);
  fclose(file);
  struct error err = {0};
  struct buf out = {0};
  struct classifier *c = classifier_new(&(struct classifier_options){.rules_dir = dir, .is_for_lint = true}, &err);
  ck_assert_msg(c != NULL, "%s", err.text);
  ck_assert_msg(classifier_lint(c, write_finding, &out, &err), "%s", err.text);
  buf_append_byte(&out, '\0');
  classifier_free(c);
  unlink(path);
  rmdir(dir);
  return out;
}

#define ck_assert_lint(rules, expected)                                                    \
  do {                                                                                     \
    struct buf found = lint("rules:\n" rules);                                             \
    ck_assert_msg(strstr(found.ptr, expected), "'%s' is not in: %s", expected, found.ptr); \
    buf_deinit(&found);                                                                    \
  } while (0)
#define ck_assert_clean(rules)                 \
  do {                                         \
    struct buf found = lint("rules:\n" rules); \
    ck_assert_str_eq(found.ptr, "");           \
    buf_deinit(&found);                        \
  } while (0)

START_TEST(good_rules_are_clean) {
  ck_assert_clean(RULE("a", "any: [blue moon]", MOONS)
                      RULE("b", "any: [green moon, grey moon]", "[\"550 green moon\", \"550 grey moon\"]"));
}
END_TEST

START_TEST(stolen_example_is_named_with_its_line) {
  ck_assert_lint(RULE("a", "any: [moon a, sun]", "[\"550 moon a\", \"550 sun\"]") RULE("b", "any: [blue moon]", MOONS),
                 "a.yaml:10: b: stolen-example: its example gives a (");
  ck_assert_lint(RULE("a", "any: [blue moon]", "[\"550 blue moon\", \"550 green moon\"]"),
                 "a.yaml:5: a: stolen-example: its example gives no rule");
}
END_TEST

START_TEST(unreachable_rule_is_named_with_what_takes_its_replies) {
  ck_assert_lint(RULE("a", "any: [moon]", "[\"550 moon\", \"550 moons\"]") RULE("b", "any: [blue moon, green moon]", MOONS),
                 "a.yaml:7: b: unreachable-rule: a (");
  ck_assert_lint(RULE("a", "all: [moon]\n    smtp: [5xx]", MOONS) RULE("b", "all: [blue moon]\n    smtp: [550]", MOONS),
                 "b: unreachable-rule");
  /* Not when something may pass the first. */
  ck_assert_clean(RULE("a", "all: [moon]\n    smtp: [550]", MOONS)
                      RULE("b", "all: [moon]\n    smtp: [551]", "[\"551 moon\", \"551 moons\"]"));
  ck_assert_clean(RULE("a", "all: [moon]\n    none: [grey]", MOONS)
                      RULE("b", "all: [blue moon]", "[\"550 grey blue moon\", \"551 grey blue moon\"]"));
  ck_assert_clean(RULE("a", "all: [moon]\n    regex: \"moon [ab]\"", MOONS)
                      RULE("b", "all: [moon]", "[\"550 moon\", \"550 moons\"]"));
  ck_assert_clean(RULE("a", "all: [blue, moon]", MOONS) RULE("b", "all: [moon]", "[\"550 moon\", \"550 moons\"]"));
}
END_TEST

START_TEST(text_that_decides_nothing_is_named) {
  ck_assert_lint(RULE("a", "any: [\"a blue moon\", blue moon]", MOONS),
                 "a.yaml:2: a: overlapping-text: any: 'a blue moon' is idle: 'blue moon' is in it");
  ck_assert_lint(RULE("a", "any: [blue moon, Blue moon]", MOONS), "a.yaml:2: a: overlapping-text: any: 'blue moon' is idle");
  ck_assert_lint(RULE("a", "any: [moon a]", "[\"550 moon a\", \"550 moon ab\"]")
                     RULE("b", "any: [\"blue moon a\", green]", "[\"550 green\", \"550 greens\"]"),
                 "a.yaml:7: b: overlapping-text: any: 'blue moon a' is idle: a (");
}
END_TEST

START_TEST(missing_examples_are_named) {
  ck_assert_lint("  - id: a\n    cause: policy\n    any: [blue moon]\n    examples: " MOONS "\n",
                 "a.yaml:2: a: missing-negative: has no example under 'not'");
  ck_assert_lint(RULE("a", "any: [blue moon]", "[\"550 blue moon\"]"), "a.yaml:2: a: missing-example: has 1 of the two");
  ck_assert_lint("  - id: a\n    cause: policy\n    any: [blue moon]\n    examples: " MOONS "\n    not: [\"550 blue moon c\"]\n",
                 "a.yaml:6: a: missing-negative: matches what it must not");
}
END_TEST

START_TEST(slow_patterns_are_named) {
  struct buf rule = {0};
  buf_append_slice(&rule, SLICE("rules:\n  - id: a\n    cause: policy\n    any: [w1 blue moon1]\n    regex: \"(w0 moon0"));
  for (int i = 1; i < 120; i++) buf_printf(&rule, "|w%d.{1,40}moon%d", i, i);
  buf_append_slice(&rule, SLICE(")\"\n    examples: [\"550 w1 blue moon1\", \"551 w1 blue moon1\"]\n    not: [x]\n"));
  buf_append_byte(&rule, '\0');
  struct buf wide = lint(rule.ptr);
  ck_assert_msg(strstr(wide.ptr, "a.yaml:2: a: slow-pattern: regex: compiled it takes") != NULL, "%s", wide.ptr);
  buf_deinit(&wide);
  buf_deinit(&rule);
  ck_assert_lint(RULE("a", "any: [bl]", MOONS), "a.yaml:2: a: slow-pattern: a text of 2 bytes");
  ck_assert_clean(RULE("a", "all: [bl, moon]\n    regex: \"blue moon [ab]\"", MOONS));
}
END_TEST

TEST_MAIN(good_rules_are_clean, stolen_example_is_named_with_its_line, unreachable_rule_is_named_with_what_takes_its_replies,
          text_that_decides_nothing_is_named, missing_examples_are_named, slow_patterns_are_named)
