/* aggregate/segment_writer and segment_reader: what is written is read, and nothing that was changed since is. */
#include <sys/mman.h>
#include <zstd.h>

#include "aggregate/segment_format.h"
#include "aggregate/segment_reader.h"
#include "base/hash.h"
#include "base/limits.h"
#include "tests/unit/store_rows.h"

/* A segment of `count` traffic rows, two for each minute from 1000, with domains d0000000, d0000001, ...; its bytes. */
static struct buf make_segment(size_t count, struct segment_record *record) {
  char dir[64], path[256], (*names)[32] = malloc(count * sizeof *names + 1);
  test_dir_make(dir);
  struct store *store = test_store_open(dir, STORE_WRITE);
  struct traffic_row *rows = malloc(count * sizeof *rows + 1);
  for (size_t i = 0; i < count; i++) {
    snprintf(names[i], sizeof names[i], "d%07zu", i);
    rows[i] = test_traffic((uint32_t)(1000 + i / 2), names[i], i + 1);
  }
  struct pending_segments *pending = pending_segments_new();
  test_write(store, DATASET_traffic, rows, count, pending);
  *record = *pending_segments_at(pending, 0);
  test_commit(store, pending);
  pending_segments_free(pending);
  ck_assert(test_segment_path(store, DATASET_traffic, 0, path));
  struct buf bytes = test_read_file(path);
  store_close(store);
  test_dir_remove(dir);
  free(rows);
  free(names);
  return bytes;
}

static int memory_file(struct slice bytes) {
  int fd = memfd_create("segment", MFD_CLOEXEC);
  ck_assert_int_ge(fd, 0);
  ck_assert_int_eq(write(fd, bytes.ptr, bytes.len), (ssize_t)bytes.len);
  return fd;
}

/* Reads everything in the file; false and err when something is wrong with it. */
static bool read_all(int fd, const struct dataset *dataset, size_t *rows, struct error *err) {
  struct segment_decoder *decoder = segment_decoder_new();
  struct segment_reader *reader = segment_reader_open_fd(fd, "test", dataset, decoder, err);
  const void *row;
  bool ok = reader != NULL;
  *rows = 0;
  while (ok && (ok = segment_reader_next(reader, &row, err)) && row) (*rows)++;
  segment_reader_close(reader);
  segment_decoder_free(decoder);
  return ok;
}

START_TEST(rows_are_read_as_they_were_written) {
  struct segment_record record;
  struct buf bytes = make_segment(50000, &record); /* several frames */
  struct error err = {0};
  int fd = memory_file(buf_slice(&bytes));
  struct segment_decoder *decoder = segment_decoder_new();
  struct segment_reader *reader = segment_reader_open_fd(fd, "test", &DATASETS[DATASET_traffic], decoder, &err);
  ck_assert_msg(reader != NULL, "%s", err.text);
  ck_assert_done(segment_reader_is(reader, &record, &err), err);
  ck_assert_done(segment_reader_check_frames(reader, &err), err);
  ck_assert_uint_eq(record.rows, 50000);
  ck_assert_int_eq(record.from_us, 1000 * 60 * US_PER_SECOND);
  ck_assert_int_eq(record.to_us, 26000 * 60 * US_PER_SECOND);
  ck_assert_uint_eq(record.resolution_s, 60);
  const void *row;
  char name[32];
  for (size_t i = 0; i < 50000; i++) {
    ck_assert_done(segment_reader_next(reader, &row, &err), err);
    const struct traffic_row *traffic = row;
    snprintf(name, sizeof name, "d%07zu", i);
    ck_assert_uint_eq(traffic->minute, 1000 + i / 2);
    ck_assert_slice_eq(traffic->recipient_domain, name);
    ck_assert_uint_eq(traffic->count, i + 1);
    ck_assert_uint_eq(traffic->delay.count[3], i + 1);
    ck_assert_uint_eq(traffic->delay.count[4], 0);
  }
  ck_assert_done(segment_reader_next(reader, &row, &err), err);
  ck_assert_ptr_null(row);
  ck_assert_uint_lt(segment_reader_frame_bytes(reader), LIMIT_FRAME_BYTES + 1024);
  segment_reader_close(reader);
  segment_decoder_free(decoder);
  close(fd);
  buf_deinit(&bytes);
}
END_TEST

