/* Finding and counting rows of traffic. See traffic_table.h; reading them in order is in traffic_rows.c. */
#include "aggregate/traffic_layout.h"
#include "schemas/delivery.h"

#define BASE_SLOTS (64u << 10)
#define BASE_FACET_SLOTS (4u << 10)
#define BASE_BYTES (2u << 20)
#define BASE_FACET_BYTES (64u << 10)

void traffic_table_init(struct traffic_table *t) {
  slot_table_init(&t->table, BASE_SLOTS);
  slot_table_init(&t->facet_table, BASE_FACET_SLOTS);
  pool_init(&t->rows, sizeof(struct live_row), BASE_BYTES);
  pool_init(&t->facets, sizeof(struct traffic_facet), BASE_FACET_BYTES);
  pool_init(&t->blocks, sizeof(struct value_block), BASE_BYTES);
  pool_init(&t->deeps, sizeof(struct deep_values), BASE_FACET_BYTES);
}

void traffic_table_deinit(struct traffic_table *t) {
  slot_table_deinit(&t->table);
  slot_table_deinit(&t->facet_table);
  pool_deinit(&t->rows);
  pool_deinit(&t->facets);
  pool_deinit(&t->blocks);
  pool_deinit(&t->deeps);
}

void traffic_table_empty(struct traffic_table *t) {
  slot_table_empty(&t->table);
  slot_table_empty(&t->facet_table);
  pool_empty(&t->rows);
  pool_empty(&t->facets);
  pool_empty(&t->blocks);
  pool_empty(&t->deeps);
}

size_t traffic_table_used_bytes(const struct traffic_table *t) {
  return slot_table_used_bytes(&t->table) + slot_table_used_bytes(&t->facet_table) + pool_used_bytes(&t->rows) +
         pool_used_bytes(&t->facets) + pool_used_bytes(&t->blocks) + pool_used_bytes(&t->deeps);
}

/* ---- finding ---------------------------------------------------------------------------------------------------------------- */

static uint64_t facet_hash(const struct traffic_facet *facet) {
  return hash_u64(((uint64_t)facet->source << 32 | facet->words) ^ hash_u64((uint64_t)facet->blocklist << 32 | facet->last_cause));
}

static uint64_t hash_of_facet(const void *context, uint32_t number) {
  const struct traffic_table *t = context;
  return facet_hash(pool_at(&t->facets, number));
}

uint32_t traffic_table_facet(struct traffic_table *t, const struct traffic_facet *facet) {
  uint64_t hash = facet_hash(facet);
  for (size_t at = slot_first(&t->facet_table, hash); t->facet_table.slots[at]; at = slot_next(&t->facet_table, at)) {
    uint32_t number = slot_number(&t->facet_table, at);
    if (slot_may_be(&t->facet_table, at, hash) && !memcmp(pool_at(&t->facets, number), facet, sizeof *facet)) return number;
  }
  uint32_t number = (uint32_t)pool_add(&t->facets, 1);
  memcpy(pool_at(&t->facets, number), facet, sizeof *facet);
  slot_insert(&t->facet_table, hash, number, hash_of_facet, t);
  return number;
}

/* Numbers are given out one after another, so they are spread by odd constants (of XXH64) before they are folded. */
uint64_t traffic_key_hash(const struct traffic_key *key) {
  uint64_t domains = ((uint64_t)key->sender << 32 | key->recipient) * 0x9e3779b185ebca87u;
  uint64_t when = ((uint64_t)key->minute << 32 | key->facet) * 0xc2b2ae3d27d4eb4fu;
  return hash_u64(domains ^ (when >> 29 | when << 35) ^ key->provider * 0x165667b19e3779f9u);
}

static uint64_t hash_of_row(const void *context, uint32_t number) {
  const struct traffic_table *t = context;
  return traffic_key_hash(&live_row_at(t, number)->key);
}

void traffic_table_prefetch_row(const struct traffic_table *t, uint64_t hash) {
  uint32_t number = slot_candidate(&t->table, hash);
  if (number != SLOT_NONE) __builtin_prefetch(live_row_at(t, number));
}

static bool key_equal(const struct traffic_key *a, const struct traffic_key *b) {
  return ((a->minute ^ b->minute) | (a->sender ^ b->sender) | (a->recipient ^ b->recipient) | (a->provider ^ b->provider) |
          (a->facet ^ b->facet)) == 0;
}

uint32_t traffic_table_find(struct traffic_table *t, const struct traffic_key *key, uint64_t hash) {
  for (size_t at = slot_first(&t->table, hash); t->table.slots[at]; at = slot_next(&t->table, at)) {
    if (!slot_may_be(&t->table, at, hash)) continue;
    uint32_t number = slot_number(&t->table, at);
    const struct live_row *row = live_row_at(t, number);
    if (!key_equal(&row->key, key)) continue;
    if (row->values & VALUES_IN_BLOCK) __builtin_prefetch(value_block_at(t, row), 1);
    return number;
  }
  uint32_t number = (uint32_t)pool_add(&t->rows, 1);
  *live_row_at(t, number) = (struct live_row){.key = *key};
  slot_insert(&t->table, hash, number, hash_of_row, t);
  return number;
}

/* ---- counting --------------------------------------------------------------------------------------------------------------- */

static struct deep_values *deep_of(struct traffic_table *t, struct value_block *block) {
  if (!block->deep) {
    block->deep = (uint32_t)pool_add(&t->deeps, 1) + 1;
    *deep_values_at(t, block) = (struct deep_values){0};
  }
  return deep_values_at(t, block);
}

static void count_in_block(struct traffic_table *t, struct value_block *block, unsigned bucket) {
  if (++block->count == BLOCK_SPILL) {
    deep_of(t, block)->count += BLOCK_SPILL;
    block->count = 0;
  }
  if (bucket == NO_BUCKET) return;
  if (++block->delay[bucket] == 0) deep_of(t, block)->delay[bucket] += BLOCK_SPILL;
}

/* Moves the values of the row to a block of its own. */
static void move_to_block(struct traffic_table *t, struct live_row *row) {
  uint32_t number = (uint32_t)pool_add(&t->blocks, 1);
  struct value_block *block = pool_at(&t->blocks, number);
  *block = (struct value_block){.bytes = row->bytes, .count = values_count(row->values)};
  for (unsigned i = 0; i < values_delays(row->values); i++) block->delay[values_bucket(row->values, i)]++;
  row->values = VALUES_IN_BLOCK | number;
  row->bytes = 0;
}

void traffic_table_count(struct traffic_table *t, uint32_t number, uint64_t bytes, int64_t delay_us) {
  struct live_row *row = live_row_at(t, number);
  unsigned bucket = delay_us < 0 ? NO_BUCKET : histogram_bucket(delay_us);
  if (!(row->values & VALUES_IN_BLOCK)) {
    uint32_t count = values_count(row->values);
    if (count < VALUES_INLINE_MAX && bytes <= UINT32_MAX - row->bytes) {
      row->values = values_add(row->values, bucket);
      row->bytes += (uint32_t)bytes;
      return;
    }
    move_to_block(t, row);
  }
  struct value_block *block = value_block_at(t, row);
  block->bytes += bytes;
  count_in_block(t, block, bucket);
}
