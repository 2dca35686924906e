/* The log of qmail-send, by multilog or syslog.
 *
 *   @4000000069241b9f0b8c2d14 new msg 706430                                                 multilog: TAI64N
 *   Nov 24 08:15:07 mx1 qmail: 1763972107.193736 info msg 706430: bytes 2737 from <a@b.example> qp 31064 uid 1001      splogger
 *   2025-11-24 08:15:07.193736500 starting delivery 5: msg 706430 to remote c@d.example      tai64nlocal
 *
 *   new msg M                                    a message begins; M is an inode, used again at once
 *   info msg M: bytes N from <A> qp P uid U      its sender and size
 *   starting delivery D: msg M to remote R       D is to R
 *   delivery D: success: | failure: | deferral:  what became of D (qmail_result.c)
 *   end msg M                                    the message's end
 *
 * A result names D alone: LINE_STARTED remembers what D is. M and D are different ids, so both get a key in the shard of their host. */
#include "ingest/formats.h"
#include "ingest/qmail_internal.h"
#include "ingest/recognise.h"
#include "ingest/syslog.h"

/* 2^62 is 1970 in TAI64, and qmail's clock is 10 s ahead of UTC whatever leap seconds there were since. */
#define TAI64_OF_1970 (UINT64_C(1) << 62)
#define TAI64_AHEAD 10

/* A line on its way to its items. */
struct qmail_line {
  struct line_walk *walk;
  struct slice host;
  const char *text, *end;
};

/* ---- stamps ------------------------------------------------------------------------------------------------------------------ */

static bool read_hex(const char *p, unsigned count, uint64_t *out) {
  *out = 0;
  for (unsigned i = 0; i < count; i++) {
    char lower = (char)(p[i] | 0x20);
    bool is_letter = lower >= 'a' && lower <= 'f';
    if (!ascii_is_digit(p[i]) && !is_letter) return false;
    *out = *out << 4 | (uint64_t)(is_letter ? lower - 'a' + 10 : p[i] - '0');
  }
  return true;
}

/* "@4000000069241b9f0b8c2d14 " at p. Returns behind it, NULL when there is none. */
static const char *read_tai64n(const char *p, const char *end, int64_t *time_us) {
  uint64_t seconds, nanoseconds;
  if (end - p < 26 || *p != '@' || p[25] != ' ' || !read_hex(p + 1, 16, &seconds) || !read_hex(p + 17, 8, &nanoseconds))
    return NULL;
  uint64_t since_1970 = seconds - TAI64_OF_1970 - TAI64_AHEAD;
  bool is_time = since_1970 < 100000000000 && nanoseconds < 1000000000;
  *time_us = is_time ? (int64_t)since_1970 * US_PER_SECOND + (int64_t)(nanoseconds / 1000) : TIME_US_ABSENT;
  return p + 26;
}

/* "1763972107.193736 " at p, as splogger writes it. Returns behind it, p when there is none. */
static const char *read_seconds(const char *p, const char *end, int64_t *time_us) {
  int64_t seconds = 0, fraction = 0, scale = 100000;
  const char *at = p;
  for (; at < end && ascii_is_digit(*at) && at - p < 11; at++) seconds = seconds * 10 + (*at - '0');
  if (at - p < 9 || at >= end || *at != '.') return p;
  for (at++; at < end && ascii_is_digit(*at); at++, scale /= 10) fraction += (*at - '0') * scale;
  if (at >= end || *at != ' ') return p;
  *time_us = seconds * US_PER_SECOND + fraction;
  return at + 1;
}

/* Whether it is how lines of qmail-send begin: what stands behind a stamp without host and program. */
static bool is_qmail_text(const char *p, const char *end) {
  return STARTS_WITH(p, end, "new msg ") || STARTS_WITH(p, end, "info msg ") || STARTS_WITH(p, end, "starting delivery ") ||
         STARTS_WITH(p, end, "delivery ") || STARTS_WITH(p, end, "end msg ") || STARTS_WITH(p, end, "bounce msg ") ||
         STARTS_WITH(p, end, "status: ");
}

/* Behind a stamp of multilog at p, NULL when there is none. */
static const char *read_multilog_stamp(struct line_walk *walk, const char *p, const char *end) {
  int64_t time_us;
  const char *text = read_tai64n(p, end, &time_us);
  if (!text) {
    size_t stamp_len = stamp_read(&walk->stamps, p, end, &time_us);
    if (stamp_len && is_qmail_text(p + stamp_len, end)) text = p + stamp_len;
  }
  if (text) walk->time_us = time_us;
  return text;
}

