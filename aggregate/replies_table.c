/* Counting replies, keeping their least example, and reading them in order. See replies_table.h. */
#include "aggregate/replies_table.h"

#include "schemas/dataset.h"

#define BASE_SLOTS (4u << 10)
#define BASE_BYTES (512u << 10)

struct live_row {
  struct replies_key key;
  uint16_t example_len;
  char example[LIMIT_TEMPLATE_BYTES];
  uint64_t count, first_time_s, last_time_s;
};
_Static_assert(LIMIT_TEMPLATE_BYTES <= UINT16_MAX, "an example's length has 16 bits");

void replies_table_init(struct row_table *t) { row_table_init(t, BASE_SLOTS, sizeof(struct live_row), BASE_BYTES); }

static uint64_t key_hash(const struct replies_key *key) {
  uint64_t what = (uint64_t)key->template << 32 | key->provider, who = (uint64_t)key->hour << 32 | key->rule;
  return hash_u64(hash_u64(what) ^ who ^ (uint64_t)key->cause << 24);
}

static uint64_t hash_of_row(const void *table, uint32_t number) {
  return key_hash(&((const struct live_row *)row_table_at(table, number))->key);
}

static struct live_row *find_row(struct row_table *t, const struct replies_key *key) {
  uint64_t hash = key_hash(key);
  uint32_t number = row_table_find(t, key, sizeof *key, hash);
  if (number == SLOT_NONE)
    number = row_table_add(t, &(struct live_row){.key = *key, .first_time_s = UINT64_MAX}, hash, hash_of_row);
  return row_table_at(t, number);
}

void replies_table_count(struct row_table *t, const struct replies_key *key, uint64_t time_s, struct slice example) {
  struct live_row *row = find_row(t, key);
  if (row->count == 0 || slice_compare(example, slice_of(row->example, row->example_len)) < 0) {
    if (example.len) memcpy(row->example, example.ptr, example.len);
    row->example_len = (uint16_t)example.len;
  }
  row->count++;
  if (time_s < row->first_time_s) row->first_time_s = time_s;
  if (time_s > row->last_time_s) row->last_time_s = time_s;
}

/* ---- reading ---------------------------------------------------------------------------------------------------------------- */

static void rank_columns(const struct row_order *order, const void *row, uint32_t *columns) {
  const struct replies_key *key = &((const struct live_row *)row)->key;
  const uint32_t *ranks = order->string_ranks;
  columns[0] = ranks[key->provider], columns[1] = order->words.cause[key->cause], columns[2] = ranks[key->rule];
  columns[3] = ranks[key->template], columns[4] = key->hour;
}

static void read_row(const void *table, const struct row_order *order, const void *row, union any_row *out) {
  (void)table;
  const struct live_row *live = row;
  const struct interner *strings = order->strings;
  out->replies = (struct replies_row){
      .hour = live->key.hour,
      .provider = interner_text(strings, live->key.provider),
      .cause = cause_name((enum cause)live->key.cause),
      .rule = interner_text(strings, live->key.rule),
      .template = interner_text(strings, live->key.template),
      .count = live->count,
      .first_time = live->first_time_s,
      .last_time = live->last_time_s,
      .example = slice_of(live->example, live->example_len),
  };
}

bool replies_table_each(const struct row_table *t, const struct row_order *order, row_visit_fn *each, void *context) {
  uint32_t strings = (uint32_t)interner_count(order->strings) - 1;
  const uint32_t largest[] = {strings, CAUSE_COUNT, strings, strings, UINT32_MAX};
  const struct row_telling telling = {largest, sizeof largest / sizeof *largest, rank_columns, read_row};
  return row_table_each(t, t, &telling, order, each, context);
}
