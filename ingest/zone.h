/* Time zones by IANA name, read from the system's TZif files (RFC 8536) once and then only looked at: libc's localtime depends on
 * the TZ variable of the whole process, and workers read different inputs at the same time. */
#ifndef INGEST_ZONE_H
#define INGEST_ZONE_H

#include <stdint.h>

#include "base/error.h"

struct zone;

/* NULL with `err` set when the name is not in /usr/share/zoneinfo or its file is damaged. Free with zone_free. */
struct zone *zone_new(const char *name, struct error *err);
void zone_free(struct zone *zone);

/* Seconds since 1970 UTC of a local wall-clock time (given as if it were UTC). Of an hour that happens twice the first is
 * meant; a time inside a gap is read with the offset before the gap. `zone` NULL: UTC. */
int64_t zone_utc_from_local(const struct zone *zone, int64_t local_seconds);

/* A zone that is read when it is first asked for, and never again; zeroed in the beginning. A zone that cannot be read is UTC:
 * configuration is checked with time_rules_check before anything is parsed. */
struct zone_once {
  bool is_read;
  struct zone *zone;
};

/* `name` NULL: UTC. What it returns is NULL for UTC, and good until zone_once_deinit. */
const struct zone *zone_once_read(struct zone_once *once, const char *name);
void zone_once_deinit(struct zone_once *once);

#endif
