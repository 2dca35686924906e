/* What the files of the envelopes share.
 *
 *   shippers.def     which JSON fields of which shipper say what
 *   envelope.c       the table of envelopes: names, and what of each is looked for
 *   shipper.c        a record of JSON -> a wrapped line
 *   cri.c            a line of a Kubernetes container's log -> a wrapped line
 *   wrapped_line.c   a wrapped line -> a plain line, with a header when it has none
 *   unwrap.c         a chunk of such -> a chunk of plain lines, their format, and places as in the input again
 *   message_json.c   messages of Kafka that are no lines (MessagePack, JSON over several lines) -> one line of JSON each */
#ifndef INGEST_ENVELOPE_H
#define INGEST_ENVELOPE_H

#include "base/buf.h"
#include "base/json_reader.h"
#include "ingest/ingest.h"
#include "ingest/timestamp.h"

enum envelope_kind {
  ENVELOPE_PLAIN,
  ENVELOPE_AUTO, /* each line shows what it is */
  ENVELOPE_JSON,
  ENVELOPE_CRI,
};

struct envelope {
  const char *name;
  enum envelope_kind kind;
};

/* What an envelope holds. Slices are good as long as what they were read from. */
struct wrapped_line {
  struct slice message; /* the line; may hold newlines */
  struct slice time; /* as written: RFC 3339 or 3164, or a number since 1970 of a unit that its size tells; absent: see time_us */
  int64_t time_us;   /* when `time` is absent; TIME_US_ABSENT: not known */
  struct slice host, program, pid;
  bool is_part;    /* the line goes on in the next one of the same stream */
  unsigned stream; /* of a container: 0 stdout, 1 stderr */
};

/* ---- shipper.c ---------------------------------------------------------------------------------------------------------------- */

#define SHIPPER_PATHS_MAX 96

/* The rows of shippers.def that an envelope allows, with every path's place in the values. Not changed by reading. */
struct shippers;
struct shippers *shippers_new(const struct envelope *envelope);
void shippers_free(struct shippers *shippers);
const struct json_fields *shippers_fields(const struct shippers *shippers);

/* Reads one record. False when it is of no shipper, or has no message. A journal's message of bytes goes to `bytes`. */
bool shippers_read(const struct shippers *shippers, const struct json_value *values, struct buf *bytes, struct wrapped_line *out);

/* Whether [p, end) looks like a line of Docker's json-file log; if so, whose (0 stdout, 1 stderr), and whether it goes on in the next. */
bool docker_peek(const char *p, const char *end, unsigned *stream, bool *is_part);

/* ---- unwrap.c ----------------------------------------------------------------------------------------------------------------- */

/* The batch's first_lines out of their envelopes, one below the other, as unwrapper_parse would hand them to the parser's format. Good until
 * the next call. */
struct slice unwrapper_first_lines(struct unwrapper *unwrapper, const struct parser *parser, const struct batch *batch);

/* ---- cri.c -------------------------------------------------------------------------------------------------------------------- */

/* "2026-11-24T08:15:07.123456789Z stdout F message" */
bool cri_read(const char *p, const char *end, struct wrapped_line *out);

/* ---- wrapped_line.c ----------------------------------------------------------------------------------------------------------- */

/* Writes plain lines; of one unwrapper. */
struct line_writer {
  struct stamp_reader stamps; /* of headers that messages have themselves; without a year, they are near the envelope's time */
  struct stamp_reader outer;  /* of the envelopes' times, when they are needed as numbers */
  int64_t batch_time_us;      /* what the format takes for the reference */
  char outer_day[10];         /* the date of an envelope ... */
  int64_t outer_day_us;       /* ... and its time, TIME_US_ABSENT when none was seen */
  bool is_record;             /* lines of the format have no header: nothing is put before the message */
  bool is_mixed;              /* the message tells that */
  uint64_t newlines;          /* inside messages, written as blanks */
};

void line_writer_init(struct line_writer *writer, const struct zone *zone, const struct batch *batch, const struct parser *parser);

/* Appends the line and a '\n' to `out`:
 *   "2026-11-24T08:15:07.123Z mx1 postfix/smtp[123]: message"   when the message has no header
 *   "<22>1 2026-11-24T08:15:07.123Z - postfix/smtp - - - message"   when host or program is not known
 *   the message as it is                                         when it has one, or is a record
 * A header without host gets the envelope's; one without a year gets the year that fits the envelope's time. */
void line_writer_write(struct line_writer *writer, const struct wrapped_line *line, struct buf *out);

/* Appends `text` as a line as it is, but with blanks for newlines. */
void line_writer_write_text(struct line_writer *writer, struct slice text, struct buf *out);

/* Microseconds since 1970 of a number of seconds, milliseconds, microseconds or nanoseconds since 1970; false when it is none. */
bool epoch_read(struct slice text, int64_t *time_us);

#endif
