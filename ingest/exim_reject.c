/* Refusals by our own server, direction `in`:
 *
 *   H=mx.b.example (helo) [192.0.2.7]:4321 I=[192.0.2.1]:25 X=... F=<a@b.example> A=plain:us [temporarily ]rejected RCPT <c@d.example>: text
 *   H=... [temporarily ]rejected MAIL <a@b.example>: text
 *   H=... rejected EHLO or HELO helo: text               also VRFY, ETRN, AUTH, STARTTLS
 *   H=... rejected connection in "connect" ACL: text
 *   1qAbCd-0001AB-2x H=... F=<a@b.example> rejected after DATA: text
 *   1qAbCd-0001AB-2x rejected from <a@b.example> H=...: message too big: ...
 *
 * helo, addresses and commands are a stranger's; the fields before "rejected" are in this order, so the first way to read them is the
 * right one. Exim logs a reply code only where the text of the configuration has one. */
#include "ingest/exim_internal.h"

struct refusal {
  struct slice sender, recipient, client_host, client_ip, stage, reply;
};

/* The command as the log names it behind "rejected ", and the stage that we call it. */
static const struct {
  struct slice text, stage;
} stages[] = {
    {SLICE("RCPT "), SLICE("RCPT")},
    {SLICE("MAIL "), SLICE("MAIL")},
    {SLICE("after DATA"), SLICE("END-OF-MESSAGE")},
    {SLICE("during MIME"), SLICE("END-OF-MESSAGE")},
    {SLICE("by local_scan"), SLICE("END-OF-MESSAGE")},
    {SLICE("by non-SMTP"), SLICE("END-OF-MESSAGE")},
    {SLICE("from <"), SLICE("END-OF-MESSAGE")},
    {SLICE("DATA"), SLICE("DATA")},
    {SLICE("connection"), SLICE("CONNECT")},
    {SLICE("EHLO"), SLICE("HELO")},
    {SLICE("HELO"), SLICE("HELO")},
    {SLICE("VRFY"), SLICE("VRFY")},
    {SLICE("EXPN"), SLICE("EXPN")},
    {SLICE("ETRN"), SLICE("ETRN")},
    {SLICE("AUTH"), SLICE("AUTH")},
    {SLICE("STARTTLS"), SLICE("STARTTLS")},
};

/* Fields from p on; returns where no field begins. */
static const char *read_fields(struct exim_cursor *cursor, const char *p, struct refusal *out) {
  const char *end = cursor->end;
  while (p < end) {
    const char *at = exim_name_end(p, end);
    if (at == p || at == end) return p;
    if (*at == ' ' && *p <= 'Z' && (at - p <= 3 || STARTS_WITH(p, end, "PRDR "))) { /* L, K, DS, TFO */
      p = at + 1;
      continue;
    }
    if (*at != '=') return p;
    const char *behind = NULL;
    if (at - p == 1 && *p == 'H' && exim_may_be_client(cursor)) {
      behind = exim_read_client(at + 1, end, cursor->limit, &out->client_host, &out->client_ip);
      if (behind == at + 1) behind = NULL;
    } else if (at - p == 1 && *p == 'F' && at + 1 < end && at[1] == '<') {
      behind = exim_address_end(at + 1, end, cursor->limit, '>');
      out->sender = slice_between(at + 2, behind);
    }
    p = behind ? exim_find_blank(cursor, behind) : exim_skip_value(cursor, at + 1);
    if (p < end) p++;
  }
  return p;
}

/* Behind "rejected " (p). */
static bool read_command(const struct exim_cursor *cursor, const char *p, struct refusal *out) {
  const char *end = cursor->end;
  struct slice text = slice_between(p, end);
  for (size_t i = 0; i < sizeof stages / sizeof *stages && slice_is_absent(out->stage); i++)
    if (exim_starts_with(text, stages[i].text)) out->stage = stages[i].stage;
  if (slice_is_absent(out->stage)) return false;
  const char *open = memchr(p, '<', text.len), *colon = exim_find_pair(p, end, cursor->limit, ':', ' ');
  bool is_rcpt = STARTS_WITH(p, end, "RCPT "), is_sender = STARTS_WITH(p, end, "MAIL ") || STARTS_WITH(p, end, "from <");
  if ((is_rcpt || is_sender) && open && (!colon || open < colon)) {
    const char *close = exim_address_end(open + 1, end, cursor->limit, '>');
    *(is_rcpt ? &out->recipient : &out->sender) = slice_between(open + 1, close);
    p = close;
    if (STARTS_WITH(p, end, "> H=")) { /* "from <a@b> H=...: text" */
      const char *behind = exim_read_client(p + 4, end, cursor->limit, &out->client_host, &out->client_ip);
      if (behind > p + 4) p = behind;
    }
    colon = exim_find_pair(p, end, cursor->limit, ':', ' ');
  }
  if (colon) out->reply = slice_between(colon + 2, end);
  return true;
}

/* "unqualified recipient rejected: <c> H=..."; p is behind "unqualified ". */
static bool read_unqualified(struct exim_cursor *cursor, const char *p, struct refusal *out) {
  const char *end = cursor->end;
  bool is_recipient = STARTS_WITH(p, end, "recipient rejected: <");
  if (!is_recipient && !STARTS_WITH(p, end, "sender rejected: <")) return false;
  const char *open = p + (is_recipient ? 20 : 17), *close = exim_address_end(open + 1, end, cursor->limit, '>');
  *(is_recipient ? &out->recipient : &out->sender) = slice_between(open + 1, close);
  out->stage = is_recipient ? SLICE("RCPT") : SLICE("MAIL");
  out->reply = is_recipient ? SLICE("unqualified recipient rejected") : SLICE("unqualified sender rejected");
  if (STARTS_WITH(close, end, "> ")) read_fields(cursor, close + 2, out);
  return true;
}

static bool read_refusal(const struct exim_line *line, struct refusal *out) {
  const char *end = line->end, *p;
  struct exim_cursor cursor = exim_cursor_at(line->text, end, line->walk->limit);
  if (STARTS_WITH(line->text, end, "unqualified ")) return read_unqualified(&cursor, line->text + 12, out);
  p = read_fields(&cursor, line->text, out);
  if (STARTS_WITH(p, end, "temporarily ")) p += 12;
  return STARTS_WITH(p, end, "rejected ") && read_command(&cursor, p + 9, out);
}

unsigned exim_read_other(const struct exim_line *line) {
  struct refusal refusal = {0};
  if (!read_refusal(line, &refusal)) return READ_NOISE + exim_noise(line);
  struct line *item = exim_add(line, LINE_REJECT);
  item->reject = (__typeof__(item->reject)){
      .sender = refusal.sender,
      .recipient = refusal.recipient,
      .client_host = refusal.client_host,
      .client_ip = refusal.client_ip,
      .stage = refusal.stage,
      .reply = exim_decoded(line->walk, refusal.reply),
  };
  item->reject.smtp_code = exim_read_codes(item->reject.reply, &item->reject.dsn);
  return READ_DELIVERY;
}
