/* The fields of a delivery agent's line:
 *
 *   to=<rcpt>, [orig_to=<x>, ]relay=host[ip]:port, [conn_use=2, ]delay=1.2, delays=a/b/c/d, dsn=2.0.0, status=sent (text)
 *
 * Both ends are in strangers' hands: the recipient may hold ">, relay=", the text may quote a whole log line. The fields between them
 * are Postfix's own, so: the recipient ends at the first place outside its quotes from where on the fields follow one another as
 * they should, and the status is the one that they lead to. Compiled three times (postfix_internal.h). */
#include "ingest/postfix_internal.h"
#include "ingest/reply_codes.h"

static int64_t read_seconds_slow(const char *p, const char *end) {
  int64_t whole = 0, fraction = 0, scale = 100000;
  const char *begin = p;
  for (; p < end && ascii_is_digit(*p) && p - begin < 12; p++) whole = whole * 10 + (*p - '0');
  if (p == begin) return DELAY_ABSENT;
  if (p < end && *p == '.')
    for (p++; p < end && ascii_is_digit(*p); p++, scale /= 10) fraction += (*p - '0') * scale;
  return p == end ? whole * US_PER_SECOND + fraction : DELAY_ABSENT;
}

/* Seconds with a fraction to microseconds; DELAY_ABSENT when it is no such number. 8 bytes from p on may be read. Lengths and places
 * of the point differ from line to line: "0.35", "12", "1.2" are read without a branch on them. */
static inline int64_t read_seconds(const char *p, const char *end) {
  static const uint32_t us_of_last_digit[] = {1000000, 100000, 10000, 1000, 100, 10, 1};
  size_t len = (size_t)(end - p);
  if (__builtin_expect(len - 1 > 7, 0)) return read_seconds_slow(p, end);
  uint64_t text = load_u64(p), others = digits8_find_other(text) & bits_below(8 * len);
  unsigned whole = others ? bits_first(others) / 8 : (unsigned)len, has_point = others != 0,
           fraction = (unsigned)len - whole - has_point;
  bool is_plain = whole && fraction <= 6 && !bits_drop_first(others) && (!has_point || p[whole] == '.');
  if (__builtin_expect(!is_plain, 0)) return read_seconds_slow(p, end);
  uint64_t behind_point = text >> (8 * (whole & 7)) >> (8 * has_point); /* whole 8: has no fraction to join */
  uint64_t joined = (text & bits_below(8 * whole)) | (fraction ? behind_point << (8 * whole) : 0);
  return (int64_t)digits8_value(digits8_align(joined, whole + fraction)) * us_of_last_digit[fraction];
}

/* The word behind "status=" and the text behind it. READ_INFO: the line is a delivery and its status is set. */
static inline __attribute__((always_inline)) unsigned read_status(const char *p, const char *end, struct line *line,
                                                                  struct slice *text) {
  unsigned result = READ_INFO;
  if (STARTS_WITH(p, end, "sent (")) {
    line->delivery.status = STATUS_delivered, p += 4;
  } else if (STARTS_WITH(p, end, "deferred (")) {
    line->delivery.status = STATUS_deferred, p += 8;
  } else if (STARTS_WITH(p, end, "bounced (")) {
    line->delivery.status = STATUS_bounced, p += 7;
  } else if (STARTS_WITH(p, end, "SOFTBOUNCE (")) { /* soft_bounce = yes: bounced in earnest, but kept in the queue */
    line->delivery.status = STATUS_deferred, p += 10;
  } else if (STARTS_WITH(p, end, "deliverable (") || STARTS_WITH(p, end, "undeliverable (")) {
    p += *p == 'd' ? 11 : 13, result = READ_NOISE + NOISE_probe;
  } else {
    return READ_UNPARSED + UNPARSED_BODY;
  }
  p += 2;
  *text = slice_between(p, end > p && end[-1] == ')' ? end - 1 : end);
  return result;
}

