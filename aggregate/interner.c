/* Interning and ranking. See interner.h. */
#include "aggregate/interner.h"

#include <assert.h>
#include <sys/random.h>

#include "aggregate/row_sort.h"
#include "base/clock.h"

#define BASE_SLOTS (64u << 10)
#define BASE_BYTES (1u << 20)

static void add_empty_string(struct interner *interner) {
  pool_add(&interner->starts, 1);
  *(uint32_t *)pool_at(&interner->starts, 0) = 0;
  uint32_t number = interner_intern(interner, SLICE(""), interner_hash(interner, SLICE("")));
  assert(number == INTERNER_EMPTY);
}

void interner_init(struct interner *interner) {
  /* Without the kernel's randomness (a sandbox) the clock is better than a constant. */
  if (getrandom(&interner->seed, sizeof interner->seed, 0) != sizeof interner->seed)
    interner->seed = hash_u64((uint64_t)clock_monotonic_us());
  slot_table_init(&interner->table, BASE_SLOTS);
  pool_init(&interner->starts, sizeof(uint32_t), BASE_SLOTS * sizeof(uint32_t));
  pool_init(&interner->bytes, 1, BASE_BYTES);
  add_empty_string(interner);
}

void interner_deinit(struct interner *interner) {
  slot_table_deinit(&interner->table);
  pool_deinit(&interner->starts);
  pool_deinit(&interner->bytes);
}

void interner_empty(struct interner *interner) {
  slot_table_empty(&interner->table);
  pool_empty(&interner->starts);
  pool_empty(&interner->bytes);
  add_empty_string(interner);
}

static inline uint64_t load_u64(const char *ptr) {
  uint64_t word;
  memcpy(&word, ptr, sizeof word);
  return word;
}

/* Keys are mostly 8 to 40 bytes, too short for a call to pay; the last eight are compared perhaps twice. */
static inline bool is_same(struct slice a, struct slice b) {
  if (a.len != b.len) return false;
  if (a.len < 8) return a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0;
  size_t last = a.len - 8;
  for (size_t i = 0; i < last; i += 8)
    if (load_u64(a.ptr + i) != load_u64(b.ptr + i)) return false;
  return load_u64(a.ptr + last) == load_u64(b.ptr + last);
}

bool interner_is(const struct interner *interner, uint32_t number, struct slice text) {
  return is_same(interner_text(interner, number), text);
}

static uint64_t hash_of_number(const void *context, uint32_t number) {
  const struct interner *interner = context;
  return interner_hash(interner, interner_text(interner, number));
}

static uint32_t add_string(struct interner *interner, struct slice text, uint64_t hash) {
  assert(text.len <= INTERNER_TEXT_BYTES_MAX);
  uint32_t number = (uint32_t)interner_count(interner);
  size_t start = pool_add(&interner->bytes, text.len);
  assert(start + text.len <= UINT32_MAX);
  if (text.len) memcpy(interner->bytes.items + start, text.ptr, text.len);
  uint32_t *end = pool_at(&interner->starts, pool_add(&interner->starts, 1));
  *end = (uint32_t)(start + text.len);
  slot_insert(&interner->table, hash, number, hash_of_number, interner);
  return number;
}

uint32_t interner_intern(struct interner *interner, struct slice text, uint64_t hash) {
  const struct slot_table *table = &interner->table;
  for (size_t at = slot_first(table, hash); table->slots[at]; at = slot_next(table, at)) {
    if (!slot_may_be(table, at, hash)) continue;
    uint32_t number = slot_number(table, at);
    if (is_same(interner_text(interner, number), text)) return number;
  }
  return add_string(interner, text, hash);
}

size_t interner_used_bytes(const struct interner *interner) {
  return pool_used_bytes(&interner->starts) + pool_used_bytes(&interner->bytes) + slot_table_used_bytes(&interner->table);
}

/* Eight bytes of the string as a number that compares as they do, zeros behind the end; the last word is the length, which tells
 * strings apart that end in zero bytes. */
static uint64_t rank_key(const void *context, uint32_t number, unsigned word) {
  struct slice text = interner_text(context, number);
  if (word == INTERNER_TEXT_WORDS) return text.len;
  size_t offset = 8 * (size_t)word;
  if (offset >= text.len) return 0;
  uint64_t key = 0;
  memcpy(&key, text.ptr + offset, text.len - offset < 8 ? text.len - offset : 8);
  return __builtin_bswap64(key);
}

void interner_rank(const struct interner *interner, uint32_t *ranks) {
  size_t count = interner_count(interner);
  struct row_sort sort;
  row_sort_init(&sort, count);
  row_sort_run(&sort, INTERNER_TEXT_WORDS + 1, rank_key, interner);
  for (size_t i = 0; i < count; i++) ranks[sort.items[i].row] = (uint32_t)i;
  row_sort_deinit(&sort);
}
