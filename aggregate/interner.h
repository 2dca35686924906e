/* Gives every distinct string a number, from 0 (always the empty string), so that rows are keyed by integers.
 *
 *   slots -> number -> starts[number] .. starts[number + 1] -> bytes, one string after another
 *
 * Costs 4 bytes for the start, some 7 for the slot, and the bytes. Hashes are seeded from the kernel: who chooses our strings
 * (anyone who sends mail) cannot choose their slots. Strings are told apart by all their bytes. */
#ifndef AGGREGATE_INTERNER_H
#define AGGREGATE_INTERNER_H

#include "aggregate/pool.h"
#include "aggregate/slot_table.h"
#include "base/hash.h"
#include "base/limits.h"

#define INTERNER_EMPTY 0u

/* Longest string: a template (LIMIT_TEMPLATE_BYTES), in words of eight bytes. */
#define INTERNER_TEXT_BYTES_MAX LIMIT_TEMPLATE_BYTES
#define INTERNER_TEXT_WORDS (INTERNER_TEXT_BYTES_MAX / 8)

struct interner {
  struct slot_table table;
  struct pool starts; /* uint32_t: one more than there are strings */
  struct pool bytes;
  uint64_t seed;
};

void interner_init(struct interner *interner);
void interner_deinit(struct interner *interner);
/* Forgets all strings; their numbers mean nothing any more. */
void interner_empty(struct interner *interner);

/* The number of `text` (copied when it is new; at most INTERNER_TEXT_BYTES_MAX long); `hash` is interner_hash of it. */
uint32_t interner_intern(struct interner *interner, struct slice text, uint64_t hash);

static inline uint64_t interner_hash(const struct interner *interner, struct slice text) {
  return hash_slice_seeded(text, interner->seed);
}

static inline size_t interner_count(const struct interner *interner) { return interner->starts.count - 1; }

/* The string of a number; good until a string is added. */
static inline struct slice interner_text(const struct interner *interner, uint32_t number) {
  const uint32_t *start = (const uint32_t *)(const void *)interner->starts.items + number;
  return slice_of(interner->bytes.items + start[0], start[1] - start[0]);
}

/* Interning in steps, so that several strings wait for memory together:
 *   hash, slot_prefetch | interner_candidate | interner_prefetch | interner_is, else interner_intern
 * The candidate is the one string that probably has this hash, SLOT_NONE when there is surely none. */
static inline uint32_t interner_candidate(const struct interner *interner, uint64_t hash) {
  uint32_t number = slot_candidate(&interner->table, hash);
  if (number != SLOT_NONE) __builtin_prefetch(pool_at(&interner->starts, number));
  return number;
}
static inline void interner_prefetch(const struct interner *interner, uint32_t number) {
  __builtin_prefetch(interner_text(interner, number).ptr);
}
bool interner_is(const struct interner *interner, uint32_t number, struct slice text);

size_t interner_used_bytes(const struct interner *interner);

/* The place of each number's string in the order of bytes (slice_compare), into ranks[interner_count]. */
void interner_rank(const struct interner *interner, uint32_t *ranks);

#endif
