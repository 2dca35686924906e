/* aggregate/compact_fold: which replies of a day stay, and what the others become. */
#include "aggregate/compact_fold.h"

#include <stdio.h>

#include "base/limits.h"
#include "tests/unit/store_rows.h"

struct kept {
  size_t rows, others;
  uint64_t count, other_count;
  bool is_in_order;
  char last[LIMIT_TEMPLATE_BYTES * 4];
  struct buf text; /* of the rows "other" */
};

static bool take_row(void *context, const void *any) {
  struct kept *kept = context;
  const struct replies_row *row = any;
  char key[sizeof kept->last];
  snprintf(key, sizeof key, "%.*s/%.*s/%.*s/%.*s/%08u", SLICE_ARG(row->provider), SLICE_ARG(row->cause), SLICE_ARG(row->rule),
           SLICE_ARG(row->template), row->hour);
  if (strcmp(kept->last, key) >= 0) kept->is_in_order = false;
  strcpy(kept->last, key);
  kept->rows++;
  kept->count += row->count;
  if (!slice_equal(row->template, SLICE("other"))) return true;
  kept->others++;
  kept->other_count += row->count;
  DATASETS[DATASET_replies].write_csv(row, &kept->text);
  buf_append_byte(&kept->text, '\n');
  return true;
}

/* Three passes over the rows, as a job makes them. */
static struct kept fold_rows(const struct replies_row *rows, size_t count) {
  struct kept kept = {.is_in_order = true};
  struct compact_fold *fold = compact_fold_new(0, take_row, &kept);
  for (size_t i = 0; i < count; i++) ck_assert(compact_fold_count(fold, &rows[i]));
  ck_assert(compact_fold_is_needed(fold));
  compact_fold_begin(fold);
  for (size_t i = 0; i < count; i++) ck_assert(compact_fold_gather(fold, &rows[i]));
  compact_fold_begin(fold);
  for (size_t i = 0; i < count; i++) ck_assert(compact_fold_write(fold, &rows[i]));
  ck_assert(compact_fold_finish(fold));
  compact_fold_free(fold);
  return kept;
}

enum { TEMPLATES = LIMIT_DAY_REPLIES + 10 };
static char names[TEMPLATES][16];

/* One row a template, all of the second day, each of `count`. */
static struct replies_row *make_rows(uint64_t count) {
  struct replies_row *rows = calloc(TEMPLATES + 1, sizeof *rows);
  for (size_t i = 0; i < TEMPLATES; i++) {
    snprintf(names[i], sizeof names[i], "t%06zu", i);
    rows[i] = test_reply(24, names[i], names[i], 100000 + i);
    rows[i].count = count;
  }
  return rows;
}

START_TEST(the_largest_counts_stay_and_the_rest_is_added_up) {
  struct replies_row *rows = make_rows(5);
  for (size_t i = 0; i < 10; i++) rows[i * 7 + 3].count = 1;
  struct kept kept = fold_rows(rows, TEMPLATES);
  ck_assert(kept.is_in_order);
  ck_assert_uint_eq(kept.rows, LIMIT_DAY_REPLIES + 1);
  ck_assert_uint_eq(kept.count, LIMIT_DAY_REPLIES * 5 + 10);
  ck_assert_slice_eq(buf_slice(&kept.text), ",user_unknown,,other,24,10,100003,100066,t000003\n");
  buf_deinit(&kept.text);
  free(rows);
}
END_TEST

START_TEST(of_equal_counts_the_first_in_order_stay) {
  struct replies_row *rows = make_rows(5);
  struct kept kept = fold_rows(rows, TEMPLATES);
  ck_assert_uint_eq(kept.others, 1);
  ck_assert_slice_eq(buf_slice(&kept.text), ",user_unknown,,other,24,50,101000,101009,t001000\n");
  buf_deinit(&kept.text);
  free(rows);
}
END_TEST

START_TEST(rows_folded_before_take_no_place_and_grow) {
  struct replies_row *rows = make_rows(5), first = test_reply(24, "other", "a", 90000);
  first.provider = first.rule = SLICE("");
  first.count = 1;
  memmove(rows + 1, rows, TEMPLATES * sizeof *rows);
  rows[0] = first;
  struct kept kept = fold_rows(rows, TEMPLATES + 1);
  ck_assert(kept.is_in_order);
  ck_assert_uint_eq(kept.rows, LIMIT_DAY_REPLIES + 1);
  ck_assert_slice_eq(buf_slice(&kept.text), ",user_unknown,,other,24,51,90000,101009,a\n");
  buf_deinit(&kept.text);
  free(rows);
}
END_TEST

START_TEST(each_day_and_cause_has_its_own_other) {
  size_t count = 0;
  struct replies_row *rows = calloc(TEMPLATES * 4, sizeof *rows);
  free(make_rows(1)); /* for the names */
  static const char *const causes[] = {"mailbox_full", "user_unknown"};
  for (size_t c = 0; c < 2; c++) {
    for (size_t i = 0; i < TEMPLATES; i++) {
      for (uint32_t day = 1; day <= 2; day++) {
        rows[count] = test_reply(day * 24, names[i], names[i], 1);
        rows[count].cause = slice_from_cstr(causes[c]);
        rows[count++].count = c ? 2 : 1; /* the second cause's are all larger */
      }
    }
  }
  struct kept kept = fold_rows(rows, count);
  ck_assert(kept.is_in_order);
  ck_assert_uint_eq(kept.others, 4);
  ck_assert_uint_eq(kept.rows, 2 * LIMIT_DAY_REPLIES + 4);
  ck_assert_uint_eq(kept.count, TEMPLATES * 6);
  ck_assert_uint_eq(kept.other_count, 2 * TEMPLATES + 2 * 10 * 2);
  buf_deinit(&kept.text);
  free(rows);
}
END_TEST

START_TEST(nothing_is_folded_where_all_have_room) {
  struct kept kept = {0};
  struct replies_row *rows = make_rows(1);
  struct compact_fold *fold = compact_fold_new(0, take_row, &kept);
  for (size_t i = 0; i < LIMIT_DAY_REPLIES; i++) compact_fold_count(fold, &rows[i]);
  ck_assert(!compact_fold_is_needed(fold));
  compact_fold_count(fold, &rows[LIMIT_DAY_REPLIES]);
  ck_assert(compact_fold_is_needed(fold));
  compact_fold_free(fold);
  free(rows);
}
END_TEST

TEST_MAIN(the_largest_counts_stay_and_the_rest_is_added_up, of_equal_counts_the_first_in_order_stay,
          rows_folded_before_take_no_place_and_grow, each_day_and_cause_has_its_own_other, nothing_is_folded_where_all_have_room)
