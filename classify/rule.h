/* Rules as they are loaded: what a rule asks of a reply, by numbers instead of names.
 *
 *   ruleset.rules     sorted: provider-scoped, before blocklists, blocklists, general; within each in order of loading
 *   rule.all, any...  ranges of ruleset.literal_ids, whose entries are numbers of ruleset.literals
 *   rule.examples     a range of ruleset.examples
 *
 * Names, texts and examples are views into the YAML documents, which the classifier keeps. */
#ifndef CLASSIFY_RULE_H
#define CLASSIFY_RULE_H

#include "classify/codes.h"
#include "classify/string_table.h"
#include "schemas/words.h"

/* Limits of one rule and of all: far beyond what people write, small enough that any file loads in bounded memory and time. */
#define RULES_MAX 16384
#define RULE_SMTP_MAX 8
#define RULE_DSN_MAX 8
#define RULE_PROVIDERS_MAX 32
#define SERVICES_MAX 15 /* services that rules name, all together */
#define NO_PROVIDER UINT16_MAX

enum rule_tier { TIER_PROVIDER, TIER_BEFORE, TIER_BLOCKLIST, TIER_GENERAL };

struct range {
  uint32_t first, count;
};

/* "5.7.x": 0xffff stands for x. */
#define DSN_ANY 0xffff

struct rule {
  struct slice id, provider, file; /* provider: as written; absent: general */
  size_t line;
  enum cause cause;
  enum rule_tier tier;
  bool names_no_listing; /* before: blocklists */
  bool is_users;         /* laid over the rules of the program; then, unless it stands in the place of one of them: */
  bool comes_first;      /* ... before the others of its tier */
  struct range all, any, none;
  int32_t regex; /* number of ruleset.regexes; -1: none */
  uint8_t smtp_count, dsn_count, provider_count;
  uint16_t smtp[RULE_SMTP_MAX]; /* 550; 5: any 5xx */
  struct dsn_code dsn[RULE_DSN_MAX];
  uint16_t providers[RULE_PROVIDERS_MAX];
  uint16_t statuses, services; /* bits; services 0: any */
  uint16_t blocklist;          /* index + 1; 0: an ordinary rule */
  struct range examples, counter_examples;
};

struct example {
  struct slice reply;
  size_t line;
};

struct ruleset {
  struct rule *rules;
  size_t rule_count, rule_cap;
  struct string_table ids, literals; /* ids: to the index in rules, until they are sorted */
  uint32_t *literal_ids;
  size_t literal_id_count, literal_id_cap;
  struct slice *regexes;
  size_t regex_count, regex_cap;
  struct example *examples;
  size_t example_count, example_cap;
  struct slice services[SERVICES_MAX]; /* class of services[i] is i + 1; 0: any other */
  size_t service_count;
  /* How the next files are read: */
  bool is_users; /* they are laid over the rules that are there */
  bool may_lack_examples;
};

void ruleset_deinit(struct ruleset *set);

/* A rule with nothing in it, at the end; good until the next is added. NULL when there are too many. */
struct rule *ruleset_add(struct ruleset *set);

/* Adds a literal to the set being collected: the number of the literal goes to the end of literal_ids. */
void ruleset_add_literal(struct ruleset *set, struct range *into, struct slice lowered);

/* Sorts by tier, in each the user's that stand in no other's place first, keeping the order within. Call once, when all is loaded. */
void ruleset_sort(struct ruleset *set);

/* The class of a service's name. */
unsigned ruleset_service_class(const struct ruleset *set, struct slice service);

#endif
