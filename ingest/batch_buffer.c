/* Lines of one input on their way to the parsers. See batch_buffer.h. */
#include "ingest/batch_buffer.h"

#include <assert.h>

#include "base/memory.h"

/* Bytes before `position` that are remembered to know the input again. */
#define TAIL_BYTES 1024

static size_t memory_size(const struct batch_buffer *b) { return b->lookback_cap + b->data_cap + 1; }

void batch_buffer_init(struct batch_buffer *b, size_t lookback_cap, size_t data_cap, size_t line_bytes_max) {
  *b = (struct batch_buffer){
      .lookback_cap = lookback_cap, .data_cap = data_cap, .batch_cap = data_cap, .cut_bytes = line_bytes_max + 1};
  assert(data_cap > b->cut_bytes);
  b->memory = memory_map(memory_size(b));
  batch_buffer_reset(b, 0);
}

void batch_buffer_allow_json(struct batch_buffer *b) { b->json_cap = LIMIT_JSON_BYTES + 1; /* with its newline */ }

void batch_buffer_deinit(struct batch_buffer *b) {
  if (b->memory) memory_unmap(b->memory, memory_size(b));
  *b = (struct batch_buffer){0};
}

void batch_buffer_reset(struct batch_buffer *b, uint64_t position) {
  b->lookback = b->begin = b->end = b->searched = b->lookback_cap;
  b->position = position;
  b->is_skipping = false;
  b->skipped = 0;
  b->tail = slice_of(b->memory, 0);
}

/* The first line start in the last `cap` bytes of [from, to), whose first byte starts a line. */
static size_t line_start_within(const struct batch_buffer *b, size_t from, size_t to, size_t cap) {
  if (to - from <= cap) return from;
  size_t at = to - cap;
  const char *newline = memchr(b->memory + at - 1, '\n', cap + 1);
  return newline ? (size_t)(newline + 1 - b->memory) : to;
}

void batch_buffer_set_lookback(struct batch_buffer *b, struct slice lines) {
  assert(b->begin == b->lookback_cap && b->end == b->begin);
  if (lines.len > b->lookback_cap) {
    struct slice last = slice_skip(lines, lines.len - b->lookback_cap);
    bool starts_line = lines.ptr[lines.len - b->lookback_cap - 1] == '\n';
    lines = starts_line ? last : slice_skip(last, slice_find_byte(last, '\n') + 1);
  }
  b->lookback = b->begin - lines.len;
  if (lines.len) memcpy(b->memory + b->lookback, lines.ptr, lines.len);
}

/* Puts the bytes not yet handed out behind the lookback area, with the last lines before them in it. */
static void move_to_front(struct batch_buffer *b) {
  if (b->begin == b->lookback_cap) return;
  size_t lookback = line_start_within(b, b->lookback, b->begin, b->lookback_cap);
  size_t shift = b->begin - b->lookback_cap;
  memmove(b->memory + lookback - shift, b->memory + lookback, b->end - lookback);
  b->lookback = lookback - shift;
  b->begin -= shift, b->end -= shift, b->searched -= shift;
  b->tail = slice_of(b->memory, 0);
}

/* The line at the front fills the room: keeps its beginning, and from now on throws away what belongs to it. */
static void start_skipping(struct batch_buffer *b) {
  b->is_skipping = true;
  b->skipped = b->end - b->begin - b->cut_bytes;
  b->end = b->searched = b->begin + b->cut_bytes;
}

/* Whether the line at the front may fill more than a batch. */
static bool may_be_long(const struct batch_buffer *b) {
  char first = b->memory[b->begin];
  return b->json_cap && (first == '{' || first == '[' || first == 0x1e);
}

static void grow_for_json(struct batch_buffer *b) {
  size_t old_size = memory_size(b);
  b->data_cap = 2 * b->data_cap < b->json_cap ? 2 * b->data_cap : b->json_cap;
  b->memory = memory_remap(b->memory, old_size, memory_size(b));
  b->tail = slice_of(b->memory, 0);
}

