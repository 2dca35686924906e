/* Lines that say nothing of a delivery, by kind. The words that a text begins with decide; then the program. */
#include "ingest/postfix_internal.h"

struct noise_word {
  struct slice word;
  enum noise noise;
};

/* What a text begins with, behind its queue id if it has one: in the order of the first byte, by which find_beginning looks. */
static const struct noise_word beginnings[] = {
    {SLICE("Anonymous TLS connection"), NOISE_connection},
    {SLICE("Cannot start TLS"), NOISE_connection},
    {SLICE("Host offered STARTTLS"), NOISE_connection},
    {SLICE("SSL_"), NOISE_connection},
    {SLICE("Trusted TLS connection"), NOISE_connection},
    {SLICE("Untrusted TLS connection"), NOISE_connection},
    {SLICE("Verified TLS connection"), NOISE_connection},
    {SLICE("bcc: "), NOISE_policy},
    {SLICE("connect from "), NOISE_connection},
    {SLICE("connect to "), NOISE_connection},
    {SLICE("conversation with "), NOISE_connection},
    {SLICE("client="), NOISE_connection},
    {SLICE("disconnect from "), NOISE_connection},
    {SLICE("discard: "), NOISE_policy},
    {SLICE("delay: "), NOISE_policy},
    {SLICE("enabling PIX workarounds"), NOISE_connection},
    {SLICE("error: "), NOISE_warning},
    {SLICE("fatal: "), NOISE_warning},
    {SLICE("filter: "), NOISE_policy},
    {SLICE("host "), NOISE_connection},
    {SLICE("hold: "), NOISE_policy},
    {SLICE("improper command pipelining "), NOISE_connection},
    {SLICE("ignore: "), NOISE_policy},
    {SLICE("info: "), NOISE_policy},
    {SLICE("lost connection "), NOISE_connection},
    {SLICE("milter-hold: "), NOISE_policy},
    {SLICE("milter-discard: "), NOISE_policy},
    {SLICE("milter-header-"), NOISE_policy},
    {SLICE("milter-body-"), NOISE_policy},
    {SLICE("panic: "), NOISE_warning},
    {SLICE("postmaster non-delivery notification"), NOISE_notification},
    {SLICE("postmaster delay notification"), NOISE_notification},
    {SLICE("prepend: "), NOISE_policy},
    {SLICE("permit: "), NOISE_policy},
    {SLICE("pass: "), NOISE_policy},
    {SLICE("proxy-accept: "), NOISE_policy},
    {SLICE("reject_warning: "), NOISE_policy},
    {SLICE("redirect: "), NOISE_policy},
    {SLICE("replace: "), NOISE_policy},
    {SLICE("setting up TLS connection"), NOISE_connection},
    {SLICE("sender non-delivery notification"), NOISE_notification},
    {SLICE("sender delivery status notification"), NOISE_notification},
    {SLICE("sender delay notification"), NOISE_notification},
    {SLICE("strip: "), NOISE_policy},
    {SLICE("timeout after "), NOISE_connection},
    {SLICE("too many errors after "), NOISE_connection},
    {SLICE("warning: "), NOISE_warning},
    {SLICE("warn: "), NOISE_policy},
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

static const struct noise_word *find_beginning(struct slice text) {
  size_t low = 0, high = sizeof beginnings / sizeof *beginnings;
  while (low < high) {
    size_t middle = (low + high) / 2;
    if (*beginnings[middle].word.ptr < *text.ptr)
      low = middle + 1;
    else
      high = middle;
  }
  for (; low < sizeof beginnings / sizeof *beginnings && *beginnings[low].word.ptr == *text.ptr; low++)
    if (slice_starts_with(text, beginnings[low].word)) return &beginnings[low];
  return NULL;
}

enum noise postfix_noise(const struct syslog_header *header, const char *text, const char *end) {
  if (!postfix_is_program(header)) return NOISE_other_program;
  text = skip_queue_id(text, end);
  const struct noise_word *beginning = text < end ? find_beginning(slice_between(text, end)) : NULL;
  if (beginning) return beginning->noise;
  const struct noise_word *program = find_program(header->service);
  return program ? program->noise : NOISE_bookkeeping;
}
