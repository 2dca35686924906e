/* Writes a log of realistic mixed Postfix traffic, the same for the same options and seed.
 *
 *   generate_postfix [--bytes N] [--seed S] [--hosts 4] [--domains 100000] [--format rfc3164|rfc3339]
 *                    [--start 2026-11-01T00:00:00Z] [--rate MESSAGES_A_SECOND] [--summary FILE] > FILE
 *
 * Several servers share the traffic; their lines stand in the order of time. Each message is a chain of events:
 *
 *   smtpd connect, TLS, client= | cleanup message-id= | opendkim | qmgr from= | smtp to= ... (a recipient each) | qmgr removed
 *
 * - recipients: 1, sometimes up to 8; half of them at the big mailbox providers by the weights in generate_postfix_world.h, the
 *   rest by Zipf's law (exponent 1) over --domains domains, each hosted by Google, Microsoft, ... or its own Postfix, Exim, Exchange
 * - 400 sender domains, 2 % null senders, and a notification with a null sender for most bounces
 * - 4 % of first attempts are deferred and 2.5 % refused, with the retries 8 % of all attempts, with the replies of
 *   generate_postfix_replies.def; a deferral is tried again after 5 to 30 minutes (the queue manager's from= line first); one
 *   message in 15 of these never gets through and expires
 * - 4 % are delivered here by lmtp, local or pipe; besides, smtpd refuses clients (NOQUEUE) at 6 for 100 messages; TLS, anvil,
 *   cron, sshd and other noise
 *
 * That is about 8 lines a message (a notification is one, too) of 160 bytes each. At --bytes no new message begins; those under way
 * are brought to their end, so the file is somewhat longer. --summary writes what a reader must find as JSON. */
#include <getopt.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "bench/generate_postfix_text.h"

/* ---- messages and their events ----------------------------------------------------------------------------------------------- */

static bool is_before(const struct event *a, const struct event *b) {
  if (a->time_us != b->time_us) return a->time_us < b->time_us;
  return a->message != b->message ? a->message < b->message : a->kind < b->kind;
}

/* A heap with four children a node: half as deep as one with two. */
static void schedule(struct generator *g, int64_t time_us, uint32_t message, enum event_kind kind, unsigned recipient) {
  if (g->heap_count == g->heap_cap) {
    g->heap_cap = g->heap_cap ? g->heap_cap * 2 : 4096;
    g->heap = memory_resize(g->heap, g->heap_cap * sizeof *g->heap);
  }
  struct event event = {time_us, message, (uint8_t)kind, (uint8_t)recipient};
  size_t at = g->heap_count++;
  for (size_t up; at && is_before(&event, &g->heap[up = (at - 1) / 4]); at = up) g->heap[at] = g->heap[up];
  g->heap[at] = event;
}

static struct event take_event(struct generator *g) {
  struct event first = g->heap[0], last = g->heap[--g->heap_count];
  size_t at = 0;
  for (;;) {
    size_t child = at * 4 + 1, least = child;
    if (child >= g->heap_count) break;
    for (size_t i = child + 1; i < child + 4 && i < g->heap_count; i++)
      if (is_before(&g->heap[i], &g->heap[least])) least = i;
    if (!is_before(&g->heap[least], &last)) break;
    g->heap[at] = g->heap[least];
    at = least;
  }
  g->heap[at] = last;
  return first;
}

static uint32_t message_new(struct generator *g) {
  if (g->free_count) return g->free_messages[--g->free_count];
  if (g->message_count == g->message_cap) {
    g->message_cap = g->message_cap ? g->message_cap * 2 : 1024;
    g->messages = memory_resize(g->messages, g->message_cap * sizeof *g->messages);
    g->free_messages = memory_resize(g->free_messages, g->message_cap * sizeof *g->free_messages);
  }
  return (uint32_t)g->message_count++;
}

