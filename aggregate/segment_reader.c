/* Reads segments. See segment_reader.h; segment_format.h has the bytes.
 *
 * pread and not mmap: a file cut short while it is read is an error here, a SIGBUS there. */
#include "aggregate/segment_reader.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zstd.h>

#include "aggregate/segment_format.h"
#include "base/hash.h"
#include "base/limits.h"

struct segment_decoder {
  ZSTD_DCtx *zstd;
  struct buf compressed;
};

struct segment_reader {
  const struct dataset *dataset;
  struct segment_decoder *decoder;
  char *name; /* for errors */
  int fd;
  bool owns_fd;
  struct segment_record record;
  uint32_t header_size;
  struct segment_frame *frames;
  size_t frame_count;
  uint64_t content_bytes;

  uint64_t period_begin, period_end; /* rows wanted */
  uint32_t period_step;              /* times are rounded down to a multiple of it; 1: they stay */
  size_t frame;                      /* the next to load */
  uint32_t rows_left;                /* in `rest` */
  struct msgpack_reader rest;        /* what is left of `content` */
  struct slice name_bytes;           /* the bytes of the row's key without its time, in `content`; empty at its beginning */
  struct buf content;
  union any_row row;
};

struct segment_decoder *segment_decoder_new(void) {
  struct segment_decoder *decoder = memory_zeroed(sizeof *decoder);
  decoder->zstd = ZSTD_createDCtx();
  return decoder;
}

void segment_decoder_free(struct segment_decoder *decoder) {
  if (!decoder) return;
  ZSTD_freeDCtx(decoder->zstd);
  buf_deinit(&decoder->compressed);
  free(decoder);
}

static bool damaged(const struct segment_reader *r, struct error *err, const char *what) {
  return error_set(err, ERROR_INPUT, "%s: %s; restore the file from a backup", r->name, what);
}

static bool damaged_frame(const struct segment_reader *r, size_t frame, struct error *err, const char *what) {
  return error_set(err, ERROR_INPUT, "%s: frame %zu at byte %" PRIu64 ": %s; restore the file from a backup", r->name, frame,
                   r->frames[frame].offset, what);
}

/* Exactly `len` bytes of the file from `at`, in `out`. */
static bool read_at(const struct segment_reader *r, uint64_t at, size_t len, struct buf *out, struct error *err) {
  buf_clear(out);
  char *to = buf_reserve(out, len);
  while (out->len < len) {
    ssize_t got = pread(r->fd, to + out->len, len - out->len, (off_t)(at + out->len));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return error_set_errno(err, ERROR_INPUT, errno, "cannot read %s", r->name);
    if (got == 0) return damaged(r, err, "is cut short");
    out->len += (size_t)got;
  }
  return true;
}

/* ---- header and trailer ----------------------------------------------------------------------------------------------------- */

/* The last 48 bytes: how long header and index are. */
static bool read_tail(struct segment_reader *r, uint64_t *header_hash, struct error *err) {
  struct buf *bytes = &r->decoder->compressed;
  if (r->record.bytes < SEGMENT_HEADER_FIXED + SEGMENT_TRAILER_FIXED) return damaged(r, err, "is too short for a segment");
  if (!read_at(r, r->record.bytes - SEGMENT_TAIL, SEGMENT_TAIL, bytes, err)) return false;
  const char *tail = bytes->ptr;
  if (memcmp(tail + 40, SEGMENT_END_MAGIC, 8) != 0) return damaged(r, err, "does not end as a segment does");
  r->record.rows = get_u64(tail);
  r->content_bytes = get_u64(tail + 8);
  *header_hash = get_u64(tail + 16);
  r->frame_count = get_u32(tail + 24);
  r->header_size = get_u32(tail + 28);
  r->record.index_hash = get_u64(tail + 32);
  uint64_t trailer_size = SEGMENT_TRAILER_FIXED + (uint64_t)r->frame_count * SEGMENT_INDEX_ENTRY;
  if (r->header_size < SEGMENT_HEADER_FIXED || r->header_size > SEGMENT_HEADER_MAX ||
      trailer_size > r->record.bytes - r->header_size)
    return damaged(r, err, "header and index do not fit the file");
  return true;
}

