/* Masks the variable parts of a reply in one pass. See normalise.h.
 *
 * Sixteen bytes at a time are lowered and copied; where a byte may begin something variable (a digit, @, <, ?, a second space, a control
 * character) the copy stops there and a handler decides. Between two handlers input and output run in step:
 *
 *   in    ... 550 5.1.1 Bob's mailb|ox 12345 ...
 *                       ^floor     ^at                 bytes from floor to at stand, lowered, before `out`
 */
#include "classify/normalise.h"

#include <emmintrin.h>

#include "base/json.h"
#include "classify/byte_class.h"
#include "classify/codes.h"
#include "classify/varying.h"

/* Longest <...> that is taken for an address: RFC 5321 allows 64 + 1 + 255 bytes. */
#define ADDRESS_BYTES_MAX 320

struct normaliser {
  const char *begin, *end; /* the input, zero bytes behind */
  const char *at, *floor;
  char *out, *out_begin;
  char code[4]; /* the reply code at the front; empty: none */
  bool is_multi_line;
  bool has_at_sign;
  const char *no_at_before; /* from n->at to here no @ stands behind a local part: looked for once, not from each digit */
};

static void put(struct normaliser *n, const char *text, size_t len) {
  memcpy(n->out, text, len);
  n->out += len;
}
#define PUT(n, literal) put(n, "" literal, sizeof(literal) - 1)

static void copy_lower(struct normaliser *n, const char *until) {
  while (n->at < until) *n->out++ = ascii_lower(*n->at++);
}

static bool is_space_or_control(char c) { return (unsigned char)c <= ' ' || c == 0x7f; }

static void take_space(struct normaliser *n) {
  while (n->at < n->end && is_space_or_control(*n->at)) n->at++;
  if (n->out > n->out_begin && n->out[-1] != ' ') *n->out++ = ' ';
  n->floor = n->at;
}

/* <user@example.com>, whatever is in it. */
static void take_angle(struct normaliser *n) {
  const char *inside = n->at + 1;
  size_t room = (size_t)(n->end - inside);
  const char *close = room ? memchr(inside, '>', room < ADDRESS_BYTES_MAX ? room : ADDRESS_BYTES_MAX) : NULL;
  if (close && n->has_at_sign) {
    struct slice content = slice_between(inside, close);
    bool is_address = content.len && *inside != ' ' && slice_find_byte(content, '@') < content.len &&
                      slice_find_byte(content, '<') == content.len && slice_find(content, SLICE("://")) == content.len;
    if (is_address) {
      PUT(n, "<addr>");
      n->at = n->floor = close + 1;
      return;
    }
  }
  *n->out++ = '<';
  n->at++;
}

/* Whether a parameter of a URL's query tells which page of help is meant: its value is part of what the receiver says. */
static bool names_a_page(struct slice key) {
  static const char *const KEYS[] = {"p", "s", "c", "no", "code", "error", "reason", "linkid", "subtype"};
  for (size_t i = 0; i < sizeof KEYS / sizeof *KEYS; i++)
    if (slice_equal_nocase(key, slice_from_cstr(KEYS[i]))) return true;
  return false;
}

static bool is_page_name(struct slice value) {
  for (size_t i = 0; i < value.len; i++)
    if (!byte_is(value.ptr[i], BYTE_ALNUM) && value.ptr[i] != '_' && value.ptr[i] != '.' && value.ptr[i] != '-') return false;
  return value.len && value.len <= 32;
}

/* One parameter, from n->at to `stop`. */
static void take_parameter(struct normaliser *n, const char *stop) {
  struct slice whole = slice_between(n->at, stop);
  size_t key_len = slice_find_byte(whole, '=');
  struct slice value = slice_skip(whole, key_len + 1);
  bool is_page = key_len < whole.len && names_a_page(slice_of(whole.ptr, key_len)) && is_page_name(value);
  bool has_key = key_len < whole.len && key_len <= 16 && is_page_name(slice_of(whole.ptr, key_len));
  if (is_page) {
    copy_lower(n, stop);
  } else {
    if (has_key) copy_lower(n, n->at + key_len + 1);
    if (stop > n->at) PUT(n, "<v>");
    n->at = stop;
  }
}

/* Whether what was written last is a URL: a slash with no space, quote or parenthesis behind it. By memchr, as a reply may have a '?' in
 * every place. */
