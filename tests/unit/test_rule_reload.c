/* tools/rule_reload and tools/rule_status: rules that are right come, wrong ones are told of, and what is told can be read. */
#include "tools/rule_reload.h"

#include <stdio.h>
#include <unistd.h>

#include "base/clock.h"
#include "tests/unit/check_main.h"
#include "tools/rule_status.h"

#define RULE(text)                                               \
  "rules:\n  - id: t.moon\n    cause: policy\n    any: [\"" text \
  "\"]\n"                                                        \
  "    examples: [\"550 blue moon a\", \"550 blue moon b\"]\n    not: [\"550 red moon\"]\n"

static char dir[64], path[128];

static void write_rule(const char *text) {
  FILE *file = fopen(path, "w");
  fputs(text, file);
  fclose(file);
}

static void setup(void) {
  snprintf(dir, sizeof dir, "/tmp/bouncemill-reload-XXXXXX");
  ck_assert_ptr_nonnull(mkdtemp(dir));
  snprintf(path, sizeof path, "%s/a.yaml", dir);
  write_rule(RULE("blue moon"));
}

static void teardown(void) {
  unlink(path);
  snprintf(path, sizeof path, "%s/rules", dir);
  unlink(path);
  ck_assert_int_eq(rmdir(dir), 0);
}

static void wait_for(struct rule_reload *reload, struct rule_reload_result *result) {
  int64_t from_us = clock_monotonic_us();
  while (!rule_reload_take(reload, result)) {
    ck_assert_msg(clock_monotonic_us() - from_us < 60 * US_PER_SECOND, "no outcome");
    usleep(1000);
  }
}

START_TEST(right_rules_come_with_a_context_for_each_worker) {
  setup();
  struct rule_reload *reload = rule_reload_new(dir, NULL, 3);
  struct rule_reload_result result;
  ck_assert(!rule_reload_take(reload, &result));
  rule_reload_begin(reload);
  wait_for(reload, &result);
  ck_assert(result.is_loaded);
  ck_assert_uint_eq(result.problems.len, 0);
  ck_assert_uint_eq(result.rules.context_count, 3);
  for (unsigned i = 0; i < 3; i++) {
    struct delivery delivery;
    struct verdict verdict;
    delivery_init(&delivery);
    delivery.reply = SLICE("550 blue moon");
    delivery.status = STATUS_bounced;
    classify_deliveries(result.rules.contexts[i], &delivery, 1, &verdict);
    ck_assert_slice_eq(verdict.rule, "t.moon");
  }
  ck_assert(!rule_reload_take(reload, &result));
  rules_in_use_deinit(&result.rules);
  rule_reload_free(reload);
  teardown();
}
END_TEST

START_TEST(wrong_rules_are_told_of_and_leave_nothing) {
  setup();
  struct rule_reload *reload = rule_reload_new(dir, NULL, 1);
  struct rule_reload_result result;
  write_rule(RULE("green moon"));
  rule_reload_begin(reload);
  wait_for(reload, &result);
  ck_assert(!result.is_loaded && !result.rules.classifier);
  ck_assert(slice_find(result.problems, SLICE("a.yaml:")) < result.problems.len);
  write_rule(RULE("blue moon"));
  rule_reload_begin(reload);
  wait_for(reload, &result);
  ck_assert(result.is_loaded && !result.problems.len);
  rules_in_use_deinit(&result.rules);
  rule_reload_free(reload);
  teardown();
}
END_TEST

START_TEST(reload_asked_for_during_another_reads_the_files_once_more) {
  setup();
  struct rule_reload *reload = rule_reload_new(dir, NULL, 1);
  struct rule_reload_result first, second;
  rule_reload_begin(reload);
  for (int i = 0; i < 10; i++) rule_reload_begin(reload);
  int64_t asked_us = clock_monotonic_us();
  wait_for(reload, &first);
  rules_in_use_deinit(&first.rules);
  wait_for(reload, &second);
  ck_assert_int_ge(second.begun_us, asked_us);
  rules_in_use_deinit(&second.rules);
  usleep(20000);
  ck_assert(!rule_reload_take(reload, &first));
  rule_reload_begin(reload); /* one that nobody takes */
  rule_reload_free(reload);
  teardown();
}
END_TEST

START_TEST(status_is_read_as_it_was_written) {
  setup();
  struct error err;
  struct buf text = {0};
  struct rule_status got, told = {.begun_us = 81000912, .rule_count = 889, .problems = SLICE("a.yaml:3: rule x: bad\nb\n")};
  for (int i = 0; i < 2; i++) {
    told.is_loaded = i == 1;
    ck_assert_msg(rule_status_write(dir, &told, &err), "%s", err.text);
    ck_assert_msg(rule_status_read(dir, &text, &got, &err), "%s", err.text);
    ck_assert_int_eq(got.pid, getpid());
    ck_assert_int_eq(got.begun_us, told.begun_us);
    ck_assert_uint_eq(got.rule_count, 889);
    ck_assert(got.is_loaded == told.is_loaded);
    ck_assert(slice_equal(got.problems, told.problems));
    told.problems = SLICE("");
  }
  buf_deinit(&text);
  teardown();
}
END_TEST

START_TEST(what_is_no_status_is_refused) {
  setup();
  static const char *const TEXTS[] = {"", "x", "bouncemill-rules 1\npid 4\n",
                                      "bouncemill-rules 1\npid 4\nbegun_us 7\nresult maybe\nrules 3\n",
                                      "bouncemill-rules 2\npid 4\nbegun_us 7\nresult loaded\nrules 3\n"};
  struct error err;
  struct buf text = {0};
  struct rule_status got;
  char status_path[128];
  snprintf(status_path, sizeof status_path, "%s/rules", dir);
  ck_assert(!rule_status_read(dir, &text, &got, &err));
  for (size_t i = 0; i < sizeof TEXTS / sizeof *TEXTS; i++) {
    FILE *file = fopen(status_path, "w");
    fputs(TEXTS[i], file);
    fclose(file);
    ck_assert_msg(!rule_status_read(dir, &text, &got, &err), "text %zu", i);
    ck_assert_int_eq(err.kind, ERROR_INPUT);
  }
  buf_deinit(&text);
  teardown();
}
END_TEST

TEST_MAIN(right_rules_come_with_a_context_for_each_worker, wrong_rules_are_told_of_and_leave_nothing,
          reload_asked_for_during_another_reads_the_files_once_more, status_is_read_as_it_was_written, what_is_no_status_is_refused)
