/* What the files of the Postfix format share.
 *
 *   postfix.c            the format: its state, and which of the three builds of the hot files this processor gets
 *   postfix_lines.c      hot: splits a chunk into lines, reads the header, decides the kind, puts the line into its list
 *   postfix_delivery.c   hot: the fields of "QID: to=<...>, relay=..., status=sent (...)"
 *   postfix_reply.c      what a remote server said, inside the parentheses of a refusal
 *   postfix_reject.c     refusals by smtpd, cleanup, postscreen and milters
 *   postfix_noise.c      which kind of noise a line is
 *   postfix_repeat.c     "last message repeated", "message repeated 3 times: [ ... ]"
 *
 * The hot files are compiled three times, for x86-64-v2, -v3 and -v4; POSTFIX_LEVEL names the build and its functions. */
#ifndef INGEST_POSTFIX_INTERNAL_H
#define INGEST_POSTFIX_INTERNAL_H

#include "ingest/lines.h"
#include "ingest/syslog.h"

#ifndef POSTFIX_LEVEL
#define POSTFIX_LEVEL v2
#endif
#define POSTFIX_JOIN_2(name, level) name##_##level
#define POSTFIX_JOIN(name, level) POSTFIX_JOIN_2(name, level)
#define POSTFIX_HOT(name) POSTFIX_JOIN(name, POSTFIX_LEVEL)

/* Bytes whose newlines are found before their lines are read. */
#define POSTFIX_WINDOW_BYTES (16u << 10)

/* Of a parser: kept from call to call. */
struct postfix_state {
  struct zone_once zone;
  uint16_t newlines[POSTFIX_WINDOW_BYTES + 2]; /* places in the window */
};

/* One call of format->parse. */
struct postfix_run {
  struct parser *parser;
  const struct batch *batch;
  const char *lookback; /* as given to parse */
  const char *limit;    /* end of the batch: bytes up to it may be read */
  struct line_list *list_of_shard[LIMIT_JOIN_SHARDS];
  struct stamp_reader stamps;
  uint64_t tally[READ_COUNT];
};

/* A line that has been read up to its text. */
struct postfix_message {
  struct syslog_header header;
  const char *begin, *end; /* the line without its newline */
  uint32_t number, times;
  struct line_list *list; /* where the line went: its next item, not yet counted */
};

/* The end of the line [begin, end) without blanks and the '\r' of a DOS line end: whatever carried the line may have added them. */
static inline const char *postfix_trim_end(const char *begin, const char *end) {
  while (end > begin && (end[-1] == ' ' || end[-1] == '\t' || end[-1] == '\r')) end--;
  return end;
}

/* Reads the message whose header is read and leaves it behind the last item of message->list when the result is READ_INFO or more. */
#define postfix_read_message POSTFIX_HOT(postfix_read_message)
unsigned postfix_read_message(struct postfix_run *run, struct postfix_message *message);
unsigned postfix_read_message_v2(struct postfix_run *run, struct postfix_message *message);

void postfix_parse_lines_v2(struct postfix_run *run, struct postfix_state *state, const char *begin, const char *end);
void postfix_parse_lines_v3(struct postfix_run *run, struct postfix_state *state, const char *begin, const char *end);
void postfix_parse_lines_v4(struct postfix_run *run, struct postfix_state *state, const char *begin, const char *end);

/* The fields behind "to=<" (p) up to the end of the line, into line->delivery. */
#define postfix_read_delivery POSTFIX_HOT(postfix_read_delivery)
unsigned postfix_read_delivery(const struct postfix_run *run, const char *p, const char *end, struct line *line);

/* What stands in the parentheses of a delivery that was not sent: reply, stage and smtp_code of line->delivery; relay_host and
 * relay_ip when they are absent and the text tells them. */
void postfix_read_reply(struct slice text, struct line *line);

/* "host[ip]:port" into host and address; `host` absent for "unknown" and "none", `ip` absent when the brackets hold none. */
void postfix_read_peer_slow(struct slice peer, struct slice *host, struct slice *ip);

/* The same for a peer whose block is loaded; the usual one, with an address in brackets within 64 bytes, costs no loop. */
static inline void postfix_read_peer(struct slice peer, struct block block, struct slice *host, struct slice *ip) {
  uint64_t inside = bits_below(peer.len), open = bits_only_first(block_find(block, '[') & inside);
  uint64_t close = bits_only_first(block_find(block, ']') & inside & -(open << 1)), between = close - (open << 1);
  uint64_t separators = block_find(block, '.') | block_find(block, ':');
  uint64_t good = separators | block_find_between(block, '0', '9') | block_find_between(block_lower(block), 'a', 'f');
  bool is_unknown = peer.len > 8 && memcmp(peer.ptr, "unknown[", 8) == 0;
  if (__builtin_expect(open <= 1 || !close || !(between & separators) || (between & ~good), 0)) {
    postfix_read_peer_slow(peer, host, ip);
    return;
  }
  *host = is_unknown ? SLICE_ABSENT : slice_of(peer.ptr, bits_first(open));
  *ip = slice_between(peer.ptr + bits_first(open) + 1, peer.ptr + bits_first(close));
}

/* p is behind "QID: " or "NOQUEUE: ", at "reject", "milter-" or "proxy-". READ_DELIVERY: a refusal, in line->reject; else noise (what only
 * warns, holds or accepts), or unparsed. */
unsigned postfix_read_reject(const char *p, const char *end, struct line *line);

/* Whether the line is one of Postfix's, by the name of the program. */
bool postfix_is_program(const struct syslog_header *header);
/* The kind of a line that says nothing of a delivery. */
enum noise postfix_noise(const struct syslog_header *header, const char *text, const char *end);

/* For texts that begin with "last message repeated " or "message repeated ". */
unsigned postfix_read_repeated(struct postfix_run *run, struct postfix_message *message);

#endif
