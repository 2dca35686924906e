/* What generate_postfix.c writes lines with: its state, chance, stamps, names made from numbers, replies. Only included there. */
#ifndef BENCH_GENERATE_POSTFIX_TEXT_H
#define BENCH_GENERATE_POSTFIX_TEXT_H

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/hash.h"
#include "bench/generate_postfix_world.h"

#define OUTPUT_BYTES (1u << 20)
#define RECIPIENTS_MAX 8
#define SENDER_COUNT 400
#define MS 1000LL
#define SECOND 1000000LL
#define MINUTE (60 * SECOND)

enum result { RESULT_delivered, RESULT_deferred, RESULT_bounced, RESULT_COUNT };
enum event_kind {
  EVENT_ARRIVAL,
  EVENT_CLIENT,
  EVENT_MESSAGE_ID,
  EVENT_QUEUED,
  EVENT_ATTEMPT,
  EVENT_REMOVED,
  EVENT_DISCONNECT,
  EVENT_REJECT,
  EVENT_NOISE
};

struct event {
  int64_t time_us;
  uint32_t message;
  uint8_t kind, recipient;
};

/* A message under way. Strings are made from seeds again at each use. */
struct message {
  char id[16];
  int64_t arrived_us;
  uint64_t seed;
  uint32_t size_bytes, client, domains[RECIPIENTS_MAX];
  uint16_t sender, smtpd_pid;
  uint8_t host, recipient_count, deferred_mask, left, round;
  bool is_null_sender, is_notification, is_doomed, is_local;
};

struct totals {
  uint64_t status[RESULT_COUNT], expired, rejected, messages, lines, bytes;
};

struct generator {
  uint64_t random;
  uint64_t bytes_max, seed;
  unsigned host_count, domain_count;
  bool is_rfc3339, is_ending;
  double rate;
  double log_domains;
  struct event *heap;
  size_t heap_count, heap_cap;
  struct message *messages;
  uint32_t *free_messages;
  size_t message_count, free_count, message_cap;
  struct buf out;
  char stamp[32];
  int64_t stamp_second;
  uint32_t inode;
  unsigned named_total, hosting_total;
  struct totals totals;
};

static const struct {
  enum receiver receiver;
  enum result result;
  struct reply reply;
} REPLIES[] = {
#define REPLY(receiver, result, dsn, form, text) {RECEIVER_##receiver, RESULT_##result, {dsn, #form, text}},
#include "bench/generate_postfix_replies.def"
};
#define REPLY_COUNT (sizeof REPLIES / sizeof *REPLIES)

/* ---- chance ------------------------------------------------------------------------------------------------------------------ */

static uint64_t next_random(struct generator *g) { return hash_u64(g->random += 0x9e3779b97f4a7c15ULL); }
static unsigned roll(struct generator *g, unsigned below) { return (unsigned)((next_random(g) >> 32) * below >> 32); }
static bool chance(struct generator *g, unsigned percent) { return roll(g, 100) < percent; }
static int64_t roll_us(struct generator *g, int64_t from_us, int64_t to_us) {
  return from_us + (int64_t)(next_random(g) % (uint64_t)(to_us - from_us));
}

/* ---- writing ----------------------------------------------------------------------------------------------------------------- */

static void put(struct generator *g, const char *text) { buf_append(&g->out, text, strlen(text)); }
static void put_byte(struct generator *g, char c) { buf_append_byte(&g->out, c); }
static void put_u64(struct generator *g, uint64_t value) {
  char digits[20];
  size_t at = sizeof digits;
  do digits[--at] = (char)('0' + value % 10);
  while (value /= 10);
  buf_append(&g->out, digits + at, sizeof digits - at);
}

/* Seconds with as many digits as Postfix shows: two significant ones below ten. */
static void put_seconds(struct generator *g, int64_t us) {
  int64_t hundredths = us / 10000;
  put_u64(g, (uint64_t)(hundredths / 100));
  if (hundredths >= 1000 || hundredths == 0) return;
  put_byte(g, '.');
  if (hundredths >= 100) {
    put_byte(g, (char)('0' + hundredths / 10 % 10));
  } else {
    put_byte(g, (char)('0' + hundredths / 10));
    put_byte(g, (char)('0' + hundredths % 10));
  }
}

static void put_some(struct generator *g, const char *alphabet, unsigned size, unsigned count) {
  uint64_t bits = 0;
  for (unsigned i = 0; i < count; i++) {
    if (i % 10 == 0) bits = next_random(g);
    put_byte(g, alphabet[(bits & 63) * size >> 6]);
    bits >>= 6;
  }
}

