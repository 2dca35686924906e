/* The unusual headers: with a priority, without a host, without a program, longer than a block, RFC 5424. */
#include "ingest/syslog.h"

/* Behind "<PRI>", or p when there is none. RFC 5424 6.2.1: one to three digits. */
static const char *skip_priority(const char *p, const char *end) {
  if (p >= end || *p != '<') return p;
  const char *digit = p + 1;
  while (digit < end && digit - p <= 3 && ascii_is_digit(*digit)) digit++;
  return digit > p + 1 && digit < end && *digit == '>' ? digit + 1 : p;
}

static const char *find_or_end(const char *p, const char *end, char byte) {
  const char *at = p < end ? memchr(p, byte, (size_t)(end - p)) : NULL;
  return at ? at : end;
}

static void split_program(struct slice name, struct syslog_header *out) {
  out->instance = out->service = SLICE_ABSENT;
  if (slice_is_absent(name)) return;
  const char *end = name.ptr + name.len, *first = memchr(name.ptr, '/', name.len), *last = memrchr(name.ptr, '/', name.len);
  if (first) out->instance = slice_between(name.ptr, first);
  out->service = slice_between(last ? last + 1 : name.ptr, end);
}

/* Whether [p, end) is "name:" or "name[pid]:". */
static bool is_program(const char *p, const char *end) { return end - p >= 2 && end[-1] == ':'; }

static struct slice program_name(const char *p, const char *end) { return slice_between(p, find_or_end(p, end - 1, '[')); }

/* Behind "[ID 197553 mail.info] ", which the syslogd of Solaris writes before the text; p when there is none. */
static const char *skip_message_id(const char *p, const char *end) {
  if (!STARTS_WITH(p, end, "[ID ")) return p;
  const char *number = p + 4, *at = number;
  while (at < end && ascii_is_digit(*at)) at++;
  if (at == number || at == end || *at != ' ') return p;
  const char *priority = ++at;
  while (at < end && (ascii_is_digit(*at) || *at == '.' || (*at >= 'a' && *at <= 'z'))) at++;
  return at > priority && STARTS_WITH(at, end, "] ") ? at + 2 : p;
}

/* Behind an RFC 3164 or RFC 3339 stamp: "host program[pid]: text", either of the two missing. */
static void read_host_and_program(const char *p, const char *end, struct syslog_header *out) {
  const char *blank = find_or_end(p, end, ' ');
  out->host = SLICE_ABSENT;
  if (!is_program(p, blank)) {
    if (blank > p) out->host = slice_between(p, blank);
    p = blank < end ? blank + 1 : end;
    blank = find_or_end(p, end, ' ');
  }
  if (is_program(p, blank)) {
    split_program(program_name(p, blank), out);
    out->text = skip_message_id(blank < end ? blank + 1 : end, end);
  } else {
    split_program(SLICE_ABSENT, out);
    out->text = p;
  }
}

/* One field of an RFC 5424 header; "-" is absent. Returns behind the blank that ends it, NULL when the line ends before. */
static const char *read_field(const char *p, const char *end, struct slice *out) {
  const char *blank = find_or_end(p, end, ' ');
  if (blank == end || blank == p) return NULL;
  *out = blank - p == 1 && *p == '-' ? SLICE_ABSENT : slice_between(p, blank);
  return blank + 1;
}

/* Behind structured data at p: "-", or elements [id name="value with \] escaped"]. NULL when it is damaged. */
static const char *skip_structured_data(const char *p, const char *end) {
  if (p < end && *p == '-') return p + 1;
  const char *begin = p;
  while (p < end && *p == '[') {
    bool is_quoted = false;
    for (p++; p < end && (is_quoted || *p != ']'); p++) {
      if (*p == '"')
        is_quoted = !is_quoted;
      else if (*p == '\\' && is_quoted)
        p++;
    }
    if (p >= end) return NULL;
    p++;
  }
  return p > begin ? p : NULL;
}

/* Behind "<PRI>1 ". */
static bool read_rfc5424(struct stamp_reader *stamps, const char *p, const char *end, struct syslog_header *out) {
  struct slice program, ignored;
  size_t stamp_len = 2;
  if (STARTS_WITH(p, end, "- ")) /* RFC 5424 6.2.3: no clock */
    out->time_us = TIME_US_ABSENT;
  else
    stamp_len = stamp_read(stamps, p, end, &out->time_us);
  if (!stamp_len) return false;
  p = read_field(p + stamp_len, end, &out->host);
  if (p) p = read_field(p, end, &program);
  if (p) p = read_field(p, end, &ignored); /* process id */
  if (p) p = read_field(p, end, &ignored); /* message id */
  if (p) p = skip_structured_data(p, end);
  if (!p || (p < end && *p != ' ')) return false;
  if (p < end) p++;
  if (STARTS_WITH(p, end, "\xef\xbb\xbf")) p += 3;
  split_program(program, out);
  out->text = p;
  return true;
}

bool syslog_read_slow(struct stamp_reader *stamps, const char *p, const char *end, struct syslog_header *out) {
  const char *behind = skip_priority(p, end);
  if (behind > p && STARTS_WITH(behind, end, "1 ") && read_rfc5424(stamps, behind + 2, end, out)) return true;
  size_t stamp_len = stamp_read(stamps, behind, end, &out->time_us);
  if (!stamp_len) return false;
  read_host_and_program(behind + stamp_len, end, out);
  return true;
}
