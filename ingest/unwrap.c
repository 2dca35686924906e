/* Takes the envelopes off the lines of a chunk, lets the format read what was in them, and puts the places of the input back.
 *
 *   input    {"message":"A ..."}\n A plain line\n [{"message":"B ..."},{"message":"C ..."}]\n
 *            ^ position 0          ^ 22           ^ 36
 *   lines    \n STAMP host program: A ...\n A plain line\n STAMP ...: B ...\n STAMP ...: C ...\n
 *   map         0 -> 0, line 0              31 -> 22, 1    44 -> 36, 2        71 -> 37, 2
 *
 * The format sees `lines` as its batch; afterwards the position and number of each item that it added are looked up in the map, so
 * that positions in the input are what is committed, whatever was unwrapped. Elements of a line differ by one each, for order.
 *
 * A chunk that does not begin with an envelope is given to the format as it is. Only when that leaves lines unparsed, and one of them
 * begins as JSON does, it is done again with the envelopes taken off: plain logs pay nothing. */
#include <stdlib.h>

#include "base/clock.h"
#include "base/memory.h"
#include "ingest/envelope.h"

/* Where a line of `lines` comes from. */
struct origin {
  uint32_t offset; /* in `lines`, from the first line of the chunk */
  uint32_t number; /* of the line in the chunk of the input */
  uint64_t position;
};

/* Stands between the format and the parser's when_unparsed: a chunk that is read again tells nothing twice, and places are those of the
 * input. */
struct report {
  void (*when_unparsed)(void *context, struct slice line, enum unparsed_reason reason, uint64_t position);
  void *context;
  size_t seen, told; /* in this reading; in readings of this chunk so far */
  bool is_plain;     /* positions are the input's already; stop telling at the first line that begins as JSON */
  bool has_seen_envelope;
  const struct unwrapper *unwrapper;
};

struct unwrapper {
  const struct envelope *envelope;
  struct shippers *shippers;
  struct json_reader *reader;
  struct zone_once zone;
  bool expects_envelopes; /* the chunk before had some */

  struct line_writer writer;
  struct buf lines; /* a newline, lookback, and from `chunk_at` the chunk's lines */
  size_t chunk_at;
  struct origin *origins;
  size_t origin_count, origin_cap;
  struct buf parts[2]; /* of a line that comes in parts, by stream */
  struct buf bytes, head;
  uint64_t unwrapped; /* lines that were in envelopes */

  /* The line being unwrapped. */
  const struct batch *batch;
  uint64_t position, element_count, position_max;
  uint32_t number;
  size_t line_bytes_max;
  int64_t time_us;    /* of [time, record]; TIME_US_ABSENT */
  bool is_cri;        /* lines that look like it are of a container's log */
  bool keeps_nothing; /* only parts are wanted */
  struct report report;
};

struct unwrapper *unwrapper_new(const struct envelope *envelope) {
  struct unwrapper *u = memory_zeroed(sizeof *u);
  u->envelope = envelope;
  if (envelope->kind == ENVELOPE_PLAIN) return u;
  u->shippers = shippers_new(envelope);
  u->reader = json_reader_new();
  return u;
}

void unwrapper_free(struct unwrapper *u) {
  if (!u) return;
  json_reader_free(u->reader);
  shippers_free(u->shippers);
  zone_once_deinit(&u->zone);
  buf_deinit(&u->lines);
  buf_deinit(&u->parts[0]);
  buf_deinit(&u->parts[1]);
  buf_deinit(&u->bytes);
  buf_deinit(&u->head);
  free(u->origins);
  free(u);
}

/* ---- lines out of envelopes --------------------------------------------------------------------------------------------------- */

/* What is appended next to `lines` is a line of the chunk. */
static void note_origin(struct unwrapper *u) {
  if (u->origin_count == u->origin_cap) {
    u->origin_cap = u->origin_cap ? 2 * u->origin_cap : 1024;
    u->origins = memory_resize(u->origins, u->origin_cap * sizeof *u->origins);
  }
  uint64_t position = u->position + u->element_count++;
  u->origins[u->origin_count++] = (struct origin){.offset = (uint32_t)(u->lines.len - u->chunk_at),
                                                  .number = u->number,
                                                  .position = position < u->position_max ? position : u->position_max};
}

static void take_plain(struct unwrapper *u, struct slice text) {
  if (u->keeps_nothing) return;
  note_origin(u);
  line_writer_write_text(&u->writer, text, &u->lines);
}