/* Fields from "relay=" (p) on, in the order and with all that today's Postfix writes. */
static inline __attribute__((always_inline)) unsigned read_fields(const struct postfix_run *run, const char *p, const char *end,
                                                                  struct line *line, struct slice *text) {
  const char *relay = p + 6;
  struct block relay_block = block_load_until(relay, run->limit);
  uint64_t relay_commas = block_find(relay_block, ',');
  const char *relay_end = relay_commas ? relay + bits_first(relay_commas) : scan_find(relay + BLOCK_BYTES, end, run->limit, ',');
  if (end - relay_end < 40) return READ_UNPARSED + UNPARSED_BODY;
  p = relay_end + 2;
  if (STARTS_WITH(p, end, "conn_use=")) {
    p = scan_find(p, end, run->limit, ',');
    if (end - p < 40) return READ_UNPARSED + UNPARSED_BODY;
    p += 2;
  }
  if (!STARTS_WITH(p, end, "delay=")) return READ_UNPARSED + UNPARSED_BODY;
  uint64_t commas = block_find(block_load_until(p, run->limit), ',') & bits_below((size_t)(end - p));
  uint64_t second = bits_drop_first(commas), third = bits_drop_first(second);
  if (!second) return READ_UNPARSED + UNPARSED_BODY;
  const char *delays = p + bits_first(commas) + 2, *dsn = p + bits_first(second) + 2,
             *dsn_end = third ? p + bits_first(third) : end;
  if (!STARTS_WITH(dsn, end, "dsn=")) { /* since Postfix 3.11 tls=LEVEL stands before it */
    if (!STARTS_WITH(dsn, end, "tls=")) return READ_UNPARSED + UNPARSED_BODY;
    dsn = scan_find(dsn, end, run->limit, ',') + 2;
    if (!STARTS_WITH(dsn, end, "dsn=")) return READ_UNPARSED + UNPARSED_BODY;
    dsn_end = scan_find(dsn, end, run->limit, ',');
  }
  if (end - dsn_end < 12) return READ_UNPARSED + UNPARSED_BODY;
  const char *status = dsn_end + 2;
  if (!STARTS_WITH(delays, end, "delays=") || !STARTS_WITH(status, end, "status=")) return READ_UNPARSED + UNPARSED_BODY;
  unsigned result = read_status(status + 7, end, line, text);
  if (result == READ_UNPARSED + UNPARSED_BODY) return result;
  line->delivery.delay_us = read_seconds(p + 6, delays - 2);
  line->delivery.dsn = slice_between(dsn + 4, dsn_end);
  postfix_read_peer(slice_between(relay, relay_end), relay_block, &line->delivery.relay_host, &line->delivery.relay_ip);
  return result;
}

/* What no log of Postfix comes near: fields of a line, and places where its recipient may end. Without these a line made for it
 * would take time that grows with the cube of its length. */
#define FIELDS_MAX 16u
#define ADDRESS_ENDS_MAX 64u

/* As read_fields, with any of the fields but the status left out: old versions wrote no delays= and dsn=, and long values do not fit
 * a block. */
static unsigned read_fields_slowly(const char *p, const char *end, struct line *line, struct slice *text) {
  struct slice relay = SLICE_ABSENT;
  line->delivery.delay_us = DELAY_ABSENT;
  line->delivery.dsn = SLICE_ABSENT;
  for (unsigned field_count = 0; !STARTS_WITH(p, end, "status="); field_count++) {
    if (field_count == FIELDS_MAX) return READ_UNPARSED + UNPARSED_BODY;
    const char *comma = p < end ? memchr(p, ',', (size_t)(end - p)) : NULL;
    if (!comma || end - comma < 2 || comma[1] != ' ') return READ_UNPARSED + UNPARSED_BODY;
    if (STARTS_WITH(p, end, "relay=") && slice_is_absent(relay))
      relay = slice_between(p + 6, comma);
    else if (STARTS_WITH(p, end, "delay="))
      line->delivery.delay_us = read_seconds_slow(p + 6, comma);
    else if (STARTS_WITH(p, end, "dsn="))
      line->delivery.dsn = slice_between(p + 4, comma);
    else if (!STARTS_WITH(p, end, "delays=") && !STARTS_WITH(p, end, "conn_use=") && !STARTS_WITH(p, end, "tls="))
      return READ_UNPARSED + UNPARSED_BODY;
    p = comma + 2;
  }
  unsigned result = read_status(p + 7, end, line, text);
  line->delivery.relay_host = line->delivery.relay_ip = SLICE_ABSENT;
  if (relay.ptr) postfix_read_peer_slow(relay, &line->delivery.relay_host, &line->delivery.relay_ip);
  return result;
}

