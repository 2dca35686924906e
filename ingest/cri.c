/* The log of a container as Kubernetes' runtimes (containerd, CRI-O) write it:
 *
 *   2026-11-24T08:15:07.123456789Z stdout F the whole line
 *   2026-11-24T08:15:07.123456789Z stdout P the first 16 KiB of a line, whose rest follows, up to an F */
#include "ingest/envelope.h"
#include "ingest/scan.h"

#include "base/clock.h"

bool cri_read(const char *p, const char *end, struct wrapped_line *out) {
  if (end - p < 32 || !ascii_is_digit(*p) || p[4] != '-' || p[10] != 'T') return false;
  const char *blank = memchr(p, ' ', end - p > 40 ? 40 : (size_t)(end - p));
  if (!blank || end - blank < 10) return false;
  bool is_stdout = memcmp(blank, " stdout ", 8) == 0;
  if (!is_stdout && memcmp(blank, " stderr ", 8) != 0) return false;
  /* The tag may have more, behind colons. */
  const char *tag = blank + 8, *tag_end = memchr(tag, ' ', (size_t)(end - tag));
  if ((*tag != 'F' && *tag != 'P') || (tag[1] != ' ' && tag[1] != ':') || !tag_end) return false;
  *out = (struct wrapped_line){.time = slice_between(p, blank),
                               .time_us = TIME_US_ABSENT,
                               .message = slice_between(tag_end + 1, end),
                               .is_part = *tag == 'P',
                               .stream = !is_stdout};
  return true;
}
