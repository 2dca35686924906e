/* Counting recipients and reading them in order. See recipients_table.h. */
#include "aggregate/recipients_table.h"

#include "aggregate/row_sort.h"
#include "base/clock.h"
#include "schemas/dataset.h"

#define BASE_SLOTS (4u << 10)
#define BASE_BYTES (512u << 10)
#define KEY_COLUMNS 4

/* Times within the row's day. */
struct live_row {
  struct recipients_key key;
  uint32_t first_s, last_s;
  uint64_t count;
};

static enum outcome words_outcome(uint32_t words) { return (enum outcome)(words & 0xff); }
static enum cause words_cause(uint32_t words) { return (enum cause)(words >> 8); }

void recipients_table_init(struct recipients_table *t) {
  slot_table_init(&t->table, BASE_SLOTS);
  pool_init(&t->rows, sizeof(struct live_row), BASE_BYTES);
}

void recipients_table_deinit(struct recipients_table *t) {
  slot_table_deinit(&t->table);
  pool_deinit(&t->rows);
}

void recipients_table_empty(struct recipients_table *t) {
  slot_table_empty(&t->table);
  pool_empty(&t->rows);
}

size_t recipients_table_used_bytes(const struct recipients_table *t) {
  return slot_table_used_bytes(&t->table) + pool_used_bytes(&t->rows);
}

static struct live_row *row_at(const struct recipients_table *t, uint32_t number) { return pool_at(&t->rows, number); }

static uint64_t key_hash(const struct recipients_key *key) {
  return hash_u64(((uint64_t)key->recipient << 32 | key->day) ^ hash_u64(key->words));
}

static uint64_t hash_of_row(const void *context, uint32_t number) {
  const struct recipients_table *t = context;
  return key_hash(&row_at(t, number)->key);
}

static struct live_row *find_row(struct recipients_table *t, const struct recipients_key *key) {
  uint64_t hash = key_hash(key);
  for (size_t at = slot_first(&t->table, hash); t->table.slots[at]; at = slot_next(&t->table, at)) {
    if (!slot_may_be(&t->table, at, hash)) continue;
    struct live_row *row = row_at(t, slot_number(&t->table, at));
    if (memcmp(&row->key, key, sizeof *key) == 0) return row;
  }
  uint32_t number = (uint32_t)pool_add(&t->rows, 1);
  *row_at(t, number) = (struct live_row){.key = *key, .first_s = UINT32_MAX};
  slot_insert(&t->table, hash, number, hash_of_row, t);
  return row_at(t, number);
}

void recipients_table_count(struct recipients_table *t, const struct recipients_key *key, uint64_t time_s) {
  struct live_row *row = find_row(t, key);
  uint32_t within_s = (uint32_t)(time_s % SECONDS_PER_DAY);
  row->count++;
  if (within_s < row->first_s) row->first_s = within_s;
  if (within_s > row->last_s) row->last_s = within_s;
}

/* ---- reading ---------------------------------------------------------------------------------------------------------------- */

struct reading {
  const struct recipients_table *t;
  const struct row_order *order;
  struct row_packing packing;
};

static uint64_t row_key(const void *context, uint32_t number, unsigned word) {
  const struct reading *r = context;
  const struct recipients_key *key = &row_at(r->t, number)->key;
  const struct word_ranks *words = &r->order->words;
  const uint32_t values[KEY_COLUMNS] = {r->order->string_ranks[key->recipient], words->outcome[words_outcome(key->words)],
                                        words->cause[words_cause(key->words)], key->day};
  return row_packing_word(&r->packing, values, word);
}

static void read_row(const struct reading *r, uint32_t number, struct recipients_row *row) {
  const struct live_row *live = row_at(r->t, number);
  uint64_t day_s = live->key.day * (uint64_t)SECONDS_PER_DAY;
  *row = (struct recipients_row){
      .day = live->key.day,
      .recipient = interner_text(r->order->strings, live->key.recipient),
      .outcome = outcome_name(words_outcome(live->key.words)),
      .cause = cause_name(words_cause(live->key.words)),
      .count = live->count,
      .first_time = day_s + live->first_s,
      .last_time = day_s + live->last_s,
  };
}

bool recipients_table_each(const struct recipients_table *t, const struct row_order *order, row_visit_fn *each, void *context) {
  struct reading r = {.t = t, .order = order};
  const uint32_t largest[KEY_COLUMNS] = {(uint32_t)interner_count(order->strings) - 1, OUTCOME_COUNT, CAUSE_COUNT, UINT32_MAX};
  row_packing_init(&r.packing, largest, KEY_COLUMNS);
  struct row_sort sort;
  row_sort_init(&sort, t->rows.count);
  row_sort_run(&sort, r.packing.word_count, row_key, &r);
  bool ok = true;
  for (size_t i = 0; i < sort.count && ok; i++) {
    struct recipients_row row;
    read_row(&r, sort.items[i].row, &row);
    ok = each(context, &row);
  }
  row_sort_deinit(&sort);
  return ok;
}
