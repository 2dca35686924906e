/* Values of JSON lines as the fields of a delivery. See json_line.h. */
#include "ingest/json_line.h"

#include "base/memory.h"
#include "ingest/reply_codes.h"

struct json_line_state {
  struct line_walk_state walk; /* first: see line_walk.h */
  struct json_reader *reader, *element_reader;
  struct json_fields *fields;
  const char *line, *line_end; /* that was read last */
};

void *json_line_state_new(const char *const *paths, size_t count) {
  struct json_line_state *state = memory_zeroed(sizeof *state);
  state->reader = json_reader_new();
  state->element_reader = json_reader_new();
  state->fields = json_fields_new(paths, count);
  return state;
}

void json_line_state_free(void *state) {
  struct json_line_state *json = state;
  json_fields_free(json->fields);
  json_reader_free(json->element_reader);
  json_reader_free(json->reader);
  line_walk_state_free(state);
}

bool json_line_read(struct line_walk *walk, const char *p, const char *end, struct json_value *values) {
  struct json_line_state *state = walk->parser->state;
  state->line = p;
  state->line_end = end;
  return json_read_object(state->reader, slice_between(p, end), walk->limit, state->fields, values);
}

/* What the reader decoded is copied: it is gone with the next line. */
static struct slice keep(struct line_walk *walk, struct slice text) {
  const struct json_line_state *state = walk->parser->state;
  if (text.ptr >= state->line && text.ptr <= state->line_end) return text;
  char *copy = line_walk_room(walk, text.len);
  memcpy(copy, text.ptr, text.len);
  return slice_of(copy, text.len);
}

struct slice json_line_text(struct line_walk *walk, const struct json_value *value) {
  return value->kind == JSON_STRING ? keep(walk, value->text) : SLICE_ABSENT;
}

struct slice json_line_word(struct line_walk *walk, const struct json_value *value) {
  bool is_word = value->text.len && (value->kind == JSON_STRING || value->kind == JSON_NUMBER);
  return is_word ? keep(walk, value->text) : SLICE_ABSENT;
}

uint64_t json_line_u64(const struct json_value *value) {
  int64_t number;
  if (value->kind != JSON_NUMBER || !json_number_int64(value->text, &number) || number < 0) return U64_ABSENT;
  return (uint64_t)number;
}

uint16_t json_line_smtp_code(const struct json_value *value) {
  uint64_t code = json_line_u64(value);
  return code >= 200 && code <= 599 ? (uint16_t)code : 0;
}

/* Seconds or milliseconds as a number. */
static int64_t read_number_time(struct slice text) {
  double seconds;
  int64_t whole;
  if (json_number_int64(text, &whole) && whole >= 0 && whole < 100000000000) return whole * US_PER_SECOND;
  if (!json_number_double(text, &seconds) || !(seconds >= 0 && seconds < 1e14)) return TIME_US_ABSENT;
  return (int64_t)(seconds >= 1e11 ? seconds * 1e3 : seconds * 1e6);
}

/* RFC 3339: the reader of stamps wants a blank behind it. */
static int64_t read_text_time(struct line_walk *walk, struct slice text) {
  char stamp[64];
  int64_t time_us;
  if (text.len < 19 || text.len >= sizeof stamp) return TIME_US_ABSENT;
  memcpy(stamp, text.ptr, text.len);
  stamp[text.len] = ' ';
  return stamp_read_slow(&walk->stamps, stamp, stamp + text.len + 1, &time_us) == text.len + 1 ? time_us : TIME_US_ABSENT;
}

int64_t json_line_time(struct line_walk *walk, const struct json_value *value) {
  if (value->kind == JSON_NUMBER) return read_number_time(value->text);
  return value->kind == JSON_STRING ? read_text_time(walk, value->text) : TIME_US_ABSENT;
}

static char *put(char *to, struct slice text) {
  for (size_t i = 0; i < text.len; i++) *to++ = text.ptr[i] == '\n' || text.ptr[i] == '\r' ? ' ' : text.ptr[i];
  return to;
}

