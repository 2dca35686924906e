/* Hashes of the two ends of what was read. See fingerprint.h. */
#include "ingest/fingerprint.h"

#include "base/hash.h"

void file_head_extend(struct file_head *head, uint64_t position, struct slice bytes) {
  if (head->len == FINGERPRINT_HEAD_BYTES || position > head->len || position + bytes.len <= head->len) return;
  struct slice more = slice_skip(bytes, head->len - position);
  size_t room = FINGERPRINT_HEAD_BYTES - head->len, take = more.len < room ? more.len : room;
  memcpy(head->bytes + head->len, more.ptr, take);
  head->len += take;
  if (head->len == FINGERPRINT_HEAD_BYTES) head->full_hash = hash_bytes(head->bytes, head->len);
}

struct slice file_head_line(const struct file_head *head) {
  const char *end = memchr(head->bytes, '\n', head->len);
  if (end && end > head->bytes && end[-1] == '\r') return slice_between(head->bytes, end - 1);
  return end ? slice_between(head->bytes, end) : SLICE_ABSENT;
}

struct slice file_head_lines(const struct file_head *head) {
  const char *last = memrchr(head->bytes, '\n', head->len);
  return last ? slice_between(head->bytes, last + 1) : SLICE_ABSENT;
}

static uint64_t hash_front(const struct file_head *head, size_t len) {
  return len == FINGERPRINT_HEAD_BYTES ? head->full_hash : hash_bytes(head->bytes, len);
}

bool file_head_matches(const struct file_head *head, const struct input_position *known) {
  if (known->kind != INPUT_FILE || known->head_len == 0 || known->head_len > head->len) return false;
  return hash_front(head, known->head_len) == known->head_hash;
}

void fingerprint_commit(struct input_position *position, const struct file_head *head, uint64_t committed, struct slice tail) {
  uint64_t head_len = committed < head->len ? committed : head->len;
  position->committed = committed;
  position->head_len = (uint32_t)head_len;
  position->head_hash = hash_front(head, head_len);
  position->tail_len = (uint32_t)tail.len;
  position->tail_hash = hash_slice(tail);
}
