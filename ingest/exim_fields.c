/* Addresses, hosts and fields as Exim writes them. See exim_internal.h. */
#include "ingest/exim_internal.h"

const char *exim_address_end_slow(const char *p, const char *end, char stop) {
  bool is_quoted = false;
  const char *first = NULL;
  for (const char *at = p; at < end; at++) {
    if (*at == '"')
      is_quoted = !is_quoted;
    else if (*at == '\\' && is_quoted)
      at++;
    else if (*at == stop && !is_quoted)
      return at;
    if (at < end && *at == stop && !first) first = at;
  }
  return first ? first : end;
}

const char *exim_quoted_end(const char *p, const char *end) {
  while (p < end) {
    const char *quote = memchr(p, '"', (size_t)(end - p));
    if (!quote) return end;
    const char *escape = quote;
    while (escape > p && escape[-1] == '\\') escape--;
    if ((quote - escape) % 2 == 0) return quote + 1;
    p = quote + 1;
  }
  return end;
}

const char *exim_read_bracketed_ip(const char *p, const char *end, const char *limit, struct slice *ip) {
  if (p >= end || *p != '[') return NULL;
  struct block block = block_load_until(++p, limit);
  uint64_t closes = block_find(block, ']') & bits_below((size_t)(end - p)), between = (closes - 1) & ~closes;
  uint64_t separators = block_find(block, '.') | block_find(block, ':');
  uint64_t good =
      separators | block_find_between(block, '0', '9') | block_find_between(block, 'a', 'f') | block_find_between(block, 'A', 'F');
  if (!closes || !(between & separators) || (between & ~good)) return NULL;
  unsigned len = bits_first(closes);
  *ip = slice_of(p, len);
  p += len + 1;
  if (end - p >= 2 && *p == ':' && ascii_is_digit(p[1]))
    for (p++; p < end && ascii_is_digit(*p);) p++;
  return p;
}

const char *exim_read_client(const char *p, const char *end, const char *limit, struct slice *name, struct slice *ip) {
  const char *begin = p;
  *name = *ip = SLICE_ABSENT;
  if (p < end && *p != '(' && *p != '[') {
    const char *blank = scan_find(p, end, limit, ' ');
    if (blank == end) return begin;
    *name = slice_between(p, blank);
    p = blank + 1;
  }
  if (p < end && *p == '(') { /* what is inside is a stranger's, but an address in brackets ends it */
    while ((p = exim_find_pair(p, end, limit, ')', ' '))) {
      const char *behind = exim_read_bracketed_ip(p + 2, end, limit, ip);
      if (behind && (behind == end || *behind == ' ' || *behind == ':')) return behind;
      p++;
    }
    return begin;
  }
  const char *behind = exim_read_bracketed_ip(p, end, limit, ip);
  return behind ? behind : begin;
}

static int64_t seconds_of(char unit) {
  switch (unit) {
    case 's': return 1;
    case 'm': return 60;
    case 'h': return 3600;
    case 'd': return SECONDS_PER_DAY;
    case 'w': return 7 * SECONDS_PER_DAY;
    default: return 0;
  }
}

int64_t exim_read_interval(const char *p, const char *end) {
  int64_t total_us = 0;
  const char *begin = p;
  while (p < end) {
    int64_t whole = 0, fraction_us = 0, scale = 100000;
    const char *digits = p;
    for (; p < end && ascii_is_digit(*p) && p - digits < 9; p++) whole = whole * 10 + (*p - '0');
    if (p == digits) return DELAY_ABSENT;
    if (p < end && *p == '.')
      for (p++; p < end && ascii_is_digit(*p); p++, scale /= 10) fraction_us += (*p - '0') * scale;
    int64_t unit = p < end ? seconds_of(*p++) : 0;
    if (!unit) return DELAY_ABSENT;
    total_us += (whole * US_PER_SECOND + fraction_us) * unit;
    if (p - begin > 32) return DELAY_ABSENT;
  }
  return p > begin ? total_us : DELAY_ABSENT;
}
