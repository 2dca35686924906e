/* What is said of a message apart from its deliveries:
 *
 *   from=<a@b>, size=660, class=0, nrcpts=2, msgid=<x@b>, proto=ESMTP, daemon=MTA, relay=host [192.0.2.7] (may be forged)
 *   QID2: DSN: User unknown                                     a notification, QID2, of what failed
 *   QID2: clone: owner=list-admin@b                             a copy for a list's members, sent in the name of its owner
 *   QID2: sender notify: Cannot send message for 5 days         ... and that Sendmail gave up
 *
 * A notification has no from= line at the usual log level: its sender is the null sender, and it goes to one recipient. */
#include "ingest/sendmail_internal.h"

static uint64_t read_number(const char *p, const char *end) {
  uint64_t value = 0;
  if (p == end || end - p > 18) return U64_ABSENT;
  for (; p < end; p++) {
    if (!ascii_is_digit(*p)) return U64_ABSENT;
    value = value * 10 + (uint64_t)(*p - '0');
  }
  return value;
}

struct sender_fields {
  struct slice address, message_id, relay;
  uint64_t size_bytes, recipient_count;
};

/* The message id at p, which is the sender's: up to ">, " if it begins with '<'. Returns behind it, or NULL. */
static const char *read_message_id(const char *p, const char *end, struct slice *message_id) {
  const char *close = p < end && *p == '<' ? memmem(p, (size_t)(end - p), ">, ", 3) : NULL;
  const char *comma = close ? close + 1 : sendmail_find_comma(p, end);
  *message_id = slice_between(p, comma ? comma : end);
  return comma;
}

/* Where "relay=" begins, the last in the line: what stands before may be the sender's words. */
static const char *find_relay(const char *p, const char *end) {
  const char *found = NULL;
  for (; (p = memmem(p, (size_t)(end - p), ", relay=", 8)); p += 8) found = p;
  return found ? found + 8 : NULL;
}

static void read_fields(const char *p, const char *end, struct sender_fields *fields) {
  for (const char *comma; p; p = comma ? comma + 2 : NULL) {
    if (STARTS_WITH(p, end, "msgid=")) {
      comma = read_message_id(p + 6, end, &fields->message_id);
      p = comma;
      break;
    }
    comma = sendmail_find_comma(p, end);
    const char *value_end = comma ? comma : end;
    if (STARTS_WITH(p, end, "size="))
      fields->size_bytes = read_number(p + 5, value_end);
    else if (STARTS_WITH(p, end, "nrcpts="))
      fields->recipient_count = read_number(p + 7, value_end);
    else if (STARTS_WITH(p, end, "relay="))
      fields->relay = slice_between(p + 6, end);
  }
  const char *relay = p ? find_relay(p, end) : NULL;
  if (relay) fields->relay = slice_between(relay, end);
}

unsigned sendmail_read_sender(struct sendmail_message *message, const char *p, const char *end) {
  struct sender_fields fields = {.size_bytes = U64_ABSENT, .recipient_count = U64_ABSENT};
  const char *comma = sendmail_read_address(p, end, &fields.address);
  if (!comma || !STARTS_WITH(comma, end, ", ")) return READ_UNPARSED + UNPARSED_BODY;
  read_fields(comma + 2, end, &fields);
  if (fields.recipient_count == U64_ABSENT || fields.size_bytes == U64_ABSENT) return READ_UNPARSED + UNPARSED_BODY;
  if (!fields.recipient_count) return READ_NOISE + NOISE_connection; /* each was refused, or the client went away */
  struct line *client = line_walk_add(message->walk, message->host, message->queue_id);
  client->kind = LINE_CLIENT;
  if (fields.relay.len) sendmail_read_peer(fields.relay, &client->client.host, &client->client.ip);
  if (fields.message_id.len) {
    struct line *line = line_walk_add(message->walk, message->host, message->queue_id);
    line->kind = LINE_MESSAGE_ID;
    line->message_id = fields.message_id;
  }
  struct line *line = line_walk_add(message->walk, message->host, message->queue_id);
  line->kind = LINE_SENDER;
  line->sender.address = fields.address;
  line->sender.size_bytes = fields.size_bytes;
  sendmail_add_count(message, message->queue_id, LINE_RECIPIENTS, fields.recipient_count);
  return READ_INFO;
}

/* Of a message that Sendmail makes. */
static void add_sender(struct sendmail_message *message, struct slice queue_id, struct slice address) {
  line_walk_add(message->walk, message->host, queue_id)->kind = LINE_CLIENT;
  struct line *line = line_walk_add(message->walk, message->host, queue_id);
  line->kind = LINE_SENDER;
  line->sender.address = address;
  line->sender.size_bytes = U64_ABSENT;
}

unsigned sendmail_read_notification(struct sendmail_message *message, const char *p, const char *end) {
  static const struct slice kinds[] = {SLICE("DSN: "), SLICE("sender notify: "), SLICE("postmaster notify: "),
                                       SLICE("return to sender: ")};
  struct slice queue_id, text = SLICE_ABSENT;
  p = sendmail_read_queue_id(message->walk, p, end, &queue_id);
  if (p && STARTS_WITH(p, end, "clone: owner=")) {
    add_sender(message, queue_id, slice_between(p + 13, end));
    return READ_INFO;
  }
  for (size_t i = 0; p && i < sizeof kinds / sizeof *kinds; i++)
    if (slice_starts_with(slice_between(p, end), kinds[i])) text = slice_between(p + kinds[i].len, end);
  if (slice_is_absent(text)) return READ_NOISE + NOISE_bookkeeping;
  add_sender(message, queue_id, SLICE(""));
  sendmail_add_count(message, queue_id, LINE_RECIPIENTS, 1);
  if (slice_starts_with(text, SLICE("Cannot send message ")) || slice_starts_with(text, SLICE("delivery time expired"))) {
    struct line *line = line_walk_add(message->walk, message->host, message->queue_id);
    line->kind = LINE_EXPIRED;
    line->service = message->program;
    line_walk_add(message->walk, message->host, message->queue_id)->kind = LINE_REMOVED;
  }
  return READ_INFO;
}
