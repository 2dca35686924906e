/* The functions of every dataset, expanded by row_functions.h, and the table of datasets. See dataset.h. */
#include "schemas/dataset.h"

#include <assert.h>
#include <inttypes.h>
#include <math.h>

#include "base/csv.h"
#include "base/json.h"

/* The most bytes that a value may take, and the value to `p`, which has them; returns the place behind. */
static inline size_t bound_u32(const uint32_t *value) { return (void)value, MSGPACK_U64_BYTES_MAX; }
static inline size_t bound_u64(const uint64_t *value) { return (void)value, MSGPACK_U64_BYTES_MAX; }
static inline size_t bound_str(const struct slice *value) { return MSGPACK_HEADER_BYTES_MAX + value->len; }
static inline size_t bound_hist(const struct histogram *value) {
  return (void)value, MSGPACK_HEADER_BYTES_MAX + HISTOGRAM_BUCKETS * MSGPACK_U64_BYTES_MAX;
}
static inline size_t bound_hll(const struct hyperloglog *value) {
  return MSGPACK_HEADER_BYTES_MAX + sizeof value->rank; /* ranks are below 128: a byte each */
}
static inline uint8_t *encode_u32(uint8_t *p, const uint32_t *value) { return msgpack_put_u64(p, *value); }
static inline uint8_t *encode_u64(uint8_t *p, const uint64_t *value) { return msgpack_put_u64(p, *value); }
static inline uint8_t *encode_str(uint8_t *p, const struct slice *value) { return msgpack_put_str(p, *value); }
_Static_assert(HISTOGRAM_BUCKETS % 4 == 0, "looked at by fours");
static inline uint32_t hist_used(const struct histogram *value) {
  const uint64_t *count = value->count;
  uint32_t used = HISTOGRAM_BUCKETS;
  while (used && !(count[used - 1] | count[used - 2] | count[used - 3] | count[used - 4])) used -= 4;
  while (used && !count[used - 1]) used--;
  return used;
}
static inline uint8_t *encode_hist(uint8_t *p, const struct histogram *value) {
  uint32_t used = hist_used(value);
  p = msgpack_put_array(p, used);
  for (uint32_t i = 0; i < used; i++) p = msgpack_put_u64(p, value->count[i]);
  return p;
}

static inline uint8_t *encode_hll(uint8_t *p, const struct hyperloglog *value) {
  uint32_t used = HYPERLOGLOG_REGISTERS;
  while (used && !value->rank[used - 1]) used--;
  p = msgpack_put_array(p, used);
  memcpy(p, value->rank, used);
  return p + used;
}

static inline bool decode_u64(struct msgpack_reader *from, uint64_t *value) { return msgpack_read_u64(from, value); }
static inline bool decode_u32(struct msgpack_reader *from, uint32_t *value) {
  uint64_t wide;
  if (!msgpack_read_u64(from, &wide) || wide > UINT32_MAX) return false;
  *value = (uint32_t)wide;
  return true;
}
static inline bool decode_str(struct msgpack_reader *from, struct slice *value) { return msgpack_read_str(from, value); }
static inline bool decode_hist(struct msgpack_reader *from, struct histogram *value) {
  uint32_t used;
  if (!msgpack_read_array(from, &used) || used > HISTOGRAM_BUCKETS) return false;
  for (uint32_t i = 0; i < used; i++)
    if (!msgpack_read_u64(from, &value->count[i])) return false;
  memset(value->count + used, 0, (HISTOGRAM_BUCKETS - used) * sizeof value->count[0]);
  return true;
}

static inline bool decode_hll(struct msgpack_reader *from, struct hyperloglog *value) {
  uint32_t used;
  uint64_t rank;
  if (!msgpack_read_array(from, &used) || used > HYPERLOGLOG_REGISTERS) return false;
  for (uint32_t i = 0; i < used; i++) {
    if (!msgpack_read_u64(from, &rank) || rank > HYPERLOGLOG_RANK_MAX) return false;
    value->rank[i] = (uint8_t)rank;
  }
  memset(value->rank + used, 0, HYPERLOGLOG_REGISTERS - used);
  return true;
}

static inline int compare_u32(const uint32_t *a, const uint32_t *b) { return (*a > *b) - (*a < *b); }
static inline int compare_str(const struct slice *a, const struct slice *b) { return slice_compare(*a, *b); }

