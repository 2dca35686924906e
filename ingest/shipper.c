/* A record of a shipper's JSON becomes a wrapped line: see shippers.def for what is where. */
#include <stdlib.h>

#include "base/clock.h"
#include "base/memory.h"
#include "ingest/envelope.h"

#define ALTERNATIVES_MAX 8

/* Places in the values, in the order they are looked at. */
struct places {
  uint8_t at[ALTERNATIVES_MAX];
  unsigned count;
};

struct row {
  struct places has, message, time, host, program, pid;
  bool is_docker;
};

static const struct {
  const char *name, *has, *message, *time, *host, *program, *pid;
} SHIPPERS[] = {
#define SHIPPER(...) {__VA_ARGS__},
#include "ingest/shippers.def"
#undef SHIPPER
};
#define SHIPPER_COUNT (sizeof SHIPPERS / sizeof *SHIPPERS)

struct shippers {
  bool is_named; /* one shipper is asked for: `has` does not matter, but the rows are tried in order */
  struct row rows[SHIPPER_COUNT];
  size_t row_count;
  struct buf names; /* of the paths, each NUL-terminated */
  size_t path_count;
  struct json_fields *fields;
};

/* The place of a path; a new one when it has none yet. */
static uint8_t place_of(struct shippers *shippers, struct slice path) {
  const char *name = shippers->names.ptr;
  for (size_t i = 0; i < shippers->path_count; i++, name += strlen(name) + 1)
    if (slice_equal(slice_from_cstr(name), path)) return (uint8_t)i;
  buf_append_slice(&shippers->names, path);
  buf_append_byte(&shippers->names, '\0');
  return (uint8_t)shippers->path_count++;
}

static struct places places_of(struct shippers *shippers, const char *paths) {
  struct places places = {.count = 0};
  struct slice rest = slice_from_cstr(paths);
  while (rest.len && places.count < ALTERNATIVES_MAX) {
    size_t end = slice_find_byte(rest, ' ');
    places.at[places.count++] = place_of(shippers, slice_of(rest.ptr, end));
    rest = slice_skip(rest, end + 1);
  }
  return places;
}

struct shippers *shippers_new(const struct envelope *envelope) {
  struct shippers *shippers = memory_zeroed(sizeof *shippers);
  shippers->is_named = envelope->kind == ENVELOPE_JSON;
  for (size_t i = 0; i < SHIPPER_COUNT; i++) {
    if (shippers->is_named && strcmp(SHIPPERS[i].name, envelope->name) != 0) continue;
    shippers->rows[shippers->row_count++] = (struct row){.has = places_of(shippers, SHIPPERS[i].has),
                                                         .message = places_of(shippers, SHIPPERS[i].message),
                                                         .time = places_of(shippers, SHIPPERS[i].time),
                                                         .host = places_of(shippers, SHIPPERS[i].host),
                                                         .program = places_of(shippers, SHIPPERS[i].program),
                                                         .pid = places_of(shippers, SHIPPERS[i].pid),
                                                         .is_docker = strcmp(SHIPPERS[i].name, "docker") == 0};
  }
  const char *paths[SHIPPER_PATHS_MAX], *name = shippers->names.ptr;
  for (size_t i = 0; i < shippers->path_count && i < SHIPPER_PATHS_MAX; i++, name += strlen(name) + 1) paths[i] = name;
  shippers->fields = json_fields_new(paths, shippers->path_count);
  return shippers;
}

void shippers_free(struct shippers *shippers) {
  if (!shippers) return;
  json_fields_free(shippers->fields);
  buf_deinit(&shippers->names);
  free(shippers);
}

const struct json_fields *shippers_fields(const struct shippers *shippers) { return shippers->fields; }

/* The first of the places that holds a text or a number; absent when none does. */
static struct slice first_text(const struct places *places, const struct json_value *values) {
  for (unsigned i = 0; i < places->count; i++) {
    const struct json_value *value = &values[places->at[i]];
    if ((value->kind == JSON_STRING || value->kind == JSON_NUMBER) && value->text.len) return value->text;
  }
  return SLICE_ABSENT;
}

