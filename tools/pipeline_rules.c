/* Which rules a run classifies by: at the start, and after each reload. See rule_reload.h; rule_status.h is where the outcome is told. */
#include <inttypes.h>

#include "base/clock.h"
#include "base/log.h"
#include "tools/pipeline_internal.h"
#include "tools/rule_status.h"

/* Problems of one reload that are logged each; more are counted. */
#define PROBLEMS_LOGGED_MAX 20u

static void use_rules(struct pipeline *p, struct rules_in_use *rules) {
  pipeline_count_replies(p, &p->retired_counts);
  rules_in_use_deinit(&p->rules);
  p->rules = *rules;
  for (unsigned i = 0; i < p->worker_count; i++) p->workers[i].classify = rules->contexts[i];
  p->rules_loaded_at_us = clock_wall_us();
}

static void tell(const struct pipeline *p, int64_t begun_us, bool is_loaded, struct slice problems) {
  struct error err;
  if (!p->store) return; /* a sink has no place for it */
  struct rule_status status = {
      .begun_us = begun_us, .is_loaded = is_loaded, .rule_count = classifier_rule_count(p->rules.classifier), .problems = problems};
  char text[ERROR_TEXT_MAX + 16];
  if (!rule_status_write(p->options.store_dir, &status, &err))
    log_event(LOG_WARNING, "rule_status", "error=%s", log_value(text, sizeof text, slice_from_cstr(err.text)));
}

bool pipeline_load_rules(struct pipeline *p, struct error *err) {
  struct rules_in_use rules;
  if (!rules_in_use_init(&rules, p->options.rules_dir, p->options.user_rules_dir, p->worker_count, NULL, err)) return false;
  use_rules(p, &rules);
  p->reload = rule_reload_new(p->options.rules_dir, p->options.user_rules_dir, p->worker_count);
  return true;
}

void pipeline_tell_rules(struct pipeline *p) { tell(p, clock_monotonic_us(), true, SLICE("")); }

static void log_problems(const struct pipeline *p, const struct rule_reload_result *result) {
  size_t count = 0;
  char text[ERROR_TEXT_MAX + 16];
  for (struct slice rest = result->problems; rest.len;) {
    size_t len = slice_find_byte(rest, '\n');
    if (count++ < PROBLEMS_LOGGED_MAX)
      log_event(LOG_ERROR, "rule_problem", "problem=%s", log_value(text, sizeof text, slice_of(rest.ptr, len)));
    rest = slice_skip(rest, len < rest.len ? len + 1 : len);
  }
  log_event(LOG_ERROR, "rules_kept", "rules=%zu problems=%zu seconds=%.3f", classifier_rule_count(p->rules.classifier), count,
            (double)result->took_us / 1e6);
}

static void take_outcome(struct pipeline *p, struct rule_reload_result *result) {
  if (result->is_loaded) {
    use_rules(p, &result->rules);
    p->rule_reloads++;
    log_event(LOG_INFO, "rules_reloaded", "rules=%zu seconds=%.3f", classifier_rule_count(p->rules.classifier),
              (double)result->took_us / 1e6);
  } else {
    p->rule_reloads_failed++;
    log_problems(p, result);
  }
  tell(p, result->begun_us, result->is_loaded, result->problems);
}

void pipeline_poll_rules(struct pipeline *p) {
  struct rule_reload_result result;
  if (p->options.should_reload && p->options.should_reload(p->options.reload_context)) rule_reload_begin(p->reload);
  if (rule_reload_take(p->reload, &result)) take_outcome(p, &result);
}

void pipeline_count_replies(const struct pipeline *p, struct classify_counts *out) {
  struct classify_counts sum = p->retired_counts;
  for (unsigned i = 0; i < p->rules.context_count; i++) {
    struct classify_counts counts;
    classify_read_counts(p->rules.contexts[i], &counts);
    sum.replies += counts.replies;
    sum.cache_hits += counts.cache_hits;
    sum.scans += counts.scans;
    sum.unclassified += counts.unclassified;
  }
  *out = sum;
}

void pipeline_rules_deinit(struct pipeline *p) {
  rule_reload_free(p->reload);
  rules_in_use_deinit(&p->rules);
}
