/* The live rows of schemas/senders.def: how many different recipients the mail of a sender domain went to.
 *
 *   row   | key | count | up to 12 registers with their ranks, 2 bytes each |     as most senders need in a flush
 *                       | or the number of a whole sketch, 256 bytes        |
 *
 * Counting is cut into steps, so that the caller can let many deliveries wait for memory together:
 *   senders_key_hash, senders_table_prefetch_slot | senders_table_prefetch_row | senders_table_find | senders_table_count */
#ifndef AGGREGATE_SENDERS_TABLE_H
#define AGGREGATE_SENDERS_TABLE_H

#include "aggregate/row_table.h"

struct senders_table {
  struct row_table table;
  struct pool sketches;
};

struct senders_key {
  uint32_t sender, hour, outcome; /* sender: a number of the interner; outcome: enum outcome */
};

void senders_table_init(struct senders_table *t);
void senders_table_deinit(struct senders_table *t);
void senders_table_empty(struct senders_table *t);
size_t senders_table_used_bytes(const struct senders_table *t);

uint64_t senders_key_hash(const struct senders_key *key);
static inline void senders_table_prefetch_slot(const struct senders_table *t, uint64_t key_hash) {
  slot_prefetch(&t->table.slots, key_hash);
}
static inline void senders_table_prefetch_row(const struct senders_table *t, uint64_t key_hash) {
  row_table_prefetch_row(&t->table, key_hash);
}
/* The row of the key, made when it is new; good as a number until the table is emptied. */
uint32_t senders_table_find(struct senders_table *t, const struct senders_key *key, uint64_t key_hash, uint64_t recipient_hash);
/* One delivery to the recipient of this hash. */
void senders_table_count(struct senders_table *t, uint32_t row, uint64_t recipient_hash);

/* Calls `each` with every struct senders_row in key order; false when `each` stopped. */
bool senders_table_each(const struct senders_table *t, const struct row_order *order, row_visit_fn *each, void *context);

#endif
