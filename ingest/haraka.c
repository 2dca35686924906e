/* The log of Haraka, in its default format, with a stamp of its own (log.ini: timestamps) or behind a syslog header.
 *
 *   2026-11-24T12:57:07.818Z [NOTICE] [UUID.1] [core] sender <a@b.example> code=CONT msg=""
 *   ... [NOTICE] [UUID.1] [core] recipient <c@d.example> code=OK msg="" sender=a@b.example          waits to be delivered
 *   ... [NOTICE] [UUID.1.1] [outbound]  delivered file=... domain=d.example host=mx ip=... response="..." delay=0.1 rcpts=1/0/0
 *   ... [NOTICE] [UUID.1.1] [outbound] recipient <c@d.example> rejected: 550 5.1.1 no             bounced ("deferred": deferred)
 *   ... [INFO] [UUID.1.1] [outbound] Temp failing FILE for 64 seconds: Upstream error: 451 busy   deferred, all of them
 *   ... [INFO] [UUID.1.1] [outbound] bouncing mail: 554 no                                        bounced, all of them
 *   ... [INFO] [UUID.1.1] [outbound] bouncing mail: Too many failures (Upstream error: 451 busy)  expired, all of them
 *
 * UUID.1 is the transaction, and the key; what outbound adds to it numbers the parts that it makes of it, one for each domain. Who is
 * meant by "all of them" the join knows (join_group.c). */
#include "ingest/formats.h"
#include "ingest/line_walk.h"
#include "ingest/recognise.h"
#include "ingest/reply_codes.h"
#include "ingest/syslog.h"

#define TEMP_FAILED SLICE("Some recipients temp failed: ")

/* A line, taken apart. */
struct haraka_line {
  struct line_walk *walk;
  struct slice host, level, uuid, origin, text;
};

/* ---- the front of a line ----------------------------------------------------------------------------------------------------- */

/* "[word] " at *p, which moves behind it. */
static bool read_bracketed(const char **p, const char *end, struct slice *out) {
  const char *close = *p < end && **p == '[' ? memchr(*p, ']', (size_t)(end - *p)) : NULL;
  if (!close) return false;
  *out = slice_between(*p + 1, close);
  *p = close + 1 < end && close[1] == ' ' ? close + 2 : close + 1;
  return true;
}

/* READ_INFO: all is set. */
static unsigned read_front(struct haraka_line *line, const char *p, const char *end) {
  struct line_walk *walk = line->walk;
  size_t stamp_len = stamp_read(&walk->stamps, p, end, &walk->time_us);
  bool has_stamp = stamp_len > 0;
  const char *at = p + stamp_len;
  if (!has_stamp || *at != '[') {
    struct syslog_header header;
    if (!syslog_read(&walk->stamps, p, end, walk->limit, &header)) {
      /* Without a stamp: what libraries say at the start, or a Haraka that is told to write none. */
      return *p == '[' ? READ_UNPARSED + UNPARSED_HEADER : READ_NOISE + NOISE_other_program;
    }
    if (!slice_starts_with(header.service, SLICE("haraka")) && header.service.ptr) {
      return has_stamp && at + 1 < end && p[10] == 'T' && !header.host.ptr ? READ_NOISE + NOISE_bookkeeping
                                                                           : READ_NOISE + NOISE_other_program;
    }
    line->host = header.host;
    walk->time_us = header.time_us;
    at = header.text;
  }
  if (!read_bracketed(&at, end, &line->level) || !read_bracketed(&at, end, &line->uuid) || !read_bracketed(&at, end, &line->origin))
    return READ_NOISE + NOISE_bookkeeping;
  while (at < end && *at == ' ') at++;
  line->text = slice_between(at, end);
  return stamp_is_plausible(&walk->stamps, walk->time_us) ? READ_INFO : READ_UNPARSED + UNPARSED_TIME;
}

/* ---- values ------------------------------------------------------------------------------------------------------------------ */

/* A quoted value with its escapes undone. */
static struct slice unescape(struct line_walk *walk, struct slice inside) {
  if (slice_find_byte(inside, '\\') == inside.len) return inside;
  char *text = line_walk_room(walk, inside.len);
  size_t len = 0;
  for (size_t i = 0; i < inside.len; i++) {
    char c = inside.ptr[i];
    if (c == '\\' && i + 1 < inside.len) {
      c = inside.ptr[++i];
      if (c == 'n' || c == 'r') c = ' ';
    }
    text[len++] = c;
  }
  return slice_of(text, len);
}

