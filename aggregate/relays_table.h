/* The live rows of schemas/relays.def: which server answered what. 32 bytes a row; strings are numbers of the interner. */
#ifndef AGGREGATE_RELAYS_TABLE_H
#define AGGREGATE_RELAYS_TABLE_H

#include "aggregate/row_table.h"

struct relays_key {
  uint32_t minute, provider, host, ip;
  uint32_t words; /* RELAYS_WORDS */
};

#define RELAYS_WORDS(status, cause) ((uint32_t)(status) << 16 | (uint32_t)(cause))

void relays_table_init(struct row_table *t);

/* In steps, as in traffic_table.h: hash -> slot_prefetch | row_table_prefetch_row | count. */
uint64_t relays_key_hash(const struct relays_key *key);
/* One delivery to the row of this key. */
void relays_table_count(struct row_table *t, const struct relays_key *key, uint64_t hash);

/* Calls `each` with every struct relays_row in key order; false when `each` stopped. */
bool relays_table_each(const struct row_table *t, const struct row_order *order, row_visit_fn *each, void *context);

#endif
