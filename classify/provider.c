/* The provider of a delivery. See provider.h. */
#include "classify/provider.h"

#include <libpsl.h>

#include "base/hash.h"
#include "base/memory.h"

#define HOST_BYTES_MAX 253 /* RFC 1035 */
/* 64 bytes each: 1 MiB a thread. Hosts with a longer registrable domain are looked up each time. */
#define CACHE_ENTRIES 16384
#define CACHED_NAME_BYTES_MAX 45

enum relay_kind { RELAY_NONE, RELAY_LOCAL, RELAY_HOST };

/* What a relay host says by itself. */
struct relay_entry {
  struct provider_key key;
  uint8_t kind, name_len;
  char name[CACHED_NAME_BYTES_MAX - 1]; /* registrable domain */
  uint16_t number;
};
_Static_assert(sizeof(struct relay_entry) == 64, "an entry is a cache line");

struct provider_cache {
  const struct provider_table *table;
  const psl_ctx_t *suffixes;
  struct relay_entry *entries;
  char host[HOST_BYTES_MAX + 1]; /* the last one looked up, lower case */
};

struct provider_cache *provider_cache_new(const struct provider_table *table) {
  struct provider_cache *cache = memory_zeroed(sizeof *cache);
  cache->table = table;
  cache->suffixes = psl_builtin();
  cache->entries = memory_zeroed(CACHE_ENTRIES * sizeof *cache->entries);
  return cache;
}

void provider_cache_free(struct provider_cache *cache) {
  if (!cache) return;
  free(cache->entries);
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

/* Fills `entry` but for the hashes; `name` is the registrable domain, in cache->host. */
static void look_up_relay(struct provider_cache *cache, struct slice relay_host, struct relay_entry *entry, struct slice *name) {
  *name = SLICE_ABSENT;
  entry->number = NO_PROVIDER;
  entry->kind = RELAY_NONE;
  struct slice host = slice_of(cache->host, clean_host(relay_host, cache->host));
  if (host.len == 0 || is_address(host)) return;
  if (slice_find_byte(host, '.') == host.len) {
    entry->kind = RELAY_LOCAL;
    return;
  }
  entry->kind = RELAY_HOST;
  entry->number = find_suffix(&cache->table->by_mx, host);
  if (entry->number != NO_PROVIDER) return;
  const char *domain = cache->suffixes ? psl_registrable_domain(cache->suffixes, cache->host) : NULL;
  *name = slice_from_cstr(domain);
}

static struct relay_entry *set_of(const struct provider_cache *cache, const struct provider_key *key) {
  return &cache->entries[(key->low & (CACHE_ENTRIES / 2 - 1)) * 2];
}

struct provider_key provider_prefetch(const struct provider_cache *cache, struct slice relay_host) {
  XXH128_hash_t hash = XXH3_128bits(relay_host.ptr ? relay_host.ptr : "", relay_host.len);
  struct provider_key key = {hash.low64, hash.high64};
  struct relay_entry *set = set_of(cache, &key);
  __builtin_prefetch(&set[0]);
  __builtin_prefetch(&set[1]);
  return key;
}

static const struct relay_entry *find_relay(struct provider_cache *cache, const struct provider_key *key, struct slice relay_host,
                                            struct relay_entry *uncached, struct slice *name) {
  struct relay_entry *set = set_of(cache, key);
  for (unsigned way = 0; way < 2; way++) {
    struct relay_entry *entry = &set[way];
    /* An empty entry has hashes of zero: one host in 2^128 would be taken for it. */
    if (entry->key.low != key->low || entry->key.high != key->high) continue;
    *name = entry->name_len ? slice_of(entry->name, entry->name_len) : SLICE_ABSENT;
    return entry;
  }
  look_up_relay(cache, relay_host, uncached, name);
  if (name->len > sizeof uncached->name) return uncached;
  uncached->key = *key;
  uncached->name_len = (uint8_t)name->len;
  if (name->len) memcpy(uncached->name, name->ptr, name->len);
  /* The newest first; the older of the two goes. */
  set[1] = set[0];
  set[0] = *uncached;
  return uncached;
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
  struct relay_entry uncached = {0};
  struct slice name = SLICE_ABSENT;
  const struct relay_entry *relay = relay_host.len ? find_relay(cache, key, relay_host, &uncached, &name) : &uncached;
  out->number = relay_host.len ? relay->number : NO_PROVIDER;
  if (out->number == NO_PROVIDER) out->number = find_domain(cache->table, recipient);
  if (out->number != NO_PROVIDER)
    out->name = cache->table->ids[out->number];
  else if (relay->kind == RELAY_LOCAL)
    out->name = SLICE("local");
  else
    out->name = name;
}