char *batch_buffer_prepare(struct batch_buffer *b, size_t *room) {
  move_to_front(b);
  size_t waiting = b->end - b->begin, cap = b->batch_cap;
  if (waiting >= b->batch_cap && may_be_long(b)) {
    if (waiting == b->data_cap && b->data_cap < b->json_cap) grow_for_json(b);
    cap = b->data_cap;
  }
  if (waiting >= cap) {
    start_skipping(b);
    cap = b->batch_cap;
  }
  *room = b->lookback_cap + cap - b->end;
  return b->memory + b->end;
}

char *batch_buffer_reserve(struct batch_buffer *b, size_t need) {
  if (b->lookback_cap + b->data_cap - b->end >= need) return b->memory + b->end;
  move_to_front(b);
  size_t waiting = b->end - b->begin, cap = b->data_cap;
  while (cap - waiting < need) cap *= 2;
  if (cap != b->data_cap) {
    size_t old_size = memory_size(b);
    b->data_cap = cap;
    char *grown = memory_map(memory_size(b));
    memcpy(grown + b->lookback, b->memory + b->lookback, b->end - b->lookback);
    memory_unmap(b->memory, old_size);
    b->memory = grown;
    b->tail = slice_of(b->memory, 0);
  }
  return b->memory + b->end;
}

void batch_buffer_add(struct batch_buffer *b, size_t len) {
  assert(len <= b->lookback_cap + b->data_cap - b->end);
  b->end += len;
}

static void hand_out(struct batch_buffer *b, size_t end, struct batch *batch) {
  batch->base = b->memory + b->begin;
  batch->len = end - b->begin;
  batch->lookback_len = b->begin - b->lookback;
  batch->position = b->position;
}

/* Throws away the rest of a line that is too long; when its end is there, hands its beginning out as a line. */
static bool take_cut_line(struct batch_buffer *b, bool is_end, struct batch *batch) {
  size_t more = b->end - b->searched;
  const char *rest = b->memory + b->searched;
  const char *newline = more ? memchr(rest, '\n', more) : NULL;
  size_t dropped = newline ? (size_t)(newline - rest) + 1 : more;
  if (!newline && !is_end) {
    b->skipped += more;
    b->end = b->searched;
    return false;
  }
  hand_out(b, b->searched + 1, batch);
  b->position += b->cut_bytes + b->skipped + dropped;
  size_t left = more - dropped;
  /* The tail ends where the line ended; the newline that ends the cut line takes a place of its own before what follows. */
  memmove(b->memory + b->searched + 1, b->memory + b->searched + dropped, left);
  b->memory[b->searched] = '\n';
  b->tail = slice_of(newline ? b->memory + b->searched : b->memory, newline ? 1 : 0);
  b->begin = b->searched = b->searched + 1;
  b->end = b->begin + left;
  b->lookback = b->begin; /* places before it can no longer be told from the position */
  b->is_skipping = false;
  b->skipped = 0;
  return true;
}

bool batch_buffer_take(struct batch_buffer *b, bool is_end, struct batch *batch) {
  if (b->is_skipping) return take_cut_line(b, is_end, batch);
  const char *newline = b->end > b->searched ? memrchr(b->memory + b->searched, '\n', b->end - b->searched) : NULL;
  size_t end = newline ? (size_t)(newline - b->memory) + 1 : b->begin;
  if (newline ? false : !is_end || b->end == b->begin) {
    b->searched = b->end;
    return false;
  }
  size_t handed_end = end;
  if (!newline) {
    end = b->end;
    b->memory[end] = '\n';
    handed_end = end + 1;
  }
  hand_out(b, handed_end, batch);
  size_t tail_len = end - b->lookback < TAIL_BYTES ? end - b->lookback : TAIL_BYTES;
  b->tail = slice_of(b->memory + end - tail_len, tail_len);
  b->position += end - b->begin;
  b->begin = handed_end;
  if (b->end < b->begin) b->end = b->begin;
  b->searched = b->end;
  return true;
}
