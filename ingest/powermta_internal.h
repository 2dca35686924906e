/* What the files of the PowerMTA format share.
 *
 *   powermta.c           the format: its state, which build of the hot file this processor gets, and what is rare in a line
 *   powermta_lines.c     hot: finds the separators of many lines at once, and makes items of a line's fields
 *   powermta_columns.c   which column is which, by the header or by the default
 *   powermta_time.c      "2016-05-29 01:10:51+0200" and seconds since 1970
 *
 * The hot file is compiled three times, for x86-64-v2, -v3 and -v4; HOT_LEVEL names the build and its functions. */
#ifndef INGEST_POWERMTA_INTERNAL_H
#define INGEST_POWERMTA_INTERNAL_H

#include "ingest/cpu_level.h"
#include "ingest/line_walk.h"

/* PowerMTA has some sixty fields of its own, and one for each header= that is asked for. */
#define POWERMTA_COLUMNS_MAX 160u
/* Fewer than this, and a line without header is none of PowerMTA's: up to dlvSize. */
#define POWERMTA_DEFAULT_COLUMNS_MIN 18u

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

/* Times of the same day cost a compare and six digits, those of the same minute two. Zeroed: none seen yet. */
struct powermta_clock {
  uint64_t date, minute, offset; /* "2016-05-", "29 01:10", "+0200" in its upper five bytes */
  bool is_set;
  int64_t day_us, minute_us;
};

/* Microseconds UTC of a field; TIME_US_ABSENT when it is no time. A time without offset is of `zone`. */
int64_t powermta_time_read(struct powermta_clock *clock, const struct zone *zone, struct slice text);

/* Bytes whose separators are found before their lines are read; places in it fit 14 bits. */
#define POWERMTA_WINDOW_BYTES (16u << 10)

/* Of a parser: kept from call to call. */
struct powermta_state {
  struct line_walk_state walk; /* first: see line_walk.h */
  struct powermta_columns columns;
  struct powermta_clock logged, queued;
  bool has_columns;
  size_t header_len;
  char header[4096]; /* that the columns are of; longer ones are read again for each chunk */
  uint16_t places[POWERMTA_WINDOW_BYTES + 32], line_ends[POWERMTA_WINDOW_BYTES];
};

/* One call of format->parse. */
struct powermta_run {
  struct line_walk walk;
  struct powermta_state *state;
  struct line_list *list_of_shard[LIMIT_JOIN_SHARDS];
  uint64_t results[READ_COUNT];
};

/* The fields of a line, without quotes. Absent: no such column. */
struct powermta_record {
  struct slice fields[COLUMN_COUNT];
};

/* Reads the lines of a chunk; counts them in run->results and the parser's lines. */
void powermta_parse_lines_v2(struct powermta_run *run, const char *begin, const char *end);
void powermta_parse_lines_v3(struct powermta_run *run, const char *begin, const char *end);
void powermta_parse_lines_v4(struct powermta_run *run, const char *begin, const char *end);

/* ---- what is rare ---- */

/* A field that stands in quotes; doubled ones inside become one. */
struct slice powermta_unquote(struct line_walk *walk, struct slice field);
/* What becomes of a header that does not stand at the head. */
unsigned powermta_read_header(const struct powermta_state *state, struct slice line);
/* What becomes of a record that is no delivery. */
unsigned powermta_read_other(struct slice type);
/* "user@b.example" of "rfc822;user@b.example" and "<user@b.example>". */
struct slice powermta_address(struct slice field);

#endif
