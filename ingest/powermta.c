/* The accounting files of PowerMTA: CSV, one record a line, each complete in itself.
 *
 *   type,timeLogged,timeQueued,orig,rcpt,...,dsnStatus,dsnDiag,dsnMta,...
 *   d,2026-11-24 08:15:07+0100,...                    delivered
 *   b,...                                             bounced; expired when the time in the queue is what ended it
 *   t,...                                             deferred
 *   tq, r, f, rb, rs                                  no delivery of ours: a queue's error, a reception, what others reported later
 *
 * The columns are those of the header at the input's head (batch->head), else the default ones. Chunks are parsed by any worker in any
 * order, so a header elsewhere cannot count: one that says the same is noise, another one is unparsed. */
#include "base/memory.h"
#include "ingest/cpu_level.h"
#include "ingest/formats.h"
#include "ingest/powermta_internal.h"
#include "ingest/recognise.h"

static void *state_new(void) { return memory_zeroed(sizeof(struct powermta_state)); }

static void read_columns(struct powermta_state *state, struct slice header) {
  if (!powermta_is_header(header)) header = SLICE("");
  bool is_same = state->has_columns && slice_equal(slice_of(state->header, state->header_len), header);
  if (is_same) return;
  powermta_columns_read(&state->columns, header);
  state->has_columns = header.len <= sizeof state->header;
  state->header_len = state->has_columns ? header.len : 0;
  memcpy(state->header, header.ptr, state->header_len);
}

struct slice powermta_unquote(struct line_walk *walk, struct slice field) {
  struct slice inside = slice_of(field.ptr + 1, field.len - 2);
  if (slice_find_byte(inside, '"') == inside.len) return inside;
  char *text = line_walk_room(walk, inside.len);
  size_t len = 0;
  while (inside.len) {
    size_t piece = slice_find_byte(inside, '"');
    if (piece < inside.len) piece++; /* with the quote */
    memcpy(text + len, inside.ptr, piece);
    len += piece;
    bool is_doubled = inside.ptr[piece - 1] == '"' && piece < inside.len && inside.ptr[piece] == '"';
    inside = slice_skip(inside, piece + is_doubled);
  }
  return slice_of(text, len);
}

struct slice powermta_address(struct slice field) {
  if (slice_starts_with(field, SLICE("rfc822;"))) field = slice_skip(field, 7);
  if (field.len >= 2 && field.ptr[0] == '<' && field.ptr[field.len - 1] == '>') field = slice_of(field.ptr + 1, field.len - 2);
  return field;
}

unsigned powermta_read_header(const struct powermta_state *state, struct slice line) {
  struct powermta_columns columns;
  bool is_head = state->header_len && slice_equal(line, slice_of(state->header, state->header_len));
  if (is_head) return READ_NOISE + NOISE_bookkeeping;
  powermta_columns_read(&columns, line);
  bool is_same = memcmp(columns.at, state->columns.at, sizeof columns.at) == 0;
  return is_same ? READ_NOISE + NOISE_bookkeeping : READ_UNPARSED + UNPARSED_HEADER;
}

unsigned powermta_read_other(struct slice type) {
  static const struct {
    struct slice letters, word;
    enum noise noise;
  } others[] = {
      {SLICE("tq"), SLICE("transient-queue"), NOISE_warning}, {SLICE("r"), SLICE("receipt"), NOISE_connection},
      {SLICE("f"), SLICE("feedback-loop"), NOISE_report},     {SLICE("rb"), SLICE("remote-bounce"), NOISE_report},
      {SLICE("rs"), SLICE("remote-status"), NOISE_report},
  };
  for (size_t i = 0; i < sizeof others / sizeof *others; i++)
    if (slice_equal(type, others[i].letters) || slice_equal(type, others[i].word)) return READ_NOISE + others[i].noise;
  return READ_UNPARSED + UNPARSED_BODY;
}

static void parse(struct parser *parser, const struct batch *batch, const char *lookback, const char *begin, const char *end) {
  struct powermta_run run = {.state = parser->state};
  read_columns(run.state, batch->head);
  line_walk_init(&run.walk, parser, batch, lookback);
  for (unsigned shard = 0; shard < LIMIT_JOIN_SHARDS; shard++)
    run.list_of_shard[shard] = &parser->lists[shard % parser->worker_count];
  CPU_LEVEL_CHOOSE(powermta_parse_lines)(&run, begin, end);
  parser->counts.bytes += (uint64_t)(end - begin);
  line_counts_add_results(&parser->counts, run.results);
}

/* A header, or a record's type. */
static bool recognise(const struct line_shape *shape) {
  const char *p = shape->begin, *end = shape->end;
  const char *comma = shape->is_syslog || *p < 'b' || *p > 't' ? NULL : memchr(p, ',', (size_t)(end - p < 16 ? end - p : 16));
  if (!comma) return false;
  struct slice type = slice_between(p, comma);
  if (type.len == 1) return *p == 'd' || *p == 'b' || *p == 't' || *p == 'r' || *p == 'f';
  return slice_equal(type, SLICE("type")) || slice_equal(type, SLICE("delivery")) || slice_equal(type, SLICE("bounce")) ||
         slice_equal(type, SLICE("transient")) || powermta_read_other(type) < READ_UNPARSED;
}

const struct format FORMAT_POWERMTA = {.name = "powermta",
                                       .parse = parse,
                                       .state_new = state_new,
                                       .state_free = line_walk_state_free,
                                       .is_record = true,
                                       .recognise = recognise};