static void take_wrapped(struct unwrapper *u, struct wrapped_line *line) {
  struct buf *parts = &u->parts[line->stream];
  if (line->is_part || parts->len) {
    /* What is too long is cut a byte later than a line may be long, so that the format counts it as too long. */
    size_t room = parts->len > u->line_bytes_max ? 0 : u->line_bytes_max + 1 - parts->len;
    buf_append(parts, line->message.ptr, line->message.len < room ? line->message.len : room);
    line->message = buf_slice(parts);
    u->element_count += line->is_part;
  }
  if (line->is_part) return;
  if (!u->keeps_nothing) {
    note_origin(u);
    if (slice_is_absent(line->time)) line->time_us = u->time_us;
    line_writer_write(&u->writer, line, &u->lines);
    u->unwrapped++;
  }
  buf_clear(parts);
}

static void take_record(void *context, const struct json_record *record) {
  struct unwrapper *u = context;
  struct wrapped_line line;
  if (record->values) {
    if (shippers_read(u->shippers, record->values, &u->bytes, &line))
      take_wrapped(u, &line);
    else if (record->whole.text.len != 2) /* {}: the metadata of Fluent Bit's [[time, {}], record] */
      take_plain(u, record->whole.text);
  } else if (record->whole.kind == JSON_NUMBER) {
    if (!epoch_read(record->whole.text, &u->time_us)) u->time_us = TIME_US_ABSENT;
  } else {
    take_plain(u, record->whole.text);
  }
}

static bool begins_as_json(const char *p, const char *end) { return p < end && (*p == '{' || *p == '[' || *p == 0x1e); }

/* The line [p, end), without its newline. `limit`: bytes that may be read. */
static void unwrap_line(struct unwrapper *u, const char *p, const char *end, const char *limit) {
  struct wrapped_line line;
  struct slice text = slice_between(p, end);
  u->element_count = 0;
  u->time_us = TIME_US_ABSENT;
  u->position_max = u->position + text.len;
  if (u->envelope->kind != ENVELOPE_CRI && begins_as_json(p, end)) {
    struct slice rest;
    bool is_json = json_read_records(u->reader, text, limit, shippers_fields(u->shippers), take_record, u, &rest);
    if (!is_json) take_plain(u, u->element_count ? rest : text);
    if (is_json && !u->element_count) take_plain(u, text); /* nothing vanishes */
  } else if (u->is_cri && cri_read(p, end, &line)) {
    if (line.message.len && line.message.ptr[line.message.len - 1] == '\r') line.message.len--;
    take_wrapped(u, &line);
  } else {
    take_plain(u, text);
  }
}

/* All lines of [begin, end). Returns how many there were. */
static uint64_t unwrap_lines(struct unwrapper *u, const char *begin, const char *end) {
  const char *limit = u->batch->base + u->batch->len;
  u->number = 0;
  for (const char *p = begin, *line_end; p < end; p = line_end + 1) {
    line_end = memchr(p, '\n', (size_t)(end - p));
    if (!line_end) line_end = end;
    u->position = u->batch->position + (uint64_t)(p - u->batch->base);
    unwrap_line(u, p, line_end, limit);
    u->number++;
  }
  return u->number;
}

/* ---- what lies before the chunk ----------------------------------------------------------------------------------------------- */

/* Of a line that may be a part of one. False when it is of no container's log. */
static bool peek_part(const struct unwrapper *u, const char *p, const char *end, unsigned *stream, bool *is_part) {
  struct wrapped_line line;
  if (!u->is_cri || !cri_read(p, end, &line)) return docker_peek(p, end, stream, is_part);
  *stream = line.stream;
  *is_part = line.is_part;
  return true;
}

/* A line that ends in this chunk may have begun before it: finds, going back, where its first part is, and takes the parts in. They are
 * sought until the line before is known of either stream, or too far back. */
static void take_parts_before(struct unwrapper *u, const char *lookback, const char *begin) {
  if (begin - lookback > (ptrdiff_t)LIMIT_LOOKBACK_BYTES) lookback = begin - LIMIT_LOOKBACK_BYTES;
  bool is_known[2] = {false, false};
  const char *from = begin;
  for (const char *p = begin; p > lookback && !(is_known[0] && is_known[1]);) {
    const char *end = p - 1, *newline = end > lookback ? memrchr(lookback, '\n', (size_t)(end - lookback)) : NULL;
    unsigned stream;
    bool is_part;
    p = newline ? newline + 1 : lookback;
    if (!peek_part(u, p, end, &stream, &is_part)) continue;
    if (!is_part) is_known[stream] = true;
    if (is_part && !is_known[stream]) from = p;
  }
  u->keeps_nothing = true;
  unwrap_lines(u, from, begin);
  u->keeps_nothing = false;
}

