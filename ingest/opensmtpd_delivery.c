/* An attempt, and what the queue says of an envelope:
 *
 *   evpid=E from=<a@b> to=<c@d> rcpt=<-> source="192.0.2.1" relay="192.0.2.7 (mx.d)" delay=1m3s result="TempFail" stat="451 later"
 *   evpid=E from=<a@b> to=<c@d> rcpt=<c@d> user=c delay=0s result=Ok stat=Delivered
 *   relay: Expire for E: from=<a@b>, to=<c@d>, rcpt=<->, delay=4d, stat=Envelope expired
 *
 * The line tells sender and source by itself; the size comes from the message's line, with which it shares the first half of E. The
 * first address is the sender's to choose and the reply the server's, so values are read in their order, and the last to the end. */
#include "ingest/opensmtpd_internal.h"
#include "ingest/reply_codes.h"

struct fields {
  struct slice evpid, from, to, rcpt, source, relay, delay, result, stat;
};

static const struct {
  struct slice key;
  size_t offset;
} keys[] = {
    {SLICE("evpid="), offsetof(struct fields, evpid)},   {SLICE("from="), offsetof(struct fields, from)},
    {SLICE("to="), offsetof(struct fields, to)},         {SLICE("rcpt="), offsetof(struct fields, rcpt)},
    {SLICE("source="), offsetof(struct fields, source)}, {SLICE("relay="), offsetof(struct fields, relay)},
    {SLICE("delay="), offsetof(struct fields, delay)},   {SLICE("result="), offsetof(struct fields, result)},
};

static struct slice *field_of(struct fields *fields, const char *p, const char *end, size_t *key_len) {
  for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
    if (slice_starts_with(slice_between(p, end), keys[i].key)) {
      *key_len = keys[i].key.len;
      return (struct slice *)(void *)((char *)fields + keys[i].offset);
    }
  return NULL;
}

/* Fields from p on, up to stat=, which is the last. */
static bool read_fields(const char *p, const char *end, struct slice separator, struct fields *fields) {
  while (p && p < end) {
    if (STARTS_WITH(p, end, "stat=")) {
      fields->stat = slice_between(p + 5, end);
      if (fields->stat.len >= 2 && fields->stat.ptr[0] == '"' && end[-1] == '"') fields->stat = slice_between(p + 6, end - 1);
      return true;
    }
    size_t key_len = 0;
    struct slice *field = field_of(fields, p, end, &key_len), ignored;
    if (!field) {
      const char *equals = memchr(p, '=', (size_t)(end - p));
      if (!equals) return false;
      key_len = (size_t)(equals + 1 - p);
      field = &ignored;
    }
    p = opensmtpd_read_value(p + key_len, end, separator, field);
    if (p && !slice_starts_with(slice_between(p, end), separator)) return false;
    if (p) p += separator.len;
  }
  return false;
}

/* "1d2h3m4s", in this order, any of them left out. */
static int64_t read_delay(struct slice text) {
  static const struct {
    char unit;
    int64_t seconds;
  } units[] = {{'d', 86400}, {'h', 3600}, {'m', 60}, {'s', 1}};
  int64_t seconds = 0, value = 0;
  size_t digits = 0, unit = 0;
  for (size_t i = 0; i < text.len; i++) {
    if (ascii_is_digit(text.ptr[i])) {
      if (++digits > 9) return DELAY_ABSENT;
      value = value * 10 + (text.ptr[i] - '0');
      continue;
    }
    while (unit < 4 && units[unit].unit != text.ptr[i]) unit++;
    if (unit == 4 || !digits) return DELAY_ABSENT;
    seconds += value * units[unit++].seconds;
    value = 0, digits = 0;
  }
  return text.len && !digits ? seconds * US_PER_SECOND : DELAY_ABSENT;
}

static bool is_address(struct slice text) {
  bool has_separator = false;
  for (size_t i = 0; i < text.len; i++) {
    char lower = (char)(text.ptr[i] | 0x20);
    if (text.ptr[i] == '.' || text.ptr[i] == ':')
      has_separator = true;
    else if (!ascii_is_digit(text.ptr[i]) && (lower < 'a' || lower > 'f'))
      return false;
  }
  return has_separator && text.len <= 45;
}

static struct slice strip_brackets(struct slice text) {
  if (text.len > 2 && text.ptr[0] == '[' && text.ptr[text.len - 1] == ']') text = slice_of(text.ptr + 1, text.len - 2);
  return slice_starts_with(text, SLICE("IPv6:")) ? slice_skip(text, 5) : text;
}

/* "192.0.2.7 (mx.d)", "192.0.2.7 (192.0.2.7)", "d". */
static void set_relay(struct slice relay, struct line *line) {
  size_t blank = slice_find(relay, SLICE(" ("));
  struct slice first = strip_brackets(slice_of(relay.ptr, blank)), name = slice_skip(relay, blank + 2);
  if (!is_address(first)) {
    line->delivery.relay_host = first;
    return;
  }
  line->delivery.relay_ip = first;
  if (name.len && name.ptr[name.len - 1] == ')') name.len--;
  if (name.len && !is_address(strip_brackets(name))) line->delivery.relay_host = name;
}

