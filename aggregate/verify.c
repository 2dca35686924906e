/* Is the store whole: SQLite's own check, every byte and every row of every segment, and no file too few or too many; and the
 * segments that are whole, for other engines. */
#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/file.h>
#include <unistd.h>

#include "aggregate/readers.h"
#include "aggregate/segment_reader.h"
#include "aggregate/store.h"
#include "base/buf.h"
#include "base/log.h"

struct verify {
  struct store *store;
  struct segment_decoder *decoder;
  void (*each)(void *context, const char *path, const char *finding);
  void *context;
};

static void tell_catalog(void *context, const char *finding) {
  struct verify *verify = context;
  verify->each(verify->context, "catalog.sqlite", finding);
}

static const char *segment_path(const struct verify *verify, const char *name, struct buf *path) {
  buf_clear(path);
  buf_printf(path, "%s/%s", store_segments_dir(verify->store), name);
  buf_append_byte(path, '\0');
  return path->ptr;
}

/* Keys ascend, and none comes twice. The row before is kept encoded, since its strings go with its frame. */
static bool check_rows(struct segment_reader *reader, const struct dataset *dataset, struct error *err) {
  struct buf last = {0}, next = {0};
  union any_row before;
  uint64_t rows = 0;
  const void *row;
  bool is_good = true;
  while (is_good && (is_good = segment_reader_next(reader, &row, err)) && row) {
    struct msgpack_reader encoded = msgpack_reader_of(buf_slice(&last));
    if (rows++ && (!dataset->decode(&encoded, &before) || dataset->compare(&before, row) >= 0))
      is_good = error_set(err, ERROR_INPUT, "row %" PRIu64 " is not in order", rows);
    buf_clear(&next);
    dataset->encode(row, &next);
    struct buf swap = last;
    last = next;
    next = swap;
  }
  if (is_good && rows != segment_reader_record(reader)->rows) is_good = error_set(err, ERROR_INPUT, "has %" PRIu64 " rows", rows);
  buf_deinit(&last);
  buf_deinit(&next);
  return is_good;
}

static void check_segment(struct verify *verify, const struct segment_record *record) {
  struct error err = {0};
  struct buf path = {0};
  const struct dataset *dataset = &DATASETS[record->dataset];
  segment_path(verify, record->name, &path);
  struct segment_reader *reader = segment_reader_open(path.ptr, dataset, verify->decoder, &err);
  bool is_good = reader && segment_reader_is(reader, record, &err) && segment_reader_check_frames(reader, &err) &&
                 check_rows(reader, dataset, &err);
  if (!is_good) verify->each(verify->context, path.ptr, err.text);
  segment_reader_close(reader);
  buf_deinit(&path);
}

/* Whether a run writes this store now: then files come and go. */
static bool is_being_written(const struct verify *verify) {
  struct buf path = {0};
  segment_path(verify, "../lock", &path);
  int fd = open(path.ptr, O_RDONLY | O_CLOEXEC);
  bool is_locked = fd >= 0 && flock(fd, LOCK_SH | LOCK_NB) != 0;
  if (fd >= 0) close(fd);
  buf_deinit(&path);
  return is_locked;
}

static bool is_retired(const struct retired_file *files, size_t count, const char *name) {
  for (size_t i = 0; i < count; i++)
    if (strcmp(files[i].name, name) == 0) return true;
  return false;
}

/* Retired files are there as long as a reader may have them open. */
static bool check_strangers(struct verify *verify, const struct segment_record *known, size_t count, struct error *err) {
  struct retired_file *retired;
  size_t retired_count;
  if (!catalog_read_retired(store_catalog(verify->store), &retired, &retired_count, err)) return false;
  DIR *dir = opendir(store_segments_dir(verify->store));
  struct buf path = {0};
  for (struct dirent *item; dir && (item = readdir(dir));) {
    if (item->d_name[0] == '.') continue;
    size_t i = 0;
    while (i < count && strcmp(known[i].name, item->d_name) != 0) i++;
    if (i == count && !is_retired(retired, retired_count, item->d_name))
      verify->each(verify->context, segment_path(verify, item->d_name, &path),
                   "is not in the catalog: left by a killed run, which the next one sweeps, or not of bouncemill");
  }
  if (dir) closedir(dir);
  buf_deinit(&path);
  free(retired);
  return true;
}

bool store_verify(struct store *store, void (*each)(void *context, const char *path, const char *finding), void *context,
                  struct error *err) {
  struct verify verify = {.store = store, .each = each, .context = context};
  struct segment_record *records;
  size_t count;
  bool is_written = is_being_written(&verify);
  if (!catalog_check(store_catalog(store), tell_catalog, &verify, err)) return false;
  int mark;
  if (!store_snapshot(store, DATASET_COUNT, &records, &count, &mark, err)) return false;
  verify.decoder = segment_decoder_new();
  for (size_t i = 0; i < count; i++) check_segment(&verify, &records[i]);
  readers_unmark(mark);
  bool is_done = is_written || is_being_written(&verify) || check_strangers(&verify, records, count, err);
  segment_decoder_free(verify.decoder);
  free(records);
  return is_done;
}

/* ---- whole segments, for other engines --------------------------------------------------------------------------------------- */

struct whole_segments {
  struct store *store;
  struct segment_decoder *decoder;
  bool (*each)(void *context, const char *path);
  void *context;
  size_t damaged;
};

/* False when `each` wants no more. */
static bool take_if_whole(struct whole_segments *whole, const struct segment_record *record) {
  struct error err = {0};
  struct buf path = {0};
  buf_printf(&path, "%s/%s", store_segments_dir(whole->store), record->name);
  buf_append_byte(&path, '\0');
  struct segment_reader *reader = segment_reader_open(path.ptr, &DATASETS[record->dataset], whole->decoder, &err);
  bool is_whole = reader && segment_reader_is(reader, record, &err) && segment_reader_check_frames(reader, &err);
  bool wants_more = !is_whole || whole->each(whole->context, path.ptr);
  if (!is_whole) {
    char quoted[ERROR_TEXT_MAX + 64];
    log_event(LOG_WARNING, "damaged_segment", "error=%s", log_value(quoted, sizeof quoted, slice_from_cstr(err.text)));
    whole->damaged++;
  }
  segment_reader_close(reader);
  buf_deinit(&path);
  return wants_more;
}

bool store_each_whole_segment(struct store *store, enum dataset_id dataset, bool (*each)(void *context, const char *path),
                              void *context, size_t *damaged, struct error *err) {
  struct whole_segments whole = {.store = store, .each = each, .context = context};
  struct segment_record *records;
  size_t count;
  if (!catalog_read_segments(store_catalog(store), dataset, &records, &count, err)) return false;
  whole.decoder = segment_decoder_new();
  for (size_t i = 0; i < count && take_if_whole(&whole, &records[i]); i++) continue;
  segment_decoder_free(whole.decoder);
  free(records);
  *damaged = whole.damaged;
  return true;
}