/* The value of `key` in `key=value key="quoted \" value" ...`; absent when it is not there. */
static struct slice get_value(struct line_walk *walk, struct slice pairs, struct slice key) {
  const char *p = pairs.ptr, *end = p + pairs.len;
  while (p < end) {
    const char *name = p;
    while (p < end && *p != '=' && *p != ' ') p++;
    struct slice found = slice_between(name, p);
    if (p >= end || *p != '=') {
      p++;
      continue;
    }
    const char *value = ++p;
    bool is_quoted = p < end && *p == '"';
    if (is_quoted)
      for (p++; p < end && *p != '"'; p++) p += *p == '\\' && p + 1 < end;
    else
      while (p < end && *p != ' ') p++;
    if (slice_equal(found, key)) return is_quoted ? unescape(walk, slice_between(value + 1, p)) : slice_between(value, p);
    p++;
  }
  return SLICE_ABSENT;
}

/* "<a@b.example>" at the front of `text`, which moves behind it. */
static bool read_address(struct slice *text, struct slice *out) {
  size_t close = slice_find(*text, SLICE("> "));
  if (!text->len || text->ptr[0] != '<' || close == text->len) return false;
  *out = slice_of(text->ptr + 1, close - 1);
  *text = slice_skip(*text, close + 2);
  return true;
}

static bool take_prefix(struct slice *text, struct slice prefix) {
  if (!slice_starts_with(*text, prefix)) return false;
  *text = slice_skip(*text, prefix.len);
  return true;
}

static int64_t read_seconds(struct slice text) {
  int64_t whole = 0, fraction = 0, scale = 100000;
  size_t i = 0;
  for (; i < text.len && i < 12 && ascii_is_digit(text.ptr[i]); i++) whole = whole * 10 + (text.ptr[i] - '0');
  if (!i) return DELAY_ABSENT;
  if (i < text.len && text.ptr[i] == '.')
    for (i++; i < text.len && ascii_is_digit(text.ptr[i]); i++, scale /= 10) fraction += (text.ptr[i] - '0') * scale;
  return i == text.len ? whole * US_PER_SECOND + fraction : DELAY_ABSENT;
}

/* The first of "2/0/1". */
static uint32_t read_count(struct slice text) {
  uint32_t count = 0;
  for (size_t i = 0; i < text.len && i < 6 && ascii_is_digit(text.ptr[i]); i++) count = count * 10 + (uint32_t)(text.ptr[i] - '0');
  return count;
}

/* ---- what comes in ----------------------------------------------------------------------------------------------------------- */

static bool is_taken(struct slice code) { return slice_equal(code, SLICE("CONT")) || slice_equal(code, SLICE("OK")); }

/* A plugin refused: DENY, DENYSOFT, DENYDISCONNECT, DENYSOFTDISCONNECT, which Haraka answers with 550 and 450. */
static unsigned add_reject(struct haraka_line *line, struct slice stage, struct slice sender, struct slice recipient,
                           struct slice code, struct slice message) {
  if (!slice_starts_with(code, SLICE("DENY"))) return READ_NOISE + NOISE_policy;
  struct line *item = line_walk_add(line->walk, line->host, SLICE_ABSENT);
  item->kind = LINE_REJECT;
  item->reject.sender = sender;
  item->reject.recipient = recipient;
  item->reject.stage = stage;
  item->reject.smtp_code = slice_starts_with(code, SLICE("DENYSOFT")) ? 450 : 550;
  item->reject.reply = message.len ? message : SLICE_ABSENT;
  return READ_DELIVERY;
}

