/* The codes at the front of a reply, for formats that give it as the server said it: "550 5.1.1 text", "550-text", "5.1.1 text". */
#ifndef INGEST_REPLY_CODES_H
#define INGEST_REPLY_CODES_H

#include "ingest/scan.h"

/* RFC 5321 4.2: 200 to 599, and behind it a blank, a hyphen or nothing; else 0. */
static inline uint16_t reply_smtp_code(const char *p, const char *end) {
  if (end - p < 3 || *p < '2' || *p > '5' || !ascii_is_digit(p[1]) || !ascii_is_digit(p[2])) return 0;
  if (end - p > 3 && p[3] != ' ' && p[3] != '-') return 0;
  return (uint16_t)((p[0] - '0') * 100 + (p[1] - '0') * 10 + (p[2] - '0'));
}

static inline uint16_t reply_smtp_code_of(struct slice text) {
  return text.len ? reply_smtp_code(text.ptr, text.ptr + text.len) : 0;
}

/* RFC 3463: the enhanced code at p, ended by a blank or the end of the text; absent when there is none. */
static inline struct slice reply_dsn_at(const char *p, const char *end) {
  const char *begin = p;
  unsigned dots = 0;
  if (end - p < 5 || (*p != '2' && *p != '4' && *p != '5') || p[1] != '.') return SLICE_ABSENT;
  for (; p < end && p - begin < 9 && (ascii_is_digit(*p) || (*p == '.' && p[-1] != '.')); p++) dots += *p == '.';
  bool is_whole = dots == 2 && p[-1] != '.' && (p == end || *p == ' ');
  return is_whole ? slice_between(begin, p) : SLICE_ABSENT;
}

/* The enhanced code behind the reply code (or at the front when there is none), if both are of one class: RFC 2034 4. */
static inline struct slice reply_dsn(const char *p, const char *end) {
  uint16_t code = reply_smtp_code(p, end);
  const char *at = !code ? p : end - p > 4 ? p + 4 : end;
  struct slice dsn = reply_dsn_at(at, end);
  return code && dsn.len && dsn.ptr[0] != *p ? SLICE_ABSENT : dsn;
}

#endif
