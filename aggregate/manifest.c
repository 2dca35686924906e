/* The copy of what only the catalog knows. See manifest.h. */
#include "aggregate/manifest.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "aggregate/segment_format.h"
#include "base/hash.h"

enum { MANIFEST_VERSION = 1, SEGMENT_FIELDS = 3, INPUT_FIELDS = 10, HASH_BYTES = 8 };
/* Ten million inputs have less; nobody else's file is read into memory. */
#define MANIFEST_BYTES_MAX (4ull << 30)

static char *manifest_path(const char *dir, const char *suffix) {
  char *path;
  return asprintf(&path, "%s/manifest%s", dir, suffix) < 0 ? NULL : path;
}

/* ---- writing ----------------------------------------------------------------------------------------------------------------- */

static void encode_input(void *context, const struct input_position *input) {
  struct buf *out = context;
  msgpack_write_array(out, INPUT_FIELDS);
  msgpack_write_u64(out, input->kind);
  msgpack_write_str(out, input->name);
  const uint64_t numbers[] = {input->device,   input->inode,     input->head_len,  input->head_hash,
                              input->tail_len, input->tail_hash, input->committed, input->replay_from};
  for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) msgpack_write_u64(out, numbers[i]);
}

static void count_input(void *context, const struct input_position *input) {
  (void)input;
  ++*(uint32_t *)context;
}

static bool encode(struct catalog *catalog, struct buf *out, struct error *err) {
  struct segment_record *segments;
  size_t count;
  uint32_t input_count = 0;
  if (!catalog_read_segments(catalog, DATASET_COUNT, &segments, &count, err)) return false;
  msgpack_write_array(out, 3);
  msgpack_write_u64(out, MANIFEST_VERSION);
  msgpack_write_array(out, (uint32_t)count);
  for (size_t i = 0; i < count; i++) {
    msgpack_write_array(out, SEGMENT_FIELDS);
    msgpack_write_u64(out, segments[i].id);
    msgpack_write_str(out, slice_from_cstr(segments[i].name));
    msgpack_write_u64(out, segments[i].index_hash);
  }
  free(segments);
  if (!catalog_each_input(catalog, count_input, &input_count, err)) return false;
  msgpack_write_array(out, input_count);
  if (!catalog_each_input(catalog, encode_input, out, err)) return false;
  char hash[HASH_BYTES];
  put_u64(hash, hash_slice(buf_slice(out)));
  buf_append(out, hash, sizeof hash);
  return true;
}

static bool write_file(const char *path, struct slice bytes, struct error *err) {
  int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0640);
  bool ok = fd >= 0;
  while (ok && bytes.len) {
    ssize_t wrote = write(fd, bytes.ptr, bytes.len);
    if (wrote < 0 && errno == EINTR) continue;
    ok = wrote >= 0;
    if (ok) bytes = slice_skip(bytes, (size_t)wrote);
  }
  ok = ok && fsync(fd) == 0;
  if (!ok) error_set_errno(err, ERROR_STORAGE, errno, "cannot write %s", path);
  if (fd >= 0) close(fd);
  return ok;
}

bool manifest_write(const char *dir, struct catalog *catalog, struct error *err) {
  struct buf bytes = {0};
  char *path = manifest_path(dir, ""), *temporary = manifest_path(dir, ".tmp");
  bool ok = path && temporary && encode(catalog, &bytes, err) && write_file(temporary, buf_slice(&bytes), err);
  if (ok && rename(temporary, path) != 0) ok = error_set_errno(err, ERROR_STORAGE, errno, "cannot rename %s", temporary);
  if (!ok && temporary) unlink(temporary);
  free(path);
  free(temporary);
  buf_deinit(&bytes);
  return ok;
}

/* ---- reading ----------------------------------------------------------------------------------------------------------------- */

