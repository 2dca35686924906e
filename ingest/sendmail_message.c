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

/* The message id at p, which is the sender's: up to ">, " if it begins with '<'. Returns its end. */
static const char *read_message_id(const char *p, const char *end, struct sendmail_commas *commas, struct slice *message_id) {
  const char *comma = sendmail_commas_next(commas);
  if (*p == '<')
    while (comma && comma[-1] != '>') comma = sendmail_commas_next(commas);
  *message_id = slice_between(p, comma ? comma : end);
  return comma;
}

/* Keys from p on. relay= is the last, and the last one that is there: what stands before may be the sender's words. */
static void read_fields(const char *p, const char *end, const char *limit, struct line_facts *facts, struct slice *relay,
                        uint64_t *recipient_count) {
  struct sendmail_commas commas;
  sendmail_commas_start(&commas, p, end, limit);
  for (const char *comma; p && end - p > 5; p = comma ? comma + 2 : NULL) {
    if (*p == 'm' && STARTS_WITH(p, end, "msgid=") && slice_is_absent(facts->message_id)) {
      comma = end - p > 6 ? read_message_id(p + 6, end, &commas, &facts->message_id) : NULL;
      continue;
    }
    comma = sendmail_commas_next(&commas);
    const char *value_end = comma ? comma : end;
    if (*p == 's' && STARTS_WITH(p, end, "size=") && facts->size_bytes == U64_ABSENT)
      facts->size_bytes = read_number(p + 5, value_end);
    else if (*p == 'n' && STARTS_WITH(p, end, "nrcpts=") && *recipient_count == U64_ABSENT)
      *recipient_count = read_number(p + 7, value_end);
    else if (*p == 'r' && STARTS_WITH(p, end, "relay="))
      *relay = slice_between(p + 6, end);
  }
}

unsigned sendmail_read_sender(struct sendmail_message *message, const char *p, const char *end) {
  struct line_facts facts = {.size_bytes = U64_ABSENT};
  struct slice relay = SLICE_ABSENT;
  uint64_t recipient_count = U64_ABSENT;
  const char *comma = sendmail_read_path(p, end, message->walk->limit, &facts.sender);
  if (!comma || !STARTS_WITH(comma, end, ", ")) return READ_UNPARSED + UNPARSED_BODY;
  read_fields(comma + 2, end, message->walk->limit, &facts, &relay, &recipient_count);
  if (recipient_count == U64_ABSENT || facts.size_bytes == U64_ABSENT) return READ_UNPARSED + UNPARSED_BODY;
  if (!recipient_count) return READ_NOISE + NOISE_connection; /* each was refused, or the client went away */
  if (relay.len) sendmail_read_peer(relay, message->walk->limit, &facts.client_host, &facts.client_ip);
  facts.recipient_count = recipient_count > UINT32_MAX ? UINT32_MAX : (uint32_t)recipient_count;
  struct line *line = sendmail_open(message, LINE_ARRIVED);
  line->service = SLICE_ABSENT;
  line->facts = facts;
  return READ_INFO;
}

/* Of a message that Sendmail makes. */
static void add_own(struct sendmail_message *message, struct slice queue_id, struct slice sender, uint32_t recipient_count) {
  struct line *line = line_walk_add(message->walk, message->host, queue_id);
  line->kind = LINE_ARRIVED;
  line->facts.sender = sender;
  line->facts.size_bytes = U64_ABSENT;
  line->facts.recipient_count = recipient_count;
}

unsigned sendmail_read_notification(struct sendmail_message *message, const char *p, const char *end) {
  static const struct slice kinds[] = {SLICE("DSN: "), SLICE("sender notify: "), SLICE("postmaster notify: "),
                                       SLICE("return to sender: ")};
  struct slice queue_id, text = SLICE_ABSENT;
  p = sendmail_read_queue_id(message->walk, p, end, &queue_id);
  if (p && STARTS_WITH(p, end, "clone: owner=")) {
    add_own(message, queue_id, slice_between(p + 13, end), 0);
    return READ_INFO;
  }
  for (size_t i = 0; p && i < sizeof kinds / sizeof *kinds; i++)
    if (slice_starts_with(slice_between(p, end), kinds[i])) text = slice_between(p + kinds[i].len, end);
  if (slice_is_absent(text)) return READ_NOISE + NOISE_bookkeeping;
  add_own(message, queue_id, SLICE(""), 1);
  if (slice_starts_with(text, SLICE("Cannot send message ")) || slice_starts_with(text, SLICE("delivery time expired"))) {
    struct line *line = line_walk_add(message->walk, message->host, message->queue_id);
    line->kind = LINE_EXPIRED;
    line->service = message->program;
    line_walk_add(message->walk, message->host, message->queue_id)->kind = LINE_REMOVED;
  }
  return READ_INFO;
}
