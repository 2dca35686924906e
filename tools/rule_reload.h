/* The rules that a run classifies by, and new ones in their place while it works.
 *
 *   rule_reload_begin -> a thread reads, compiles and tests them -> rule_reload_take, between two batches
 *                                                                     right: the new ones; wrong: why, and the old ones stay
 *
 * One thread calls; the thread of a reload touches nothing but what it makes. */
#ifndef TOOLS_RULE_RELOAD_H
#define TOOLS_RULE_RELOAD_H

#include "base/buf.h"
#include "base/limits.h"
#include "classify/classify.h"

/* Rules with a context for each worker. */
struct rules_in_use {
  struct classifier *classifier; /* NULL: none */
  struct classify_context *contexts[LIMIT_THREADS];
  unsigned context_count;
};

/* Reads rules of `rules_dir` (NULL: those built in) and `user_rules_dir` (NULL: none), with their compiled form in the user's cache (cache_dir.h). False with err;
 * then `problems`, unless NULL, has a line for everything that is wrong. */
bool rules_in_use_init(struct rules_in_use *rules, const char *rules_dir, const char *user_rules_dir, unsigned context_count,
                       struct buf *problems, struct error *err);
void rules_in_use_deinit(struct rules_in_use *rules);

struct rule_reload;

/* The names of the directories must live as long. */
struct rule_reload *rule_reload_new(const char *rules_dir, const char *user_rules_dir, unsigned context_count);
/* Waits for a reload under way. */
void rule_reload_free(struct rule_reload *reload);

/* Begins a reload; while one is under way another begins behind it, however often it is asked for: files may have changed since. */
void rule_reload_begin(struct rule_reload *reload);

struct rule_reload_result {
  bool is_loaded;            /* else the problems say why not */
  struct rules_in_use rules; /* the caller's from now on */
  struct slice problems;     /* a line each; good until the next call */
  int64_t begun_us, took_us; /* clock_monotonic_us, before the first file was read */
};
/* Whether a reload has ended; once for each. */
bool rule_reload_take(struct rule_reload *reload, struct rule_reload_result *out);

#endif