/* A long queue id: seconds, microseconds, 'z', inode, in the alphabets of Postfix (no vowels). */
static void make_queue_id(struct generator *g, char *out, int64_t time_us) {
  static const char DIGITS[] = "0123456789BCDFGHJKLMNPQRSTVWXYZbcdfghjklmnpqrstvwxyz";
  uint64_t seconds = (uint64_t)(time_us / SECOND), us = (uint64_t)(time_us % SECOND), inode = 1000000 + g->inode++;
  for (int i = 5; i >= 0; i--, seconds /= 52) out[i] = DIGITS[seconds % 52];
  for (int i = 9; i >= 6; i--, us /= 52) out[i] = DIGITS[us % 52];
  out[10] = 'z';
  for (int i = 14; i >= 11; i--, inode /= 51) out[i] = DIGITS[inode % 51];
  out[15] = '\0';
}

static uint32_t pick_domain(struct generator *g) {
  if (g->domain_count <= NAMED_DOMAIN_COUNT || chance(g, 50)) {
    unsigned at = roll(g, g->named_total);
    uint32_t domain = 0;
    while (at >= NAMED_DOMAINS[domain].weight) at -= NAMED_DOMAINS[domain++].weight;
    return domain;
  }
  /* Zipf's law with exponent 1: the logarithm of the rank is spread evenly. */
  double rank = exp((double)(next_random(g) >> 11) * 0x1p-53 * g->log_domains);
  return (uint32_t)(NAMED_DOMAIN_COUNT - 1) + (uint32_t)rank;
}

static void put_client(struct generator *g, const struct message *m) {
  put(g, "app");
  put_u64(g, m->client);
  put(g, ".example.org[10.0.0.");
  put_u64(g, m->client + 1);
  put_byte(g, ']');
}

static unsigned pid_of(struct generator *g, unsigned host) { return 1000 + host * 2000 + roll(g, 40); }

/* Fills a new message; its events are up to the caller. */
static uint32_t begin_message(struct generator *g, int64_t time_us, unsigned host) {
  uint32_t number = message_new(g);
  struct message *m = &g->messages[number];
  *m = (struct message){.arrived_us = time_us, .seed = next_random(g), .host = (uint8_t)host};
  m->sender = (uint16_t)((uint64_t)roll(g, SENDER_COUNT) * roll(g, SENDER_COUNT) / SENDER_COUNT);
  m->client = roll(g, 20);
  m->smtpd_pid = (uint16_t)pid_of(g, host);
  m->size_bytes = 1500 + roll(g, 60000) + (chance(g, 5) ? roll(g, 8000000) : 0);
  m->recipient_count = (uint8_t)(chance(g, 88) ? 1 : 2 + roll(g, RECIPIENTS_MAX - 1));
  m->is_local = roll(g, 25) == 0;
  m->is_null_sender = roll(g, 50) == 0;
  m->is_doomed = roll(g, 15) == 0;
  for (unsigned i = 0; i < m->recipient_count; i++) m->domains[i] = pick_domain(g);
  g->totals.messages++;
  return number;
}

/* The deliveries of one pass over the queue. */
static void schedule_attempts(struct generator *g, int64_t time_us, uint32_t number, unsigned mask) {
  struct message *m = &g->messages[number];
  m->left = (uint8_t)__builtin_popcount(mask);
  for (unsigned i = 0; i < m->recipient_count; i++)
    if (mask >> i & 1) schedule(g, time_us + roll_us(g, 100 * MS, 3 * SECOND), number, EVENT_ATTEMPT, i);
}

