/* The hot loop of the Postfix format. A window of the chunk is searched for newlines first, so that every line's end is known
 * when it is read; then each line costs its header, one look at the first word behind the queue id, and what that kind of
 * line carries. Compiled three times (postfix_internal.h). */
#include "ingest/line_key.h"
#include "ingest/postfix_internal.h"

#define WORD4(a, b, c, d) ((uint32_t)(a) | (uint32_t)(b) << 8 | (uint32_t)(c) << 16 | (uint32_t)(d) << 24)

/* What a line says stays in registers when all of its usual path is one function: 6 % of a line's time. */
#define INLINE_HOT inline __attribute__((always_inline))

/* The next item of the list that `queue_id` belongs to, with what all kinds share. NOQUEUE: absent, and spread by position. */
static INLINE_HOT struct line *open_line(struct postfix_run *run, struct postfix_message *message, struct slice queue_id) {
  uint64_t position = run->batch->position + (uint64_t)(message->begin - run->batch->base), key;
  if (__builtin_expect(queue_id.len == 7 && memcmp(queue_id.ptr, "NOQUEUE", 7) == 0, 0)) {
    queue_id = SLICE_ABSENT;
    key = hash_u64(position);
  } else {
    key = line_key_of(message->header.host, queue_id, run->limit);
  }
  struct line_list *list = run->list_of_shard[line_shard(key)];
  if (__builtin_expect(list->count == list->cap, 0)) line_list_grow(list);
  struct line *line = &list->items[list->count];
  message->list = list;
  line->key = key;
  line->position = position;
  line->time_us = message->header.time_us;
  line->number = message->number;
  line->times = message->times;
  line->host = message->header.host;
  line->instance = message->header.instance;
  line->service = message->header.service;
  line->queue_id = queue_id;
  return line;
}

/* Whether the program is "INSTANCE/...WORD". */
static inline bool service_ends_with(const struct syslog_header *header, uint32_t word) {
  return header->instance.ptr && header->service.len >= 4 && load_u32(header->service.ptr + header->service.len - 4) == word;
}

/* The number at p; U64_ABSENT when there is none. */
static inline uint64_t read_size(const char *p, const char *end) {
  if (__builtin_expect(end - p >= 8, 1)) {
    uint64_t text = load_u64(p), others = digits8_find_other(text);
    if (__builtin_expect(others && !(others & 0x80), 1)) return digits8_value(digits8_align(text, bits_first(others) / 8));
  }
  uint64_t size = 0;
  const char *digit = p;
  for (; digit < end && ascii_is_digit(*digit) && digit - p < 19; digit++) size = size * 10 + (uint64_t)(*digit - '0');
  return digit > p ? size : U64_ABSENT;
}

/* qmgr: from=<a@b>, size=9, nrcpt=1 (queue active)      p is behind "from=<"
 *       from=<a@b>, status=expired, returned to sender
 * Behind the address is no other '>': the last one of the line ends it, whatever the address holds. */
static unsigned read_sender(const struct postfix_message *message, struct line *line, const char *p) {
  const char *end = message->end, *close = scan_find_last(message->begin, end, '>');
  if (!close || close < p) return READ_UNPARSED + UNPARSED_BODY;
  if (STARTS_WITH(close, end, ">, status=")) {
    const char *status = close + 10;
    if (!STARTS_WITH(status, end, "expired") && !STARTS_WITH(status, end, "force-expired")) return READ_NOISE + NOISE_bookkeeping;
    line->kind = LINE_EXPIRED;
    return READ_INFO;
  }
  line->kind = LINE_SENDER;
  line->sender.address = slice_between(p, close);
  line->sender.size_bytes = STARTS_WITH(close, end, ">, size=") ? read_size(close + 8, end) : U64_ABSENT;
  return READ_INFO;
}

/* Whether ", orig_client=" may stand in [p, end): no when no 'o' follows a blank. */
static inline bool may_have_original(const char *p, const char *end, const char *limit) {
  struct block block = block_load_until(p, limit);
  uint64_t beginnings = block_find(block, ' ') << 1 & block_find(block, 'o');
  return end - p > BLOCK_BYTES || (beginnings & bits_below((size_t)(end - p)));
}

/* smtpd: client=host[ip]:port, sasl_method=PLAIN, orig_client=host[ip]      p is behind "client="
 * Behind a content filter orig_client is who handed the message in; client is the filter. */
static unsigned read_client(const struct postfix_run *run, struct line *line, const char *p, const char *end) {
  struct block block = block_load_until(p, run->limit);
  uint64_t commas = block_find(block, ',') & bits_below((size_t)(end - p));
  const char *comma = commas ? p + bits_first(commas) : scan_find(p + BLOCK_BYTES, end, run->limit, ',');
  struct slice peer = slice_between(p, comma);
  line->kind = LINE_CLIENT;
  if (comma < end && __builtin_expect(may_have_original(comma, end, run->limit), 0)) {
    struct slice rest = slice_between(comma, end), original = SLICE(", orig_client=");
    size_t at = slice_find(rest, original);
    if (at < rest.len) {
      rest = slice_skip(rest, at + original.len);
      postfix_read_peer_slow(slice_of(rest.ptr, slice_find_byte(rest, ',')), &line->client.host, &line->client.ip);
      return READ_INFO;
    }
  }
  postfix_read_peer(peer, block, &line->client.host, &line->client.ip);
  return READ_INFO;
}