static unsigned read_incoming(struct haraka_line *line) {
  struct slice text = line->text, address;
  if (take_prefix(&text, SLICE("sender ")) && read_address(&text, &address)) {
    struct slice code = get_value(line->walk, text, SLICE("code"));
    if (!is_taken(code))
      return add_reject(line, SLICE("MAIL"), address, SLICE_ABSENT, code, get_value(line->walk, text, SLICE("msg")));
    struct line *item = line_walk_add(line->walk, line->host, line->uuid);
    item->kind = LINE_SENDER;
    item->sender.address = address;
    item->sender.size_bytes = U64_ABSENT;
    return READ_INFO;
  }
  text = line->text;
  if (take_prefix(&text, SLICE("recipient ")) && read_address(&text, &address)) {
    struct slice code = get_value(line->walk, text, SLICE("code"));
    struct slice sender = get_value(line->walk, text, SLICE("sender"));
    if (!is_taken(code)) return add_reject(line, SLICE("RCPT"), sender, address, code, get_value(line->walk, text, SLICE("msg")));
    struct line *item = line_walk_add(line->walk, line->host, line->uuid);
    item->kind = LINE_ACCEPTED;
    item->delivery.recipient = address;
    return READ_INFO;
  }
  return READ_NOISE + (slice_starts_with(line->text, SLICE("message ")) ? NOISE_bookkeeping : NOISE_connection);
}

/* ---- what goes out ----------------------------------------------------------------------------------------------------------- */

/* An outcome under the transaction's key: the number of the part is not of it. */
static struct line *add_outcome(struct haraka_line *line, enum line_kind kind, enum status status, struct slice reply) {
  const char *dot = line->uuid.len ? memrchr(line->uuid.ptr, '.', line->uuid.len) : NULL;
  struct slice transaction = dot ? slice_between(line->uuid.ptr, dot) : line->uuid;
  struct line *item = line_walk_add(line->walk, line->host, transaction);
  item->kind = kind;
  item->delivery.status = status;
  item->delivery.delay_us = DELAY_ABSENT;
  item->delivery.reply = reply.len ? reply : SLICE_ABSENT;
  if (status == STATUS_delivered || !reply.len) return item;
  item->delivery.smtp_code = reply_smtp_code(reply.ptr, reply.ptr + reply.len);
  if (item->delivery.smtp_code) item->delivery.dsn = reply_dsn(reply.ptr, reply.ptr + reply.len);
  return item;
}

static unsigned read_delivered(struct haraka_line *line, struct slice pairs) {
  struct line_walk *walk = line->walk;
  struct slice domain = get_value(walk, pairs, SLICE("domain")), host = get_value(walk, pairs, SLICE("host"));
  uint32_t count = read_count(get_value(walk, pairs, SLICE("rcpts")));
  if (!domain.len || !count) return READ_UNPARSED + UNPARSED_BODY;
  struct line *item = add_outcome(line, LINE_GROUP, STATUS_delivered, get_value(walk, pairs, SLICE("response")));
  char *recipient = line_walk_room(walk, domain.len + 1);
  recipient[0] = '@';
  memcpy(recipient + 1, domain.ptr, domain.len);
  struct slice ip = get_value(walk, pairs, SLICE("ip"));
  item->group_count = count;
  item->service = get_value(walk, pairs, SLICE("mode"));
  item->delivery.recipient = slice_of(recipient, domain.len + 1);
  item->delivery.relay_host = host.len && !slice_equal(host, ip) ? host : SLICE_ABSENT;
  item->delivery.relay_ip = ip.len ? ip : SLICE_ABSENT;
  item->delivery.delay_us = read_seconds(get_value(walk, pairs, SLICE("delay")));
  return READ_DELIVERY;
}

/* "recipient <a@b.example> rejected: 550 ..." */
static unsigned read_recipient(struct haraka_line *line, struct slice text) {
  struct slice recipient;
  if (!read_address(&text, &recipient)) return READ_UNPARSED + UNPARSED_BODY;
  bool is_final = take_prefix(&text, SLICE("rejected: "));
  if (!is_final && !take_prefix(&text, SLICE("deferred: "))) return READ_UNPARSED + UNPARSED_BODY;
  struct line *item = add_outcome(line, LINE_DELIVERY, is_final ? STATUS_bounced : STATUS_deferred, text);
  item->delivery.recipient = recipient;
  item->delivery.stage = SLICE("RCPT");
  return READ_DELIVERY;
}