static void take_arrival(struct generator *g, int64_t time_us) {
  if (g->totals.bytes + g->out.len >= g->bytes_max) {
    g->is_ending = true;
    return;
  }
  schedule(g, time_us + (int64_t)(-log(1.0 - (double)(next_random(g) >> 11) * 0x1p-53) / g->rate * 1e6) + 1, 0, EVENT_ARRIVAL, 0);
  if (roll(g, 100) < 6) schedule(g, time_us + roll_us(g, 1, SECOND), 0, EVENT_REJECT, 0);
  if (roll(g, 100) < 20) schedule(g, time_us + roll_us(g, 1, SECOND), 0, EVENT_NOISE, 0);
  uint32_t number = begin_message(g, time_us, roll(g, g->host_count));
  struct message *m = &g->messages[number];
  if (chance(g, 70)) {
    begin_line(g, time_us, m->host, "postfix/smtpd", m->smtpd_pid);
    put(g, "connect from ");
    put_client(g, m);
    end_line(g);
  }
  if (chance(g, 25)) {
    begin_line(g, time_us, m->host, "postfix/smtpd", m->smtpd_pid);
    put(g, "Anonymous TLS connection established from ");
    put_client(g, m);
    put(g,
        ": TLSv1.3 with cipher TLS_AES_256_GCM_SHA384 (256/256 bits) key-exchange X25519 server-signature RSA-PSS (2048 bits) "
        "server-digest SHA256");
    end_line(g);
  }
  schedule(g, time_us + roll_us(g, 5 * MS, 60 * MS), number, EVENT_CLIENT, 0);
}

static void take_client(struct generator *g, int64_t time_us, uint32_t number) {
  struct message *m = &g->messages[number];
  make_queue_id(g, m->id, time_us);
  begin_queue_line(g, time_us, m, "postfix/smtpd", m->smtpd_pid);
  put(g, "client=");
  put_client(g, m);
  if (chance(g, 30)) {
    put(g, ", sasl_method=PLAIN, sasl_username=app");
    put_u64(g, m->client);
  }
  end_line(g);
  schedule(g, time_us + roll_us(g, 2 * MS, 40 * MS), number, EVENT_MESSAGE_ID, 0);
}

static void take_message_id(struct generator *g, int64_t time_us, uint32_t number) {
  struct message *m = &g->messages[number];
  begin_queue_line(g, time_us, m, "postfix/cleanup", pid_of(g, m->host));
  put(g, "message-id=<");
  if (m->is_notification) {
    put_u64(g, (uint64_t)(time_us / SECOND));
    put_byte(g, '.');
    put(g, m->id);
    put(g, "@mta");
    put_u64(g, m->host + 1);
    put(g, ".example.org");
  } else {
    put_some(g, "0123456789abcdef", 16, 24);
    put_byte(g, '.');
    put_u64(g, (uint64_t)(time_us / MS));
    put_byte(g, '@');
    put_sender_domain(g, m);
  }
  put(g, ">");
  end_line(g);
  if (!m->is_notification && chance(g, 25)) {
    begin_queue_line(g, time_us, m, "opendkim", 700 + m->host);
    put(g, "DKIM-Signature field added (s=s2026, d=");
    put_sender_domain(g, m);
    put(g, ")");
    end_line(g);
  }
  schedule(g, time_us + roll_us(g, 5 * MS, 200 * MS), number, EVENT_QUEUED, 0);
  if (!m->is_notification && chance(g, 70)) schedule(g, time_us + 5 * MS, number, EVENT_DISCONNECT, 0);
}

static void take_disconnect(struct generator *g, int64_t time_us, uint32_t number) {
  const struct message *m = &g->messages[number];
  begin_line(g, time_us, m->host, "postfix/smtpd", m->smtpd_pid);
  put(g, "disconnect from ");
  put_client(g, m);
  put(g, " ehlo=2 starttls=1 mail=1 rcpt=");
  put_u64(g, m->recipient_count);
  put(g, " data=1 quit=1 commands=");
  put_u64(g, 6u + m->recipient_count);
  end_line(g);
}

/* The bounce daemon tells the sender: a message of its own. */
static void send_notification(struct generator *g, int64_t time_us, uint32_t about) {
  uint32_t number = begin_message(g, time_us, g->messages[about].host);
  struct message *m = &g->messages[number], *of = &g->messages[about];
  m->is_notification = m->is_null_sender = true;
  m->is_local = true; /* our senders' mailboxes are here */
  m->is_doomed = false;
  m->recipient_count = 1;
  make_queue_id(g, m->id, time_us);
  begin_queue_line(g, time_us, of, "postfix/bounce", pid_of(g, of->host));
  put(g, "sender non-delivery notification: ");
  put(g, m->id);
  end_line(g);
  schedule(g, time_us + 1, number, EVENT_MESSAGE_ID, 0);
}

