/* Segment files between writing and commit. See pending.h. */
#include "aggregate/pending.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "base/buf.h"

struct pending_segment {
  struct segment_record record;
  bool has_final_name;
  bool was_there; /* a file of this name, so of this content: it stays when the commit fails */
};

struct pending_segments {
  struct pending_segment *segments;
  size_t count, cap;
  char *dir; /* of all files; NULL while there are none */
  bool is_durable, keeps_files;
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
  pending->segments[pending->count++] = (struct pending_segment){.record = *segment};
}

size_t pending_segments_count(const struct pending_segments *pending) { return pending->count; }

const struct segment_record *pending_segments_at(const struct pending_segments *pending, size_t index) {
  return &pending->segments[index].record;
}

/* segments_dir/NAME and `suffix`, NUL-terminated, in `path`. */
static const char *file_path(const struct pending_segments *pending, size_t index, const char *suffix, struct buf *path) {
  buf_clear(path);
  buf_printf(path, "%s/%s%s", pending->dir, pending->segments[index].record.name, suffix);
  buf_append_byte(path, '\0');
  return path->ptr;
}

bool pending_segments_rename(struct pending_segments *pending, struct error *err) {
  struct buf from = {0}, to = {0};
  bool ok = true;
  for (size_t i = 0; i < pending->count && ok; i++) {
    struct pending_segment *segment = &pending->segments[i];
    if (segment->has_final_name) continue;
    const char *temporary = file_path(pending, i, PENDING_SUFFIX, &from), *final = file_path(pending, i, "", &to);
    /* The one writer makes names, so nobody else makes this one meanwhile. */
    segment->was_there = access(final, F_OK) == 0;
    segment->has_final_name = (segment->was_there ? unlink(temporary) : rename(temporary, final)) == 0;
    if (!segment->has_final_name) ok = error_set_errno(err, ERROR_STORAGE, errno, "cannot rename %s", temporary);
  }
  buf_deinit(&from);
  buf_deinit(&to);
  return ok;
}

void pending_segments_rename_back(struct pending_segments *pending) {
  struct buf from = {0}, to = {0};
  for (size_t i = 0; i < pending->count; i++) {
    struct pending_segment *segment = &pending->segments[i];
    if (!segment->has_final_name || segment->was_there) continue;
    segment->has_final_name = rename(file_path(pending, i, "", &from), file_path(pending, i, PENDING_SUFFIX, &to)) != 0;
  }
  buf_deinit(&from);
  buf_deinit(&to);
}

bool pending_segments_are_durable(const struct pending_segments *pending) { return pending->is_durable; }
void pending_segments_set_durable(struct pending_segments *pending) { pending->is_durable = true; }
void pending_segments_keep_files(struct pending_segments *pending) { pending->keeps_files = true; }

void pending_segments_discard(struct pending_segments *pending) {
  struct buf path = {0};
  for (size_t i = 0; i < pending->count && !pending->keeps_files; i++) {
    const struct pending_segment *segment = &pending->segments[i];
    if (segment->has_final_name && segment->was_there) continue;
    unlink(file_path(pending, i, segment->has_final_name ? "" : PENDING_SUFFIX, &path));
  }
  buf_deinit(&path);
  pending_segments_forget(pending);
}

void pending_segments_forget(struct pending_segments *pending) {
  pending->count = 0;
  pending->is_durable = pending->keeps_files = false;
}
