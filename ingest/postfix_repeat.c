/* Lines that stand for earlier ones:
 *
 *   rsyslog   mx1 postfix/smtp[9]: message repeated 3 times: [ QID: to=<...>, ... ]     the content is in the brackets
 *   syslogd   mx1 last message repeated 3 times                                       the content is the host's line before
 *
 * The line before is looked for backwards in the bytes that lie before this one, never in what a parser remembers: so what is
 * found does not depend on where chunks begin. */
#include "ingest/postfix_internal.h"

/* " 3 times" behind p into *times, at most LIMIT_REPEATED_TIMES; NULL when it is not that. */
static const char *read_times(const char *p, const char *end, uint32_t *times) {
  uint32_t value = 0;
  for (; p < end && ascii_is_digit(*p); p++) {
    value = value * 10 + (uint32_t)(*p - '0');
    if (value > LIMIT_REPEATED_TIMES) value = LIMIT_REPEATED_TIMES;
  }
  if (!value || (!STARTS_WITH(p, end, " times") && !STARTS_WITH(p, end, " time"))) return NULL;
  *times = value;
  p += 5;
  return p < end && *p == 's' ? p + 1 : p;
}

/* The content of "message repeated N times: [ ... ]"; false when it is not that. */
static bool read_brackets(const char *text, const char *end, uint32_t *times, struct slice *content) {
  if (!STARTS_WITH(text, end, "message repeated ")) return false;
  const char *p = read_times(text + 17, end, times);
  if (!p || !STARTS_WITH(p, end, ": [")) return false;
  p += 3;
  if (p < end && *p == ' ') p++;
  if (end > p && end[-1] == ']') end = postfix_trim_end(p, end - 1);
  *content = slice_between(p, end);
  return true;
}

/* Reads `message` again with the given text; what carries no delivery is a repetition of noise. */
static unsigned read_again(struct postfix_run *run, struct postfix_message *message, struct slice content, uint32_t times) {
  message->header.text = content.ptr;
  message->end = content.ptr + content.len;
  message->times = times;
  unsigned result = postfix_read_message_v2(run, message);
  return result == READ_DELIVERY || result == READ_UNPARSED + UNPARSED_BODY ? result : READ_NOISE + NOISE_repeated;
}

/* The last line of `host` that ends before `line` and is not itself a "last message repeated"; false when there is none in the
 * bytes that may be looked at. `earlier->begin` .. `earlier->end` is the line found. */
static bool find_line_before(struct postfix_run *run, const char *line, struct slice host, struct postfix_message *earlier) {
  const char *first = line - run->lookback > (ptrdiff_t)LIMIT_LOOKBACK_BYTES ? line - LIMIT_LOOKBACK_BYTES : run->lookback;
  bool is_start = run->batch->position - (uint64_t)(run->batch->base - first) == 0; /* of the input: no newline stands before it */
  struct stamp_reader stamps = run->stamps;
  for (const char *end = line; end > first;) {
    end--; /* the newline that ends the line looked at */
    const char *newline = end > first ? memrchr(first, '\n', (size_t)(end - first)) : NULL;
    if (!newline && !is_start) return false;
    earlier->begin = newline ? newline + 1 : first;
    earlier->end = postfix_trim_end(earlier->begin, end);
    if (syslog_read(&stamps, earlier->begin, earlier->end, run->limit, &earlier->header) &&
        slice_equal(earlier->header.host, host) && !STARTS_WITH(earlier->header.text, earlier->end, "last message repeated "))
      return true;
    end = earlier->begin;
  }
  return false;
}

unsigned postfix_read_repeated(struct postfix_run *run, struct postfix_message *message) {
  uint32_t times, ignored;
  struct slice content;
  if (read_brackets(message->header.text, message->end, &times, &content)) {
    if (!postfix_is_program(&message->header)) return READ_NOISE + NOISE_other_program;
    return read_again(run, message, content, times);
  }
  if (!STARTS_WITH(message->header.text, message->end, "last message repeated ") ||
      !read_times(message->header.text + 22, message->end, &times))
    return READ_NOISE + postfix_noise(&message->header, message->header.text, message->end);
  struct postfix_message earlier;
  if (!find_line_before(run, message->begin, message->header.host, &earlier)) return READ_NOISE + NOISE_repeated;
  message->header.instance = earlier.header.instance;
  message->header.service = earlier.header.service;
  if (!read_brackets(earlier.header.text, earlier.end, &ignored, &content))
    content = slice_between(earlier.header.text, earlier.end);
  return read_again(run, message, content, times);
}
