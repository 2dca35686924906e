/* Rows that other runs handed out become segments again: lines of JSON in, sorted and merged rows out. Between the two a row is kept as
 * its MessagePack, a fifth of its struct.
 *
 *   line -> fields -> row -> encoded | ... (until the flush) -> decoded, sorted by key, equal keys merged -> segment */
#include <assert.h>
#include <stdlib.h>

#include "aggregate/aggregate.h"
#include "aggregate/pending.h"
#include "aggregate/segment_writer.h"
#include "aggregate/store.h"
#include "base/json.h"
#include "base/json_reader.h"

enum { FIELDS_MAX = 64, COLUMNS_MAX = 32, FIELD_DATASET = 0, FIELD_VERSION = 1 };

struct collected {
  struct buf encoded;
  size_t count;
  unsigned char fields[COLUMNS_MAX]; /* of the row's columns */
};

struct row_collector {
  struct json_reader *reader;
  struct json_fields *fields;
  struct json_value values[FIELDS_MAX];
  struct collected sets[DATASET_COUNT];
};

/* The number of a name among the fields, added when it is new: datasets share columns. */
static unsigned char field_of(const char **names, size_t *count, const char *name) {
  size_t i = 0;
  while (i < *count && strcmp(names[i], name) != 0) i++;
  if (i == *count) {
    assert(*count < FIELDS_MAX);
    names[(*count)++] = name;
  }
  return (unsigned char)i;
}

struct row_collector *row_collector_new(void) {
  struct row_collector *c = memory_zeroed(sizeof *c);
  const char *names[FIELDS_MAX] = {[FIELD_DATASET] = "dataset", [FIELD_VERSION] = "version"};
  size_t count = 2;
  for (size_t d = 0; d < DATASET_COUNT; d++) {
    assert(DATASETS[d].column_count <= COLUMNS_MAX);
    for (size_t i = 0; i < DATASETS[d].column_count; i++)
      c->sets[d].fields[i] = field_of(names, &count, DATASETS[d].columns[i].name);
  }
  c->fields = json_fields_new(names, count);
  c->reader = json_reader_new();
  return c;
}

void row_collector_free(struct row_collector *c) {
  if (!c) return;
  json_reader_free(c->reader);
  json_fields_free(c->fields);
  for (size_t d = 0; d < DATASET_COUNT; d++) buf_deinit(&c->sets[d].encoded);
  free(c);
}

/* ---- lines in ------------------------------------------------------------------------------------------------------------------ */

static bool read_number(const struct json_value *value, uint64_t max, uint64_t *out) {
  int64_t number;
  if (value->kind != JSON_NUMBER || !json_number_int64(value->text, &number) || number < 0) return false;
  *out = (uint64_t)number;
  return *out <= max;
}

/* "[1,0,2]": the next number of an array of at most `count_max`; false at its end. *is_good becomes false when it is none. */
struct numbers {
  struct slice text;
  size_t at, count, count_max;
  uint64_t value_max;
  bool is_good;
};

static struct numbers numbers_of(const struct json_value *value, size_t count_max, uint64_t value_max) {
  struct slice text = value->text;
  bool is_good = value->kind == JSON_ARRAY && text.len >= 2 && text.ptr[0] == '[' && text.ptr[text.len - 1] == ']';
  return (struct numbers){.text = text, .at = 1, .count_max = count_max, .value_max = value_max, .is_good = is_good};
}

static bool numbers_next(struct numbers *n, uint64_t *value) {
  if (!n->is_good || (n->text.len == 2 && n->count == 0) || n->at == n->text.len) return false;
  size_t begin = n->at;
  for (*value = 0; ascii_is_digit(n->text.ptr[n->at]) && n->at - begin < 18; n->at++)
    *value = *value * 10 + (uint64_t)(n->text.ptr[n->at] - '0');
  bool is_last = n->at == n->text.len - 1;
  n->is_good = n->at > begin && *value <= n->value_max && n->count < n->count_max && (is_last || n->text.ptr[n->at] == ',');
  n->at++; /* behind the comma, or the bracket */
  n->count++;
  return n->is_good;
}

static bool read_histogram(const struct json_value *value, struct histogram *out) {
  struct numbers numbers = numbers_of(value, HISTOGRAM_BUCKETS, INT64_MAX);
  uint64_t number;
  while (numbers_next(&numbers, &number)) out->count[numbers.count - 1] = number;
  return numbers.is_good;
}

static bool read_sketch(const struct json_value *value, struct hyperloglog *out) {
  struct numbers numbers = numbers_of(value, HYPERLOGLOG_REGISTERS, HYPERLOGLOG_RANK_MAX);
  uint64_t number;
  while (numbers_next(&numbers, &number)) out->rank[numbers.count - 1] = (uint8_t)number;
  return numbers.is_good;
}

