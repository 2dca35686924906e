/* Segment files between writing and commit. See pending.h. */
#include "aggregate/pending.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "base/buf.h"

struct pending_segments {
  struct segment_record *segments;
  size_t count, cap;
  char *dir; /* of all files; NULL while there are none */
};

struct pending_segments *pending_segments_new(void) {
  return memory_zeroed(sizeof(struct pending_segments));
}

void pending_segments_free(struct pending_segments *pending) {
  if (!pending) return;
  pending_segments_discard(pending);
  free(pending->segments);
  free(pending->dir);
  free(pending);
}

void pending_segments_add(struct pending_segments *pending, const char *segments_dir, const struct segment_record *segment) {
  if (!pending->dir) {
    size_t size = strlen(segments_dir) + 1;
    pending->dir = memcpy(memory_alloc(size), segments_dir, size);
  }
  if (pending->count == pending->cap) {
    pending->cap = pending->cap ? pending->cap * 2 : DATASET_COUNT;
    pending->segments = memory_resize(pending->segments, pending->cap * sizeof *pending->segments);
  }
  pending->segments[pending->count++] = *segment;
}

size_t pending_segments_count(const struct pending_segments *pending) { return pending->count; }

const struct segment_record *pending_segments_at(const struct pending_segments *pending, size_t index) {
  return &pending->segments[index];
}

/* segments_dir/NAME and `suffix`, NUL-terminated, in `path`. */
static const char *file_path(const struct pending_segments *pending, size_t index, const char *suffix, struct buf *path) {
  buf_clear(path);
  buf_printf(path, "%s/%s%s", pending->dir, pending->segments[index].name, suffix);
  buf_append_byte(path, '\0');
  return path->ptr;
}

bool pending_segments_rename(struct pending_segments *pending, struct error *err) {
  struct buf from = {0}, to = {0};
  bool ok = true;
  for (size_t i = 0; i < pending->count && ok; i++) {
    const char *temporary = file_path(pending, i, PENDING_SUFFIX, &from);
    if (rename(temporary, file_path(pending, i, "", &to)) != 0)
      ok = error_set_errno(err, ERROR_INPUT, errno, "cannot rename %s", temporary);
  }
  buf_deinit(&from);
  buf_deinit(&to);
  return ok;
}

void pending_segments_discard(struct pending_segments *pending) {
  struct buf path = {0};
  for (size_t i = 0; i < pending->count; i++) {
    unlink(file_path(pending, i, PENDING_SUFFIX, &path));
    unlink(file_path(pending, i, "", &path));
  }
  buf_deinit(&path);
  pending_segments_forget(pending);
}

void pending_segments_forget(struct pending_segments *pending) { pending->count = 0; }
