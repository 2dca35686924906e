/* providers.yaml, blocklists.yaml, advice.*.yaml. See data.h. */
#include "classify/data.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/limits.h"
#include "base/memory.h"
#include "classify/rule_file.h"

void data_deinit(struct data_tables *data) {
  free(data->providers.ids);
  string_table_deinit(&data->providers.by_id);
  string_table_deinit(&data->providers.by_mx);
  string_table_deinit(&data->providers.by_domain);
  free(data->blocklists.lists);
  string_table_deinit(&data->blocklists.rule_ids);
}

static void note(struct problems *problems, struct yaml_node node, const char *what, struct slice text) {
  struct error err;
  yaml_error(node, &err, "%s '%.*s'", what, SLICE_ARG(text));
  problems_add(problems, &err);
}

/* The list under `key` of the document's root; noted when there is none. */
static struct yaml_node root_list(const struct yaml_document *document, const char *key, struct problems *problems) {
  struct yaml_node list = yaml_get(yaml_root(document), key);
  if (!yaml_is_list(list)) note(problems, yaml_root(document), "a list is expected under", slice_from_cstr(key));
  return list;
}

/* Entries of one kind of host names, all lower case. */
static void add_names(struct yaml_node list, uint32_t provider, struct string_table *to, struct problems *problems) {
  for (size_t i = 0; i < yaml_count(list); i++) {
    struct slice name = yaml_text(yaml_item(list, i));
    bool is_lower = name.len > 0 && name.len < 254;
    for (size_t k = 0; k < name.len; k++) is_lower = is_lower && name.ptr[k] == ascii_lower(name.ptr[k]);
    if (!is_lower)
      note(problems, yaml_item(list, i), "a host name in lower case is expected, not", name);
    else if (!string_table_add(to, name, provider))
      note(problems, yaml_item(list, i), "given twice:", name);
  }
}

void data_load_providers(struct provider_table *providers, const struct yaml_document *document, struct problems *problems) {
  static const char *const KEYS[] = {"id", "name", "mx", "domains", NULL};
  struct yaml_node list = root_list(document, "providers", problems);
  providers->ids = memory_zeroed((yaml_count(list) + 1) * sizeof *providers->ids);
  for (size_t i = 0; i < yaml_count(list) && i < NO_PROVIDER; i++) {
    struct yaml_node entry = yaml_item(list, i);
    struct slice id = yaml_text(yaml_get(entry, "id"));
    struct error err;
    if (!yaml_check_keys(entry, KEYS, &err)) problems_add(problems, &err);
    uint32_t number = (uint32_t)providers->count;
    if (!id.len || !string_table_add(&providers->by_id, id, number)) {
      note(problems, entry, "an id of its own is needed, not", id);
      continue;
    }
    providers->ids[providers->count++] = id;
    add_names(yaml_get(entry, "mx"), number, &providers->by_mx, problems);
    add_names(yaml_get(entry, "domains"), number, &providers->by_domain, problems);
  }
}

static bool cause_of_kind(struct slice kind, enum cause *out) {
  if (slice_equal(kind, SLICE("ip")))
    *out = CAUSE_ip_blocklisted;
  else if (slice_equal(kind, SLICE("domain")))
    *out = CAUSE_domain_blocklisted;
  else if (slice_equal(kind, SLICE("url")))
    *out = CAUSE_url_blocklisted;
  else
    return false;
  return true;
}

/* null and "" are absent. */
static struct slice text_or_absent(struct yaml_node node) {
  struct slice text = yaml_text(node);
  return text.len == 0 || slice_equal(text, SLICE("null")) || slice_equal(text, SLICE("~")) ? SLICE_ABSENT : text;
}

