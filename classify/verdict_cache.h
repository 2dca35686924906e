/* Decisions by what they depend on: the normalised reply (128-bit XXH3), codes, status, provider, service. 4-way sets of one or more cache
 * lines; the oldest of a set goes. Unclassified decisions have a part of their own, so that a flood of nonsense evicts nothing. */
#ifndef CLASSIFY_VERDICT_CACHE_H
#define CLASSIFY_VERDICT_CACHE_H

#include "classify/matcher.h"

struct verdict_cache;

struct verdict_key {
  uint64_t text_low, text_high, rest;
};

struct verdict_cache *verdict_cache_new(void);
void verdict_cache_free(struct verdict_cache *cache);

/* `scope`: the provider where a rule is scoped to it, else NO_PROVIDER. */
struct verdict_key verdict_key_of(const struct match_input *input, uint16_t scope);

bool verdict_cache_find(const struct verdict_cache *cache, const struct verdict_key *key, struct decision *out);
void verdict_cache_add(struct verdict_cache *cache, const struct verdict_key *key, const struct decision *decision);

#endif
