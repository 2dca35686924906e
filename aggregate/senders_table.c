/* Counting senders and their recipients, and reading them in order. See senders_table.h. */
#include "aggregate/senders_table.h"

#include "aggregate/row_sort.h"
#include "schemas/dataset.h"

#define BASE_SLOTS (4u << 10)
#define BASE_BYTES (256u << 10)
#define KEY_COLUMNS 3

#define FEW_MAX 12
#define RANK_BITS 6
_Static_assert(HYPERLOGLOG_RANK_MAX < 1 << RANK_BITS && HYPERLOGLOG_BITS + RANK_BITS <= 16, "a register and its rank have 16 bits");

struct live_row {
  struct senders_key key;
  uint32_t few_count; /* FEW_MAX + 1: `sketch` instead */
  uint64_t count;
  union {
    uint16_t few[FEW_MAX]; /* register << RANK_BITS | rank, each register once, as they came */
    uint32_t sketch;
  };
};
_Static_assert(sizeof(struct live_row) == 48, "three rows in 144 bytes");

void senders_table_init(struct senders_table *t) {
  slot_table_init(&t->table, BASE_SLOTS);
  pool_init(&t->rows, sizeof(struct live_row), BASE_BYTES);
  pool_init(&t->sketches, sizeof(struct hyperloglog), BASE_BYTES);
}

void senders_table_deinit(struct senders_table *t) {
  slot_table_deinit(&t->table);
  pool_deinit(&t->rows);
  pool_deinit(&t->sketches);
}

void senders_table_empty(struct senders_table *t) {
  slot_table_empty(&t->table);
  pool_empty(&t->rows);
  pool_empty(&t->sketches);
}

size_t senders_table_used_bytes(const struct senders_table *t) {
  return slot_table_used_bytes(&t->table) + pool_used_bytes(&t->rows) + pool_used_bytes(&t->sketches);
}

static struct live_row *row_at(const struct senders_table *t, uint32_t number) { return pool_at(&t->rows, number); }

uint64_t senders_key_hash(const struct senders_key *key) {
  return hash_u64(((uint64_t)key->sender << 32 | key->hour) ^ (uint64_t)key->outcome << 28);
}

static uint64_t hash_of_row(const void *context, uint32_t number) {
  const struct senders_table *t = context;
  return senders_key_hash(&row_at(t, number)->key);
}

static void *sketch_at(const struct senders_table *t, const struct live_row *row) { return pool_at(&t->sketches, row->sketch); }

void senders_table_prefetch_row(const struct senders_table *t, uint64_t key_hash) {
  uint32_t number = slot_candidate(&t->table, key_hash);
  if (number != SLOT_NONE) __builtin_prefetch(row_at(t, number), 1);
}

uint32_t senders_table_find(struct senders_table *t, const struct senders_key *key, uint64_t key_hash, uint64_t recipient_hash) {
  for (size_t at = slot_first(&t->table, key_hash); t->table.slots[at]; at = slot_next(&t->table, at)) {
    if (!slot_may_be(&t->table, at, key_hash)) continue;
    uint32_t number = slot_number(&t->table, at);
    const struct live_row *row = row_at(t, number);
    if (memcmp(&row->key, key, sizeof *key) != 0) continue;
    if (row->few_count > FEW_MAX) __builtin_prefetch((char *)sketch_at(t, row) + hyperloglog_register(recipient_hash));
    return number;
  }
  uint32_t number = (uint32_t)pool_add(&t->rows, 1);
  *row_at(t, number) = (struct live_row){.key = *key};
  slot_insert(&t->table, key_hash, number, hash_of_row, t);
  return number;
}

/* ---- sketches --------------------------------------------------------------------------------------------------------------- */

static void keep_larger(struct hyperloglog *sketch, unsigned number, unsigned rank) {
  if (rank > sketch->rank[number]) sketch->rank[number] = (uint8_t)rank;
}

static void spread_few(const struct live_row *row, struct hyperloglog *sketch) {
  memset(sketch, 0, sizeof *sketch);
  for (unsigned i = 0; i < row->few_count; i++) sketch->rank[row->few[i] >> RANK_BITS] = row->few[i] & ((1u << RANK_BITS) - 1);
}

/* Among the few; false when there is no more room. */
static bool note_among_few(struct live_row *row, unsigned number, unsigned rank) {
  uint16_t noted = (uint16_t)(number << RANK_BITS | rank);
  for (unsigned i = 0; i < row->few_count; i++) {
    if (row->few[i] >> RANK_BITS != number) continue;
    if (noted > row->few[i]) row->few[i] = noted;
    return true;
  }
  if (row->few_count == FEW_MAX) return false;
  row->few[row->few_count++] = noted;
  return true;
}

void senders_table_count(struct senders_table *t, uint32_t number_of_row, uint64_t recipient_hash) {
  struct live_row *row = row_at(t, number_of_row);
  unsigned number = hyperloglog_register(recipient_hash), rank = hyperloglog_rank(recipient_hash);
  row->count++;
  if (row->few_count <= FEW_MAX) {
    if (note_among_few(row, number, rank)) return;
    uint32_t sketch = (uint32_t)pool_add(&t->sketches, 1);
    spread_few(row, pool_at(&t->sketches, sketch));
    row->few_count = FEW_MAX + 1;
    row->sketch = sketch;
  }
  keep_larger(sketch_at(t, row), number, rank);
}

/* ---- reading ---------------------------------------------------------------------------------------------------------------- */

struct reading {
  const struct senders_table *t;
  const struct row_order *order;
  struct row_packing packing;
};

static uint64_t row_key(const void *context, uint32_t number, unsigned word) {
  const struct reading *r = context;
  const struct senders_key *key = &row_at(r->t, number)->key;
  const uint32_t values[KEY_COLUMNS] = {r->order->string_ranks[key->sender], r->order->words.outcome[key->outcome], key->hour};
  return row_packing_word(&r->packing, values, word);
}

static void read_row(const struct reading *r, uint32_t number, struct senders_row *row) {
  const struct live_row *live = row_at(r->t, number);
  row->sender_domain = interner_text(r->order->strings, live->key.sender);
  row->outcome = outcome_name((enum outcome)live->key.outcome);
  row->hour = live->key.hour;
  row->count = live->count;
  if (live->few_count <= FEW_MAX)
    spread_few(live, &row->recipients);
  else
    memcpy(&row->recipients, sketch_at(r->t, live), sizeof row->recipients);
}

bool senders_table_each(const struct senders_table *t, const struct row_order *order, row_visit_fn *each, void *context) {
  struct reading r = {.t = t, .order = order};
  const uint32_t largest[KEY_COLUMNS] = {(uint32_t)interner_count(order->strings) - 1, OUTCOME_COUNT, UINT32_MAX};
  row_packing_init(&r.packing, largest, KEY_COLUMNS);
  struct row_sort sort;
  row_sort_init(&sort, t->rows.count);
  row_sort_run(&sort, r.packing.word_count, row_key, &r);
  bool ok = true;
  for (size_t i = 0; i < sort.count && ok; i++) {
    struct senders_row row;
    read_row(&r, sort.items[i].row, &row);
    ok = each(context, &row);
  }
  row_sort_deinit(&sort);
  return ok;
}