static bool is_in_url(const struct normaliser *n) {
  size_t len = (size_t)(n->out - n->out_begin);
  const char *slash = len ? memrchr(n->out_begin, '/', len) : NULL;
  if (!slash) return false;
  size_t behind = (size_t)(n->out - slash);
  return !memchr(slash, ' ', behind) && !memchr(slash, '"', behind) && !memchr(slash, '(', behind);
}

/* The query of a URL: from '?' to the end of the word; a full stop or comma at its end is not of it. */
static void take_query(struct normaliser *n) {
  bool is_url = is_in_url(n);
  *n->out++ = *n->at++;
  if (!is_url) return;
  const char *end_of_word = n->at;
  while (end_of_word < n->end && !is_space_or_control(*end_of_word) && !strchr("<>\"')]", *end_of_word)) end_of_word++;
  const char *stop = end_of_word;
  while (stop > n->at && strchr(".,;:!?", stop[-1])) stop--;
  while (n->at < stop) {
    const char *end = n->at;
    while (end < stop && *end != '&' && *end != ';') end++;
    take_parameter(n, end);
    if (n->at < stop) *n->out++ = *n->at++;
  }
  copy_lower(n, end_of_word);
  n->floor = n->at;
}

/* Behind the @ of an address: its domain, and what follows by further @. */
static const char *skip_domains(const char *p, const char *end) {
  for (;;) {
    if (p < end && *p == '[') {
      const char *close = memchr(p, ']', (size_t)(end - p) < 64 ? (size_t)(end - p) : 64);
      if (close) p = close + 1;
    }
    const char *from = p;
    /* Chinese text may follow an address without a space; a label that begins with such a byte is of the domain. */
    while (p < end) {
      bool begins_label = p == from || p[-1] == '.' || (p[-1] & 0x80);
      if (!byte_is(*p, BYTE_RUN) && !((*p & 0x80) && begins_label)) break;
      p++;
    }
    while (p > from && (p[-1] == '.' || p[-1] == '-')) p--;
    if (p >= end || *p != '@') return p;
    p++;
  }
}

/* At an @, or behind one that is written otherwise (`domain`): what stands before it in the output is the local part. */
static void take_address(struct normaliser *n, const char *domain) {
  char *from = n->out;
  if (from > n->out_begin && from[-1] == '"') {
    from--;
    while (from > n->out_begin && (from[-1] != '"' || (from - 1 > n->out_begin && from[-2] == '\\'))) from--;
    if (from > n->out_begin) from--;
  } else if (from > n->out_begin && from[-1] == '>') {
    while (from > n->out_begin && *from != '<') from--;
  }
  while (from > n->out_begin && byte_is(from[-1], BYTE_LOCAL)) from--;
  /* In a URL only what stands behind its last slash. */
  if (from > n->out_begin && from[-1] == ':' && n->out - from >= 2 && from[0] == '/' && from[1] == '/')
    for (char *p = from; p < n->out; p++)
      if (*p == '/') from = p + 1;
  if (from == n->out) {
    *n->out++ = '@';
    n->at++;
    return;
  }
  n->out = from;
  PUT(n, "<addr>");
  n->at = n->floor = skip_domains(domain, n->end);
}

/* Drops the codes that open the further lines of a joined multi-line reply. */
static bool take_line_code(struct normaliser *n) {
  if (!n->code[0] || memcmp(n->at, n->code, 3) != 0 || n->out == n->out_begin || n->out[-1] != ' ') return false;
  const char *p = n->at + 3;
  if (p >= n->end || (*p != '-' && *p != ' ')) return false;
  bool is_dash = *p == '-';
  size_t dsn = dsn_length(slice_between(p + 1, n->end));
  bool has_dsn = dsn && (p + 1 + dsn == n->end || p[1 + dsn] == ' ');
  if (has_dsn)
    p += 1 + dsn;
  else if (is_dash || n->is_multi_line)
    p += 1;
  else
    return false;
  while (p < n->end && *p == ' ') p++;
  n->at = n->floor = p;
  return true;
}

/* Whether a date or time may begin with these digits: by what stands behind the first one, two or four. */
static bool may_be_time(const char *at) {
  return at[1] == ':' || at[2] == ':' || at[1] == ' ' || at[2] == ' ' || at[4] == '-' || at[4] == '/';
}

