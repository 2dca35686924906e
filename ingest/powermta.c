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
#include "ingest/csv_line.h"
#include "ingest/formats.h"
#include "ingest/powermta_internal.h"

/* Fewer columns than this, and a line without header is none of PowerMTA's: up to dlvSize. */
#define DEFAULT_COLUMNS_MIN 18u

struct powermta_state {
  struct line_walk_state walk; /* first: see line_walk.h */
  struct powermta_columns columns;
  struct powermta_clock logged, queued;
  bool has_columns;
  size_t header_len;
  char header[4096]; /* that the columns are of; longer ones are read again for each chunk */
};

/* The fields of a line. */
struct record {
  struct slice fields[COLUMN_COUNT]; /* absent: no such column */
};

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

/* "a ""quoted"" word", without the outer quotes; the doubled ones become one. */
static struct slice undouble(struct line_walk *walk, struct slice inside) {
  char *text = line_walk_room(walk, inside.len);
  size_t len = 0;
  for (size_t i = 0; i < inside.len; i++) {
    text[len++] = inside.ptr[i];
    if (inside.ptr[i] == '"' && i + 1 < inside.len && inside.ptr[i + 1] == '"') i++;
  }
  return slice_of(text, len);
}

static inline struct slice read_field(struct line_walk *walk, const char *begin, const char *end) {
  if (__builtin_expect(end - begin < 2 || *begin != '"' || end[-1] != '"', 1)) return slice_between(begin, end);
  struct slice inside = slice_between(begin + 1, end - 1);
  return slice_find_byte(inside, '"') < inside.len ? undouble(walk, inside) : inside;
}

/* False when the line does not have the columns that it should. */
static bool read_record(struct line_walk *walk, const char *p, const char *end, struct record *out) {
  const struct powermta_columns *columns = &((struct powermta_state *)walk->parser->state)->columns;
  const char *ends[POWERMTA_COLUMNS_MAX];
  size_t count = csv_line_split(p, end, walk->limit, ends, POWERMTA_COLUMNS_MAX);
  bool is_whole = columns->count ? count == columns->count : count >= DEFAULT_COLUMNS_MIN;
  if (!is_whole || count > POWERMTA_COLUMNS_MAX) return false;
  for (unsigned i = 0; i < COLUMN_COUNT; i++) {
    unsigned at = columns->at[i];
    out->fields[i] = at < count ? read_field(walk, at ? ends[at - 1] + 1 : p, ends[at]) : SLICE_ABSENT;
  }
  return true;
}

static struct slice if_not_empty(struct slice s) { return s.len ? s : SLICE_ABSENT; }

/* "user@b.example", "rfc822;user@b.example", "<user@b.example>". */
static struct slice address_of(struct slice field) {
  if (slice_starts_with(field, SLICE("rfc822;"))) field = slice_skip(field, 7);
  if (field.len >= 2 && field.ptr[0] == '<' && field.ptr[field.len - 1] == '>') field = slice_of(field.ptr + 1, field.len - 2);
  return field;
}

/* "mx.b.example (192.0.2.7)" */
static void read_peer(struct slice field, struct slice *host, struct slice *ip) {
  size_t open = slice_find(field, SLICE(" ("));
  struct slice inside = slice_skip(field, open + 2);
  *host = if_not_empty(slice_of(field.ptr, open));
  *ip = inside.len > 1 && inside.ptr[inside.len - 1] == ')' ? slice_of(inside.ptr, inside.len - 1) : SLICE_ABSENT;
}

/* "5.1.1 (bad destination mailbox address)": the code, and the words that PowerMTA has for it. */
static void read_status_code(struct slice field, struct slice *dsn, struct slice *words) {
  size_t blank = slice_find_byte(field, ' ');
  struct slice code = slice_of(field.ptr, blank), rest = slice_trim(slice_skip(field, blank));
  bool is_code = code.len >= 5 && code.ptr[0] >= '2' && code.ptr[0] <= '5' && code.ptr[1] == '.';
  if (!is_code) rest = field;
  if (rest.len > 2 && rest.ptr[0] == '(' && rest.ptr[rest.len - 1] == ')') rest = slice_of(rest.ptr + 1, rest.len - 2);
  *dsn = is_code ? code : SLICE_ABSENT;
  *words = if_not_empty(rest);
}

