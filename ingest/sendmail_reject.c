/* Refusals by our own server, direction `in`:
 *
 *   ruleset=check_rcpt, arg1=<a@b>, relay=host [192.0.2.7], reject=550 5.7.1 <a@b>... Relaying denied
 *   ruleset=check_relay, arg1=host, arg2=192.0.2.7, relay=host [192.0.2.7], reject=554 5.7.1 ...
 *   Milter: to=<a@b>, reject=550 5.7.1 ...        Milter: from=<a@b>, reject=...
 *   <a@b>... User unknown                         a recipient; Sendmail does not log the codes that it gave
 *
 * What is refused behind DATA (check_eom, "Milter: data") is said again for each recipient, and counted there: sendmail_delivery.c.
 * The client is told by rulesets only, the sender only where it is what was refused: the from= line comes later, if at all. */
#include "ingest/reply_codes.h"
#include "ingest/sendmail_internal.h"

static struct line *add_reject(struct sendmail_message *message, struct slice stage, const char *reply, const char *end) {
  struct line *line = line_walk_add(message->walk, message->host, message->queue_id);
  line->kind = LINE_REJECT;
  line->service = message->program;
  line->reject.stage = stage;
  line->reject.reply = slice_between(reply, end);
  line->reject.smtp_code = reply_smtp_code(reply, end);
  line->reject.dsn = reply_dsn(reply, end);
  return line;
}

/* Rulesets that refuse a client, and the command whose argument is arg1. The others (trust_auth, tls_server ...) refuse no mail. */
static const struct {
  struct slice name, stage;
} rulesets[] = {
    {SLICE("check_rcpt"), SLICE("RCPT")},   {SLICE("check_mail"), SLICE("MAIL")}, {SLICE("check_relay"), SLICE("CONNECT")},
    {SLICE("check_compat"), SLICE("RCPT")}, {SLICE("check_data"), SLICE("DATA")},
};

static struct slice stage_of(struct slice ruleset) {
  for (size_t i = 0; i < sizeof rulesets / sizeof *rulesets; i++)
    if (slice_equal(rulesets[i].name, ruleset)) return rulesets[i].stage;
  return SLICE_ABSENT;
}

unsigned sendmail_read_ruleset(struct sendmail_message *message, const char *p, const char *end) {
  const char *comma = sendmail_find_comma(p, end);
  struct slice ruleset = slice_between(p, comma ? comma : end), stage = stage_of(ruleset), argument = SLICE_ABSENT;
  if (comma && STARTS_WITH(comma, end, ", arg1=")) {
    comma = sendmail_read_address(comma + 7, end, &argument);
    if (comma) comma = sendmail_find_comma(comma, end);
  }
  const char *reject = comma ? memmem(comma, (size_t)(end - comma), ", reject=", 9) : NULL;
  if (!reject || slice_is_absent(stage)) return READ_NOISE + NOISE_policy;
  struct line *line = add_reject(message, stage, reject + 9, end);
  const char *relay = memmem(comma, (size_t)(reject - comma), ", relay=", 8);
  if (relay)
    sendmail_read_peer(slice_between(relay + 8, reject), message->walk->limit, &line->reject.client_host, &line->reject.client_ip);
  if (slice_equal(ruleset, SLICE("check_rcpt"))) line->reject.recipient = argument;
  if (slice_equal(ruleset, SLICE("check_mail"))) line->reject.sender = argument;
  return READ_DELIVERY;
}

unsigned sendmail_read_milter(struct sendmail_message *message, const char *p, const char *end) {
  bool is_recipient = STARTS_WITH(p, end, "to="), is_sender = STARTS_WITH(p, end, "from="), is_helo = STARTS_WITH(p, end, "helo=");
  struct slice address = SLICE_ABSENT;
  const char *behind = NULL;
  if (is_recipient || is_sender || is_helo) behind = sendmail_read_address(p + (is_recipient ? 3 : 5), end, &address);
  if (!behind || !STARTS_WITH(behind, end, ", reject=")) return READ_NOISE + NOISE_policy;
  struct slice stage = is_recipient ? SLICE("RCPT") : is_sender ? SLICE("MAIL") : SLICE("HELO");
  struct line *line = add_reject(message, stage, behind + 9, end);
  if (is_recipient) line->reject.recipient = address;
  if (is_sender) line->reject.sender = address;
  return READ_DELIVERY;
}

unsigned sendmail_read_refused(struct sendmail_message *message, const char *p, const char *end) {
  struct slice address;
  const char *behind = sendmail_read_address(p, end, &address);
  if (!behind || !STARTS_WITH(behind, end, "... ")) return READ_NOISE + NOISE_connection;
  add_reject(message, SLICE("RCPT"), behind + 4, end)->reject.recipient = address;
  return READ_DELIVERY;
}
