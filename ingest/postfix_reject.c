/* Refusals by our own server, direction `in`:
 *
 *   smtpd       reject: RCPT from host[ip]: 550 5.1.1 <x>: text; from=<a> to=<b> proto=ESMTP helo=<h>
 *   smtpd       reject: DATA content from host[ip]: 550 5.7.1 text; from=<a> to=<b> proto=ESMTP helo=<h>
 *   smtpd       proxy-reject: END-OF-MESSAGE: 550 5.7.1 text; from=<a> to=<b> proto=ESMTP helo=<h>
 *   milter      milter-reject: END-OF-MESSAGE from host[ip]: 5.7.1 text; from=<a> to=<b> proto=ESMTP helo=<h>
 *   cleanup     reject: header Subject: x from host[ip]; from=<a> to=<b> proto=ESMTP helo=<h>: 5.7.1 text
 *   postscreen  reject: RCPT from [ip]:port: 550 5.7.1 text; from=<a>, to=<b>, proto=ESMTP, helo=<h>
 *
 * Of the trailer ("; from=<...") any part may be absent. */
#include "ingest/postfix_internal.h"
#include "ingest/reply_codes.h"

/* How a trailer is read, in the order in which it is tried. */
enum reading {
  AS_WRITTEN,    /* addresses with whole quotes; a name in helo=<> without '<' and '>'; nothing behind */
  ODD_HELO,      /* ... any name, and anything behind it */
  ODD_ADDRESSES, /* ... and quotes mean nothing: an address goes on to a '>' with another part of the trailer, or its end, behind */
  READING_COUNT
};

/* Places where a trailer may begin that are tried, from the end of the line: more than fit into the helo=<> of an SMTP command.
 * Without it a line made for it would take time that grows with the square of its length. */
#define TRAILERS_MAX 64u

/* The blank, or comma and blank, between the parts of a trailer. */
static const char *skip_separator(const char *p, const char *end) {
  if (p < end && *p == ',') p++;
  return p < end && *p == ' ' ? p + 1 : p;
}

/* Whether an address may end before p. */
static bool is_behind_address(const char *p, const char *end) {
  const char *next = skip_separator(p, end);
  if (p == end || STARTS_WITH(p, end, ": ")) return true;
  return next > p && (STARTS_WITH(next, end, "to=<") || STARTS_WITH(next, end, "proto=") || STARTS_WITH(next, end, "helo=<"));
}

/* The '>' that ends an address at p, NULL when there is none or the quotes do not end. */
static const char *address_end(const char *p, const char *end, enum reading reading) {
  bool is_quoted = false;
  for (; p < end; p++) {
    if (reading == ODD_ADDRESSES) {
      if (*p == '>' && is_behind_address(p + 1, end)) return p;
    } else if (*p == '"') {
      is_quoted = !is_quoted;
    } else if (*p == '\\' && is_quoted) {
      p++;
    } else if (*p == '>' && !is_quoted) {
      return p;
    }
  }
  return NULL;
}

/* " proto=ESMTP helo=<h>" and nothing else, or the ": text" of cleanup; with odd names just its beginning. */
static bool is_end_of_trailer(const char *p, const char *end, enum reading reading) {
  p = skip_separator(p, end);
  if (reading != AS_WRITTEN && (STARTS_WITH(p, end, "proto=") || STARTS_WITH(p, end, "helo=<"))) return true;
  if (STARTS_WITH(p, end, "proto=")) {
    while (p < end && *p != ' ' && *p != ',' && *p != ':') p++;
    p = skip_separator(p, end);
  }
  if (STARTS_WITH(p, end, "helo=<")) {
    for (p += 6; p < end && *p != '<' && *p != '>';) p++;
    if (p == end || *p != '>') return false;
    p++;
  }
  return p == end || STARTS_WITH(p, end, ": ");
}

/* Reads "from=<a> to=<b>" or "from=<a>, to=<b>" at p; false when an address does not end, or something else follows. */
static bool read_envelope(const char *p, const char *end, enum reading reading, struct line *line) {
  line->reject.sender = line->reject.recipient = SLICE_ABSENT;
  if (STARTS_WITH(p, end, "from=<")) {
    const char *close = address_end(p + 6, end, reading);
    if (!close) return false;
    line->reject.sender = slice_between(p + 6, close);
    p = skip_separator(close + 1, end);
  }
  if (STARTS_WITH(p, end, "to=<")) {
    const char *close = address_end(p + 4, end, reading);
    if (!close) return false;
    line->reject.recipient = slice_between(p + 4, close);
    p = close + 1;
  }
  return is_end_of_trailer(p, end, reading);
}

static bool is_trailer(const char *p, const char *end) {
  return STARTS_WITH(p, end, "; from=<") || STARTS_WITH(p, end, "; to=<") || STARTS_WITH(p, end, "; proto=") ||
         STARTS_WITH(p, end, "; helo=<");
}

