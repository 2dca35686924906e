/* A line on the terminal that says how far long work is: bytes, rate, time left.
 *
 *   bouncemill: 412.6 MiB of 1.0 GiB  40 %  1.9 GiB/s  0:01 left */
#ifndef TOOLS_PROGRESS_H
#define TOOLS_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

struct progress {
  bool is_shown, has_line;
  int64_t begun_us, shown_us;
};

/* Shows nothing unless `is_wanted` and stderr is a terminal. */
void progress_init(struct progress *progress, bool is_wanted);
/* Removes the line. */
void progress_deinit(struct progress *progress);

/* Whether enough time has passed for another look; cheap. */
static inline bool progress_is_due(const struct progress *progress, int64_t now_us) {
  return progress->is_shown && now_us - progress->shown_us >= 200000;
}
/* Rewrites the line; total 0: not known. */
void progress_show(struct progress *progress, int64_t now_us, uint64_t done_bytes, uint64_t total_bytes);

/* "412.6 MiB" into `out` (16 bytes at least). */
const char *progress_format_bytes(double bytes, char out[16]);

#endif