static bool has_all(const struct row *row, const struct json_value *values) {
  for (unsigned i = 0; i < row->has.count; i++) {
    if (values[row->has.at[i]].kind == JSON_ABSENT) return false;
  }
  return true;
}

/* A line of more than this many bytes is written by Docker in parts, of which only the last ends with a newline. */
#define DOCKER_PART_BYTES 16384

/* `stream` is the second of what a record of Docker has. */
static void read_docker_part(const struct row *row, const struct json_value *values, struct wrapped_line *out) {
  struct slice message = out->message;
  out->is_part = message.len >= DOCKER_PART_BYTES && message.ptr[message.len - 1] != '\n';
  out->stream = slice_equal(values[row->has.at[1]].text, SLICE("stderr"));
}

/* The journal writes what is no UTF-8 as [77, 97, 105, 108]. False when `text` is no such array. */
static bool read_bytes(struct slice text, struct buf *bytes) {
  buf_clear(bytes);
  unsigned value = 0;
  bool has_digit = false;
  for (size_t i = 1; i < text.len; i++) {
    char c = text.ptr[i];
    if (ascii_is_digit(c)) {
      value = value * 10 + (unsigned)(c - '0');
      has_digit = true;
      if (value > 255) return false;
    } else if (c == ',' || c == ']') {
      if (!has_digit) return false;
      buf_append_byte(bytes, (char)value);
      value = 0;
      has_digit = false;
    } else if (c != ' ') {
      return false;
    }
  }
  return bytes->len > 0;
}

static bool read_message(const struct json_value *value, struct buf *bytes, struct slice *message) {
  if (value->kind == JSON_STRING) {
    *message = value->text;
    return true;
  }
  if (value->kind != JSON_ARRAY || !read_bytes(value->text, bytes)) return false;
  *message = buf_slice(bytes);
  return true;
}

/* "name[pid]:" into name and pid; any of the two may be missing. */
static void split_tag(struct slice tag, struct wrapped_line *out) {
  tag = slice_trim(tag);
  if (tag.len && tag.ptr[tag.len - 1] == ':') tag.len--;
  size_t open = slice_find_byte(tag, '[');
  out->program = slice_of(tag.ptr, open);
  if (open + 2 >= tag.len || tag.ptr[tag.len - 1] != ']') return;
  if (slice_is_absent(out->pid)) out->pid = slice_of(tag.ptr + open + 1, tag.len - open - 2);
}

bool shippers_read(const struct shippers *shippers, const struct json_value *values, struct buf *bytes, struct wrapped_line *out) {
  for (size_t i = 0; i < shippers->row_count; i++) {
    const struct row *row = &shippers->rows[i];
    if (!shippers->is_named && !has_all(row, values)) continue;
    *out = (struct wrapped_line){.time_us = TIME_US_ABSENT};
    if (!read_message(&values[row->message.at[0]], bytes, &out->message)) continue;
    out->time = first_text(&row->time, values);
    out->host = first_text(&row->host, values);
    out->pid = first_text(&row->pid, values);
    struct slice tag = first_text(&row->program, values);
    if (!slice_is_absent(tag)) split_tag(tag, out);
    if (row->is_docker) read_docker_part(row, values, out);
    return true;
  }
  return false;
}

/* {"log":"...\n","stream":"stdout","time":"..."} */
bool docker_peek(const char *p, const char *end, unsigned *stream, bool *is_part) {
  static const struct slice MARK = {"\",\"stream\":\"std", 15};
  if (end - p < 32 || memcmp(p, "{\"log\":\"", 8) != 0) return false;
  const char *at = end;
  /* It stands near the end: behind it are the time and, perhaps, attributes. */
  do at = memrchr(p, '"', (size_t)(at - p));
  while (at && (end - at < (ptrdiff_t)MARK.len + 3 || memcmp(at, MARK.ptr, MARK.len) != 0));
  if (!at) return false;
  *stream = at[MARK.len] == 'e';
  size_t backslashes = 0; /* before an 'n': an odd number makes it a newline */
  while (at[-1] == 'n' && at[-2 - (ptrdiff_t)backslashes] == '\\') backslashes++;
  *is_part = end - p >= DOCKER_PART_BYTES && backslashes % 2 == 0;
  return true;
}
