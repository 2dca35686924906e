/* The hot loop of the PowerMTA format. The separators of a window of the chunk are found first, 64 bytes at a time: commas outside of
 * quotes, and newlines. Then each line is a run of places, its fields lie between them, and those that are read are looked up by
 * their column. Quotes are closed by the end of their line at the latest. Compiled three times (powermta_internal.h). */
#include "base/hash.h"
#include "ingest/csv_line.h"
#include "ingest/powermta_internal.h"
#include "ingest/reply_codes.h"

/* Set at a newline that stands inside of quotes. */
#define PLACE_IS_OPEN 0x8000u

/* ---- separators -------------------------------------------------------------------------------------------------------------- */

struct separators {
  uint16_t *places;    /* of commas and newlines, in order; places[-1] is 0xffff, one before the first byte */
  uint16_t *line_ends; /* which of the places are newlines */
  size_t count, line_count;
};

static inline uint64_t lowest_bit(uint64_t bits) { return bits & -bits; }

/* Quoted bytes of a block, a newline ending the quotes of its line. *is_inside: all bits set when the block begins inside. Newlines that
 * stood inside are set in *open. */
static inline uint64_t find_quoted(uint64_t quotes, uint64_t newlines, uint64_t *is_inside, uint64_t *open) {
  uint64_t inside = bits_parity_up_to(quotes) ^ *is_inside, bad;
  while (__builtin_expect((bad = newlines & inside & ~*open) != 0, 0)) {
    uint64_t first = lowest_bit(bad);
    *open |= first;
    inside ^= ~(first | (first - 1)); /* behind it everything is the other way round */
  }
  *is_inside = (uint64_t)((int64_t)(inside & ~*open) >> 63);
  return inside & ~*open;
}

/* The places of the bits, `at` being that of the lowest. Eight are written for each eight that there may be: a branch for each would be
 * mispredicted too often. */
static inline void write_places(uint16_t *to, size_t at, uint64_t bits, size_t count) {
  for (size_t done = 0; done < count; done += 8)
    for (size_t i = 0; i < 8; i++) {
      to[done + i] = (uint16_t)(at + (unsigned)__builtin_ctzll(bits | UINT64_C(1) << 63));
      bits = bits_drop_first(bits);
    }
}

/* A block whose first newline is noted already: the others, and which of them are open. */
static void find_other_line_ends(struct separators *out, uint64_t found, uint64_t newlines, uint64_t open) {
  out->line_count -= newlines != 0;
  for (; newlines; newlines = bits_drop_first(newlines)) {
    uint64_t newline = lowest_bit(newlines);
    size_t which = out->count + (size_t)__builtin_popcountll(found & (newline - 1));
    if (open & newline) out->places[which] |= PLACE_IS_OPEN;
    out->line_ends[out->line_count++] = (uint16_t)which;
  }
}

static void find_separators(struct separators *out, const char *p, size_t len, const char *limit) {
  uint64_t is_inside = 0;
  out->count = out->line_count = 0;
  for (size_t at = 0; at < len; at += BLOCK_BYTES) {
    struct block block = block_load_until(p + at, limit);
    uint64_t window = bits_below(len - at), commas = block_find(block, ',') & window;
    uint64_t newlines = block_find(block, '\n') & window, quotes = block_find(block, '"') & window, open = 0;
    __builtin_prefetch(p + at + POWERMTA_WINDOW_BYTES);
    if (quotes | is_inside) commas &= ~find_quoted(quotes, newlines, &is_inside, &open);
    uint64_t found = commas | newlines;
    size_t count = (size_t)__builtin_popcountll(found);
    write_places(out->places + out->count, at, found, count);
    /* A place is written whether there is a newline or not, as above. */
    out->line_ends[out->line_count] = (uint16_t)(out->count + (size_t)__builtin_popcountll(found & (lowest_bit(newlines) - 1)));
    out->line_count += newlines != 0;
    if (__builtin_expect(bits_drop_first(newlines) | open, 0)) find_other_line_ends(out, found, newlines, open);
    out->count += count;
  }
}

