/* What was said: the text of a failure or a deferral, and the confirmation of a delivery.
 *
 *   SMTP error from remote mail server after RCPT TO:<c@d>: 550-5.1.1 No such\n550 5.1.1 user        today's
 *   SMTP error from remote mail server after RCPT TO:<c@d>: host mx.d [192.0.2.9]: 550 5.1.1 ...     until 4.85
 *   SMTP timeout after DATA                          no reply, but the command that went unanswered
 *   Remote host closed connection in response to MAIL FROM:<a@b>
 *
 * A reply of several lines comes as one, with \n between them; bytes from 0x80 on come as \ooo. Both are written as they were: a blank
 * and the byte. (A backslash of the other side is not escaped, so only what cannot be one is decoded: \n before a reply
 * code, three octal digits from \200 on.) */
#include "ingest/exim_internal.h"

/* What the text calls the command, and the stage that we call it. */
static const struct {
  struct slice text, stage;
} stages[] = {
    {SLICE("RCPT TO"), SLICE("RCPT")},
    {SLICE("MAIL FROM"), SLICE("MAIL")},
    {SLICE("end of data"), SLICE("END-OF-MESSAGE")},
    {SLICE("sending data block"), SLICE("DATA")},
    {SLICE("DATA"), SLICE("DATA")},
    {SLICE("BDAT"), SLICE("DATA")},
    {SLICE("initial connection"), SLICE("CONNECT")},
    {SLICE("EHLO"), SLICE("EHLO")},
    {SLICE("HELO"), SLICE("HELO")},
    {SLICE("LHLO"), SLICE("LHLO")},
    {SLICE("STARTTLS"), SLICE("STARTTLS")},
    {SLICE("AUTH"), SLICE("AUTH")},
    {SLICE("RSET"), SLICE("RSET")},
    {SLICE("QUIT"), SLICE("QUIT")},
};

/* How texts begin that name a command; in `is_reply` ones a reply follows it. */
static const struct {
  struct slice text;
  bool is_reply;
} openings[] = {
    {SLICE("SMTP error from remote mail server after "), true},
    {SLICE("LMTP error after "), true},
    {SLICE("SMTP timeout after "), false},
    {SLICE("LMTP timeout after "), false},
    {SLICE("Remote host closed connection in response to "), false},
};

static struct slice skip_word(struct slice text, struct slice word) {
  return exim_starts_with(text, word) ? slice_skip(text, word.len) : text;
}

static struct slice stage_of(struct slice command) {
  command = skip_word(skip_word(skip_word(command, SLICE("pipelined ")), SLICE("PRDR ")), SLICE("sending "));
  for (size_t i = 0; i < sizeof stages / sizeof *stages; i++)
    if (exim_starts_with(command, stages[i].text)) return stages[i].stage;
  return SLICE_ABSENT;
}

static bool is_code(const char *p, const char *end) {
  return end - p >= 3 && p[0] >= '2' && p[0] <= '5' && ascii_is_digit(p[1]) && ascii_is_digit(p[2]);
}

uint16_t exim_read_codes(struct slice text, struct slice *dsn) {
  *dsn = SLICE_ABSENT;
  if (!text.len) return 0;
  const char *p = text.ptr, *end = p + text.len;
  if (!is_code(p, end) || (text.len > 3 && p[3] != ' ' && p[3] != '-')) return 0;
  uint16_t code = (uint16_t)((p[0] - '0') * 100 + (p[1] - '0') * 10 + (p[2] - '0'));
  if (text.len < 9 || p[4] != p[0] || p[5] != '.') return code;
  const char *begin = p + 4;
  if (end - p >= 10 && p[7] == '.' && ascii_is_digit(p[6]) && ascii_is_digit(p[8]) && p[9] == ' ') { /* nearly always */
    *dsn = slice_of(begin, 5);
    return code;
  }
  unsigned dots = 0;
  for (p = begin; p < end && (ascii_is_digit(*p) || (*p == '.' && dots < 2 && p[-1] != '.')); p++) dots += *p == '.';
  if (dots == 2 && p[-1] != '.' && p - begin <= 9 && (p == end || !(ascii_is_digit(*p) || *p == '.')))
    *dsn = slice_between(begin, p);
  return code;
}

/* ---- escapes ---------------------------------------------------------------------------------------------------------------- */

static bool is_octal_byte(const char *p, const char *end) {
  return end - p >= 4 && (p[1] == '2' || p[1] == '3') && p[2] >= '0' && p[2] <= '7' && p[3] >= '0' && p[3] <= '7';
}