/* The next ">, " at or behind p and outside of quotes ("..." with \ as in RFC 5321; ignored when `ignore_quotes`); NULL: none. */
static const char *find_address_end(const char *p, const char *end, bool ignore_quotes) {
  bool is_quoted = false;
  for (; end - p >= 3; p++) {
    if (*p == '"' && !ignore_quotes) is_quoted = !is_quoted;
    if (*p == '\\' && is_quoted)
      p++;
    else if (*p == '>' && !is_quoted && p[1] == ',' && p[2] == ' ')
      return p;
  }
  return NULL;
}

/* Every way to split a line into address and fields, the first that makes sense. */
static unsigned read_slowly(const char *p, const char *end, bool ignore_quotes, struct line *line, struct slice *text) {
  unsigned tries = 0;
  for (const char *close = p; tries < ADDRESS_ENDS_MAX && (close = find_address_end(close, end, ignore_quotes)); close++, tries++) {
    const char *fields = close + 3;
    line->delivery.recipient = slice_between(p, close);
    line->delivery.orig_recipient = SLICE_ABSENT;
    if (STARTS_WITH(fields, end, "orig_to=<")) {
      const char *original = fields + 9;
      for (const char *at = original; tries < ADDRESS_ENDS_MAX && (at = find_address_end(at, end, ignore_quotes)); at++, tries++) {
        line->delivery.orig_recipient = slice_between(original, at);
        unsigned result = read_fields_slowly(at + 3, end, line, text);
        if (result != READ_UNPARSED + UNPARSED_BODY) return result;
      }
    }
    unsigned result = read_fields_slowly(fields, end, line, text);
    if (result != READ_UNPARSED + UNPARSED_BODY) return result;
  }
  return READ_UNPARSED + UNPARSED_BODY;
}

/* "to=<...>: ..." of a warning, say. What has fields behind the address, or was cut off in it (long lines by syslog over UDP), is a delivery. */
static bool is_remark(const char *p, const char *end) {
  size_t len = (size_t)(end - p);
  return memchr(p, '>', len) && !memmem(p, len, ">, ", 3) && !memmem(p, len, "status=", 7);
}

static __attribute__((noinline)) unsigned read_unusual(const char *p, const char *end, struct line *line, struct slice *text) {
  unsigned result = read_slowly(p, end, false, line, text);
  if (result == READ_UNPARSED + UNPARSED_BODY) result = read_slowly(p, end, true, line, text);
  if (result == READ_UNPARSED + UNPARSED_BODY && is_remark(p, end)) return READ_NOISE + NOISE_bookkeeping;
  return result;
}

/* The end of an address without quotes: its first '>'. NULL when the address needs the slow way. */
static inline const char *plain_address_end(const struct postfix_run *run, const char *p, const char *end) {
  struct block block = block_load_until(p, run->limit);
  uint64_t inside = bits_below((size_t)(end - p)), closes = block_find(block, '>') & inside;
  uint64_t quotes = block_find(block, '"');
  if (__builtin_expect(!closes || (quotes & (closes - 1) & ~closes), 0)) return NULL;
  return p + bits_first(closes);
}

unsigned postfix_read_delivery(const struct postfix_run *run, const char *p, const char *end, struct line *line) {
  struct slice text;
  unsigned result = READ_UNPARSED + UNPARSED_BODY;
  const char *close = plain_address_end(run, p, end);
  if (close) {
    const char *fields = close + 3;
    line->delivery.recipient = slice_between(p, close);
    line->delivery.orig_recipient = SLICE_ABSENT;
    if (STARTS_WITH(close, end, ">, relay=")) {
      result = read_fields(run, fields, end, line, &text);
    } else if (STARTS_WITH(close, end, ">, orig_to=<")) {
      const char *original = fields + 9;
      close = plain_address_end(run, original, end);
      if (close && STARTS_WITH(close, end, ">, relay=")) {
        line->delivery.orig_recipient = slice_between(original, close);
        result = read_fields(run, close + 3, end, line, &text);
      }
    }
  }
  if (__builtin_expect(result == READ_UNPARSED + UNPARSED_BODY, 0)) result = read_unusual(p, end, line, &text);
  if (result != READ_INFO) return result;
  line->delivery.stage = SLICE_ABSENT;
  line->delivery.reply = text;
  line->delivery.smtp_code = 0;
  line->delivery.source_ip = SLICE_ABSENT;
  line->delivery.is_put_off = false;
  if (line->delivery.status == STATUS_delivered)
    line->delivery.smtp_code = reply_smtp_code_of(text);
  else
    postfix_read_reply(text, line);
  return READ_DELIVERY;
}