/* A date or time; a month and a day of the week before it go with it. */
static bool take_time(struct normaliser *n) {
  if (!may_be_time(n->at)) return false;
  char *out = n->out;
  size_t len = 0;
  if (out - n->out_begin >= 4 && out[-1] == ' ' && varying_is_month(out - 4)) {
    len = varying_day_and_time(n->at, n->end);
    if (len) out -= 4;
  }
  if (!len) len = varying_time(n->at, n->end);
  if (!len) return false;
  if (out - n->out_begin >= 5 && out[-1] == ' ' && out[-2] == ',' && varying_is_weekday(out - 5))
    out -= 5;
  else if (out - n->out_begin >= 4 && out[-1] == ' ' && varying_is_weekday(out - 4))
    out -= 4;
  n->out = out;
  PUT(n, "<time>");
  n->at = n->floor = n->at + len;
  return true;
}

/* An IPv6 address has a colon beside the digits; it may have begun before them, with letters. */
static bool take_ipv6(struct normaliser *n) {
  const char *from = n->at, *after = n->at;
  while (from > n->floor && (byte_is(from[-1], BYTE_HEX) || from[-1] == ':')) from--;
  while (after < n->end && byte_is(*after, BYTE_HEX)) after++;
  bool has_colon = (after < n->end && *after == ':') || (from < n->at && memchr(from, ':', (size_t)(n->at - from)));
  if (!has_colon) return false;
  if (from > n->begin && byte_is(from[-1], BYTE_ALNUM))
    while (from < n->at && *from != ':') from++;
  if (from > n->begin && byte_is(from[-1], BYTE_ALNUM) && *from != ':') return false;
  size_t len = varying_ipv6(from, n->end);
  if (!len && *from == ':') len = varying_ipv6(++from, n->end);
  if (!len || from + len <= n->at) return false;
  n->out -= n->at - from;
  PUT(n, "<ip>");
  n->at = n->floor = from + len;
  return true;
}

/* Labels with two digits or more become <h>; the last two are whose host it is and stay, and so does a short name with a short number
 * right before them (mx12.example.com, zones of blocklists). */
static void take_host(struct normaliser *n, struct slice run) {
  size_t dots = 0;
  for (size_t i = 0; i < run.len; i++) dots += run.ptr[i] == '.';
  bool is_short = dots == 2;
  for (n->at = run.ptr; dots >= 2; dots--) {
    const char *label = n->at, *stop = label;
    size_t digits = 0;
    for (; *stop != '.'; stop++) digits += byte_is(*stop, BYTE_DIGIT) != 0;
    bool ends_in_two = digits == 2 && stop - label <= 10 && byte_is(stop[-1], BYTE_DIGIT) && byte_is(stop[-2], BYTE_DIGIT);
    if (digits >= 2 && !(is_short && ends_in_two))
      PUT(n, "<h>"), n->at = stop;
    else
      copy_lower(n, stop);
    *n->out++ = '.', n->at++;
  }
  copy_lower(n, run.ptr + run.len);
}

/* Each run of letters and digits by itself. */
static void take_components(struct normaliser *n, struct slice run) {
  const char *end = run.ptr + run.len;
  for (n->at = run.ptr; n->at < end;) {
    const char *stop = n->at;
    while (stop < end && byte_is(*stop, BYTE_ALNUM)) stop++;
    if (stop == n->at) {
      *n->out++ = *n->at++;
      continue;
    }
    size_t letters;
    struct slice component = slice_between(n->at, stop);
    enum component kind = varying_component(component, &letters);
    if (component.len == run.len && letters == 0 && run.len <= 4 && varying_is_unit(stop, n->end)) kind = COMPONENT_NUMBER;
    if (kind == COMPONENT_NAMED_NUMBER) copy_lower(n, n->at + letters);
    if (kind == COMPONENT_ID)
      PUT(n, "<id>"), n->at = stop;
    else if (kind != COMPONENT_PLAIN)
      PUT(n, "<n>"), n->at = stop;
    else
      copy_lower(n, stop);
  }
}