/* READ_INFO: time, host and text are set. */
static unsigned read_header(struct qmail_line *line, const char *p, const char *end) {
  struct line_walk *walk = line->walk;
  line->host = SLICE_ABSENT;
  line->end = end;
  line->text = read_multilog_stamp(walk, p, end);
  if (!line->text) {
    struct syslog_header header;
    if (!syslog_read(&walk->stamps, p, end, walk->limit, &header)) return READ_UNPARSED + UNPARSED_HEADER;
    line->host = header.host;
    walk->time_us = header.time_us;
    /* A line of multilog that a shipper sent has both. */
    line->text = read_multilog_stamp(walk, header.text, end);
    if (!line->text && !slice_starts_with(header.service, SLICE("qmail"))) return READ_NOISE + NOISE_other_program;
    if (!line->text) line->text = read_seconds(header.text, end, &walk->time_us);
  }
  return stamp_is_plausible(&walk->stamps, walk->time_us) ? READ_INFO : READ_UNPARSED + UNPARSED_TIME;
}

/* ---- lines ------------------------------------------------------------------------------------------------------------------- */

/* Digits (and the dot of a queue's number that indimail has) up to `ended_by`, 0: the end of the line. Absent when there are none. */
static struct slice read_number(const char *p, const char *end, char ended_by) {
  const char *at = p;
  while (at < end && (ascii_is_digit(*at) || *at == '.')) at++;
  bool is_number = at > p && at - p <= 24 && (ended_by ? at < end && *at == ended_by : at == end);
  return is_number ? slice_between(p, at) : SLICE_ABSENT;
}

/* An item under the id, in the shard of the host. */
static struct line *add(struct qmail_line *line, struct slice id) {
  uint64_t key = line_key_beside(line_key(line->host, id), line_key(line->host, SLICE("qmail")));
  return line_walk_add_keyed(line->walk, key, line->host, id);
}

static unsigned read_new(struct qmail_line *line, const char *p) {
  struct slice id = read_number(p, line->end, 0);
  if (!id.len) return READ_UNPARSED + UNPARSED_BODY;
  add(line, id)->kind = LINE_CLIENT;
  return READ_INFO;
}

static uint64_t read_size(struct slice digits) {
  uint64_t size = 0;
  if (digits.len > 18) return U64_ABSENT;
  for (size_t i = 0; i < digits.len; i++) size = size * 10 + (uint64_t)(digits.ptr[i] - '0');
  return size;
}

/* "706430: bytes 2737 from <a@b.example> qp 31064 uid 1001" */
static unsigned read_info(struct qmail_line *line, const char *p) {
  struct slice id = read_number(p, line->end, ':');
  const char *at = p + id.len;
  if (!id.len || !STARTS_WITH(at, line->end, ": bytes ")) return READ_UNPARSED + UNPARSED_BODY;
  struct slice bytes = read_number(at + 8, line->end, ' ');
  if (slice_find_byte(bytes, '.') < bytes.len) return READ_UNPARSED + UNPARSED_BODY;
  at += 8 + bytes.len;
  const char *close = bytes.len && STARTS_WITH(at, line->end, " from <") ? memrchr(at, '>', (size_t)(line->end - at)) : NULL;
  if (!close) return READ_UNPARSED + UNPARSED_BODY;
  struct line *item = add(line, id);
  item->kind = LINE_SENDER;
  item->sender.address = slice_between(at + 7, close);
  item->sender.size_bytes = read_size(bytes);
  return READ_INFO;
}

/* "5: msg 706430 to remote c@d.example"; p is at the number, `name` at "delivery". */
static unsigned read_started(struct qmail_line *line, const char *name, const char *p) {
  struct slice number = read_number(p, line->end, ':');
  const char *at = p + number.len;
  if (!number.len || !STARTS_WITH(at, line->end, ": msg ")) return READ_UNPARSED + UNPARSED_BODY;
  struct slice id = read_number(at + 6, line->end, ' ');
  at += 6 + id.len;
  if (!id.len || !STARTS_WITH(at, line->end, " to ")) return READ_UNPARSED + UNPARSED_BODY;
  struct slice rest = slice_between(at + 4, line->end), channel = slice_of(rest.ptr, slice_find_byte(rest, ' '));
  struct slice recipient = slice_skip(rest, channel.len + 1);
  recipient.len = slice_find_byte(recipient, ' '); /* qmail has '_' for blanks; indimail names the queue behind one */
  if (!channel.len || !recipient.len) return READ_UNPARSED + UNPARSED_BODY;
  struct line *item = add(line, slice_between(name, p + number.len));
  item->kind = LINE_STARTED;
  item->started.queue_id = id;
  item->started.recipient = recipient;
  item->started.service = channel;
  return READ_INFO;
}

