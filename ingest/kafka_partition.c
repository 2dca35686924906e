/* Messages of one partition become batches. See kafka_partition.h. */
#include "ingest/kafka_partition.h"

#include <assert.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/memory.h"
#include "ingest/message_json.h"

#define ANCHORS_MAX 4096
#define ANCHOR_AGE 64

/* Memory of the buffers of all partitions together; with very many partitions each still has the smallest. */
#define LOOKBACK_BYTES_ALL (8u << 20)
#define LOOKBACK_BYTES_MIN (8u << 10)
#define BATCH_BYTES_ALL (24u << 20)
#define BATCH_BYTES_MIN (16u << 10)

static size_t share_of(size_t all, size_t share, size_t min, size_t max) {
  size_t each = all / (share ? share : 1);
  return each < min ? min : each > max ? max : each;
}

/* Lines before this place in batches begin at the message of this offset. */
static uint64_t offset_of(const void *owner, uint64_t position) {
  const struct kafka_partition *p = owner;
  /* Of what the store knows nothing was read again yet: it is needed as before. */
  if (p->anchor_count == 0) return p->replay_from < p->input->position.committed ? p->replay_from : p->input->position.committed;
  if (position >= p->input->done) return p->input->position.committed;
  size_t low = 0, high = p->anchor_count;
  while (high - low > 1) {
    size_t middle = low + (high - low) / 2;
    if (p->anchors[middle].position <= position)
      low = middle;
    else
      high = middle;
  }
  return p->anchors[low].offset;
}

/* The offset of the message that the line at `position`, of the batch handed out last, came in. */
static uint64_t message_at(const void *owner, uint64_t position) {
  const struct kafka_partition *p = owner;
  if (position < p->batch_position || !p->start_count) return offset_of(owner, position);
  size_t low = 0, high = p->start_count;
  while (high - low > 1) {
    size_t middle = low + (high - low) / 2;
    if (p->starts[middle].at <= position - p->batch_position)
      low = middle;
    else
      high = middle;
  }
  return p->batch_first + p->starts[low].after_first;
}

/* Before the lines of a message are added. Offsets in one batch that lie 2^32 apart (compacted topics) are told too low. */
static void note_start(struct kafka_partition *p, uint64_t offset) {
  size_t waiting = batch_buffer_waiting(&p->buffer);
  uint64_t after_first = offset - p->first_waiting;
  if (waiting == 0) p->start_count = 0;
  if (p->start_count == p->start_cap) {
    p->start_cap = p->start_cap ? p->start_cap * 2 : 1024;
    p->starts = memory_resize(p->starts, p->start_cap * sizeof *p->starts);
  }
  p->starts[p->start_count++] =
      (struct message_start){(uint32_t)waiting, after_first < UINT32_MAX ? (uint32_t)after_first : UINT32_MAX};
}

void kafka_partition_init(struct kafka_partition *p, struct input *input, int32_t number, size_t share,
                          const struct source_options *options) {
  *p = (struct kafka_partition){.input = input, .number = number, .until = UINT64_MAX, .has_envelopes = options->has_envelopes};
  p->replay_from = input->position.replay_from;
  p->committed = input->position.committed;
  if (input->position.tail_len && input->position.tail_len <= input->position.committed) {
    p->last = input->position.committed - input->position.tail_len;
    p->last_hash = input->position.tail_hash;
  }
  p->batch_bytes = share_of(BATCH_BYTES_ALL, share, BATCH_BYTES_MIN, (size_t)options->parts * LIMIT_CHUNK_BYTES);
  size_t line_bytes_max = options->line_bytes_max ? options->line_bytes_max : LIMIT_LINE_BYTES;
  size_t data_cap = p->batch_bytes > 2 * line_bytes_max ? p->batch_bytes : 2 * line_bytes_max;
  batch_buffer_init(&p->buffer, share_of(LOOKBACK_BYTES_ALL, share, LOOKBACK_BYTES_MIN, LIMIT_LOOKBACK_BYTES), data_cap,
                    line_bytes_max);
  p->anchors = memory_alloc(ANCHORS_MAX * sizeof *p->anchors);
  input->has_position = true;
  input->to_stored = offset_of;
  input->to_place = message_at;
  input->owner = p;
}

void kafka_partition_deinit(struct kafka_partition *p) {
  batch_buffer_deinit(&p->buffer);
  buf_deinit(&p->transcoded);
  free(p->anchors);
  free(p->starts);
}

/* Everything before `next` is handed out or has no lines. */
static void commit_to_next(struct kafka_partition *p) {
  if (p->next <= p->committed) return;
  struct input_position *position = &p->input->position;
  position->committed = p->next;
  bool has_mark = p->last_hash != 0 && p->next - p->last <= UINT32_MAX;
  position->tail_len = has_mark ? (uint32_t)(p->next - p->last) : 0;
  position->tail_hash = has_mark ? p->last_hash : 0;
}

bool kafka_partition_mark(const struct kafka_partition *p, struct kafka_mark *mark) {
  const struct input_position *position = &p->input->position;
  *mark = (struct kafka_mark){.partition = p->number, .hash = position->tail_hash};
  if (position->tail_len == 0 || position->tail_len > position->committed) return false;
  mark->offset = position->committed - position->tail_len;
  return true;
}

