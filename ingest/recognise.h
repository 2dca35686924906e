/* Which server's log a line is of, told by the line alone: what stands before and behind it, in which chunk, is not asked.
 *
 *   Nov 24 08:15:07 mx1 sm-mta[4711]: text     syslog, which all programs of a host share: by the program's name
 *   2026-11-24 08:15:07 1qAbCd-0001AB-2x ...   a log that one server writes by itself: by how its lines begin
 *
 * Each format says of such a shape whether it is its own (struct format, recognise). The formats are asked in the order of their table;
 * the first that says yes has the line. */
#ifndef INGEST_RECOGNISE_H
#define INGEST_RECOGNISE_H

#include "ingest/ingest.h"
#include "ingest/timestamp.h"

/* A line, and where its header ends. */
struct line_shape {
  const char *begin, *end; /* without its line end */
  bool is_syslog;          /* it has a header of syslog */
  struct slice host;       /* of the header; absent: none */
  struct slice instance;   /* of its program's name, what stands before the first '/'; absent: no '/' */
  struct slice program;    /* and what stands behind the last; absent: none */
  const char *text;        /* behind the header; `begin` where there is none */
};

/* Of one chunk: the minute that headers are likely to be of. */
struct recogniser {
  struct stamp_reader stamps;
};
void recogniser_init(struct recogniser *recogniser);

/* Reads the header of the line [p, end), without its '\n', not empty. Bytes up to `limit` (>= end) may be read. */
void recognise_shape(struct recogniser *recogniser, const char *p, const char *end, const char *limit, struct line_shape *out);

/* Whose line it is; NULL when no format knows it. */
const struct format *recognise_shaped(const struct line_shape *shape);

/* Both at once. */
const struct format *recognise_line(struct recogniser *recogniser, const char *p, const char *end, const char *limit);

/* "2026-11-24 08:15:07" at p, as Exim and tai64nlocal begin a line. */
bool recognise_own_date(const char *p, const char *end);

#endif
