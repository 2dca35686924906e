/* The header of a line: when, where and by which program it was written.
 *
 *   <22>Nov 24 08:15:07 mx1 postfix-out/submission/smtpd[1234]: text      RFC 3164; <22> and the host may be missing
 *   Nov 24 08:15:07 mx1 postfix/smtp[1234]: [ID 197553 mail.info] text    Solaris
 *   2026-11-24T08:15:07.123456+01:00 mx1 postfix/smtp[1234]: text         what rsyslog and syslog-ng write to files
 *   <22>1 2026-11-24T08:15:07.123Z mx1 postfix/smtp 1234 - [sd x="y"] text    RFC 5424
 *                                      ^^^^^^^ ^^^^
 *                                      instance service
 *
 * Slices point into the line. */
#ifndef INGEST_SYSLOG_H
#define INGEST_SYSLOG_H

#include "ingest/timestamp.h"

struct syslog_header {
  int64_t time_us;       /* TIME_US_ABSENT: absurd, or RFC 5424's "-" */
  struct slice host;     /* absent when the line has none */
  struct slice instance; /* of the program's name what stands before the first '/'; absent when there is no '/' */
  struct slice service;  /* ... and behind the last; the whole name when there is no '/'; absent when there is no program */
  const char *text;      /* the message, up to the end of the line */
};

/* Reads every form. False when the line has no header. The line is [p, end). */
bool syslog_read_slow(struct stamp_reader *stamps, const char *p, const char *end, struct syslog_header *out);

/* The same for the usual line: a stamp at its front, then host, program and text within 64 bytes; what is not such a line goes to
 * syslog_read_slow. Bytes up to `limit` (>= end) may be read. */
static inline bool syslog_read(struct stamp_reader *stamps, const char *p, const char *end, const char *limit,
                               struct syslog_header *out) {
  size_t stamp_len = stamp_read(stamps, p, end, &out->time_us);
  const char *host = p + stamp_len;
  struct block block = block_load_until(host, limit);
  uint64_t inside = bits_below((size_t)(end - host));
  uint64_t blanks = block_find(block, ' ') & inside, behind_host = bits_drop_first(blanks);
  uint64_t opens = block_find(block, '['), text_begin = (behind_host & -behind_host) << 1;
  if (__builtin_expect(!stamp_len || !behind_host || (blanks & 1) || (opens & text_begin), 0))
    return syslog_read_slow(stamps, p, end, out);
  unsigned host_len = bits_first(blanks), name_end = bits_first(behind_host) - 1;
  if (__builtin_expect(host[host_len - 1] == ':' || host[name_end] != ':' || name_end <= host_len + 1, 0))
    return syslog_read_slow(stamps, p, end, out);
  uint64_t in_name = bits_below(name_end) & ~bits_below(host_len + 1);
  uint64_t brackets = opens & in_name;
  if (brackets) {
    name_end = bits_first(brackets);
    in_name &= bits_below(name_end);
  }
  uint64_t slashes = block_find(block, '/') & in_name;
  unsigned name = host_len + 1;
  out->host = slice_of(host, host_len);
  out->instance = slashes ? slice_between(host + name, host + bits_first(slashes)) : SLICE_ABSENT;
  if (slashes) name = bits_last(slashes) + 1;
  out->service = slice_between(host + name, host + name_end);
  out->text = host + bits_first(behind_host) + 1;
  return true;
}

#endif
