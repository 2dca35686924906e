/* See literal_index.h.
 *
 *   bits        one bit for each hash of four bytes that some literal is filed under: 16 KiB, stays in the L1 cache
 *   places      open addressing by the four bytes -> its run of `filed`
 *   filed       (literal, where its four bytes lie in it), those of one key side by side
 *
 * A literal of three bytes is filed under all 256 keys that begin with it. Shorter ones are few and looked for one by one. */
#include "classify/literal_index.h"

#include <assert.h>
#include <stdlib.h>

#include "base/buf.h"

#define KEY_BYTES 4u
#define BITS_LOG 17u
#define COUNTS_LOG 16u

struct filed {
  uint32_t key, literal, offset;
};

struct place {
  uint32_t key, first, count; /* count 0: free */
};

struct literal_index {
  struct literal *literals; /* bytes are in `bytes` */
  size_t literal_count;
  struct buf bytes;
  uint32_t *tiny; /* literals of one or two bytes */
  size_t tiny_count;
  struct filed *filed;
  size_t filed_count;
  struct place *places;
  unsigned place_bits; /* places[1 << place_bits] */
  uint64_t bits[(1u << BITS_LOG) / 64];
};

static inline uint32_t key_at(const char *p) {
  uint32_t key;
  memcpy(&key, p, KEY_BYTES);
  return key;
}

/* The high bits of the product (Knuth, TAOCP 6.4: multiplicative hashing). */
static inline uint32_t hash_key(uint32_t key, unsigned bits) { return key * UINT32_C(0x9e3779b1) >> (32 - bits); }

static inline uint32_t next_place(const struct literal_index *index, uint32_t at) {
  return (at + 1) & ((UINT32_C(1) << index->place_bits) - 1);
}

/* ---- making ------------------------------------------------------------------------------------------------------------------ */

static void count_keys(const struct slice *samples, size_t sample_count, uint32_t *counts) {
  for (size_t i = 0; i < sample_count; i++)
    for (size_t at = 0; at + KEY_BYTES <= samples[i].len; at++) counts[hash_key(key_at(samples[i].ptr + at), COUNTS_LOG)]++;
}

static uint32_t rarest_offset(struct slice bytes, const uint32_t *counts) {
  uint32_t best = 0, best_count = UINT32_MAX;
  for (uint32_t at = 0; at + KEY_BYTES <= bytes.len; at++) {
    uint32_t count = counts[hash_key(key_at(bytes.ptr + at), COUNTS_LOG)];
    if (count < best_count) best = at, best_count = count;
  }
  return best;
}

static void copy_literals(struct literal_index *index, const struct literal *literals, size_t count) {
  for (size_t i = 0; i < count; i++) buf_append_slice(&index->bytes, literals[i].bytes);
  index->literals = memory_alloc(count * sizeof *index->literals);
  index->literal_count = count;
  const char *at = index->bytes.ptr;
  for (size_t i = 0; i < count; i++) {
    assert(literals[i].bytes.len);
    index->literals[i] = (struct literal){slice_of(at, literals[i].bytes.len), literals[i].id};
    at += literals[i].bytes.len;
  }
}

static void file_literals(struct literal_index *index, const uint32_t *counts) {
  size_t threes = 0;
  for (size_t i = 0; i < index->literal_count; i++) threes += index->literals[i].bytes.len == KEY_BYTES - 1;
  index->filed = memory_alloc((index->literal_count + threes * 256) * sizeof *index->filed);
  index->tiny = memory_alloc(index->literal_count * sizeof *index->tiny);
  for (uint32_t i = 0; i < index->literal_count; i++) {
    struct slice bytes = index->literals[i].bytes;
    if (bytes.len < KEY_BYTES - 1) {
      index->tiny[index->tiny_count++] = i;
    } else if (bytes.len == KEY_BYTES - 1) {
      char key[KEY_BYTES];
      memcpy(key, bytes.ptr, KEY_BYTES - 1);
      for (unsigned last = 0; last < 256; last++) {
        key[KEY_BYTES - 1] = (char)last;
        index->filed[index->filed_count++] = (struct filed){key_at(key), i, 0};
      }
    } else {
      uint32_t offset = rarest_offset(bytes, counts);
      index->filed[index->filed_count++] = (struct filed){key_at(bytes.ptr + offset), i, offset};
    }
  }
}