/* "5: success: ..." */
static unsigned read_result(struct qmail_line *line, const char *name, const char *p) {
  static const struct {
    struct slice word;
    enum status status;
  } words[] = {{SLICE(": success: "), STATUS_delivered},
               {SLICE(": failure: "), STATUS_bounced},
               {SLICE(": deferral: "), STATUS_deferred},
               {SLICE(": report mangled, "), STATUS_deferred}};
  struct slice number = read_number(p, line->end, ':'), rest = slice_between(p + number.len, line->end);
  for (size_t i = 0; number.len && i < sizeof words / sizeof *words; i++) {
    if (!slice_starts_with(rest, words[i].word)) continue;
    struct line *item = add(line, slice_between(name, p + number.len));
    item->kind = LINE_RESULT;
    qmail_read_report(line->walk, slice_skip(rest, i < 3 ? words[i].word.len : 2), words[i].status, item);
    return READ_DELIVERY;
  }
  return READ_UNPARSED + UNPARSED_BODY;
}

static unsigned read_end(struct qmail_line *line, const char *p) {
  struct slice id = read_number(p, line->end, 0);
  if (!id.len) return READ_UNPARSED + UNPARSED_BODY;
  add(line, id)->kind = LINE_REMOVED;
  return READ_INFO;
}

/* Lines that say nothing of a delivery. */
static unsigned read_other(const char *p, const char *end) {
  static const struct {
    struct slice begin;
    enum noise noise;
  } others[] = {
      {SLICE("status: "), NOISE_bookkeeping},
      {SLICE("bounce msg "), NOISE_notification},
      {SLICE("double bounce: "), NOISE_notification},
      {SLICE("triple bounce: "), NOISE_notification},
      {SLICE("warning: "), NOISE_warning},
      {SLICE("alert: "), NOISE_warning},
      {SLICE("number of deliveries left"), NOISE_bookkeeping},
      {SLICE("running"), NOISE_bookkeeping},
      {SLICE("exiting"), NOISE_bookkeeping},
      {SLICE("local deliveries will be put on hold"), NOISE_bookkeeping},
      {SLICE("remote deliveries will be put on hold"), NOISE_bookkeeping},
      {SLICE("tcpserver: "), NOISE_connection},
      {SLICE("sslserver: "), NOISE_connection},
  };
  struct slice text = slice_between(p, end);
  for (size_t i = 0; i < sizeof others / sizeof *others; i++)
    if (slice_starts_with(text, others[i].begin)) return READ_NOISE + others[i].noise;
  return READ_UNPARSED + UNPARSED_BODY;
}

static unsigned read_line(struct line_walk *walk, const char *p, const char *end) {
  struct qmail_line line = {.walk = walk};
  unsigned result = read_header(&line, p, end);
  if (result != READ_INFO) return result;
  const char *text = line.text;
  if (STARTS_WITH(text, end, "delivery ")) return read_result(&line, text, text + 9);
  if (STARTS_WITH(text, end, "starting delivery ")) return read_started(&line, text + 9, text + 18);
  if (STARTS_WITH(text, end, "info msg ")) return read_info(&line, text + 9);
  if (STARTS_WITH(text, end, "new msg ")) return read_new(&line, text + 8);
  if (STARTS_WITH(text, end, "end msg ")) return read_end(&line, text + 8);
  return read_other(text, end);
}

static void parse(struct parser *parser, const struct batch *batch, const char *lookback, const char *begin, const char *end) {
  line_walk(parser, batch, lookback, begin, end, read_line);
}

/* Of multilog's lines, alone or behind a header, those with its stamp, or with what tai64nlocal makes of it: nine digits of a second. */
static bool recognise(const struct line_shape *shape) {
  const char *p = shape->text, *end = shape->end;
  int64_t ignored;
  if (shape->is_syslog && slice_starts_with(shape->program, SLICE("qmail"))) return true;
  if (p < end && *p == '@') return read_tai64n(p, end, &ignored) != NULL;
  return recognise_own_date(p, end) && p[19] == '.' && end - p > 29 && ascii_is_digit(p[28]) && p[29] == ' ';
}

const struct format FORMAT_QMAIL = {
    .name = "qmail", .parse = parse, .state_new = line_walk_state_new, .state_free = line_walk_state_free, .recognise = recognise};
