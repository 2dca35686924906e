/* Counting senders and their recipients, and reading them in order. See senders_table.h. */
#include "aggregate/senders_table.h"

#include "schemas/dataset.h"

#define BASE_SLOTS (4u << 10)
#define BASE_BYTES (256u << 10)

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
  row_table_init(&t->table, BASE_SLOTS, sizeof(struct live_row), BASE_BYTES);
  pool_init(&t->sketches, sizeof(struct hyperloglog), BASE_BYTES);
}

void senders_table_deinit(struct senders_table *t) {
  row_table_deinit(&t->table);
  pool_deinit(&t->sketches);
}

void senders_table_empty(struct senders_table *t) {
  row_table_empty(&t->table);
  pool_empty(&t->sketches);
}

size_t senders_table_used_bytes(const struct senders_table *t) {
  return row_table_used_bytes(&t->table) + pool_used_bytes(&t->sketches);
}

static struct live_row *row_at(const struct senders_table *t, uint32_t number) { return row_table_at(&t->table, number); }

uint64_t senders_key_hash(const struct senders_key *key) {
  return hash_u64(((uint64_t)key->sender << 32 | key->hour) ^ (uint64_t)key->outcome << 28);
}

static uint64_t hash_of_row(const void *table, uint32_t number) {
  return senders_key_hash(&((const struct live_row *)row_table_at(table, number))->key);
}

static void *sketch_at(const struct senders_table *t, const struct live_row *row) { return pool_at(&t->sketches, row->sketch); }

uint32_t senders_table_find(struct senders_table *t, const struct senders_key *key, uint64_t key_hash, uint64_t recipient_hash) {
  uint32_t number = row_table_find(&t->table, key, sizeof *key, key_hash);
  if (number == SLOT_NONE) return row_table_add(&t->table, &(struct live_row){.key = *key}, key_hash, hash_of_row);
  const struct live_row *row = row_at(t, number);
  if (row->few_count > FEW_MAX) __builtin_prefetch((char *)sketch_at(t, row) + hyperloglog_register(recipient_hash));
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

static void rank_columns(const struct row_order *order, const void *row, uint32_t *columns) {
  const struct senders_key *key = &((const struct live_row *)row)->key;
  columns[0] = order->string_ranks[key->sender], columns[1] = order->words.outcome[key->outcome], columns[2] = key->hour;
}

static void read_row(const void *table, const struct row_order *order, const void *row, union any_row *any) {
  const struct senders_table *t = table;
  const struct live_row *live = row;
  struct senders_row *out = &any->senders;
  out->sender_domain = interner_text(order->strings, live->key.sender);
  out->outcome = outcome_name((enum outcome)live->key.outcome);
  out->hour = live->key.hour;
  out->count = live->count;
  if (live->few_count <= FEW_MAX)
    spread_few(live, &out->recipients);
  else
    memcpy(&out->recipients, sketch_at(t, live), sizeof out->recipients);
}

bool senders_table_each(const struct senders_table *t, const struct row_order *order, row_visit_fn *each, void *context) {
  const uint32_t largest[] = {(uint32_t)interner_count(order->strings) - 1, OUTCOME_COUNT, UINT32_MAX};
  const struct row_telling telling = {largest, sizeof largest / sizeof *largest, rank_columns, read_row};
  return row_table_each(&t->table, t, &telling, order, each, context);
}