void kafka_partition_restart(struct kafka_partition *p, uint64_t offset) {
  assert(batch_buffer_waiting(&p->buffer) == 0);
  p->next = p->committed = p->replay_from = offset;
  p->last_hash = 0;
  p->anchor_count = p->start_count = 0; /* of offsets that mean nothing now: lines of before are not read again */
  struct input_position *position = &p->input->position;
  position->committed = offset;
  position->tail_len = 0;
  position->tail_hash = 0;
}

static void skip_to_next(struct kafka_partition *p) {
  if (batch_buffer_waiting(&p->buffer) == 0) commit_to_next(p);
}

static void note_next(struct kafka_partition *p, uint64_t next) {
  if (next > p->next) p->next = next;
  if (p->next >= p->until) p->is_over = true;
}

void kafka_partition_reached(struct kafka_partition *p, uint64_t offset) {
  note_next(p, offset);
  skip_to_next(p);
}

/* Whether this message cannot be in one batch with what waits. */
static bool must_hand_out_first(const struct kafka_partition *p, const struct kafka_message *message) {
  if (batch_buffer_waiting(&p->buffer) == 0) return false;
  if (p->first_waiting < p->committed && message->offset >= p->committed) return true;
  if (batch_buffer_waiting(&p->buffer) + message->payload.len > p->batch_bytes) return true;
  int64_t apart_us = message->time_us - p->reference_time_us;
  return apart_us > SECONDS_PER_DAY * US_PER_SECOND || apart_us < -SECONDS_PER_DAY * US_PER_SECOND;
}

static void append_lines(struct kafka_partition *p, struct slice payload) {
  buf_clear(&p->transcoded);
  if (p->has_envelopes && message_from_msgpack(payload, &p->transcoded)) payload = buf_slice(&p->transcoded);
  bool is_ended = payload.len && payload.ptr[payload.len - 1] == '\n';
  char *to = batch_buffer_reserve(&p->buffer, payload.len + 1);
  if (payload.len) memcpy(to, payload.ptr, payload.len);
  if (!is_ended) to[payload.len] = '\n';
  if (p->has_envelopes) message_join_json(to, payload.len - is_ended);
  batch_buffer_add(&p->buffer, payload.len + !is_ended);
}

bool kafka_partition_add(struct kafka_partition *p, const struct kafka_message *message) {
  if (p->is_over) return true;
  if (message->offset >= p->until) {
    kafka_partition_reached(p, message->offset);
    return true;
  }
  if (message->offset < p->next) return true; /* seen */
  if (slice_is_absent(message->payload)) {
    p->last = message->offset;
    p->last_hash = message->hash;
    kafka_partition_reached(p, message->offset + 1);
    return true;
  }
  if (must_hand_out_first(p, message)) return false;
  if (batch_buffer_waiting(&p->buffer) == 0) {
    p->first_waiting = message->offset;
    p->reference_time_us = message->time_us;
    p->waiting_since_us = clock_monotonic_us();
  }
  note_start(p, message->offset);
  append_lines(p, message->payload);
  p->last = message->offset;
  p->last_hash = message->hash;
  note_next(p, message->offset + 1);
  if (message->offset >= p->replay_from) return true;
  /* Before replay_from: looked back at, never handed out. */
  struct batch unseen;
  batch_buffer_take(&p->buffer, false, &unseen);
  p->input->done = p->buffer.position;
  return true;
}

/* Drops anchors so that the gap between two is at most 1/ANCHOR_AGE of how far back they lie (or one batch): at any length of a run some
 * ANCHOR_AGE * log(bytes) of them are left, less than half. */
static void thin_anchors(struct kafka_partition *p) {
  uint64_t newest = p->input->done;
  struct anchor *a = p->anchors;
  size_t kept = p->anchor_count - 1;
  for (size_t i = kept; i-- > 0;) {
    bool is_needed = i == 0 || a[kept].position - a[i - 1].position > (newest - a[kept].position) / ANCHOR_AGE;
    if (is_needed) a[--kept] = a[i];
  }
  p->anchor_count -= kept;
  memmove(a, a + kept, p->anchor_count * sizeof *a);
}

static void add_anchor(struct kafka_partition *p, uint64_t position, uint64_t offset) {
  if (p->anchor_count == ANCHORS_MAX) thin_anchors(p);
  p->anchors[p->anchor_count++] = (struct anchor){position, offset};
}

bool kafka_partition_take(struct kafka_partition *p, struct batch *batch) {
  if (batch_buffer_waiting(&p->buffer) == 0) return false;
  *batch = (struct batch){.input = p->input->number, .scope = p->input->scope, .reference_time_us = p->reference_time_us};
  batch->is_replay = p->first_waiting < p->committed;
  if (!batch_buffer_take(&p->buffer, false, batch)) return false;
  add_anchor(p, batch->position, p->first_waiting);
  p->batch_position = batch->position;
  p->batch_first = p->first_waiting;
  p->input->done = p->buffer.position;
  commit_to_next(p);
  return true;
}
