/* What was said, by whom and to which command: the text of a delivery that was deferred or bounced.
 *
 *   host mx.b.example[192.0.2.7] said: 550 5.1.1 No such user (in reply to RCPT TO command)
 *   host mx.b.example[192.0.2.7] refused to talk to me: 554 5.7.1 ...
 *   SASL authentication failed; server mx.b.example[192.0.2.7] said: 535 5.7.8 ...
 *   delivery temporarily suspended: host mx.b.example[192.0.2.7] said: ...
 *   conversation with mx.b.example[192.0.2.7] timed out while sending RCPT TO
 *   lost connection with mx.b.example[192.0.2.7] while performing the HELO handshake
 *
 * Only one delivery in ten or so comes here: plain searches do. */
#include "ingest/postfix_internal.h"
#include "ingest/reply_codes.h"

/* Digits, letters a-f, '.' and ':', and one of the latter two at least; then, of a link-local address, "%eth0" (RFC 4007 11.2;
 * names of interfaces have at most 15 bytes). */
static bool is_ip(struct slice text) {
  bool has_separator = false;
  size_t percent = slice_find_byte(text, '%');
  if (text.len - percent > 16) return false;
  text.len = percent;
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

/* Where a server's words stand in those of Postfix: behind the server's name, which stands between `before` and `between`. */
static const struct {
  struct slice before, between;
  struct slice stage;   /* absent: "(in reply to X)" behind the reply tells it */
  bool is_whole_needed; /* without Postfix's own words the reply does not tell what failed */
} sayings[] = {
    {SLICE("host "), SLICE(" said: "), SLICE_ABSENT, false},
    {SLICE("host "), SLICE(" refused to talk to me: "), SLICE("CONNECT"), false},
    {SLICE("Protocol error: host "), SLICE(" said: "), SLICE_ABSENT, true},
    {SLICE("SASL authentication failed; server "), SLICE(" said: "), SLICE("AUTH"), true},
    {SLICE("TLS is required, but host "), SLICE(" refused to start TLS: "), SLICE("STARTTLS"), true},
};

/* The reply without "(in reply to RCPT TO command)", which tells the stage. */
static struct slice cut_command(struct slice reply, struct line *line) {
  const char *open = reply.len ? memrchr(reply.ptr, '(', reply.len) : NULL;
  struct slice tail = open ? slice_between(open, reply.ptr + reply.len) : SLICE_ABSENT;
  if (!slice_starts_with(tail, SLICE("(in reply to ")) || !slice_ends_with(tail, SLICE(")"))) return reply;
  line->delivery.stage = stage_of(slice_skip(tail, 13));
  return slice_trim(slice_between(reply.ptr, open));
}

/* A text with a server's words in it. */
static bool read_saying(struct slice text, struct line *line) {
  for (size_t i = 0; i < sizeof sayings / sizeof *sayings; i++) {
    if (!slice_starts_with(text, sayings[i].before)) continue;
    struct slice rest = slice_skip(text, sayings[i].before.len), peer = slice_of(rest.ptr, slice_find_byte(rest, ' '));
    struct slice reply = slice_skip(rest, peer.len);
    if (!peer.len || peer.ptr[peer.len - 1] != ']' || !slice_starts_with(reply, sayings[i].between)) continue;
    reply = slice_skip(reply, sayings[i].between.len);
    line->delivery.stage = sayings[i].stage;
    if (slice_is_absent(sayings[i].stage)) reply = cut_command(reply, line);
    line->delivery.smtp_code = reply_smtp_code_of(reply);
    if (!sayings[i].is_whole_needed) line->delivery.reply = reply.len ? reply : text;
    set_relay_if_absent(peer, line);
    return true;
  }
  return false;
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
  if (read_saying(inner, line) || read_broken_conversation(inner, line)) return;
  if (slice_starts_with(inner, SLICE("connect to "))) {
    struct slice peer = slice_skip(inner, 11);
    size_t close = slice_find(peer, SLICE("]:"));
    line->delivery.stage = SLICE("CONNECT");
    if (close < peer.len && slice_find_byte(slice_of(peer.ptr, close), ' ') == close)
      set_relay_if_absent(slice_of(peer.ptr, close + 1), line);
    return;
  }
  line->delivery.smtp_code = reply_smtp_code_of(inner);
}
