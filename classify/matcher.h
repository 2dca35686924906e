/* Rules compiled: finds the rule that decides about a normalised reply.
 *
 *   text -> one pass over all literals (literal_index.h) -> candidates: rules of which the longest `all` literal, or one of `any`, is there
 *        -> in order: codes, status, provider, service, the other literals, and last the regex -> the first that fits
 *
 * Each regex is a Hyperscan database of its own, run when all else of its rule fits. */
#ifndef CLASSIFY_MATCHER_H
#define CLASSIFY_MATCHER_H

#include "base/error.h"
#include "classify/rule.h"

struct matcher;

/* One thread's memory for matching. */
struct match_scratch;

/* `rules` must be sorted and outlive the matcher. `cache_dir`: see pattern_database.h. NULL with err. */
struct matcher *matcher_new(const struct ruleset *rules, const char *cache_dir, struct error *err);
void matcher_free(struct matcher *matcher);

struct match_scratch *match_scratch_new(const struct matcher *matcher, struct error *err);
void match_scratch_free(struct match_scratch *scratch);

/* All that a verdict may depend on. */
struct match_input {
  struct slice text; /* normalised */
  struct dsn_code dsn;
  uint16_t smtp_code;
  uint16_t provider; /* NO_PROVIDER: none */
  uint8_t status;    /* never STATUS_expired: the caller gives what the last attempt was */
  uint8_t service;   /* ruleset_service_class */
  bool is_discarded; /* delivered by discard(8) */
};

struct decision {
  int32_t rule; /* index into the ruleset; -1: none */
  uint16_t cause, blocklist /* index + 1; 0: none */;
  uint8_t via;
};

/* Allocates nothing. */
void matcher_decide(const struct matcher *matcher, struct match_scratch *scratch, const struct match_input *input,
                    struct decision *out);

/* Calls `each` for every rule that a text of the reply makes a candidate, in the order in which they are tried: `misses` names the key that
 * does not fit, NULL when all do. */
void matcher_explain(const struct matcher *matcher, struct match_scratch *scratch, const struct match_input *input,
                     void (*each)(void *context, uint32_t rule, const char *misses), void *context);

/* The size of the compiled form of regex `i` of the rules. */
size_t matcher_regex_bytes(const struct matcher *matcher, int32_t i);

/* What is decided of a delivery that no rule knows. */
void matcher_decide_by_codes(const struct match_input *input, struct decision *out);

#endif