static bool read_status(struct slice result, enum status *status) {
  static const struct {
    struct slice word;
    enum status status;
  } results[] = {
      {SLICE("Ok"), STATUS_delivered},   {SLICE("TempFail"), STATUS_deferred},      {SLICE("PermFail"), STATUS_bounced},
      {SLICE("Expire"), STATUS_expired}, {SLICE("RemotePermFail"), STATUS_bounced}, {SLICE("Loop"), STATUS_bounced},
  };
  for (size_t i = 0; i < sizeof results / sizeof *results; i++)
    if (slice_equal(results[i].word, result)) {
      *status = results[i].status;
      return true;
    }
  return false;
}

/* "<-", "-" and what is the same as the recipient tell nothing. */
static bool is_told(struct slice text) { return text.len && !slice_equal(text, SLICE("-")); }

/* What asked for the delivery, before aliases. One that is the same or not told is one of those that nrcpt= counted. */
static struct slice orig_recipient_of(const struct fields *fields) {
  return is_told(fields->rcpt) && !slice_equal(fields->rcpt, fields->to) ? fields->rcpt : SLICE_ABSENT;
}

static unsigned add_record(struct line_walk *walk, struct slice host, struct slice service, const struct fields *fields) {
  enum status status;
  if (fields->evpid.len != OPENSMTPD_ID_LEN ||
      !opensmtpd_is_id(fields->evpid.ptr, fields->evpid.ptr + OPENSMTPD_ID_LEN, OPENSMTPD_ID_LEN) || !fields->to.len ||
      slice_is_absent(fields->from) || !read_status(fields->result, &status))
    return READ_UNPARSED + UNPARSED_BODY;
  struct slice queue_id = slice_of(fields->evpid.ptr, OPENSMTPD_MESSAGE_ID_LEN);
  struct line *facts = line_walk_add(walk, host, queue_id);
  facts->kind = LINE_FACTS;
  facts->facts.sender = fields->from;
  facts->facts.source_ip = is_told(fields->source) ? strip_brackets(fields->source) : SLICE_ABSENT;
  facts->facts.size_bytes = U64_ABSENT;
  struct line *line = line_walk_add(walk, host, queue_id);
  const char *reply = fields->stat.ptr, *reply_end = reply + fields->stat.len;
  line->kind = LINE_RECORD;
  line->service = service;
  line->delivery.recipient = fields->to;
  line->delivery.orig_recipient = orig_recipient_of(fields);
  line->delivery.status = status;
  line->delivery.delay_us = read_delay(fields->delay);
  line->delivery.reply = fields->stat;
  line->delivery.smtp_code = reply_smtp_code(reply, reply_end);
  if (line->delivery.smtp_code) line->delivery.dsn = reply_dsn(reply, reply_end);
  if (is_told(fields->relay))
    set_relay(fields->relay, line);
  else if (slice_equal(service, SLICE("mda")))
    line->delivery.relay_host = SLICE("local");
  if (status == STATUS_deferred || !slice_is_absent(line->delivery.orig_recipient)) return READ_DELIVERY;
  struct line *settled = line_walk_add(walk, host, queue_id);
  settled->kind = LINE_SETTLED;
  settled->settled_count = 1;
  return READ_DELIVERY;
}

unsigned opensmtpd_read_delivery(struct line_walk *walk, struct slice host, struct slice service, const char *p, const char *end) {
  struct fields fields = {0};
  if (!read_fields(p, end, SLICE(" "), &fields)) return READ_UNPARSED + UNPARSED_BODY;
  return add_record(walk, host, service, &fields);
}

unsigned opensmtpd_read_envelope(struct line_walk *walk, struct slice host, const char *p, const char *end) {
  static const struct {
    struct slice method, service;
  } methods[] = {{SLICE("relay: "), SLICE("mta")}, {SLICE("delivery: "), SLICE("mda")}, {SLICE("bounce: "), SLICE("bounce")}};
  struct slice line = slice_between(p, end), service = SLICE_ABSENT;
  struct fields fields = {0};
  for (size_t i = 0; i < sizeof methods / sizeof *methods; i++) {
    if (!slice_starts_with(line, methods[i].method)) continue;
    service = methods[i].service;
    line = slice_skip(line, methods[i].method.len);
    break;
  }
  size_t at = slice_find(line, SLICE(" for "));
  struct slice rest = slice_skip(line, at + 5);
  fields.result = slice_of(line.ptr, at);
  if (slice_is_absent(service) || !opensmtpd_is_id(rest.ptr, end, OPENSMTPD_ID_LEN) || rest.len < OPENSMTPD_ID_LEN + 2)
    return READ_NOISE + NOISE_bookkeeping;
  fields.evpid = slice_of(rest.ptr, OPENSMTPD_ID_LEN);
  if (slice_equal(fields.result, SLICE("Remove"))) return READ_NOISE + NOISE_bookkeeping;
  if (!read_fields(rest.ptr + OPENSMTPD_ID_LEN + 2, end, SLICE(", "), &fields)) return READ_UNPARSED + UNPARSED_BODY;
  return add_record(walk, host, service, &fields);
}
