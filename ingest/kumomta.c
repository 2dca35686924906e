/* The log records of KumoMTA: one JSON object a line, each complete in itself.
 *
 *   Delivery                        delivered
 *   TransientFailure                deferred
 *   Bounce, AdminBounce             bounced
 *   Expiration                      expired; its own response says no more than when the next attempt would have been
 *   Rejection                       refused by our own server
 *   OOB, Feedback                   noise: what others reported later of a message that was counted
 *   Reception                       noise: a message came in
 *   Delayed, AdminRebind, XferIn, XferOut, ...   noise: a message moves between queues and nodes
 *
 * A record is joined by its id with its last attempt alone. */
#include "ingest/formats.h"
#include "ingest/json_line.h"
#include "ingest/recognise.h"

#define FIELDS(X)                                  \
  X(TYPE, "type")                                  \
  X(ID, "id")                                      \
  X(SENDER, "sender")                              \
  X(RECIPIENT, "recipient")                        \
  X(SIZE, "size")                                  \
  X(CODE, "response.code")                         \
  X(DSN_CLASS, "response.enhanced_code.class")     \
  X(DSN_SUBJECT, "response.enhanced_code.subject") \
  X(DSN_DETAIL, "response.enhanced_code.detail")   \
  X(CONTENT, "response.content")                   \
  X(COMMAND, "response.command")                   \
  X(PEER_NAME, "peer_address.name")                \
  X(PEER_ADDR, "peer_address.addr")                \
  X(TIMESTAMP, "timestamp")                        \
  X(CREATED, "created")                            \
  X(EGRESS_SOURCE, "egress_source")                \
  X(SOURCE_ADDRESS, "source_address.address")      \
  X(PROTOCOL, "delivery_protocol")                 \
  X(NODE, "nodeid")                                \
  X(MESSAGE_ID, "headers.Message-ID")              \
  X(MESSAGE_ID_OTHER, "headers.Message-Id")

enum {
#define X(name, path) FIELD_##name,
  FIELDS(X)
#undef X
      FIELD_COUNT
};

static void *state_new(void) {
  static const char *const paths[] = {
#define X(name, path) path,
      FIELDS(X)
#undef X
  };
  return json_line_state_new(paths, FIELD_COUNT);
}

/* What a type of record becomes. */
enum fate { FATE_RECORD, FATE_REJECT, FATE_NOISE };
struct record_type {
  struct slice name;
  enum fate fate;
  unsigned detail; /* the status of a record, or the noise */
};

static const struct record_type *type_of(struct slice name) {
  static const struct record_type types[] = {
      {SLICE("Delivery"), FATE_RECORD, STATUS_delivered},
      {SLICE("TransientFailure"), FATE_RECORD, STATUS_deferred},
      {SLICE("Reception"), FATE_NOISE, NOISE_connection},
      {SLICE("Bounce"), FATE_RECORD, STATUS_bounced},
      {SLICE("AdminBounce"), FATE_RECORD, STATUS_bounced},
      {SLICE("Expiration"), FATE_RECORD, STATUS_expired},
      {SLICE("Rejection"), FATE_REJECT, 0},
      {SLICE("OOB"), FATE_NOISE, NOISE_report},
      {SLICE("Feedback"), FATE_NOISE, NOISE_report},
      {SLICE("Delayed"), FATE_NOISE, NOISE_bookkeeping},
      {SLICE("Delay"), FATE_NOISE, NOISE_bookkeeping},
      {SLICE("AdminRebind"), FATE_NOISE, NOISE_bookkeeping},
      {SLICE("DeferredInjectionRebind"), FATE_NOISE, NOISE_bookkeeping},
      {SLICE("XferIn"), FATE_NOISE, NOISE_bookkeeping},
      {SLICE("XferOut"), FATE_NOISE, NOISE_bookkeeping},
  };
  for (size_t i = 0; i < sizeof types / sizeof *types; i++)
    if (slice_equal(types[i].name, name)) return &types[i];
  return NULL;
}

/* A line on its way to its items. */
struct record {
  struct line_walk *walk;
  const struct json_value *values;
  struct slice host, id, dsn, reply;
  uint16_t code;
  enum status status;
  int64_t delay_us;
  unsigned count; /* recipients so far */
};

