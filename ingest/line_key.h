/* line_key, inlined for the parsers. */
#ifndef INGEST_LINE_KEY_H
#define INGEST_LINE_KEY_H

#include <immintrin.h>

#include "base/hash.h"
#include "ingest/ingest.h"

/* Multiplies and folds: every bit of both goes into every bit of the result (wyhash's mum). */
static inline uint64_t line_key_mix(uint64_t a, uint64_t b) {
  unsigned __int128 product = (unsigned __int128)a * b;
  return (uint64_t)product ^ (uint64_t)(product >> 64);
}

/* Of 16 bytes, those behind the first `len` (which may be more) taken as zero. */
static inline __m128i line_key_load(const char *p, int len) {
  const __m128i places = _mm_setr_epi8(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
  return _mm_and_si128(_mm_loadu_si128((const __m128i *)p), _mm_cmpgt_epi8(_mm_set1_epi8((char)len), places));
}

static inline uint64_t line_key_mix_16(__m128i bytes, uint64_t low, uint64_t high) {
  return line_key_mix((uint64_t)_mm_cvtsi128_si64(bytes) ^ low, (uint64_t)_mm_extract_epi64(bytes, 1) ^ high);
}

#define LINE_KEY_LOW_1 0x9e3779b97f4a7c15
#define LINE_KEY_HIGH_1 0xc2b2ae3d27d4eb4f
#define LINE_KEY_LOW_2 0x165667b19e3779f9
#define LINE_KEY_HIGH_2 0xd6e8feb86659fd93

/* Of `len` bytes, at most 32; 32 are read. Most have 16 at most, whose second half is the same constant for all. */
static inline uint64_t line_key_digest_32(const char *p, size_t len) {
  uint64_t digest = line_key_mix_16(line_key_load(p, (int)len), LINE_KEY_LOW_1, LINE_KEY_HIGH_1 ^ len);
  if (__builtin_expect(len > 16, 0))
    return digest ^ line_key_mix_16(line_key_load(p + 16, (int)len - 16), LINE_KEY_LOW_2, LINE_KEY_HIGH_2);
  return digest ^ line_key_mix(LINE_KEY_LOW_2, LINE_KEY_HIGH_2);
}

/* Of nothing; a constant. */
static inline uint64_t line_key_digest_empty(void) {
  return line_key_mix(LINE_KEY_LOW_1, LINE_KEY_HIGH_1) ^ line_key_mix(LINE_KEY_LOW_2, LINE_KEY_HIGH_2);
}

/* Hosts and queue ids seldom have more than 32 bytes: those are read without a branch on their length, which would be mispredicted in
 * a log of several hosts. Bytes up to `limit` may be read. */
static inline __attribute__((always_inline)) uint64_t line_key_digest(struct slice s, const char *limit) {
  if (__builtin_expect(s.len > 32, 0)) return hash_slice(s);
  char copy[32];
  const char *p = s.ptr;
  if (__builtin_expect(!p || limit - p < 32, 0)) {
    memset(copy, 0, sizeof copy);
    if (s.len) memcpy(copy, p, s.len);
    p = copy;
  }
  return line_key_digest_32(p, s.len);
}

static inline uint64_t line_key_join(uint64_t host_digest, uint64_t id_digest) {
  return line_key_mix(host_digest ^ 0xa0761d6478bd642f, id_digest ^ 0xe7037ed1a0b428db);
}

static inline __attribute__((always_inline)) uint64_t line_key_of(struct slice host, struct slice queue_id, const char *limit) {
  return line_key_join(line_key_digest(host, limit), line_key_digest(queue_id, limit));
}

#endif
