/* Codes at the front of replies and their table. See codes.h, codes.def. */
#include "classify/codes.h"

#include <string.h>

#include "classify/classify.h"

/* Words around a reply stand before it within these bytes. */
#define WRAPPING_BYTES 512

static const struct {
  uint16_t smtp_code;
  struct dsn_code dsn;
  enum cause cause;
} CODES[] = {
#define CODE(smtp, class, subject, detail, cause) {smtp, {class, subject, detail}, CAUSE_##cause},
#include "classify/codes.def"
};

static const struct {
  uint16_t smtp_code;
  enum cause cause;
} REPLIES[] = {
#define REPLY(smtp, cause) {smtp, CAUSE_##cause},
#include "classify/codes.def"
};

/* One to three digits at `*at`, which moves behind them. */
static bool read_part(const char **at, const char *end, uint16_t *out) {
  const char *p = *at;
  unsigned value = 0;
  while (p < end && ascii_is_digit(*p) && p - *at < 3) value = value * 10 + (unsigned)(*p++ - '0');
  if (p == *at || (p < end && ascii_is_digit(*p))) return false;
  *at = p;
  *out = (uint16_t)value;
  return true;
}

static size_t read_dsn(struct slice text, struct dsn_code *out) {
  if (text.len < 5 || text.ptr[1] != '.' || (text.ptr[0] != '5' && text.ptr[0] != '4' && text.ptr[0] != '2')) return 0;
  const char *at = text.ptr + 2, *end = text.ptr + text.len;
  out->class = (uint16_t)(text.ptr[0] - '0');
  if (!read_part(&at, end, &out->subject) || at >= end || *at != '.') return 0;
  at++;
  if (!read_part(&at, end, &out->detail)) return 0;
  return (size_t)(at - text.ptr);
}

size_t dsn_length(struct slice text) {
  struct dsn_code dsn;
  return read_dsn(text, &dsn);
}

struct dsn_code dsn_parse(struct slice text) {
  struct dsn_code dsn;
  size_t len = read_dsn(text, &dsn);
  return len && len == text.len ? dsn : (struct dsn_code){0};
}

void reply_read_codes(struct slice reply, uint16_t *smtp_code, struct slice *dsn) {
  *smtp_code = 0;
  *dsn = SLICE_ABSENT;
  struct slice text = slice_trim(reply);
  bool has_code = text.len >= 3 && text.ptr[0] >= '2' && text.ptr[0] <= '5' && ascii_is_digit(text.ptr[1]) &&
                  ascii_is_digit(text.ptr[2]) && (text.len == 3 || text.ptr[3] == ' ' || text.ptr[3] == '-');
  if (has_code) {
    *smtp_code = (uint16_t)((text.ptr[0] - '0') * 100 + (text.ptr[1] - '0') * 10 + (text.ptr[2] - '0'));
    text = slice_trim(slice_skip(text, text.len == 3 ? 3 : 4));
  }
  size_t len = dsn_length(text);
  bool is_whole = len && (len == text.len || text.ptr[len] == ' ' || text.ptr[len] == '-' || text.ptr[len] == ':');
  if (is_whole) *dsn = slice_of(text.ptr, len);
}

/* A reply code and what parts it from its text. */
static bool starts_with_code(struct slice text) {
  return text.len > 3 && text.ptr[0] >= '2' && text.ptr[0] <= '5' && ascii_is_digit(text.ptr[1]) && ascii_is_digit(text.ptr[2]) &&
         (text.ptr[3] == ' ' || text.ptr[3] == '-');
}

/* "mx.example" of "host mx.example[192.0.2.7] said: ", which ends at `end`. */
static struct slice wrapping_host(struct slice text, size_t end) {
  struct slice before = slice_of(text.ptr, end);
  size_t at = slice_find(before, SLICE("host "));
  if (at == before.len) return SLICE_ABSENT;
  struct slice host = slice_skip(before, at + 5);
  size_t open = slice_find_byte(host, '[');
  if (open == host.len) return SLICE_ABSENT;
  return slice_trim(slice_of(host.ptr, open));
}

struct slice reply_unwrap(struct slice text, struct slice *host) {
  *host = SLICE_ABSENT;
  if (starts_with_code(text) || slice_starts_with(text, SLICE("SASL ")) || slice_starts_with(text, SLICE("TLS ")) ||
      slice_starts_with(text, SLICE("Protocol error")))
    return text;
  size_t len = text.len < WRAPPING_BYTES ? text.len : WRAPPING_BYTES;
  for (size_t i = 0; i < len; i++) {
    if (!memchr(":;'<>", text.ptr[i], 5)) continue;
    struct slice reply = slice_trim(slice_skip(text, i + 1));
    if (!starts_with_code(reply) || reply.ptr[0] < '4') continue;
    *host = wrapping_host(text, i);
    return reply;
  }
  return text;
}

bool codes_find_cause(uint16_t smtp_code, struct dsn_code dsn, enum cause *out) {
  for (size_t i = 0; dsn.class && i < sizeof CODES / sizeof *CODES; i++) {
    if (CODES[i].smtp_code && CODES[i].smtp_code != smtp_code) continue;
    if (CODES[i].dsn.class && CODES[i].dsn.class != dsn.class) continue;
    if (CODES[i].dsn.subject != dsn.subject || CODES[i].dsn.detail != dsn.detail) continue;
    *out = CODES[i].cause;
    return true;
  }
  /* An enhanced code that says something unknown outweighs the reply code; x.0.0 says nothing. */
  if (dsn.class && (dsn.subject || dsn.detail)) return false;
  for (size_t i = 0; i < sizeof REPLIES / sizeof *REPLIES; i++) {
    if (REPLIES[i].smtp_code != smtp_code) continue;
    *out = REPLIES[i].cause;
    return true;
  }
  return false;
}