static struct slice word(const struct record *record, unsigned field) {
  return json_line_word(record->walk, &record->values[field]);
}

static bool is_code_part(const struct json_value *value) { return value->kind == JSON_NUMBER && value->text.len <= 3; }

/* "5.1.1" of {"class": 5, "subject": 1, "detail": 1} */
static struct slice read_dsn(const struct record *record) {
  const struct json_value *part = &record->values[FIELD_DSN_CLASS];
  if (!is_code_part(&part[0]) || !is_code_part(&part[1]) || !is_code_part(&part[2])) return SLICE_ABSENT;
  char *begin = line_walk_room(record->walk, 11), *p = begin;
  for (unsigned i = 0; i < 3; i++) {
    if (i) *p++ = '.';
    memcpy(p, part[i].text.ptr, part[i].text.len);
    p += part[i].text.len;
  }
  return slice_between(begin, p);
}

/* Where no server replied KumoMTA makes up a response: its code (400, 551) is nobody's, its words are the reason. */
static bool is_response_its_own(const struct record *record, struct slice content) {
  return record->values[FIELD_PEER_ADDR].kind != JSON_STRING || slice_starts_with(content, SLICE("KumoMTA internal: "));
}

static void read_response(struct record *record, bool is_ours) {
  const struct json_value *value = &record->values[FIELD_CONTENT];
  struct slice content = value->kind == JSON_STRING ? value->text : SLICE("");
  record->dsn = read_dsn(record);
  if (!is_ours && is_response_its_own(record, content)) {
    record->reply = json_line_reply(record->walk, 0, SLICE_ABSENT, content);
    return;
  }
  record->code = json_line_smtp_code(&record->values[FIELD_CODE]);
  record->reply = json_line_reply(record->walk, record->code, record->dsn, content);
}

/* "mx1.b.example." without the dot of the root. */
static struct slice read_host_name(const struct record *record) {
  struct slice name = word(record, FIELD_PEER_NAME);
  if (name.len && name.ptr[name.len - 1] == '.') name.len--;
  return name.len ? name : SLICE_ABSENT;
}

/* "10.0.0.1:53210", "[2001:db8::1]:53210" without port and brackets. */
static struct slice read_source_ip(const struct record *record) {
  struct slice address = word(record, FIELD_SOURCE_ADDRESS);
  if (!address.len) return SLICE_ABSENT;
  if (address.ptr[0] == '[') {
    address = slice_skip(address, 1);
    return slice_of(address.ptr, slice_find_byte(address, ']'));
  }
  const char *colon = memrchr(address.ptr, ':', address.len);
  return colon ? slice_between(address.ptr, colon) : address;
}

static void add_facts(const struct record *record) {
  const struct json_value *values = record->values;
  struct line *line = line_walk_add(record->walk, record->host, record->id);
  line->kind = LINE_FACTS;
  line->facts.sender = json_line_text(record->walk, &values[FIELD_SENDER]);
  line->facts.message_id = word(record, values[FIELD_MESSAGE_ID].kind == JSON_STRING ? FIELD_MESSAGE_ID : FIELD_MESSAGE_ID_OTHER);
  line->facts.source_ip = read_source_ip(record);
  line->facts.size_bytes = json_line_u64(&values[FIELD_SIZE]);
}

/* One item for each recipient: there are several where batches are switched on. */
static bool add_recipient(void *context, struct slice recipient) {
  struct record *record = context;
  if (!recipient.len) return true;
  if (!record->count++) add_facts(record);
  struct line *line = line_walk_add(record->walk, record->host, record->id);
  line->kind = LINE_RECORD;
  line->instance = word(record, FIELD_EGRESS_SOURCE);
  line->service = word(record, FIELD_PROTOCOL);
  line->delivery.recipient = recipient;
  line->delivery.relay_host = read_host_name(record);
  line->delivery.relay_ip = word(record, FIELD_PEER_ADDR);
  line->delivery.dsn = record->dsn;
  line->delivery.reply = record->reply;
  line->delivery.smtp_code = record->code;
  line->delivery.delay_us = record->delay_us;
  line->delivery.status = record->status;
  if (record->status != STATUS_delivered) line->delivery.stage = json_line_stage(record->values[FIELD_COMMAND].text);
  return true;
}

