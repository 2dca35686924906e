/* Files that are read as they grow, through rotation. Each path is looked at in turn:
 *
 *   renamed (mail.log -> mail.log.1)   the old file is read on until it was silent for GRACE_US and a new one stands at the path
 *   copied and cut (copytruncate)      what was in the copy and not yet read is read there; the path is a new input
 *   missing                            waited for
 *   rotated while we did not run       the rotated file is found by its bytes and read to its end first
 *
 * Files are looked at every POLL_MS: no watch to lose on network file systems, and one stat a file costs nothing. */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/memory.h"
#include "ingest/log_file.h"
#include "ingest/rotated.h"
#include "ingest/source_member.h"

#define POLL_MS 100
/* How long a renamed file must be silent: a syslog daemon writes to it until it is told to open the new one. */
#define GRACE_US (1 * US_PER_SECOND)

struct followed {
  const char *path;
  struct log_file *file; /* being read; NULL between two */
  bool is_rotated_file;  /* `file` is one of `rotated`: it ends at its end */
  bool was_at_end;       /* before bytes are read on, they must still be the same file's */
  int64_t grew_at_us;
  struct path_list rotated; /* to be read before the path */
  struct batch_buffer buffer;
};

struct follow {
  struct input_table *table;
  struct followed *files;
  size_t count, turn;
};

static void follow_free(void *state) {
  struct follow *follow = state;
  for (size_t i = 0; i < follow->count; i++) {
    log_file_free(follow->files[i].file);
    path_list_deinit(&follow->files[i].rotated);
    batch_buffer_deinit(&follow->files[i].buffer);
  }
  free(follow->files);
  free(follow);
}

static void close_file(struct followed *f) {
  log_file_free(f->file);
  f->file = NULL;
}

static void log_path(enum log_level level, const char *event, const char *path) {
  char text[512];
  log_event(level, event, "path=%s", log_value(text, sizeof text, slice_from_cstr(path)));
}

/* Opens what comes next of this path. True with f->file NULL: nothing is there now. */
static bool open_next(struct follow *follow, struct followed *f, struct error *err) {
  while (f->rotated.next < f->rotated.count) {
    const char *path = f->rotated.paths[f->rotated.next++];
    bool is_missing;
    f->is_rotated_file = true;
    f->file = log_file_open(follow->table, path, &f->buffer, &is_missing, err);
    if (f->file) return true;
    if (!is_missing) return false;
  }
  path_list_deinit(&f->rotated);
  bool is_missing;
  struct error open_err = {0};
  f->is_rotated_file = false;
  f->was_at_end = false;
  f->grew_at_us = clock_monotonic_us();
  f->file = log_file_open(follow->table, f->path, &f->buffer, &is_missing, &open_err);
  if (f->file || is_missing) return true;
  *err = open_err;
  return false;
}

enum follow_step { FOLLOW_BATCH, FOLLOW_AGAIN, FOLLOW_NOTHING, FOLLOW_FAILED };

/* The file was cut or written anew in place. What it held is over; a copy may hold what we did not see. */
static enum follow_step start_anew(struct follow *follow, struct followed *f) {
  struct input *input = log_file_input(f->file);
  log_path(LOG_INFO, "file_rewritten", f->path);
  input->is_ended = true;
  close_file(f);
  rotated_find(follow->table, f->path, &input->position, &f->rotated);
  return FOLLOW_AGAIN;
}

/* The end of what there is: is it the end of the file? */
static enum follow_step look_around(struct follow *follow, struct followed *f, struct batch *batch) {
  bool exists = false, is_over = f->is_rotated_file;
  if (!is_over && log_file_is_at(f->file, f->path, &exists)) {
    f->was_at_end = true;
    return log_file_is_rewritten(f->file) ? start_anew(follow, f) : FOLLOW_NOTHING;
  }
  if (!is_over) is_over = exists && clock_monotonic_us() - f->grew_at_us > GRACE_US;
  if (!is_over) return FOLLOW_NOTHING;
  if (log_file_end(f->file, batch)) return FOLLOW_BATCH;
  close_file(f);
  return FOLLOW_AGAIN;
}

