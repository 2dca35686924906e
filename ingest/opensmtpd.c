/* The OpenSMTPD format: syslog lines of smtpd, versions 6.0 to 7.x ("event=" of 6.0 to 6.3 is skipped).
 *
 *   S smtp connected address=192.0.2.7 host=app               -> client of the session S, for its refusals
 *   S smtp message msgid=M size=660 nrcpt=2 proto=ESMTP       -> size and number of recipients of the message M
 *   S smtp failed-command command="RCPT TO:<a@b>" result="550 Invalid recipient: <a@b>"     -> a refusal
 *   S smtp disconnected reason=quit                           -> forgets S
 *   T mta delivery evpid=E ...                                -> a delivery: opensmtpd_delivery.c; M is the front half of E
 *
 * No line names both a message and its client. */
#include "ingest/formats.h"
#include "ingest/opensmtpd_internal.h"
#include "ingest/recognise.h"
#include "ingest/reply_codes.h"

static const char *find_close(const char *p, const char *end) {
  bool is_quoted = false;
  for (const char *at = p; at < end; at++) {
    if (*at == '"')
      is_quoted = !is_quoted;
    else if (*at == '\\' && is_quoted)
      at++;
    else if (*at == '>' && !is_quoted)
      return at;
  }
  return p < end ? memchr(p, '>', (size_t)(end - p)) : NULL; /* the quotes do not end */
}

const char *opensmtpd_read_value(const char *p, const char *end, struct slice separator, struct slice *value) {
  if (p < end && (*p == '<' || *p == '"')) {
    const char *close = *p == '<' ? find_close(p + 1, end) : memchr(p + 1, '"', (size_t)(end - p - 1));
    if (!close) return NULL;
    *value = slice_between(p + 1, close);
    return close + 1;
  }
  struct slice rest = slice_between(p, end);
  rest.len = slice_find(rest, separator);
  *value = rest;
  return rest.ptr + rest.len;
}

/* The value of `key` in [p, end), a list of KEY=VALUE with blanks between; absent when it is not there. */
static struct slice find_value(const char *p, const char *end, struct slice key) {
  struct slice value = SLICE_ABSENT;
  for (struct slice rest = slice_between(p, end); rest.len; rest = slice_skip(rest, slice_find_byte(rest, ' ') + 1))
    if (slice_starts_with(rest, key)) {
      opensmtpd_read_value(rest.ptr + key.len, end, SLICE(" "), &value);
      break;
    }
  return value;
}

static uint64_t read_number(struct slice text) {
  uint64_t value = 0;
  if (!text.len || text.len > 18) return U64_ABSENT;
  for (size_t i = 0; i < text.len; i++) {
    if (!ascii_is_digit(text.ptr[i])) return U64_ABSENT;
    value = value * 10 + (uint64_t)(text.ptr[i] - '0');
  }
  return value;
}

static unsigned read_connected(struct line_walk *walk, struct slice host, struct slice session, const char *p, const char *end) {
  struct slice address = find_value(p, end, SLICE("address=")), name = find_value(p, end, SLICE("host="));
  struct line *line = line_walk_add(walk, host, session);
  line->kind = LINE_CLIENT;
  if (slice_starts_with(address, SLICE("["))) address = slice_of(address.ptr + 1, address.len - (address.len > 1 ? 2 : 1));
  if (slice_starts_with(address, SLICE("IPv6:"))) address = slice_skip(address, 5);
  if (address.len && !slice_equal(address, SLICE("local"))) line->client.ip = address;
  if (name.len && !slice_equal(name, SLICE("unknown"))) line->client.host = name;
  return READ_INFO;
}

