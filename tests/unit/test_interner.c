/* Strings to numbers and back, and their order. */
#include "aggregate/interner.h"

#include <stdio.h>

#include "tests/unit/check_main.h"

static uint32_t intern(struct interner *interner, struct slice text) {
  return interner_intern(interner, text, interner_hash(interner, text));
}

START_TEST(equal_strings_have_one_number_and_different_ones_two) {
  struct interner interner;
  interner_init(&interner);
  ck_assert_uint_eq(intern(&interner, SLICE("")), INTERNER_EMPTY);
  uint32_t a = intern(&interner, SLICE("example.com"));
  ck_assert_uint_ne(a, intern(&interner, SLICE("example.net")));
  ck_assert_uint_ne(a, intern(&interner, SLICE("example.co")));
  ck_assert_uint_ne(a, intern(&interner, SLICE("example.com\0")));
  ck_assert_uint_eq(a, intern(&interner, SLICE("example.com")));
  ck_assert_slice_eq(interner_text(&interner, a), "example.com");
  interner_deinit(&interner);
}
END_TEST

START_TEST(strings_that_differ_in_any_one_byte_are_told_apart) {
  struct interner interner;
  interner_init(&interner);
  char text[40];
  for (size_t len = 1; len <= sizeof text; len++) {
    memset(text, 'a', sizeof text);
    uint32_t plain = intern(&interner, slice_of(text, len));
    for (size_t i = 0; i < len; i++) {
      text[i] = 'b';
      /* The hash of another string: only comparing the bytes can tell. */
      uint64_t hash = interner_hash(&interner, interner_text(&interner, plain));
      ck_assert_uint_ne(interner_intern(&interner, slice_of(text, len), hash), plain);
      text[i] = 'a';
    }
  }
  interner_deinit(&interner);
}
END_TEST

START_TEST(numbers_stay_while_the_tables_grow_and_all_is_given_back) {
  struct interner interner;
  interner_init(&interner);
  size_t base_used = interner_used_bytes(&interner);
  enum { COUNT = 500000 };
  char text[32];
  for (int round = 0; round < 2; round++) {
    for (unsigned i = 0; i < COUNT; i++) {
      int len = snprintf(text, sizeof text, "domain-%u.example", i);
      ck_assert_uint_eq(intern(&interner, slice_of(text, (size_t)len)), i + 1);
    }
    ck_assert_uint_eq(interner_count(&interner), COUNT + 1);
    for (unsigned i = 0; i < COUNT; i += 997) {
      snprintf(text, sizeof text, "domain-%u.example", i);
      ck_assert_slice_eq(interner_text(&interner, i + 1), text);
    }
    ck_assert_uint_gt(interner.bytes.mapped_bytes, POOL_KEEP_BYTES);
    ck_assert_uint_ge(interner.table.mask, SLOT_KEEP);
    interner_empty(&interner);
    ck_assert_uint_eq(interner.bytes.mapped_bytes, POOL_KEEP_BYTES);
    ck_assert_uint_lt(interner.table.mask, SLOT_KEEP);
    ck_assert_uint_eq(interner_used_bytes(&interner), base_used);
    ck_assert_uint_eq(interner_count(&interner), 1);
  }
  interner_deinit(&interner);
}
END_TEST

START_TEST(ranks_are_the_order_of_bytes) {
  struct interner interner;
  interner_init(&interner);
  uint32_t state = 7;
  char text[300];
  for (unsigned i = 0; i < 20000; i++) {
    /* Few different bytes and lengths around multiples of eight: long equal beginnings, zero bytes at the end, bytes from 0x80. */
    static const char BYTES[] = {0, 'a', 'b', (char)0x80, (char)0xff};
    state = state * 1664525 + 1013904223;
    size_t len = (state >> 20) % (i % 50 ? 20 : INTERNER_TEXT_BYTES_MAX + 1);
    memset(text, 'a', sizeof text);
    for (size_t k = len > 9 ? len - 9 : 0; k < len; k++) {
      state = state * 1664525 + 1013904223;
      text[k] = BYTES[(state >> 24) % sizeof BYTES];
    }
    intern(&interner, slice_of(text, len));
  }
  size_t count = interner_count(&interner);
  uint32_t *ranks = malloc(count * sizeof *ranks), *by_rank = malloc(count * sizeof *by_rank);
  memset(by_rank, 0xff, count * sizeof *by_rank);
  interner_rank(&interner, ranks);
  for (uint32_t i = 0; i < count; i++) {
    ck_assert_uint_lt(ranks[i], count);
    ck_assert_uint_eq(by_rank[ranks[i]], UINT32_MAX);
    by_rank[ranks[i]] = i;
  }
  for (size_t i = 1; i < count; i++)
    ck_assert_int_lt(slice_compare(interner_text(&interner, by_rank[i - 1]), interner_text(&interner, by_rank[i])), 0);
  free(ranks);
  free(by_rank);
  interner_deinit(&interner);
}
END_TEST

TEST_MAIN(equal_strings_have_one_number_and_different_ones_two, strings_that_differ_in_any_one_byte_are_told_apart,
          numbers_stay_while_the_tables_grow_and_all_is_given_back, ranks_are_the_order_of_bytes)
