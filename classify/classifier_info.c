/* Answers about a classifier: its rules, providers, advice and blocklists. See classify.h. */
#include "classify/classifier.h"

static struct slice step_name(enum rule_tier tier) {
  switch (tier) {
    case TIER_PROVIDER: return SLICE("provider");
    case TIER_BEFORE: return SLICE("before blocklists");
    case TIER_BLOCKLIST: return SLICE("blocklist");
    case TIER_GENERAL: break;
  }
  return SLICE("general");
}

size_t classifier_rule_count(const struct classifier *c) { return c->rules.rule_count; }

void classifier_rule(const struct classifier *c, size_t i, struct rule_info *out) {
  const struct rule *rule = &c->rules.rules[i];
  *out = (struct rule_info){.id = rule->id,
                            .provider = rule->provider,
                            .file = rule->file,
                            .step = step_name(rule->tier),
                            .line = rule->line,
                            .provider_count = rule->provider_count,
                            .example_count = rule->examples.count,
                            .counter_example_count = rule->counter_examples.count,
                            .cause = rule->cause,
                            .is_users = rule->is_users};
}

struct slice classifier_rule_provider(const struct classifier *c, size_t rule, size_t i) {
  return c->data.providers.ids[c->rules.rules[rule].providers[i]];
}

/* ---- what a rule is about ---------------------------------------------------------------------------------------------------- */

static bool is_joint(struct slice text, size_t place) {
  return place >= text.len || text.ptr[place] == '.' || text.ptr[place] == '-';
}

/* Whether `name` stands in `id` as a whole: "comcast" in "usa.comcast-ptr". */
static bool has_word(struct slice id, struct slice name) {
  for (size_t at = slice_find(id, name); at < id.len; at += 1 + slice_find(slice_skip(id, at + 1), name))
    if ((at == 0 || is_joint(id, at - 1)) && is_joint(id, at + name.len)) return true;
  return false;
}

/* What stands before the first dot of an id. */
static struct slice family_of(struct slice id) { return slice_of(id.ptr, slice_find_byte(id, '.')); }

/* "microsoft" of "microsoft-365". */
static bool is_member(struct slice provider, struct slice family) {
  return family.len && provider.len > family.len && slice_starts_with(provider, family) && provider.ptr[family.len] == '-';
}

/* A provider with relatives, or what several have in common: "microsoft", but not "mailbox" of "mailbox-org". */
static bool is_family(const struct classifier *c, struct slice name) {
  uint32_t number;
  size_t members = string_table_find(&c->data.providers.by_id, name, &number);
  for (size_t i = 0; i < c->data.providers.count; i++) members += is_member(c->data.providers.ids[i], name);
  return members >= 2;
}

bool classifier_rule_is_about(const struct classifier *c, size_t number, struct slice provider) {
  const struct rule *rule = &c->rules.rules[number];
  if (rule->tier == TIER_BLOCKLIST || !provider.len) return false;
  for (size_t i = 0; i < rule->provider_count; i++) {
    struct slice id = classifier_rule_provider(c, number, i);
    if (slice_equal(id, provider) || is_member(id, provider)) return true;
  }
  uint32_t known;
  bool is_provider = string_table_find(&c->data.providers.by_id, provider, &known);
  if (!is_provider && !is_family(c, provider)) return false;
  return has_word(rule->id, provider) || (is_member(provider, family_of(rule->id)) && is_family(c, family_of(rule->id)));
}

void classifier_each_subject(const struct classifier *c, void (*each)(void *context, struct slice name), void *context) {
  const struct data_tables *data = &c->data;
  for (size_t i = 0; i < data->providers.count; i++)
    for (size_t r = 0; r < c->rules.rule_count; r++) {
      if (!classifier_rule_is_about(c, r, data->providers.ids[i])) continue;
      each(context, data->providers.ids[i]);
      break;
    }
  uint32_t known;
  struct slice last = SLICE("");
  for (size_t r = 0; r < c->rules.rule_count; r++) {
    struct slice family = family_of(c->rules.rules[r].id);
    if (slice_equal(family, last) || string_table_find(&data->providers.by_id, family, &known) || !is_family(c, family)) continue;
    each(context, family);
    last = family;
  }
}

static struct slice key_of(const struct string_table *table, uint32_t value) {
  for (size_t i = 0; i < table->count; i++)
    if (table->values[i] == value) return table->keys[i];
  return SLICE_ABSENT;
}

void classifier_provider_signs(const struct classifier *c, struct slice provider, struct slice *mx_host, struct slice *domain) {
  uint32_t number;
  *mx_host = *domain = SLICE_ABSENT;
  if (!string_table_find(&c->data.providers.by_id, provider, &number)) return;
  *mx_host = key_of(&c->data.providers.by_mx, number);
  *domain = key_of(&c->data.providers.by_domain, number);
}

static bool has_text(struct slice in, struct slice text) {
  for (size_t i = 0; i + text.len <= in.len; i++)
    if (slice_equal_nocase(slice_of(in.ptr + i, text.len), text)) return true;
  return false;
}

size_t classifier_count_examples_with(const struct classifier *c, struct slice text) {
  size_t count = 0;
  for (size_t r = 0; r < c->rules.rule_count; r++) {
    struct range examples = c->rules.rules[r].examples;
    bool is_there = false;
    for (uint32_t i = 0; i < examples.count && !is_there; i++)
      is_there = has_text(c->rules.examples[examples.first + i].reply, text);
    count += is_there;
  }
  return count;
}

/* ---- advice, blocklists ------------------------------------------------------------------------------------------------------ */

bool classifier_advice(const struct classifier *c, enum cause cause, struct slice language, struct advice *out) {
  enum advice_language which;
  if (slice_equal(language, SLICE("en")))
    which = ADVICE_en;
  else if (slice_equal(language, SLICE("zh-CN")))
    which = ADVICE_zh_CN;
  else
    return false;
  *out = c->data.advice[which][cause];
  return true;
}

bool classifier_blocklist(const struct classifier *c, struct slice id, struct blocklist_info *out) {
  for (size_t i = 0; i < c->data.blocklists.count; i++) {
    if (!slice_equal(c->data.blocklists.lists[i].id, id)) continue;
    *out = c->data.blocklists.lists[i];
    return true;
  }
  return false;
}
