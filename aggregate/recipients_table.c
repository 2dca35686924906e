/* Counting recipients and reading them in order. See recipients_table.h. */
#include "aggregate/recipients_table.h"

#include "base/clock.h"
#include "schemas/dataset.h"

#define BASE_SLOTS (4u << 10)
#define BASE_BYTES (512u << 10)

/* Times within the row's day. */
struct live_row {
  struct recipients_key key;
  uint32_t first_s, last_s;
  uint64_t count;
};

static enum outcome words_outcome(uint32_t words) { return (enum outcome)(words & 0xff); }
static enum cause words_cause(uint32_t words) { return (enum cause)(words >> 8); }

void recipients_table_init(struct row_table *t) { row_table_init(t, BASE_SLOTS, sizeof(struct live_row), BASE_BYTES); }

static uint64_t key_hash(const struct recipients_key *key) {
  return hash_u64(((uint64_t)key->recipient << 32 | key->day) ^ hash_u64(key->words));
}

static uint64_t hash_of_row(const void *table, uint32_t number) {
  return key_hash(&((const struct live_row *)row_table_at(table, number))->key);
}

static struct live_row *find_row(struct row_table *t, const struct recipients_key *key) {
  uint64_t hash = key_hash(key);
  uint32_t number = row_table_find(t, key, sizeof *key, hash);
  if (number == SLOT_NONE) number = row_table_add(t, &(struct live_row){.key = *key, .first_s = UINT32_MAX}, hash, hash_of_row);
  return row_table_at(t, number);
}

void recipients_table_count(struct row_table *t, const struct recipients_key *key, uint64_t time_s) {
  struct live_row *row = find_row(t, key);
  uint32_t within_s = (uint32_t)(time_s % SECONDS_PER_DAY);
  row->count++;
  if (within_s < row->first_s) row->first_s = within_s;
  if (within_s > row->last_s) row->last_s = within_s;
}

/* ---- reading ---------------------------------------------------------------------------------------------------------------- */

static void rank_columns(const struct row_order *order, const void *row, uint32_t *columns) {
  const struct recipients_key *key = &((const struct live_row *)row)->key;
  columns[0] = order->string_ranks[key->recipient], columns[1] = order->words.outcome[words_outcome(key->words)];
  columns[2] = order->words.cause[words_cause(key->words)], columns[3] = key->day;
}

static void read_row(const void *table, const struct row_order *order, const void *row, union any_row *out) {
  (void)table;
  const struct live_row *live = row;
  uint64_t day_s = live->key.day * (uint64_t)SECONDS_PER_DAY;
  out->recipients = (struct recipients_row){
      .day = live->key.day,
      .recipient = interner_text(order->strings, live->key.recipient),
      .outcome = outcome_name(words_outcome(live->key.words)),
      .cause = cause_name(words_cause(live->key.words)),
      .count = live->count,
      .first_time = day_s + live->first_s,
      .last_time = day_s + live->last_s,
  };
}

bool recipients_table_each(const struct row_table *t, const struct row_order *order, row_visit_fn *each, void *context) {
  const uint32_t largest[] = {(uint32_t)interner_count(order->strings) - 1, OUTCOME_COUNT, CAUSE_COUNT, UINT32_MAX};
  const struct row_telling telling = {largest, sizeof largest / sizeof *largest, rank_columns, read_row};
  return row_table_each(t, t, &telling, order, each, context);
}
