/* The tables beside the rules: providers, blocklists, advice. Loaded from YAML; texts are views into the documents given. */
#ifndef CLASSIFY_DATA_H
#define CLASSIFY_DATA_H

#include "base/yaml.h"
#include "classify/classify.h"
#include "classify/problems.h"
#include "classify/rule.h"

struct provider_table {
  struct slice *ids;
  size_t count;
  struct string_table by_id, by_mx, by_domain; /* to the index in ids; mx: suffixes on label boundaries; lower case */
};

struct blocklist_table {
  struct blocklist_info *lists;
  size_t count;
  struct string_table rule_ids; /* owns "blocklist.ID" of each */
};

enum advice_language { ADVICE_en, ADVICE_zh_CN, ADVICE_LANGUAGE_COUNT };

struct data_tables {
  struct provider_table providers;
  struct blocklist_table blocklists;
  struct advice advice[ADVICE_LANGUAGE_COUNT][CAUSE_COUNT];
};

void data_deinit(struct data_tables *data);

/* Each reads one document and notes what is wrong with it. */
void data_load_providers(struct provider_table *providers, const struct yaml_document *document, struct problems *problems);
/* Adds a rule of TIER_BLOCKLIST for each list to `rules`. */
void data_load_blocklists(struct blocklist_table *blocklists, const struct yaml_document *document, struct ruleset *rules,
                          struct problems *problems);
void data_load_advice(struct advice *of_causes, const struct yaml_document *document, struct problems *problems);

#endif