static void add_blocklist_rule(struct yaml_node entry, struct blocklist_table *blocklists, struct ruleset *rules,
                               struct problems *problems) {
  struct rule *rule = ruleset_add(rules);
  if (!rule) return;
  struct yaml_node match = yaml_get(entry, "match"), kind = yaml_get(entry, "kind");
  if (!cause_of_kind(yaml_text(kind), &rule->cause)) note(problems, entry, "kind is ip, domain or url, not", yaml_text(kind));
  struct slice list_id = blocklists->lists[blocklists->count - 1].id;
  char id[96];
  int len = snprintf(id, sizeof id, "blocklist.%.*s", SLICE_ARG(list_id));
  struct slice rule_id = slice_of(id, (size_t)len < sizeof id ? (size_t)len : sizeof id - 1);
  if (!string_table_add(&blocklists->rule_ids, rule_id, 0)) note(problems, entry, "given twice:", list_id);
  rule->id = blocklists->rule_ids.keys[blocklists->rule_ids.count - 1];
  rule->file = slice_from_cstr(yaml_name(entry));
  rule->line = yaml_line(entry);
  rule->tier = TIER_BLOCKLIST;
  rule->blocklist = (uint16_t)blocklists->count;
  rule->statuses = (uint16_t) ~(1u << STATUS_delivered);
  for (size_t i = 0; i < yaml_count(match); i++) {
    char lowered[LIMIT_REPLY_BYTES];
    struct slice text = yaml_text(yaml_item(match, i));
    struct error err;
    if (rule_lower_literal(text, lowered, &err))
      ruleset_add_literal(rules, &rule->any, slice_of(lowered, text.len));
    else
      note(problems, yaml_item(match, i), "match: can't be found in a normalised reply:", text);
  }
  if (rule->any.count == 0) note(problems, entry, "match: at least one is needed by", rule->id);
}

void data_load_blocklists(struct blocklist_table *blocklists, const struct yaml_document *document, struct ruleset *rules,
                          struct problems *problems) {
  static const char *const KEYS[] = {"id", "name", "operator", "kind", "match", "lookup", "delist", "lists", NULL};
  struct yaml_node list = root_list(document, "blocklists", problems);
  blocklists->lists = memory_zeroed((yaml_count(list) + 1) * sizeof *blocklists->lists);
  for (size_t i = 0; i < yaml_count(list) && i < UINT16_MAX; i++) {
    struct yaml_node entry = yaml_item(list, i);
    struct error err;
    if (!yaml_check_keys(entry, KEYS, &err)) problems_add(problems, &err);
    struct blocklist_info *info = &blocklists->lists[blocklists->count++];
    info->id = yaml_text(yaml_get(entry, "id"));
    info->name = yaml_text(yaml_get(entry, "name"));
    info->operator_name = yaml_text(yaml_get(entry, "operator"));
    info->lookup_url = text_or_absent(yaml_get(entry, "lookup"));
    info->delist_url = text_or_absent(yaml_get(entry, "delist"));
    if (!info->id.len || !info->name.len) note(problems, entry, "id and name are needed, beside", info->id);
    add_blocklist_rule(entry, blocklists, rules, problems);
  }
}

void data_load_advice(struct advice *of_causes, const struct yaml_document *document, struct problems *problems) {
  static const char *const KEYS[] = {"meaning", "check", "remedy", "prevention", NULL};
  struct yaml_node map = yaml_get(yaml_root(document), "advice");
  for (size_t i = 0; i < yaml_count(map); i++) {
    enum cause cause;
    struct slice name = yaml_text(yaml_key_at(map, i));
    if (!cause_from_name(name, &cause)) note(problems, yaml_key_at(map, i), "no cause is named", name);
  }
  for (size_t cause = 0; cause < CAUSE_COUNT; cause++) {
    struct yaml_node entry = yaml_get(map, CAUSES[cause].name.ptr);
    struct error err;
    if (!yaml_check_keys(entry, KEYS, &err)) problems_add(problems, &err);
    struct advice *advice = &of_causes[cause];
    advice->meaning = yaml_text(yaml_get(entry, "meaning"));
    advice->check = yaml_text(yaml_get(entry, "check"));
    advice->remedy = yaml_text(yaml_get(entry, "remedy"));
    advice->prevention = yaml_text(yaml_get(entry, "prevention"));
    bool is_whole = advice->meaning.len && advice->check.len && advice->remedy.len && advice->prevention.len;
    if (!is_whole)
      note(problems, yaml_is_absent(entry) ? yaml_root(document) : entry, "advice is not whole for", CAUSES[cause].name);
  }
}