/* ---- fields ------------------------------------------------------------------------------------------------------------------ */

/* A line, and the places of its separators: field i of it ends at places[i]. */
struct csv_line {
  const char *base;
  const uint16_t *places;
  size_t count;
};

static inline struct slice raw_field(const struct csv_line *line, unsigned at) {
  const uint16_t *place = line->places + at;
  return slice_between(line->base + (uint16_t)(place[-1] + 1), line->base + place[0]);
}

static inline struct slice get(struct powermta_run *run, const struct csv_line *line, enum powermta_column column) {
  unsigned at = run->state->columns.at[column];
  if (at >= line->count) return SLICE_ABSENT;
  struct slice field = raw_field(line, at);
  if (__builtin_expect(field.len >= 2 && field.ptr[0] == '"' && field.ptr[field.len - 1] == '"', 0))
    return powermta_unquote(&run->walk, field);
  return field;
}

static inline struct slice if_not_empty(struct slice s) { return s.len ? s : SLICE_ABSENT; }

/* An address has neither ';' nor '<' but for the two ways of powermta_address. */
static inline struct slice get_address(struct powermta_run *run, const struct csv_line *line, enum powermta_column column) {
  struct slice field = get(run, line, column);
  bool is_plain = !field.len || (field.ptr[0] != '<' && field.ptr[0] != 'r');
  return is_plain ? field : powermta_address(field);
}

/* "mx.b.example (192.0.2.7)" */
static inline void read_peer(const struct powermta_run *run, struct slice field, struct slice *host, struct slice *ip) {
  *host = *ip = SLICE_ABSENT;
  if (!field.len) return;
  const char *end = field.ptr + field.len, *open = scan_find(field.ptr, end, run->walk.limit, '(');
  bool has_ip = end - open > 2 && open > field.ptr && open[-1] == ' ' && end[-1] == ')';
  *host = has_ip ? slice_between(field.ptr, open - 1) : field;
  if (has_ip) *ip = slice_between(open + 1, end - 1);
  if (has_ip && open - 1 == field.ptr) *host = SLICE_ABSENT;
}

/* "5.1.1 (bad destination mailbox address)": the code, and the words that PowerMTA has for it. */
static inline void read_status_code(struct slice field, struct slice *dsn, struct slice *words) {
  *dsn = *words = SLICE_ABSENT;
  if (!field.len) return;
  const char *p = field.ptr, *end = p + field.len;
  bool is_code = field.len >= 5 && *p >= '2' && *p <= '5' && p[1] == '.';
  while (is_code && p < end && *p != ' ') p++;
  if (is_code) *dsn = slice_between(field.ptr, p);
  while (p < end && *p == ' ') p++;
  struct slice rest = slice_between(p, end);
  if (rest.len > 2 && rest.ptr[0] == '(' && rest.ptr[rest.len - 1] == ')') rest = slice_of(rest.ptr + 1, rest.len - 2);
  *words = if_not_empty(rest);
}

/* "smtp;550 5.1.1 no such user", or "x-powermta;..." for what PowerMTA says itself. */
static inline void read_diagnosis(struct slice field, struct line *line) {
  if (!field.len) return;
  if (STARTS_WITH(field.ptr, field.ptr + field.len, "smtp;")) {
    field = slice_skip(field, 5);
  } else if (STARTS_WITH(field.ptr, field.ptr + field.len, "x-")) {
    size_t type_len = slice_find_byte(field, ';');
    if (type_len < field.len) field = slice_skip(field, type_len + 1);
  }
  field = slice_trim(field);
  if (!field.len) return;
  line->delivery.reply = field;
  line->delivery.smtp_code = reply_smtp_code(field.ptr, field.ptr + field.len);
}