static bool read_column(const struct column *column, const struct json_value *value, void *row) {
  void *to = (char *)row + column->offset;
  uint64_t number;
  switch (column->type) {
    case COLUMN_u32:
      if (!read_number(value, UINT32_MAX, &number)) return false;
      *(uint32_t *)to = (uint32_t)number;
      return true;
    case COLUMN_u64: return read_number(value, INT64_MAX, to);
    case COLUMN_str: *(struct slice *)to = value->text; return value->kind == JSON_STRING && utf8_is_valid(value->text);
    case COLUMN_hist: return read_histogram(value, to); /* the row is all zeros */
    case COLUMN_hll: return read_sketch(value, to);
  }
  return false;
}

bool row_collector_add(struct row_collector *c, struct slice line, const char *limit) {
  union any_row row;
  uint64_t version;
  memset(&row, 0, sizeof row);
  if (!json_read_object(c->reader, line, limit, c->fields, c->values)) return false;
  const struct json_value *name = &c->values[FIELD_DATASET];
  const struct dataset *dataset = name->kind == JSON_STRING ? dataset_find(name->text) : NULL;
  if (!dataset || !read_number(&c->values[FIELD_VERSION], UINT32_MAX, &version) || version != dataset->version) return false;
  struct collected *set = &c->sets[dataset - DATASETS];
  for (size_t i = 0; i < dataset->column_count; i++)
    if (!read_column(&dataset->columns[i], &c->values[set->fields[i]], &row)) return false;
  dataset->encode(&row, &set->encoded);
  set->count++;
  return true;
}

size_t row_collector_rows(const struct row_collector *c) {
  size_t rows = 0;
  for (size_t d = 0; d < DATASET_COUNT; d++) rows += c->sets[d].count;
  return rows;
}

size_t row_collector_bytes(const struct row_collector *c) {
  size_t bytes = 0;
  for (size_t d = 0; d < DATASET_COUNT; d++) bytes += c->sets[d].encoded.len + c->sets[d].count * sizeof(void *);
  return bytes;
}

/* ---- segments out ---------------------------------------------------------------------------------------------------------------- */

static int compare_rows(const void *a, const void *b, void *dataset) {
  return ((const struct dataset *)dataset)->compare(*(void *const *)a, *(void *const *)b);
}

/* The rows in order, equal keys merged, into a segment. */
static bool write_rows(const struct dataset *dataset, void **rows, size_t count, struct store *store, unsigned writer,
                       struct pending_segments *pending, struct error *err) {
  struct segment_writer *w = segment_writer_new(store, dataset, writer, err);
  if (!w) return false;
  qsort_r(rows, count, sizeof *rows, compare_rows, (void *)(uintptr_t)dataset);
  for (size_t i = 0, next; i < count; i = next) {
    for (next = i + 1; next < count && dataset->compare(rows[i], rows[next]) == 0; next++) dataset->merge(rows[i], rows[next]);
    if (segment_writer_add(w, rows[i], err)) continue;
    segment_writer_abort(w);
    return false;
  }
  return segment_writer_finish(w, pending, err);
}

static bool write_set(const struct dataset *dataset, const struct collected *set, struct store *store, unsigned writer,
                      struct pending_segments *pending, struct error *err) {
  char *structs = memory_zeroed(set->count * dataset->row_size);
  void **rows = memory_alloc(set->count * sizeof *rows);
  struct msgpack_reader from = msgpack_reader_of(buf_slice(&set->encoded));
  for (size_t i = 0; i < set->count; i++) {
    rows[i] = structs + i * dataset->row_size;
    bool is_decoded = dataset->decode(&from, rows[i]);
    assert(is_decoded); /* we encoded it */
    (void)is_decoded;
  }
  bool is_done = write_rows(dataset, rows, set->count, store, writer, pending, err);
  free(rows);
  free(structs);
  return is_done;
}

bool row_collector_write(struct row_collector *c, struct store *store, unsigned writer, struct pending_segments *pending,
                         struct error *err) {
  /* Apart, as in aggregator_write: all of them, or none. */
  struct pending_segments *done = pending_segments_new();
  bool is_done = true;
  for (size_t d = 0; d < DATASET_COUNT && is_done; d++)
    if (c->sets[d].count) is_done = write_set(&DATASETS[d], &c->sets[d], store, writer, done, err);
  if (is_done) {
    for (size_t i = 0; i < pending_segments_count(done); i++)
      pending_segments_add(pending, store_segments_dir(store), pending_segments_at(done, i));
    pending_segments_forget(done);
    for (size_t d = 0; d < DATASET_COUNT; d++) {
      buf_deinit(&c->sets[d].encoded);
      c->sets[d].count = 0;
    }
  }
  pending_segments_free(done);
  return is_done;
}