/* Frames fill the file from the header to the trailer, and their sums are those of the tail. */
static bool check_index(const struct segment_reader *r, uint64_t trailer_at, struct error *err) {
  uint64_t at = r->header_size, rows = 0, content = 0;
  uint32_t earliest = r->frame_count ? UINT32_MAX : 0;
  for (size_t i = 0; i < r->frame_count; i++) {
    const struct segment_frame *frame = &r->frames[i];
    if (frame->offset != at) return damaged(r, err, "the index has a gap");
    if (frame->content_size > LIMIT_FRAME_CONTENT_BYTES || frame->compressed_size > ZSTD_compressBound(LIMIT_FRAME_CONTENT_BYTES))
      return damaged_frame(r, i, err, "is longer than a frame may be");
    /* A value takes a byte at least. */
    if (!frame->rows || (uint64_t)frame->rows * r->dataset->column_count > frame->content_size)
      return damaged_frame(r, i, err, "cannot hold the rows that the index promises");
    if (frame->earliest < earliest) earliest = frame->earliest;
    at += frame->compressed_size;
    rows += frame->rows;
    content += frame->content_size;
  }
  int64_t from_us = earliest * (dataset_time_unit_s(r->dataset) * US_PER_SECOND);
  if (r->record.from_us != from_us || r->record.to_us < from_us) return damaged(r, err, "has another time range than its rows");
  if (at != trailer_at) return damaged(r, err, "frames and index do not meet");
  if (rows != r->record.rows || content != r->content_bytes) return damaged(r, err, "the index does not add up");
  return true;
}

static bool read_trailer(struct segment_reader *r, struct error *err) {
  struct buf *bytes = &r->decoder->compressed;
  size_t size = SEGMENT_TRAILER_FIXED + r->frame_count * SEGMENT_INDEX_ENTRY;
  uint64_t at = r->record.bytes - size;
  if (!read_at(r, at, size, bytes, err)) return false;
  if (hash_bytes(bytes->ptr, size - 16) != r->record.index_hash) return damaged(r, err, "the checksum of the index differs");
  if (get_u32(bytes->ptr) != SEGMENT_SKIPPABLE_TRAILER || get_u32(bytes->ptr + 4) != size - 8)
    return damaged(r, err, "the index is in no skippable frame");
  r->frames = memory_alloc(r->frame_count * sizeof *r->frames);
  for (size_t i = 0; i < r->frame_count; i++) {
    const char *entry = bytes->ptr + 8 + i * SEGMENT_INDEX_ENTRY;
    r->frames[i] = (struct segment_frame){.offset = get_u64(entry),
                                          .compressed_size = get_u32(entry + 8),
                                          .content_size = get_u32(entry + 12),
                                          .rows = get_u32(entry + 16),
                                          .earliest = get_u32(entry + 20),
                                          .hash = get_u64(entry + 24)};
  }
  return check_index(r, at, err);
}

/* ["traffic/1", "bouncemill 0.1.0", columns]: ours but for who made it. */
static bool check_description(const struct segment_reader *r, struct slice description, struct error *err) {
  struct buf want = {0};
  struct msgpack_reader at = msgpack_reader_of(description);
  struct slice schema, creator;
  uint32_t count;
  bool ok = msgpack_read_array(&at, &count) && count == 3 && msgpack_read_str(&at, &schema) && msgpack_read_str(&at, &creator);
  if (!ok) {
    damaged(r, err, "the description of the columns is no such thing");
    goto out;
  }
  segment_write_schema(r->dataset, &want);
  ok = slice_equal(schema, buf_slice(&want));
  if (!ok) {
    error_set(err, ERROR_INPUT, "%s: holds %.*s, not %.*s; made by another version of bouncemill or for another dataset", r->name,
              SLICE_ARG(schema), SLICE_ARG(buf_slice(&want)));
    goto out;
  }
  buf_clear(&want);
  segment_write_columns(r->dataset, &want);
  ok = slice_equal(slice_between((const char *)at.ptr, (const char *)at.end), buf_slice(&want));
  if (!ok) damaged(r, err, "has other columns than its schema");
out:
  buf_deinit(&want);
  return ok;
}

static bool read_header(struct segment_reader *r, uint64_t hash, struct error *err) {
  struct buf *bytes = &r->decoder->compressed;
  if (!read_at(r, 0, r->header_size, bytes, err)) return false;
  const char *p = bytes->ptr;
  if (memcmp(p + 8, SEGMENT_MAGIC, 8) != 0) return damaged(r, err, "does not begin as a segment does");
  if (hash_bytes(p, r->header_size) != hash) return damaged(r, err, "the checksum of the header differs");
  if (get_u32(p + 16) != SEGMENT_VERSION)
    return error_set(err, ERROR_INPUT, "%s: is of format version %" PRIu32 ", this bouncemill reads %u", r->name, get_u32(p + 16),
                     SEGMENT_VERSION);
  if (get_u32(p) != SEGMENT_SKIPPABLE_HEADER || get_u32(p + 4) != r->header_size - 8 ||
      get_u32(p + 28) != r->header_size - SEGMENT_HEADER_FIXED)
    return damaged(r, err, "the header is in no skippable frame");
  r->record.resolution_s = get_u32(p + 20);
  r->record.writer = get_u32(p + 24);
  r->record.from_us = (int64_t)get_u64(p + 32);
  r->record.to_us = (int64_t)get_u64(p + 40);
  uint32_t resolution_s = r->record.resolution_s;
  if (resolution_s != 60 && resolution_s != 3600 && resolution_s != 86400) return damaged(r, err, "has no known resolution");
  return check_description(r, slice_of(p + SEGMENT_HEADER_FIXED, r->header_size - SEGMENT_HEADER_FIXED), err);
}

