/* Reads one open log into batches. See log_file.h; log_file_identity.c says what the file is. */
#include "ingest/log_file.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/memory.h"
#include "ingest/log_file_internal.h"

/* How long a stream may be silent before what came so far is handed out: longer batches are parsed in parallel. */
#define STREAM_GATHER_MS 20

/* Bytes before the first batch, for "last message repeated". */
static bool load_lookback(struct log_file *file, uint64_t position, struct error *err) {
  struct slice before;
  uint64_t reached;
  size_t cap = file->buffer->lookback_cap;
  if (!log_file_read_before(file, position, cap + 1, &before, &reached, err)) return false;
  bool is_whole = before.len && before.ptr[before.len - 1] == '\n';
  if (is_whole) batch_buffer_set_lookback(file->buffer, before);
  return true;
}

static bool start_known(struct log_file *file, const struct file_match *match, struct error *err) {
  struct input_position position = *match->position;
  struct input *input = match->input;
  if (!input) input = input_table_add(file->table, INPUT_FILE, file->path, input_table_scope(file->table, "files"), &position);
  input->position.device = file->device;
  input->position.inode = file->inode;
  file->input = input;
  file->replay_end = position.committed;
  uint64_t from = position.replay_from < position.committed ? position.replay_from : position.committed;
  if (match->input) from = position.committed; /* this run has joined what stands before */
  batch_buffer_reset(file->buffer, from);
  input->done = from;
  return load_lookback(file, from, err);
}

/* Reading goes on behind what is there: it was read, but the file was longer then. */
static bool start_behind_cut(struct log_file *file, const struct file_match *match, struct error *err) {
  char path[512];
  struct slice tail;
  uint64_t reached;
  if (!log_file_read_before(file, UINT64_MAX, FINGERPRINT_TAIL_BYTES, &tail, &reached, err)) return false;
  log_event(LOG_WARNING, "file_cut", "path=%s had_bytes=%llu has_bytes=%llu",
            log_value(path, sizeof path, slice_from_cstr(file->path)), (unsigned long long)match->position->committed,
            (unsigned long long)reached);
  batch_buffer_reset(file->buffer, reached);
  fingerprint_commit(&file->input->position, &file->head, reached, tail);
  file->input->done = file->replay_end = reached;
  return true;
}

static bool start_reading(struct log_file *file, struct error *err) {
  batch_buffer_reset(file->buffer, 0);
  if (file->is_stream) {
    const char *scope = file->fd == STDIN_FILENO ? "stdin" : "files";
    file->input = input_table_add(file->table, INPUT_STDIN, file->path, input_table_scope(file->table, scope), NULL);
    file->reader = byte_reader_new(file->fd, file->path);
    return true;
  }
  struct file_match match;
  if (!log_file_identify(file, &match, err)) return false;
  if (match.identity == FILE_KNOWN) {
    if (!start_known(file, &match, err)) return false;
  } else {
    struct input_position position = {.device = file->device, .inode = file->inode};
    file->input = input_table_add(file->table, INPUT_FILE, file->path, input_table_scope(file->table, "files"), &position);
    if (match.identity == FILE_CUT && !start_behind_cut(file, &match, err)) return false;
  }
  file->input->has_position = true;
  if (!file->is_packed || match.identity != FILE_NEW) return true;
  /* Looking for known positions may have moved the descriptor. */
  byte_reader_free(file->reader);
  file->reader = byte_reader_new(file->fd, file->path);
  if (lseek(file->fd, 0, SEEK_SET) < 0) return error_set_errno(err, ERROR_INPUT, errno, "%s: cannot read", file->path);
  return true;
}

struct log_file *log_file_open(struct input_table *table, const char *path, struct batch_buffer *buffer, bool *is_missing,
                               struct error *err) {
  struct log_file *file = memory_zeroed(sizeof *file);
  file->table = table;
  file->path = strcpy(memory_alloc(strlen(path) + 1), path);
  file->buffer = buffer;
  if (log_file_look(file, is_missing, err) && start_reading(file, err)) {
    file->input->is_open = true;
    file->input->is_ended = false;
    return file;
  }
  log_file_free(file);
  return NULL;
}

void log_file_free(struct log_file *file) {
  if (!file) return;
  if (file->input) file->input->is_open = false;
  log_file_deinit(file);
  free(file);
}

struct input *log_file_input(const struct log_file *file) {
  return file->input;
}

uint64_t log_file_stored_bytes(const struct log_file *file) {
  return file->reader ? byte_reader_stored_bytes(file->reader) : batch_buffer_read_position(file->buffer);
}

static bool is_replaying(const struct log_file *file) { return file->buffer->position < file->replay_end; }

/* Fields of a batch that do not depend on its bytes. */
static void describe(const struct log_file *file, struct batch *batch) {
  *batch = (struct batch){.input = file->input->number, .scope = file->input->scope, .is_replay = is_replaying(file)};
  batch->position = file->buffer->position;
  batch->reference_time_us = file->is_stream ? clock_wall_us() : file->modified_us;
}

