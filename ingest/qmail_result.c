/* Reports of qmail-remote and qmail-lspawn as qmail-send logs them: line ends are '/', and what is neither a letter, digit nor sign is '_'.
 *
 *   192.0.2.7_accepted_message./Remote_host_said:_250_ok_1763972107/
 *   192.0.2.7_does_not_like_recipient./Remote_host_said:_550_5.1.1_no_such_user/Giving_up_on_192.0.2.7./
 *   Connected_to_192.0.2.7_but_greeting_failed./Remote_host_said:_421_busy/
 *   Sorry,_I_couldn't_find_any_host_named_gone.example._(#5.1.2)/
 *   did_0+0+1/qp_31067/
 *   ..._(#4.4.1)/I'm_not_going_to_try_again;_this_message_has_been_in_the_queue_too_long./
 *
 * A '/' or '_' of the server's own can't be told from these: each '_' becomes a blank, and a '/' where another line of a reply begins. */
#include "ingest/qmail_internal.h"
#include "ingest/reply_codes.h"

#define SAID SLICE("Remote_host_said:_")
#define GIVEN_UP SLICE("/Giving_up_on_")
#define TOO_LONG SLICE("I'm_not_going_to_try_again;_this_message_has_been_in_the_queue_too_long.")

/* What qmail-remote says of the conversation, and the command that it was at. */
static struct slice stage_of(struct slice text) {
  static const struct {
    struct slice words, stage;
  } stages[] = {
      {SLICE("_does_not_like_recipient"), SLICE("RCPT")},
      {SLICE("_sender_was_rejected"), SLICE("MAIL")},
      {SLICE("_failed_on_DATA_command"), SLICE("DATA")},
      {SLICE("_failed_after_I_sent_the_message"), SLICE("END-OF-MESSAGE")},
      {SLICE("_my_name_was_rejected"), SLICE("HELO")},
      {SLICE("_greeting_failed"), SLICE("CONNECT")},
      {SLICE("establish_an_SMTP_connection"), SLICE("CONNECT")},
  };
  for (size_t i = 0; i < sizeof stages / sizeof *stages; i++)
    if (slice_find(text, stages[i].words) < text.len) return stages[i].stage;
  return SLICE_ABSENT;
}

static bool is_ip_byte(char c) {
  char lower = (char)(c | 0x20);
  return ascii_is_digit(c) || c == '.' || c == ':' || (lower >= 'a' && lower <= 'f');
}

/* An address, without the dot that ends a sentence: 7 bytes at least ("1.2.3.4"), with three dots and digits, or with colons. */
static bool is_ip(struct slice word) {
  unsigned dots = 0, colons = 0, letters = 0;
  for (size_t i = 0; i < word.len; i++) {
    dots += word.ptr[i] == '.';
    colons += word.ptr[i] == ':';
    letters += !ascii_is_digit(word.ptr[i]) && word.ptr[i] != '.' && word.ptr[i] != ':';
  }
  return word.len <= 45 && ((dots == 3 && !letters && !colons && word.len >= 7) || (colons >= 2 && word.len >= 3));
}

/* The first word that is an address. */
static struct slice find_ip(struct slice text) {
  const char *end = text.ptr + text.len;
  for (const char *p = text.ptr; p < end;) {
    const char *begin = p;
    while (p < end && is_ip_byte(*p)) p++;
    struct slice word = slice_between(begin, p > begin && p[-1] == '.' ? p - 1 : p);
    bool is_whole = (begin == text.ptr || begin[-1] == '_' || begin[-1] == '/' || begin[-1] == '[' || begin[-1] == '(');
    if (is_whole && is_ip(word)) return word;
    if (p == begin) p++;
  }
  return SLICE_ABSENT;
}

/* "(#5.1.2)" */
static struct slice find_dsn(struct slice text) {
  for (size_t at; (at = slice_find(text, SLICE("(#"))) < text.len; text = slice_skip(text, at + 2)) {
    struct slice rest = slice_skip(text, at + 2), code = slice_of(rest.ptr, slice_find_byte(rest, ')'));
    struct slice dsn = reply_dsn_at(code.ptr, code.ptr + code.len);
    if (code.len < rest.len && dsn.len == code.len) return dsn;
  }
  return SLICE_ABSENT;
}

/* Whether the '/' before p ends a line of a reply: another with a code stands behind it. */
static bool is_line_end(const char *p, const char *end) {
  if (end - p < 3 || !ascii_is_digit(p[0]) || !ascii_is_digit(p[1]) || !ascii_is_digit(p[2])) return false;
  return end - p == 3 || p[3] == '-' || p[3] == '_';
}

/* As it was before qmail-send made it one word. */
static struct slice decode(struct line_walk *walk, struct slice text) {
  while (text.len && (text.ptr[text.len - 1] == '/' || text.ptr[text.len - 1] == '_')) text.len--;
  char *to = line_walk_room(walk, text.len);
  const char *end = text.ptr + text.len;
  for (size_t i = 0; i < text.len; i++) {
    char c = text.ptr[i];
    to[i] = c == '_' || (c == '/' && is_line_end(text.ptr + i + 1, end)) ? ' ' : c;
  }
  return slice_of(to, text.len);
}

void qmail_read_report(struct line_walk *walk, struct slice report, enum status status, struct line *line) {
  size_t too_long = slice_find(report, TOO_LONG), said = slice_find(report, SAID);
  if (status == STATUS_bounced && too_long < report.len) status = STATUS_expired;
  struct slice text = slice_of(report.ptr, too_long), local = slice_of(text.ptr, said < text.len ? said : text.len), reply = local;
  if (said < text.len) {
    reply = slice_skip(text, said + SAID.len);
    reply.len = slice_find(reply, GIVEN_UP);
  }
  reply = decode(walk, reply);
  if (said < text.len) line->delivery.smtp_code = reply_smtp_code(reply.ptr, reply.ptr + reply.len);
  line->delivery.status = status;
  line->delivery.reply = reply.len ? reply : SLICE_ABSENT;
  line->delivery.dsn = said < text.len ? reply_dsn(reply.ptr, reply.ptr + reply.len) : find_dsn(local);
  line->delivery.relay_ip = find_ip(local);
  line->delivery.delay_us = DELAY_ABSENT;
  if (status != STATUS_delivered) line->delivery.stage = stage_of(local);
}
