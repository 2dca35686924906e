/* The bytes of a segment. Integers are little-endian; docs/format.md says the same at length, with a short reader in Python.
 *
 *   +-- header: a zstd skippable frame ----------------------------------------------------------------------------+
 *   |  0 u32 0x184D2A50      4 u32 bytes behind this field      8 "BMSEGMNT"        16 u32 format version (1)      |
 *   | 20 u32 resolution_s   24 u32 writer    28 u32 length of the description     32 i64 from_us     40 i64 to_us  |
 *   | 48 description, MessagePack: ["traffic/1", "bouncemill 0.1.0", [["minute", "u32", "key"], ...]]               |
 *   +-- data: zstd frames, each with its content size, each of whole rows -----------------------------------------+
 *   |  rows, ascending by key, each key once                                                                       |
 *   +-- trailer: a zstd skippable frame ---------------------------------------------------------------------------+
 *   |  0 u32 0x184D2A51      4 u32 bytes behind this field                                                         |
 *   |  8 for each data frame: u64 offset, u32 compressed size, u32 content size, u32 rows, u32 earliest period,    |
 *   |                         u64 XXH3-64 of the compressed frame                                                  |
 *   |    tail, the last 48 bytes of the file:                                                                      |
 *   |  0 u64 rows            8 u64 content bytes      16 u64 XXH3-64 of the header     24 u32 frames               |
 *   | 28 u32 header size    32 u64 XXH3-64 of the trailer up to here                   40 "BMSEGEND"               |
 *   +--------------------------------------------------------------------------------------------------------------+
 *
 * The tail is found from the file's end and says how long the header and the index are; the frames must fill the space between
 * without a gap. So every bit of the file is under one of the checksums or is one of the two last fields. */
#ifndef AGGREGATE_SEGMENT_FORMAT_H
#define AGGREGATE_SEGMENT_FORMAT_H

#include <endian.h>

#include "base/clock.h"
#include "schemas/dataset.h"

#define SEGMENT_MAGIC "BMSEGMNT"
#define SEGMENT_END_MAGIC "BMSEGEND"
#define SEGMENT_VERSION 1u
#define SEGMENT_SKIPPABLE_HEADER 0x184D2A50u
#define SEGMENT_SKIPPABLE_TRAILER 0x184D2A51u

enum {
  SEGMENT_HEADER_FIXED = 48,
  SEGMENT_HEADER_MAX = 64 << 10, /* a description is a few hundred bytes; a reader believes no more */
  SEGMENT_INDEX_ENTRY = 32,
  SEGMENT_TAIL = 48,
  SEGMENT_TRAILER_FIXED = 8 + SEGMENT_TAIL,
};

/* One entry of the index. */
struct segment_frame {
  uint64_t offset, hash;
  uint32_t compressed_size, content_size, rows;
  uint32_t earliest; /* the least time of its rows */
};

static inline void put_u32(char *at, uint32_t value) {
  value = htole32(value);
  memcpy(at, &value, sizeof value);
}
static inline void put_u64(char *at, uint64_t value) {
  value = htole64(value);
  memcpy(at, &value, sizeof value);
}
static inline uint32_t get_u32(const char *at) {
  uint32_t value;
  memcpy(&value, at, sizeof value);
  return le32toh(value);
}
static inline uint64_t get_u64(const char *at) {
  uint64_t value;
  memcpy(&value, at, sizeof value);
  return le64toh(value);
}

/* The time column of a row. */
static inline uint32_t segment_row_period(const struct dataset *dataset, const void *row) {
  uint32_t period;
  memcpy(&period, (const char *)row + dataset_time_column(dataset)->offset, sizeof period);
  return period;
}

static inline void segment_set_row_period(const struct dataset *dataset, void *row, uint32_t period) {
  memcpy((char *)row + dataset_time_column(dataset)->offset, &period, sizeof period);
}

/* Appends the columns as they stand in the description: [["minute", "u32", "key"], ...]. */
static inline void segment_write_columns(const struct dataset *dataset, struct buf *out) {
  msgpack_write_array(out, (uint32_t)dataset->column_count);
  for (size_t i = 0; i < dataset->column_count; i++) {
    msgpack_write_array(out, 3);
    msgpack_write_str(out, slice_from_cstr(dataset->columns[i].name));
    msgpack_write_str(out, slice_from_cstr(column_type_name(dataset->columns[i].type)));
    msgpack_write_str(out, slice_from_cstr(column_kind_name(dataset->columns[i].kind)));
  }
}

/* Appends "traffic/1". */
static inline void segment_write_schema(const struct dataset *dataset, struct buf *out) {
  buf_printf(out, "%s/%u", dataset->name, dataset->version);
}

#endif