/* The queue manager takes it up: the first time, or to try again; or it gives up. */
static void take_queued(struct generator *g, int64_t time_us, uint32_t number) {
  struct message *m = &g->messages[number];
  bool is_expiring = m->is_doomed && m->round >= 4;
  begin_queue_line(g, time_us, m, "postfix/qmgr", 900 + m->host);
  put(g, "from=<");
  put_sender(g, m);
  put(g, is_expiring ? ">, status=expired, returned to sender" : ">, size=");
  if (!is_expiring) {
    put_u64(g, m->size_bytes);
    put(g, ", nrcpt=");
    put_u64(g, m->round ? (unsigned)__builtin_popcount(m->deferred_mask) : m->recipient_count);
    put(g, " (queue active)");
  }
  end_line(g);
  if (!is_expiring) {
    schedule_attempts(g, time_us, number, m->round ? m->deferred_mask : (1u << m->recipient_count) - 1);
    return;
  }
  g->totals.expired += (uint64_t)__builtin_popcount(m->deferred_mask);
  bool is_told = !m->is_null_sender;
  schedule(g, time_us + roll_us(g, 5 * MS, 50 * MS), number, EVENT_REMOVED, 0);
  if (is_told) send_notification(g, time_us + 1, number);
}

static enum result pick_result(struct generator *g, const struct message *m) {
  unsigned at = roll(g, 1000);
  if (m->is_local) return at < 970 ? RESULT_delivered : RESULT_bounced;
  if (m->round == 0) return at < 42 ? RESULT_deferred : at < 67 ? RESULT_bounced : RESULT_delivered;
  if (m->is_doomed) return RESULT_deferred;
  return at < 680 ? RESULT_delivered : at < 820 || m->round >= 6 ? RESULT_bounced : RESULT_deferred;
}

static void put_status(struct generator *g, int64_t delay_us, int64_t own_us, const char *dsn, enum result result) {
  static const char *const STATUSES[RESULT_COUNT] = {"sent", "deferred", "bounced"};
  put(g, ", delay=");
  put_seconds(g, delay_us);
  put(g, ", delays=");
  put_seconds(g, delay_us - own_us > 0 ? delay_us - own_us : 0);
  put(g, "/0.01/");
  put_seconds(g, own_us / 3);
  put_byte(g, '/');
  put_seconds(g, own_us / 2);
  put(g, ", dsn=");
  put(g, dsn);
  put(g, ", status=");
  put(g, STATUSES[result]);
  put(g, " (");
}

static void deliver_here(struct generator *g, const struct message *m, unsigned i, int64_t time_us, enum result result) {
  unsigned kind = (unsigned)(m->seed >> 60) % 3;
  static const char *const PROGRAMS[] = {"postfix/lmtp", "postfix/local", "postfix/pipe"};
  static const char *const RELAYS[] = {">, relay=mta.example.org[private/dovecot-lmtp]", ">, relay=local", ">, relay=maildrop"};
  begin_queue_line(g, time_us, m, PROGRAMS[kind], pid_of(g, m->host));
  put(g, "to=<");
  put_recipient(g, m, i);
  put(g, RELAYS[kind]);
  put_status(g, time_us - m->arrived_us, 20 * MS, result == RESULT_delivered ? "2.0.0" : "5.1.1", result);
  struct attempt attempt = {m, i, 0, time_us};
  if (result == RESULT_bounced)
    put_text(
        g, &attempt,
        kind == 0
            ? "host mta.example.org[private/dovecot-lmtp] said: 550 5.1.1 <%r> User doesn't exist: %r (in reply to RCPT TO command)"
            : "unknown user: \"%l\"");
  else
    put_text(g, &attempt,
             kind == 0   ? "250 2.0.0 <%r> %22A Saved"
             : kind == 1 ? "delivered to mailbox"
                         : "delivered via maildrop service");
  put_byte(g, ')');
  end_line(g);
}

