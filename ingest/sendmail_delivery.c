/* An attempt:
 *
 *   to=<a@b>,<c@d>, ctladdr=<list@here> (1/0), delay=1+02:03:04, xdelay=00:00:01, mailer=esmtp, pri=30660,
 *       relay=mx.b. [192.0.2.7], dsn=4.2.2, reply=452 4.2.2 full, stat=Deferred: 452 4.2.2 full
 *
 * Without mailer= nothing was attempted: our own server refused the message behind its DATA, and says so for each recipient:
 *
 *   to=<a@b>, delay=00:00:00, pri=60192, stat=Message exceeds maximum fixed size (100000)
 *
 * A long list of recipients is split into several such lines, all but the last with " [more]" behind the list's last comma. Both
 * ends are in strangers' hands: the recipients, and what the server replied, which may hold ", stat=Sent". What lies between them
 * is Sendmail's own, and dsn= tells which of several ", stat=" is the right one. */
#include "ingest/reply_codes.h"
#include "ingest/sendmail_internal.h"

/* Sendmail writes what fits into 1 KiB of syslog; a line with more recipients is not one of its own. */
#define RECIPIENTS_MAX 1024u

struct fields {
  struct slice ctladdr, delay, mailer, relay, dsn, reply, stat;
};

static int64_t read_delay(struct slice text) {
  if (!text.len) return DELAY_ABSENT;
  const char *p = text.ptr, *end = p + text.len, *plus = text.len == 8 ? NULL : memchr(p, '+', text.len);
  int64_t days = 0;
  if (plus) {
    if (plus == p || plus - p > 5) return DELAY_ABSENT;
    for (; p < plus; p++) {
      if (!ascii_is_digit(*p)) return DELAY_ABSENT;
      days = days * 10 + (*p - '0');
    }
    p++;
  }
  if (end - p != 8) return DELAY_ABSENT;
  uint64_t colons = load_u64(p) & UINT64_C(0x0000ff0000ff0000), digits = load_u64(p) & ~UINT64_C(0x0000ff0000ff0000);
  if (colons != UINT64_C(0x00003a00003a0000) || digits8_find_other(digits | UINT64_C(0x0000300000300000))) return DELAY_ABSENT;
  int64_t hours = (p[0] - '0') * 10 + (p[1] - '0'), minutes = (p[3] - '0') * 10 + (p[4] - '0');
  return (((days * 24 + hours) * 60 + minutes) * 60 + (p[6] - '0') * 10 + (p[7] - '0')) * US_PER_SECOND;
}

/* Whether a status of these words is one that goes with an enhanced code of this class ('2', '4', '5', or 0 for none). */
static bool agrees(const char *stat, const char *end, char dsn_class) {
  if (!dsn_class) return true;
  char own = STARTS_WITH(stat, end, "Sent") ? '2' : STARTS_WITH(stat, end, "Deferred") ? '4' : '5';
  return own == dsn_class;
}

/* "550 text, stat=User unknown" at p into reply and stat. */
static bool split_reply(const char *p, const char *end, struct sendmail_commas *commas, struct fields *fields) {
  char dsn_class = fields->dsn.len ? fields->dsn.ptr[0] : 0;
  const char *chosen = NULL;
  for (const char *comma; (comma = sendmail_commas_next(commas));) {
    if (!STARTS_WITH(comma, end, ", stat=")) continue;
    chosen = comma;
    if (agrees(comma + 7, end, dsn_class)) break;
  }
  if (!chosen) return false;
  fields->reply = slice_between(p, chosen);
  fields->stat = slice_between(chosen + 7, end);
  return true;
}

/* ctladdr=ADDRESS, which may be quoted and hold commas. */
static const char *read_ctladdr(const char *p, const char *end, const char *limit, struct fields *fields,
                                struct sendmail_commas *commas) {
  p = sendmail_read_path(p + 8, end, limit, &fields->ctladdr);
  if (!p) return NULL;
  sendmail_commas_start(commas, p, end, limit);
  return sendmail_commas_next(commas);
}

