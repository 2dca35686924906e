/* Which address we sent from, where the configuration tells it by host, instance and service. */
#include "base/hash.h"
#include "ingest/join_internal.h"

/* '*' stands for any bytes, '?' for one; without case, as host names are. Backtracks to the last '*' only, which is enough: what an
 * earlier '*' could take more of, the last one can, too. */
bool glob_matches(struct slice pattern, struct slice text) {
  size_t p = 0, t = 0, star = SIZE_MAX, star_text = 0;
  while (t < text.len) {
    if (p < pattern.len && pattern.ptr[p] == '*') {
      star = p++;
      star_text = t;
    } else if (p < pattern.len && (pattern.ptr[p] == '?' || ascii_lower(pattern.ptr[p]) == ascii_lower(text.ptr[t]))) {
      p++, t++;
    } else if (star != SIZE_MAX) {
      p = star + 1;
      t = ++star_text;
    } else {
      return false;
    }
  }
  while (p < pattern.len && pattern.ptr[p] == '*') p++;
  return p == pattern.len;
}

static struct slice search_rules(const struct join_options *options, struct slice host, struct slice instance,
                                 struct slice service) {
  for (size_t i = 0; i < options->source_rule_count; i++) {
    const struct source_rule *rule = &options->source_rules[i];
    if (!slice_is_absent(rule->host) && !glob_matches(rule->host, host)) continue;
    if (!slice_is_absent(rule->instance) && !slice_equal(rule->instance, instance)) continue;
    if (!slice_is_absent(rule->service) && !slice_equal(rule->service, service)) continue;
    return rule->source;
  }
  return SLICE_ABSENT;
}

struct slice source_of(struct join *join, struct slice host, struct slice instance, struct slice service) {
  const struct slice parts[3] = {host, instance, service};
  if (host.len + instance.len + service.len > SOURCE_CACHE_TEXT) return search_rules(&join->options, host, instance, service);
  char text[SOURCE_CACHE_TEXT];
  size_t len = 0;
  for (unsigned i = 0; i < 3; i++) {
    if (parts[i].len) memcpy(text + len, parts[i].ptr, parts[i].len);
    len += parts[i].len;
  }
  uint32_t hash = (uint32_t)hash_bytes(text, len);
  struct source_answer *answer = &join->source_cache[hash % SOURCE_CACHE_SLOTS];
  bool is_hit = answer->is_set && answer->hash == hash && memcmp(answer->text, text, len) == 0;
  for (unsigned i = 0; i < 3; i++) is_hit = is_hit && answer->lens[i] == parts[i].len;
  if (is_hit) return answer->source;
  answer->is_set = true;
  answer->hash = hash;
  for (unsigned i = 0; i < 3; i++) answer->lens[i] = (uint16_t)parts[i].len;
  memcpy(answer->text, text, len);
  return answer->source = search_rules(&join->options, host, instance, service);
}
