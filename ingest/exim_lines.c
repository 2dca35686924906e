/* A line's stamp, host and message id, and which of the kinds of lines it is.
 *
 *   2026-11-24 08:15:07 1qAbCd-0001AB-2x <= a@b.example H=...                           mainlog
 *   2026-11-24 08:15:07.123 +0100 [4711] 1qAbCd-00000001aBc-2xYz => c@d.example ...     its stamp, pid and id with everything that may be there
 *   Nov 24 08:15:07 mx1 exim[4711]: 2026-11-24 08:15:07 1qAbCd-0001AB-2x Completed      through syslog
 *   Nov 24 08:15:07 mx1 exim[4711]: 1qAbCd-0001AB-2x Completed                          through syslog, with syslog_timestamp = no
 *   Nov 24 08:15:07 mx1 exim[4711]: [1/2] 2026-11-24 08:15:07 1qAbCd-0001AB-2x ** ...   a long line that syslog got in pieces: the rest is lost
 *
 * An id is of its host alone. It is used for one message only, but deliveries may stand before its "<=" (">>"). */
#include "ingest/exim_internal.h"

#include "ingest/syslog.h"

static bool is_own_stamp(const char *p, const char *end) { return end - p >= 20 && ascii_is_digit(*p) && p[10] == ' '; }

/* Whether "+0100 " stands at p. */
static bool is_offset(const char *p, const char *end) {
  if (end - p < 6 || (*p != '+' && *p != '-') || p[5] != ' ') return false;
  for (unsigned i = 1; i < 5; i++)
    if (!ascii_is_digit(p[i])) return false;
  return true;
}

static size_t read_other_stamp(struct line_walk *walk, const char *p, const char *end, int64_t *time_us) {
  size_t len = stamp_read(&walk->stamps, p, walk->limit, time_us);
  /* The minute kept is of a stamp without an offset, and this one has one. */
  if (__builtin_expect(len && is_offset(p + len, end), 0)) return stamp_read_slow(&walk->stamps, p, walk->limit, time_us);
  if (len == sizeof walk->last_stamp) {
    memcpy(walk->last_stamp, p, sizeof walk->last_stamp);
    walk->last_stamp_us = *time_us;
  }
  return len;
}

/* The length of the stamp at p, 0 when there is none. It holds no line end, so the batch bounds it well enough: that spares short lines the
 * slow way. Kept is "2026-11-24 08:15:07 ", behind which no offset stands. */
static inline size_t read_own_stamp(struct line_walk *walk, const char *p, const char *end, int64_t *time_us) {
  bool is_same = end - p >= 21 && memcmp(p, walk->last_stamp, sizeof walk->last_stamp) == 0 && p[20] != '+' && p[20] != '-';
  if (__builtin_expect(!is_same, 0)) return read_other_stamp(walk, p, end, time_us);
  *time_us = walk->last_stamp_us;
  return sizeof walk->last_stamp;
}

/* Behind "[1/3] " or "[1\3] "; NULL for a later piece of a line. */
static const char *skip_piece(const char *p, const char *end) {
  if (p == end || *p != '[') return p;
  const char *at = p + 1, *digits;
  while (at < end && ascii_is_digit(*at)) at++;
  if (at == p + 1 || at == end || (*at != '/' && *at != '\\')) return p;
  bool is_first = at == p + 2 && p[1] == '1';
  digits = ++at;
  while (at < end && ascii_is_digit(*at)) at++;
  if (at == digits || !STARTS_WITH(at, end, "] ")) return p;
  return is_first ? at + 2 : NULL;
}

/* Behind the header of syslog; *result says what became of the line when it ends here (NULL). */
static const char *read_syslog(struct exim_line *line, const char *p, unsigned *result) {
  struct line_walk *walk = line->walk;
  struct syslog_header header;
  *result = READ_UNPARSED + UNPARSED_HEADER;
  if (!syslog_read(&walk->stamps, p, line->end, walk->limit, &header)) return NULL;
  line->host = header.host;
  walk->time_us = header.time_us;
  bool is_exim = slice_starts_with(header.service, SLICE("exim"));
  p = skip_piece(header.text, line->end);
  *result = READ_NOISE + NOISE_bookkeeping;
  if (!p) return NULL;
  if (is_own_stamp(p, line->end)) {
    size_t len = read_own_stamp(walk, p, line->end, &walk->time_us);
    p += len;
    is_exim |= len > 0;
  }
  *result = READ_NOISE + NOISE_other_program;
  /* Whatever syslog_processname is, the ids are Exim's. */
  return is_exim || exim_id_length(exim_skip_pid(p, line->end), line->end) ? p : NULL;
}

static unsigned read_message_line(const struct exim_line *line) {
  const char *p = line->text, *end = line->end;
  if (STARTS_WITH(p, end, "=> ") || STARTS_WITH(p, end, "-> ") || STARTS_WITH(p, end, ">> "))
    return exim_read_delivered(line, p + 3);
  if (STARTS_WITH(p, end, "<= ") || STARTS_WITH(p, end, "(= ")) return exim_read_arrival(line, p + 3);
  if (STARTS_WITH(p, end, "Completed") || STARTS_WITH(p, end, "removed by ")) {
    exim_add(line, LINE_REMOVED);
    return READ_INFO;
  }
  if (STARTS_WITH(p, end, "cancelled by ")) { /* by exim -Mg, or frozen for too long: no line of the recipients follows */
    line_walk_add_keyed(line->walk, line->key, line->host, line->id)->kind = LINE_EXPIRED;
    return READ_INFO;
  }
  if (STARTS_WITH(p, end, "== ")) return exim_read_deferred(line, p + 3);
  if (STARTS_WITH(p, end, "** ")) return exim_read_failed(line, p + 3);
  if (STARTS_WITH(p, end, "*> ")) return READ_NOISE + NOISE_probe; /* exim -N: what it would have delivered */
  return exim_read_other(line);
}

/* line_key, quicker where it is known what may be read. */
static uint64_t key_of(const struct line_walk *walk, struct slice host, struct slice id) {
  if (slice_is_absent(host)) return line_key_join(line_key_digest_empty(), line_key_digest(id, walk->limit));
  bool is_host_in_batch = host.ptr >= walk->batch->base && host.ptr < walk->limit;
  return is_host_in_batch ? line_key_of(host, id, walk->limit) : line_key(host, id);
}

unsigned exim_read_line(struct line_walk *walk, const char *p, const char *end) {
  struct exim_line line = {.walk = walk, .host = SLICE_ABSENT, .id = SLICE_ABSENT, .end = end};
  if (*p == ' ') return READ_NOISE + NOISE_warning; /* the second line of one of Exim's own warnings */
  if (is_own_stamp(p, end)) {
    size_t len = read_own_stamp(walk, p, end, &walk->time_us);
    if (!len) return READ_UNPARSED + UNPARSED_HEADER;
    p += len;
  } else {
    unsigned result;
    p = read_syslog(&line, p, &result);
    if (!p) return result;
  }
  p = exim_skip_pid(p, end);
  size_t id_len = exim_id_length(p, end);
  if (id_len) {
    line.id = slice_of(p, id_len);
    line.key = key_of(walk, line.host, line.id);
    p += id_len + 1;
  }
  line.text = p;
  if (walk->time_us == TIME_US_ABSENT) return READ_UNPARSED + UNPARSED_TIME;
  return id_len ? read_message_line(&line) : exim_read_other(&line);
}