/* Where the trailer begins, with the envelope read; `end` when there is none. A reply may quote a trailer and an address may hold one,
 * so it is the last one that reads well. */
static const char *read_trailer(const char *p, const char *end, struct line *line) {
  for (enum reading reading = AS_WRITTEN; reading < READING_COUNT; reading++) {
    unsigned tries = 0;
    for (const char *at = end; tries < TRAILERS_MAX && (at = scan_find_last(p, at, ';'));) {
      if (!is_trailer(at, end)) continue;
      if (read_envelope(at + 2, end, reading, line)) return at;
      tries++;
    }
  }
  line->reject.sender = line->reject.recipient = SLICE_ABSENT;
  return end;
}

/* "550 5.1.1 text" or "5.7.1 text": the codes at the front of the reply. */
static void set_reply(struct slice reply, struct line *line) {
  const char *p = reply.ptr, *end = reply.ptr + reply.len;
  line->reject.reply = reply;
  line->reject.smtp_code = reply_smtp_code_of(reply);
  line->reject.dsn = SLICE_ABSENT;
  if (line->reject.smtp_code) p += reply.len > 3 ? 4 : 3;
  const char *dsn = p;
  if (end - p < 5 || *p < '2' || *p > '5' || p[1] != '.') return;
  for (unsigned dots = 0; p < end && (ascii_is_digit(*p) || (*p == '.' && dots < 2)); p++) dots += *p == '.';
  if (p - dsn >= 5 && p[-1] != '.' && (p == end || *p == ' ')) line->reject.dsn = slice_between(dsn, p);
}

/* "host[ip]" or "[ip]:port" at p, ended by `stop`; returns behind it. */
static const char *read_client(const char *p, const char *end, struct line *line) {
  const char *close = memchr(p, ']', (size_t)(end - p));
  if (!close) return NULL;
  postfix_read_peer_slow(slice_between(p, close + 1), &line->reject.client_host, &line->reject.client_ip);
  p = close + 1;
  if (p < end && *p == ':' && p + 1 < end && ascii_is_digit(p[1]))
    for (p++; p < end && ascii_is_digit(*p); p++) continue;
  return p;
}

/* Of cleanup's header_checks and body_checks: the content, which is a stranger's, stands before the client. */
static unsigned read_content_reject(const char *p, const char *end, struct line *line) {
  const char *trailer = read_trailer(p, end, line);
  const char *from = NULL;
  for (const char *at = p; (at = memmem(at, (size_t)(trailer - at), " from ", 6)); at += 6) from = at;
  line->reject.stage = SLICE("END-OF-MESSAGE");
  line->reject.client_host = line->reject.client_ip = SLICE_ABSENT;
  if (from) read_client(from + 6, trailer, line);
  const char *tail = scan_find_last(trailer, end, '>');
  const char *text = end - (tail ? tail : end) > 3 && STARTS_WITH(tail, end, ">: ") ? tail + 3 : NULL;
  if (!text) text = (text = memmem(trailer, (size_t)(end - trailer), ": ", 2)) ? text + 2 : p;
  set_reply(slice_between(text, text == p ? trailer : end), line);
  return READ_DELIVERY;
}

static bool is_content(const char *p, const char *end) {
  static const struct slice words[] = {SLICE("header "),        SLICE("body "),        SLICE("mime-header "),
                                       SLICE("nested-header "), SLICE("mime header "), SLICE("nested header "),
                                       SLICE("mime-error ")};
  for (size_t i = 0; i < sizeof words / sizeof *words; i++)
    if (slice_starts_with(slice_between(p, end), words[i])) return true;
  return false;
}

/* Behind "RCPT", "END-OF-MESSAGE" or "DATA content". */
static const char *skip_stage(const char *p, const char *end) {
  while (p < end &&
         (*p == '-' || (*p == ' ' && !STARTS_WITH(p, end, " from ")) || (ascii_lower(*p) >= 'a' && ascii_lower(*p) <= 'z')))
    p++;
  return p;
}

unsigned postfix_read_reject(const char *p, const char *end, struct line *line) {
  if (STARTS_WITH(p, end, "reject: "))
    p += 8;
  else if (STARTS_WITH(p, end, "milter-reject: "))
    p += 15;
  else if (STARTS_WITH(p, end, "proxy-reject: "))
    p += 14;
  else
    return READ_NOISE + NOISE_policy;
  if (is_content(p, end)) return read_content_reject(p, end, line);
  const char *stage = p;
  p = skip_stage(p, end);
  line->reject.stage = slice_between(stage, p);
  line->reject.client_host = line->reject.client_ip = SLICE_ABSENT;
  if (STARTS_WITH(p, end, " from ")) p = read_client(p + 6, end, line);
  if (!p || !STARTS_WITH(p, end, ": ") || !line->reject.stage.len) return READ_UNPARSED + UNPARSED_BODY;
  const char *reply = p + 2;
  set_reply(slice_between(reply, read_trailer(reply, end, line)), line);
  return READ_DELIVERY;
}
