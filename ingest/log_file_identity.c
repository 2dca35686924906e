/* Finds out what a file is before it is read: whether its bytes are in the store already, and how far. See log_file.h. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/hash.h"
#include "base/memory.h"
#include "ingest/log_file_internal.h"

/* pread until `len` bytes are there or the file ends; -1 with errno. */
static int64_t read_at(int fd, char *to, size_t len, uint64_t offset) {
  size_t got = 0;
  while (got < len) {
    ssize_t n = pread(fd, to + got, len - got, (off_t)(offset + got));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return -1;
    if (n == 0) break;
    got += (size_t)n;
  }
  return (int64_t)got;
}

static bool fail_read(const struct log_file *file, struct error *err) {
  return error_set_errno(err, ERROR_INPUT, errno, "%s: cannot read", file->path);
}

/* The head of a packed file. What is damaged shows when the file is read. */
static void read_packed_head(struct log_file *file) {
  struct byte_reader *reader = byte_reader_new(file->fd, file->path);
  char bytes[FINGERPRINT_HEAD_BYTES];
  ssize_t got;
  while (file->head.len < sizeof bytes && (got = byte_reader_read(reader, bytes, sizeof bytes, NULL)) != 0) {
    if (got == BYTE_READER_FAILED) break;
    if (got > 0) file_head_extend(&file->head, file->head.len, slice_of(bytes, (size_t)got));
  }
  byte_reader_free(reader);
}

static bool look_at_head(struct log_file *file, struct error *err) {
  char bytes[FINGERPRINT_HEAD_BYTES];
  int64_t got = read_at(file->fd, bytes, sizeof bytes, 0);
  if (got < 0) return fail_read(file, err);
  file->is_packed = byte_reader_is_packed(slice_of(bytes, (size_t)got));
  if (file->is_packed)
    read_packed_head(file);
  else
    file_head_extend(&file->head, 0, slice_of(bytes, (size_t)got));
  return true;
}

bool log_file_look(struct log_file *file, bool *is_missing, struct error *err) {
  bool is_stdin = strcmp(file->path, "-") == 0;
  if (is_missing) *is_missing = false;
  file->fd = is_stdin ? STDIN_FILENO : open(file->path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
  if (file->fd < 0) {
    if (is_missing) *is_missing = errno == ENOENT;
    return error_set_errno(err, ERROR_INPUT, errno, "%s: cannot open", file->path);
  }
  struct stat st;
  if (fstat(file->fd, &st) != 0) return fail_read(file, err);
  if (S_ISDIR(st.st_mode)) return error_set(err, ERROR_INPUT, "%s: is a directory; name the log files in it", file->path);
  file->is_stream = is_stdin || !S_ISREG(st.st_mode);
  if (file->is_stream) return true;
  file->device = st.st_dev;
  file->inode = st.st_ino;
  file->size = (uint64_t)st.st_size;
  file->modified_us = (int64_t)st.st_mtim.tv_sec * US_PER_SECOND + st.st_mtim.tv_nsec / 1000;
  return look_at_head(file, err);
}

void log_file_deinit(struct log_file *file) {
  byte_reader_free(file->reader);
  if (file->fd > STDIN_FILENO) close(file->fd);
  buf_deinit(&file->scratch);
  free(file->path);
}

static bool read_packed_before(struct log_file *file, uint64_t position, size_t len_max, uint64_t *reached, struct error *err) {
  byte_reader_free(file->reader);
  file->reader = byte_reader_new(file->fd, file->path);
  if (lseek(file->fd, 0, SEEK_SET) < 0) return fail_read(file, err);
  size_t chunk = LIMIT_CHUNK_BYTES;
  uint64_t at = 0;
  while (at < position) {
    if (file->scratch.len > len_max) {
      memmove(file->scratch.ptr, file->scratch.ptr + file->scratch.len - len_max, len_max);
      file->scratch.len = len_max;
    }
    char *to = buf_reserve(&file->scratch, chunk);
    ssize_t got = byte_reader_read(file->reader, to, position - at < chunk ? (size_t)(position - at) : chunk, err);
    if (got == BYTE_READER_FAILED) return false;
    if (got == 0) break;
    if (got < 0) continue;
    file->scratch.len += (size_t)got;
    at += (uint64_t)got;
  }
  *reached = at;
  return true;
}

static bool read_plain_before(struct log_file *file, uint64_t position, size_t len_max, uint64_t *reached, struct error *err) {
  uint64_t end = position < file->size ? position : file->size;
  size_t len = end < len_max ? (size_t)end : len_max;
  int64_t got = read_at(file->fd, buf_reserve(&file->scratch, len), len, end - len);
  if (got < 0) return fail_read(file, err);
  file->scratch.len = (size_t)got;
  *reached = end - len + (uint64_t)got;
  return true;
}

bool log_file_read_before(struct log_file *file, uint64_t position, size_t len_max, struct slice *out, uint64_t *reached,
                          struct error *err) {
  buf_clear(&file->scratch);
  bool is_read = file->is_packed ? read_packed_before(file, position, len_max, reached, err)
                                 : read_plain_before(file, position, len_max, reached, err);
  if (!is_read) return false;
  struct slice bytes = buf_slice(&file->scratch);
  *out = bytes.len > len_max ? slice_skip(bytes, bytes.len - len_max) : bytes;
  return true;
}

static bool is_better(const struct log_file *file, const struct file_match *found, const struct file_match *best) {
  if (found->identity != best->identity) return found->identity == FILE_KNOWN || best->identity == FILE_NEW;
  if (found->position->committed != best->position->committed) return found->position->committed > best->position->committed;
  return found->position->inode == file->inode && found->position->device == file->device;
}

bool log_file_identify(struct log_file *file, struct file_match *out, struct error *err) {
  *out = (struct file_match){.identity = FILE_NEW};
  struct input *input;
  const struct input_position *known;
  for (size_t i = 0; (known = input_table_candidate(file->table, i, &input)) != NULL; i++) {
    if ((input && input->is_open) || !file_head_matches(&file->head, known)) continue;
    struct slice tail;
    uint64_t reached;
    if (!log_file_read_before(file, known->committed, known->tail_len, &tail, &reached, err)) return false;
    struct file_match found = {FILE_KNOWN, known, input};
    if (reached < known->committed)
      found.identity = FILE_CUT;
    else if (tail.len != known->tail_len || hash_slice(tail) != known->tail_hash)
      continue;
    if (is_better(file, &found, out)) *out = found;
  }
  return true;
}

const struct input_position *log_file_find_known(struct input_table *table, const char *path) {
  struct log_file file = {.table = table, .path = strcpy(memory_alloc(strlen(path) + 1), path), .fd = -1};
  struct stat st;
  struct file_match match = {.identity = FILE_NEW};
  /* A pipe would wait for a writer. */
  if (stat(path, &st) == 0 && S_ISREG(st.st_mode) && log_file_look(&file, NULL, NULL)) log_file_identify(&file, &match, NULL);
  log_file_deinit(&file);
  return match.identity == FILE_KNOWN ? match.position : NULL;
}
