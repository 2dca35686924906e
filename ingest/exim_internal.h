/* What the files of the Exim format share.
 *
 *   exim.c            the format: which of the three builds of the others this processor gets
 *   exim_lines.c      stamp, host and message id of a line, and which kind it is
 *   exim_fields.c     addresses, hosts and fields (H=, T=, C="...") as Exim writes them
 *   exim_arrival.c    "<=": the message's beginning
 *   exim_delivery.c   "=>", "->", ">>", "**", "==": what became of a recipient
 *   exim_message.c    what was said: the text of a failure, the confirmation of a delivery
 *   exim_reject.c     refusals by our own server
 *   exim_noise.c      which kind of noise a line is
 *
 * All but exim.c are compiled three times, for x86-64-v2, -v3 and -v4 (cpu_level.h). */
#ifndef INGEST_EXIM_INTERNAL_H
#define INGEST_EXIM_INTERNAL_H

#include "ingest/cpu_level.h"
#include "ingest/line_key.h"
#include "ingest/line_walk.h"

#define exim_address_end_slow HOT(exim_address_end_slow)
#define exim_quoted_end HOT(exim_quoted_end)
#define exim_read_client HOT(exim_read_client)
#define exim_read_bracketed_ip HOT(exim_read_bracketed_ip)
#define exim_read_interval HOT(exim_read_interval)
#define exim_read_line HOT(exim_read_line)
#define exim_read_arrival HOT(exim_read_arrival)
#define exim_read_delivered HOT(exim_read_delivered)
#define exim_read_deferred HOT(exim_read_deferred)
#define exim_read_failed HOT(exim_read_failed)
#define exim_read_other HOT(exim_read_other)
#define exim_noise HOT(exim_noise)
#define exim_read_message HOT(exim_read_message)
#define exim_read_confirmation HOT(exim_read_confirmation)
#define exim_decoded HOT(exim_decoded)
#define exim_read_codes HOT(exim_read_codes)

/* The line_reader of each build; exim_read_line is that of the build being compiled. */
unsigned exim_read_line_v2(struct line_walk *walk, const char *p, const char *end);
unsigned exim_read_line_v3(struct line_walk *walk, const char *p, const char *end);
unsigned exim_read_line_v4(struct line_walk *walk, const char *p, const char *end);

/* A line that has been read up to its text. */
struct exim_line {
  struct line_walk *walk;
  struct slice host, id; /* absent: a log of its own names no host; the line is of no message */
  uint64_t key;          /* line_key(host, id), when there is an id */
  const char *text, *end;
};

/* An item for what the line says; what its kind has of its own is to be assigned whole. */
static inline struct line *exim_add(const struct exim_line *line, enum line_kind kind) {
  uint64_t key = slice_is_absent(line->id) ? hash_u64(line->walk->position) : line->key;
  struct line *item = line_walk_open(line->walk, key, line->host, line->id);
  item->kind = kind;
  item->group_count = 0;
  item->service = SLICE_ABSENT;
  return item;
}

/* slice_starts_with, for tables of words of which most differ in their first byte already. */
static inline bool exim_starts_with(struct slice s, struct slice word) {
  return s.len >= word.len && s.ptr[0] == word.ptr[0] && memcmp(s.ptr, word.ptr, word.len) == 0;
}

/* ---- the front of a line -------------------------------------------------------------------------------------------------- */

/* Behind "[4711] ". */
static inline const char *exim_skip_pid(const char *p, const char *end) {
  if (p == end || *p != '[') return p;
  const char *at = p + 1;
  while (at < end && ascii_is_digit(*at)) at++;
  return at > p + 1 && STARTS_WITH(at, end, "] ") ? at + 2 : p;
}

/* Letters, digits and '-'. 16 bytes at p may be read. */
static inline unsigned exim_find_other_than_id(const char *p) {
  __m128i bytes = _mm_loadu_si128((const __m128i *)p);
  __m128i letter = _mm_sub_epi8(_mm_or_si128(bytes, _mm_set1_epi8(0x20)), _mm_set1_epi8('a'));
  __m128i digit = _mm_sub_epi8(bytes, _mm_set1_epi8('0'));
  __m128i is_good = _mm_or_si128(_mm_cmpeq_epi8(_mm_min_epu8(letter, _mm_set1_epi8(25)), letter),
                                 _mm_cmpeq_epi8(_mm_min_epu8(digit, _mm_set1_epi8(9)), digit));
  is_good = _mm_or_si128(is_good, _mm_cmpeq_epi8(bytes, _mm_set1_epi8('-')));
  return ~(unsigned)_mm_movemask_epi8(is_good) & 0xffff;
}

