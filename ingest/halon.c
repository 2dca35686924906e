/* Delivery attempts of Halon's MTA as JSON. Halon writes what the scripts of its owner write; three ways are public and are read, told by
 * the names of their members:
 *
 *   {"@timestamp": 1763972107000, "action": "bounced", "smtpcode": 550, "recipientlocalpart": "a", ...}     history-elastic
 *   {"ts_attempt": 1763972107.5, "status": "failed", "result_code": 550, "recipient_localpart": "a", ...}   postmastery
 *   {"time": 1763972107.5, "arguments": {"action": "BOUNCE", "attempt": ...}, "message": {...}}             the two variables as they are
 *
 * An attempt is joined by transaction and queue id with its last attempt alone. */
#include "ingest/formats.h"
#include "ingest/json_line.h"
#include "ingest/recognise.h"

/* Where each way has a field. NO_PATH: it has none; no member has this name. */
#define NO_PATH "\x01"
#define FIELDS(X)                                                                          \
  X(TIME, "@timestamp", "ts_attempt", "time")                                              \
  X(RECEIVED, "received", "ts_received", "message.ts")                                     \
  X(ACTION, "action", "status", "arguments.action")                                        \
  X(EXPIRED, NO_PATH, NO_PATH, "arguments.expired")                                        \
  X(TRANSACTION, "transactionid", "messageid", "message.id.transaction")                   \
  X(QUEUE, "queueid", NO_PATH, "message.id.queue")                                         \
  X(SENDER, NO_PATH, "sender", "message.sender")                                           \
  X(SENDER_LOCAL, "senderlocalpart", NO_PATH, NO_PATH)                                     \
  X(SENDER_DOMAIN, "senderdomain", NO_PATH, NO_PATH)                                       \
  X(RECIPIENT, NO_PATH, NO_PATH, "message.recipient")                                      \
  X(RECIPIENT_LOCAL, "recipientlocalpart", "recipient_localpart", NO_PATH)                 \
  X(RECIPIENT_DOMAIN, "recipientdomain", "recipient_domain", NO_PATH)                      \
  X(TRANSPORT, "transportid", NO_PATH, "message.transportid")                              \
  X(LOCAL_IP, "localip", "connection_localip", "arguments.attempt.connection.localip")     \
  X(REMOTE_IP, "remoteip", "connection_remoteip", "arguments.attempt.connection.remoteip") \
  X(REMOTE_MX, "remotemx", "connection_remotemx", "arguments.attempt.connection.remotemx") \
  X(CODE, "smtpcode", "result_code", "arguments.attempt.result.code")                      \
  X(DSN, "smtpenhanced", "result_enhanced", "arguments.attempt.result.enhanced")           \
  X(STATE, "smtpstate", "result_state", "arguments.attempt.result.state")                  \
  X(REASON, "smtpreason", "result_reason", "arguments.attempt.result.reason")              \
  X(ERROR, NO_PATH, "error_message", "arguments.attempt.error.message")                    \
  X(ERROR_IS_TEMPORARY, NO_PATH, "error_temporary", "arguments.attempt.error.temporary")

enum field {
#define X(name, elastic, postmastery, plain) FIELD_##name,
  FIELDS(X)
#undef X
      FIELD_COUNT
};

enum way { WAY_ELASTIC, WAY_POSTMASTERY, WAY_PLAIN, WAY_COUNT };

/* Behind the fields of the three ways: what has the same name in several. */
enum { SHARED_HOST = FIELD_COUNT * WAY_COUNT, SHARED_SIZE, PLAIN_SIZE, BULK_CREATE, BULK_INDEX, PATH_COUNT };

static void *state_new(void) {
  static const char *const paths[PATH_COUNT] = {
#define X(name, elastic, postmastery, plain) elastic,
      FIELDS(X)
#undef X
#define X(name, elastic, postmastery, plain) postmastery,
          FIELDS(X)
#undef X
#define X(name, elastic, postmastery, plain) plain,
              FIELDS(X)
#undef X
                  "hostname",
      "size", "message.size", "create", "index"};
  return json_line_state_new(paths, PATH_COUNT);
}

/* A line on its way to its items. */
struct attempt {
  struct line_walk *walk;
  const struct json_value *values; /* all of them */
  const struct json_value *fields; /* those of its way */
  enum way way;
};

static struct slice word(const struct attempt *attempt, enum field field) {
  return json_line_word(attempt->walk, &attempt->fields[field]);
}

static bool is_there(const struct json_value *value) { return value->kind != JSON_ABSENT && value->kind != JSON_NULL; }

