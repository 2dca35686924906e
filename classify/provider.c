/* The provider of a delivery. See provider.h. */
#include "classify/provider.h"

#include <libpsl.h>

#include "base/hash.h"
#include "base/memory.h"

#define HOST_BYTES_MAX 253 /* RFC 1035 */
/* 16 bytes each: 1 MiB a thread. */
#define CACHE_ENTRIES 65536
#define WAYS 4

enum relay_kind { RELAY_NONE, RELAY_LOCAL, RELAY_HOST };

/* What a relay host says by itself. An empty entry has hashes of zero: one host in 2^96 would be taken for it. */
struct relay_entry {
  uint64_t hash_low;
  uint32_t hash_high;
  uint16_t number;
  uint8_t kind, name_len; /* the registrable domain: so many bytes at the end of the host */
};
_Static_assert(WAYS * sizeof(struct relay_entry) == 64, "a set is a cache line");

struct provider_cache {
  const struct provider_table *table;
  const psl_ctx_t *suffixes;
  struct relay_entry *entries;
  char host[HOST_BYTES_MAX + 1]; /* the last one looked at, lower case */
};

struct provider_cache *provider_cache_new(const struct provider_table *table) {
  struct provider_cache *cache = memory_zeroed(sizeof *cache);
  cache->table = table;
  cache->suffixes = psl_builtin();
  cache->entries = memory_map(CACHE_ENTRIES * sizeof *cache->entries);
  return cache;
}

void provider_cache_free(struct provider_cache *cache) {
  if (!cache) return;
  memory_unmap(cache->entries, CACHE_ENTRIES * sizeof *cache->entries);
  free(cache);
}

/* Lower case, without the dot at the end, NUL-terminated into `out`; its length, 0 when it is no host name. */
static size_t clean_host(struct slice host, char *out) {
  if (host.len && host.ptr[host.len - 1] == '.') host.len--;
  if (host.len > HOST_BYTES_MAX) return 0;
  for (size_t i = 0; i < host.len; i++) {
    if ((unsigned char)host.ptr[i] <= ' ') return 0;
    out[i] = ascii_lower(host.ptr[i]);
  }
  out[host.len] = '\0';
  return host.len;
}

static bool is_address(struct slice host) {
  bool is_numeric = true;
  for (size_t i = 0; i < host.len; i++) {
    if (host.ptr[i] == ':' || host.ptr[i] == '[') return true;
    is_numeric = is_numeric && (ascii_is_digit(host.ptr[i]) || host.ptr[i] == '.');
  }
  return is_numeric;
}

/* The number of the longest suffix of the host that the table has. */
static uint16_t find_suffix(const struct string_table *suffixes, struct slice host) {
  for (;;) {
    uint32_t number;
    if (string_table_find(suffixes, host, &number)) return (uint16_t)number;
    size_t dot = slice_find_byte(host, '.');
    if (dot == host.len) return NO_PROVIDER;
    host = slice_skip(host, dot + 1);
  }
}

static struct relay_entry look_up_relay(struct provider_cache *cache, struct slice host) {
  struct relay_entry entry = {.number = NO_PROVIDER, .kind = RELAY_NONE};
  if (host.len == 0 || is_address(host)) return entry;
  if (slice_find_byte(host, '.') == host.len) {
    entry.kind = RELAY_LOCAL;
    return entry;
  }
  entry.kind = RELAY_HOST;
  entry.number = find_suffix(&cache->table->by_mx, host);
  if (entry.number != NO_PROVIDER) return entry;
  const char *domain = cache->suffixes ? psl_registrable_domain(cache->suffixes, host.ptr) : NULL;
  entry.name_len = (uint8_t)(domain ? strlen(domain) : 0);
  return entry;
}

static struct relay_entry *set_of(const struct provider_cache *cache, const struct provider_key *key) {
  return &cache->entries[(key->low & (CACHE_ENTRIES / WAYS - 1)) * WAYS];
}

struct provider_key provider_prefetch(const struct provider_cache *cache, struct slice relay_host) {
  XXH128_hash_t hash = XXH3_128bits(relay_host.ptr ? relay_host.ptr : "", relay_host.len);
  struct provider_key key = {hash.low64, (uint32_t)(hash.high64 >> 32)};
  __builtin_prefetch(set_of(cache, &key));
  return key;
}

/* `name` is the registrable domain, absent when it is not wanted or there is none; in cache->host. */
static struct relay_entry find_relay(struct provider_cache *cache, const struct provider_key *key, struct slice relay_host,
                                     struct slice *name) {
  struct relay_entry *set = set_of(cache, key), found;
  unsigned way = 0;
  while (way < WAYS && (set[way].hash_low != key->low || set[way].hash_high != key->high)) way++;
  if (way < WAYS && !set[way].name_len) return set[way];
  struct slice host = slice_of(cache->host, clean_host(relay_host, cache->host));
  if (way < WAYS) {
    found = set[way];
  } else {
    found = look_up_relay(cache, host);
    found.hash_low = key->low;
    found.hash_high = key->high;
    /* The newest first; the oldest goes. */
    memmove(&set[1], &set[0], (WAYS - 1) * sizeof *set);
    set[0] = found;
  }
  if (found.name_len) *name = slice_skip(host, host.len - found.name_len);
  return found;
}

static uint16_t find_domain(const struct provider_table *table, struct slice recipient) {
  const char *at = recipient.len ? memrchr(recipient.ptr, '@', recipient.len) : NULL;
  if (!at) return NO_PROVIDER;
  char domain[HOST_BYTES_MAX + 1];
  size_t len = clean_host(slice_between(at + 1, recipient.ptr + recipient.len), domain);
  uint32_t number;
  return len && string_table_find(&table->by_domain, slice_of(domain, len), &number) ? (uint16_t)number : NO_PROVIDER;
}

void provider_find(struct provider_cache *cache, const struct provider_key *key, struct slice relay_host, struct slice recipient,
                   struct provider_found *out) {
  struct slice name = SLICE_ABSENT;
  struct relay_entry relay = {.number = NO_PROVIDER, .kind = RELAY_NONE};
  if (relay_host.len) relay = find_relay(cache, key, relay_host, &name);
  out->number = relay.number;
  if (out->number == NO_PROVIDER) out->number = find_domain(cache->table, recipient);
  if (out->number != NO_PROVIDER)
    out->name = cache->table->ids[out->number];
  else if (relay.kind == RELAY_LOCAL)
    out->name = SLICE("local");
  else
    out->name = name;
}