/* The length of the message id at p: 16, or 23 since Exim 4.97; 0 when there is none. */
static inline size_t exim_id_length(const char *p, const char *end) {
  if (end - p < 17 || p[6] != '-' || exim_find_other_than_id(p)) return 0;
  if (p[13] == '-' && p[16] == ' ') return 16;
  return end - p >= 24 && p[18] == '-' && p[23] == ' ' && !exim_find_other_than_id(p + 7) ? 23 : 0;
}

/* ---- exim_fields.c ---------------------------------------------------------------------------------------------------------- */

#define EXIM_CLIENT_TRIES_MAX 16

/* Finds the blanks of a line, 64 bytes at a time. */
struct exim_cursor {
  const char *end, *limit; /* of the line; bytes up to limit may be read */
  const char *block;       /* whose blanks are known */
  uint64_t blanks;
  unsigned client_tries; /* how often H= was read as a client: see exim_may_be_client */
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

/* The first place in [p, end) of two bytes, one behind the other; NULL: there is none. */
static inline const char *exim_find_pair(const char *p, const char *end, const char *limit, char first, char second) {
  for (; end - p > 1; p += BLOCK_BYTES - 1) {
    struct block block = block_load_until(p, limit);
    uint64_t found = block_find(block, first) & block_find(block, second) >> 1 & bits_below((size_t)(end - p) - 1);
    if (found) return p + bits_first(found);
  }
  return NULL;
}

/* As exim_address_end, for addresses with quotes. */
const char *exim_address_end_slow(const char *p, const char *end, char stop);

/* Behind an address at p: the first `stop` outside of quotes ("..." with \ as in RFC 5321), or end. If quotes do not end they are none. */
static inline const char *exim_address_end(const char *p, const char *end, const char *limit, char stop) {
  struct block block = block_load_until(p, limit);
  uint64_t inside = p < end ? bits_below((size_t)(end - p)) : 0, stops = block_find(block, stop) & inside;
  uint64_t before = (stops - 1) & ~stops;
  if (__builtin_expect(!stops || (block_find(block, '"') & before), 0)) return exim_address_end_slow(p, end, stop);
  return p + bits_first(stops);
}

/* Behind the closing quote of a text whose first byte is at p, behind its opening quote; end when it does not close. */
const char *exim_quoted_end(const char *p, const char *end);

/* Behind the name of a field at p: "H" of "H=...", "M8S" of "M8S=8", "Ci" of "Ci=4711". */
static inline const char *exim_name_end(const char *p, const char *end) {
  while (p < end && ((*p >= 'A' && *p <= 'Z') || (*p >= 'a' && *p <= 'z') || ascii_is_digit(*p))) p++;
  return p;
}

/* Behind the value at p of a field that nobody wants: "...", <...> or a word. */
static inline const char *exim_skip_value(struct exim_cursor *cursor, const char *p) {
  if (p < cursor->end && *p == '"') return exim_find_blank(cursor, exim_quoted_end(p + 1, cursor->end));
  if (p < cursor->end && *p == '<') return exim_find_blank(cursor, exim_address_end(p, cursor->end, cursor->limit, '>'));
  return exim_find_blank(cursor, p);
}

/* A client as its H= says: "name (helo) [ip]:port", of which only the address is always there. `name` is what its address resolved to: what
 * it only said of itself, in parentheses, is not it. Returns behind it; p itself when it is no client. */
const char *exim_read_client(const char *p, const char *end, const char *limit, struct slice *name, struct slice *ip);

/* Whether an H= is worth the search for its end, which may be the line's: the first are; a line that goes on with them is somebody's who
 * wants to keep us busy. */
static inline bool exim_may_be_client(struct exim_cursor *cursor) { return cursor->client_tries++ < EXIM_CLIENT_TRIES_MAX; }

/* "[address]" at p, with or without ":port" behind it, which is skipped. Returns behind it; NULL when it is none. */
const char *exim_read_bracketed_ip(const char *p, const char *end, const char *limit, struct slice *ip);

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

/* The confirmation of "=>", as it stands between its quotes (`is_plain`: without a backslash): reply, smtp_code and dsn. */
void exim_read_confirmation(struct line_walk *walk, struct slice text, bool is_plain, struct line *delivery);

/* The text as it was before Exim made it printable. */
struct slice exim_decoded(struct line_walk *walk, struct slice text);

/* The reply code at the front of a text (0: none) and the enhanced status code behind it (absent: none, or one of another class). */
uint16_t exim_read_codes(struct slice text, struct slice *dsn);

#endif