START_TEST(every_single_flipped_bit_is_found) {
  struct segment_record record;
  struct buf bytes = make_segment(20, &record);
  int fd = memory_file(buf_slice(&bytes));
  size_t rows;
  struct error err = {0};
  ck_assert_done(read_all(fd, &DATASETS[DATASET_traffic], &rows, &err), err);
  ck_assert_uint_eq(rows, 20);
  for (size_t bit = 0; bit < bytes.len * 8; bit++) {
    char byte = (char)(bytes.ptr[bit / 8] ^ (1 << bit % 8));
    ck_assert_int_eq(pwrite(fd, &byte, 1, (off_t)(bit / 8)), 1);
    ck_assert_msg(!read_all(fd, &DATASETS[DATASET_traffic], &rows, NULL), "bit %zu of byte %zu of %zu is not found", bit % 8,
                  bit / 8, bytes.len);
    ck_assert_int_eq(pwrite(fd, &bytes.ptr[bit / 8], 1, (off_t)(bit / 8)), 1);
  }
  close(fd);
  buf_deinit(&bytes);
}
END_TEST

START_TEST(every_shorter_or_longer_file_is_refused) {
  struct segment_record record;
  struct buf bytes = make_segment(20, &record);
  size_t rows;
  for (size_t len = 0; len < bytes.len; len++) {
    int fd = memory_file(slice_of(bytes.ptr, len));
    ck_assert_msg(!read_all(fd, &DATASETS[DATASET_traffic], &rows, NULL), "the first %zu bytes are taken for a segment", len);
    close(fd);
  }
  buf_append_byte(&bytes, '\0');
  int fd = memory_file(buf_slice(&bytes));
  ck_assert(!read_all(fd, &DATASETS[DATASET_traffic], &rows, NULL));
  close(fd);
  buf_deinit(&bytes);
}
END_TEST

START_TEST(a_segment_of_another_dataset_is_refused_by_name) {
  struct segment_record record;
  struct buf bytes = make_segment(3, &record);
  struct error err = {0};
  size_t rows;
  int fd = memory_file(buf_slice(&bytes));
  ck_assert(!read_all(fd, &DATASETS[DATASET_relays], &rows, &err));
  ck_assert_ptr_nonnull(strstr(err.text, "traffic/1"));
  ck_assert_ptr_nonnull(strstr(err.text, "relays/1"));
  close(fd);
  buf_deinit(&bytes);
}
END_TEST

/* The trailer with its checksum made right again: what a liar would write. */
static void sign(struct buf *bytes) {
  char *tail = bytes->ptr + bytes->len - SEGMENT_TAIL;
  size_t trailer = SEGMENT_TRAILER_FIXED + (size_t)get_u32(tail + 24) * SEGMENT_INDEX_ENTRY;
  put_u64(tail + 32, hash_bytes(bytes->ptr + bytes->len - trailer, trailer - 16));
}

START_TEST(lies_under_a_right_checksum_are_found) {
  struct segment_record record;
  /* Where in the only entry of the index or in the tail, and what is put there. */
  static const struct {
    int entry, tail;
    uint32_t value;
  } lies[] = {
      {8, -1, 0xffffffff},  /* compressed size */
      {12, -1, 0x7fffffff}, /* content size: an allocation of 2 GiB if believed */
      {12, -1, 1},          {16, -1, 0},         {16, -1, 19},         {16, -1, 0xffffffff}, {20, -1, 999},
      {0, -1, 0},           {-1, 0, 0xffffffff}, {-1, 8, 0},           {-1, 24, 0xffffffff}, {-1, 24, 0},
      {-1, 28, 0},          {-1, 28, 47},        {-1, 28, 0xffffffff},
  };
  for (size_t i = 0; i < sizeof lies / sizeof *lies; i++) {
    struct buf bytes = make_segment(20, &record);
    char *tail = bytes.ptr + bytes.len - SEGMENT_TAIL, *entry = tail - SEGMENT_INDEX_ENTRY;
    put_u32(lies[i].entry >= 0 ? entry + lies[i].entry : tail + lies[i].tail, lies[i].value);
    if (lies[i].tail != 24) sign(&bytes);
    int fd = memory_file(buf_slice(&bytes));
    size_t rows;
    ck_assert_msg(!read_all(fd, &DATASETS[DATASET_traffic], &rows, NULL), "lie %zu is believed", i);
    close(fd);
    buf_deinit(&bytes);
  }
}
END_TEST

/* Puts `frame` in the place of the only data frame, with index and checksums to match. */
static struct buf with_frame(const struct buf *bytes, struct slice frame, uint32_t content_size, uint32_t rows) {
  const char *tail = bytes->ptr + bytes->len - SEGMENT_TAIL;
  size_t trailer = SEGMENT_TRAILER_FIXED + SEGMENT_INDEX_ENTRY, header = get_u32(tail + 28);
  struct buf out = {0};
  buf_append(&out, bytes->ptr, header);
  buf_append_slice(&out, frame);
  buf_append(&out, bytes->ptr + bytes->len - trailer, trailer);
  char *new_tail = out.ptr + out.len - SEGMENT_TAIL, *entry = new_tail - SEGMENT_INDEX_ENTRY;
  put_u32(entry + 8, (uint32_t)frame.len);
  put_u32(entry + 12, content_size);
  put_u32(entry + 16, rows);
  put_u64(entry + 24, hash_slice(frame));
  put_u64(new_tail, rows);
  put_u64(new_tail + 8, content_size);
  sign(&out);
  return out;
}

