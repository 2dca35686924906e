/* Rules are read, compiled and tested beside the work that goes on with the old ones. See rule_reload.h. */
#include "tools/rule_reload.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/memory.h"
#include "tools/cache_dir.h"

bool rules_in_use_init(struct rules_in_use *rules, const char *rules_dir, const char *user_rules_dir, unsigned context_count,
                       struct buf *problems, struct error *err) {
  *rules = (struct rules_in_use){.context_count = context_count};
  rules->classifier = classifier_new_cached(
      &(struct classifier_options){.rules_dir = rules_dir, .user_rules_dir = user_rules_dir, .problems = problems}, err);
  bool is_done = rules->classifier != NULL;
  for (unsigned i = 0; is_done && i < context_count; i++) {
    rules->contexts[i] = classify_context_new(rules->classifier, err);
    is_done = rules->contexts[i] != NULL;
    if (!is_done && problems) buf_printf(problems, "%s\n", err->text);
  }
  if (!is_done) rules_in_use_deinit(rules);
  return is_done;
}

void rules_in_use_deinit(struct rules_in_use *rules) {
  for (unsigned i = 0; i < rules->context_count; i++) classify_context_free(rules->contexts[i]);
  classifier_free(rules->classifier);
  *rules = (struct rules_in_use){0};
}

struct rule_reload {
  const char *rules_dir, *user_rules_dir;
  unsigned context_count;
  pthread_t thread;
  bool is_running, is_wanted_again;
  int64_t begun_us;
  /* The thread's, until it says that it is done: */
  atomic_bool is_done;
  struct rules_in_use made;
  struct buf problems;
  int64_t took_us;
};

static void *load(void *context) {
  struct rule_reload *reload = context;
  struct error err = {0};
  buf_clear(&reload->problems);
  rules_in_use_init(&reload->made, reload->rules_dir, reload->user_rules_dir, reload->context_count, &reload->problems, &err);
  reload->took_us = clock_monotonic_us() - reload->begun_us;
  atomic_store(&reload->is_done, true);
  return NULL;
}

struct rule_reload *rule_reload_new(const char *rules_dir, const char *user_rules_dir, unsigned context_count) {
  struct rule_reload *reload = memory_zeroed(sizeof *reload);
  reload->rules_dir = rules_dir;
  reload->user_rules_dir = user_rules_dir;
  reload->context_count = context_count;
  return reload;
}

void rule_reload_free(struct rule_reload *reload) {
  if (!reload) return;
  if (reload->is_running) pthread_join(reload->thread, NULL);
  rules_in_use_deinit(&reload->made);
  buf_deinit(&reload->problems);
  free(reload);
}

void rule_reload_begin(struct rule_reload *reload) {
  reload->is_wanted_again = reload->is_running || atomic_load(&reload->is_done);
  if (reload->is_wanted_again) return;
  reload->begun_us = clock_monotonic_us();
  atomic_store(&reload->is_done, false);
  reload->is_running = true;
  if (pthread_create(&reload->thread, NULL, load, reload) == 0) return;
  /* No thread to be had: the work waits for it, once. */
  load(reload);
  reload->is_running = false;
}

bool rule_reload_take(struct rule_reload *reload, struct rule_reload_result *out) {
  if (reload->is_wanted_again && !reload->is_running && !atomic_load(&reload->is_done)) rule_reload_begin(reload);
  if (!atomic_load(&reload->is_done)) return false;
  if (reload->is_running) pthread_join(reload->thread, NULL);
  reload->is_running = false;
  atomic_store(&reload->is_done, false);
  *out = (struct rule_reload_result){.is_loaded = reload->made.classifier != NULL,
                                     .rules = reload->made,
                                     .problems = buf_slice(&reload->problems),
                                     .begun_us = reload->begun_us,
                                     .took_us = reload->took_us};
  reload->made = (struct rules_in_use){0};
  return true;
}
