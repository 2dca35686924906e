/* The error that is promised is the one that is had, at every size, and merging is exact. */
#include "schemas/hyperloglog.h"

#include <math.h>
#include <string.h>

#include "base/hash.h"
#include "tests/unit/check_main.h"

static void note(struct hyperloglog *sketch, uint64_t number) {
  uint64_t hash = hash_bytes(&number, sizeof number);
  unsigned at = hyperloglog_register(hash), rank = hyperloglog_rank(hash);
  if (rank > sketch->rank[at]) sketch->rank[at] = (uint8_t)rank;
}

START_TEST(estimates_have_the_promised_error_and_no_bias_at_every_size) {
  static const struct {
    unsigned size, rounds;
  } CASES[] = {{1, 500},   {2, 500},    {10, 500},   {50, 500},    {200, 500},
               {500, 500}, {1300, 500}, {5000, 300}, {100000, 40}, {2000000, 4}};
  uint64_t number = 0;
  for (size_t c = 0; c < sizeof CASES / sizeof *CASES; c++) {
    double sum = 0, squares = 0, rounds = CASES[c].rounds;
    for (unsigned round = 0; round < CASES[c].rounds; round++) {
      struct hyperloglog sketch = {0};
      for (unsigned i = 0; i < CASES[c].size; i++) note(&sketch, number++);
      double off = hyperloglog_estimate(&sketch) / CASES[c].size - 1;
      sum += off;
      squares += off * off;
    }
    /* Four standard errors of a mean, and of a standard deviation, of so many rounds. */
    ck_assert_msg(fabs(sum / rounds) < 4 * 0.065 / sqrt(rounds) + 0.002, "%u: bias %f", CASES[c].size, sum / rounds);
    ck_assert_msg(sqrt(squares / rounds) < 0.065 * (1 + 4 / sqrt(2 * rounds)), "%u: error %f", CASES[c].size,
                  sqrt(squares / rounds));
  }
}
END_TEST

START_TEST(up_to_thirty_it_is_off_by_a_few_at_most) {
  uint64_t number = 1u << 30;
  for (unsigned size = 0; size <= 30; size++) {
    double worst = 0;
    for (unsigned round = 0; round < 200; round++) {
      struct hyperloglog sketch = {0};
      for (unsigned i = 0; i < size; i++) note(&sketch, number++);
      double off = fabs(hyperloglog_estimate(&sketch) - size);
      worst = off > worst ? off : worst;
    }
    ck_assert_msg(worst <= (size <= 10 ? 3.1 : 8), "%u: off by %f", size, worst);
  }
}
END_TEST

START_TEST(merged_sketches_are_the_sketch_of_all) {
  struct hyperloglog all = {0}, even = {0}, odd = {0}, other = {0};
  for (uint64_t i = 0; i < 10000; i++) {
    note(&all, i);
    note(i % 2 ? &odd : &even, i);
    if (i < 100) note(&other, i);
  }
  hyperloglog_merge(&even, &odd);
  hyperloglog_merge(&even, &other);
  hyperloglog_merge(&even, &even);
  ck_assert_mem_eq(&even, &all, sizeof all);
}
END_TEST

START_TEST(ranks_are_from_one_to_the_largest) {
  ck_assert_uint_eq(hyperloglog_rank(0), HYPERLOGLOG_RANK_MAX);
  ck_assert_uint_eq(hyperloglog_rank(UINT64_MAX), 1);
  ck_assert_uint_eq(hyperloglog_rank(1), HYPERLOGLOG_RANK_MAX - 1);
  ck_assert_uint_eq(hyperloglog_register(UINT64_MAX), HYPERLOGLOG_REGISTERS - 1);
  struct hyperloglog full;
  memset(&full, HYPERLOGLOG_RANK_MAX, sizeof full);
  ck_assert(hyperloglog_estimate(&full) > 1e15);
  ck_assert(hyperloglog_estimate(&(struct hyperloglog){0}) == 0);
}
END_TEST

TEST_MAIN(estimates_have_the_promised_error_and_no_bias_at_every_size, up_to_thirty_it_is_off_by_a_few_at_most,
          merged_sketches_are_the_sketch_of_all, ranks_are_from_one_to_the_largest)