static enum follow_step step(struct follow *follow, struct followed *f, struct batch *batch, struct batch_fill *fill,
                             struct error *err) {
  if (!f->file && !open_next(follow, f, err)) return FOLLOW_FAILED;
  if (!f->file) return FOLLOW_NOTHING;
  switch (log_file_next(f->file, 0, batch, fill, err)) {
    case LOG_FILE_WAIT: return FOLLOW_NOTHING;
    case LOG_FILE_FAILED: return FOLLOW_FAILED;
    case LOG_FILE_AT_END: return look_around(follow, f, batch);
    case LOG_FILE_BATCH: break;
  }
  if (f->was_at_end && fill->want && log_file_is_rewritten(f->file)) {
    fill->want = 0;
    return start_anew(follow, f);
  }
  f->was_at_end = false;
  f->grew_at_us = clock_monotonic_us();
  return FOLLOW_BATCH;
}

static bool follow_fill_done(void *state, struct batch *batch, size_t got, struct error *err) {
  (void)err;
  struct follow *follow = state;
  assert(follow->files[follow->turn].file);
  log_file_filled(follow->files[follow->turn].file, batch, got);
  return true;
}

static enum source_state follow_next(void *state, int timeout_ms, struct batch *batch, struct batch_fill *fill, struct error *err) {
  struct follow *follow = state;
  int64_t deadline_us = clock_monotonic_us() + (int64_t)timeout_ms * 1000;
  for (;;) {
    for (size_t tried = 0; tried < follow->count; tried++) {
      follow->turn = (follow->turn + 1) % follow->count;
      enum follow_step done;
      while ((done = step(follow, &follow->files[follow->turn], batch, fill, err)) == FOLLOW_AGAIN) continue;
      if (done == FOLLOW_BATCH) return SOURCE_BATCH;
      if (done == FOLLOW_FAILED) return SOURCE_FAILED;
    }
    int64_t left_us = deadline_us - clock_monotonic_us(), sleep_us = POLL_MS * 1000;
    if (left_us <= 0) return SOURCE_IDLE;
    if (sleep_us > left_us) sleep_us = left_us;
    struct timespec pause = {.tv_nsec = (long)sleep_us * 1000};
    if (nanosleep(&pause, NULL) != 0) return SOURCE_IDLE; /* a signal: the caller may want to stop */
  }
}

/* The youngest position of this path. */
static const struct input_position *last_known(const struct input_table *table, const char *path) {
  const struct input_position *last = NULL;
  for (size_t i = 0; i < table->known_count; i++) {
    const struct input_position *known = &table->known[i];
    bool is_ours = known->kind == INPUT_FILE && slice_equal(known->name, slice_from_cstr(path));
    if (is_ours && (!last || known->id > last->id)) last = known;
  }
  return last;
}

static bool start(struct follow *follow, struct followed *f, const char *path, unsigned parts, struct error *err) {
  struct stat st, other;
  f->path = path;
  input_table_buffer_init(follow->table, &f->buffer, parts);
  if (stat(path, &st) != 0) return error_set_errno(err, ERROR_INPUT, errno, "%s: cannot open", path);
  for (struct followed *before = follow->files; before < f; before++)
    if (stat(before->path, &other) == 0 && other.st_dev == st.st_dev && other.st_ino == st.st_ino)
      return error_set(err, ERROR_USAGE, "%s: is the same file as %s; name it once", path, before->path);
  const struct input_position *last = last_known(follow->table, path);
  if (last) {
    const struct input_position *now = log_file_find_known(follow->table, path);
    bool is_rotated = !now || now->id != last->id;
    if (is_rotated && !rotated_find(follow->table, path, last, &f->rotated)) log_path(LOG_WARNING, "rotated_file_not_found", path);
  }
  return open_next(follow, f, err);
}

bool source_follow_new(struct input_table *table, const char *const *names, size_t name_count, unsigned parts,
                       struct source_member *out, struct error *err) {
  struct follow *follow = memory_zeroed(sizeof *follow);
  follow->table = table;
  follow->files = memory_zeroed(name_count * sizeof *follow->files);
  for (size_t i = 0; i < name_count; i++) {
    follow->count = i + 1;
    if (start(follow, &follow->files[i], names[i], parts, err)) continue;
    follow_free(follow);
    return false;
  }
  *out = (struct source_member){.state = follow, .next = follow_next, .fill_done = follow_fill_done, .free = follow_free};
  return true;
}
