/* The progress line. See progress.h. */
#include "tools/progress.h"

#include <stdio.h>
#include <unistd.h>

#include "base/clock.h"

void progress_init(struct progress *progress, bool is_wanted) {
  *progress = (struct progress){.is_shown = is_wanted && isatty(STDERR_FILENO)};
  progress->begun_us = progress->shown_us = clock_monotonic_us();
}

void progress_deinit(struct progress *progress) {
  if (progress->has_line) fprintf(stderr, "\r\033[K");
}

const char *progress_format_bytes(double bytes, char out[16]) {
  static const char *const UNITS[] = {"B", "KiB", "MiB", "GiB", "TiB"};
  unsigned unit = 0;
  while (bytes >= 1024 && unit < 4) bytes /= 1024, unit++;
  snprintf(out, 16, unit ? "%.1f %s" : "%.0f %s", bytes, UNITS[unit]);
  return out;
}

void progress_show(struct progress *progress, int64_t now_us, uint64_t done_bytes, uint64_t total_bytes) {
  char done[16], total[16], rate[16];
  double elapsed_s = (double)(now_us - progress->begun_us) / 1e6;
  double bytes_per_s = elapsed_s > 0 ? (double)done_bytes / elapsed_s : 0;
  progress_format_bytes((double)done_bytes, done);
  progress_format_bytes(bytes_per_s, rate);
  if (total_bytes > 0 && bytes_per_s > 0) {
    unsigned left_s = done_bytes < total_bytes ? (unsigned)((double)(total_bytes - done_bytes) / bytes_per_s) : 0;
    double share = done_bytes < total_bytes ? 100.0 * (double)done_bytes / (double)total_bytes : 100.0;
    fprintf(stderr, "\rbouncemill: %s of %s  %.0f %%  %s/s  %u:%02u left\033[K", done,
            progress_format_bytes((double)total_bytes, total), share, rate, left_s / 60, left_s % 60);
  } else {
    fprintf(stderr, "\rbouncemill: %s  %s/s\033[K", done, rate);
  }
  fflush(stderr);
  progress->has_line = true;
  progress->shown_us = now_us;
}
