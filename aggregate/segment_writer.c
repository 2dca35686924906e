/* Writes segments: encodes rows into a buffer, compresses the buffer when it is a frame long, and keeps the index until the end.
 * The header's time range is known at the end only: its place is left free and filled then. See segment_format.h for the bytes. */
#include "aggregate/segment_writer.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zstd.h>

#include "aggregate/pending.h"
#include "aggregate/segment_format.h"
#include "aggregate/store.h"
#include "base/hash.h"
#include "base/limits.h"

/* Over 165,000 traffic rows (18 MB), frames of 1 MiB: level 1 does 678 MB/s at 6.48:1, level 3 528 MB/s at 6.85:1; level 1 with a hash
 * table of 2^12 places, which fits the L1 cache, 768 MB/s at 6.24:1. */
enum { ZSTD_LEVEL = 1, ZSTD_HASH_LOG = 12 };

/* Merged rows, which are read for years. A year of daily traffic of 20,000 domains (bench/run --only compact): level 3 takes 11.3 bytes a row
 * and compaction is 0.65 times as fast as `zstd -dc | zstd -3`; level 6, with tables that fit the L1 cache, 9.8 bytes and 0.45 times. */
enum { ZSTD_LEVEL_MERGED = 3 };

struct segment_writer {
  const struct dataset *dataset;
  struct segment_record record;
  char *path;        /* of the temporary file; NULL for a run, which has no name */
  const char *label; /* of merged rows: the name is made of it when the content is known */
  const char *dir;   /* the store's segments directory; NULL for a run */
  int fd;
  uint64_t at; /* where the next frame goes */
  uint32_t header_size;
  uint32_t rows;                  /* in `content` */
  uint32_t earliest;              /* time in `content` */
  uint32_t first_time, last_time; /* of everything so far */
  uint64_t content_bytes;
  struct buf content, compressed;
  struct segment_frame *frames;
  size_t frame_count, frame_cap;
  ZSTD_CCtx *zstd;
};

static const char *writer_path(const struct segment_writer *w) { return w->path ? w->path : "temporary file of a merge"; }

static void writer_free(struct segment_writer *w) {
  if (w->fd >= 0) close(w->fd);
  ZSTD_freeCCtx(w->zstd);
  buf_deinit(&w->content);
  buf_deinit(&w->compressed);
  free(w->frames);
  free(w->path);
  free(w);
}

/* The header, into `out`; its time range is right only at the end, its length always. */
static void build_header(const struct segment_writer *w, struct buf *out) {
  struct buf text = {0};
  buf_clear(out);
  buf_reserve(out, SEGMENT_HEADER_FIXED);
  out->len = SEGMENT_HEADER_FIXED;
  msgpack_write_array(out, 3);
  segment_write_schema(w->dataset, &text);
  msgpack_write_str(out, buf_slice(&text));
  msgpack_write_str(out, SLICE("bouncemill " BOUNCEMILL_VERSION));
  segment_write_columns(w->dataset, out);
  buf_deinit(&text);

  char *p = out->ptr;
  put_u32(p, SEGMENT_SKIPPABLE_HEADER);
  put_u32(p + 4, (uint32_t)out->len - 8);
  memcpy(p + 8, SEGMENT_MAGIC, 8);
  put_u32(p + 16, SEGMENT_VERSION);
  put_u32(p + 20, w->record.resolution_s);
  put_u32(p + 24, w->record.writer);
  put_u32(p + 28, (uint32_t)out->len - SEGMENT_HEADER_FIXED);
  put_u64(p + 32, (uint64_t)w->record.from_us);
  put_u64(p + 40, (uint64_t)w->record.to_us);
}

static struct segment_writer *writer_new(const struct dataset *dataset, unsigned writer) {
  struct segment_writer *w = memory_zeroed(sizeof *w);
  w->dataset = dataset;
  w->fd = -1;
  w->first_time = UINT32_MAX;
  w->record.dataset = (enum dataset_id)(dataset - DATASETS);
  w->record.version = dataset->version;
  w->record.resolution_s = dataset_time_unit_s(dataset);
  w->record.writer = writer;
  w->zstd = ZSTD_createCCtx();
  ZSTD_CCtx_setParameter(w->zstd, ZSTD_c_compressionLevel, ZSTD_LEVEL);
  ZSTD_CCtx_setParameter(w->zstd, ZSTD_c_hashLog, ZSTD_HASH_LOG);
  /* Our readers check XXH3 before; zstd's own checksum is for the others: `zstd -t`, ClickHouse. */
  ZSTD_CCtx_setParameter(w->zstd, ZSTD_c_checksumFlag, 1);
  build_header(w, &w->compressed);
  w->at = w->header_size = (uint32_t)w->compressed.len;
  return w;
}