static unsigned read_message(struct line_walk *walk, struct slice host, const char *p, const char *end) {
  struct slice id = find_value(p, end, SLICE("msgid="));
  uint64_t size = read_number(find_value(p, end, SLICE("size="))), count = read_number(find_value(p, end, SLICE("nrcpt=")));
  if (id.len != OPENSMTPD_MESSAGE_ID_LEN || size == U64_ABSENT) return READ_UNPARSED + UNPARSED_BODY;
  struct line *line = line_walk_add(walk, host, id);
  line->kind = LINE_ARRIVED;
  line->facts.size_bytes = size;
  line->facts.recipient_count = count > UINT32_MAX ? 0 : (uint32_t)count;
  return READ_INFO;
}

/* Commands whose refusal refuses mail; the others are a conversation that goes wrong. */
static const struct {
  struct slice command, stage;
} commands[] = {
    {SLICE("rcpt to:"), SLICE("RCPT")}, {SLICE("mail from:"), SLICE("MAIL")}, {SLICE("data"), SLICE("DATA")},
    {SLICE("ehlo"), SLICE("EHLO")},     {SLICE("helo"), SLICE("HELO")},
};

/* Where `" result="` stands with a refusal behind it. The command is the client's, who may have put one into it. */
static const char *find_result(const char *p, const char *end) {
  for (; (p = memmem(p, (size_t)(end - p), "\" result=\"", 10)); p += 10) {
    uint16_t code = reply_smtp_code(p + 10, end);
    if (code >= 400) return p;
  }
  return NULL;
}

/* p is behind `command="`. 500 to 504 are errors of the protocol: RFC 5321 4.2.2. */
static unsigned read_failed_command(struct line_walk *walk, struct slice host, struct slice session, const char *p,
                                    const char *end) {
  const char *result = find_result(p, end);
  if (!result) return READ_NOISE + NOISE_connection;
  struct slice command = slice_between(p, result), reply = slice_between(result + 10, end), stage = SLICE_ABSENT,
               argument = SLICE_ABSENT;
  if (reply.ptr[reply.len - 1] == '"') reply.len--;
  for (size_t i = 0; i < sizeof commands / sizeof *commands; i++) {
    struct slice verb = slice_of(command.ptr, commands[i].command.len);
    if (command.len < verb.len || !slice_equal_nocase(verb, commands[i].command)) continue;
    stage = commands[i].stage;
    argument = slice_trim(slice_skip(command, verb.len));
    break;
  }
  uint16_t code = reply_smtp_code(reply.ptr, reply.ptr + reply.len);
  if (slice_is_absent(stage) || !code || (code >= 500 && code <= 504)) return READ_NOISE + NOISE_connection;
  struct line *line = line_walk_add(walk, host, session);
  line->kind = LINE_REJECT;
  line->service = SLICE("smtp");
  line->reject.stage = stage;
  line->reject.reply = reply;
  line->reject.smtp_code = code;
  line->reject.dsn = reply_dsn(reply.ptr, reply.ptr + reply.len);
  struct slice address = SLICE_ABSENT;
  if (argument.len && *argument.ptr == '<') opensmtpd_read_value(argument.ptr, result, SLICE(" "), &address);
  if (slice_equal(stage, SLICE("RCPT"))) line->reject.recipient = address;
  if (slice_equal(stage, SLICE("MAIL"))) line->reject.sender = address;
  return READ_DELIVERY;
}

/* Behind "SESSION smtp ". */
static unsigned read_smtp(struct line_walk *walk, struct slice host, struct slice session, const char *p, const char *end) {
  if (STARTS_WITH(p, end, "connected ")) return read_connected(walk, host, session, p + 10, end);
  if (STARTS_WITH(p, end, "message ")) return read_message(walk, host, p + 8, end);
  if (STARTS_WITH(p, end, "failed-command ")) {
    const char *command = memmem(p, (size_t)(end - p), "command=\"", 9);
    return command ? read_failed_command(walk, host, session, command + 9, end) : READ_NOISE + NOISE_connection;
  }
  if (STARTS_WITH(p, end, "disconnected ") || STARTS_WITH(p, end, "closed ")) {
    line_walk_add(walk, host, session)->kind = LINE_REMOVED;
    return READ_INFO;
  }
  return READ_NOISE + (STARTS_WITH(p, end, "envelope ") ? NOISE_bookkeeping : NOISE_connection);
}

