/* What the files of the Sendmail format share.
 *
 *   sendmail.c            the format: which of the three builds of the others this processor gets
 *   sendmail_lines.c      header, queue id, what kind of line it is; noise
 *   sendmail_delivery.c   "QID: to=<a>,<b>, delay=..., relay=..., dsn=..., stat=...": one delivery for each recipient
 *   sendmail_message.c    "QID: from=<a>, size=..., nrcpts=...", and notifications, which tell when Sendmail gave up
 *   sendmail_reject.c     refusals by our own server: rulesets, milters, unknown recipients
 *
 * All but sendmail.c are compiled three times, for x86-64-v2, -v3 and -v4 (cpu_level.h). */
#ifndef INGEST_SENDMAIL_INTERNAL_H
#define INGEST_SENDMAIL_INTERNAL_H

#include "ingest/cpu_level.h"
#include "ingest/line_key.h"
#include "ingest/line_walk.h"
#include "ingest/syslog.h"

#define sendmail_read_delivery HOT(sendmail_read_delivery)
#define sendmail_read_sender HOT(sendmail_read_sender)
#define sendmail_read_notification HOT(sendmail_read_notification)
#define sendmail_read_ruleset HOT(sendmail_read_ruleset)
#define sendmail_read_milter HOT(sendmail_read_milter)
#define sendmail_read_refused HOT(sendmail_read_refused)
#define sendmail_read_queue_id HOT(sendmail_read_queue_id)
#define sendmail_read_address HOT(sendmail_read_address)
#define sendmail_read_peer HOT(sendmail_read_peer)
#define sendmail_read_line HOT(sendmail_read_line)

/* The line_reader of each build; sendmail_read_line is that of the build being compiled. */
unsigned sendmail_read_line_v2(struct line_walk *walk, const char *p, const char *end);
unsigned sendmail_read_line_v3(struct line_walk *walk, const char *p, const char *end);
unsigned sendmail_read_line_v4(struct line_walk *walk, const char *p, const char *end);

/* sendmail, sm-mta, sm-msp-queue and what else begins with "sm-". */
static inline bool sendmail_is_program(struct slice program) {
  return slice_starts_with(program, SLICE("sm-")) || slice_starts_with(program, SLICE("sendmail"));
}

/* A line that has been read up to its text. */
struct sendmail_message {
  struct line_walk *walk;
  struct slice host;
  struct slice program; /* tag of syslog: sendmail, sm-mta, ... */
  struct slice queue_id;
  uint64_t key; /* line_key(host, queue_id), for sendmail_open */
};

/* Each reads the text [p, end) behind the queue id and what is quoted here, adds what it says, and returns a read_result. */
unsigned sendmail_read_delivery(struct sendmail_message *message, const char *p, const char *end); /* to= */
unsigned sendmail_read_sender(struct sendmail_message *message, const char *p, const char *end);   /* from= */
unsigned sendmail_read_notification(struct sendmail_message *message, const char *p,
                                    const char *end);                                             /* nothing: "QID: DSN: ..." */
unsigned sendmail_read_ruleset(struct sendmail_message *message, const char *p, const char *end); /* ruleset= */
unsigned sendmail_read_milter(struct sendmail_message *message, const char *p, const char *end);  /* Milter:_ */
unsigned sendmail_read_refused(struct sendmail_message *message, const char *p, const char *end); /* < */

/* Behind the queue id and ": " at p, with the queue id in *queue_id; NULL when there is none. */
const char *sendmail_read_queue_id(const struct line_walk *walk, const char *p, const char *end, struct slice *queue_id);

/* Behind the address at p: "<...>" with its brackets, or anything up to a comma; quotes keep what is in them together. NULL when there
 * is no end. *address is without the brackets. */
const char *sendmail_read_address(const char *p, const char *end, struct slice *address);

/* "mx.b.example. [192.0.2.7]", "[192.0.2.7]", "[mx.b.example]", "user@host [IPv6:2001:db8::1] (may be forged)". Bytes up to `limit` may be
 * read. */
void sendmail_read_peer(struct slice peer, const char *limit, struct slice *host, struct slice *ip);

/* An item of the message's own; what its kind has is not set (line_walk_open). */
static inline struct line *sendmail_open(struct sendmail_message *message, enum line_kind kind) {
  struct line *line = line_walk_open(message->walk, message->key, message->host, message->queue_id);
  line->kind = kind;
  return line;
}

/* The places of ", " one after another, 64 bytes looked at once. Bytes up to `limit` (>= end) may be read. */
struct sendmail_commas {
  const char *base, *end, *limit;
  uint64_t found; /* commas of the block at base that are not passed yet */
};

static inline void sendmail_commas_start(struct sendmail_commas *commas, const char *p, const char *end, const char *limit) {
  *commas = (struct sendmail_commas){p, end, limit, block_find(block_load_until(p, limit), ',')};
}

/* The next, or NULL. */
static inline const char *sendmail_commas_next(struct sendmail_commas *commas) {
  for (;;) {
    while (__builtin_expect(!commas->found, 0)) {
      commas->base += BLOCK_BYTES;
      if (commas->base >= commas->end) return NULL;
      commas->found = block_find(block_load_until(commas->base, commas->limit), ',');
    }
    const char *p = commas->base + bits_first(commas->found);
    commas->found = bits_drop_first(commas->found);
    if (commas->end - p < 2) return NULL;
    if (__builtin_expect(p[1] == ' ', 1)) return p;
  }
}

/* sendmail_read_address, for the usual "<...>", or address before a comma, of less than 63 bytes without quotes; what is not such a one goes
 * to the other. Bytes up to `limit` (>= end) may be read. */
static inline const char *sendmail_read_path(const char *p, const char *end, const char *limit, struct slice *address) {
  struct block block = block_load_until(p, limit);
  bool is_bracketed = p < end && *p == '<';
  uint64_t inside = p < end ? bits_below((size_t)(end - p)) : 0, ends = block_find(block, is_bracketed ? '>' : ',') & inside;
  if (__builtin_expect(!ends || (block_find(block, '"') & (ends - 1) & ~ends), 0)) return sendmail_read_address(p, end, address);
  const char *address_end = p + bits_first(ends);
  *address = slice_between(p + is_bracketed, address_end);
  return address_end + is_bracketed;
}

/* The next ", " at or behind p, or NULL. */
static inline const char *sendmail_find_comma(const char *p, const char *end) {
  for (; end - p >= 2 && (p = memchr(p, ',', (size_t)(end - p - 1))); p++)
    if (p[1] == ' ') return p;
  return NULL;
}

#endif