static bool read_file(const char *path, struct buf *out, struct error *err) {
  struct stat st;
  int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  bool ok = fd >= 0 && fstat(fd, &st) == 0;
  if (!ok) error_set_errno(err, ERROR_INPUT, errno, "cannot read %s", path);
  if (ok && (!S_ISREG(st.st_mode) || (uint64_t)st.st_size > MANIFEST_BYTES_MAX || st.st_size < HASH_BYTES))
    ok = error_set(err, ERROR_INPUT, "%s: is no manifest", path);
  while (ok && out->len < (size_t)st.st_size) {
    ssize_t got = read(fd, buf_reserve(out, (size_t)st.st_size - out->len), (size_t)st.st_size - out->len);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) ok = error_set_errno(err, ERROR_INPUT, errno, "cannot read %s", path);
    if (got == 0) ok = error_set(err, ERROR_INPUT, "%s: is cut short", path);
    if (got > 0) out->len += (size_t)got;
  }
  if (fd >= 0) close(fd);
  return ok;
}

static bool decode_segment(struct msgpack_reader *at, struct manifest_segment *out) {
  uint32_t fields;
  return msgpack_read_array(at, &fields) && fields == SEGMENT_FIELDS && msgpack_read_u64(at, &out->id) &&
         msgpack_read_str(at, &out->name) && msgpack_read_u64(at, &out->index_hash);
}

static bool decode_input(struct msgpack_reader *at, struct input_position *out) {
  uint32_t fields;
  uint64_t kind, numbers[INPUT_FIELDS - 2];
  bool ok = msgpack_read_array(at, &fields) && fields == INPUT_FIELDS && msgpack_read_u64(at, &kind) &&
            (kind == INPUT_FILE || kind == INPUT_KAFKA) && msgpack_read_str(at, &out->name);
  for (size_t i = 0; ok && i < INPUT_FIELDS - 2; i++) ok = msgpack_read_u64(at, &numbers[i]);
  if (!ok) return false;
  *out = (struct input_position){.kind = (enum input_kind)kind,
                                 .name = out->name,
                                 .device = numbers[0],
                                 .inode = numbers[1],
                                 .head_len = (uint32_t)numbers[2],
                                 .head_hash = numbers[3],
                                 .tail_len = (uint32_t)numbers[4],
                                 .tail_hash = numbers[5],
                                 .committed = numbers[6],
                                 .replay_from = numbers[7]};
  return true;
}

/* What is under the checksum. */
static bool decode(struct manifest *out, struct slice body) {
  struct msgpack_reader at = msgpack_reader_of(body);
  uint32_t count;
  uint64_t version;
  if (!msgpack_read_array(&at, &count) || count != 3 || !msgpack_read_u64(&at, &version) || version != MANIFEST_VERSION)
    return false;
  if (!msgpack_read_array(&at, &count)) return false;
  out->segments = memory_alloc(count * sizeof *out->segments);
  for (; out->segment_count < count; out->segment_count++)
    if (!decode_segment(&at, &out->segments[out->segment_count])) return false;
  if (!msgpack_read_array(&at, &count)) return false;
  out->inputs = memory_alloc(count * sizeof *out->inputs);
  for (; out->input_count < count; out->input_count++)
    if (!decode_input(&at, &out->inputs[out->input_count])) return false;
  return at.ptr == at.end;
}

bool manifest_read(const char *dir, struct manifest *out, struct error *err) {
  *out = (struct manifest){0};
  char *path = manifest_path(dir, "");
  bool ok = path && read_file(path, &out->bytes, err);
  if (ok) {
    struct slice body = slice_of(out->bytes.ptr, out->bytes.len - HASH_BYTES);
    if (hash_slice(body) != get_u64(body.ptr + body.len))
      ok = error_set(err, ERROR_INPUT, "%s: its checksum differs", path);
    else if (!decode(out, body))
      ok = error_set(err, ERROR_INPUT, "%s: is of another version of bouncemill", path);
  }
  free(path);
  return ok;
}

void manifest_deinit(struct manifest *manifest) {
  buf_deinit(&manifest->bytes);
  free(manifest->segments);
  free(manifest->inputs);
}
