/* The thread that compacts beside a run. See compactor.h.
 *
 * What goes wrong is told once and tried again at the next look: a compaction that fails changes nothing, and the run itself notices
 * a store that cannot be written. */
#include "tools/compactor.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/memory.h"

enum { PRIORITY_LOWEST = 19 };

struct compactor {
  struct store *store;
  struct compaction compaction;
  int64_t interval_us;
  bool has_failed, has_thread;
  pthread_t thread;
  pthread_mutex_t lock;
  pthread_cond_t wakes;
  atomic_bool is_over; /* set under the lock, read without it */
};

static bool is_over(void *context) { return atomic_load(&((struct compactor *)context)->is_over); }

static void tell(const struct compaction_result *results) {
  for (unsigned i = 0; i < DATASET_COUNT; i++) {
    const struct compaction_result *result = &results[i];
    if (!result->segments_before) continue;
    log_event(LOG_INFO, "compacted",
              "dataset=%s segments_before=%" PRIu64 " bytes_before=%" PRIu64 " segments_after=%" PRIu64 " bytes_after=%" PRIu64,
              DATASETS[i].name, result->segments_before, result->bytes_before, result->segments_after, result->bytes_after);
  }
}

static void compact(struct compactor *c) {
  struct compaction_result results[DATASET_COUNT];
  struct error err = {0};
  c->compaction.now_us = clock_wall_us();
  bool is_done = store_compact(c->store, &c->compaction, results, &err);
  tell(results);
  if (!is_done && !c->has_failed) {
    char quoted[ERROR_TEXT_MAX + 64];
    log_event(LOG_WARNING, "compaction_failed", "error=%s", log_value(quoted, sizeof quoted, slice_from_cstr(err.text)));
  }
  c->has_failed = !is_done;
}

/* False when it is over. */
static bool wait_for_interval(struct compactor *c) {
  struct timespec until;
  clock_gettime(CLOCK_MONOTONIC, &until);
  int64_t ns = until.tv_nsec + c->interval_us % US_PER_SECOND * 1000;
  until.tv_sec += c->interval_us / US_PER_SECOND + ns / 1000000000;
  until.tv_nsec = ns % 1000000000;
  pthread_mutex_lock(&c->lock);
  int waited = 0;
  while (!is_over(c) && waited == 0) waited = pthread_cond_timedwait(&c->wakes, &c->lock, &until);
  pthread_mutex_unlock(&c->lock);
  return !is_over(c);
}

static void *compactor_main(void *context) {
  struct compactor *c = context;
  setpriority(PRIO_PROCESS, 0, PRIORITY_LOWEST); /* on Linux: of this thread alone */
  while (wait_for_interval(c)) compact(c);
  return NULL;
}

struct compactor *compactor_new(struct store *store, const struct retention *retention, int64_t interval_us) {
  struct compactor *c = memory_zeroed(sizeof *c);
  c->store = store;
  c->interval_us = interval_us;
  c->compaction = (struct compaction){.is_background = true, .should_stop = is_over, .stop_context = c};
  memcpy(c->compaction.retention, retention, sizeof c->compaction.retention);
  pthread_condattr_t monotonic;
  pthread_condattr_init(&monotonic);
  pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
  pthread_mutex_init(&c->lock, NULL);
  pthread_cond_init(&c->wakes, &monotonic);
  pthread_condattr_destroy(&monotonic);
  c->has_thread = pthread_create(&c->thread, NULL, compactor_main, c) == 0;
  if (!c->has_thread) log_event(LOG_WARNING, "compaction_failed", "error=\"no thread can be made for it\"");
  return c;
}

void compactor_free(struct compactor *c) {
  if (!c) return;
  pthread_mutex_lock(&c->lock);
  atomic_store(&c->is_over, true);
  pthread_cond_signal(&c->wakes);
  pthread_mutex_unlock(&c->lock);
  if (c->has_thread) pthread_join(c->thread, NULL);
  pthread_cond_destroy(&c->wakes);
  pthread_mutex_destroy(&c->lock);
  free(c);
}