/* ---- opening ---------------------------------------------------------------------------------------------------------------- */

static struct segment_reader *open_checked(int fd, bool owns_fd, const char *name, const struct dataset *dataset,
                                           struct segment_decoder *decoder, struct error *err) {
  struct segment_reader *r = memory_zeroed(sizeof *r);
  size_t name_size = strlen(name) + 1;
  r->name = memcpy(memory_alloc(name_size), name, name_size);
  r->fd = fd;
  r->owns_fd = owns_fd;
  r->dataset = dataset;
  r->decoder = decoder;
  r->record.dataset = (enum dataset_id)(dataset - DATASETS);
  r->record.version = dataset->version;
  segment_reader_set_range(r, INT64_MIN, INT64_MAX);
  r->period_step = 1;
  struct stat st;
  uint64_t header_hash = 0;
  bool ok = fstat(fd, &st) == 0;
  if (!ok) {
    error_set_errno(err, ERROR_INPUT, errno, "cannot look at %s", name);
  } else if (!S_ISREG(st.st_mode)) {
    ok = error_set(err, ERROR_INPUT, "%s: is no regular file", name);
  } else {
    r->record.bytes = (uint64_t)st.st_size;
    ok = read_tail(r, &header_hash, err) && read_header(r, header_hash, err) && read_trailer(r, err);
  }
  if (ok) return r;
  segment_reader_close(r);
  return NULL;
}

struct segment_reader *segment_reader_open(const char *path, const struct dataset *dataset, struct segment_decoder *decoder,
                                           struct error *err) {
  int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) {
    error_set_errno(err, ERROR_INPUT, errno, "cannot open %s", path);
    return NULL;
  }
  return open_checked(fd, true, path, dataset, decoder, err);
}

struct segment_reader *segment_reader_open_fd(int fd, const char *name, const struct dataset *dataset,
                                              struct segment_decoder *decoder, struct error *err) {
  return open_checked(fd, false, name, dataset, decoder, err);
}

void segment_reader_close(struct segment_reader *r) {
  if (!r) return;
  if (r->owns_fd) close(r->fd);
  buf_deinit(&r->content);
  free(r->frames);
  free(r->name);
  free(r);
}

const struct segment_record *segment_reader_record(const struct segment_reader *r) { return &r->record; }

size_t segment_reader_frame_bytes(const struct segment_reader *r) {
  size_t most = 0;
  for (size_t i = 0; i < r->frame_count; i++) most = r->frames[i].content_size > most ? r->frames[i].content_size : most;
  return most;
}

bool segment_reader_is(const struct segment_reader *r, const struct segment_record *known, struct error *err) {
  const struct segment_record *is = &r->record;
  if (is->bytes != known->bytes) return damaged(r, err, "has another size than the catalog says");
  if (is->index_hash != known->index_hash) return damaged(r, err, "is another file than the catalog means (its checksum differs)");
  if (is->rows != known->rows) return damaged(r, err, "has another number of rows than the catalog says");
  if (is->from_us != known->from_us || is->to_us != known->to_us || is->resolution_s != known->resolution_s)
    return damaged(r, err, "has another time range than the catalog says");
  return true;
}

/* ---- rows ------------------------------------------------------------------------------------------------------------------- */

/* The frame's bytes in the decoder's buffer, with the checksum right. */
static bool read_frame(struct segment_reader *r, size_t index, struct error *err) {
  const struct segment_frame *frame = &r->frames[index];
  struct buf *bytes = &r->decoder->compressed;
  if (!read_at(r, frame->offset, frame->compressed_size, bytes, err)) return false;
  if (hash_slice(buf_slice(bytes)) != frame->hash) return damaged_frame(r, index, err, "the checksum differs");
  return true;
}

bool segment_reader_check_frames(struct segment_reader *r, struct error *err) {
  for (size_t i = 0; i < r->frame_count; i++)
    if (!read_frame(r, i, err)) return false;
  return true;
}

/* Whether the zstd frame declares a window that we allow: RFC 8878 3.1.1.1.2. A frame of a single segment has its content as
 * window, which is limited already. */