static unsigned read_delivery(struct postfix_run *run, struct postfix_message *message, struct line *line, const char *p) {
  line->kind = LINE_DELIVERY;
  unsigned result = postfix_read_delivery(run, p, message->end, line);
  if (__builtin_expect(result != READ_DELIVERY, 0) && result != READ_NOISE + NOISE_probe && !postfix_is_program(&message->header))
    return READ_NOISE + NOISE_other_program;
  return result;
}

static unsigned read_reject(struct postfix_message *message, struct line *line, const char *p) {
  line->kind = LINE_REJECT;
  unsigned result = postfix_read_reject(p, message->end, line);
  return result == READ_DELIVERY || postfix_is_program(&message->header) ? result : READ_NOISE + NOISE_other_program;
}

/* A line without queue id, or with one and of no interest. */
static __attribute__((noinline)) unsigned read_other(struct postfix_run *run, struct postfix_message *message) {
  const char *text = message->header.text, *end = message->end;
  if ((STARTS_WITH(text, end, "last message repeated ") || STARTS_WITH(text, end, "message repeated ")) && message->times == 1)
    return postfix_read_repeated(run, message);
  if (STARTS_WITH(text, end, "proxy-reject: ") && message->header.instance.ptr) /* written without NOQUEUE */
    return read_reject(message, open_line(run, message, SLICE("NOQUEUE")), text);
  return READ_NOISE + postfix_noise(&message->header, text, end);
}

/* "QID: client=" and its kin: p is the word behind the id; five bytes at least are in the line. Service names are checked where the
 * word alone would not do. */
static INLINE_HOT unsigned read_with_queue_id(struct postfix_run *run, struct postfix_message *message, struct slice queue_id,
                                              const char *p) {
  const struct syslog_header *header = &message->header;
  const char *end = message->end;
  bool has_instance = header->instance.ptr != NULL;
  if (__builtin_expect(!has_instance, 0) && load_u32(p) != WORD4('t', 'o', '=', '<')) return read_other(run, message);
  struct line *line = open_line(run, message, queue_id);
  switch (load_u32(p)) {
    case WORD4('t', 'o', '=', '<'): return read_delivery(run, message, line, p + 4);
    case WORD4('f', 'r', 'o', 'm'):
      if (!service_ends_with(header, WORD4('q', 'm', 'g', 'r')) || !STARTS_WITH(p, end, "from=<")) break;
      return read_sender(message, line, p + 6);
    case WORD4('r', 'e', 'm', 'o'):
      if (end - p != 7) break;
      if (!service_ends_with(header, WORD4('q', 'm', 'g', 'r')) && !service_ends_with(header, WORD4('u', 'p', 'e', 'r'))) break;
      line->kind = LINE_REMOVED;
      return READ_INFO;
    case WORD4('r', 'e', 'q', 'u'): /* "requeued" by postsuper: goes on under another queue id */
      if (!service_ends_with(header, WORD4('u', 'p', 'e', 'r')) || end - p != 8) break;
      line->kind = LINE_REMOVED;
      return READ_INFO;
    case WORD4('c', 'l', 'i', 'e'):
      if (!has_instance || !STARTS_WITH(p, end, "client=") || !line->queue_id.ptr) break;
      return read_client(run, line, p + 7, end);
    case WORD4('m', 'e', 's', 's'): /* and not resent-message-id=, which names the resending */
      if (!has_instance || !STARTS_WITH(p, end, "message-id=")) break;
      line->kind = LINE_MESSAGE_ID;
      line->message_id = slice_between(p + 11, end);
      return READ_INFO;
    case WORD4('u', 'i', 'd', '='):
      if (!service_ends_with(header, WORD4('c', 'k', 'u', 'p'))) break;
      line->kind = LINE_CLIENT;
      line->client.host = line->client.ip = SLICE_ABSENT;
      return READ_INFO;
    case WORD4('r', 'e', 'j', 'e'):
    case WORD4('m', 'i', 'l', 't'):
    case WORD4('p', 'r', 'o', 'x'):
      if (!has_instance) break;
      return read_reject(message, line, p);
    default: break;
  }
  return read_other(run, message);
}

/* Queue ids are hexadecimal digits (short) or digits and consonants (long): here any letters and digits, 5 to 31 of them. */
static inline bool is_queue_id(struct block block, size_t len) {
  uint64_t good = block_find_between(block, '0', '9') | block_find_between(block_lower(block), 'a', 'z');
  return len >= 5 && len <= 31 && (~good & bits_below(len)) == 0;
}