/* "smtp;550 5.1.1 no such user", or "x-powermta;..." for what PowerMTA says itself. */
static void read_diagnosis(struct slice field, struct line *line) {
  size_t type_len = slice_find_byte(field, ';');
  bool is_smtp = slice_starts_with(field, SLICE("smtp;"));
  if (is_smtp || (slice_starts_with(field, SLICE("x-")) && type_len < field.len)) field = slice_skip(field, type_len + 1);
  field = slice_trim(field);
  if (field.len) line->delivery.reply = field;
  if (field.len < 3 || field.ptr[0] < '2' || field.ptr[0] > '5' || !ascii_is_digit(field.ptr[1]) || !ascii_is_digit(field.ptr[2]))
    return;
  if (field.len > 3 && field.ptr[3] != ' ' && field.ptr[3] != '-') return;
  line->delivery.smtp_code = (uint16_t)((field.ptr[0] - '0') * 100 + (field.ptr[1] - '0') * 10 + (field.ptr[2] - '0'));
}

static uint64_t read_size(struct slice field) {
  uint64_t size = 0;
  if (!field.len || field.len > 18) return U64_ABSENT;
  for (size_t i = 0; i < field.len; i++) {
    if (!ascii_is_digit(field.ptr[i])) return U64_ABSENT;
    size = size * 10 + (uint64_t)(field.ptr[i] - '0');
  }
  return size;
}

/* Whether dsnAction, if there is one, is a word that such a record has: columns in another order than ours show here. */
static bool is_action(const struct record *record, enum status status) {
  struct slice action = record->fields[COLUMN_DSN_ACTION];
  if (!action.len) return true;
  if (status == STATUS_bounced) return slice_equal(action, SLICE("failed"));
  if (status == STATUS_deferred) return slice_equal(action, SLICE("delayed"));
  return slice_equal(action, SLICE("relayed")) || slice_equal(action, SLICE("delivered")) || slice_equal(action, SLICE("expanded"));
}

/* PowerMTA gave up at the end of bounce-after. Its words for it are the category, and RFC 3463's X.4.7. */
static bool is_expired(const struct record *record, struct slice dsn) {
  if (slice_equal(record->fields[COLUMN_BOUNCE_CAT], SLICE("message-expired"))) return true;
  return slice_equal(dsn, SLICE("4.4.7")) || slice_equal(dsn, SLICE("5.4.7"));
}

static void add_facts(struct line_walk *walk, const struct record *record) {
  struct line *line = line_walk_add(walk, SLICE_ABSENT, SLICE_ABSENT);
  line->kind = LINE_FACTS;
  line->facts.sender = address_of(record->fields[COLUMN_ORIG]);
  line->facts.message_id = if_not_empty(record->fields[COLUMN_MESSAGE_ID]);
  read_peer(record->fields[COLUMN_SRC_MTA], &line->facts.client_host, &line->facts.client_ip);
  line->facts.source_ip = if_not_empty(record->fields[COLUMN_SOURCE_IP]);
  line->facts.size_bytes = read_size(record->fields[COLUMN_SIZE]);
}

static void add_record(struct line_walk *walk, const struct record *record, enum status status, int64_t queued_us) {
  struct line *line = line_walk_add(walk, SLICE_ABSENT, SLICE_ABSENT);
  struct slice original = address_of(record->fields[COLUMN_ORCPT]);
  line->kind = LINE_RECORD;
  line->instance = if_not_empty(record->fields[COLUMN_VMTA]);
  line->service = if_not_empty(record->fields[COLUMN_DLV_TYPE]);
  line->delivery.recipient = address_of(record->fields[COLUMN_RCPT]);
  line->delivery.orig_recipient = slice_equal(original, line->delivery.recipient) ? SLICE_ABSENT : if_not_empty(original);
  read_peer(record->fields[COLUMN_DSN_MTA], &line->delivery.relay_host, &line->delivery.relay_ip);
  if (record->fields[COLUMN_DESTINATION_IP].len) line->delivery.relay_ip = record->fields[COLUMN_DESTINATION_IP];
  read_status_code(record->fields[COLUMN_DSN_STATUS], &line->delivery.dsn, &line->delivery.reply);
  read_diagnosis(record->fields[COLUMN_DSN_DIAG], line);
  bool is_final_failure = status == STATUS_bounced;
  line->delivery.status = is_final_failure && is_expired(record, line->delivery.dsn) ? STATUS_expired : status;
  line->delivery.delay_us = queued_us == TIME_US_ABSENT || queued_us > walk->time_us ? DELAY_ABSENT : walk->time_us - queued_us;
}