/* Takes whole lines out of the buffer and moves the input's position behind them. */
static bool take(struct log_file *file, bool is_end, struct batch *batch) {
  describe(file, batch);
  struct batch_buffer *buffer = file->buffer;
  if (!batch_buffer_take(buffer, is_end, batch)) return false;
  file->input->done = buffer->position;
  uint64_t real_len = buffer->position - batch->position; /* less than batch->len when a newline was added */
  if (real_len > batch->len) real_len = batch->len;
  file_head_extend(&file->head, batch->position, slice_of(batch->base, real_len));
  batch->head = file_head_line(&file->head);
  batch->first_lines = file_head_lines(&file->head);
  if (file->is_stream || batch->is_replay) return true;
  fingerprint_commit(&file->input->position, &file->head, buffer->position, buffer->tail);
  return true;
}

static bool refresh(struct log_file *file, struct error *err) {
  struct stat st;
  if (fstat(file->fd, &st) != 0) return error_set_errno(err, ERROR_INPUT, errno, "%s: cannot read", file->path);
  file->size = (uint64_t)st.st_size;
  file->modified_us = (int64_t)st.st_mtim.tv_sec * US_PER_SECOND + st.st_mtim.tv_nsec / 1000;
  return true;
}

static enum log_file_step next_plain(struct log_file *file, struct batch *batch, struct batch_fill *fill, struct error *err) {
  if (!refresh(file, err)) return LOG_FILE_FAILED;
  size_t room;
  char *to = batch_buffer_prepare(file->buffer, &room);
  uint64_t at = batch_buffer_read_position(file->buffer), limit = file->size;
  if (is_replaying(file) && limit > file->replay_end) limit = file->replay_end;
  /* Behind a line that was cut, whole lines may be here already. */
  if (at >= limit) return take(file, false, batch) ? LOG_FILE_BATCH : LOG_FILE_AT_END;
  describe(file, batch);
  *fill = (struct batch_fill){.fd = file->fd, .offset = at, .to = to};
  fill->want = limit - at < room ? (size_t)(limit - at) : room;
  return LOG_FILE_BATCH;
}

void log_file_filled(struct log_file *file, struct batch *batch, size_t got) {
  batch_buffer_add(file->buffer, got);
  bool is_replay_end = is_replaying(file) && batch_buffer_read_position(file->buffer) == file->replay_end;
  if (!take(file, is_replay_end, batch)) batch->len = 0;
}

/* Whether a stream has bytes now; waits for them at most that long. */
static bool wait_for_bytes(const struct log_file *file, int timeout_ms) {
  struct pollfd poll_fd = {.fd = file->fd, .events = POLLIN};
  return byte_reader_has_pending(file->reader) || poll(&poll_fd, 1, timeout_ms) > 0;
}

/* Gathers bytes until the buffer is full, the end, or a stream's silence. */
static enum log_file_step next_read(struct log_file *file, int timeout_ms, struct batch *batch, struct error *err) {
  size_t room;
  char *to = batch_buffer_prepare(file->buffer, &room);
  enum log_file_step otherwise = LOG_FILE_WAIT;
  bool has_more = true, is_replay_end = false;
  for (bool is_first = true; room && has_more && !is_replay_end; is_first = false) {
    if (file->is_stream && !wait_for_bytes(file, is_first ? timeout_ms : STREAM_GATHER_MS)) break;
    size_t want = room;
    uint64_t at = batch_buffer_read_position(file->buffer);
    if (is_replaying(file) && file->replay_end - at < want) want = (size_t)(file->replay_end - at);
    ssize_t got = byte_reader_read(file->reader, to, want, err);
    has_more = got > 0 || got == BYTE_READER_NOTHING_YET;
    if (!has_more) otherwise = got == 0 ? LOG_FILE_AT_END : LOG_FILE_FAILED;
    if (got <= 0) continue;
    batch_buffer_add(file->buffer, (size_t)got);
    to += got, room -= (size_t)got;
    is_replay_end = is_replaying(file) && at + (uint64_t)got == file->replay_end;
  }
  return take(file, is_replay_end, batch) ? LOG_FILE_BATCH : otherwise;
}

enum log_file_step log_file_next(struct log_file *file, int timeout_ms, struct batch *batch, struct batch_fill *fill,
                                 struct error *err) {
  fill->want = 0;
  return file->reader ? next_read(file, timeout_ms, batch, err) : next_plain(file, batch, fill, err);
}

bool log_file_end(struct log_file *file, struct batch *batch) {
  if (take(file, true, batch)) return true;
  file->input->is_ended = true;
  return false;
}

bool log_file_is_at(const struct log_file *file, const char *path, bool *exists) {
  struct stat st;
  *exists = stat(path, &st) == 0;
  return *exists && st.st_dev == file->device && st.st_ino == file->inode;
}

bool log_file_is_rewritten(struct log_file *file) {
  if (file->is_stream || file->is_packed) return false;
  if (!refresh(file, NULL) || file->size < batch_buffer_read_position(file->buffer)) return true;
  const struct input_position *position = &file->input->position;
  if (is_replaying(file) || position->committed == 0) return false;
  struct slice bytes;
  uint64_t reached;
  if (!log_file_read_before(file, position->head_len, position->head_len, &bytes, &reached, NULL)) return false;
  if (hash_slice(bytes) != position->head_hash) return true;
  if (!log_file_read_before(file, position->committed, position->tail_len, &bytes, &reached, NULL)) return false;
  return hash_slice(bytes) != position->tail_hash;
}
