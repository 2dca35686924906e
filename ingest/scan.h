/* Finding bytes 64 at a time: a block of the text is loaded once and asked for several bytes, each answer a mask with one bit a
 * byte. Compiled to what the file that includes it may use: SSE2, AVX2 or AVX-512BW. */
#ifndef INGEST_SCAN_H
#define INGEST_SCAN_H

#include <immintrin.h>

#include "base/slice.h"

#define BLOCK_BYTES 64

#if defined(__AVX512BW__)
struct block {
  __m512i bytes;
};
static inline struct block block_load(const char *p) { return (struct block){_mm512_loadu_si512((const void *)p)}; }
static inline uint64_t block_find(struct block b, char byte) { return _mm512_cmpeq_epi8_mask(b.bytes, _mm512_set1_epi8(byte)); }
/* Bytes of low..high, as unsigned numbers. */
static inline uint64_t block_find_between(struct block b, char low, char high) {
  return _mm512_cmple_epu8_mask(_mm512_sub_epi8(b.bytes, _mm512_set1_epi8(low)), _mm512_set1_epi8((char)(high - low)));
}
/* With the bit set that tells ASCII's small letters from the capital ones. */
static inline struct block block_lower(struct block b) { return (struct block){_mm512_or_si512(b.bytes, _mm512_set1_epi8(0x20))}; }
#elif defined(__AVX2__)
struct block {
  __m256i low, high;
};
static inline struct block block_load(const char *p) {
  return (struct block){_mm256_loadu_si256((const __m256i *)p), _mm256_loadu_si256((const __m256i *)(p + 32))};
}
static inline uint64_t block_find(struct block b, char byte) {
  __m256i want = _mm256_set1_epi8(byte);
  uint32_t low = (uint32_t)_mm256_movemask_epi8(_mm256_cmpeq_epi8(b.low, want));
  uint32_t high = (uint32_t)_mm256_movemask_epi8(_mm256_cmpeq_epi8(b.high, want));
  return (uint64_t)high << 32 | low;
}
static inline uint32_t block_find_between_32(__m256i bytes, char low, char high) {
  __m256i above = _mm256_sub_epi8(bytes, _mm256_set1_epi8(low));
  return (uint32_t)_mm256_movemask_epi8(_mm256_cmpeq_epi8(_mm256_min_epu8(above, _mm256_set1_epi8((char)(high - low))), above));
}
static inline uint64_t block_find_between(struct block b, char low, char high) {
  return (uint64_t)block_find_between_32(b.high, low, high) << 32 | block_find_between_32(b.low, low, high);
}
static inline struct block block_lower(struct block b) {
  __m256i bit = _mm256_set1_epi8(0x20);
  return (struct block){_mm256_or_si256(b.low, bit), _mm256_or_si256(b.high, bit)};
}
#else
struct block {
  __m128i part[4];
};
static inline struct block block_load(const char *p) {
  const __m128i *from = (const __m128i *)p;
  return (struct block){{_mm_loadu_si128(from), _mm_loadu_si128(from + 1), _mm_loadu_si128(from + 2), _mm_loadu_si128(from + 3)}};
}
static inline uint64_t block_find(struct block b, char byte) {
  __m128i want = _mm_set1_epi8(byte);
  uint64_t mask = 0;
  for (int i = 0; i < 4; i++) mask |= (uint64_t)(uint32_t)_mm_movemask_epi8(_mm_cmpeq_epi8(b.part[i], want)) << (16 * i);
  return mask;
}
static inline uint64_t block_find_between(struct block b, char low, char high) {
  uint64_t mask = 0;
  for (int i = 0; i < 4; i++) {
    __m128i above = _mm_sub_epi8(b.part[i], _mm_set1_epi8(low));
    __m128i is_between = _mm_cmpeq_epi8(_mm_min_epu8(above, _mm_set1_epi8((char)(high - low))), above);
    mask |= (uint64_t)(uint32_t)_mm_movemask_epi8(is_between) << (16 * i);
  }
  return mask;
}
static inline struct block block_lower(struct block b) {
  for (int i = 0; i < 4; i++) b.part[i] = _mm_or_si128(b.part[i], _mm_set1_epi8(0x20));
  return b;
}
#endif

/* As block_load, where fewer than 64 bytes may be readable: those from `limit` on are zero. */
static inline struct block block_load_until(const char *p, const char *limit) {
  char copy[BLOCK_BYTES];
  if (__builtin_expect(limit - p < BLOCK_BYTES, 0)) {
    memset(copy, 0, sizeof copy);
    if (limit > p) memcpy(copy, p, (size_t)(limit - p));
    p = copy; /* and not a block of its own: the two would be merged in memory, on the usual path too */
  }
  return block_load(p);
}

/* The lowest `count` bits. */
static inline uint64_t bits_below(size_t count) { return count >= 64 ? ~UINT64_C(0) : (UINT64_C(1) << count) - 1; }

/* Places of the lowest and the highest bit; `bits` is not 0. */
static inline unsigned bits_first(uint64_t bits) { return (unsigned)__builtin_ctzll(bits); }
static inline unsigned bits_last(uint64_t bits) { return 63u - (unsigned)__builtin_clzll(bits); }
static inline uint64_t bits_drop_first(uint64_t bits) { return bits & (bits - 1); }
static inline uint64_t bits_only_first(uint64_t bits) { return bits & -bits; }

/* The first place of `byte` in [p, end), or `end`. Reads nothing from `limit` on (limit >= end). */
static inline const char *scan_find(const char *p, const char *end, const char *limit, char byte) {
  for (; p < end; p += BLOCK_BYTES) {
    uint64_t found = block_find(block_load_until(p, limit), byte);
    if (found) {
      p += bits_first(found);
      return p < end ? p : end;
    }
  }
  return end;
}

/* The last place of `byte` in [begin, p), or NULL. Reads nothing before `begin`. */
static inline const char *scan_find_last(const char *begin, const char *p, char byte) {
  while (p - begin >= BLOCK_BYTES) {
    uint64_t found = block_find(block_load(p - BLOCK_BYTES), byte);
    p -= BLOCK_BYTES;
    if (found) return p + bits_last(found);
  }
  return p > begin ? memrchr(begin, byte, (size_t)(p - begin)) : NULL;
}

static inline uint32_t load_u32(const char *p) {
  uint32_t value;
  memcpy(&value, p, sizeof value);
  return value;
}
static inline uint64_t load_u64(const char *p) {
  uint64_t value;
  memcpy(&value, p, sizeof value);
  return value;
}

/* Whether [p, end) starts with a literal; the compiler makes one or two compares of it. */
#define STARTS_WITH(p, end, literal) \
  ((end) - (p) >= (ptrdiff_t)sizeof(literal) - 1 && memcmp((p), "" literal, sizeof(literal) - 1) == 0)

#endif