/* False when it is none of the three. */
static bool find_way(struct attempt *attempt) {
  for (unsigned way = 0; way < WAY_COUNT; way++) {
    const struct json_value *fields = attempt->values + way * FIELD_COUNT;
    bool has_action = is_there(&fields[FIELD_ACTION]) || (way == WAY_PLAIN && is_there(&fields[FIELD_RECIPIENT]));
    if (!has_action || !is_there(&fields[FIELD_TIME])) continue;
    attempt->way = (enum way)way;
    attempt->fields = fields;
    return true;
  }
  return false;
}

/* READ_DELIVERY: *status is set. */
static unsigned read_status(const struct attempt *attempt, enum status *status) {
  static const struct {
    struct slice word;
    enum status status;
  } words[] = {
      {SLICE("delivered"), STATUS_delivered}, {SLICE("deferred"), STATUS_deferred}, {SLICE("delayed"), STATUS_deferred},
      {SLICE("QUEUE"), STATUS_deferred},      {SLICE("bounced"), STATUS_bounced},   {SLICE("failed"), STATUS_bounced},
      {SLICE("BOUNCE"), STATUS_bounced},      {SLICE("DELETE"), STATUS_bounced},
  };
  struct slice action = word(attempt, FIELD_ACTION);
  bool has_attempt = is_there(&attempt->fields[FIELD_CODE]) || is_there(&attempt->fields[FIELD_ERROR]);
  if (slice_equal(action, SLICE("removed"))) return READ_NOISE + NOISE_policy;
  if (attempt->way == WAY_PLAIN && !has_attempt) return READ_NOISE + NOISE_policy; /* taken out of the queue by hand */
  if (attempt->way == WAY_PLAIN && slice_is_absent(action)) action = SLICE("delivered");
  for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
    if (!slice_equal(action, words[i].word)) continue;
    *status = words[i].status;
    return READ_DELIVERY;
  }
  return READ_UNPARSED + UNPARSED_BODY;
}

static bool is_true(const struct json_value *value) { return value->kind == JSON_BOOL && slice_equal(value->text, SLICE("true")); }

/* Halon bounces a refusal that asks to try again only at the end of its retries. */
static bool is_expired(const struct attempt *attempt, uint16_t code) {
  return is_true(&attempt->fields[FIELD_EXPIRED]) || is_true(&attempt->fields[FIELD_ERROR_IS_TEMPORARY]) ||
         (code >= 400 && code < 500);
}

/* Two strings with a byte between them. */
static struct slice put_together(struct line_walk *walk, struct slice front, char between, struct slice back) {
  char *text = line_walk_room(walk, front.len + 1 + back.len);
  if (front.len) memcpy(text, front.ptr, front.len);
  text[front.len] = between;
  if (back.len) memcpy(text + front.len + 1, back.ptr, back.len);
  return slice_of(text, front.len + 1 + back.len);
}

/* Whole, or in two parts. Where the local part was left out ("redact") the address is "@domain". */
static struct slice read_address(const struct attempt *attempt, enum field whole, enum field local, enum field domain) {
  if (is_there(&attempt->fields[whole])) return json_line_text(attempt->walk, &attempt->fields[whole]);
  struct slice local_part = json_line_text(attempt->walk, &attempt->fields[local]), domain_part = word(attempt, domain);
  if (domain_part.len) return put_together(attempt->walk, local_part, '@', domain_part);
  return local_part;
}

static struct slice read_id(const struct attempt *attempt) {
  struct slice transaction = word(attempt, FIELD_TRANSACTION), queue = word(attempt, FIELD_QUEUE);
  return transaction.len && queue.len ? put_together(attempt->walk, transaction, ':', queue) : transaction;
}

/* "5.1.1", or [5, 1, 1] */
static struct slice read_dsn(const struct attempt *attempt) {
  const struct json_value *value = &attempt->fields[FIELD_DSN];
  if (value->kind != JSON_ARRAY) return word(attempt, FIELD_DSN);
  if (value->text.len > 32) return SLICE_ABSENT;
  char *begin = line_walk_room(attempt->walk, value->text.len), *to = begin;
  for (size_t i = 0; i < value->text.len; i++) {
    char c = value->text.ptr[i];
    if (ascii_is_digit(c) || c == ',') *to++ = c == ',' ? '.' : c;
  }
  return to - begin >= 5 ? slice_between(begin, to) : SLICE_ABSENT;
}

static struct slice read_reply(const struct attempt *attempt, uint16_t code, struct slice dsn) {
  struct slice reason = json_line_joined(attempt->walk, &attempt->fields[FIELD_REASON]);
  if (slice_is_absent(reason)) reason = word(attempt, FIELD_ERROR);
  if (slice_starts_with(reason, SLICE("smtp;"))) reason = slice_trim(slice_skip(reason, 5));
  return json_line_reply(attempt->walk, code, dsn, reason);
}

