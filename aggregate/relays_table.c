/* Counting relays and reading them in order. See relays_table.h. */
#include "aggregate/relays_table.h"

#include "aggregate/row_sort.h"
#include "schemas/dataset.h"

#define BASE_SLOTS (16u << 10)
#define BASE_BYTES (512u << 10)
#define KEY_COLUMNS 5

struct live_row {
  struct relays_key key;
  uint64_t count;
};

void relays_table_init(struct relays_table *t) {
  slot_table_init(&t->table, BASE_SLOTS);
  pool_init(&t->rows, sizeof(struct live_row), BASE_BYTES);
}

void relays_table_deinit(struct relays_table *t) {
  slot_table_deinit(&t->table);
  pool_deinit(&t->rows);
}

void relays_table_empty(struct relays_table *t) {
  slot_table_empty(&t->table);
  pool_empty(&t->rows);
}

size_t relays_table_used_bytes(const struct relays_table *t) {
  return slot_table_used_bytes(&t->table) + pool_used_bytes(&t->rows);
}

static struct live_row *row_at(const struct relays_table *t, uint32_t number) { return pool_at(&t->rows, number); }

uint64_t relays_key_hash(const struct relays_key *key) {
  uint64_t server = ((uint64_t)key->host << 32 | key->ip) * 0x9e3779b185ebca87u;
  uint64_t when = ((uint64_t)key->minute << 32 | key->words) * 0xc2b2ae3d27d4eb4fu;
  return hash_u64(server ^ (when >> 29 | when << 35) ^ key->provider * 0x165667b19e3779f9u);
}

static uint64_t hash_of_row(const void *context, uint32_t number) {
  const struct relays_table *t = context;
  return relays_key_hash(&row_at(t, number)->key);
}

void relays_table_prefetch_row(const struct relays_table *t, uint64_t hash) {
  uint32_t number = slot_candidate(&t->table, hash);
  if (number != SLOT_NONE) __builtin_prefetch(row_at(t, number), 1);
}

void relays_table_count(struct relays_table *t, const struct relays_key *key, uint64_t hash) {
  for (size_t at = slot_first(&t->table, hash); t->table.slots[at]; at = slot_next(&t->table, at)) {
    if (!slot_may_be(&t->table, at, hash)) continue;
    struct live_row *row = row_at(t, slot_number(&t->table, at));
    if (memcmp(&row->key, key, sizeof *key) != 0) continue;
    row->count++;
    return;
  }
  uint32_t number = (uint32_t)pool_add(&t->rows, 1);
  *row_at(t, number) = (struct live_row){.key = *key, .count = 1};
  slot_insert(&t->table, hash, number, hash_of_row, t);
}

/* ---- reading ---------------------------------------------------------------------------------------------------------------- */

struct reading {
  const struct relays_table *t;
  const struct row_order *order;
  struct row_packing packing;
};

static enum status words_status(uint32_t words) { return (enum status)(words >> 16); }
static enum cause words_cause(uint32_t words) { return (enum cause)(words & 0xffff); }

static uint32_t rank_words(const struct word_ranks *ranks, uint32_t words) {
  return (uint32_t)ranks->status[words_status(words)] * CAUSE_COUNT + ranks->cause[words_cause(words)];
}

static uint64_t row_key(const void *context, uint32_t number, unsigned word) {
  const struct reading *r = context;
  const struct relays_key *key = &row_at(r->t, number)->key;
  const uint32_t *ranks = r->order->string_ranks;
  const uint32_t values[KEY_COLUMNS] = {ranks[key->provider], ranks[key->host], ranks[key->ip],
                                        rank_words(&r->order->words, key->words), key->minute};
  return row_packing_word(&r->packing, values, word);
}

static void read_row(const struct reading *r, uint32_t number, struct relays_row *row) {
  const struct live_row *live = row_at(r->t, number);
  const struct interner *strings = r->order->strings;
  *row = (struct relays_row){
      .minute = live->key.minute,
      .provider = interner_text(strings, live->key.provider),
      .relay_host = interner_text(strings, live->key.host),
      .relay_ip = interner_text(strings, live->key.ip),
      .status = status_name(words_status(live->key.words)),
      .cause = cause_name(words_cause(live->key.words)),
      .count = live->count,
  };
}

bool relays_table_each(const struct relays_table *t, const struct row_order *order, row_visit_fn *each, void *context) {
  struct reading r = {.t = t, .order = order};
  uint32_t strings = (uint32_t)interner_count(order->strings) - 1;
  const uint32_t largest[KEY_COLUMNS] = {strings, strings, strings, STATUS_COUNT * CAUSE_COUNT, UINT32_MAX};
  row_packing_init(&r.packing, largest, KEY_COLUMNS);
  struct row_sort sort;
  row_sort_init(&sort, t->rows.count);
  row_sort_run(&sort, r.packing.word_count, row_key, &r);
  bool ok = true;
  for (size_t i = 0; i < sort.count && ok; i++) {
    struct relays_row row;
    read_row(&r, sort.items[i].row, &row);
    ok = each(context, &row);
  }
  row_sort_deinit(&sort);
  return ok;
}