static void forget_lines(struct unwrapper *u) {
  buf_clear(&u->lines);
  buf_append_byte(&u->lines, '\n'); /* ends the line before the first: the first has a beginning */
  buf_clear(&u->parts[0]);
  buf_clear(&u->parts[1]);
  u->chunk_at = u->lines.len;
  u->origin_count = 0;
  u->unwrapped = 0;
  u->writer.newlines = 0;
}

/* The input's first line, unwrapped, for formats that need it. */
static struct slice unwrap_head(struct unwrapper *u) {
  struct slice head = u->batch->head;
  if (slice_is_absent(head)) return head;
  forget_lines(u);
  unwrap_line(u, head.ptr, head.ptr + head.len, head.ptr + head.len);
  struct slice lines = slice_skip(buf_slice(&u->lines), 1);
  buf_clear(&u->head);
  buf_append_slice(&u->head, slice_of(lines.ptr, slice_find_byte(lines, '\n')));
  return buf_slice(&u->head);
}

/* ---- the format's reading ----------------------------------------------------------------------------------------------------- */

/* What a reading of a chunk has added, to take it back. */
struct before {
  struct line_counts counts;
  size_t list_counts[LIMIT_THREADS];
};

static void remember(const struct parser *parser, struct before *before) {
  before->counts = parser->counts;
  for (unsigned i = 0; i < parser->worker_count; i++) before->list_counts[i] = parser->lists[i].count;
}

static void take_back(struct parser *parser, const struct before *before) {
  parser->counts = before->counts;
  for (unsigned i = 0; i < parser->worker_count; i++) parser->lists[i].count = before->list_counts[i];
}

static const struct origin *origin_of(const struct unwrapper *u, uint64_t offset) {
  size_t low = 0, high = u->origin_count;
  while (high - low > 1) {
    size_t middle = low + (high - low) / 2;
    if (u->origins[middle].offset <= offset)
      low = middle;
    else
      high = middle;
  }
  return &u->origins[low];
}

static void report_unparsed(void *context, struct slice line, enum unparsed_reason reason, uint64_t position) {
  struct report *report = context;
  if (report->is_plain && begins_as_json(line.ptr, line.ptr + line.len)) report->has_seen_envelope = true;
  if (report->is_plain && report->has_seen_envelope) return;
  if (++report->seen <= report->told) return;
  report->told = report->seen;
  const struct unwrapper *u = report->unwrapper;
  if (!report->is_plain) position = origin_of(u, (uint64_t)(line.ptr - u->lines.ptr) - u->chunk_at)->position;
  report->when_unparsed(report->context, line, reason, position);
}

static void read_chunk(struct unwrapper *u, struct parser *parser, const struct batch *batch, const char *lookback,
                       const char *begin, const char *end) {
  u->report.seen = 0;
  if (parser->when_unparsed) {
    u->report.when_unparsed = parser->when_unparsed;
    u->report.context = parser->context;
    parser->when_unparsed = report_unparsed;
    parser->context = &u->report;
  }
  parser->format->parse(parser, batch, lookback, begin, end);
  if (parser->when_unparsed) {
    parser->when_unparsed = u->report.when_unparsed;
    parser->context = u->report.context;
  }
}

/* Reads the unwrapped lines from `chunk_at` on; those before are lookback. */
static void read_unwrapped(struct unwrapper *u, struct parser *parser, struct slice head, uint64_t position) {
  const char *base = u->lines.ptr;
  struct batch lines = *u->batch;
  lines.base = base + u->chunk_at;
  lines.len = u->lines.len - u->chunk_at;
  lines.lookback_len = u->chunk_at;
  lines.position = position;
  lines.head = head;
  read_chunk(u, parser, &lines, base, lines.base, base + u->lines.len);
}

/* Positions and numbers of what the reading added become those of the input. Items of a list are in the order of their lines. */
static void restore_places(const struct unwrapper *u, struct parser *parser, const struct before *before, uint64_t position) {
  if (!u->origin_count) return;
  for (unsigned i = 0; i < parser->worker_count; i++) {
    const struct origin *origin = u->origins, *last = u->origins + u->origin_count - 1;
    struct line_list *list = &parser->lists[i];
    for (size_t k = before->list_counts[i]; k < list->count; k++) {
      struct line *line = &list->items[k];
      while (origin < last && origin[1].offset <= line->position - position) origin++;
      line->position = origin->position;
      line->number = origin->number;
    }
  }
}

