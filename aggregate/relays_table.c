/* Counting relays and reading them in order. See relays_table.h. */
#include "aggregate/relays_table.h"

#include "schemas/dataset.h"

#define BASE_SLOTS (16u << 10)
#define BASE_BYTES (512u << 10)

struct live_row {
  struct relays_key key;
  uint64_t count;
};

void relays_table_init(struct row_table *t) { row_table_init(t, BASE_SLOTS, sizeof(struct live_row), BASE_BYTES); }

uint64_t relays_key_hash(const struct relays_key *key) {
  uint64_t server = ((uint64_t)key->host << 32 | key->ip) * 0x9e3779b185ebca87u;
  uint64_t when = ((uint64_t)key->minute << 32 | key->words) * 0xc2b2ae3d27d4eb4fu;
  return hash_u64(server ^ (when >> 29 | when << 35) ^ key->provider * 0x165667b19e3779f9u);
}

static uint64_t hash_of_row(const void *table, uint32_t number) {
  return relays_key_hash(&((const struct live_row *)row_table_at(table, number))->key);
}

void relays_table_count(struct row_table *t, const struct relays_key *key, uint64_t hash) {
  uint32_t number = row_table_find(t, key, sizeof *key, hash);
  if (number == SLOT_NONE)
    row_table_add(t, &(struct live_row){.key = *key, .count = 1}, hash, hash_of_row);
  else
    ((struct live_row *)row_table_at(t, number))->count++;
}

/* ---- reading ---------------------------------------------------------------------------------------------------------------- */

static enum status words_status(uint32_t words) { return (enum status)(words >> 16); }
static enum cause words_cause(uint32_t words) { return (enum cause)(words & 0xffff); }

static uint32_t rank_words(const struct word_ranks *ranks, uint32_t words) {
  return (uint32_t)ranks->status[words_status(words)] * CAUSE_COUNT + ranks->cause[words_cause(words)];
}

static void rank_columns(const struct row_order *order, const void *row, uint32_t *columns) {
  const struct relays_key *key = &((const struct live_row *)row)->key;
  const uint32_t *ranks = order->string_ranks;
  columns[0] = ranks[key->provider], columns[1] = ranks[key->host], columns[2] = ranks[key->ip];
  columns[3] = rank_words(&order->words, key->words), columns[4] = key->minute;
}

static void read_row(const void *table, const struct row_order *order, const void *row, union any_row *out) {
  (void)table;
  const struct live_row *live = row;
  const struct interner *strings = order->strings;
  out->relays = (struct relays_row){
      .minute = live->key.minute,
      .provider = interner_text(strings, live->key.provider),
      .relay_host = interner_text(strings, live->key.host),
      .relay_ip = interner_text(strings, live->key.ip),
      .status = status_name(words_status(live->key.words)),
      .cause = cause_name(words_cause(live->key.words)),
      .count = live->count,
  };
}

bool relays_table_each(const struct row_table *t, const struct row_order *order, row_visit_fn *each, void *context) {
  uint32_t strings = (uint32_t)interner_count(order->strings) - 1;
  const uint32_t largest[] = {strings, strings, strings, STATUS_COUNT * CAUSE_COUNT, UINT32_MAX};
  const struct row_telling telling = {largest, sizeof largest / sizeof *largest, rank_columns, read_row};
  return row_table_each(t, t, &telling, order, each, context);
}