static void add_facts(const struct attempt *attempt, struct slice host, struct slice id) {
  struct line *line = line_walk_add(attempt->walk, host, id);
  line->kind = LINE_FACTS;
  line->facts.sender = read_address(attempt, FIELD_SENDER, FIELD_SENDER_LOCAL, FIELD_SENDER_DOMAIN);
  line->facts.source_ip = word(attempt, FIELD_LOCAL_IP);
  line->facts.size_bytes = json_line_u64(&attempt->values[attempt->way == WAY_PLAIN ? PLAIN_SIZE : SHARED_SIZE]);
}

static unsigned read_attempt(const struct attempt *attempt) {
  struct line_walk *walk = attempt->walk;
  enum status status;
  unsigned result = read_status(attempt, &status);
  if (result != READ_DELIVERY) return result;
  struct slice recipient = read_address(attempt, FIELD_RECIPIENT, FIELD_RECIPIENT_LOCAL, FIELD_RECIPIENT_DOMAIN);
  walk->time_us = json_line_time(walk, &attempt->fields[FIELD_TIME]);
  if (!recipient.len || walk->time_us == TIME_US_ABSENT) return READ_UNPARSED + UNPARSED_BODY;
  if (!stamp_is_plausible(&walk->stamps, walk->time_us)) return READ_UNPARSED + UNPARSED_TIME;
  struct slice host = json_line_word(walk, &attempt->values[SHARED_HOST]), id = read_id(attempt);
  int64_t received_us = json_line_time(walk, &attempt->fields[FIELD_RECEIVED]);
  uint16_t code = json_line_smtp_code(&attempt->fields[FIELD_CODE]);
  add_facts(attempt, host, id);
  struct line *line = line_walk_add(walk, host, id);
  line->kind = LINE_RECORD;
  line->service = word(attempt, FIELD_TRANSPORT);
  line->delivery.recipient = recipient;
  line->delivery.relay_host = word(attempt, FIELD_REMOTE_MX);
  line->delivery.relay_ip = word(attempt, FIELD_REMOTE_IP);
  line->delivery.dsn = read_dsn(attempt);
  line->delivery.reply = read_reply(attempt, code, line->delivery.dsn);
  line->delivery.smtp_code = code;
  line->delivery.status = status == STATUS_bounced && is_expired(attempt, code) ? STATUS_expired : status;
  line->delivery.delay_us =
      received_us == TIME_US_ABSENT || received_us > walk->time_us ? DELAY_ABSENT : walk->time_us - received_us;
  if (status != STATUS_delivered) line->delivery.stage = json_line_stage(attempt->fields[FIELD_STATE].text);
  return READ_DELIVERY;
}

static unsigned read_line(struct line_walk *walk, const char *p, const char *end) {
  struct json_value values[PATH_COUNT];
  if (!json_line_read(walk, p, end, values)) return READ_UNPARSED + UNPARSED_HEADER;
  struct attempt attempt = {.walk = walk, .values = values};
  if (find_way(&attempt)) return read_attempt(&attempt);
  /* What stands before each document that is sent to Elasticsearch in bulk. */
  if (values[BULK_CREATE].kind == JSON_OBJECT || values[BULK_INDEX].kind == JSON_OBJECT) return READ_NOISE + NOISE_bookkeeping;
  return READ_UNPARSED + UNPARSED_BODY;
}

static void parse(struct parser *parser, const struct batch *batch, const char *lookback, const char *begin, const char *end) {
  line_walk(parser, batch, lookback, begin, end, read_line);
}

/* An object with the members that tell the three ways, or of those between. */
static bool recognise(const struct line_shape *shape) {
  const char *p = shape->begin, *end = shape->end;
  struct slice line = slice_between(p, end);
  if (shape->is_syslog || *p != '{') return false;
  if (STARTS_WITH(p, end, "{\"create\"") || STARTS_WITH(p, end, "{\"index\"")) return true;
  if (slice_find(line, SLICE("\"ts_attempt\"")) < line.len || slice_find(line, SLICE("\"arguments\"")) < line.len) return true;
  return slice_find(line, SLICE("\"@timestamp\"")) < line.len && slice_find(line, SLICE("\"action\"")) < line.len;
}

const struct format FORMAT_HALON = {.name = "halon",
                                    .parse = parse,
                                    .state_new = state_new,
                                    .state_free = json_line_state_free,
                                    .is_record = true,
                                    .recognise = recognise};