/* The word of letters, digits, . _ - + around the digit at n->at, as far as it was not handled yet. */
static void take_run(struct normaliser *n) {
  const char *from = n->at, *stop = n->at;
  while (from > n->floor && byte_is(from[-1], BYTE_RUN)) from--;
  while (from < n->at && !byte_is(*from, BYTE_ALNUM)) from++;
  unsigned classes = from < n->at ? BYTE_LETTER : 0;
  for (; stop < n->end && byte_is(*stop, BYTE_RUN); stop++) classes |= byte_is(*stop, BYTE_LETTER);
  while (!byte_is(stop[-1], BYTE_ALNUM)) stop--;
  struct slice run = slice_between(from, stop);
  bool is_path = from > n->begin && from[-1] == '/' && !(from - 1 > n->begin && from[-2] == '/');
  const char *component = n->at;
  while (component > from && byte_is(component[-1], BYTE_ALNUM)) component--;
  n->out -= n->at - from;
  /* Numbers and dotted codes are the most, and neither a host nor an id. */
  bool may_be_more = classes && !is_path && stop - component >= 4;
  bool is_host = may_be_more && byte_is(stop[-1], BYTE_LETTER) && varying_is_host(run);
  size_t id = may_be_more && !is_host ? varying_id_run(slice_between(component, stop)) : 0;
  if (is_host) {
    take_host(n, run);
  } else if (id) {
    n->at = from;
    copy_lower(n, component);
    PUT(n, "<id>");
    n->at = component + id;
  } else {
    take_components(n, run);
  }
  n->floor = n->at;
}

static void take_digit(struct normaliser *n) {
  if (n->has_at_sign && n->at >= n->no_at_before) {
    const char *p = n->at;
    while (p < n->end && byte_is(*p, BYTE_LOCAL)) p++;
    if (p < n->end && *p == '@') {
      copy_lower(n, p);
      take_address(n, p + 1);
      return;
    }
    n->no_at_before = p;
  }
  if (n->at > n->floor && n->at[-1] == '%' && n->at[0] == '4' && n->at[1] == '0' && n->at + 2 < n->end) {
    n->out--;
    take_address(n, n->at + 2);
    return;
  }
  bool begins_word = n->at == n->floor || !byte_is(n->at[-1], BYTE_ALNUM);
  if (begins_word) {
    if (take_line_code(n) || take_time(n)) return;
    bool has_dot = n->at[1] == '.' || n->at[2] == '.' || n->at[3] == '.';
    size_t len = has_dot && (n->at == n->begin || n->at[-1] != '.') ? varying_ipv4(n->at, n->end) : 0;
    if (len) {
      PUT(n, "<ip>");
      n->at = n->floor = n->at + len;
      return;
    }
  }
  if (!take_ipv6(n)) take_run(n);
}

/* The reply code at the front, with a space behind it whether the reply goes on or not. */
static void take_front_code(struct normaliser *n) {
  const char *p = n->at;
  bool has_code = n->end - p >= 4 && *p >= '2' && *p <= '5' && byte_is(p[1], BYTE_DIGIT) && byte_is(p[2], BYTE_DIGIT) &&
                  (p[3] == ' ' || p[3] == '-');
  if (!has_code) return;
  memcpy(n->code, p, 3);
  n->is_multi_line = p[3] == '-';
  put(n, p, 3);
  *n->out++ = ' ';
  n->at = n->floor = p + 4;
  while (n->at < n->end && *n->at == ' ') n->at++;
  size_t dsn = dsn_length(slice_between(n->at, n->end));
  if (dsn && n->at[dsn] == ' ') {
    put(n, n->at, dsn);
    n->at += dsn;
  }
  n->floor = n->at;
}

/* Lowers and copies until a byte that a handler must see; false at the end of the input. */
static bool copy_plain(struct normaliser *n) {
  const __m128i below_a = _mm_set1_epi8('A' - 1), above_z = _mm_set1_epi8('Z' + 1), case_bit = _mm_set1_epi8(0x20);
  const __m128i below_0 = _mm_set1_epi8('0' - 1), above_9 = _mm_set1_epi8('9' + 1), space = _mm_set1_epi8(' ');
  while (n->at < n->end) {
    __m128i bytes = _mm_loadu_si128((const __m128i *)n->at);
    __m128i is_upper = _mm_and_si128(_mm_cmpgt_epi8(bytes, below_a), _mm_cmplt_epi8(bytes, above_z));
    _mm_storeu_si128((__m128i *)n->out, _mm_or_si128(bytes, _mm_and_si128(is_upper, case_bit)));
    __m128i stops = _mm_and_si128(_mm_cmpgt_epi8(bytes, below_0), _mm_cmplt_epi8(bytes, above_9));
    stops = _mm_or_si128(stops, _mm_cmpeq_epi8(bytes, _mm_set1_epi8('@')));
    stops = _mm_or_si128(stops, _mm_cmpeq_epi8(bytes, _mm_set1_epi8('<')));
    stops = _mm_or_si128(stops, _mm_cmpeq_epi8(bytes, _mm_set1_epi8('?')));
    stops = _mm_or_si128(stops, _mm_cmpeq_epi8(bytes, _mm_set1_epi8(0x7f)));
    __m128i not_high = _mm_cmpgt_epi8(bytes, _mm_set1_epi8(-1));
    stops = _mm_or_si128(stops, _mm_and_si128(not_high, _mm_cmplt_epi8(bytes, space)));
    unsigned spaces = (unsigned)_mm_movemask_epi8(_mm_cmpeq_epi8(bytes, space));
    bool after_space = n->out == n->out_begin || n->out[-1] == ' ';
    unsigned mask = (unsigned)_mm_movemask_epi8(stops) | (spaces & (spaces << 1 | (unsigned)after_space));
    unsigned plain = mask ? (unsigned)__builtin_ctz(mask) : 16;
    n->at += plain, n->out += plain;
    if (mask) return n->at < n->end;
  }
  return false;
}

