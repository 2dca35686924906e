/* What was said, by whom and to which command: the text of a delivery that was deferred or bounced.
 *
 *   host mx.b.example[192.0.2.7] said: 550 5.1.1 No such user (in reply to RCPT TO command)
 *   host mx.b.example[192.0.2.7] refused to talk to me: 554 5.7.1 ...
 *   delivery temporarily suspended: host mx.b.example[192.0.2.7] said: ...
 *   conversation with mx.b.example[192.0.2.7] timed out while sending RCPT TO
 *   lost connection with mx.b.example[192.0.2.7] while performing the HELO handshake
 *
 * Only one delivery in ten or so comes here: plain searches do. */
#include "ingest/postfix_internal.h"

uint16_t postfix_smtp_code(struct slice text) {
  const char *p = text.ptr;
  if (text.len < 3 || p[0] < '2' || p[0] > '5' || !ascii_is_digit(p[1]) || !ascii_is_digit(p[2])) return 0;
  if (text.len > 3 && p[3] != ' ' && p[3] != '-') return 0;
  return (uint16_t)((p[0] - '0') * 100 + (p[1] - '0') * 10 + (p[2] - '0'));
}

/* Digits, letters a-f, '.' and ':', and one of the latter two at least. */
static bool is_ip(struct slice text) {
  bool has_separator = false;
  if (text.len < 2 || text.len > 45) return false;
  for (size_t i = 0; i < text.len; i++) {
    char c = text.ptr[i], lower = (char)(c | 0x20);
    if (c == '.' || c == ':')
      has_separator = true;
    else if (!ascii_is_digit(c) && (lower < 'a' || lower > 'f'))
      return false;
  }
  return has_separator;
}

void postfix_read_peer_slow(struct slice peer, struct slice *host, struct slice *ip) {
  const char *end = peer.ptr + peer.len, *open = peer.len ? memchr(peer.ptr, '[', peer.len) : NULL;
  *ip = SLICE_ABSENT;
  *host = open ? slice_between(peer.ptr, open) : peer;
  if (open) {
    const char *close = memchr(open, ']', (size_t)(end - open));
    struct slice inside = slice_between(open + 1, close ? close : end);
    if (slice_starts_with(inside, SLICE("IPv6:"))) inside = slice_skip(inside, 5);
    if (close && is_ip(inside)) *ip = inside;
  }
  if (!host->len || slice_equal(*host, SLICE("unknown")) || (!open && slice_equal(*host, SLICE("none")))) *host = SLICE_ABSENT;
}

/* The command as Postfix names it in "(in reply to X)" and "while sending X", and the stage that we call it. */
static const struct {
  struct slice text, stage;
} stages[] = {
    {SLICE("RCPT TO"), SLICE("RCPT")},
    {SLICE("MAIL FROM"), SLICE("MAIL")},
    {SLICE("end of DATA"), SLICE("END-OF-MESSAGE")},
    {SLICE("end of data"), SLICE("END-OF-MESSAGE")},
    {SLICE("message body"), SLICE("DATA")},
    {SLICE("DATA"), SLICE("DATA")},
    {SLICE("BDAT"), SLICE("DATA")},
    {SLICE("EHLO"), SLICE("EHLO")},
    {SLICE("HELO"), SLICE("HELO")},
    {SLICE("LHLO"), SLICE("LHLO")},
    {SLICE("STARTTLS"), SLICE("STARTTLS")},
    {SLICE("AUTH"), SLICE("AUTH")},
    {SLICE("QUIT"), SLICE("QUIT")},
    {SLICE("RSET"), SLICE("RSET")},
    {SLICE("XFORWARD"), SLICE("XFORWARD")},
    {SLICE("XCLIENT"), SLICE("XCLIENT")},
    {SLICE("receiving the initial server greeting"), SLICE("CONNECT")},
    {SLICE("performing the EHLO handshake"), SLICE("EHLO")},
    {SLICE("performing the HELO handshake"), SLICE("HELO")},
    {SLICE("performing the LHLO handshake"), SLICE("LHLO")},
    {SLICE("performing the initial protocol handshake"), SLICE("EHLO")},
    {SLICE("performing SASL authentication"), SLICE("AUTH")},
};

