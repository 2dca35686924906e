/* What the files of the Sendmail format share.
 *
 *   sendmail.c            the format: header, queue id, what kind of line it is; noise
 *   sendmail_delivery.c   "QID: to=<a>,<b>, delay=..., relay=..., dsn=..., stat=...": one delivery for each recipient
 *   sendmail_message.c    "QID: from=<a>, size=..., nrcpts=...", and notifications, which tell when Sendmail gave up
 *   sendmail_reject.c     refusals by our own server: rulesets, milters, unknown recipients */
#ifndef INGEST_SENDMAIL_INTERNAL_H
#define INGEST_SENDMAIL_INTERNAL_H

#include "ingest/line_walk.h"
#include "ingest/syslog.h"

/* A line that has been read up to its text. */
struct sendmail_message {
  struct line_walk *walk;
  struct slice host;
  struct slice program; /* tag of syslog: sendmail, sm-mta, ... */
  struct slice queue_id;
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

/* "mx.b.example. [192.0.2.7]", "[192.0.2.7]", "[mx.b.example]", "user@host [IPv6:2001:db8::1] (may be forged)". */
void sendmail_read_peer(struct slice peer, struct slice *host, struct slice *ip);

static inline void sendmail_add_count(struct sendmail_message *message, struct slice queue_id, enum line_kind kind,
                                      uint64_t count) {
  struct line *line = line_walk_add(message->walk, message->host, queue_id);
  line->kind = kind;
  line->recipient_count = count > UINT32_MAX ? UINT32_MAX : (uint32_t)count;
}

/* The next ", " at or behind p, or NULL. */
static inline const char *sendmail_find_comma(const char *p, const char *end) {
  for (; end - p >= 2 && (p = memchr(p, ',', (size_t)(end - p - 1))); p++)
    if (p[1] == ' ') return p;
  return NULL;
}

#endif
