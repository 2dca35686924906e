/* What the files of the Exim format share.
 *
 *   exim.c            the format: stamp, host and message id of a line, and which kind it is
 *   exim_fields.c     addresses, hosts and fields (H=, T=, C="...") as Exim writes them
 *   exim_arrival.c    "<=": the message's beginning
 *   exim_delivery.c   "=>", "->", ">>", "**", "==": what became of a recipient
 *   exim_message.c    what was said: the text of a failure, the confirmation of a delivery
 *   exim_reject.c     refusals by our own server
 *   exim_noise.c      which kind of noise a line is */
#ifndef INGEST_EXIM_INTERNAL_H
#define INGEST_EXIM_INTERNAL_H

#include "ingest/line_walk.h"

/* A line that has been read up to its text. */
struct exim_line {
  struct line_walk *walk;
  struct slice host, id; /* absent: a log of its own names no host; the line is of no message */
  const char *text, *end;
};

/* ---- exim_fields.c ---------------------------------------------------------------------------------------------------------- */

/* Finds the blanks of a line, 64 bytes at a time. */
struct exim_cursor {
  const char *end, *limit; /* of the line; bytes up to limit may be read */
  const char *block;       /* whose blanks are known */
  uint64_t blanks;
};

static inline struct exim_cursor exim_cursor_at(const char *p, const char *end, const char *limit) {
  return (struct exim_cursor){.end = end, .limit = limit, .block = p, .blanks = block_find(block_load_until(p, limit), ' ')};
}

/* The first blank at or behind p, or the end of the line. p never goes back. */
static inline const char *exim_find_blank(struct exim_cursor *cursor, const char *p) {
  while (p < cursor->end) {
    size_t offset = (size_t)(p - cursor->block);
    uint64_t ahead = offset < BLOCK_BYTES ? cursor->blanks >> offset : 0;
    if (ahead) {
      p += bits_first(ahead);
      return p < cursor->end ? p : cursor->end;
    }
    if (offset < BLOCK_BYTES) p = cursor->block + BLOCK_BYTES;
    if (p >= cursor->end) break;
    cursor->block = p;
    cursor->blanks = block_find(block_load_until(p, cursor->limit), ' ');
  }
  return cursor->end;
}

/* Behind an address at p: the first `stop` outside of quotes ("..." with \ as in RFC 5321), or end. If quotes do not end they are none. */
const char *exim_address_end(const char *p, const char *end, char stop);

/* Behind the closing quote of a text whose first byte is at p, behind its opening quote; end when it does not close. */
const char *exim_quoted_end(const char *p, const char *end);

/* Behind the name of a field at p: "H" of "H=...", "M8S" of "M8S=8", "Ci" of "Ci=4711". */
static inline const char *exim_name_end(const char *p, const char *end) {
  while (p < end && ((*p >= 'A' && *p <= 'Z') || (*p >= 'a' && *p <= 'z') || ascii_is_digit(*p))) p++;
  return p;
}

/* Behind the value at p of a field that nobody wants: "...", <...> or a word. */
const char *exim_skip_value(struct exim_cursor *cursor, const char *p);

/* A client as its H= says: "name (helo) [ip]:port", of which only the address is always there. `name` is what its address resolved to: what
 * it only said of itself, in parentheses, is not it. Returns behind it; p itself when it is no client. */
const char *exim_read_client(const char *p, const char *end, struct slice *name, struct slice *ip);

/* "[address]" at p, with or without ":port" behind it, which is skipped. NULL when it is none. */
const char *exim_read_bracketed_ip(const char *p, const char *end, struct slice *ip);

/* "3m4s", "0.123s", "1d2h" as microseconds; DELAY_ABSENT when it is no such time. */
int64_t exim_read_interval(const char *p, const char *end);

/* ---- kinds of lines --------------------------------------------------------------------------------------------------------- */

/* Each puts what the line says into the lists and returns a read_result. p is behind the arrow and its blank. */
unsigned exim_read_arrival(const struct exim_line *line, const char *p);
unsigned exim_read_delivered(const struct exim_line *line, const char *p);
unsigned exim_read_deferred(const struct exim_line *line, const char *p);
unsigned exim_read_failed(const struct exim_line *line, const char *p);

/* A line without an arrow: a refusal by our own server, or noise. */
unsigned exim_read_other(const struct exim_line *line);
enum noise exim_noise(const struct exim_line *line);

/* ---- exim_message.c --------------------------------------------------------------------------------------------------------- */

/* The text of "**" or "==": reply, stage, smtp_code and dsn of delivery->delivery; relay_host and relay_ip when they are absent and the
 * text tells them. */
void exim_read_message(struct line_walk *walk, struct slice text, struct line *delivery);

/* The confirmation of "=>", as it stands between its quotes: reply, smtp_code and dsn. */
void exim_read_confirmation(struct line_walk *walk, struct slice text, struct line *delivery);

/* The text as it was before Exim made it printable. */
struct slice exim_decoded(struct line_walk *walk, struct slice text);

/* The reply code at the front of a text (0: none) and the enhanced status code behind it (absent: none, or one of another class). */
uint16_t exim_read_codes(struct slice text, struct slice *dsn);

#endif