static uint64_t parse_unwrapped(struct unwrapper *u, struct parser *parser, const char *lookback, const char *begin,
                                const char *end) {
  struct before before;
  uint64_t position = u->batch->position + (uint64_t)(begin - u->batch->base);
  remember(parser, &before);
  struct slice head = unwrap_head(u);
  forget_lines(u);
  take_parts_before(u, lookback, begin);
  uint64_t count = unwrap_lines(u, begin, end);
  read_unwrapped(u, parser, head, position);
  if (parser->counts.noise[NOISE_repeated] > before.counts.noise[NOISE_repeated] && lookback < begin) {
    /* A "last message repeated" whose line may be before the chunk. */
    take_back(parser, &before);
    forget_lines(u);
    unwrap_lines(u, lookback, begin);
    u->chunk_at = u->lines.len;
    u->origin_count = 0;
    u->unwrapped = u->writer.newlines = 0;
    unwrap_lines(u, begin, end);
    read_unwrapped(u, parser, head, position);
  }
  restore_places(u, parser, &before, position);
  parser->counts.bytes = before.counts.bytes + (uint64_t)(end - begin);
  parser->counts.unwrapped += u->unwrapped;
  parser->counts.newlines += u->writer.newlines;
  u->expects_envelopes = u->unwrapped > 0;
  return count;
}

static uint64_t sum_unparsed(const struct line_counts *counts) {
  uint64_t sum = 0;
  for (unsigned i = 0; i < UNPARSED_REASON_COUNT; i++) sum += counts->unparsed[i];
  return sum;
}

static bool has_json_line(const char *begin, const char *end) {
  for (const char *p = begin; p < end; p++) {
    if (begins_as_json(p, end)) return true;
    p = memchr(p, '\n', (size_t)(end - p));
    if (!p) return false;
  }
  return false;
}

/* Reads the chunk as plain lines. False, and nothing is added, when there are envelopes in it. */
static bool parse_plain(struct unwrapper *u, struct parser *parser, const char *lookback, const char *begin, const char *end,
                        uint64_t *count) {
  struct before before;
  remember(parser, &before);
  u->report.is_plain = true;
  read_chunk(u, parser, u->batch, lookback, begin, end);
  u->report.is_plain = false;
  *count = parser->counts.lines - before.counts.lines;
  if (sum_unparsed(&parser->counts) == sum_unparsed(&before.counts) || !has_json_line(begin, end)) return true;
  take_back(parser, &before);
  return false;
}

/* A file is a container's log by its first line; where that is not known (Kafka), the first of the chunk tells. */
static bool is_cri(const struct batch *batch, const char *begin, const char *end) {
  struct wrapped_line line;
  if (!slice_is_absent(batch->head)) return cri_read(batch->head.ptr, batch->head.ptr + batch->head.len, &line);
  const char *line_end = memchr(begin, '\n', (size_t)(end - begin));
  return cri_read(begin, line_end ? line_end : end, &line);
}

struct slice unwrapper_first_lines(struct unwrapper *u, const struct parser *parser, const struct batch *batch) {
  struct slice lines = batch->first_lines;
  const char *p = lines.ptr, *end = p + lines.len;
  if (!lines.len || u->envelope->kind == ENVELOPE_PLAIN) return lines;
  u->batch = batch;
  u->is_cri = u->envelope->kind == ENVELOPE_CRI || (u->envelope->kind == ENVELOPE_AUTO && is_cri(batch, p, end));
  line_writer_init(&u->writer, zone_once_read(&u->zone, parser->time_rules->zone), batch, parser);
  forget_lines(u);
  for (const char *line_end; p < end; p = line_end + 1) {
    line_end = memchr(p, '\n', (size_t)(end - p));
    if (!line_end) line_end = end;
    unwrap_line(u, p, line_end, end);
  }
  return slice_skip(buf_slice(&u->lines), 1);
}

uint64_t unwrapper_parse(struct unwrapper *u, struct parser *parser, const struct batch *batch, const char *lookback,
                         const char *begin, const char *end) {
  uint64_t count = 0, lines_before = parser->counts.lines;
  if (begin == end) return 0;
  if (u->envelope->kind == ENVELOPE_PLAIN) {
    parser->format->parse(parser, batch, lookback, begin, end);
    return parser->counts.lines - lines_before;
  }
  u->batch = batch;
  u->line_bytes_max = parser->line_bytes_max;
  u->report = (struct report){.unwrapper = u};
  bool is_auto = u->envelope->kind == ENVELOPE_AUTO;
  u->is_cri = u->envelope->kind == ENVELOPE_CRI || (is_auto && is_cri(batch, begin, end));
  /* Lines of a format of records may be JSON themselves. */
  bool may_be_plain = is_auto && !u->is_cri && !u->expects_envelopes && (parser->format->is_record || !begins_as_json(begin, end));
  if (may_be_plain && parse_plain(u, parser, lookback, begin, end, &count)) return count;
  line_writer_init(&u->writer, zone_once_read(&u->zone, parser->time_rules->zone), batch, parser);
  return parse_unwrapped(u, parser, lookback, begin, end);
}