static bool frame_is_read(const struct buf *bytes, struct slice frame, uint32_t content_size, uint32_t count) {
  struct buf forged = with_frame(bytes, frame, content_size, count);
  int fd = memory_file(buf_slice(&forged));
  size_t rows;
  bool is_read = read_all(fd, &DATASETS[DATASET_traffic], &rows, NULL);
  close(fd);
  buf_deinit(&forged);
  return is_read;
}

START_TEST(a_zstd_window_beyond_the_limit_is_refused) {
  struct segment_record record;
  struct buf bytes = make_segment(1, &record), rows = {0};
  struct traffic_row row = test_traffic(1000, "d0000000", 1);
  DATASETS[DATASET_traffic].encode(&row, &rows);
  /* Magic, descriptor (4 bytes of content size, no single segment), window, content size, one raw block that is the last. */
  char frame[512];
  size_t len = rows.len, at = 10;
  memcpy(frame, "\x28\xb5\x2f\xfd\x80", 5);
  put_u32(frame + 6, (uint32_t)len);
  put_u32(frame + at, (uint32_t)len << 3 | 1);
  memcpy(frame + at + 3, rows.ptr, len);
  frame[5] = (LIMIT_ZSTD_WINDOW_LOG - 10) << 3;
  ck_assert(frame_is_read(&bytes, slice_of(frame, at + 3 + len), (uint32_t)len, 1));
  frame[5] |= 1; /* an eighth more than the limit */
  ck_assert(!frame_is_read(&bytes, slice_of(frame, at + 3 + len), (uint32_t)len, 1));
  frame[5] = (char)(21 << 3); /* 2 GiB */
  ck_assert(!frame_is_read(&bytes, slice_of(frame, at + 3 + len), (uint32_t)len, 1));
  buf_deinit(&rows);
  buf_deinit(&bytes);
}
END_TEST

START_TEST(a_frame_whose_rows_do_not_fit_it_is_refused) {
  struct segment_record record;
  struct buf bytes = make_segment(1, &record), rows = {0};
  struct traffic_row row = test_traffic(1000, "d0000000", 1);
  DATASETS[DATASET_traffic].encode(&row, &rows);
  char frame[1024];
  uint32_t len = (uint32_t)rows.len;
  size_t size = ZSTD_compress(frame, sizeof frame, rows.ptr, len, 1);
  ck_assert(frame_is_read(&bytes, slice_of(frame, size), len, 1));
  /* A string that promises 4 GiB in place of the direction; a byte behind the last row; two frames in one; other sizes. */
  struct buf bad = {0};
  buf_append(&bad, rows.ptr, 3);
  buf_append(&bad, "\xdb\xff\xff\xff\xff", 5);
  buf_append(&bad, rows.ptr, rows.len);
  size = ZSTD_compress(frame, sizeof frame, bad.ptr, bad.len, 1);
  ck_assert(!frame_is_read(&bytes, slice_of(frame, size), (uint32_t)bad.len, 1));
  buf_append_byte(&rows, 'x');
  size = ZSTD_compress(frame, sizeof frame, rows.ptr, len + 1, 1);
  ck_assert(!frame_is_read(&bytes, slice_of(frame, size), len + 1, 1));
  size = ZSTD_compress(frame, sizeof frame, rows.ptr, len, 1);
  ck_assert(!frame_is_read(&bytes, slice_of(frame, size), len + 1, 1));
  ck_assert(!frame_is_read(&bytes, slice_of(frame, size), len - 1, 1));
  memmove(frame + size, frame, size);
  ck_assert(!frame_is_read(&bytes, slice_of(frame, size * 2), len, 1));
  buf_deinit(&bad);
  buf_deinit(&rows);
  buf_deinit(&bytes);
}
END_TEST

/* The minutes (or hours) of the first and last row within [since, until), and how many rows. */
static size_t rows_between(int fd, const struct dataset *dataset, int64_t since_us, int64_t until_us, uint32_t *first,
                           uint32_t *last) {
  struct error err = {0};
  struct segment_decoder *decoder = segment_decoder_new();
  struct segment_reader *reader = segment_reader_open_fd(fd, "test", dataset, decoder, &err);
  ck_assert_msg(reader != NULL, "%s", err.text);
  segment_reader_set_range(reader, since_us, until_us);
  const void *row;
  size_t count = 0;
  for (; segment_reader_next(reader, &row, &err) && row; count++) {
    *last = segment_row_period(dataset, row);
    if (!count) *first = *last;
  }
  segment_reader_close(reader);
  segment_decoder_free(decoder);
  return count;
}