static inline void merge_sum_u64(uint64_t *into, const uint64_t *value) { *into += *value; }
static inline void merge_min_u64(uint64_t *into, const uint64_t *value) { *into = *value < *into ? *value : *into; }
static inline void merge_max_u64(uint64_t *into, const uint64_t *value) { *into = *value > *into ? *value : *into; }
static inline void merge_least_str(struct slice *into, const struct slice *value) {
  if (slice_compare(*value, *into) < 0) *into = *value;
}
static inline void merge_sum_hist(struct histogram *into, const struct histogram *value) {
  for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++) into->count[i] += value->count[i];
}

static inline void merge_max_hll(struct hyperloglog *into, const struct hyperloglog *value) { hyperloglog_merge(into, value); }

static inline void json_u32(struct buf *out, const uint32_t *value) { buf_printf(out, "%" PRIu32, *value); }
static inline void json_u64(struct buf *out, const uint64_t *value) { buf_printf(out, "%" PRIu64, *value); }
static inline void json_str(struct buf *out, const struct slice *value) { json_write_string(out, *value); }
static inline void json_hist(struct buf *out, const struct histogram *value) {
  uint32_t used = hist_used(value);
  buf_append_byte(out, '[');
  for (uint32_t i = 0; i < used; i++) buf_printf(out, "%s%" PRIu64, i ? "," : "", value->count[i]);
  buf_append_byte(out, ']');
}

/* What the sketch says, not the sketch. */
static inline void json_hll(struct buf *out, const struct hyperloglog *value) {
  buf_printf(out, "%.0f", round(hyperloglog_estimate(value)));
}

static void csv_str(struct buf *out, const struct slice *value) { csv_append_field(out, *value); }
#define csv_u32 json_u32
#define csv_u64 json_u64
#define csv_hll json_hll
/* One field, the JSON array quoted. */
static void csv_hist(struct buf *out, const struct histogram *value) {
  buf_append_byte(out, '"');
  json_hist(out, value);
  buf_append_byte(out, '"');
}

#define ROW traffic
#define ROW_DEF "schemas/traffic.def"
#include "schemas/row_functions.h"

#define ROW relays
#define ROW_DEF "schemas/relays.def"
#include "schemas/row_functions.h"

#define ROW replies
#define ROW_DEF "schemas/replies.def"
#include "schemas/row_functions.h"

#define ROW senders
#define ROW_DEF "schemas/senders.def"
#include "schemas/row_functions.h"

#define ROW recipients
#define ROW_DEF "schemas/recipients.def"
#include "schemas/row_functions.h"

#define COUNT_OF(array) (sizeof(array) / sizeof *(array))
const struct dataset DATASETS[DATASET_COUNT] = {
#define DATASET(dataset, since, text)                                 \
  [DATASET_##dataset] = {.name = #dataset,                            \
                         .version = since,                            \
                         .what = text,                                \
                         .columns = dataset##_columns,                \
                         .column_count = COUNT_OF(dataset##_columns), \
                         .key_count = dataset##_key_count,            \
                         .row_size = sizeof(struct dataset##_row),    \
                         .encode = dataset##_encode,                  \
                         .decode = dataset##_decode,                  \
                         .decode_name = dataset##_decode_name,        \
                         .decode_rest = dataset##_decode_rest,        \
                         .compare = dataset##_compare,                \
                         .merge = dataset##_merge,                    \
                         .write_json = dataset##_write_json,          \
                         .write_csv = dataset##_write_csv},
#include "schemas/datasets.def"
#undef DATASET
};

const char *column_type_name(enum column_type type) {
  static const char *const names[] = {"u32", "u64", "str", "hist", "hll"};
  return names[type];
}

const char *column_kind_name(enum column_kind kind) {
  static const char *const names[] = {"key", "sum", "min", "max", "least"};
  return names[kind];
}

uint32_t dataset_time_unit_s(const struct dataset *dataset) {
  const char *name = dataset_time_column(dataset)->name;
  if (strcmp(name, "minute") == 0) return 60;
  if (strcmp(name, "hour") == 0) return 3600;
  assert(strcmp(name, "day") == 0);
  return 86400;
}

const struct dataset *dataset_find(struct slice name) {
  for (size_t i = 0; i < DATASET_COUNT; i++)
    if (slice_equal(slice_from_cstr(DATASETS[i].name), name)) return &DATASETS[i];
  return NULL;
}

void dataset_write_csv_header(const struct dataset *dataset, struct buf *out) {
  for (size_t i = 0; i < dataset->column_count; i++) buf_printf(out, "%s%s", i ? "," : "", dataset->columns[i].name);
}