struct slice json_line_reply(struct line_walk *walk, uint16_t code, struct slice dsn, struct slice text) {
  text = slice_trim(text);
  if (!code && !dsn.len && !text.len) return SLICE_ABSENT;
  char *begin = line_walk_room(walk, text.len + dsn.len + 5), *p = begin;
  bool has_code = text.len && reply_smtp_code(text.ptr, text.ptr + text.len) != 0;
  if (code && !has_code) {
    *p++ = (char)('0' + code / 100), *p++ = (char)('0' + code / 10 % 10), *p++ = (char)('0' + code % 10);
    if (dsn.len || text.len) *p++ = ' ';
  }
  if (dsn.len && !has_code && !slice_starts_with(text, dsn)) {
    p = put(p, dsn);
    if (text.len) *p++ = ' ';
  }
  return slice_between(begin, put(p, text));
}

struct joining {
  char *to, *at;
};

static bool join_text(void *context, struct slice text) {
  struct joining *joining = context;
  if (joining->at > joining->to && text.len) *joining->at++ = ' ';
  if (text.len) memcpy(joining->at, text.ptr, text.len);
  joining->at += text.len;
  return true;
}

struct slice json_line_joined(struct line_walk *walk, const struct json_value *value) {
  if (value->kind != JSON_ARRAY) return value->kind == JSON_STRING ? keep(walk, value->text) : SLICE_ABSENT;
  /* An element's quotes and comma make room for the blank. */
  struct joining joining = {.to = line_walk_room(walk, value->text.len)};
  joining.at = joining.to;
  json_line_each(walk, value, join_text, &joining);
  return joining.at > joining.to ? slice_between(joining.to, joining.at) : SLICE_ABSENT;
}

struct each {
  struct line_walk *walk;
  bool (*take)(void *context, struct slice text);
  void *context;
};

static bool take_element(void *context, struct slice name, const struct json_value *value) {
  const struct each *each = context;
  (void)name;
  return value->kind != JSON_STRING || each->take(each->context, keep(each->walk, value->text));
}

void json_line_each(struct line_walk *walk, const struct json_value *value, bool (*take)(void *context, struct slice text),
                    void *context) {
  struct json_line_state *state = walk->parser->state;
  struct each each = {walk, take, context};
  if (value->kind == JSON_STRING)
    take(context, keep(walk, value->text));
  else if (value->kind == JSON_ARRAY)
    json_each(state->element_reader, value->text, take_element, &each);
}

struct slice json_line_stage(struct slice command) {
  static const struct {
    struct slice begin, stage;
  } stages[] = {
      {SLICE("RCPT"), SLICE("RCPT")},       {SLICE("MAIL"), SLICE("MAIL")},          {SLICE("DATA"), SLICE("DATA")},
      {SLICE("BDAT"), SLICE("DATA")},       {SLICE("EOD"), SLICE("END-OF-MESSAGE")}, {SLICE("EHLO"), SLICE("EHLO")},
      {SLICE("HELO"), SLICE("HELO")},       {SLICE("LHLO"), SLICE("LHLO")},          {SLICE("STARTTLS"), SLICE("STARTTLS")},
      {SLICE("AUTH"), SLICE("AUTH")},       {SLICE("RSET"), SLICE("RSET")},          {SLICE("QUIT"), SLICE("QUIT")},
      {SLICE("CONNECT"), SLICE("CONNECT")}, {SLICE("BANNER"), SLICE("CONNECT")},
  };
  if (command.len && command.ptr[0] == '.') return SLICE("END-OF-MESSAGE");
  for (size_t i = 0; i < sizeof stages / sizeof *stages; i++) {
    struct slice begin = slice_of(command.ptr, command.len < stages[i].begin.len ? command.len : stages[i].begin.len);
    if (slice_equal_nocase(begin, stages[i].begin)) return stages[i].stage;
  }
  return SLICE_ABSENT;
}
