/* What the files of the PowerMTA format share.
 *
 *   powermta.c           the format: a line's type, and what its fields say of a delivery
 *   powermta_columns.c   which column is which, by the header or by the default
 *   powermta_time.c      "2016-05-29 01:10:51+0200" and seconds since 1970 */
#ifndef INGEST_POWERMTA_INTERNAL_H
#define INGEST_POWERMTA_INTERNAL_H

#include "ingest/line_walk.h"

/* PowerMTA has some sixty fields of its own, and one for each header= that is asked for. */
#define POWERMTA_COLUMNS_MAX 160u

/* The columns that are read, and their names in the header. */
#define POWERMTA_COLUMNS(X)             \
  X(TYPE, "type")                       \
  X(TIME_LOGGED, "timeLogged")          \
  X(TIME_QUEUED, "timeQueued")          \
  X(ORIG, "orig")                       \
  X(RCPT, "rcpt")                       \
  X(ORCPT, "orcpt")                     \
  X(DSN_ACTION, "dsnAction")            \
  X(DSN_STATUS, "dsnStatus")            \
  X(DSN_DIAG, "dsnDiag")                \
  X(DSN_MTA, "dsnMta")                  \
  X(BOUNCE_CAT, "bounceCat")            \
  X(SRC_MTA, "srcMta")                  \
  X(DLV_TYPE, "dlvType")                \
  X(SOURCE_IP, "dlvSourceIp")           \
  X(DESTINATION_IP, "dlvDestinationIp") \
  X(SIZE, "dlvSize")                    \
  X(VMTA, "vmta")                       \
  X(MESSAGE_ID, "header_Message-Id")

enum powermta_column {
#define X(name, text) COLUMN_##name,
  POWERMTA_COLUMNS(X)
#undef X
      COLUMN_COUNT
};

#define COLUMN_MISSING UINT8_MAX

/* Where the columns stand. */
struct powermta_columns {
  uint8_t at[COLUMN_COUNT]; /* COLUMN_MISSING: not in the file */
  unsigned count;           /* of all, known or not; 0: by default, and a line may have fewer or more */
};

/* Whether a line is a header. */
static inline bool powermta_is_header(struct slice line) { return slice_starts_with(line, SLICE("type,")); }

/* The columns that a header names (without regard to case); the default ones when `header` is none. Of a name that stands there twice the
 * first counts. */
void powermta_columns_read(struct powermta_columns *columns, struct slice header);

/* Times of the same minute cost one compare. Zeroed: none seen yet. */
struct powermta_clock {
  char minute[16], offset[5]; /* "2016-05-29 01:10", "+0200" */
  uint8_t offset_len;
  bool is_set;
  int64_t minute_us;
};

/* Microseconds UTC of a field; TIME_US_ABSENT when it is no time. A time without offset is of `zone`. */
int64_t powermta_time_read(struct powermta_clock *clock, const struct zone *zone, struct slice text);

#endif
