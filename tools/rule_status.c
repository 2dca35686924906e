/* Writes and reads STORE/rules. See rule_status.h. */
#include "tools/rule_status.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

/* Of what is told of the problems; the log has them too. */
#define PROBLEMS_BYTES_MAX (256u << 10)
#define STATUS_BYTES_MAX (PROBLEMS_BYTES_MAX + 1024u)

static void make_path(struct buf *path, const char *store_dir, const char *name) {
  buf_printf(path, "%s/%s", store_dir, name);
  buf_append_byte(path, '\0');
}

static bool write_file(const char *path, struct slice text) {
  int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0640);
  if (fd < 0) return false;
  bool is_written = true;
  while (is_written && text.len) {
    ssize_t wrote = write(fd, text.ptr, text.len);
    is_written = wrote > 0;
    text = slice_skip(text, is_written ? (size_t)wrote : 0);
  }
  return close(fd) == 0 && is_written;
}

bool rule_status_write(const char *store_dir, const struct rule_status *status, struct error *err) {
  struct buf text = {0}, path = {0}, temporary = {0};
  make_path(&path, store_dir, "rules");
  make_path(&temporary, store_dir, "rules.tmp");
  buf_printf(&text, "bouncemill-rules 1\npid %ld\nbegun_us %" PRId64 "\nresult %s\nrules %zu\n", (long)getpid(), status->begun_us,
             status->is_loaded ? "loaded" : "kept", status->rule_count);
  size_t len = status->problems.len < PROBLEMS_BYTES_MAX ? status->problems.len : PROBLEMS_BYTES_MAX;
  buf_append(&text, status->problems.ptr, len);
  bool is_done = write_file(temporary.ptr, buf_slice(&text)) && rename(temporary.ptr, path.ptr) == 0;
  if (!is_done) error_set_errno(err, ERROR_INPUT, errno, "%s: cannot write", path.ptr);
  buf_deinit(&text);
  buf_deinit(&path);
  buf_deinit(&temporary);
  return is_done;
}

static bool read_file(const char *path, struct buf *text) {
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return false;
  ssize_t got = 1;
  while (got > 0 && text->len < STATUS_BYTES_MAX) {
    got = read(fd, buf_reserve(text, 4096), 4096);
    if (got > 0) text->len += (size_t)got;
  }
  close(fd);
  return got >= 0;
}

static bool parse(struct buf *text, struct rule_status *out) {
  char result[8] = "";
  int at = 0;
  buf_append_byte(text, '\0');
  text->len--;
  int fields = sscanf(text->ptr, "bouncemill-rules 1\npid %ld\nbegun_us %" SCNd64 "\nresult %7s\nrules %zu%n", &out->pid,
                      &out->begun_us, result, &out->rule_count, &at);
  out->is_loaded = strcmp(result, "loaded") == 0;
  if (fields != 4 || (!out->is_loaded && strcmp(result, "kept") != 0)) return false;
  out->problems = slice_skip(buf_slice(text), (size_t)at);
  if (out->problems.len) out->problems = slice_skip(out->problems, 1); /* the newline */
  return true;
}

bool rule_status_read(const char *store_dir, struct buf *text, struct rule_status *out, struct error *err) {
  struct buf path = {0};
  make_path(&path, store_dir, "rules");
  buf_clear(text);
  bool is_done = read_file(path.ptr, text);
  if (!is_done)
    error_set_errno(err, ERROR_INPUT, errno, "%s: cannot read", path.ptr);
  else if (!parse(text, out))
    is_done = error_set(err, ERROR_INPUT, "%s: is not written by bouncemill", path.ptr);
  buf_deinit(&path);
  return is_done;
}
