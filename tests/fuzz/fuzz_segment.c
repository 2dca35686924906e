/* The segment reader over any bytes: as they are, and as the rows of a frame under right checksums, which no mutation of a whole
 * file would ever get past.
 *
 *   input: 0 ...   the rest is a file
 *          1 ...   the rest is a compressed frame of one row
 *          2 ...   the rest is the content of a frame of one row */
#include <sys/mman.h>
#include <unistd.h>
#include <zstd.h>

#include "aggregate/segment_format.h"
#include "aggregate/segment_reader.h"
#include "base/hash.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void read_file(struct slice bytes) {
  int fd = memfd_create("segment", MFD_CLOEXEC);
  if (fd < 0 || write(fd, bytes.ptr, bytes.len) != (ssize_t)bytes.len) abort();
  struct segment_decoder *decoder = segment_decoder_new();
  for (size_t i = 0; i < DATASET_COUNT; i++) {
    struct segment_reader *reader = segment_reader_open_fd(fd, "fuzz", &DATASETS[i], decoder, NULL);
    const void *row;
    if (!reader) continue;
    segment_reader_check_frames(reader, NULL);
    segment_reader_set_range(reader, (int64_t)bytes.len, INT64_MAX);
    struct buf json = {0};
    while (segment_reader_next(reader, &row, NULL) && row) DATASETS[i].write_json(row, &json), buf_clear(&json);
    buf_deinit(&json);
    segment_reader_close(reader);
  }
  segment_decoder_free(decoder);
  close(fd);
}

/* A segment whose one frame is `frame`. */
static void append_segment(struct slice frame, uint32_t content_size, struct buf *out) {
  const struct dataset *dataset = &DATASETS[DATASET_replies];
  struct buf schema = {0};
  buf_reserve(out, SEGMENT_HEADER_FIXED);
  memset(out->ptr, 0, SEGMENT_HEADER_FIXED);
  out->len = SEGMENT_HEADER_FIXED;
  msgpack_write_array(out, 3);
  segment_write_schema(dataset, &schema);
  msgpack_write_str(out, buf_slice(&schema));
  msgpack_write_str(out, SLICE("fuzz"));
  segment_write_columns(dataset, out);
  buf_deinit(&schema);
  size_t header = out->len;
  put_u32(out->ptr, SEGMENT_SKIPPABLE_HEADER);
  put_u32(out->ptr + 4, (uint32_t)header - 8);
  memcpy(out->ptr + 8, SEGMENT_MAGIC, 8);
  put_u32(out->ptr + 16, SEGMENT_VERSION);
  put_u32(out->ptr + 20, 3600);
  put_u32(out->ptr + 28, (uint32_t)header - SEGMENT_HEADER_FIXED);
  put_u64(out->ptr + 40, 1);
  uint64_t header_hash = hash_bytes(out->ptr, header);
  buf_append_slice(out, frame);
  size_t at = out->len, trailer = SEGMENT_TRAILER_FIXED + SEGMENT_INDEX_ENTRY;
  memset(buf_reserve(out, trailer), 0, trailer);
  out->len += trailer;
  char *p = out->ptr + at, *entry = p + 8, *tail = entry + SEGMENT_INDEX_ENTRY;
  put_u32(p, SEGMENT_SKIPPABLE_TRAILER);
  put_u32(p + 4, (uint32_t)trailer - 8);
  put_u64(entry, header);
  put_u32(entry + 8, (uint32_t)frame.len);
  put_u32(entry + 12, content_size);
  put_u32(entry + 16, 1);
  put_u64(entry + 24, hash_slice(frame));
  put_u64(tail, 1);
  put_u64(tail + 8, content_size);
  put_u64(tail + 16, header_hash);
  put_u32(tail + 24, 1);
  put_u32(tail + 28, (uint32_t)header);
  put_u64(tail + 32, hash_bytes(p, trailer - 16));
  memcpy(tail + 40, SEGMENT_END_MAGIC, 8);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  if (!size) return 0;
  struct slice rest = slice_of((const char *)data + 1, size - 1);
  struct buf file = {0}, frame = {0};
  if (data[0] == 0) {
    read_file(rest);
    return 0;
  }
  size_t content_size = rest.len;
  if (data[0] == 1) {
    content_size = (size_t)ZSTD_getFrameContentSize(rest.ptr, rest.len);
    buf_append_slice(&frame, rest);
  } else {
    size_t bound = ZSTD_compressBound(rest.len);
    frame.len = ZSTD_compress(buf_reserve(&frame, bound), bound, rest.ptr, rest.len, 1);
  }
  append_segment(buf_slice(&frame), (uint32_t)content_size, &file);
  read_file(buf_slice(&file));
  buf_deinit(&file);
  buf_deinit(&frame);
  return 0;
}
