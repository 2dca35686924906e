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
  const char *cache_dir; /* where compiled rules are kept from run to run (pattern_database.h); NULL: nowhere */
  bool data_only;        /* only advice, blocklists and providers are wanted: rules are not compiled (report, doctor) */
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
  struct slice id, provider /* absent: general */, file;
  size_t line, example_count, counter_example_count;
  enum cause cause;
};
size_t classifier_rule_count(const struct classifier *classifier);
void classifier_rule(const struct classifier *classifier, size_t i, struct rule_info *out);

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