static void deliver_there(struct generator *g, const struct message *m, unsigned i, int64_t time_us, enum result result) {
  struct attempt attempt = {m, i, roll(g, 4), time_us};
  const struct reply *reply = pick_reply(g, receiver_of(g, m->domains[i]), result);
  unsigned pid = pid_of(g, m->host);
  bool is_none = !strcmp(reply->form, "RAW");
  if (!is_none && chance(g, 20)) {
    begin_line(g, time_us, m->host, "postfix/smtp", pid);
    put(g, "Trusted TLS connection established to ");
    put_relay(g, &attempt, false);
    put(g,
        ": TLSv1.3 with cipher TLS_AES_256_GCM_SHA384 (256/256 bits) key-exchange X25519 server-signature ECDSA (P-256) "
        "server-digest "
        "SHA256");
    end_line(g);
  }
  int64_t own_us = is_none ? 30 * SECOND : roll_us(g, 150 * MS, 2 * SECOND);
  begin_queue_line(g, time_us, m, "postfix/smtp", pid);
  put(g, "to=<");
  put_recipient(g, m, i);
  put(g, ">, relay=");
  put_relay(g, &attempt, is_none);
  if (!is_none && result == RESULT_delivered && chance(g, 15)) {
    put(g, ", conn_use=");
    put_u64(g, 2 + roll(g, 30));
  }
  put_status(g, time_us - m->arrived_us, own_us, reply->dsn, result);
  put_reason(g, &attempt, reply, result);
  put_byte(g, ')');
  end_line(g);
}

static void take_attempt(struct generator *g, int64_t time_us, uint32_t number, unsigned i) {
  struct message *m = &g->messages[number];
  enum result result = pick_result(g, m);
  g->totals.status[result]++;
  if (m->is_local)
    deliver_here(g, m, i, time_us, result);
  else
    deliver_there(g, m, i, time_us, result);
  m->deferred_mask = (uint8_t)(result == RESULT_deferred ? m->deferred_mask | 1u << i : m->deferred_mask & ~(1u << i));
  bool is_pass_over = --m->left == 0;
  if (is_pass_over && m->deferred_mask) {
    m->round++;
    schedule(g, time_us + roll_us(g, 5 * MINUTE, 30 * MINUTE), number, EVENT_QUEUED, 0);
  } else if (is_pass_over) {
    schedule(g, time_us + roll_us(g, 1 * MS, 20 * MS), number, EVENT_REMOVED, 0);
  }
  if (result == RESULT_bounced && !m->is_null_sender && chance(g, 60)) send_notification(g, time_us, number);
}

static void take_removed(struct generator *g, int64_t time_us, uint32_t number) {
  begin_queue_line(g, time_us, &g->messages[number], "postfix/qmgr", 900u + g->messages[number].host);
  put(g, "removed");
  end_line(g);
  g->free_messages[g->free_count++] = number;
}

/* ---- what is no message of ours ---------------------------------------------------------------------------------------------- */

static void put_stranger(struct generator *g, uint64_t seed) {
  put(g, "[203.0.113.");
  put_u64(g, seed % 254 + 1);
  put_byte(g, ']');
}

