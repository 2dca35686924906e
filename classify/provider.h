/* Who really receives: from the MX host (suffix table), else the recipient domain (table), else the registrable domain of the MX
 * host (public suffix list).
 *
 *   mx1.gmail-smtp-in.l.google.com   ->  google            suffix table
 *   mail.example.co.uk, a@qq.com     ->  qq                domain table
 *   mail.example.co.uk, a@b.org      ->  example.co.uk     public suffix list
 *   local, a@b.org                   ->  local             delivered by our own server
 *   none or an address, a@b.org      ->  absent
 *
 * What a relay host says is cached: the look-up is one cache line. */
#ifndef CLASSIFY_PROVIDER_H
#define CLASSIFY_PROVIDER_H

#include "classify/data.h"

struct provider_cache;

struct provider_cache *provider_cache_new(const struct provider_table *table);
void provider_cache_free(struct provider_cache *cache);

struct provider_found {
  struct slice name; /* absent: unknown. Good until the next call */
  uint16_t number;   /* in the table; NO_PROVIDER: not in it */
};

/* Hash of a relay host. Making the keys of several deliveries before the first is looked up lets their cache misses overlap. */
struct provider_key {
  uint64_t low;
  uint32_t high;
};
struct provider_key provider_prefetch(const struct provider_cache *cache, struct slice relay_host);

/* `key` is what provider_prefetch gave for `relay_host`. */
void provider_find(struct provider_cache *cache, const struct provider_key *key, struct slice relay_host, struct slice recipient,
                   struct provider_found *out);

#endif