static unsigned read_session(struct line_walk *walk, struct slice host, const char *p, const char *end) {
  struct slice session = slice_of(p, OPENSMTPD_ID_LEN);
  p += OPENSMTPD_ID_LEN + 1;
  if (end - p < 5) return READ_NOISE + NOISE_bookkeeping;
  const char *behind = p + 4;
  if (STARTS_WITH(p, end, "smtp ")) behind++;
  if (STARTS_WITH(behind, end, "event=")) behind += 6;
  if (STARTS_WITH(p, end, "smtp ")) return read_smtp(walk, host, session, behind, end);
  if (STARTS_WITH(behind, end, "delivery ")) {
    if (STARTS_WITH(p, end, "mta ")) return opensmtpd_read_delivery(walk, host, SLICE("mta"), behind + 9, end);
    if (STARTS_WITH(p, end, "mda ")) return opensmtpd_read_delivery(walk, host, SLICE("mda"), behind + 9, end);
  }
  return READ_NOISE + (STARTS_WITH(p, end, "filters ") ? NOISE_policy : NOISE_connection);
}

static enum noise noise_of(const char *p, const char *end) {
  if (STARTS_WITH(p, end, "smtp-out: ") || STARTS_WITH(p, end, "smtp-in: ")) return NOISE_connection;
  if (STARTS_WITH(p, end, "message repeated ") || STARTS_WITH(p, end, "last message repeated ")) return NOISE_repeated;
  bool is_warning = STARTS_WITH(p, end, "warn: ") || STARTS_WITH(p, end, "fatal") || STARTS_WITH(p, end, "error");
  if (is_warning && memmem(p, (size_t)(end - p), " injecting failure report ", 26)) return NOISE_notification;
  return is_warning ? NOISE_warning : NOISE_bookkeeping;
}

/* Not "postfix/smtpd". */
static bool is_ours(struct slice instance, struct slice program) {
  return slice_is_absent(instance) && (slice_equal(program, SLICE("smtpd")) || slice_equal(program, SLICE("opensmtpd")));
}

static unsigned read_line(struct line_walk *walk, const char *p, const char *end) {
  struct syslog_header header;
  if (!syslog_read(&walk->stamps, p, end, walk->limit, &header)) return READ_UNPARSED + UNPARSED_HEADER;
  if (header.time_us == TIME_US_ABSENT) return READ_UNPARSED + UNPARSED_TIME;
  const char *text = header.text;
  if (!is_ours(header.instance, header.service))
    return READ_NOISE + (STARTS_WITH(text, end, "last message repeated ") ? NOISE_repeated : NOISE_other_program);
  walk->time_us = header.time_us;
  if (opensmtpd_is_id(text, end, OPENSMTPD_ID_LEN) && end - text > OPENSMTPD_ID_LEN && text[OPENSMTPD_ID_LEN] == ' ')
    return read_session(walk, header.host, text, end);
  if (STARTS_WITH(text, end, "relay: ") || STARTS_WITH(text, end, "delivery: ") || STARTS_WITH(text, end, "bounce: "))
    return opensmtpd_read_envelope(walk, header.host, text, end);
  return READ_NOISE + noise_of(text, end);
}

static void parse(struct parser *parser, const struct batch *batch, const char *lookback, const char *begin, const char *end) {
  line_walk(parser, batch, lookback, begin, end, read_line);
}

static bool recognise(const struct line_shape *shape) { return shape->is_syslog && is_ours(shape->instance, shape->program); }

const struct format FORMAT_OPENSMTPD = {.name = "opensmtpd",
                                        .parse = parse,
                                        .state_new = line_walk_state_new,
                                        .state_free = line_walk_state_free,
                                        .recognise = recognise};