static void take_reject(struct generator *g, int64_t time_us) {
  static const char *const REASONS[] = {
      "554 5.7.1 Service unavailable; Client host %I blocked using zen.spamhaus.org; https://www.spamhaus.org/query/ip/203.0.113.7",
      "450 4.7.25 Client host rejected: cannot find your hostname, %I",
      "550 5.1.1 <%R>: Recipient address rejected: User unknown in virtual mailbox table",
      "454 4.7.1 <%R>: Relay access denied",
      "504 5.5.2 <win-server>: Helo command rejected: need fully-qualified hostname",
      "450 4.2.0 <%R>: Recipient address rejected: Greylisted"};
  unsigned host = roll(g, g->host_count), pid = pid_of(g, host);
  uint64_t seed = next_random(g);
  begin_line(g, time_us, host, "postfix/smtpd", pid);
  put(g, "connect from unknown");
  put_stranger(g, seed);
  end_line(g);
  begin_line(g, time_us, host, "postfix/smtpd", pid);
  put(g, "NOQUEUE: reject: RCPT from unknown");
  put_stranger(g, seed);
  put(g, ": ");
  const char *reason = REASONS[roll(g, 6)];
  for (; *reason; reason++) {
    if (*reason != '%') {
      put_byte(g, *reason);
    } else if (*++reason == 'I') {
      put_stranger(g, seed);
    } else {
      put_local_part(g, seed);
      put(g, "@example.org");
    }
  }
  put(g, "; from=<");
  put_local_part(g, seed + 1);
  put_byte(g, '@');
  put_domain(g, pick_domain(g), '.');
  put(g, "> to=<");
  put_local_part(g, seed);
  put(g, "@example.org> proto=ESMTP helo=<");
  put(g, seed & 1024 ? "win-server>" : "localhost.localdomain>");
  end_line(g);
  g->totals.rejected++;
  begin_line(g, time_us, host, "postfix/smtpd", pid);
  put(g, "disconnect from unknown");
  put_stranger(g, seed);
  put(g, " ehlo=1 mail=1 rcpt=0/1 quit=1 commands=3/4");
  end_line(g);
}

static void take_noise(struct generator *g, int64_t time_us) {
  static const char *const LINES[][2] = {
      {"postfix/anvil", "statistics: max connection rate 12/60s for (smtp:10.0.0.7) at Nov  1 00:00:00"},
      {"postfix/smtpd", "warning: hostname static.example.net does not resolve to address 203.0.113.77"},
      {"postfix/smtpd", "lost connection after AUTH from unknown[203.0.113.80]"},
      {"postfix/smtpd", "warning: unknown[203.0.113.81]: SASL LOGIN authentication failed: authentication failure"},
      {"postfix/scache", "statistics: domain lookup hits=0 miss=4 success=0%"},
      {"postfix/tlsmgr", "open smtp TLS cache btree:/var/lib/postfix/smtp_scache"},
      {"postfix/smtp", "SSL_connect error to mail.example.net[192.0.2.77]:25: Connection reset by peer"},
      {"CRON", "(root) CMD (command -v debian-sa1 > /dev/null && debian-sa1 1 1)"},
      {"sshd", "Connection closed by 10.0.0.50 port 51234 [preauth]"},
      {"systemd", "Started Session 4211 of user root."},
      {"dovecot", "lmtp(4711): Connect from local"}};
  unsigned host = roll(g, g->host_count), which = roll(g, sizeof LINES / sizeof *LINES);
  begin_line(g, time_us, host, LINES[which][0], pid_of(g, host));
  put(g, LINES[which][1]);
  end_line(g);
}

/* ---- the program ------------------------------------------------------------------------------------------------------------- */

static void generate(struct generator *g, int64_t start_us) {
  schedule(g, start_us, 0, EVENT_ARRIVAL, 0);
  while (g->heap_count) {
    struct event event = take_event(g);
    switch ((enum event_kind)event.kind) {
      case EVENT_ARRIVAL: take_arrival(g, event.time_us); break;
      case EVENT_CLIENT: take_client(g, event.time_us, event.message); break;
      case EVENT_MESSAGE_ID: take_message_id(g, event.time_us, event.message); break;
      case EVENT_QUEUED: take_queued(g, event.time_us, event.message); break;
      case EVENT_ATTEMPT: take_attempt(g, event.time_us, event.message, event.recipient); break;
      case EVENT_REMOVED: take_removed(g, event.time_us, event.message); break;
      case EVENT_DISCONNECT: take_disconnect(g, event.time_us, event.message); break;
      case EVENT_REJECT: take_reject(g, event.time_us); break;
      case EVENT_NOISE: take_noise(g, event.time_us); break;
    }
  }
  g->totals.bytes += g->out.len;
  fwrite(g->out.ptr, 1, g->out.len, stdout);
}