/* Lengths differ from line to line: usual numbers are read without a branch on them. */
static inline uint64_t read_size(struct slice field, const char *limit) {
  if (__builtin_expect(field.len - 1 < 8 && limit - field.ptr >= 8, 1)) {
    uint64_t digits = digits8_align(load_u64(field.ptr), (unsigned)field.len);
    return digits8_find_other(digits) ? U64_ABSENT : digits8_value(digits);
  }
  uint64_t size = 0;
  if (!field.len || field.len > 18) return U64_ABSENT;
  for (size_t i = 0; i < field.len; i++) {
    if (!ascii_is_digit(field.ptr[i])) return U64_ABSENT;
    size = size * 10 + (uint64_t)(field.ptr[i] - '0');
  }
  return size;
}

/* powermta_time_read, for the form of 24 bytes and a day that was seen before. */
static inline int64_t read_time(struct powermta_clock *clock, const struct zone *zone, struct slice text) {
  if (__builtin_expect(text.len != 24, 0)) return powermta_time_read(clock, zone, text);
  uint64_t date = load_u64(text.ptr), minute = load_u64(text.ptr + 8), rest = load_u64(text.ptr + 16);
  bool is_known = clock->is_set && date == clock->date && ((minute ^ clock->minute) & 0xffffff) == 0 && rest >> 24 == clock->offset;
  uint64_t digits = ((minute >> 24) & 0xffff) | ((minute >> 48) << 16) | ((rest >> 8) & 0xffff) << 32 | DIGITS8_ZERO << 48;
  bool is_clock = ((minute >> 40) & 0xff) == ':' && (rest & 0xff) == ':' && !digits8_find_other(digits);
  if (__builtin_expect(!is_known || !is_clock, 0)) return powermta_time_read(clock, zone, text);
  unsigned second = (unsigned)((rest >> 8) & 0xf) * 10 + (unsigned)((rest >> 16) & 0xf);
  if (__builtin_expect(second > 60, 0)) return TIME_US_ABSENT;
  if (__builtin_expect(minute == clock->minute, 1)) return clock->minute_us + second * US_PER_SECOND;
  unsigned hours = (unsigned)((minute >> 24) & 0xf) * 10 + (unsigned)((minute >> 32) & 0xf);
  unsigned minutes = (unsigned)((minute >> 48) & 0xf) * 10 + (unsigned)((minute >> 56) & 0xf);
  if (hours > 23 || minutes > 59) return TIME_US_ABSENT;
  return clock->day_us + (hours * 3600 + minutes * 60 + second) * US_PER_SECOND;
}

/* ---- items ------------------------------------------------------------------------------------------------------------------- */

/* Two items at the end of the list of a key that nothing else has; everything but what they say is set. */
static inline struct line *add_pair(struct powermta_run *run) {
  uint64_t key = hash_u64(run->walk.position);
  struct line_list *list = run->list_of_shard[line_shard(key)];
  while (__builtin_expect(list->cap - list->count < 2, 0)) line_list_grow(list);
  struct line *pair = &list->items[list->count];
  list->count += 2;
  for (unsigned i = 0; i < 2; i++) {
    pair[i].key = key;
    pair[i].position = run->walk.position;
    pair[i].time_us = run->walk.time_us;
    pair[i].number = run->walk.number;
    pair[i].times = 1;
    pair[i].kind = i ? LINE_RECORD : LINE_FACTS;
    pair[i].host = pair[i].instance = pair[i].service = pair[i].queue_id = SLICE_ABSENT;
  }
  return pair;
}

static inline void set_facts(struct powermta_run *run, const struct csv_line *line, struct line_facts *facts) {
  facts->sender = get_address(run, line, COLUMN_ORIG);
  facts->message_id = if_not_empty(get(run, line, COLUMN_MESSAGE_ID));
  read_peer(run, get(run, line, COLUMN_SRC_MTA), &facts->client_host, &facts->client_ip);
  facts->source_ip = if_not_empty(get(run, line, COLUMN_SOURCE_IP));
  facts->size_bytes = read_size(get(run, line, COLUMN_SIZE), run->walk.limit);
}

/* PowerMTA gave up at the end of bounce-after. Its words for it are the category, and RFC 3463's X.4.7. */
static bool is_expired(struct slice category, struct slice dsn) {
  return slice_equal(category, SLICE("message-expired")) || slice_equal(dsn, SLICE("4.4.7")) || slice_equal(dsn, SLICE("5.4.7"));
}

