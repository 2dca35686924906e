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

/* Of 32 bytes, those behind the first `len` (at most 32) taken as zero. */
static inline uint64_t line_key_digest_32(const char *p, size_t len) {
  const __m128i places = _mm_setr_epi8(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
  __m128i ends = _mm_set1_epi8((char)len), keep_low = _mm_cmpgt_epi8(ends, places);
  __m128i keep_high = _mm_cmpgt_epi8(ends, _mm_add_epi8(places, _mm_set1_epi8(16)));
  __m128i low = _mm_and_si128(_mm_loadu_si128((const __m128i *)p), keep_low);
  __m128i high = _mm_and_si128(_mm_loadu_si128((const __m128i *)(p + 16)), keep_high);
  uint64_t words[4] = {(uint64_t)_mm_cvtsi128_si64(low), (uint64_t)_mm_extract_epi64(low, 1), (uint64_t)_mm_cvtsi128_si64(high),
                       (uint64_t)_mm_extract_epi64(high, 1)};
  return line_key_mix(words[0] ^ 0x9e3779b97f4a7c15, words[1] ^ 0xc2b2ae3d27d4eb4f ^ len) ^
         line_key_mix(words[2] ^ 0x165667b19e3779f9, words[3] ^ 0xd6e8feb86659fd93);
}

/* Hosts and queue ids seldom have more than 32 bytes: those are read without a branch on their length, which would be mispredicted in
 * a log of several hosts. Bytes up to `limit` may be read. */
static inline uint64_t line_key_digest(struct slice s, const char *limit) {
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

static inline uint64_t line_key_of(struct slice host, struct slice queue_id, const char *limit) {
  return line_key_join(line_key_digest(host, limit), line_key_digest(queue_id, limit));
}

#endif