/* The temporary file of the record's name; frees `w` when that fails. */
static struct segment_writer *make_file(struct segment_writer *w, struct error *err) {
  if (asprintf(&w->path, "%s/%s" PENDING_SUFFIX, w->dir, w->record.name) < 0) {
    w->path = NULL;
    error_set_errno(err, ERROR_INPUT, errno, "cannot name segment %s", w->record.name);
  } else {
    /* O_EXCL: a name is given out once; whoever has it already is no friend. */
    w->fd = open(w->path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0640);
    if (w->fd < 0) error_set_errno(err, ERROR_STORAGE, errno, "cannot make %s", w->path);
  }
  if (w->fd >= 0) return w;
  writer_free(w);
  return NULL;
}

static void take_id(struct segment_writer *w, struct store *store, const char *kind) {
  w->record.id = store_next_segment_id(store);
  w->dir = store_segments_dir(store);
  snprintf(w->record.name, sizeof w->record.name, "%s-%010" PRIu64 "-%s" SEGMENT_SUFFIX, w->dataset->name, w->record.id, kind);
}

struct segment_writer *segment_writer_new(struct store *store, const struct dataset *dataset, unsigned writer, struct error *err) {
  struct segment_writer *w = writer_new(dataset, writer);
  char number[16];
  snprintf(number, sizeof number, "%u", writer);
  take_id(w, store, number);
  return make_file(w, err);
}

struct segment_writer *segment_writer_new_merged(struct store *store, const struct dataset *dataset, enum segment_origin origin,
                                                 uint32_t resolution_s, const char *label, struct error *err) {
  struct segment_writer *w = writer_new(dataset, (unsigned)origin);
  w->record.resolution_s = resolution_s;
  w->label = label;
  ZSTD_CCtx_setParameter(w->zstd, ZSTD_c_compressionLevel, ZSTD_LEVEL_MERGED);
  ZSTD_CCtx_setParameter(w->zstd, ZSTD_c_hashLog, 0); /* of the level */
  take_id(w, store, "merged");
  return make_file(w, err);
}

uint64_t segment_writer_content_bytes(const struct segment_writer *w) { return w->content_bytes + w->content.len; }

struct segment_writer *segment_writer_new_run(const struct dataset *dataset, const char *dir, struct error *err) {
  if (!dir) dir = getenv("TMPDIR");
  char path[4096];
  snprintf(path, sizeof path, "%s/bouncemill-merge-XXXXXX", dir && dir[0] ? dir : "/tmp");
  struct segment_writer *w = writer_new(dataset, 0);
  w->fd = mkostemp(path, O_CLOEXEC);
  if (w->fd >= 0) {
    unlink(path);
    return w;
  }
  error_set_errno(err, ERROR_INPUT, errno, "cannot make a temporary file for a merge, %s", path);
  writer_free(w);
  return NULL;
}

/* Writes at a place of the file, however many calls that takes. */
static bool write_at(struct segment_writer *w, struct slice bytes, uint64_t at, struct error *err) {
  while (bytes.len) {
    ssize_t wrote = pwrite(w->fd, bytes.ptr, bytes.len, (off_t)at);
    if (wrote < 0 && errno == EINTR) continue;
    if (wrote < 0) return error_set_errno(err, ERROR_STORAGE, errno, "cannot write %s", writer_path(w));
    bytes = slice_skip(bytes, (size_t)wrote);
    at += (uint64_t)wrote;
  }
  return true;
}

/* Compresses and writes what is in `content`. */
static bool flush_frame(struct segment_writer *w, struct error *err) {
  if (!w->rows) return true;
  buf_clear(&w->compressed);
  size_t bound = ZSTD_compressBound(w->content.len);
  char *to = buf_reserve(&w->compressed, bound);
  size_t size = ZSTD_compress2(w->zstd, to, bound, w->content.ptr, w->content.len);
  if (ZSTD_isError(size)) return error_set(err, ERROR_INPUT, "%s: zstd: %s", writer_path(w), ZSTD_getErrorName(size));
  if (!write_at(w, slice_of(to, size), w->at, err)) return false;
  if (w->frame_count == w->frame_cap) {
    w->frame_cap = w->frame_cap ? w->frame_cap * 2 : 8;
    w->frames = memory_resize(w->frames, w->frame_cap * sizeof *w->frames);
  }
  w->frames[w->frame_count++] = (struct segment_frame){.offset = w->at,
                                                       .hash = hash_bytes(to, size),
                                                       .compressed_size = (uint32_t)size,
                                                       .content_size = (uint32_t)w->content.len,
                                                       .rows = w->rows,
                                                       .earliest = w->earliest};
  w->at += size;
  w->record.rows += w->rows;
  w->content_bytes += w->content.len;
  w->rows = 0;
  buf_clear(&w->content);
  return true;
}