static unsigned read_delivery(struct line_walk *walk, const struct record *record, enum status status) {
  struct powermta_state *state = walk->parser->state;
  if (!record->fields[COLUMN_RCPT].len || !is_action(record, status)) return READ_UNPARSED + UNPARSED_BODY;
  int64_t queued_us = powermta_time_read(&state->queued, walk->stamps.zone, record->fields[COLUMN_TIME_QUEUED]);
  bool has_logged = !slice_is_absent(record->fields[COLUMN_TIME_LOGGED]);
  walk->time_us =
      has_logged ? powermta_time_read(&state->logged, walk->stamps.zone, record->fields[COLUMN_TIME_LOGGED]) : queued_us;
  if (walk->time_us == TIME_US_ABSENT) return READ_UNPARSED + UNPARSED_BODY;
  if (!stamp_is_plausible(&walk->stamps, walk->time_us)) return READ_UNPARSED + UNPARSED_TIME;
  add_facts(walk, record);
  add_record(walk, record, status, has_logged ? queued_us : TIME_US_ABSENT);
  return READ_DELIVERY;
}

static bool is_type(struct slice type, struct slice letter, struct slice word) {
  return slice_equal(type, letter) || slice_equal(type, word);
}

static unsigned read_line(struct line_walk *walk, const char *p, const char *end) {
  const struct powermta_state *state = walk->parser->state;
  struct record record;
  if (powermta_is_header(slice_between(p, end))) {
    struct powermta_columns columns;
    powermta_columns_read(&columns, slice_between(p, end));
    bool is_same = memcmp(columns.at, state->columns.at, sizeof columns.at) == 0;
    return is_same ? READ_NOISE + NOISE_bookkeeping : READ_UNPARSED + UNPARSED_HEADER;
  }
  if (!read_record(walk, p, end, &record)) return READ_UNPARSED + UNPARSED_BODY;
  struct slice type = record.fields[COLUMN_TYPE];
  if (is_type(type, SLICE("d"), SLICE("delivery"))) return read_delivery(walk, &record, STATUS_delivered);
  if (is_type(type, SLICE("b"), SLICE("bounce"))) return read_delivery(walk, &record, STATUS_bounced);
  if (is_type(type, SLICE("t"), SLICE("transient"))) return read_delivery(walk, &record, STATUS_deferred);
  if (is_type(type, SLICE("tq"), SLICE("transient-queue"))) return READ_NOISE + NOISE_warning;
  if (is_type(type, SLICE("r"), SLICE("receipt"))) return READ_NOISE + NOISE_connection;
  if (is_type(type, SLICE("f"), SLICE("feedback-loop"))) return READ_NOISE + NOISE_report;
  if (is_type(type, SLICE("rb"), SLICE("remote-bounce"))) return READ_NOISE + NOISE_report;
  if (is_type(type, SLICE("rs"), SLICE("remote-status"))) return READ_NOISE + NOISE_report;
  return READ_UNPARSED + UNPARSED_BODY;
}

static void parse(struct parser *parser, const struct batch *batch, const char *lookback, const char *begin, const char *end) {
  read_columns(parser->state, batch->head);
  line_walk(parser, batch, lookback, begin, end, read_line);
}

const struct format FORMAT_POWERMTA = {
    .name = "powermta", .parse = parse, .state_new = state_new, .state_free = line_walk_state_free, .is_record = true};
