/* Where the rows of a flush go: into segments of the store, or as lines of JSON into messages of a topic; and where they come from when the sources
 * are such messages. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>

#include "tools/pipeline_internal.h"

/* A message of a topic is about so long: brokers take 1 MiB by default, and a row is at most some KiB. */
#define MESSAGE_BYTES (256u << 10)

/* ---- rows of other runs in -------------------------------------------------------------------------------------------------------- */

static void take_row(struct worker *worker, const struct batch *batch, struct slice line, const char *limit) {
  struct line_counts *counts = &worker->parser.counts;
  counts->lines++;
  counts->bytes += line.len + 1;
  if (row_collector_add(worker->rows, line, limit)) {
    counts->info++;
    return;
  }
  counts->unparsed[UNPARSED_BODY]++;
  unparsed_take(&worker->unparsed, line, UNPARSED_BODY, batch->position + (uint64_t)(line.ptr - batch->base));
}

void pipeline_phase_rows(void *context, unsigned number) {
  struct pipeline *p = context;
  struct worker *worker = &p->workers[number];
  if (p->batch.is_replay) return;
  unparsed_begin(&worker->unparsed, p->source, p->batch.input, p->sample_budget.count);
  for (const char *at = worker->chunk_begin, *end; at < worker->chunk_end; at = end + 1) {
    end = memchr(at, '\n', (size_t)(worker->chunk_end - at));
    take_row(worker, &p->batch, slice_of(at, (size_t)(end - at)), worker->chunk_end);
  }
}

/* ---- rows out --------------------------------------------------------------------------------------------------------------------- */

/* A writer is one worker of one run: never the same again, so that {writer, sequence} names a row for ever. */
void pipeline_stamp_worker(const struct pipeline *p, unsigned number) {
  uint64_t run = 0;
  char group[41];
  if (getrandom(&run, sizeof run, 0) != (ssize_t)sizeof run) abort();
  snprintf(group, sizeof group, "%s", p->options.group);
  for (char *at = group; *at; at++)
    if (!ascii_is_digit(*at) && (ascii_lower(*at) < 'a' || ascii_lower(*at) > 'z') && *at != '-' && *at != '.') *at = '_';
  struct row_stamp *stamp = &p->workers[number].stamp;
  snprintf(stamp->writer, sizeof stamp->writer, "%s-%016llx-%u", group, (unsigned long long)run, number);
}

static void keep_message(void *context, struct slice lines) {
  struct handed_out *handed = context;
  buf_append(&handed->sizes, &lines.len, sizeof lines.len);
  buf_append_slice(&handed->bytes, lines);
}

bool pipeline_write_rows(struct pipeline *p, unsigned number, struct error *err) {
  struct worker *worker = &p->workers[number];
  if (worker->rows) return row_collector_write(worker->rows, p->store, number, worker->pending, err);
  if (!p->sink) return aggregator_write(worker->aggregator, p->store, number, worker->pending, err);
  aggregator_hand_out(worker->aggregator, &worker->stamp, MESSAGE_BYTES, keep_message, &worker->handed);
  return true;
}

bool pipeline_commit_topic(struct topic_sink *sink, const struct source *source, const struct handed_out *handed, unsigned count,
                           const struct commit *commit, struct error *err) {
  size_t message_count = 0;
  for (unsigned i = 0; i < count; i++) message_count += handed[i].sizes.len / sizeof(size_t);
  struct slice *messages = memory_alloc(message_count * sizeof *messages), *message = messages;
  for (unsigned i = 0; i < count; i++) {
    const char *at = buf_slice(&handed[i].bytes).ptr;
    for (size_t begin = 0; begin < handed[i].sizes.len; begin += sizeof(size_t), message++) {
      memcpy(&message->len, handed[i].sizes.ptr + begin, sizeof message->len);
      message->ptr = at;
      at += message->len;
    }
  }
  const struct topic_commit topic = {.messages = messages,
                                     .message_count = message_count,
                                     .inputs = commit->inputs,
                                     .input_count = commit->input_count,
                                     .open_messages = commit->open_messages,
                                     .open_message_count = commit->open_message_count,
                                     .source = source};
  bool is_done = topic_sink_commit(sink, &topic, err);
  free(messages);
  return is_done;
}
