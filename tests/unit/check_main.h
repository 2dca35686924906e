/* The main() of a unit test: runs one suite, prints Check's summary, exits 1 on a failure.
 *
 *   START_TEST(null_sender_is_empty_not_absent) { ck_assert(...); } END_TEST
 *   TEST_MAIN(null_sender_is_empty_not_absent, other_test)
 */
#ifndef TESTS_CHECK_MAIN_H
#define TESTS_CHECK_MAIN_H

#include <check.h>
#include <stdlib.h>

#define TEST_MAIN(...)                                                                  \
  int main(void) {                                                                      \
    const TTest *const tests[] = {__VA_ARGS__};                                         \
    Suite *suite = suite_create(__FILE__);                                              \
    TCase *tcase = tcase_create("all");                                                 \
    tcase_set_timeout(tcase, 60);                                                       \
    for (size_t i = 0; i < sizeof tests / sizeof *tests; i++) tcase_add_test(tcase, tests[i]); \
    suite_add_tcase(suite, tcase);                                                      \
    SRunner *runner = srunner_create(suite);                                            \
    srunner_run_all(runner, CK_NORMAL);                                                 \
    int failed = srunner_ntests_failed(runner);                                         \
    srunner_free(runner);                                                               \
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;                                        \
  }

/* The slice holds just this text; both are shown when not. */
#define ck_assert_slice_eq(actual, expected)                                               \
  do {                                                                                      \
    struct slice got_ = (actual);                                                           \
    struct slice want_ = slice_from_cstr(expected);                                            \
    ck_assert_msg(slice_equal(got_, want_), "%s is '%.*s', not '%s'", #actual, SLICE_ARG(got_), expected); \
  } while (0)

#endif