START_TEST(minutes_that_begin_in_the_range_are_read) {
  const int64_t minute = 60 * US_PER_SECOND;
  struct segment_record record;
  struct buf bytes = make_segment(50000, &record); /* minutes 1000 to 25999 */
  const struct dataset *traffic = &DATASETS[DATASET_traffic];
  int fd = memory_file(buf_slice(&bytes));
  uint32_t first, last;
  ck_assert_uint_eq(rows_between(fd, traffic, INT64_MIN, INT64_MAX, &first, &last), 50000);
  ck_assert_uint_eq(rows_between(fd, traffic, 20000 * minute, 20002 * minute, &first, &last), 4);
  ck_assert_uint_eq(first, 20000);
  ck_assert_uint_eq(last, 20001);
  ck_assert_uint_eq(rows_between(fd, traffic, 20000 * minute + 1, 20002 * minute + 1, &first, &last), 4);
  ck_assert_uint_eq(first, 20001);
  ck_assert_uint_eq(last, 20002);
  /* Wherever the frames begin. */
  for (int64_t at = 1000; at < 26000; at += 97)
    ck_assert_uint_eq(rows_between(fd, traffic, at * minute, (at + 1) * minute, &first, &last), 2);
  ck_assert_uint_eq(rows_between(fd, traffic, 25999 * minute, INT64_MAX, &first, &last), 2);
  ck_assert_uint_eq(rows_between(fd, traffic, INT64_MIN, 1000 * minute, &first, &last), 0);
  ck_assert_uint_eq(rows_between(fd, traffic, 26000 * minute, INT64_MAX, &first, &last), 0);
  close(fd);
  buf_deinit(&bytes);
}
END_TEST

START_TEST(hours_that_overlap_the_range_are_read) {
  const int64_t hour = 3600 * US_PER_SECOND;
  struct error err = {0};
  const struct dataset *replies = &DATASETS[DATASET_replies];
  struct segment_writer *w = segment_writer_new_run(replies, NULL, &err);
  ck_assert_msg(w != NULL, "%s", err.text);
  for (uint32_t i = 0; i < 10; i++) {
    struct replies_row row = test_reply(i, "t", "e", 0);
    ck_assert_done(segment_writer_add(w, &row, &err), err);
  }
  int fd = segment_writer_finish_run(w, &err);
  ck_assert_int_ge(fd, 0);
  uint32_t first, last;
  ck_assert_uint_eq(rows_between(fd, replies, hour, 2 * hour, &first, &last), 1);
  ck_assert_uint_eq(first, 1);
  ck_assert_uint_eq(rows_between(fd, replies, hour - 1, 2 * hour + 1, &first, &last), 3);
  ck_assert_uint_eq(first, 0);
  ck_assert_uint_eq(rows_between(fd, replies, 5 * hour + hour / 2, INT64_MAX, &first, &last), 5);
  ck_assert_uint_eq(first, 5);
  ck_assert_uint_eq(rows_between(fd, replies, 10 * hour, INT64_MAX, &first, &last), 0);
  close(fd);
}
END_TEST

START_TEST(any_zstd_reader_gets_the_rows_and_nothing_else) {
  struct segment_record record;
  struct buf bytes = make_segment(100, &record), plain = {0}, want = {0};
  ZSTD_DCtx *zstd = ZSTD_createDCtx();
  ZSTD_inBuffer in = {bytes.ptr, bytes.len, 0};
  ZSTD_outBuffer out = {buf_reserve(&plain, 1 << 20), 1 << 20, 0};
  while (in.pos < in.size) ck_assert(!ZSTD_isError(ZSTD_decompressStream(zstd, &out, &in)));
  char name[32];
  for (size_t i = 0; i < 100; i++) {
    snprintf(name, sizeof name, "d%07zu", i);
    struct traffic_row row = test_traffic((uint32_t)(1000 + i / 2), name, i + 1);
    DATASETS[DATASET_traffic].encode(&row, &want);
  }
  ck_assert_uint_eq(out.pos, want.len);
  ck_assert_mem_eq(plain.ptr, want.ptr, want.len);
  ZSTD_freeDCtx(zstd);
  buf_deinit(&want);
  buf_deinit(&plain);
  buf_deinit(&bytes);
}
END_TEST

TEST_MAIN(rows_are_read_as_they_were_written, every_single_flipped_bit_is_found, every_shorter_or_longer_file_is_refused,
          a_segment_of_another_dataset_is_refused_by_name, lies_under_a_right_checksum_are_found,
          a_zstd_window_beyond_the_limit_is_refused, a_frame_whose_rows_do_not_fit_it_is_refused,
          minutes_that_begin_in_the_range_are_read, hours_that_overlap_the_range_are_read,
          any_zstd_reader_gets_the_rows_and_nothing_else)
