/* line_key, inlined for the parsers. */
#ifndef INGEST_LINE_KEY_H
#define INGEST_LINE_KEY_H

#include "base/hash.h"
#include "ingest/ingest.h"

/* Multiplies and folds: every bit of both goes into every bit of the result (wyhash's mum). */
static inline uint64_t line_key_mix(uint64_t a, uint64_t b) {
  unsigned __int128 product = (unsigned __int128)a * b;
  return (uint64_t)product ^ (uint64_t)(product >> 64);
}

static inline uint64_t line_key_load(const char *p) {
  uint64_t value;
  memcpy(&value, p, sizeof value);
  return value;
}

/* Queue ids have 10 to 16 bytes and hosts seldom more than 32: overlapping loads read them without a loop. */
static inline uint64_t line_key_digest(struct slice s) {
  if (s.len < 8 || s.len > 32) return hash_slice(s);
  const char *p = s.ptr, *last = s.ptr + s.len - 8;
  if (s.len <= 16) return line_key_mix(line_key_load(p) ^ 0x9e3779b97f4a7c15, line_key_load(last) ^ 0xc2b2ae3d27d4eb4f ^ s.len);
  return line_key_mix(line_key_load(p) ^ 0x9e3779b97f4a7c15, line_key_load(last) ^ 0xc2b2ae3d27d4eb4f ^ s.len) ^
         line_key_mix(line_key_load(p + 8) ^ 0x165667b19e3779f9, line_key_load(last - 8) ^ 0xd6e8feb86659fd93);
}

static inline uint64_t line_key_of(struct slice host, struct slice queue_id) {
  return line_key_mix(line_key_digest(host) ^ 0xa0761d6478bd642f, line_key_digest(queue_id) ^ 0xe7037ed1a0b428db);
}

#endif