static inline void set_delivery(struct powermta_run *run, const struct csv_line *fields, enum status status, struct line *line) {
  memset(&line->delivery, 0, sizeof line->delivery); /* absent, whatever else there may be */
  line->instance = if_not_empty(get(run, fields, COLUMN_VMTA));
  line->service = if_not_empty(get(run, fields, COLUMN_DLV_TYPE));
  line->delivery.recipient = get_address(run, fields, COLUMN_RCPT);
  struct slice original = if_not_empty(get_address(run, fields, COLUMN_ORCPT));
  line->delivery.orig_recipient = original.len && slice_equal(original, line->delivery.recipient) ? SLICE_ABSENT : original;
  read_peer(run, get(run, fields, COLUMN_DSN_MTA), &line->delivery.relay_host, &line->delivery.relay_ip);
  struct slice destination = get(run, fields, COLUMN_DESTINATION_IP);
  if (destination.len) line->delivery.relay_ip = destination;
  read_status_code(get(run, fields, COLUMN_DSN_STATUS), &line->delivery.dsn, &line->delivery.reply);
  read_diagnosis(get(run, fields, COLUMN_DSN_DIAG), line);
  if (status == STATUS_bounced && is_expired(get(run, fields, COLUMN_BOUNCE_CAT), line->delivery.dsn)) status = STATUS_expired;
  line->delivery.status = status;
}

/* ---- lines ------------------------------------------------------------------------------------------------------------------- */

/* Whether dsnAction, if there is one, is a word that such a record has: columns in another order than ours show here. */
static inline bool is_action(struct slice action, enum status status) {
  if (!action.len) return true;
  if (status == STATUS_delivered)
    return slice_equal(action, SLICE("relayed")) || slice_equal(action, SLICE("delivered")) ||
           slice_equal(action, SLICE("expanded"));
  return status == STATUS_bounced ? slice_equal(action, SLICE("failed")) : slice_equal(action, SLICE("delayed"));
}

static inline unsigned read_delivery(struct powermta_run *run, const struct csv_line *line, enum status status) {
  struct line_walk *walk = &run->walk;
  if (!get(run, line, COLUMN_RCPT).len || !is_action(get(run, line, COLUMN_DSN_ACTION), status))
    return READ_UNPARSED + UNPARSED_BODY;
  int64_t queued_us = read_time(&run->state->queued, walk->stamps.zone, get(run, line, COLUMN_TIME_QUEUED));
  bool has_logged = run->state->columns.at[COLUMN_TIME_LOGGED] != COLUMN_MISSING;
  walk->time_us = has_logged ? read_time(&run->state->logged, walk->stamps.zone, get(run, line, COLUMN_TIME_LOGGED)) : queued_us;
  if (walk->time_us == TIME_US_ABSENT) return READ_UNPARSED + UNPARSED_BODY;
  if (!stamp_is_plausible(&walk->stamps, walk->time_us)) return READ_UNPARSED + UNPARSED_TIME;
  struct line *pair = add_pair(run);
  set_facts(run, line, &pair[0].facts);
  set_delivery(run, line, status, &pair[1]);
  bool has_delay = has_logged && queued_us != TIME_US_ABSENT && queued_us <= walk->time_us;
  pair[1].delivery.delay_us = has_delay ? walk->time_us - queued_us : DELAY_ABSENT;
  return READ_DELIVERY;
}

