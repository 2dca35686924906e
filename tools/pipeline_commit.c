/* One commit of the pipeline: segments of every worker, positions of every input, open messages of every join, at once. */
#include <inttypes.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "tools/pipeline_internal.h"

static void phase_write(void *context, unsigned number) {
  struct pipeline *p = context;
  struct worker *worker = &p->workers[number];
  worker->is_written = aggregator_write(worker->aggregator, p->store, number, worker->pending, &worker->err);
}

static bool write_segments(struct pipeline *p, struct error *err) {
  team_run(p->team, phase_write, p);
  for (unsigned i = 0; i < p->worker_count; i++) {
    if (p->workers[i].is_written) continue;
    *err = p->workers[i].err;
    return false;
  }
  return true;
}

/* Open messages copied one behind another: scope, key and state of each, with their lengths in `sizes`. */
struct gathered {
  struct buf bytes;
  struct buf sizes; /* size_t[3] each */
};

static void gather_message(void *context, const struct open_message *message) {
  struct gathered *gathered = context;
  size_t sizes[3] = {message->scope.len, message->key.len, message->state.len};
  buf_append(&gathered->sizes, sizes, sizeof sizes);
  buf_append_slice(&gathered->bytes, message->scope);
  buf_append_slice(&gathered->bytes, message->key);
  buf_append_slice(&gathered->bytes, message->state);
}

/* The gathered messages as an array; its slices point into gathered->bytes. */
static struct open_message *list_messages(const struct gathered *gathered, size_t *count) {
  *count = gathered->sizes.len / sizeof(size_t[3]);
  struct open_message *messages = memory_alloc(*count * sizeof *messages);
  const char *at = buf_slice(&gathered->bytes).ptr;
  for (size_t i = 0; i < *count; i++) {
    size_t sizes[3];
    memcpy(sizes, gathered->sizes.ptr + i * sizeof sizes, sizeof sizes);
    messages[i].scope = slice_of(at, sizes[0]);
    messages[i].key = slice_of(at + sizes[0], sizes[1]);
    messages[i].state = slice_of(at + sizes[0] + sizes[1], sizes[2]);
    at += sizes[0] + sizes[1] + sizes[2];
  }
  return messages;
}

/* Asks every join; progress[i].oldest becomes the oldest over all of them. */
static void checkpoint_joins(struct pipeline *p, struct input_progress *progress, size_t input_count, struct gathered *gathered) {
  uint64_t *oldest = memory_alloc(input_count * sizeof *oldest);
  for (size_t i = 0; i < input_count; i++) oldest[i] = progress[i].committed;
  for (unsigned w = 0; w < p->worker_count; w++) {
    for (size_t i = 0; i < input_count; i++) progress[i].oldest = progress[i].committed;
    join_checkpoint(p->workers[w].join, progress, input_count, gather_message, gathered);
    for (size_t i = 0; i < input_count; i++)
      if (progress[i].oldest < oldest[i]) oldest[i] = progress[i].oldest;
  }
  for (size_t i = 0; i < input_count; i++) progress[i].oldest = oldest[i];
  free(oldest);
}

void pipeline_remember_inputs(struct pipeline *p, size_t input_count) {
  if (input_count <= p->committed_count) return;
  p->committed = memory_resize(p->committed, input_count * sizeof *p->committed);
  memset(p->committed + p->committed_count, 0, (input_count - p->committed_count) * sizeof *p->committed);
  p->committed_count = input_count;
}

/* Positions that changed since the last commit; numbers[k] is the input of positions[k]. */
static size_t list_positions(struct pipeline *p, const struct input_progress *progress, size_t input_count,
                             struct input_position *positions, size_t *numbers) {
  size_t count = 0;
  for (size_t i = 0; i < input_count; i++) {
    struct input_position *position = &positions[count];
    const struct committed_input *last = &p->committed[i];
    if (last->is_replaying) continue;
    if (!source_position(p->source, (uint32_t)i, progress[i].oldest, position)) continue;
    if (!position->id) position->id = last->id;
    bool is_same = position->id == last->id && position->id != 0 && position->committed == last->committed &&
                   position->replay_from == last->replay_from && position->head_hash == last->head_hash;
    if (is_same) continue;
    numbers[count++] = i;
  }
  return count;
}

static bool commit_gathered(struct pipeline *p, struct input_progress *progress, size_t input_count, struct error *err) {
  struct gathered gathered = {0};
  checkpoint_joins(p, progress, input_count, &gathered);
  struct input_position *positions = memory_alloc(input_count * sizeof *positions);
  size_t *numbers = memory_alloc(input_count * sizeof *numbers);
  struct pending_segments *pending[LIMIT_THREADS];
  for (unsigned i = 0; i < p->worker_count; i++) pending[i] = p->workers[i].pending;
  struct commit commit = {.pending = pending, .pending_count = p->worker_count, .inputs = positions};
  commit.input_count = list_positions(p, progress, input_count, positions, numbers);
  struct open_message *messages = list_messages(&gathered, &commit.open_message_count);
  commit.open_messages = messages;
  bool is_done = store_commit(p->store, &commit, err);
  for (size_t k = 0; is_done && k < commit.input_count; k++)
    p->committed[numbers[k]] = (struct committed_input){.id = positions[k].id,
                                                        .committed = positions[k].committed,
                                                        .replay_from = positions[k].replay_from,
                                                        .head_hash = positions[k].head_hash};
  free(messages);
  free(numbers);
  free(positions);
  buf_deinit(&gathered.bytes);
  buf_deinit(&gathered.sizes);
  return is_done;
}

bool pipeline_commit(struct pipeline *p, struct error *err) {
  int64_t begun_us = clock_monotonic_us();
  size_t input_count = source_input_count(p->source), rows = 0;
  pipeline_remember_inputs(p, input_count);
  for (unsigned i = 0; i < p->worker_count; i++) {
    p->workers[i].pending = pending_segments_new();
    rows += aggregator_rows(p->workers[i].aggregator);
  }
  struct input_progress *progress = memory_zeroed(input_count * sizeof *progress);
  for (size_t i = 0; i < input_count; i++) {
    progress[i].committed = source_input_done(p->source, (uint32_t)i);
    progress[i].is_ended = source_input_is_ended(p->source, (uint32_t)i);
  }
  bool is_done = write_segments(p, err) && commit_gathered(p, progress, input_count, err);
  free(progress);
  for (unsigned i = 0; i < p->worker_count; i++) {
    pending_segments_free(p->workers[i].pending);
    p->workers[i].pending = NULL;
  }
  if (!is_done) {
    p->is_commit_broken = true;
    return error_context(err, "store %s", p->options.store_dir);
  }
  p->has_uncommitted = false;
  p->committed_at_us = clock_monotonic_us();
  p->flushes++;
  log_event(LOG_DEBUG, "flush", "rows=%zu took_ms=%" PRId64, rows, (p->committed_at_us - begun_us) / 1000);
  return true;
}

void pipeline_commit_deinit(struct pipeline *p) { free(p->committed); }
