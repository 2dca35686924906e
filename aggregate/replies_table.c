/* Counting replies, keeping their least example, and reading them in order. See replies_table.h. */
#include "aggregate/replies_table.h"

#include "aggregate/row_sort.h"
#include "schemas/dataset.h"

#define BASE_SLOTS (4u << 10)
#define BASE_BYTES (512u << 10)
#define KEY_COLUMNS 5

struct live_row {
  struct replies_key key;
  uint16_t example_len;
  char example[LIMIT_TEMPLATE_BYTES];
  uint64_t count, first_time_s, last_time_s;
};
_Static_assert(LIMIT_TEMPLATE_BYTES <= UINT16_MAX, "an example's length has 16 bits");

void replies_table_init(struct replies_table *t) {
  slot_table_init(&t->table, BASE_SLOTS);
  pool_init(&t->rows, sizeof(struct live_row), BASE_BYTES);
}

void replies_table_deinit(struct replies_table *t) {
  slot_table_deinit(&t->table);
  pool_deinit(&t->rows);
}

void replies_table_empty(struct replies_table *t) {
  slot_table_empty(&t->table);
  pool_empty(&t->rows);
}

size_t replies_table_used_bytes(const struct replies_table *t) {
  return slot_table_used_bytes(&t->table) + pool_used_bytes(&t->rows);
}

static struct live_row *row_at(const struct replies_table *t, uint32_t number) { return pool_at(&t->rows, number); }

static uint64_t key_hash(const struct replies_key *key) {
  uint64_t what = (uint64_t)key->template << 32 | key->provider, who = (uint64_t)key->hour << 32 | key->rule;
  return hash_u64(hash_u64(what) ^ who ^ (uint64_t)key->cause << 24);
}

static uint64_t hash_of_row(const void *context, uint32_t number) {
  const struct replies_table *t = context;
  return key_hash(&row_at(t, number)->key);
}

static struct live_row *find_row(struct replies_table *t, const struct replies_key *key) {
  uint64_t hash = key_hash(key);
  for (size_t at = slot_first(&t->table, hash); t->table.slots[at]; at = slot_next(&t->table, at)) {
    if (!slot_may_be(&t->table, at, hash)) continue;
    struct live_row *row = row_at(t, slot_number(&t->table, at));
    if (memcmp(&row->key, key, sizeof *key) == 0) return row;
  }
  uint32_t number = (uint32_t)pool_add(&t->rows, 1);
  *row_at(t, number) = (struct live_row){.key = *key, .first_time_s = UINT64_MAX};
  slot_insert(&t->table, hash, number, hash_of_row, t);
  return row_at(t, number);
}

void replies_table_count(struct replies_table *t, const struct replies_key *key, uint64_t time_s, struct slice example) {
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

struct reading {
  const struct replies_table *t;
  const struct row_order *order;
  struct row_packing packing;
};

static uint64_t row_key(const void *context, uint32_t number, unsigned word) {
  const struct reading *r = context;
  const struct replies_key *key = &row_at(r->t, number)->key;
  const uint32_t *ranks = r->order->string_ranks;
  const uint32_t values[KEY_COLUMNS] = {ranks[key->provider], r->order->words.cause[key->cause], ranks[key->rule],
                                        ranks[key->template], key->hour};
  return row_packing_word(&r->packing, values, word);
}

static void read_row(const struct reading *r, uint32_t number, struct replies_row *row) {
  const struct live_row *live = row_at(r->t, number);
  const struct interner *strings = r->order->strings;
  *row = (struct replies_row){
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

bool replies_table_each(const struct replies_table *t, const struct row_order *order, row_visit_fn *each, void *context) {
  struct reading r = {.t = t, .order = order};
  uint32_t strings = (uint32_t)interner_count(order->strings) - 1;
  const uint32_t largest[KEY_COLUMNS] = {strings, CAUSE_COUNT, strings, strings, UINT32_MAX};
  row_packing_init(&r.packing, largest, KEY_COLUMNS);
  struct row_sort sort;
  row_sort_init(&sort, t->rows.count);
  row_sort_run(&sort, r.packing.word_count, row_key, &r);
  bool ok = true;
  for (size_t i = 0; i < sort.count && ok; i++) {
    struct replies_row row;
    read_row(&r, sort.items[i].row, &row);
    ok = each(context, &row);
  }
  row_sort_deinit(&sort);
  return ok;
}