/* "<a@b.example>, <c@d.example>": one expired delivery each. */
static unsigned read_expired(struct haraka_line *line, struct slice list) {
  unsigned count = 0;
  for (struct slice rest = list; rest.len;) {
    size_t end = slice_find(rest, SLICE(">, "));
    struct slice address = slice_of(rest.ptr, end);
    rest = slice_skip(rest, end + 3);
    if (address.len && address.ptr[0] == '<') address = slice_skip(address, 1);
    if (address.len && address.ptr[address.len - 1] == '>') address.len--;
    if (!address.len) continue;
    add_outcome(line, LINE_DELIVERY, STATUS_expired, SLICE(""))->delivery.recipient = address;
    count++;
  }
  return count ? READ_DELIVERY : READ_UNPARSED + UNPARSED_BODY;
}

static unsigned read_bounce(struct haraka_line *line, struct slice text) {
  if (slice_starts_with(text, SLICE("Some recipients failed: "))) return READ_NOISE + NOISE_notification; /* told one by one */
  enum status status = STATUS_bounced;
  if (take_prefix(&text, SLICE("Too many failures ("))) {
    status = STATUS_expired;
    if (text.len && text.ptr[text.len - 1] == ')') text.len--;
    if (take_prefix(&text, TEMP_FAILED)) return read_expired(line, text);
  }
  take_prefix(&text, SLICE("Upstream error: "));
  add_outcome(line, LINE_GROUP, status, text);
  return READ_DELIVERY;
}

static unsigned read_outgoing(struct haraka_line *line) {
  struct slice text = line->text;
  if (take_prefix(&text, SLICE("delivered file="))) return read_delivered(line, text);
  if (take_prefix(&text, SLICE("recipient "))) return read_recipient(line, text);
  if (take_prefix(&text, SLICE("bouncing mail: "))) return read_bounce(line, text);
  if (take_prefix(&text, SLICE("Temp failing "))) {
    size_t colon = slice_find(text, SLICE(" seconds: "));
    text = slice_skip(text, colon + 10);
    if (slice_starts_with(text, TEMP_FAILED)) return READ_NOISE + NOISE_bookkeeping; /* told one by one */
    take_prefix(&text, SLICE("Upstream error: "));
    add_outcome(line, LINE_GROUP, STATUS_deferred, text);
    return READ_DELIVERY;
  }
  if (slice_starts_with(text, SLICE("Double bounce: "))) return READ_NOISE + NOISE_notification;
  return READ_NOISE + NOISE_bookkeeping;
}

static unsigned read_line(struct line_walk *walk, const char *p, const char *end) {
  struct haraka_line line = {.walk = walk};
  unsigned result = read_front(&line, p, end);
  if (result != READ_INFO) return result;
  bool is_bad =
      slice_equal(line.level, SLICE("WARN")) || slice_equal(line.level, SLICE("ERROR")) || slice_equal(line.level, SLICE("CRIT"));
  if (is_bad) return READ_NOISE + NOISE_warning;
  if (slice_equal(line.origin, SLICE("outbound"))) return read_outgoing(&line);
  return slice_equal(line.origin, SLICE("core")) ? read_incoming(&line) : READ_NOISE + NOISE_bookkeeping;
}

static void parse(struct parser *parser, const struct batch *batch, const char *lookback, const char *begin, const char *end) {
  line_walk(parser, batch, lookback, begin, end, read_line);
}

/* "[NOTICE] [": a level in brackets, and what it is of. */
static bool begins_with_level(const char *p, const char *end) {
  if (p == end || *p++ != '[') return false;
  const char *level = p;
  while (p < end && *p >= 'A' && *p <= 'Z') p++;
  return p > level && STARTS_WITH(p, end, "] [");
}

static bool recognise(const struct line_shape *shape) {
  const char *p = shape->text, *end = shape->end;
  if (shape->is_syslog)
    return slice_starts_with(shape->program, SLICE("haraka")) || (slice_is_absent(shape->program) && begins_with_level(p, end));
  if (!ascii_is_digit(*p) || end - p < 24 || p[10] != 'T') return false;
  const char *blank = memchr(p, ' ', (size_t)(end - p));
  return blank && begins_with_level(blank + 1, end);
}

const struct format FORMAT_HARAKA = {
    .name = "haraka", .parse = parse, .state_new = line_walk_state_new, .state_free = line_walk_state_free, .recognise = recognise};