/* Keys from p on, up to the status, which is the last. */
static bool read_fields(const char *p, const char *end, const char *limit, struct fields *fields) {
  struct sendmail_commas commas;
  sendmail_commas_start(&commas, p, end, limit);
  for (const char *comma; end - p > 5; p = comma + 2) {
    if (*p == 's' && STARTS_WITH(p, end, "stat=")) {
      fields->stat = slice_between(p + 5, end);
      return true;
    }
    if (*p == 'r' && STARTS_WITH(p, end, "reply=")) return split_reply(p + 6, end, &commas, fields);
    if (*p == 'c' && STARTS_WITH(p, end, "ctladdr="))
      comma = read_ctladdr(p, end, limit, fields, &commas);
    else
      comma = sendmail_commas_next(&commas);
    if (!comma) return false;
    if (*p == 'd' && STARTS_WITH(p, end, "delay="))
      fields->delay = slice_between(p + 6, comma);
    else if (*p == 'd' && STARTS_WITH(p, end, "dsn="))
      fields->dsn = slice_between(p + 4, comma);
    else if (*p == 'm' && STARTS_WITH(p, end, "mailer="))
      fields->mailer = slice_between(p + 7, comma);
    else if (*p == 'r' && STARTS_WITH(p, end, "relay="))
      fields->relay = slice_between(p + 6, comma);
  }
  if (!STARTS_WITH(p, end, "stat=")) return false;
  fields->stat = slice_between(p + 5, end);
  return true;
}

/* The text behind the codes that Sendmail itself puts in the place of a reply when the server did not give one; NULL when it is a
 * reply. */
static const char *skip_own_codes(const char *p, const char *end) {
  static const struct slice beginnings[] = {SLICE("421 4.4.1 Connection reset"), SLICE("421 4.4.2 Connection timed out"),
                                            SLICE("451 4.4.1 reply: read error from"), SLICE("403 4.7.0 ")};
  if (p == end || *p != '4') return NULL;
  for (size_t i = 0; i < sizeof beginnings / sizeof *beginnings; i++)
    if (slice_starts_with(slice_between(p, end), beginnings[i])) return p + 10;
  return NULL;
}

/* The reply, or the reason that Sendmail itself gives, and the codes. */
static void set_reply(const struct fields *fields, struct line *line) {
  const char *p = fields->stat.ptr, *end = p + fields->stat.len;
  bool has_reason = false;
  if (STARTS_WITH(p, end, "Sent (")) {
    line->delivery.reply = slice_between(p + 6, end[-1] == ')' ? end - 1 : end);
    return;
  }
  if (line->delivery.status == STATUS_delivered) return;
  if (STARTS_WITH(p, end, "Deferred: ")) p += 10, has_reason = true;
  struct slice reply = fields->reply;
  if (!reply.len) reply = slice_between(p, end), has_reason = false;
  const char *reply_end = reply.ptr + reply.len, *behind = skip_own_codes(reply.ptr, reply_end);
  if (behind) {
    line->delivery.reply = has_reason ? slice_between(p, end) : slice_between(behind, reply_end);
    return;
  }
  line->delivery.reply = reply;
  line->delivery.smtp_code = reply_smtp_code(reply.ptr, reply_end);
  struct slice dsn = line->delivery.smtp_code ? reply_dsn(reply.ptr, reply_end) : SLICE_ABSENT;
  if (dsn.len) line->delivery.dsn = dsn;
}

/* No attempt: queued for later, held, or asked what would be (-bv). */
static bool is_no_attempt(struct slice stat) {
  if (stat.len && (*stat.ptr == 'S' || *stat.ptr == 'D')) return false;
  static const struct slice words[] = {SLICE("queued"), SLICE("quarantined"), SLICE("deliverable"), SLICE("quarantine")};
  for (size_t i = 0; i < sizeof words / sizeof *words; i++)
    if (slice_equal(stat, words[i])) return true;
  return false;
}

static enum status status_of(struct slice stat) {
  if (slice_equal(stat, SLICE("Sent")) || slice_starts_with(stat, SLICE("Sent "))) return STATUS_delivered;
  return slice_starts_with(stat, SLICE("Deferred")) ? STATUS_deferred : STATUS_bounced;
}

/* A program or a file is named by an alias, which is the controlling address then; of other mail it may be the sender. */
static struct slice alias_of(const struct fields *fields) {
  struct slice alias = fields->ctladdr;
  if (!slice_equal(fields->mailer, SLICE("prog")) && !slice_equal(fields->mailer, SLICE("*file*"))) return SLICE_ABSENT;
  alias.len = slice_find(alias, SLICE(" (")); /* user and group */
  return alias;
}

