/* Recognises times, host addresses and ids. See varying.h. */
#include "classify/varying.h"

#include "classify/byte_class.h"

#define DIGIT (BYTE_DIGIT | BYTE_RUN | BYTE_LOCAL)
#define LETTER (BYTE_LETTER | BYTE_RUN | BYTE_LOCAL)

const uint8_t BYTE_CLASSES[256] = {
    ['0' ... '9'] = DIGIT | BYTE_HEX,
    ['a' ... 'f'] = LETTER | BYTE_HEX,
    ['g' ... 'z'] = LETTER,
    ['A' ... 'F'] = LETTER | BYTE_HEX,
    ['G' ... 'Z'] = LETTER,
    ['.'] = BYTE_RUN | BYTE_LOCAL,
    ['-'] = BYTE_RUN | BYTE_LOCAL,
    ['_'] = BYTE_RUN | BYTE_LOCAL,
    ['+'] = BYTE_RUN | BYTE_LOCAL,
    ['!'] = BYTE_LOCAL,
    ['#' ... '\''] = BYTE_LOCAL,
    ['*'] = BYTE_LOCAL,
    ['/'] = BYTE_LOCAL,
    ['='] = BYTE_LOCAL,
    ['?'] = BYTE_LOCAL,
    ['^'] = BYTE_LOCAL,
    ['`'] = BYTE_LOCAL,
    ['{' ... '~'] = BYTE_LOCAL,
    [0x80 ... 0xff] = BYTE_LOCAL,
};

static size_t count_class(const char *at, const char *end, unsigned classes, size_t most) {
  size_t n = 0;
  while (n < most && at + n < end && byte_is(at[n], classes)) n++;
  return n;
}

/* Whether the bytes look like `pattern`, in which 0 stands for a digit. */
static bool looks_like(const char *at, const char *end, const char *pattern) {
  for (; *pattern; pattern++, at++) {
    if (at >= end) return false;
    if (*pattern == '0' ? !byte_is(*at, BYTE_DIGIT) : ascii_lower(*at) != *pattern) return false;
  }
  return true;
}

size_t varying_ipv4(const char *at, const char *end) {
  const char *p = at;
  for (unsigned part = 0; part < 4; part++) {
    if (part && (p >= end || *p++ != '.')) return 0;
    size_t digits = count_class(p, end, BYTE_DIGIT, 4);
    if (digits == 0 || digits > 3) return 0;
    unsigned value = 0;
    for (size_t i = 0; i < digits; i++) value = value * 10 + (unsigned)(p[i] - '0');
    if (value > 255) return 0;
    p += digits;
  }
  if (p < end && byte_is(*p, BYTE_ALNUM)) return 0;
  if (looks_like(at, end, "127.")) return 0;
  return (size_t)(p - at);
}

size_t varying_ipv6(const char *at, const char *end) {
  const char *p = at;
  unsigned groups = 0, colons = 0;
  bool has_gap = false;
  while (p < end) {
    if (p[0] == ':' && p + 1 < end && p[1] == ':') {
      if (has_gap) break;
      has_gap = true, colons += 2, p += 2;
    } else if (p[0] == ':' && p > at && p + 1 < end && byte_is(p[1], BYTE_HEX)) {
      colons++, p++;
    } else if (p > at && p[-1] != ':') {
      break;
    }
    size_t dotted = colons >= 2 ? varying_ipv4(p, end) : 0;
    if (dotted) {
      p += dotted, groups += 2;
      break;
    }
    size_t digits = count_class(p, end, BYTE_HEX, 5);
    if (digits > 4) return 0;
    if (digits == 0) break;
    p += digits;
    if (++groups > 8) return 0; /* so that a row of hundreds is not read again from each of them */
  }
  if (p < end && byte_is(*p, BYTE_ALNUM)) return 0;
  bool is_whole = colons >= 2 && (has_gap ? groups >= 1 && groups < 8 : groups == 8);
  return is_whole ? (size_t)(p - at) : 0;
}

/* "08:58:06", with fraction and zone. */
static size_t clock_time(const char *at, const char *end) {
  const char *p = at;
  if (looks_like(p, end, "00:00:00"))
    p += 8;
  else if (looks_like(p, end, "0:00:00"))
    p += 7;
  else
    return 0;
  if (p < end && *p == '.' && p + 1 < end && byte_is(p[1], BYTE_DIGIT)) p += 1 + count_class(p + 1, end, BYTE_DIGIT, 9);
  if (looks_like(p, end, "z")) return (size_t)(p + 1 - at);
  if (looks_like(p, end, "+00:00") || looks_like(p, end, "-00:00")) return (size_t)(p + 6 - at);
  if (looks_like(p, end, " +0000") || looks_like(p, end, " -0000")) return (size_t)(p + 6 - at);
  return (size_t)(p - at);
}