bool segment_writer_add(struct segment_writer *w, const void *row, struct error *err) {
  size_t before = w->content.len;
  uint32_t time = segment_row_period(w->dataset, row);
  if (!w->rows || time < w->earliest) w->earliest = time;
  if (time < w->first_time) w->first_time = time;
  if (time > w->last_time) w->last_time = time;
  w->dataset->encode(row, &w->content);
  w->rows++;
  if (w->content.len < LIMIT_FRAME_BYTES) return true;
  /* A frame is at most one row longer than LIMIT_FRAME_BYTES, and must stay below what readers believe. */
  if (w->content.len - before > LIMIT_FRAME_CONTENT_BYTES - LIMIT_FRAME_BYTES)
    return error_set(err, ERROR_INPUT, "%s: a row of %zu bytes is too long", writer_path(w), w->content.len - before);
  return flush_frame(w, err);
}

/* The index and the tail, into `compressed`. */
static void build_trailer(struct segment_writer *w, uint64_t header_hash) {
  struct buf *out = &w->compressed;
  size_t index_size = w->frame_count * SEGMENT_INDEX_ENTRY, size = SEGMENT_TRAILER_FIXED + index_size;
  buf_clear(out);
  char *p = buf_reserve(out, size);
  out->len = size;
  put_u32(p, SEGMENT_SKIPPABLE_TRAILER);
  put_u32(p + 4, (uint32_t)size - 8);
  for (size_t i = 0; i < w->frame_count; i++) {
    const struct segment_frame *frame = &w->frames[i];
    char *entry = p + 8 + i * SEGMENT_INDEX_ENTRY;
    put_u64(entry, frame->offset);
    put_u32(entry + 8, frame->compressed_size);
    put_u32(entry + 12, frame->content_size);
    put_u32(entry + 16, frame->rows);
    put_u32(entry + 20, frame->earliest);
    put_u64(entry + 24, frame->hash);
  }
  char *tail = p + 8 + index_size;
  put_u64(tail, w->record.rows);
  put_u64(tail + 8, w->content_bytes);
  put_u64(tail + 16, header_hash);
  put_u32(tail + 24, (uint32_t)w->frame_count);
  put_u32(tail + 28, w->header_size);
  w->record.index_hash = hash_bytes(p, size - 16);
  put_u64(tail + 32, w->record.index_hash);
  memcpy(tail + 40, SEGMENT_END_MAGIC, 8);
}

/* Everything but fsync. */
static bool write_rest(struct segment_writer *w, struct error *err) {
  if (!flush_frame(w, err)) return false;
  int64_t unit_us = dataset_time_unit_s(w->dataset) * US_PER_SECOND;
  if (w->frame_count) {
    w->record.from_us = w->first_time * unit_us;
    w->record.to_us = w->last_time * unit_us + w->record.resolution_s * US_PER_SECOND;
  }
  build_header(w, &w->compressed);
  if (!write_at(w, buf_slice(&w->compressed), 0, err)) return false;
  build_trailer(w, hash_slice(buf_slice(&w->compressed)));
  if (!write_at(w, buf_slice(&w->compressed), w->at, err)) return false;
  w->record.bytes = w->at + w->compressed.len;
  return true;
}

/* Gives the temporary file the name that its content has earned. */
static bool name_by_content(struct segment_writer *w, struct error *err) {
  char *path;
  snprintf(w->record.name, sizeof w->record.name, "%s-%s-%016" PRIx64 SEGMENT_SUFFIX, w->dataset->name, w->label,
           w->record.index_hash);
  if (asprintf(&path, "%s/%s" PENDING_SUFFIX, w->dir, w->record.name) < 0)
    return error_set_errno(err, ERROR_INPUT, errno, "cannot name segment %s", w->record.name);
  bool ok = rename(w->path, path) == 0 || error_set_errno(err, ERROR_STORAGE, errno, "cannot rename %s", w->path);
  if (!ok) {
    free(path);
    return false;
  }
  free(w->path);
  w->path = path;
  return true;
}

bool segment_writer_finish(struct segment_writer *w, struct pending_segments *pending, struct error *err) {
  bool is_empty = !w->rows && !w->frame_count;
  bool ok = is_empty || write_rest(w, err);
  if (ok && !is_empty && fsync(w->fd) != 0) ok = error_set_errno(err, ERROR_STORAGE, errno, "cannot fsync %s", w->path);
  if (ok && !is_empty && w->label) ok = name_by_content(w, err);
  if (!ok || is_empty) {
    segment_writer_abort(w);
    return ok;
  }
  pending_segments_add(pending, w->dir, &w->record);
  writer_free(w);
  return true;
}

int segment_writer_finish_run(struct segment_writer *w, struct error *err) {
  int fd = write_rest(w, err) ? w->fd : -1;
  if (fd >= 0) w->fd = -1;
  writer_free(w);
  return fd;
}

void segment_writer_abort(struct segment_writer *w) {
  if (w->path) unlink(w->path);
  writer_free(w);
}