static int by_key(const void *a, const void *b) {
  const struct filed *x = a, *y = b;
  if (x->key != y->key) return x->key < y->key ? -1 : 1;
  return x->literal < y->literal ? -1 : x->literal > y->literal;
}

static void make_places(struct literal_index *index) {
  index->place_bits = 6;
  while ((size_t)1 << index->place_bits < index->filed_count * 2) index->place_bits++;
  index->places = memory_zeroed(((size_t)1 << index->place_bits) * sizeof *index->places);
  for (uint32_t begin = 0, end; begin < index->filed_count; begin = end) {
    uint32_t key = index->filed[begin].key, at = hash_key(key, index->place_bits), bit = hash_key(key, BITS_LOG);
    for (end = begin + 1; end < index->filed_count && index->filed[end].key == key;) end++;
    while (index->places[at].count) at = next_place(index, at);
    index->places[at] = (struct place){key, begin, end - begin};
    index->bits[bit / 64] |= UINT64_C(1) << bit % 64;
  }
}

struct literal_index *literal_index_new(const struct literal *literals, size_t count, const struct slice *samples,
                                        size_t sample_count) {
  struct literal_index *index = memory_zeroed(sizeof *index);
  uint32_t *counts = memory_zeroed((1u << COUNTS_LOG) * sizeof *counts);
  copy_literals(index, literals, count);
  count_keys(samples, sample_count, counts);
  file_literals(index, counts);
  free(counts);
  if (index->filed_count) qsort(index->filed, index->filed_count, sizeof *index->filed, by_key);
  make_places(index);
  return index;
}

void literal_index_free(struct literal_index *index) {
  if (!index) return;
  free(index->literals);
  free(index->tiny);
  free(index->filed);
  free(index->places);
  buf_deinit(&index->bytes);
  free(index);
}

/* ---- finding ----------------------------------------------------------------------------------------------------------------- */

static inline bool may_be_filed(const struct literal_index *index, uint32_t key) {
  uint32_t bit = hash_key(key, BITS_LOG);
  return index->bits[bit / 64] >> bit % 64 & 1;
}

/* Compares the literals filed under the key at `at`. */
static __attribute__((noinline)) void compare_filed(const struct literal_index *index, struct slice text, size_t at, uint32_t key,
                                                    void (*found)(void *context, uint32_t id), void *context) {
  uint32_t slot = hash_key(key, index->place_bits);
  while (index->places[slot].count && index->places[slot].key != key) slot = next_place(index, slot);
  const struct place *place = &index->places[slot];
  for (uint32_t i = place->first; i < place->first + place->count; i++) {
    const struct filed *filed = &index->filed[i];
    const struct literal *literal = &index->literals[filed->literal];
    if (filed->offset > at || text.len - (at - filed->offset) < literal->bytes.len) continue;
    if (memcmp(text.ptr + at - filed->offset, literal->bytes.ptr, literal->bytes.len) == 0) found(context, literal->id);
  }
}

void literal_index_find(const struct literal_index *index, struct slice text, void (*found)(void *context, uint32_t id),
                        void *context) {
  for (size_t at = 0; at + KEY_BYTES <= text.len; at++) {
    uint32_t key = key_at(text.ptr + at);
    if (__builtin_expect(may_be_filed(index, key), 0)) compare_filed(index, text, at, key, found, context);
  }
  /* The last three bytes may be a literal: whatever follows them, it is filed. */
  if (text.len >= KEY_BYTES - 1) {
    char last[KEY_BYTES] = {0};
    memcpy(last, text.ptr + text.len - (KEY_BYTES - 1), KEY_BYTES - 1);
    compare_filed(index, text, text.len - (KEY_BYTES - 1), key_at(last), found, context);
  }
  for (size_t i = 0; i < index->tiny_count; i++) {
    const struct literal *literal = &index->literals[index->tiny[i]];
    if (slice_find(text, literal->bytes) < text.len) found(context, literal->id);
  }
}