/* What all recipients of an attempt have in common. */
static void set_delivery(const struct fields *fields, const char *limit, struct line *line) {
  line->service = fields->mailer;
  line->delivery = (__typeof__(line->delivery)){
      .orig_recipient = alias_of(fields),
      .relay_host = fields->mailer,
      .dsn = fields->dsn,
      .delay_us = read_delay(fields->delay),
      .status = status_of(fields->stat),
  };
  if (fields->relay.len) sendmail_read_peer(fields->relay, limit, &line->delivery.relay_host, &line->delivery.relay_ip);
  set_reply(fields, line);
}

/* The submission program's hand-over to the server on its own host, which logs the delivery itself. */
static bool is_hand_over(const struct fields *fields, const char *limit) {
  struct slice host, ip;
  if (!slice_equal(fields->mailer, SLICE("relay")) || status_of(fields->stat) != STATUS_delivered) return false;
  sendmail_read_peer(fields->relay, limit, &host, &ip);
  return slice_starts_with(ip, SLICE("127.")) || slice_equal(ip, SLICE("::1"));
}

/* Behind the list of recipients at p and its last comma; NULL when it is none. */
static const char *skip_recipients(const char *p, const char *end, const char *limit) {
  for (unsigned count = 0; count < RECIPIENTS_MAX; count++) {
    struct slice recipient;
    const char *comma = sendmail_read_path(p, end, limit, &recipient);
    if (!comma || end - comma < 2 || *comma != ',' || !recipient.len) return NULL;
    p = comma + 1;
    if (*p == ' ') return p;
  }
  return NULL;
}

/* Those in brackets are what nrcpts= counted; the others came out of aliases. */
static enum line_kind kind_of(const char *recipient) { return *recipient == '<' ? LINE_COUNTED : LINE_DELIVERY; }

/* The recipients of [p, end), a list with its commas; `recipient` is the first. */
static void add_deliveries(struct sendmail_message *message, const char *p, const char *end, struct slice recipient,
                           const struct fields *fields) {
  struct line *line = sendmail_open(message, kind_of(p));
  set_delivery(fields, message->walk->limit, line);
  line->delivery.recipient = recipient;
  p = recipient.ptr + recipient.len + (*p == '<') + 1;
  if (p == end) return;
  struct line first = *line;
  while (p < end) {
    line = sendmail_open(message, kind_of(p));
    line->service = first.service;
    line->delivery = first.delivery;
    p = sendmail_read_path(p, end, message->walk->limit, &line->delivery.recipient) + 1;
  }
}

static void add_rejects(struct sendmail_message *message, const char *p, const char *end, const struct fields *fields) {
  const char *reply = fields->stat.ptr, *reply_end = reply + fields->stat.len;
  uint32_t count = 0;
  while (p < end) {
    struct line *line = line_walk_add(message->walk, message->host, message->queue_id);
    count += *p == '<';
    line->kind = LINE_REJECT;
    line->service = message->program;
    line->reject.stage = SLICE("END-OF-MESSAGE");
    line->reject.reply = fields->stat;
    line->reject.smtp_code = reply_smtp_code(reply, reply_end);
    line->reject.dsn = reply_dsn(reply, reply_end);
    p = sendmail_read_address(p, end, &line->reject.recipient) + 1;
  }
  if (!count) return;
  struct line *line = line_walk_add(message->walk, message->host, message->queue_id);
  line->kind = LINE_SETTLED;
  line->settled_count = count;
}

unsigned sendmail_read_delivery(struct sendmail_message *message, const char *p, const char *end) {
  struct fields fields = {0};
  struct slice recipient;
  const char *behind = sendmail_read_path(p, end, message->walk->limit, &recipient);
  if (!behind) return READ_UNPARSED + UNPARSED_BODY;
  if (recipient.len && STARTS_WITH(behind, end, ", "))
    behind++;
  else if (!(behind = skip_recipients(p, end, message->walk->limit)))
    return READ_UNPARSED + UNPARSED_BODY;
  const char *first = behind + 1;
  if (STARTS_WITH(first, end, "[more], ")) first += 8;
  if (!read_fields(first, end, message->walk->limit, &fields)) return READ_UNPARSED + UNPARSED_BODY;
  if (is_no_attempt(fields.stat)) return READ_NOISE + NOISE_bookkeeping;
  if (slice_is_absent(fields.mailer)) {
    add_rejects(message, p, behind, &fields);
  } else if (is_hand_over(&fields, message->walk->limit)) {
    sendmail_open(message, LINE_REMOVED)->service = SLICE_ABSENT;
    return READ_INFO;
  } else {
    add_deliveries(message, p, behind, recipient, &fields);
  }
  return READ_DELIVERY;
}