size_t varying_time(const char *at, const char *end) {
  size_t clock = clock_time(at, end), date = 0;
  if (clock) return clock;
  if (looks_like(at, end, "0000-00-00") || looks_like(at, end, "0000/00/00")) {
    date = 10;
  } else {
    size_t day = count_class(at, end, BYTE_DIGIT, 2);
    bool is_date = day && at[day] == ' ' && varying_is_month(at + day + 1) && looks_like(at + day + 4, end, " 0000");
    if (is_date) date = day + 9;
  }
  if (!date) return 0;
  const char *p = at + date;
  bool joins = p + 1 < end && (*p == ' ' || ascii_lower(*p) == 't' || *p == '_');
  clock = joins ? clock_time(p + 1, end) : 0;
  if (clock) return date + 1 + clock;
  return p < end && byte_is(*p, BYTE_ALNUM) ? 0 : date;
}

size_t varying_day_and_time(const char *at, const char *end) {
  size_t day = count_class(at, end, BYTE_DIGIT, 2);
  if (!day || at + day >= end || at[day] != ' ') return 0;
  size_t clock = clock_time(at + day + 1, end);
  return clock ? day + 1 + clock : 0;
}

/* Whether the three letters at `at` are one of the names, which stand one after another in `names`. */
static bool is_one_of(const char *at, const char *names) {
  for (; *names; names += 3)
    if (ascii_lower(at[0]) == names[0] && ascii_lower(at[1]) == names[1] && ascii_lower(at[2]) == names[2]) return true;
  return false;
}

bool varying_is_month(const char *at) { return is_one_of(at, "janfebmaraprmayjunjulaugsepoctnovdec"); }
bool varying_is_weekday(const char *at) { return is_one_of(at, "montuewedthufrisatsun"); }

enum component varying_component(struct slice component, size_t *letter_count) {
  /* Counted without a branch a byte: in an id digits and letters are a coin's throw. */
  size_t digits = 0, leading_letters = 0;
  for (size_t i = 0; i < component.len; i++) digits += byte_is(component.ptr[i], BYTE_DIGIT);
  while (leading_letters < component.len && !byte_is(component.ptr[leading_letters], BYTE_DIGIT)) leading_letters++;
  *letter_count = leading_letters;
  if (digits == 0) return COMPONENT_PLAIN;
  if (digits == component.len) return digits >= 5 ? COMPONENT_NUMBER : COMPONENT_PLAIN;
  bool is_named = leading_letters + digits == component.len;
  if (is_named && leading_letters <= 12) return digits >= 5 ? COMPONENT_NAMED_NUMBER : COMPONENT_PLAIN;
  bool is_id = (component.len >= 10 && digits >= 2) || (component.len >= 8 && digits >= 3);
  return is_id ? COMPONENT_ID : COMPONENT_PLAIN;
}

bool varying_is_host(struct slice run) {
  size_t label_len = 0, dots = 0;
  bool last_is_letters = true;
  for (size_t i = 0; i < run.len; i++) {
    char c = run.ptr[i];
    if (c == '.') {
      if (label_len == 0) return false;
      label_len = 0, last_is_letters = true, dots++;
      continue;
    }
    if (c == '+') return false;
    last_is_letters = last_is_letters && byte_is(c, BYTE_LETTER);
    label_len++;
  }
  return dots && label_len >= 2 && last_is_letters;
}

/* Exim's message ids, 1rAbCd-0001Ab-2C (before 4.97) and 1rAbCd-00000001abc-2XyZ. */
static bool is_exim_id(struct slice run) {
  if (run.len != 16 && run.len != 23) return false;
  size_t second = run.len == 16 ? 13 : 18;
  for (size_t i = 0; i < run.len; i++) {
    bool is_dash = i == 6 || i == second;
    if (is_dash ? run.ptr[i] != '-' : !byte_is(run.ptr[i], BYTE_ALNUM)) return false;
  }
  return true;
}

size_t varying_id_run(struct slice run) {
  if (is_exim_id(run)) return run.len;
  bool has_id = false;
  size_t until = 0;
  for (size_t i = 0; i < run.len;) {
    if (!byte_is(run.ptr[i], BYTE_ALNUM)) {
      i++;
      continue;
    }
    size_t len = 0, letters, digits = 0;
    for (; i + len < run.len && byte_is(run.ptr[i + len], BYTE_ALNUM); len++) digits |= byte_is(run.ptr[i + len], BYTE_DIGIT);
    if (varying_component(slice_of(run.ptr + i, len), &letters) == COMPONENT_ID) has_id = true;
    i += len;
    if (digits) until = i;
  }
  return has_id ? until : 0;
}

bool varying_is_unit(const char *at, const char *end) {
  static const char *const UNITS[] = {" sec", " min", " hour", " byte", " day"};
  for (size_t i = 0; i < sizeof UNITS / sizeof *UNITS; i++)
    if (looks_like(at, end, UNITS[i])) return true;
  return false;
}
