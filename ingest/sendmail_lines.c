/* A line's header and queue id, which of the kinds of lines it is, and what kinds have in common: addresses, peers. What is of no message, or
 * says nothing of its deliveries, is noise. */
#include "ingest/sendmail_internal.h"

const char *sendmail_read_queue_id(const struct line_walk *walk, const char *p, const char *end, struct slice *queue_id) {
  struct block block = block_load_until(p, walk->limit);
  uint64_t inside = bits_below((size_t)(end - p)), colons = block_find(block, ':') & inside;
  if (!colons) return NULL;
  unsigned len = bits_first(colons);
  uint64_t alphanumeric =
      block_find_between(block, '0', '9') | block_find_between(block, 'a', 'z') | block_find_between(block, 'A', 'Z');
  if (len < 5 || len > 24 || (~alphanumeric & bits_below(len)) || end - p < len + 2 || p[len + 1] != ' ') return NULL;
  *queue_id = slice_of(p, len);
  return p + len + 2;
}

/* The '>' that ends an address at p, quotes respected as RFC 5321 4.1.2 has them; NULL when they do not end. */
static const char *find_close(const char *p, const char *end) {
  const char *close = memchr(p, '>', (size_t)(end - p));
  if (!close || !memchr(p, '"', (size_t)(close - p))) return close;
  bool is_quoted = false;
  for (; p < end; p++) {
    if (*p == '"')
      is_quoted = !is_quoted;
    else if (*p == '\\' && is_quoted)
      p++;
    else if (*p == '>' && !is_quoted)
      return p;
  }
  return close;
}

const char *sendmail_read_address(const char *p, const char *end, struct slice *address) {
  if (p < end && *p == '<') {
    const char *close = find_close(p + 1, end);
    if (!close) return NULL;
    *address = slice_between(p + 1, close);
    return close + 1;
  }
  const char *begin = p;
  bool is_quoted = false;
  for (; p < end && (is_quoted || *p != ','); p++) {
    if (*p == '"')
      is_quoted = !is_quoted;
    else if (*p == '\\' && is_quoted && p + 1 < end)
      p++;
  }
  if (p == end) {
    p = memchr(begin, ',', (size_t)(end - begin));
    if (!p) return NULL;
  }
  *address = slice_between(begin, p);
  return p;
}

/* Of "[x]": an address, with or without "IPv6:", as *ip; what has neither '.' followed by a digit nor ':' is a name. */
static bool read_bracketed(const char *open, const char *close, struct slice *ip) {
  struct slice inside = slice_between(open + 1, close);
  if (slice_starts_with(inside, SLICE("IPv6:"))) inside = slice_skip(inside, 5);
  if (!inside.len || inside.len > 45) return false;
  for (size_t i = 0; i < inside.len; i++) {
    char lower = (char)(inside.ptr[i] | 0x20);
    if (inside.ptr[i] != '.' && inside.ptr[i] != ':' && !ascii_is_digit(inside.ptr[i]) && (lower < 'a' || lower > 'f'))
      return false;
  }
  *ip = inside;
  return true;
}

/* "mx.b.example. [192.0.2.7]", as most are. */
static inline bool read_usual_peer(struct slice peer, const char *limit, struct slice *host, struct slice *ip) {
  if (peer.len < 6 || peer.len > BLOCK_BYTES || peer.ptr[peer.len - 1] != ']' || *peer.ptr == '[') return false;
  struct block block = block_load_until(peer.ptr, limit);
  size_t close = peer.len - 1;
  uint64_t opens = block_find(block, '[') & bits_below(close);
  if (!opens) return false;
  unsigned open = bits_last(opens);
  uint64_t in_brackets = bits_below(close) & ~bits_below(open + 1);
  uint64_t good = block_find_between(block, '0', '9') | block_find(block, '.');
  if (open < 2 || !in_brackets || close - open > 16 || (in_brackets & ~good) || peer.ptr[open - 1] != ' ') return false;
  if (block_find(block, '@') & bits_below(open)) return false;
  *ip = slice_between(peer.ptr + open + 1, peer.ptr + close);
  *host = slice_of(peer.ptr, open - 1 - (peer.ptr[open - 2] == '.'));
  return host->len > 0;
}

void sendmail_read_peer(struct slice peer, const char *limit, struct slice *host, struct slice *ip) {
  if (read_usual_peer(peer, limit, host, ip)) return;
  static const struct slice forged = SLICE(" (may be forged)");
  bool is_forged = slice_ends_with(peer, forged);
  *host = *ip = SLICE_ABSENT;
  if (is_forged) peer.len -= forged.len;
  if (!peer.len) return;
  const char *end = peer.ptr + peer.len, *open = end[-1] == ']' ? memrchr(peer.ptr, '[', peer.len) : NULL;
  struct slice name = peer;
  if (open && read_bracketed(open, end - 1, ip)) name = slice_trim(slice_between(peer.ptr, open));
  if (name.len > 2 && name.ptr[0] == '[' && name.ptr[name.len - 1] == ']') {
    struct slice ignored;
    name = read_bracketed(name.ptr, name.ptr + name.len - 1, &ignored) ? SLICE_ABSENT : slice_of(name.ptr + 1, name.len - 2);
  }
  const char *at = name.len ? memrchr(name.ptr, '@', name.len) : NULL;
  if (at) name = slice_between(at + 1, name.ptr + name.len);
  if (name.len && name.ptr[name.len - 1] == '.') name.len--;
  if (name.len && !is_forged) *host = name;
}

