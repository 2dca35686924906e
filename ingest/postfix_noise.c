/* Lines that say nothing of a delivery, by kind. The words that a text begins with decide; then the program. */
#include "ingest/postfix_internal.h"

struct noise_word {
  struct slice word;
  enum noise noise;
};

/* What a text begins with, behind its queue id if it has one. */
static const struct noise_word beginnings[] = {
    {SLICE("connect from "), NOISE_connection},
    {SLICE("disconnect from "), NOISE_connection},
    {SLICE("Anonymous TLS connection"), NOISE_connection},
    {SLICE("Untrusted TLS connection"), NOISE_connection},
    {SLICE("Trusted TLS connection"), NOISE_connection},
    {SLICE("Verified TLS connection"), NOISE_connection},
    {SLICE("lost connection "), NOISE_connection},
    {SLICE("timeout after "), NOISE_connection},
    {SLICE("setting up TLS connection"), NOISE_connection},
    {SLICE("SSL_"), NOISE_connection},
    {SLICE("connect to "), NOISE_connection},
    {SLICE("host "), NOISE_connection},
    {SLICE("conversation with "), NOISE_connection},
    {SLICE("enabling PIX workarounds"), NOISE_connection},
    {SLICE("Host offered STARTTLS"), NOISE_connection},
    {SLICE("Cannot start TLS"), NOISE_connection},
    {SLICE("too many errors after "), NOISE_connection},
    {SLICE("improper command pipelining "), NOISE_connection},
    {SLICE("client="), NOISE_connection},
    {SLICE("warning: "), NOISE_warning},
    {SLICE("error: "), NOISE_warning},
    {SLICE("fatal: "), NOISE_warning},
    {SLICE("panic: "), NOISE_warning},
    {SLICE("sender non-delivery notification"), NOISE_notification},
    {SLICE("sender delivery status notification"), NOISE_notification},
    {SLICE("sender delay notification"), NOISE_notification},
    {SLICE("postmaster non-delivery notification"), NOISE_notification},
    {SLICE("postmaster delay notification"), NOISE_notification},
    {SLICE("reject_warning: "), NOISE_policy},
    {SLICE("hold: "), NOISE_policy},
    {SLICE("discard: "), NOISE_policy},
    {SLICE("redirect: "), NOISE_policy},
    {SLICE("filter: "), NOISE_policy},
    {SLICE("prepend: "), NOISE_policy},
    {SLICE("replace: "), NOISE_policy},
    {SLICE("strip: "), NOISE_policy},
    {SLICE("ignore: "), NOISE_policy},
    {SLICE("warn: "), NOISE_policy},
    {SLICE("info: "), NOISE_policy},
    {SLICE("delay: "), NOISE_policy},
    {SLICE("bcc: "), NOISE_policy},
    {SLICE("permit: "), NOISE_policy},
    {SLICE("pass: "), NOISE_policy},
    {SLICE("proxy-accept: "), NOISE_policy},
    {SLICE("milter-hold: "), NOISE_policy},
    {SLICE("milter-discard: "), NOISE_policy},
    {SLICE("milter-header-"), NOISE_policy},
    {SLICE("milter-body-"), NOISE_policy},
};

/* Programs of Postfix, and what their lines are when the text does not say otherwise. */
static const struct noise_word programs[] = {
    {SLICE("smtpd"), NOISE_connection},
    {SLICE("smtp"), NOISE_connection},
    {SLICE("lmtp"), NOISE_connection},
    {SLICE("qmgr"), NOISE_bookkeeping},
    {SLICE("cleanup"), NOISE_bookkeeping},
    {SLICE("postscreen"), NOISE_connection},
    {SLICE("tlsproxy"), NOISE_connection},
    {SLICE("dnsblog"), NOISE_connection},
    {SLICE("bounce"), NOISE_notification},
    {SLICE("pickup"), NOISE_bookkeeping},
    {SLICE("local"), NOISE_bookkeeping},
    {SLICE("virtual"), NOISE_bookkeeping},
    {SLICE("pipe"), NOISE_bookkeeping},
    {SLICE("error"), NOISE_bookkeeping},
    {SLICE("retry"), NOISE_bookkeeping},
    {SLICE("discard"), NOISE_bookkeeping},
    {SLICE("defer"), NOISE_notification},
    {SLICE("trace"), NOISE_notification},
    {SLICE("anvil"), NOISE_bookkeeping},
    {SLICE("master"), NOISE_bookkeeping},
    {SLICE("tlsmgr"), NOISE_bookkeeping},
    {SLICE("scache"), NOISE_bookkeeping},
    {SLICE("verify"), NOISE_bookkeeping},
    {SLICE("showq"), NOISE_bookkeeping},
    {SLICE("flush"), NOISE_bookkeeping},
    {SLICE("proxymap"), NOISE_bookkeeping},
    {SLICE("trivial-rewrite"), NOISE_bookkeeping},
    {SLICE("oqmgr"), NOISE_bookkeeping},
    {SLICE("nqmgr"), NOISE_bookkeeping},
    {SLICE("qmqpd"), NOISE_connection},
    {SLICE("spawn"), NOISE_bookkeeping},
    {SLICE("sendmail"), NOISE_bookkeeping},
    {SLICE("postdrop"), NOISE_bookkeeping},
    {SLICE("postqueue"), NOISE_bookkeeping},
    {SLICE("postsuper"), NOISE_bookkeeping},
    {SLICE("postlog"), NOISE_bookkeeping},
    {SLICE("postlogd"), NOISE_bookkeeping},
    {SLICE("postfix-script"), NOISE_bookkeeping},
};

static const struct noise_word *find_program(struct slice service) {
  for (size_t i = 0; i < sizeof programs / sizeof *programs; i++)
    if (slice_equal(programs[i].word, service)) return &programs[i];
  return NULL;
}

bool postfix_is_program(const struct syslog_header *header) {
  if (slice_is_absent(header->instance)) return false;
  return slice_starts_with(header->instance, SLICE("postfix")) || find_program(header->service);
}

/* Behind "QID: " or "NOQUEUE: ". */
static const char *skip_queue_id(const char *text, const char *end) {
  const char *p = text;
  while (p < end && (ascii_is_digit(*p) || (ascii_lower(*p) >= 'a' && ascii_lower(*p) <= 'z'))) p++;
  bool is_severity = STARTS_WITH(text, end, "warning:") || STARTS_WITH(text, end, "error:") || STARTS_WITH(text, end, "fatal:") ||
                     STARTS_WITH(text, end, "panic:");
  return p - text >= 5 && STARTS_WITH(p, end, ": ") && !is_severity ? p + 2 : text;
}

enum noise postfix_noise(const struct syslog_header *header, const char *text, const char *end) {
  if (!postfix_is_program(header)) return NOISE_other_program;
  text = skip_queue_id(text, end);
  for (size_t i = 0; i < sizeof beginnings / sizeof *beginnings; i++)
    if (text < end && *text == *beginnings[i].word.ptr && slice_starts_with(slice_between(text, end), beginnings[i].word))
      return beginnings[i].noise;
  const struct noise_word *program = find_program(header->service);
  return program ? program->noise : NOISE_bookkeeping;
}