static bool window_is_allowed(struct slice frame) {
  if (frame.len < 6) return false;
  uint8_t descriptor = (uint8_t)frame.ptr[4], window = (uint8_t)frame.ptr[5];
  if (descriptor & 0x20) return true;
  uint64_t base = 1ull << (10 + (window >> 3));
  return base + base / 8 * (window & 7) <= 1ull << LIMIT_ZSTD_WINDOW_LOG;
}

static bool load_frame(struct segment_reader *r, struct error *err) {
  const struct segment_frame *frame = &r->frames[r->frame];
  if (!read_frame(r, r->frame, err)) return false;
  struct slice bytes = buf_slice(&r->decoder->compressed);
  if (ZSTD_findFrameCompressedSize(bytes.ptr, bytes.len) != bytes.len || !window_is_allowed(bytes) ||
      ZSTD_getFrameContentSize(bytes.ptr, bytes.len) != frame->content_size)
    return damaged_frame(r, r->frame, err, "is not the zstd frame that the index promises");
  buf_clear(&r->content);
  char *to = buf_reserve(&r->content, frame->content_size);
  size_t size = ZSTD_decompressDCtx(r->decoder->zstd, to, frame->content_size, bytes.ptr, bytes.len);
  if (size != frame->content_size) return damaged_frame(r, r->frame, err, "cannot be decompressed");
  r->content.len = size;
  r->rest = msgpack_reader_of(buf_slice(&r->content));
  r->name_bytes = SLICE("");
  r->rows_left = frame->rows;
  r->frame++;
  return true;
}

void segment_reader_set_range(struct segment_reader *r, int64_t since_us, int64_t until_us) {
  int64_t unit_us = dataset_time_unit_s(r->dataset) * US_PER_SECOND, resolution_us = r->record.resolution_s * US_PER_SECOND;
  bool is_minutes = resolution_us == 60 * US_PER_SECOND;
  r->period_begin = r->period_end = 0;
  /* Minute: the first that begins at or after `since`. Hour and day: the first that ends after it. */
  if (since_us > 0 && is_minutes) r->period_begin = (uint64_t)(since_us / unit_us + (since_us % unit_us != 0));
  if (since_us >= resolution_us && !is_minutes) r->period_begin = (uint64_t)((since_us - resolution_us) / unit_us + 1);
  if (until_us > 0) r->period_end = (uint64_t)(until_us / unit_us + (until_us % unit_us != 0));
}

void segment_reader_set_rounding(struct segment_reader *r, uint32_t resolution_s) {
  uint32_t unit_s = dataset_time_unit_s(r->dataset);
  r->period_step = resolution_s > unit_s ? resolution_s / unit_s : 1;
}

/* Rows out of the range are passed over, through the ends of frames. */
bool segment_reader_may_leave_frame(const struct segment_reader *r) {
  return r->rows_left == 0 || r->period_begin > 0 || r->period_end <= UINT32_MAX;
}

/* Neighbours often differ in their time alone: then the strings of the row before are right, and stay where they are. */
static bool decode_row(struct segment_reader *r) {
  size_t left = (size_t)(r->rest.end - r->rest.ptr);
  if (r->name_bytes.len && r->name_bytes.len <= left && memcmp(r->rest.ptr, r->name_bytes.ptr, r->name_bytes.len) == 0) {
    r->rest.ptr += r->name_bytes.len;
  } else {
    const char *begin = (const char *)r->rest.ptr;
    if (!r->dataset->decode_name(&r->rest, &r->row)) return false;
    r->name_bytes = slice_between(begin, (const char *)r->rest.ptr);
  }
  return r->dataset->decode_rest(&r->rest, &r->row);
}

bool segment_reader_next(struct segment_reader *r, const void **row, struct error *err) {
  *row = NULL;
  for (;;) {
    if (!r->rows_left) {
      if (r->rest.ptr != r->rest.end) return damaged_frame(r, r->frame - 1, err, "has bytes behind its last row");
      while (r->frame < r->frame_count && r->frames[r->frame].earliest >= r->period_end) r->frame++;
      if (r->frame == r->frame_count) return true;
      if (!load_frame(r, err)) return false;
    }
    if (!decode_row(r)) return damaged_frame(r, r->frame - 1, err, "its rows are no such rows");
    r->rows_left--;
    uint32_t period = segment_row_period(r->dataset, &r->row);
    if (period < r->period_begin || period >= r->period_end) continue;
    if (r->period_step > 1) segment_set_row_period(r->dataset, &r->row, period - period % r->period_step);
    *row = &r->row;
    return true;
  }
}

const void *segment_reader_row(const struct segment_reader *r) { return &r->row; }
