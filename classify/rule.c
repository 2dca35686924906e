/* Keeps rules and their lists. See rule.h. */
#include "classify/rule.h"

#include <stdlib.h>

#include "base/memory.h"

void ruleset_deinit(struct ruleset *set) {
  free(set->rules);
  free(set->literal_ids);
  free(set->regexes);
  free(set->examples);
  string_table_deinit(&set->ids);
  string_table_deinit(&set->literals);
  *set = (struct ruleset){0};
}

struct rule *ruleset_add(struct ruleset *set) {
  if (set->rule_count == RULES_MAX) return NULL;
  if (set->rule_count == set->rule_cap) {
    set->rule_cap = set->rule_cap ? set->rule_cap * 2 : 256;
    set->rules = memory_resize(set->rules, set->rule_cap * sizeof *set->rules);
  }
  struct rule *rule = &set->rules[set->rule_count++];
  *rule = (struct rule){.regex = -1};
  return rule;
}

void ruleset_add_literal(struct ruleset *set, struct range *into, struct slice lowered) {
  uint32_t number = (uint32_t)set->literals.count;
  if (!string_table_add(&set->literals, lowered, number)) string_table_find(&set->literals, lowered, &number);
  if (set->literal_id_count == set->literal_id_cap) {
    set->literal_id_cap = set->literal_id_cap ? set->literal_id_cap * 2 : 1024;
    set->literal_ids = memory_resize(set->literal_ids, set->literal_id_cap * sizeof *set->literal_ids);
  }
  if (into->count == 0) into->first = (uint32_t)set->literal_id_count;
  set->literal_ids[set->literal_id_count++] = number;
  into->count++;
}

void ruleset_sort(struct ruleset *set) {
  struct rule *sorted = memory_alloc((set->rule_count + 1) * sizeof *sorted);
  size_t n = 0;
  for (int place = 2 * TIER_PROVIDER; place <= 2 * TIER_GENERAL + 1; place++)
    for (size_t i = 0; i < set->rule_count; i++)
      if (2 * (int)set->rules[i].tier + !set->rules[i].comes_first == place) sorted[n++] = set->rules[i];
  free(set->rules);
  set->rules = sorted;
  set->rule_cap = set->rule_count + 1;
}

unsigned ruleset_service_class(const struct ruleset *set, struct slice service) {
  for (size_t i = 0; i < set->service_count; i++)
    if (slice_equal(set->services[i], service)) return (unsigned)i + 1;
  return 0;
}