/* Writes what [p, end) stands for to `out`, which may be p; returns the length. */
static size_t decode(const char *p, const char *end, char *out) {
  const char *begin = out;
  while (p < end) {
    if (*p == '\\' && is_octal_byte(p, end)) {
      *out++ = (char)((p[1] - '0') * 64 + (p[2] - '0') * 8 + (p[3] - '0'));
      p += 4;
    } else if (STARTS_WITH(p, end, "\\n") && is_code(p + 2, end)) {
      *out++ = ' ';
      p += 2;
    } else {
      *out++ = *p++;
    }
  }
  return (size_t)(out - begin);
}

/* Inside the quotes of a confirmation " and \ stand behind a \. */
static size_t unquote(const char *p, const char *end, char *out) {
  const char *begin = out;
  for (; p < end; p++) {
    if (*p == '\\' && p + 1 < end && (p[1] == '"' || p[1] == '\\')) p++;
    *out++ = *p;
  }
  return (size_t)(out - begin);
}

struct slice exim_decoded(struct line_walk *walk, struct slice text) {
  if (!text.len || !memchr(text.ptr, '\\', text.len)) return text; /* it may be a literal, behind which nothing may be read */
  char *room = line_walk_room(walk, text.len);
  return slice_of(room, decode(text.ptr, text.ptr + text.len, room));
}

void exim_read_confirmation(struct line_walk *walk, struct slice text, bool is_plain, struct line *delivery) {
  if (!is_plain && text.len) {
    char *room = line_walk_room(walk, text.len);
    size_t len = unquote(text.ptr, text.ptr + text.len, room);
    text = slice_of(room, decode(room, room + len, room));
  }
  delivery->delivery.reply = text;
  delivery->delivery.smtp_code = exim_read_codes(text, &delivery->delivery.dsn);
}

/* ---- failures --------------------------------------------------------------------------------------------------------------- */

/* Behind the command at the front of the text: "RCPT TO:<c@d>", "MAIL FROM:<a@b> SIZE=9", "EHLO us.example", ended by ": ". */
static struct slice skip_command(struct slice text, const char *limit) {
  const char *p = text.ptr, *end = p + text.len, *open = scan_find(p, end, limit, '<');
  const char *colon = exim_find_pair(p, end, limit, ':', ' ');
  if (colon && open < colon) colon = exim_find_pair(exim_address_end(open, end, limit, '>'), end, limit, ':', ' ');
  return colon ? slice_between(colon + 2, end) : SLICE_ABSENT;
}

/* "host mx.d [192.0.2.9]: " before the reply, as old versions have it. */
static struct slice skip_peer(struct slice reply, const char *limit, struct line *delivery) {
  if (!slice_starts_with(reply, SLICE("host "))) return reply;
  const char *p = reply.ptr + 5, *end = reply.ptr + reply.len, *blank = memchr(p, ' ', (size_t)(end - p));
  struct slice ip;
  const char *behind = blank ? exim_read_bracketed_ip(blank + 1, end, limit, &ip) : NULL;
  if (!behind || !STARTS_WITH(behind, end, ": ")) return reply;
  if (slice_is_absent(delivery->delivery.relay_ip)) {
    delivery->delivery.relay_host = slice_between(p, blank);
    delivery->delivery.relay_ip = ip;
  }
  return slice_between(behind + 2, end);
}

/* What the system says of a connection that was not made. */
static bool is_connection_error(struct slice text) {
  static const struct slice errors[] = {SLICE("Connection refused"), SLICE("Connection timed out"), SLICE("No route to host"),
                                        SLICE("Network is unreachable"), SLICE("Host is unreachable")};
  for (size_t i = 0; i < sizeof errors / sizeof *errors; i++)
    if (slice_equal(text, errors[i])) return true;
  return false;
}

void exim_read_message(struct line_walk *walk, struct slice text, struct line *delivery) {
  delivery->delivery.reply = text;
  if (is_connection_error(text)) delivery->delivery.stage = SLICE("CONNECT");
  for (size_t i = 0; i < sizeof openings / sizeof *openings; i++) {
    if (!exim_starts_with(text, openings[i].text)) continue;
    struct slice command = slice_skip(text, openings[i].text.len);
    /* LMTP answers the end of the data for each recipient; Exim calls that DATA. */
    bool is_lmtp_data = openings[i].text.ptr[0] == 'L' && slice_starts_with(command, SLICE("DATA: "));
    delivery->delivery.stage = is_lmtp_data ? SLICE("END-OF-MESSAGE") : stage_of(command);
    if (!openings[i].is_reply) return;
    struct slice reply = skip_peer(skip_command(command, walk->limit), walk->limit, delivery);
    if (!reply.len) return;
    delivery->delivery.reply = exim_decoded(walk, reply);
    delivery->delivery.smtp_code = exim_read_codes(delivery->delivery.reply, &delivery->delivery.dsn);
    return;
  }
  delivery->delivery.reply = exim_decoded(walk, text);
  delivery->delivery.smtp_code = exim_read_codes(delivery->delivery.reply, &delivery->delivery.dsn);
}
