/* See verdict_cache.h. */
#include "classify/verdict_cache.h"

#include "base/hash.h"
#include "base/memory.h"

/* 40 bytes an entry: 160 KiB and 20 KiB a thread. Real traffic has some thousand refusals at a time. */
#define CLASSIFIED_SETS 1024u
#define UNCLASSIFIED_SETS 128u
#define WAYS 4u

struct entry {
  struct verdict_key key;
  struct decision decision;
  uint32_t is_used;
};

struct part {
  struct entry *entries;
  uint8_t *next_way; /* of each set: which goes next */
  size_t sets;
};

struct verdict_cache {
  struct part classified, unclassified;
};

static void part_init(struct part *part, size_t sets) {
  part->sets = sets;
  part->entries = memory_zeroed(sets * WAYS * sizeof *part->entries);
  part->next_way = memory_zeroed(sets);
}

static void part_deinit(struct part *part) {
  free(part->entries);
  free(part->next_way);
}

struct verdict_cache *verdict_cache_new(void) {
  struct verdict_cache *cache = memory_zeroed(sizeof *cache);
  part_init(&cache->classified, CLASSIFIED_SETS);
  part_init(&cache->unclassified, UNCLASSIFIED_SETS);
  return cache;
}

void verdict_cache_free(struct verdict_cache *cache) {
  if (!cache) return;
  part_deinit(&cache->classified);
  part_deinit(&cache->unclassified);
  free(cache);
}

/* The rest of the key is exact, not hashed: 10 bits code, 3+10+10 dsn, 3 status, 5 service, 1 discarded, 16 provider. */
struct verdict_key verdict_key_of(const struct match_input *input, uint16_t scope) {
  XXH128_hash_t hash = XXH3_128bits(input->text.ptr, input->text.len);
  uint64_t rest = input->smtp_code < 1000 ? input->smtp_code : 0;
  rest = rest << 3 | input->dsn.class;
  rest = rest << 10 | input->dsn.subject;
  rest = rest << 10 | input->dsn.detail;
  rest = rest << 3 | input->status;
  rest = rest << 5 | input->service;
  rest = rest << 1 | input->is_discarded;
  rest = rest << 16 | scope;
  return (struct verdict_key){hash.low64, hash.high64, rest};
}

static size_t set_of(const struct part *part, const struct verdict_key *key) {
  return (key->text_low ^ hash_u64(key->rest)) & (part->sets - 1);
}

static bool part_find(const struct part *part, const struct verdict_key *key, struct decision *out) {
  const struct entry *set = &part->entries[set_of(part, key) * WAYS];
  for (unsigned way = 0; way < WAYS; way++) {
    const struct entry *e = &set[way];
    if (e->key.text_low != key->text_low || e->key.text_high != key->text_high || e->key.rest != key->rest || !e->is_used) continue;
    *out = e->decision;
    return true;
  }
  return false;
}

bool verdict_cache_find(const struct verdict_cache *cache, const struct verdict_key *key, struct decision *out) {
  return part_find(&cache->classified, key, out) || part_find(&cache->unclassified, key, out);
}

void verdict_cache_add(struct verdict_cache *cache, const struct verdict_key *key, const struct decision *decision) {
  struct part *part = decision->cause == CAUSE_unclassified ? &cache->unclassified : &cache->classified;
  size_t set = set_of(part, key);
  unsigned way = part->next_way[set]++ % WAYS;
  part->entries[set * WAYS + way] = (struct entry){*key, *decision, 1};
}
