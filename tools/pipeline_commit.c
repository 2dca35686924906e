/* One commit of the pipeline: segments of every worker, positions of every input, open messages of every join, at once.
 *
 *   write, gather       all workers, between two batches       110 ms of one core for 230 k rows
 *   store_commit        a thread of its own                     25 ms for 10 k open messages, some of them waiting for the disk
 */
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "tools/pipeline_internal.h"

static void phase_write(void *context, unsigned number) {
  struct pipeline *p = context;
  struct worker *worker = &p->workers[number];
  if (worker->is_written) return; /* by an earlier try */
  worker->err = (struct error){0};
  worker->is_written = pipeline_write_rows(p, number, &worker->err);
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

static void gather_message(void *context, const struct open_message *message) {
  struct gathered *gathered = context;
  size_t sizes[3] = {message->scope.len, message->key.len, message->state.len};
  buf_append(&gathered->sizes, sizes, sizeof sizes);
  buf_append_slice(&gathered->bytes, message->scope);
  buf_append_slice(&gathered->bytes, message->key);
  buf_append_slice(&gathered->bytes, message->state);
}

static void phase_gather(void *context, unsigned number) {
  struct pipeline *p = context;
  struct worker *worker = &p->workers[number];
  worker->progress = memory_alloc(p->progress_count * sizeof *worker->progress);
  if (p->progress_count) memcpy(worker->progress, p->progress, p->progress_count * sizeof *worker->progress);
  join_checkpoint(worker->join, worker->progress, p->progress_count, gather_message, &worker->gathered);
}

/* Asks every join; progress[i].oldest becomes the oldest over all of them. */
static void gather(struct pipeline *p) {
  size_t input_count = source_input_count(p->source);
  pipeline_remember_inputs(p, input_count);
  p->progress = memory_alloc(input_count * sizeof *p->progress);
  p->progress_count = input_count;
  for (size_t i = 0; i < input_count; i++) {
    uint64_t committed = source_input_done(p->source, (uint32_t)i);
    bool is_ended = source_input_is_ended(p->source, (uint32_t)i);
    p->progress[i] = (struct input_progress){.committed = committed, .is_ended = is_ended, .oldest = committed};
  }
  team_run(p->team, phase_gather, p);
  for (unsigned w = 0; w < p->worker_count; w++) {
    for (size_t i = 0; i < input_count; i++)
      if (p->workers[w].progress[i].oldest < p->progress[i].oldest) p->progress[i].oldest = p->workers[w].progress[i].oldest;
    free(p->workers[w].progress);
    p->workers[w].progress = NULL;
  }
}

void pipeline_remember_inputs(struct pipeline *p, size_t input_count) {
  if (input_count <= p->committed_count) return;
  p->committed = memory_resize(p->committed, input_count * sizeof *p->committed);
  memset(p->committed + p->committed_count, 0, (input_count - p->committed_count) * sizeof *p->committed);
  p->committed_count = input_count;
}

/* ---- the commit under way ---------------------------------------------------------------------------------------------------- */

/* Everything that the thread of a commit needs is in here and its own until is_done. */
struct commit_job {
  struct store *store;
  const struct source *source;
  struct topic_sink *sink;                 /* in place of the store, or NULL */
  struct handed_out handed[LIMIT_THREADS]; /* for the sink */
  unsigned worker_count;
  struct commit commit;
  struct gathered gathered[LIMIT_THREADS]; /* what the open messages point into */
  struct pending_segments *pending[LIMIT_THREADS];
  struct open_message *messages;
  struct input_position *positions;
  size_t *numbers; /* numbers[k] is the input of positions[k] */
  pthread_t thread;
  bool has_thread, is_good, has_failed; /* has_failed: waits to be tried again */
  atomic_bool is_done;
  struct error err;
  size_t rows;
  int64_t begun_us, written_us, done_us;
};

/* Positions that changed since the last commit. */
static void list_positions(struct pipeline *p, struct commit_job *job) {
  job->positions = memory_alloc(p->progress_count * sizeof *job->positions);
  job->numbers = memory_alloc(p->progress_count * sizeof *job->numbers);
  for (size_t i = 0; i < p->progress_count; i++) {
    struct input_position *position = &job->positions[job->commit.input_count];
    const struct committed_input *last = &p->committed[i];
    if (last->is_replaying) continue;
    if (!source_position(p->source, (uint32_t)i, p->progress[i].oldest, position)) continue;
    if (!position->id) position->id = last->id;
    bool is_same = position->id == last->id && position->id != 0 && position->committed == last->committed &&
                   position->replay_from == last->replay_from && position->head_hash == last->head_hash;
    if (!is_same) job->numbers[job->commit.input_count++] = i;
  }
}

/* The gathered messages as an array. */
static void list_messages(struct commit_job *job, unsigned worker_count) {
  size_t count = 0;
  for (unsigned w = 0; w < worker_count; w++) count += job->gathered[w].sizes.len / sizeof(size_t[3]);
  struct open_message *message = job->messages = memory_alloc(count * sizeof *job->messages);
  job->commit.open_message_count = count;
  for (unsigned w = 0; w < worker_count; w++) {
    const struct gathered *gathered = &job->gathered[w];
    const char *at = buf_slice(&gathered->bytes).ptr;
    for (size_t begin = 0; begin < gathered->sizes.len; begin += sizeof(size_t[3]), message++) {
      size_t sizes[3];
      memcpy(sizes, gathered->sizes.ptr + begin, sizeof sizes);
      message->scope = slice_of(at, sizes[0]);
      message->key = slice_of(at + sizes[0], sizes[1]);
      message->state = slice_of(at + sizes[0] + sizes[1], sizes[2]);
      at += sizes[0] + sizes[1] + sizes[2];
    }
  }
}

static void *job_main(void *argument) {
  struct commit_job *job = argument;
  job->is_good = job->sink ? pipeline_commit_topic(job->sink, job->source, job->handed, job->worker_count, &job->commit, &job->err)
                           : store_commit(job->store, &job->commit, &job->err);
  job->done_us = clock_monotonic_us();
  atomic_store(&job->is_done, true);
  return NULL;
}

static struct commit_job *job_new(struct pipeline *p) {
  struct commit_job *job = memory_zeroed(sizeof *job);
  job->store = p->store;
  job->sink = p->sink;
  job->source = p->source;
  job->worker_count = p->worker_count;
  for (unsigned i = 0; i < p->worker_count; i++) {
    job->pending[i] = p->workers[i].pending;
    p->workers[i].pending = NULL;
    job->handed[i] = p->workers[i].handed;
    p->workers[i].handed = (struct handed_out){0};
  }
  job->commit.pending = job->pending;
  job->commit.pending_count = p->worker_count;
  return job;
}

static void job_free(struct commit_job *job, unsigned worker_count) {
  for (unsigned i = 0; i < worker_count; i++) {
    pending_segments_free(job->pending[i]);
    buf_deinit(&job->gathered[i].bytes);
    buf_deinit(&job->gathered[i].sizes);
    buf_deinit(&job->handed[i].bytes);
    buf_deinit(&job->handed[i].sizes);
  }
  free(job->messages);
  free(job->positions);
  free(job->numbers);
  free(job);
}

static void job_start(struct commit_job *job) {
  job->has_failed = false;
  atomic_store(&job->is_done, false);
  job->has_thread = pthread_create(&job->thread, NULL, job_main, job) == 0;
  if (!job->has_thread) job_main(job);
}

static void job_begin(struct pipeline *p, struct commit_job *job) {
  gather(p);
  for (unsigned i = 0; i < p->worker_count; i++) {
    job->gathered[i] = p->workers[i].gathered;
    p->workers[i].gathered = (struct gathered){0};
  }
  list_positions(p, job);
  free(p->progress);
  p->progress = NULL;
  list_messages(job, p->worker_count);
  job->commit.inputs = job->positions;
  job->commit.open_messages = job->messages;
  job_start(job);
}

/* What was committed is known from now on. */
static void remember_commit(struct pipeline *p, const struct commit_job *job) {
  for (size_t k = 0; k < job->commit.input_count; k++) {
    const struct input_position *position = &job->positions[k];
    struct committed_input *committed = &p->committed[job->numbers[k]];
    committed->id = position->id;
    committed->committed = position->committed;
    committed->replay_from = position->replay_from;
    committed->head_hash = position->head_hash;
  }
  p->flushes++;
  p->write_us += job->written_us - job->begun_us;
  p->commit_us += job->done_us - job->written_us;
  log_event(LOG_DEBUG, "flush", "rows=%zu write_ms=%" PRId64 " commit_ms=%" PRId64, job->rows,
            (job->written_us - job->begun_us) / 1000, (job->done_us - job->written_us) / 1000);
}

bool pipeline_is_committing(const struct pipeline *p) { return p->job && !p->job->has_failed; }

bool pipeline_finish_commit(struct pipeline *p, bool waits, struct error *err) {
  struct commit_job *job = p->job;
  if (!job || job->has_failed || (!waits && !atomic_load(&job->is_done))) return true;
  if (job->has_thread) pthread_join(job->thread, NULL);
  if (!job->is_good) {
    *err = job->err;
    job->has_failed = true;
    if (p->sink) { /* which has tried for as long as that helps */
      p->is_commit_broken = true;
      return false;
    }
    error_context(err, "store %s", p->options.store_dir);
    return pipeline_take_failure(p, err);
  }
  remember_commit(p, job);
  p->job = NULL;
  job_free(job, p->worker_count);
  pipeline_unblock(p);
  return true;
}

/* Lines that could not be parsed are where they are wanted before the positions move behind them. */
static bool sync_dead_letters(struct pipeline *p, struct error *err) {
  if (!p->dead_letters) return true;
  for (unsigned i = 0; i < p->worker_count; i++) unparsed_flush(&p->workers[i].unparsed);
  return dead_letters_sync(p->dead_letters, err);
}

/* The tables that are not written yet; when all are, the rest of the commit begins. */
static bool write_and_begin(struct pipeline *p, struct error *err) {
  size_t rows = 0;
  for (unsigned i = 0; i < p->worker_count; i++)
    rows += p->workers[i].rows ? row_collector_rows(p->workers[i].rows) : aggregator_rows(p->workers[i].aggregator);
  int64_t begun_us = clock_monotonic_us();
  p->is_writing = !write_segments(p, err);
  if (p->is_writing) {
    error_context(err, "store %s", p->options.store_dir);
    return pipeline_take_failure(p, err);
  }
  struct commit_job *job = job_new(p);
  job->rows = rows;
  job->begun_us = begun_us;
  job->written_us = clock_monotonic_us();
  job_begin(p, job);
  p->job = job;
  p->has_uncommitted = false;
  p->committed_at_us = clock_monotonic_us();
  return true;
}

bool pipeline_commit(struct pipeline *p, struct error *err) {
  if (!pipeline_finish_commit(p, true, err)) return false;
  if (p->blockage.is_blocked) return true;
  if (!sync_dead_letters(p, err)) {
    p->is_commit_broken = true;
    return false;
  }
  for (unsigned i = 0; i < p->worker_count; i++) {
    p->workers[i].pending = pending_segments_new();
    p->workers[i].is_written = false;
  }
  return write_and_begin(p, err);
}

bool pipeline_retry_commit(struct pipeline *p, struct error *err) {
  if (p->is_writing) return write_and_begin(p, err);
  job_start(p->job);
  return true;
}

void pipeline_commit_deinit(struct pipeline *p) {
  struct error ignored; /* told already, or a run that ends without having been run */
  pipeline_finish_commit(p, true, &ignored);
  if (p->job) job_free(p->job, p->worker_count);
  for (unsigned i = 0; i < p->worker_count; i++) pending_segments_free(p->workers[i].pending);
  free(p->committed);
}