static void put_stamp(struct generator *g, int64_t time_us) {
  static const char MONTHS[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
  if (time_us / SECOND != g->stamp_second) {
    g->stamp_second = time_us / SECOND;
    int64_t year, of_day = g->stamp_second % SECONDS_PER_DAY;
    unsigned month, day;
    clock_civil_from_days(g->stamp_second / SECONDS_PER_DAY, &year, &month, &day);
    int hour = (int)(of_day / 3600), minute = (int)(of_day / 60 % 60), second = (int)(of_day % 60);
    if (g->is_rfc3339)
      snprintf(g->stamp, sizeof g->stamp, "%04d-%02u-%02uT%02d:%02d:%02d.", (int)year % 10000, month % 100, day % 100, hour, minute,
               second);
    else
      snprintf(g->stamp, sizeof g->stamp, "%.3s %2u %02d:%02d:%02d ", MONTHS + (month - 1) * 3, day % 100, hour, minute, second);
  }
  put(g, g->stamp);
  if (!g->is_rfc3339) return;
  char fraction[16];
  snprintf(fraction, sizeof fraction, "%06u+00:00 ", (unsigned)(time_us % SECOND));
  put(g, fraction);
}

/* "stamp host program[pid]: " */
static void begin_line(struct generator *g, int64_t time_us, unsigned host, const char *program, unsigned pid) {
  g->totals.lines++;
  put_stamp(g, time_us);
  put(g, "mta");
  put_u64(g, host + 1);
  put_byte(g, ' ');
  put(g, program);
  put_byte(g, '[');
  put_u64(g, pid);
  put(g, "]: ");
}
static void begin_queue_line(struct generator *g, int64_t time_us, const struct message *m, const char *program, unsigned pid) {
  begin_line(g, time_us, m->host, program, pid);
  put(g, m->id);
  put(g, ": ");
}
static void end_line(struct generator *g) {
  put_byte(g, '\n');
  if (g->out.len < OUTPUT_BYTES) return;
  g->totals.bytes += g->out.len;
  fwrite(g->out.ptr, 1, g->out.len, stdout);
  buf_clear(&g->out);
}

/* ---- names made from numbers ------------------------------------------------------------------------------------------------- */

/* Domains behind the named ones: their rank is their number. */
static void put_domain(struct generator *g, uint32_t domain, char between) {
  if (domain < NAMED_DOMAIN_COUNT) {
    put(g, NAMED_DOMAINS[domain].name);
    return;
  }
  uint64_t bits = hash_u64(domain);
  put(g, WORDS[bits & 63]);
  put(g, WORDS[bits >> 6 & 63]);
  put_u64(g, domain);
  put_byte(g, between);
  put(g, SUFFIXES[bits >> 12 & 15]);
}

static const struct hosting *hosting_of(const struct generator *g, uint32_t domain) {
  unsigned at = (unsigned)(hash_u64(domain + 7777777) % g->hosting_total);
  const struct hosting *hosting = HOSTINGS;
  while (at >= hosting->weight) at -= hosting++->weight;
  return hosting;
}

static enum receiver receiver_of(const struct generator *g, uint32_t domain) {
  return domain < NAMED_DOMAIN_COUNT ? NAMED_DOMAINS[domain].receiver : hosting_of(g, domain)->receiver;
}

/* A pattern of the world: '#' a small digit that changes, '$' a number of the domain, '~' and '@' its name. */
static void put_pattern(struct generator *g, const char *pattern, uint32_t domain, unsigned digit) {
  for (; *pattern; pattern++) {
    if (*pattern == '#')
      put_byte(g, (char)('1' + digit));
    else if (*pattern == '$')
      put_u64(g, hash_u64(domain) % 250 + 1);
    else if (*pattern == '~' || *pattern == '@')
      put_domain(g, domain, *pattern == '~' ? '-' : '.');
    else
      put_byte(g, *pattern);
  }
}

static void put_mx(struct generator *g, uint32_t domain, unsigned digit) {
  put_pattern(g, domain < NAMED_DOMAIN_COUNT ? NAMED_DOMAINS[domain].mx : hosting_of(g, domain)->mx, domain, digit);
}
static void put_mx_ip(struct generator *g, uint32_t domain, unsigned digit) {
  put_pattern(g, domain < NAMED_DOMAIN_COUNT ? NAMED_DOMAINS[domain].ip : hosting_of(g, domain)->ip, domain, digit);
}

static void put_local_part(struct generator *g, uint64_t seed) {
  uint64_t bits = hash_u64(seed);
  put(g, FIRST_NAMES[bits & 31]);
  if (bits >> 5 & 1) put_byte(g, '.');
  if (bits >> 6 & 1) put(g, WORDS[bits >> 7 & 63]);
  put_u64(g, bits >> 13 & 1 ? bits >> 14 & 0xfff : bits >> 14 & 63);
}

static void put_recipient(struct generator *g, const struct message *m, unsigned i) {
  if (m->is_notification)
    put(g, "bounces"); /* where its own sender said */
  else
    put_local_part(g, m->seed + i);
  put_byte(g, '@');
  if (m->is_local || m->is_notification)
    put(g, "example.org");
  else
    put_domain(g, m->domains[i], '.');
}

static void put_sender_domain(struct generator *g, const struct message *m) {
  uint64_t bits = hash_u64(m->sender + 31337u);
  put(g, bits & 1 ? "news." : "mail.");
  put(g, WORDS[bits >> 1 & 63]);
  put(g, "-");
  put(g, WORDS[m->sender & 63]);
  put_u64(g, m->sender);
  put(g, ".example");
}

static void put_sender(struct generator *g, const struct message *m) {
  static const char *const LOCALS[] = {"news", "noreply", "info", "billing", "support", "bounce"};
  if (m->is_null_sender) return;
  unsigned which = m->sender % 6;
  put(g, LOCALS[which]);
  if (which == 5) {
    put_byte(g, '+');
    put_u64(g, m->seed % 100000000);
  }
  put_byte(g, '@');
  put_sender_domain(g, m);
}

static void put_source_ip(struct generator *g, unsigned host) {
  put(g, "198.51.100.");
  put_u64(g, host + 10);
}

/* ---- replies ----------------------------------------------------------------------------------------------------------------- */

struct attempt {
  const struct message *message;
  unsigned recipient, digit; /* digit: which of the domain's servers */
  int64_t time_us;
};

static void put_word(struct generator *g, const struct attempt *a, char what, unsigned count) {
  uint32_t domain = a->message->domains[a->recipient];
  switch (what) {
    case 'r': put_recipient(g, a->message, a->recipient); break;
    case 'd': put_domain(g, domain, '.'); break;
    case 'l': put_local_part(g, a->message->seed + a->recipient); break;
    case 'h': put_mx(g, domain, a->digit); break;
    case 'm': put_mx_ip(g, domain, a->digit); break;
    case 'i': put_source_ip(g, a->message->host); break;
    case 's': put_sender_domain(g, a->message); break;
    case 'f': put_sender(g, a->message); break;
    case 'T': {
      char text[32];
      buf_append(&g->out, text, clock_format_rfc3339(a->time_us / SECOND * SECOND, text) - 1);
      put_byte(g, '.');
      put_some(g, "0123456789", 10, 3);
      put_byte(g, 'Z');
      break;
    }
    case 't': put_u64(g, (uint64_t)(a->time_us / SECOND)); break;
    case 'n': put_some(g, "0123456789", 10, count); break;
    case 'x': put_some(g, "0123456789abcdef", 16, count); break;
    case 'X': put_some(g, "0123456789ABCDEF", 16, count); break;
    case 'a': put_some(g, "abcdefghijklmnopqrstuvwxyz0123456789", 36, count); break;
    case 'A': put_some(g, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789", 62, count); break;
    default: abort(); /* the list of replies has a word that is none */
  }
}

static void put_text(struct generator *g, const struct attempt *a, const char *text) {
  for (const char *percent; (percent = strchr(text, '%')); text = percent + 1) {
    unsigned count = 0;
    buf_append(&g->out, text, (size_t)(percent - text));
    while (ascii_is_digit(*++percent)) count = count * 10 + (unsigned)(*percent - '0');
    put_word(g, a, *percent, count);
  }
  put(g, text);
}

/* One of the receiver's replies of this result; failures are of the network's one time in six. */
static const struct reply *pick_reply(struct generator *g, enum receiver receiver, enum result result) {
  if (result != RESULT_delivered && roll(g, 6) == 0) receiver = RECEIVER_any;
  size_t found[32], count = 0;
  for (size_t i = 0; i < REPLY_COUNT && count < 32; i++)
    if (REPLIES[i].receiver == receiver && REPLIES[i].result == result) found[count++] = i;
  return &REPLIES[found[roll(g, (unsigned)count)]].reply;
}

static void put_relay(struct generator *g, const struct attempt *a, bool is_none) {
  if (is_none) {
    put(g, "none");
    return;
  }
  put_word(g, a, 'h', 0);
  put_byte(g, '[');
  put_word(g, a, 'm', 0);
  put(g, "]:25");
}

/* The reason in brackets, as the smtp client words it. */
static void put_reason(struct generator *g, const struct attempt *a, const struct reply *reply, enum result result) {
  bool is_local = !strcmp(reply->form, "RAW") || !strcmp(reply->form, "LOST"), is_greeting = !strcmp(reply->form, "CONNECT");
  if (result == RESULT_delivered || is_local) {
    put_text(g, a, reply->text);
    return;
  }
  put_text(g, a, is_greeting ? "host %h[%m] refused to talk to me: " : "host %h[%m] said: ");
  put_text(g, a, reply->text);
  if (is_greeting) return;
  put(g, " (in reply to ");
  put(g, !strcmp(reply->form, "EOM") ? "end of DATA" : reply->form);
  put(g, !strcmp(reply->form, "MAIL") ? " FROM command)" : !strcmp(reply->form, "RCPT") ? " TO command)" : " command)");
}

#endif
