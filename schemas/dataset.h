/* The rows of the datasets, expanded from their .def lists: struct, MessagePack, JSON, CSV, order and merging.
 *
 * A row in a segment is its columns one after another as MessagePack values, no array header around them:
 *
 *   traffic:  a3 "out"   a0     ab "example.com"  ...  ce 01c2..  2a    cd 0fa0  93 00 02 01
 *             direction  source sender_domain          minute     count bytes    delay (trailing zero buckets left out)
 *
 * The time is the last key column, so that rows that differ in their time alone are neighbours: they compress better (traffic of
 * many days 12.5 bytes a row instead of 18.5), and stay in order when their times are rounded to hours or days.
 *
 * Strings are valid UTF-8, so that any msgpack library reads them. */
#ifndef SCHEMAS_DATASET_H
#define SCHEMAS_DATASET_H

#include "base/msgpack.h"
#include "schemas/histogram.h"
#include "schemas/hyperloglog.h"
#include "schemas/words.h"

enum column_type { COLUMN_u32, COLUMN_u64, COLUMN_str, COLUMN_hist, COLUMN_hll };

/* key: rows with equal keys are one row. sum, min, max, least (the smaller string): how their values become one. */
enum column_kind { COLUMN_key, COLUMN_sum, COLUMN_min, COLUMN_max, COLUMN_least };

/* "u32", "least": as in the .def files. */
const char *column_type_name(enum column_type type);
const char *column_kind_name(enum column_kind kind);

struct column {
  const char *name;
  enum column_type type;
  enum column_kind kind;
  size_t offset; /* of the value in the row's struct */
  const char *what;
};

enum dataset_id {
#define DATASET(name, version, what) DATASET_##name,
#include "schemas/datasets.def"
#undef DATASET
  DATASET_COUNT
};

#define COLUMN_TYPE_u32 uint32_t
#define COLUMN_TYPE_u64 uint64_t
#define COLUMN_TYPE_str struct slice
#define COLUMN_TYPE_hist struct histogram
#define COLUMN_TYPE_hll struct hyperloglog
#define COLUMN(name, type, kind, what) COLUMN_TYPE_##type name;

/* Strings of a row are views; who filled the row says until when they are good. */
struct traffic_row {
#include "schemas/traffic.def"
};
struct relays_row {
#include "schemas/relays.def"
};
struct replies_row {
#include "schemas/replies.def"
};
struct senders_row {
#include "schemas/senders.def"
};
struct recipients_row {
#include "schemas/recipients.def"
};
#undef COLUMN

/* Room for a row of any dataset. */
union any_row {
#define DATASET(name, version, what) struct name##_row name;
#include "schemas/datasets.def"
#undef DATASET
};

struct dataset {
  const char *name;
  unsigned version; /* written to segments as "name/version"; a reader refuses what it does not know */
  const char *what;
  const struct column *columns; /* keys first, the time as the last of them */
  size_t column_count, key_count, row_size;

  /* Appends the row. Rows of equal content are equal bytes. */
  void (*encode)(const void *row, struct buf *out);
  /* Takes one row off the front; false when the bytes are no such row. Strings point into the bytes. */
  bool (*decode)(struct msgpack_reader *from, void *row);
  /* The same in two steps: the key without its time, and the rest. Rows with equal bytes of the first have equal names. */
  bool (*decode_name)(struct msgpack_reader *from, void *row);
  bool (*decode_rest)(struct msgpack_reader *from, void *row);
  /* Order by the key columns: numbers by value, strings by byte. */
  int (*compare)(const void *a, const void *b);
  /* Adds the values of `row`, whose keys are equal, to `into`. */
  void (*merge)(void *into, const void *row);
  /* One JSON object without newline; one CSV record (RFC 4180) without line end, and its header. */
  void (*write_json)(const void *row, struct buf *out);
  void (*write_csv)(const void *row, struct buf *out);
};

extern const struct dataset DATASETS[DATASET_COUNT];

/* The column that is the time: minute, hour or day. */
static inline const struct column *dataset_time_column(const struct dataset *dataset) {
  return &dataset->columns[dataset->key_count - 1];
}

/* Seconds of one step of the time column: 60, 3600 or 86400. */
uint32_t dataset_time_unit_s(const struct dataset *dataset);

/* By name; NULL when there is none. */
const struct dataset *dataset_find(struct slice name);
void dataset_write_csv_header(const struct dataset *dataset, struct buf *out);

#endif
