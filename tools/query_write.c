/* The groups of a query as a table, JSON or CSV. See query.h. */
#include <inttypes.h>

#include "base/csv.h"
#include "base/json.h"
#include "tools/query.h"
#include "tools/text_layout.h"

struct number {
  const char *name;
  uint64_t value;
};
#define NUMBER_COUNT 9

static void list_numbers(const struct counters *c, struct number out[NUMBER_COUNT]) {
  const struct number numbers[NUMBER_COUNT] = {{"attempts", counters_attempts(c)},
                                               {"delivered", c->delivered},
                                               {"deferred", c->deferred},
                                               {"bounced", c->bounced},
                                               {"expired", c->expired},
                                               {"rejected", c->rejected},
                                               {"hard", c->hard},
                                               {"soft", c->soft},
                                               {"silent", c->silent}};
  memcpy(out, numbers, sizeof numbers);
}

/* Takes the next NUL-ended part off the front of a key. */
static struct slice take_part(struct slice *key) {
  size_t len = slice_find_byte(*key, '\0');
  struct slice part = slice_of(key->ptr, len);
  *key = slice_skip(*key, len + 1);
  return part;
}

/* The name of part i: "time" first when there is a step. */
static const char *part_name(const struct query_request *request, size_t i) {
  if (request->step_s && i == 0) return "time";
  return request->by[i - (request->step_s != 0)]->name;
}

static size_t part_count(const struct query_request *request) { return request->by_count + (request->step_s != 0); }

static void write_json_entry(const struct query_request *request, const struct tally_entry *entry, struct buf *out) {
  struct slice key = entry->key;
  struct number numbers[NUMBER_COUNT];
  struct rate rates[RATE_COUNT];
  list_numbers(&entry->counters, numbers);
  counters_rates(&entry->counters, rates);
  buf_append_byte(out, '{');
  for (size_t i = 0; i < part_count(request); i++) {
    buf_printf(out, "\"%s\":", part_name(request, i));
    json_write_string(out, take_part(&key));
    buf_append_byte(out, ',');
  }
  for (unsigned i = 0; i < NUMBER_COUNT; i++) buf_printf(out, "%s\"%s\":%" PRIu64, i ? "," : "", numbers[i].name, numbers[i].value);
  for (unsigned i = 0; i < RATE_COUNT; i++) {
    buf_printf(out, ",\"%s\":", rates[i].name);
    rate_write_json(&rates[i], out);
  }
  buf_append_byte(out, '}');
}

static void write_json(const struct query_request *request, const struct tally *groups, struct buf *out) {
  buf_append_byte(out, '[');
  for (size_t i = 0; i < groups->count && i < request->top; i++) {
    buf_append(out, i ? ",\n" : "\n", i ? 2 : 1);
    write_json_entry(request, &groups->entries[i], out);
  }
  buf_append(out, "\n]\n", 3);
}

static void write_csv(const struct query_request *request, const struct tally *groups, struct buf *out) {
  struct number numbers[NUMBER_COUNT];
  list_numbers(&(struct counters){0}, numbers);
  for (size_t i = 0; i < part_count(request); i++) buf_printf(out, "%s,", part_name(request, i));
  for (unsigned i = 0; i < NUMBER_COUNT; i++) buf_printf(out, "%s%s", numbers[i].name, i + 1 < NUMBER_COUNT ? "," : "\r\n");
  for (size_t e = 0; e < groups->count && e < request->top; e++) {
    struct slice key = groups->entries[e].key;
    list_numbers(&groups->entries[e].counters, numbers);
    for (size_t i = 0; i < part_count(request); i++) {
      csv_append_field(out, take_part(&key));
      buf_append_byte(out, ',');
    }
    for (unsigned i = 0; i < NUMBER_COUNT; i++)
      buf_printf(out, "%" PRIu64 "%s", numbers[i].value, i + 1 < NUMBER_COUNT ? "," : "\r\n");
  }
}

/* Columns as wide as their widest value, 30 cells at most. */
static void write_table(const struct query_request *request, const struct tally *groups, struct buf *out) {
  size_t widths[QUERY_TERMS_MAX + 1], parts = part_count(request);
  struct number numbers[NUMBER_COUNT];
  for (size_t i = 0; i < parts; i++) widths[i] = strlen(part_name(request, i));
  for (size_t e = 0; e < groups->count && e < request->top; e++) {
    struct slice key = groups->entries[e].key;
    for (size_t i = 0; i < parts; i++) {
      size_t width = text_width(take_part(&key));
      if (width > widths[i]) widths[i] = width > 30 ? 30 : width;
    }
  }
  list_numbers(&(struct counters){0}, numbers);
  for (size_t i = 0; i < parts; i++) {
    text_append_left(out, slice_from_cstr(part_name(request, i)), widths[i]);
    buf_append(out, "  ", 2);
  }
  for (unsigned i = 0; i < NUMBER_COUNT; i++) buf_printf(out, "%10s", numbers[i].name);
  buf_append(out, "   defer%  bounce%   block%\n", 28);
  for (size_t e = 0; e < groups->count && e < request->top; e++) {
    struct slice key = groups->entries[e].key;
    struct rate rates[RATE_COUNT];
    list_numbers(&groups->entries[e].counters, numbers);
    counters_rates(&groups->entries[e].counters, rates);
    for (size_t i = 0; i < parts; i++) {
      text_append_left(out, take_part(&key), widths[i]);
      buf_append(out, "  ", 2);
    }
    for (unsigned i = 0; i < NUMBER_COUNT; i++) text_append_count(out, numbers[i].value, 10);
    for (unsigned i = 0; i < RATE_COUNT; i++)
      if (i != 2) text_append_percent(out, rates[i].numerator, rates[i].denominator, 9);
    buf_append_byte(out, '\n');
  }
}

void query_write(const struct query_request *request, const struct tally *groups, struct buf *out) {
  switch (request->format) {
    case QUERY_TABLE: write_table(request, groups, out); break;
    case QUERY_JSON: write_json(request, groups, out); break;
    case QUERY_CSV: write_csv(request, groups, out); break;
  }
}
