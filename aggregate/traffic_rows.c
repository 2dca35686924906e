/* Reads the live traffic rows in the order of their keys.
 *
 *   direction, source | sender | recipient | provider | status, outcome, cause, last cause, blocklist | minute
 *   head of the facet                                   tail of the facet
 *
 * Facets are few: heads and tails are ranked once, so that a key is six small integers, which mostly fit in one 64-bit word. */
#include <stdlib.h>

#include "aggregate/row_sort.h"
#include "aggregate/traffic_layout.h"
#include "schemas/dataset.h"

#define KEY_COLUMNS 6

struct facet_rank {
  uint32_t head, tail;
};

struct reading {
  const struct traffic_table *t;
  const struct row_order *order;
  struct facet_rank *facet_ranks;
  struct row_packing packing;
  uint32_t first_minute;
};

static enum direction words_direction(uint32_t words) { return (enum direction)(words & 0xf); }
static enum status words_status(uint32_t words) { return (enum status)(words >> 4 & 0xf); }
static enum outcome words_outcome(uint32_t words) { return (enum outcome)(words >> 8 & 0xf); }
static enum cause words_cause(uint32_t words) { return (enum cause)(words >> 16); }

static const struct traffic_facet *facet_at(const struct reading *r, uint32_t number) { return pool_at(&r->t->facets, number); }

static uint64_t head_key(const void *context, uint32_t number, unsigned word) {
  (void)word;
  const struct reading *r = context;
  const struct traffic_facet *facet = facet_at(r, number);
  return (uint64_t)r->order->words.direction[words_direction(facet->words)] << 32 | r->order->string_ranks[facet->source];
}

_Static_assert(CAUSE_COUNT <= 64 && STATUS_COUNT <= 16 && OUTCOME_COUNT <= 16, "words of a tail take 14 bits beside two of 24");

static uint64_t tail_key(const void *context, uint32_t number, unsigned word) {
  (void)word;
  const struct reading *r = context;
  const struct traffic_facet *facet = facet_at(r, number);
  const struct word_ranks *words = &r->order->words;
  uint64_t key = words->status[words_status(facet->words)];
  key = key << 4 | words->outcome[words_outcome(facet->words)];
  key = key << 6 | words->cause[words_cause(facet->words)];
  key = key << SLOT_NUMBER_BITS | r->order->string_ranks[facet->last_cause];
  return key << SLOT_NUMBER_BITS | r->order->string_ranks[facet->blocklist];
}

/* Facets with equal heads (tails) get equal ranks. */
static void rank_facets(struct reading *r) {
  size_t count = r->t->facets.count;
  struct row_sort sort;
  for (unsigned is_tail = 0; is_tail < 2; is_tail++) {
    row_sort_init(&sort, count);
    row_sort_run(&sort, 1, is_tail ? tail_key : head_key, r);
    uint32_t rank = 0;
    for (size_t i = 0; i < count; i++) {
      if (i && sort.items[i].key != sort.items[i - 1].key) rank++;
      struct facet_rank *of = &r->facet_ranks[sort.items[i].row];
      *(is_tail ? &of->tail : &of->head) = rank;
    }
    row_sort_deinit(&sort);
  }
}

static void pack_columns(struct reading *r) {
  uint32_t first = UINT32_MAX, last = 0;
  for (uint32_t i = 0; i < r->t->rows.count; i++) {
    uint32_t minute = live_row_at(r->t, i)->key.minute;
    first = minute < first ? minute : first;
    last = minute > last ? minute : last;
  }
  r->first_minute = first;
  uint32_t strings = (uint32_t)interner_count(r->order->strings) - 1, facets = (uint32_t)r->t->facets.count - 1;
  const uint32_t largest[KEY_COLUMNS] = {facets, strings, strings, strings, facets, last - first};
  row_packing_init(&r->packing, largest, KEY_COLUMNS);
}

static uint64_t row_key(const void *context, uint32_t number, unsigned word) {
  const struct reading *r = context;
  const struct traffic_key *key = &live_row_at(r->t, number)->key;
  const uint32_t *ranks = r->order->string_ranks;
  const struct facet_rank *facet = &r->facet_ranks[key->facet];
  const uint32_t values[KEY_COLUMNS] = {facet->head,          ranks[key->sender], ranks[key->recipient],
                                        ranks[key->provider], facet->tail,        key->minute - r->first_minute};
  return row_packing_word(&r->packing, values, word);
}

static void read_values(const struct traffic_table *t, const struct live_row *live, struct traffic_row *row) {
  memset(&row->delay, 0, sizeof row->delay);
  if (!(live->values & VALUES_IN_BLOCK)) {
    row->count = values_count(live->values);
    row->bytes = live->bytes;
    for (unsigned i = 0; i < values_delays(live->values); i++) row->delay.count[values_bucket(live->values, i)]++;
    return;
  }
  const struct value_block *block = value_block_at(t, live);
  row->count = block->count;
  row->bytes = block->bytes;
  for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++) row->delay.count[i] = block->delay[i];
  if (!block->deep) return;
  const struct deep_values *deep = deep_values_at(t, block);
  row->count += deep->count;
  for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++) row->delay.count[i] += deep->delay[i];
}

static void read_row(const struct reading *r, uint32_t number, struct traffic_row *row) {
  const struct live_row *live = live_row_at(r->t, number);
  const struct traffic_facet *facet = facet_at(r, live->key.facet);
  const struct interner *strings = r->order->strings;
  row->minute = live->key.minute;
  row->direction = direction_name(words_direction(facet->words));
  row->source = interner_text(strings, facet->source);
  row->sender_domain = interner_text(strings, live->key.sender);
  row->recipient_domain = interner_text(strings, live->key.recipient);
  row->provider = interner_text(strings, live->key.provider);
  row->status = status_name(words_status(facet->words));
  row->outcome = outcome_name(words_outcome(facet->words));
  row->cause = cause_name(words_cause(facet->words));
  row->last_cause = interner_text(strings, facet->last_cause);
  row->blocklist = interner_text(strings, facet->blocklist);
  read_values(r->t, live, row);
}

/* Rows ahead that are fetched while one is encoded. */
#define READ_AHEAD 8

bool traffic_table_each(const struct traffic_table *t, const struct row_order *order, row_visit_fn *each, void *context) {
  size_t count = t->rows.count;
  if (!count) return true;
  struct reading r = {.t = t, .order = order};
  r.facet_ranks = memory_alloc(t->facets.count * sizeof *r.facet_ranks);
  rank_facets(&r);
  pack_columns(&r);
  struct row_sort sort;
  row_sort_init(&sort, count);
  row_sort_run(&sort, r.packing.word_count, row_key, &r);
  bool ok = true;
  for (size_t i = 0; i < count && ok; i++) {
    if (i + READ_AHEAD < count) __builtin_prefetch(live_row_at(t, sort.items[i + READ_AHEAD].row));
    struct traffic_row row;
    read_row(&r, sort.items[i].row, &row);
    ok = each(context, &row);
  }
  row_sort_deinit(&sort);
  free(r.facet_ranks);
  return ok;
}
