/* XXH3, inlined: one hash for tables, fingerprints and checksums. https://github.com/Cyan4973/xxHash (doc/xxhash_spec.md) */
#ifndef BASE_HASH_H
#define BASE_HASH_H

#define XXH_INLINE_ALL
#if defined(__GNUC__) && !defined(__clang__)
/* gcc 12 inlines the branches for long inputs into callers with short arrays and warns of them. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Warray-bounds"
#endif
#include <xxhash.h>
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic pop
#endif

#include "base/slice.h"

static inline uint64_t hash_bytes(const void *ptr, size_t len) { return XXH3_64bits(ptr, len); }
static inline uint64_t hash_slice(struct slice s) { return XXH3_64bits(s.ptr ? s.ptr : "", s.len); }
static inline uint64_t hash_slice_seeded(struct slice s, uint64_t seed) {
  return XXH3_64bits_withSeed(s.ptr ? s.ptr : "", s.len, seed);
}

/* Spreads the bits of an integer key (the finaliser of MurmurHash3). */
static inline uint64_t hash_u64(uint64_t x) {
  x ^= x >> 33;
  x *= 0xff51afd7ed558ccdULL;
  x ^= x >> 33;
  x *= 0xc4ceb9fe1a85ec53ULL;
  return x ^ (x >> 33);
}

#endif