static inline unsigned read_fields(struct powermta_run *run, const struct csv_line *line) {
  unsigned expected = run->state->columns.count;
  bool is_whole = expected ? line->count == expected : line->count >= POWERMTA_DEFAULT_COLUMNS_MIN;
  if (!is_whole || line->count > POWERMTA_COLUMNS_MAX) return READ_UNPARSED + UNPARSED_BODY;
  struct slice type = get(run, line, COLUMN_TYPE);
  if (__builtin_expect(type.len == 1, 1)) {
    if (*type.ptr == 'd') return read_delivery(run, line, STATUS_delivered);
    if (*type.ptr == 'b') return read_delivery(run, line, STATUS_bounced);
    if (*type.ptr == 't') return read_delivery(run, line, STATUS_deferred);
  }
  if (slice_equal(type, SLICE("delivery"))) return read_delivery(run, line, STATUS_delivered);
  if (slice_equal(type, SLICE("bounce"))) return read_delivery(run, line, STATUS_bounced);
  if (slice_equal(type, SLICE("transient"))) return read_delivery(run, line, STATUS_deferred);
  return powermta_read_other(type);
}

/* The line whose separators are places[0 .. count). */
static inline unsigned read_line(struct powermta_run *run, const char *base, uint16_t *places, size_t count) {
  bool is_open = places[count - 1] & PLACE_IS_OPEN;
  places[count - 1] &= (uint16_t)~PLACE_IS_OPEN;
  const char *begin = base + (uint16_t)(places[-1] + 1), *end = base + places[count - 1];
  bool has_return = end > begin && end[-1] == '\r';
  end -= has_return;
  if (__builtin_expect(end == begin, 0)) return READ_NOISE + NOISE_empty;
  if (__builtin_expect((size_t)(end - begin) > run->walk.parser->line_bytes_max, 0)) return READ_UNPARSED + UNPARSED_TOO_LONG;
  if (__builtin_expect(is_open, 0)) return READ_UNPARSED + UNPARSED_BODY;
  if (__builtin_expect(powermta_is_header(slice_between(begin, end)), 0))
    return powermta_read_header(run->state, slice_between(begin, end));
  places[count - 1] -= has_return; /* not a part of the last field ... */
  unsigned result = read_fields(run, &(struct csv_line){base, places, count});
  places[count - 1] += has_return; /* ... and the next line begins behind it */
  return result;
}

static inline void count_line(struct powermta_run *run, const char *begin, const char *end, unsigned result) {
  run->results[result]++;
  run->walk.number++;
  if (__builtin_expect(result >= READ_UNPARSED && result < READ_INFO, 0))
    parser_report_unparsed(run->walk.parser, run->walk.batch, begin, end, (enum unparsed_reason)(result - READ_UNPARSED));
}

/* A line that does not fit a window: PowerMTA writes none. Returns where the next begins. */
static const char *skip_long_line(struct powermta_run *run, const char *begin, const char *end) {
  const char *line_end = memchr(begin, '\n', (size_t)(end - begin));
  if (!line_end) line_end = end;
  bool is_too_long = (size_t)(line_end - begin) > run->walk.parser->line_bytes_max;
  count_line(run, begin, line_end, READ_UNPARSED + (is_too_long ? UNPARSED_TOO_LONG : UNPARSED_BODY));
  return line_end < end ? line_end + 1 : end;
}

void HOT(powermta_parse_lines)(struct powermta_run *run, const char *begin, const char *end) {
  struct separators found = {.places = run->state->places + 1, .line_ends = run->state->line_ends};
  const struct batch *batch = run->walk.batch;
  while (begin < end) {
    size_t len = (size_t)(end - begin) < POWERMTA_WINDOW_BYTES ? (size_t)(end - begin) : POWERMTA_WINDOW_BYTES;
    found.places[-1] = UINT16_MAX;
    find_separators(&found, begin, len, run->walk.limit);
    size_t first = 0;
    for (size_t i = 0; i < found.line_count; i++) {
      size_t last = found.line_ends[i];
      const char *line = begin + (uint16_t)(found.places[(ptrdiff_t)first - 1] + 1);
      run->walk.position = batch->position + (uint64_t)(line - batch->base);
      unsigned result = read_line(run, begin, found.places + first, last - first + 1);
      count_line(run, line, begin + found.places[last], result);
      first = last + 1;
    }
    begin = first ? begin + found.places[first - 1] + 1 : skip_long_line(run, begin, end);
  }
  run->walk.parser->counts.lines += run->walk.number;
}