static unsigned read_record(struct record *record) {
  int64_t created_us = json_line_time(record->walk, &record->values[FIELD_CREATED]), now_us = record->walk->time_us;
  record->id = word(record, FIELD_ID);
  record->delay_us = created_us == TIME_US_ABSENT || created_us > now_us ? DELAY_ABSENT : now_us - created_us;
  read_response(record, false);
  json_line_each(record->walk, &record->values[FIELD_RECIPIENT], add_recipient, record);
  return record->count ? READ_DELIVERY : READ_UNPARSED + UNPARSED_BODY;
}

static bool set_first(void *context, struct slice text) {
  *(struct slice *)context = text;
  return false;
}

static unsigned read_rejection(struct record *record) {
  struct slice recipient = SLICE_ABSENT;
  read_response(record, true);
  json_line_each(record->walk, &record->values[FIELD_RECIPIENT], set_first, &recipient);
  struct line *line = line_walk_add(record->walk, record->host, SLICE_ABSENT);
  line->kind = LINE_REJECT;
  line->reject.sender = json_line_text(record->walk, &record->values[FIELD_SENDER]);
  line->reject.recipient = recipient.len ? recipient : SLICE_ABSENT;
  line->reject.client_host = read_host_name(record);
  line->reject.client_ip = word(record, FIELD_PEER_ADDR);
  line->reject.dsn = record->dsn;
  line->reject.smtp_code = record->code;
  line->reject.stage = json_line_stage(record->values[FIELD_COMMAND].text);
  line->reject.reply = record->reply;
  return READ_DELIVERY;
}

static unsigned read_line(struct line_walk *walk, const char *p, const char *end) {
  struct json_value values[FIELD_COUNT];
  if (!json_line_read(walk, p, end, values)) return READ_UNPARSED + UNPARSED_HEADER;
  const struct record_type *type = values[FIELD_TYPE].kind == JSON_STRING ? type_of(values[FIELD_TYPE].text) : NULL;
  if (!type) return READ_UNPARSED + UNPARSED_BODY;
  if (type->fate == FATE_NOISE) return READ_NOISE + type->detail;
  walk->time_us = json_line_time(walk, &values[FIELD_TIMESTAMP]);
  if (walk->time_us == TIME_US_ABSENT) return READ_UNPARSED + UNPARSED_BODY;
  if (!stamp_is_plausible(&walk->stamps, walk->time_us)) return READ_UNPARSED + UNPARSED_TIME;
  struct record record = {.walk = walk, .values = values, .status = (enum status)type->detail};
  record.host = word(&record, FIELD_NODE);
  return type->fate == FATE_RECORD ? read_record(&record) : read_rejection(&record);
}

static void parse(struct parser *parser, const struct batch *batch, const char *lookback, const char *begin, const char *end) {
  line_walk(parser, batch, lookback, begin, end, read_line);
}

static const char *skip_blanks(const char *p, const char *end) {
  while (p < end && (*p == ' ' || *p == '\t')) p++;
  return p;
}

/* An object with "type": one of ours, which KumoMTA writes first. */
static bool recognise(const struct line_shape *shape) {
  static const struct slice member = SLICE("\"type\"");
  const char *end = shape->end;
  struct slice rest = slice_between(shape->begin, end);
  if (shape->is_syslog || *rest.ptr != '{') return false;
  for (size_t at; (at = slice_find(rest, member)) < rest.len;) {
    rest = slice_skip(rest, at + member.len);
    const char *p = skip_blanks(rest.ptr, end);
    if (p == end || *p != ':') continue;
    p = skip_blanks(p + 1, end);
    if (p == end || *p != '"') continue;
    struct slice name = slice_between(p + 1, end);
    if (type_of(slice_of(name.ptr, slice_find_byte(name, '"')))) return true;
  }
  return false;
}

const struct format FORMAT_KUMOMTA = {.name = "kumomta",
                                      .parse = parse,
                                      .state_new = state_new,
                                      .state_free = json_line_state_free,
                                      .is_record = true,
                                      .recognise = recognise};