/* Connections that come, go and are encrypted are a quarter of a log. What postfix_noise would say of them, sooner. */
static INLINE_HOT bool is_quick_noise(const struct postfix_message *message) {
  const char *text = message->header.text, *end = message->end;
  if (STARTS_WITH(text, end, "connect from ") || STARTS_WITH(text, end, "disconnect from "))
    return service_ends_with(&message->header, WORD4('m', 't', 'p', 'd'));
  if (!STARTS_WITH(text, end, "Anonymous TLS connection") && !STARTS_WITH(text, end, "Untrusted TLS connection") &&
      !STARTS_WITH(text, end, "Trusted TLS connection") && !STARTS_WITH(text, end, "Verified TLS connection"))
    return false;
  return message->header.instance.len >= 7 && memcmp(message->header.instance.ptr, "postfix", 7) == 0;
}

static INLINE_HOT unsigned read_message(struct postfix_run *run, struct postfix_message *message) {
  const char *text = message->header.text, *end = message->end;
  struct block block = block_load_until(text, run->limit);
  uint64_t blanks = block_find(block, ' ') & bits_below((size_t)(end - text));
  if (__builtin_expect(!blanks || (blanks & 1), 0)) return read_other(run, message);
  size_t id_len = bits_first(blanks) - 1;
  const char *word = text + id_len + 2;
  if (text[id_len] != ':') {
    return is_quick_noise(message) ? READ_NOISE + NOISE_connection : read_other(run, message);
  }
  if (end - word < 5 || !is_queue_id(block, id_len)) return read_other(run, message);
  return read_with_queue_id(run, message, slice_of(text, id_len), word);
}

unsigned postfix_read_message(struct postfix_run *run, struct postfix_message *message) { return read_message(run, message); }

static inline unsigned read_line(struct postfix_run *run, const char *begin, const char *end, uint32_t number,
                                 struct line_list **list) {
  if (__builtin_expect(begin == end, 0)) return READ_NOISE + NOISE_empty;
  if (__builtin_expect((size_t)(end - begin) > run->parser->line_bytes_max, 0)) return READ_UNPARSED + UNPARSED_TOO_LONG;
  if (__builtin_expect((unsigned char)end[-1] <= ' ', 0)) {
    end = postfix_trim_end(begin, end);
    if (begin == end) return READ_NOISE + NOISE_empty;
  }
  struct postfix_message message;
  message.begin = begin;
  message.end = end;
  message.number = number;
  message.times = 1;
  if (!syslog_read(&run->stamps, begin, end, run->limit, &message.header)) return READ_UNPARSED + UNPARSED_HEADER;
  if (__builtin_expect(message.header.time_us == TIME_US_ABSENT, 0)) return READ_UNPARSED + UNPARSED_TIME;
  unsigned result = read_message(run, &message);
  *list = message.list;
  return result;
}

/* Places in the window of the newlines of its block at `at`, into `out`; returns how many. Two places are written whether the block holds
 * them or not: a branch for each would be mispredicted too often. */
static inline size_t put_newlines(uint64_t found, size_t at, uint16_t *out) {
  size_t count = (size_t)__builtin_popcountll(found);
  if (__builtin_expect(count > 2, 0)) {
    for (; found; found = bits_drop_first(found)) *out++ = (uint16_t)(at + bits_first(found));
    return count;
  }
  out[0] = (uint16_t)(at + bits_first(found | UINT64_C(1) << 63));
  out[1] = (uint16_t)(at + bits_first(bits_drop_first(found) | UINT64_C(1) << 63));
  return count;
}

/* Places of the newlines of [p, p+len), len <= POSTFIX_WINDOW_BYTES, into `out`; returns how many. */
static size_t find_newlines(const char *p, size_t len, const char *limit, uint16_t *out) {
  size_t count = 0, at = 0;
  for (; at + BLOCK_BYTES <= len; at += BLOCK_BYTES) {
    __builtin_prefetch(p + at + POSTFIX_WINDOW_BYTES, 0, 2); /* into L2: the L1 cache is full of this window and its items */
    count += put_newlines(block_find(block_load(p + at), '\n'), at, out + count);
  }
  if (at < len) count += put_newlines(block_find(block_load_until(p + at, limit), '\n') & bits_below(len - at), at, out + count);
  return count;
}

void POSTFIX_HOT(postfix_parse_lines)(struct postfix_run *run, struct postfix_state *state, const char *begin, const char *end) {
  uint32_t number = 0;
  for (const char *window = begin; window < end; window += POSTFIX_WINDOW_BYTES) {
    size_t len = (size_t)(end - window) < POSTFIX_WINDOW_BYTES ? (size_t)(end - window) : POSTFIX_WINDOW_BYTES;
    size_t count = find_newlines(window, len, run->limit, state->newlines);
    for (size_t i = 0; i < count; i++) {
      const char *line_end = window + state->newlines[i];
      struct line_list *list;
      unsigned result = read_line(run, begin, line_end, number++, &list);
      run->tally[result]++;
      if (result >= READ_INFO)
        list->count++;
      else if (__builtin_expect(result >= READ_UNPARSED, 0))
        parser_report_unparsed(run->parser, run->batch, begin, line_end, (enum unparsed_reason)(result - READ_UNPARSED));
      begin = line_end + 1;
    }
  }
  run->parser->counts.lines += number;
}