static struct slice stage_of(struct slice text) {
  if (slice_starts_with(text, SLICE("sending "))) text = slice_skip(text, 8);
  for (size_t i = 0; i < sizeof stages / sizeof *stages; i++)
    if (slice_starts_with(text, stages[i].text)) return stages[i].stage;
  return SLICE_ABSENT;
}

static void set_relay_if_absent(struct slice peer, struct line *line) {
  if (slice_is_absent(line->delivery.relay_host) && slice_is_absent(line->delivery.relay_ip))
    postfix_read_peer_slow(peer, &line->delivery.relay_host, &line->delivery.relay_ip);
}

/* Behind "host X[ip]": the reply and the command that it answers. */
static bool read_said(struct slice text, struct slice said, struct slice peer, struct line *line) {
  struct slice reply = slice_skip(said, 7);
  const char *open = memrchr(reply.ptr, '(', reply.len);
  struct slice tail = open ? slice_between(open, reply.ptr + reply.len) : SLICE_ABSENT;
  if (slice_starts_with(tail, SLICE("(in reply to ")) && slice_ends_with(tail, SLICE(")"))) {
    line->delivery.stage = stage_of(slice_skip(tail, 13));
    reply.len = slice_trim(slice_between(reply.ptr, open)).len;
  }
  if (!reply.len) reply = text;
  line->delivery.reply = reply;
  line->delivery.smtp_code = postfix_smtp_code(reply);
  set_relay_if_absent(peer, line);
  return true;
}

/* "host X[ip] said: ..." and "host X[ip] refused to talk to me: ...". */
static bool read_host(struct slice text, struct line *line) {
  if (!slice_starts_with(text, SLICE("host "))) return false;
  size_t blank = slice_find_byte(slice_skip(text, 5), ' ');
  struct slice peer = slice_of(text.ptr + 5, blank), rest = slice_skip(text, 5 + blank);
  if (!peer.len || peer.ptr[peer.len - 1] != ']') return false;
  if (slice_starts_with(rest, SLICE(" said: "))) return read_said(text, rest, peer, line);
  if (!slice_starts_with(rest, SLICE(" refused to talk to me: "))) return false;
  struct slice reply = slice_skip(rest, 24);
  line->delivery.stage = SLICE("CONNECT");
  line->delivery.reply = reply.len ? reply : text;
  line->delivery.smtp_code = postfix_smtp_code(reply);
  set_relay_if_absent(peer, line);
  return true;
}

/* No reply, but a server and the command that went unanswered. */
static bool read_broken_conversation(struct slice text, struct line *line) {
  static const struct slice beginnings[] = {SLICE("conversation with "), SLICE("lost connection with ")};
  for (size_t i = 0; i < 2; i++) {
    if (!slice_starts_with(text, beginnings[i])) continue;
    struct slice rest = slice_skip(text, beginnings[i].len), peer = slice_of(rest.ptr, slice_find_byte(rest, ' '));
    size_t at = slice_find(rest, SLICE(" while "));
    line->delivery.stage = stage_of(slice_skip(rest, at + 7));
    if (peer.len && peer.ptr[peer.len - 1] == ']') set_relay_if_absent(peer, line);
    return true;
  }
  return false;
}

void postfix_read_reply(struct slice text, struct line *line) {
  struct slice suspended = SLICE("delivery temporarily suspended: "), inner = text;
  line->delivery.reply = text;
  if (slice_starts_with(inner, suspended)) inner = slice_skip(inner, suspended.len);
  if (read_host(inner, line) || read_broken_conversation(inner, line)) return;
  if (slice_starts_with(inner, SLICE("connect to "))) {
    struct slice peer = slice_skip(inner, 11);
    size_t close = slice_find(peer, SLICE("]:"));
    line->delivery.stage = SLICE("CONNECT");
    if (close < peer.len && slice_find_byte(slice_of(peer.ptr, close), ' ') == close)
      set_relay_if_absent(slice_of(peer.ptr, close + 1), line);
    return;
  }
  line->delivery.smtp_code = postfix_smtp_code(inner);
}