/* Where a long reply is cut: before a word that may be the half of an address. */
static size_t cut_length(struct slice reply) {
  if (reply.len < LIMIT_REPLY_BYTES) return reply.len;
  size_t len = LIMIT_REPLY_BYTES, shortest = LIMIT_REPLY_BYTES - ADDRESS_BYTES_MAX;
  while (len > shortest && byte_is(reply.ptr[len - 1], BYTE_LOCAL)) len--;
  return len > shortest ? len : LIMIT_REPLY_BYTES;
}

/* memcpy, for lengths of which GCC makes REP MOVS of it, whose start alone costs what copying a reply does. */
static void copy_blocks(char *to, const char *from, size_t len) {
  if (len < 16) {
    for (size_t i = 0; i < len; i++) to[i] = from[i];
    return;
  }
  for (size_t i = 0; i + 16 <= len; i += 16) _mm_storeu_si128((__m128i *)(to + i), _mm_loadu_si128((const __m128i *)(from + i)));
  _mm_storeu_si128((__m128i *)(to + len - 16), _mm_loadu_si128((const __m128i *)(from + len - 16)));
}

size_t normalise_reply(struct slice reply, char *out) {
  char padded[LIMIT_REPLY_BYTES + 32];
  size_t len = cut_length(reply);
  copy_blocks(padded, reply.ptr, len);
  memset(padded + len, 0, 32);
  struct normaliser n = {
      .begin = padded, .end = padded + len, .at = padded, .floor = padded, .out = out, .out_begin = out, .no_at_before = padded};
  n.has_at_sign = memchr(padded, '@', len) != NULL;
  while (n.at < n.end && is_space_or_control(*n.at)) n.floor = ++n.at;
  take_front_code(&n);
  while (copy_plain(&n)) {
    char c = *n.at;
    if (byte_is(c, BYTE_DIGIT))
      take_digit(&n);
    else if (c == '@')
      take_address(&n, n.at + 1);
    else if (c == '<')
      take_angle(&n);
    else if (c == '?')
      take_query(&n);
    else
      take_space(&n);
  }
  /* The copy by sixteen may have run over the end. */
  n.out -= n.at - n.end;
  if (n.out > out && n.out[-1] == ' ') n.out--;
  return (size_t)(n.out - out);
}

/* How many bytes at the front are ASCII, in steps of eight. */
static size_t ascii_prefix(struct slice text) {
  size_t len = 0;
  for (; len + 8 <= text.len; len += 8) {
    uint64_t word;
    memcpy(&word, text.ptr + len, 8);
    if (word & 0x8080808080808080u) break;
  }
  return len;
}

size_t normalise_template(struct slice normalised, char *out) {
  size_t plain =
      ascii_prefix(slice_of(normalised.ptr, normalised.len < LIMIT_TEMPLATE_BYTES ? normalised.len : LIMIT_TEMPLATE_BYTES));
  if (plain) memcpy(out, normalised.ptr, plain);
  size_t len = plain, i = plain;
  while (i < normalised.len) {
    size_t sequence = (normalised.ptr[i] & 0x80) ? utf8_sequence_len(slice_skip(normalised, i)) : 1;
    size_t wide = sequence ? sequence : 3;
    if (len + wide > LIMIT_TEMPLATE_BYTES) break;
    memcpy(out + len, sequence ? normalised.ptr + i : "\xef\xbf\xbd", wide);
    len += wide;
    i += sequence ? sequence : 1;
  }
  return len;
}
