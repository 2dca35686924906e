/* A store that cannot be written now: disk full, read-only, a device error, a catalog that another program has locked. Nothing more
 * is read until a later try gets through; the counts, the positions and the messages of the commit wait in memory as they are. */
#include <inttypes.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "tools/pipeline_internal.h"

/* Between two tries: soon at first, since most obstacles pass, then so seldom that a dead disk costs nothing. */
#define RETRY_DELAY_FIRST_US (US_PER_SECOND / 10)
#define RETRY_DELAY_MOST_US (5 * US_PER_SECOND)
/* How long a signal or a scraper waits at most for its turn. */
#define BLOCKED_PAUSE_US 50000

bool pipeline_take_failure(struct pipeline *p, struct error *err) {
  if (err->kind != ERROR_STORAGE && err->kind != ERROR_RETRY) {
    p->is_commit_broken = true;
    return false;
  }
  struct blockage *blockage = &p->blockage;
  int64_t now_us = clock_monotonic_us();
  if (!blockage->is_blocked) {
    char reason[ERROR_TEXT_MAX + 64];
    log_event(LOG_ERROR, "store_blocked", "error=%s", log_value(reason, sizeof reason, slice_from_cstr(err->text)));
    blockage->is_blocked = true;
    blockage->since_us = now_us;
    blockage->delay_us = RETRY_DELAY_FIRST_US;
  } else if (blockage->delay_us < RETRY_DELAY_MOST_US) {
    blockage->delay_us = blockage->delay_us * 2 < RETRY_DELAY_MOST_US ? blockage->delay_us * 2 : RETRY_DELAY_MOST_US;
  }
  blockage->retry_at_us = now_us + blockage->delay_us;
  blockage->failed_tries++;
  blockage->err = *err;
  *err = (struct error){0};
  return true;
}

void pipeline_unblock(struct pipeline *p) {
  struct blockage *blockage = &p->blockage;
  if (!blockage->is_blocked) return;
  log_event(LOG_WARNING, "store_unblocked", "seconds=%.1f", (double)(clock_monotonic_us() - blockage->since_us) / 1e6);
  blockage->is_blocked = false;
}

bool pipeline_wait_blocked(struct pipeline *p, struct error *err) {
  if (clock_monotonic_us() >= p->blockage.retry_at_us && !pipeline_is_committing(p)) return pipeline_retry_commit(p, err);
  usleep(BLOCKED_PAUSE_US);
  return true;
}

bool pipeline_give_up(const struct pipeline *p, struct error *err) {
  *err = p->blockage.err;
  err->kind = ERROR_RETRY;
  return error_context(err, "stopped while the store could not be written; the next run reads again what is not in it");
}

const char *pipeline_blocked_reason(const struct pipeline *p) { return p->blockage.is_blocked ? p->blockage.err.text : NULL; }
