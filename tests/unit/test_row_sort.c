/* Rows in the order of their columns, whatever the widths of the columns and the runs of equal words. */
#include "aggregate/row_sort.h"

#include <stdbool.h>

#include "tests/unit/check_main.h"

enum { COLUMNS = 6 };

struct table {
  uint32_t (*rows)[COLUMNS];
  struct row_packing packing;
};

static uint64_t key_of(const void *context, uint32_t row, unsigned word) {
  const struct table *table = context;
  return row_packing_word(&table->packing, table->rows[row], word);
}

static int compare_rows(const uint32_t *a, const uint32_t *b) {
  for (unsigned i = 0; i < COLUMNS; i++)
    if (a[i] != b[i]) return a[i] < b[i] ? -1 : 1;
  return 0;
}

static uint32_t random_state = 11;
static uint32_t random_u32(void) {
  random_state = random_state * 1664525 + 1013904223;
  return random_state ^ random_state >> 15;
}

/* Rows of columns up to `largest`; with `is_narrow` most values are 0 or the largest, so that first words are often equal. */
static void ck_assert_sorts(const uint32_t *largest, size_t count, bool is_narrow) {
  struct table table = {.rows = malloc((count + 1) * sizeof *table.rows)};
  for (size_t i = 0; i < count; i++)
    for (unsigned k = 0; k < COLUMNS; k++) {
      uint32_t value = is_narrow ? (random_u32() >> 20) % 2 * largest[k] : random_u32();
      table.rows[i][k] = largest[k] == UINT32_MAX ? value : value % (largest[k] + 1);
    }
  row_packing_init(&table.packing, largest, COLUMNS);
  struct row_sort sort;
  row_sort_init(&sort, count);
  row_sort_run(&sort, table.packing.word_count, key_of, &table);
  for (size_t i = 1; i < count; i++) {
    int order = compare_rows(table.rows[sort.items[i - 1].row], table.rows[sort.items[i].row]);
    ck_assert_int_le(order, 0);
    if (order == 0) ck_assert_uint_lt(sort.items[i - 1].row, sort.items[i].row);
  }
  row_sort_deinit(&sort);
  free(table.rows);
}

START_TEST(rows_are_in_the_order_of_their_columns) {
  static const uint32_t WIDTHS[][COLUMNS] = {
      {1, 1, 1, 1, 1, 1},
      {0, 0, 0, 0, 0, 0},
      {60, 7, 70000, 70000, 70000, 100},
      {100000, 3, 1 << 20, 1 << 17, 1 << 17, 1 << 12},
      {UINT32_MAX, UINT32_MAX, UINT32_MAX, UINT32_MAX, UINT32_MAX, UINT32_MAX},
      {UINT32_MAX, 1, UINT32_MAX >> 1, 1, 0, UINT32_MAX},
  };
  static const size_t COUNTS[] = {0, 1, 2, 39, 40, 41, 300, 20000};
  for (size_t w = 0; w < sizeof WIDTHS / sizeof *WIDTHS; w++)
    for (size_t c = 0; c < sizeof COUNTS / sizeof *COUNTS; c++) {
      ck_assert_sorts(WIDTHS[w], COUNTS[c], false);
      ck_assert_sorts(WIDTHS[w], COUNTS[c], true);
    }
}
END_TEST

START_TEST(columns_of_a_word_do_not_overlap_and_fit) {
  for (unsigned round = 0; round < 2000; round++) {
    uint32_t largest[COLUMNS];
    struct row_packing packing;
    uint64_t used[COLUMNS] = {0};
    for (unsigned k = 0; k < COLUMNS; k++) largest[k] = random_u32() >> random_u32() % 32;
    row_packing_init(&packing, largest, COLUMNS);
    ck_assert_uint_le(packing.word_count, COLUMNS);
    for (unsigned k = 0; k < COLUMNS; k++) {
      ck_assert_uint_lt(packing.word[k], packing.word_count);
      uint64_t bits = largest[k] ? UINT64_MAX >> __builtin_clzll(largest[k]) : 0;
      ck_assert_uint_eq(bits << packing.shift[k] >> packing.shift[k], bits);
      ck_assert_uint_eq(used[packing.word[k]] & bits << packing.shift[k], 0);
      used[packing.word[k]] |= bits << packing.shift[k];
    }
  }
}
END_TEST

TEST_MAIN(rows_are_in_the_order_of_their_columns, columns_of_a_word_do_not_overlap_and_fit)