struct noise_word {
  struct slice word;
  enum noise noise;
};

/* What a text begins with, behind its queue id if it has one. */
static const struct noise_word beginnings[] = {
    {SLICE("STARTTLS"), NOISE_connection},
    {SLICE("AUTH"), NOISE_connection},
    {SLICE("lost input channel"), NOISE_connection},
    {SLICE("timeout waiting for input"), NOISE_connection},
    {SLICE("collect: "), NOISE_connection},
    {SLICE("connect from "), NOISE_connection},
    {SLICE("Null connection"), NOISE_connection},
    {SLICE("rejecting commands from "), NOISE_connection},
    {SLICE("tls_"), NOISE_connection},
    {SLICE("SMTP "), NOISE_connection},
    {SLICE("--- "), NOISE_connection},
    {SLICE("<-- "), NOISE_connection},
    {SLICE("makeconnection"), NOISE_connection},
    {SLICE("probable open proxy"), NOISE_connection},
    {SLICE("["), NOISE_connection},
    {SLICE("milter="), NOISE_policy},
    {SLICE("Milter"), NOISE_policy},
    {SLICE("discarded"), NOISE_policy},
    {SLICE("quarantine="), NOISE_policy},
    {SLICE("SYSERR"), NOISE_warning},
    {SLICE("WARNING"), NOISE_warning},
    {SLICE("Warning"), NOISE_warning},
    {SLICE("Losing "), NOISE_warning},
    {SLICE("low on space"), NOISE_warning},
    {SLICE("rejecting connections"), NOISE_warning},
    {SLICE("POSSIBLE ATTACK"), NOISE_warning},
    {SLICE("message repeated "), NOISE_repeated},
    {SLICE("last message repeated "), NOISE_repeated},
};

static enum noise noise_of(const char *p, const char *end) {
  for (size_t i = 0; i < sizeof beginnings / sizeof *beginnings; i++)
    if (p < end && *p == *beginnings[i].word.ptr && slice_starts_with(slice_between(p, end), beginnings[i].word))
      return beginnings[i].noise;
  if (memmem(p, (size_t)(end - p), " did not issue ", 15)) return NOISE_connection;
  return NOISE_bookkeeping;
}

/* Behind the queue id. */
static unsigned read_text(struct sendmail_message *message, const char *p, const char *end) {
  struct slice ignored;
  if (!slice_is_absent(message->queue_id)) {
    message->key = line_key_of(message->host, message->queue_id, message->walk->limit);
    if (STARTS_WITH(p, end, "to=")) return sendmail_read_delivery(message, p + 3, end);
    if (STARTS_WITH(p, end, "from=")) return sendmail_read_sender(message, p + 5, end);
    if (STARTS_WITH(p, end, "<") && !STARTS_WITH(p, end, "<-- ")) return sendmail_read_refused(message, p, end);
    if (STARTS_WITH(p, end, "done; delay=")) {
      sendmail_open(message, LINE_REMOVED)->service = SLICE_ABSENT;
      return READ_INFO;
    }
  }
  if (STARTS_WITH(p, end, "ruleset=")) return sendmail_read_ruleset(message, p + 8, end);
  if (STARTS_WITH(p, end, "Milter: ")) return sendmail_read_milter(message, p + 8, end);
  enum noise noise = noise_of(p, end);
  if (noise == NOISE_bookkeeping && !slice_is_absent(message->queue_id) && sendmail_read_queue_id(message->walk, p, end, &ignored))
    return sendmail_read_notification(message, p, end);
  return READ_NOISE + noise;
}

unsigned sendmail_read_line(struct line_walk *walk, const char *p, const char *end) {
  struct syslog_header header;
  if (!syslog_read(&walk->stamps, p, end, walk->limit, &header)) return READ_UNPARSED + UNPARSED_HEADER;
  if (header.time_us == TIME_US_ABSENT) return READ_UNPARSED + UNPARSED_TIME;
  const char *text = header.text;
  if (!sendmail_is_program(header.service))
    return READ_NOISE + (STARTS_WITH(text, end, "last message repeated ") ? NOISE_repeated : NOISE_other_program);
  struct sendmail_message message = {.walk = walk, .host = header.host, .program = header.service, .queue_id = SLICE_ABSENT};
  walk->time_us = header.time_us;
  const char *behind = sendmail_read_queue_id(walk, text, end, &message.queue_id);
  if (behind) text = behind;
  if (slice_equal(message.queue_id, SLICE("NOQUEUE"))) message.queue_id = SLICE_ABSENT;
  return read_text(&message, text, end);
}