static bool write_summary(const struct generator *g, const char *path) {
  const struct totals *t = &g->totals;
  FILE *file = fopen(path, "w");
  if (!file) return false;
  fprintf(file,
          "{\"delivered\": %" PRIu64 ", \"deferred\": %" PRIu64 ", \"bounced\": %" PRIu64 ", \"expired\": %" PRIu64
          ", \"rejected\": %" PRIu64 ", \"messages\": %" PRIu64 ", \"lines\": %" PRIu64 ", \"bytes\": %" PRIu64 "}\n",
          t->status[RESULT_delivered], t->status[RESULT_deferred], t->status[RESULT_bounced], t->expired, t->rejected, t->messages,
          t->lines, t->bytes);
  return fclose(file) == 0;
}

static int complain(const char *what) {
  fprintf(stderr, "generate_postfix: %s; see the beginning of bench/generate_postfix.c\n", what);
  return 2;
}

/* False for anything but digits: "60M" is no number of bytes here. */
static bool read_number(const char *text, uint64_t *out) {
  char *end;
  *out = strtoull(text, &end, 10);
  return ascii_is_digit(text[0]) && *end == '\0';
}

int main(int argc, char **argv) {
  static const struct option OPTIONS[] = {{"bytes", 1, NULL, 'b'},   {"seed", 1, NULL, 's'},    {"hosts", 1, NULL, 'h'},
                                          {"domains", 1, NULL, 'd'}, {"format", 1, NULL, 'f'},  {"start", 1, NULL, 't'},
                                          {"rate", 1, NULL, 'r'},    {"summary", 1, NULL, 'o'}, {0}};
  struct generator g = {
      .bytes_max = 1u << 30, .seed = 1, .host_count = 4, .domain_count = 100000, .rate = 150, .stamp_second = INT64_MIN};
  struct slice start = SLICE("2026-11-01T00:00:00Z");
  const char *summary = NULL;
  for (int option; (option = getopt_long(argc, argv, "", OPTIONS, NULL)) != -1;) {
    switch (option) {
      case 'b':
        if (!read_number(optarg, &g.bytes_max)) return complain("--bytes is no number");
        break;
      case 's':
        if (!read_number(optarg, &g.seed)) return complain("--seed is no number");
        break;
      case 'h': g.host_count = (unsigned)strtoul(optarg, NULL, 10); break;
      case 'd': g.domain_count = (unsigned)strtoul(optarg, NULL, 10); break;
      case 'f':
        if (strcmp(optarg, "rfc3164") && strcmp(optarg, "rfc3339")) return complain("--format is rfc3164 or rfc3339");
        g.is_rfc3339 = !strcmp(optarg, "rfc3339");
        break;
      case 't': start = slice_from_cstr(optarg); break;
      case 'r': g.rate = strtod(optarg, NULL); break;
      case 'o': summary = optarg; break;
      default: return complain("unknown option");
    }
  }
  int64_t start_us;
  if (!clock_parse_moment(start, clock_wall_us(), &start_us)) return complain("--start is no time");
  if (!g.host_count || g.host_count > 200 || !g.domain_count || !(g.rate > 0))
    return complain("--hosts, --domains and --rate must be over 0");
  g.random = hash_u64(g.seed);
  g.log_domains = log((double)g.domain_count);
  for (size_t i = 0; i < NAMED_DOMAIN_COUNT; i++) g.named_total += NAMED_DOMAINS[i].weight;
  for (size_t i = 0; i < HOSTING_COUNT; i++) g.hosting_total += HOSTINGS[i].weight;
  generate(&g, start_us);
  bool is_written = fflush(stdout) == 0 && (!summary || write_summary(&g, summary));
  if (!is_written) perror("generate_postfix");
  return is_written ? 0 : 3;
}
