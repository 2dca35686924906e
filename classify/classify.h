/* The door of classify/: a delivery in, its verdict out.
 *
 *   reply -> normalise -> cache -> literals (one pass) -> candidates in rule order -> regex confirms -> verdict
 *                         hit: the verdict is known
 *
 * A verdict is a function of the normalised reply, the status, the codes, the provider and the service alone; so the cache cannot change
 * an answer. Order: provider-scoped rules, blocklist names, general rules, status codes, unclassified. */
#ifndef CLASSIFY_CLASSIFY_H
#define CLASSIFY_CLASSIFY_H

#include "base/buf.h"
#include "base/error.h"
#include "base/limits.h"
#include "schemas/delivery.h"
#include "schemas/verdict.h"

/* Rules, providers, blocklists and advice, compiled. Never changes after it is made; shared by threads. */
struct classifier;

struct classifier_options {
  const char *rules_dir; /* a directory of rule files used instead of those built in; NULL: built in */
  /* A directory of rules laid over those: one with the id of one of them stands in its place, the others come first in their step. An
   * example of the rules below may then give one of these. NULL: none. */
  const char *user_rules_dir;
  const char *cache_dir; /* where compiled rules are kept from run to run (pattern_database.h); NULL: nowhere */
  bool data_only;        /* only advice, blocklists and providers are wanted: rules are not compiled (report, doctor) */
  bool is_for_lint;      /* rules without examples are loaded too, and no example is run: classifier_lint does */
  struct buf *problems;  /* where every problem is written, a line each; NULL: only the first is told, in `err` */
};

/* Loads, compiles, runs every example. NULL with err naming file, line, rule and example. */
struct classifier *classifier_new(const struct classifier_options *options, struct error *err);
void classifier_free(struct classifier *classifier);

/* One thread's scratch memory and cache. */
struct classify_context;
struct classify_context *classify_context_new(const struct classifier *classifier, struct error *err);
void classify_context_free(struct classify_context *context);
/* False: every reply that is looked at is matched against the rules, as if it was new. For measuring; the answers are the same. */
void classify_context_use_cache(struct classify_context *context, bool uses_cache);

/* Verdicts of `count` deliveries (at most LIMIT_STAGE), in order. Uses status, smtp_code, dsn, reply, relay_host, recipient, service and
 * direction of each. Slices of the verdicts are good until the next call on this context. Allocates nothing. A reply
 * takes at most 100 us a KiB, whatever its length and content. */
void classify_deliveries(struct classify_context *context, const struct delivery *deliveries, size_t count,
                         struct verdict *verdicts);

/* The codes at the front of a reply: "550-5.1.1 text" -> 550, "5.1.1". 0 and absent when there are none. `dsn` points into `reply`. */
void reply_read_codes(struct slice reply, uint16_t *smtp_code, struct slice *dsn);

/* What the receiver said, out of the words that logs and returned mail put around it: "host mx[192.0.2.7] said: 550 no", "smtp; 550 no",
 * "Remote host said: 550 no". `host` becomes the one that is named there, else absent. Text without such words is given back whole.
 * Both slices point into `text`. */
struct slice reply_unwrap(struct slice text, struct slice *host);

struct classify_counts {
  uint64_t replies, cache_hits, scans, unclassified;
};
void classify_read_counts(const struct classify_context *context, struct classify_counts *out);

/* ---- what the rules are, for people ------------------------------------------------------------------------------------------ */

struct rule_info {
  struct slice id, provider /* the first of them; absent: general */, file;
  struct slice step; /* of "Which rule decides": "provider", "before blocklists", "blocklist", "general" */
  size_t line, provider_count, example_count, counter_example_count;
  enum cause cause;
  bool is_users; /* from user_rules_dir */
};
/* In the order in which they are tried; blocklists stand among them as rules "blocklist.ID". */
size_t classifier_rule_count(const struct classifier *classifier);
void classifier_rule(const struct classifier *classifier, size_t i, struct rule_info *out);
/* The providers that rule `rule` is limited to: `i` below its provider_count. */
struct slice classifier_rule_provider(const struct classifier *classifier, size_t rule, size_t i);

/* Whether the rule is about a provider: limited to it, or written for its replies, which its id tells ("google.spf", "usa.comcast-ptr"). A
 * family's name stands for all of its members: "microsoft". */
bool classifier_rule_is_about(const struct classifier *classifier, size_t rule, struct slice provider);
/* Calls `each` for every name that some rule is about: ids of providers, then families that are none. */
void classifier_each_subject(const struct classifier *classifier, void (*each)(void *context, struct slice name), void *context);

/* A host or a recipient's domain by which the provider is recognised; both absent when there is no such provider. */
void classifier_provider_signs(const struct classifier *classifier, struct slice provider, struct slice *mx_host,
                               struct slice *domain);

/* In how many rules' examples `text` stands, whatever its case. */
size_t classifier_count_examples_with(const struct classifier *classifier, struct slice text);

/* Whether `text` can stand in a rule's `any` or `all`: normalising replies leaves it as it is. */
bool rule_text_can_be_found(struct slice text);

/* ---- why a reply got its verdict --------------------------------------------------------------------------------------------- */

/* A rule of which a text that may decide stands in the reply. */
struct explain_candidate {
  size_t rule;        /* for classifier_rule */
  const char *misses; /* the key of the rule that does not fit: "status", "smtp", "none", ...; NULL: all fit */
};

struct explanation {
  struct verdict verdict;               /* as classify_deliveries gives it */
  struct slice normalised;              /* what texts are compared with; good until the next call on the context */
  enum cause code_cause;                /* what is decided when no rule fits ... */
  enum via code_via;                    /* ... and by what */
  struct explain_candidate *candidates; /* in the order in which they are tried */
  size_t count, cap;
};
void classify_explain(struct classify_context *context, const struct delivery *delivery, struct explanation *out);
void explanation_deinit(struct explanation *explanation);

/* ---- what is wrong with rules that load -------------------------------------------------------------------------------------- */

struct lint_finding {
  const char
      *kind; /* "stolen-example", "unreachable-rule", "overlapping-text", "missing-negative", "missing-example", "slow-pattern" */
  struct slice rule, file;
  size_t line;
  const char *text; /* what is wrong and what to do; good during the call */
};
/* Calls `each` for every finding, in the order of the rules; false with err when it could not look. The classifier was made with
 * is_for_lint. */
bool classifier_lint(const struct classifier *classifier, void (*each)(void *context, const struct lint_finding *finding),
                     void *context, struct error *err);

/* Advice for a cause; `language` is "en" or "zh-CN". Always there, each text a few sentences. */
struct advice {
  struct slice meaning, check, remedy, prevention;
};
bool classifier_advice(const struct classifier *classifier, enum cause cause, struct slice language, struct advice *out);

struct blocklist_info {
  struct slice id, name, operator_name, lookup_url, delist_url; /* delist_url absent: cannot be asked for */
};
bool classifier_blocklist(const struct classifier *classifier, struct slice id, struct blocklist_info *out);

#endif
