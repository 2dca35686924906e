/* The pipeline's phases for each batch, and when it commits. See pipeline.h; the commit itself is in commit.c. */
#include "tools/pipeline.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/memory.h"
#include "tools/compactor.h"
#include "tools/format_log.h"
#include "tools/pipeline_internal.h"
#include "tools/progress.h"

/* Below this a batch is not worth waking the team for: one thread does all of it. */
#define SOLO_BATCH_BYTES (32u << 10)
/* How long to wait for a batch when nothing comes, so that flushes and signals are seen in time. */
#define IDLE_WAIT_MS 50
/* Rows as JSON take some ten times what they take in a table: a sink takes less at once. */
#define SINK_TABLES 4
/* How often options->publish is called: its texts take some 0.1 ms to write. */
#define PUBLISH_PERIOD_US US_PER_SECOND

static void classify_and_count(void *context) {
  struct worker *worker = context;
  struct delivery_stage *stage = &worker->stage;
  classify_deliveries(worker->classify, stage->items, stage->count, worker->verdicts);
  aggregator_add(worker->aggregator, stage->items, worker->verdicts, stage->count);
  worker->deliveries += stage->count;
  for (size_t i = 0; i < stage->count; i++) worker->deliveries_by_status[stage->items[i].status]++;
  stage->count = 0;
  worker->has_flushed_stage = true;
}

/* ---- phases: each runs as work(pipeline, worker number) ------------------------------------------------------------------------ */

static void phase_fill(void *context, unsigned number) {
  struct pipeline *p = context;
  p->workers[number].filled = source_fill_part(&p->fill, number, p->worker_count);
}

static void phase_parse(void *context, unsigned number) {
  struct pipeline *p = context;
  struct worker *worker = &p->workers[number];
  parser_clear_lines(&worker->parser);
  unparsed_begin(&worker->unparsed, p->source, p->batch.input, p->sample_budget.count);
  const char *lookback = p->batch.base - p->batch.lookback_len;
  unwrapper_parse(worker->unwrapper, &worker->parser, &p->batch, lookback, worker->chunk_begin, worker->chunk_end);
}

static void phase_join(void *context, unsigned number) {
  struct pipeline *p = context;
  struct worker *worker = &p->workers[number];
  join_begin(worker->join, &p->batch, source_scope_name(p->source, p->batch.scope));
  for (unsigned chunk = 0; chunk < p->worker_count; chunk++) {
    const struct line_list *lines = &p->workers[chunk].parser.lists[number];
    for (size_t i = 0; i < lines->count; i++) {
      join_prefetch(worker->join, lines, i);
      join_take(worker->join, &lines->items[i], &worker->stage);
      if (!worker->has_flushed_stage) continue;
      join_release(worker->join);
      worker->has_flushed_stage = false;
    }
  }
  /* Staged deliveries point into the batch. */
  if (worker->stage.count) classify_and_count(worker);
  join_release(worker->join);
  worker->has_flushed_stage = false;
}

/* Every worker's share one after another, on this thread. */
static void run_solo(struct pipeline *p, void (*work)(void *context, unsigned worker)) {
  for (unsigned i = 0; i < p->worker_count; i++) work(p, i);
}

/* One chunk for each worker, cut behind a newline; some may be empty. */
static void cut_chunks(struct pipeline *p) {
  const char *at = p->batch.base, *end = p->batch.base + p->batch.len;
  for (unsigned i = 0; i < p->worker_count; i++) {
    const char *cut = p->batch.base + p->batch.len / p->worker_count * (i + 1);
    if (i + 1 == p->worker_count || cut >= end)
      cut = end;
    else if (cut <= at)
      cut = at;
    else
      cut = (const char *)memchr(cut, '\n', (size_t)(end - cut)) + 1; /* there is one: a batch ends with it */
    p->workers[i].chunk_begin = at;
    p->workers[i].chunk_end = cut;
    at = cut;
  }
}

static void choose_format(struct pipeline *p) {
  struct format_choice choice;
  if (format_chooser_take(p->chooser, &p->batch, &choice)) format_log(p->source, p->batch.input, &choice);
  for (unsigned i = 0; i < p->worker_count; i++) parser_use_format(&p->workers[i].parser, choice.format);
}

static void process_batch(struct pipeline *p) {
  if (!p->options.reads_summaries) choose_format(p);
  sample_budget_refill(&p->sample_budget, clock_monotonic_us());
  cut_chunks(p);
  if (p->options.reads_summaries) {
    team_run(p->team, pipeline_phase_rows, p);
  } else if (p->batch.len < SOLO_BATCH_BYTES) {
    run_solo(p, phase_parse);
    run_solo(p, phase_join);
  } else {
    team_run(p->team, phase_parse, p);
    team_run(p->team, phase_join, p);
  }
  for (unsigned i = 0; i < p->worker_count; i++) unparsed_log_samples(&p->workers[i].unparsed, &p->sample_budget);
  pipeline_remember_inputs(p, p->batch.input + 1);
  p->committed[p->batch.input].is_replaying = p->batch.is_replay;
  if (!p->batch.is_replay) p->has_uncommitted = true;
}

/* ---- driving ------------------------------------------------------------------------------------------------------------------ */

static size_t table_bytes(const struct pipeline *p) {
  size_t bytes = 0;
  for (unsigned i = 0; i < p->worker_count; i++) bytes += aggregator_bytes(p->workers[i].aggregator);
  for (unsigned i = 0; i < p->worker_count; i++)
    if (p->workers[i].rows) bytes += row_collector_bytes(p->workers[i].rows);
  return bytes;
}

static bool is_flush_due(const struct pipeline *p, int64_t now_us) {
  if (p->has_uncommitted && now_us - p->committed_at_us >= p->options.flush_interval_us) return true;
  return table_bytes(p) > (p->sink ? LIMIT_TABLE_BYTES / SINK_TABLES : LIMIT_TABLE_BYTES);
}

static void publish_if_due(struct pipeline *p, int64_t now_us) {
  if (!p->options.publish || (p->published_at_us && now_us - p->published_at_us < PUBLISH_PERIOD_US)) return;
  p->published_at_us = now_us;
  p->options.publish(p->options.publish_context, p);
}

/* What was read of the partitions before is committed, since others may go on with them; then the joins begin anew. */
static bool rebalance(struct pipeline *p, struct error *err) {
  if (!pipeline_commit(p, err) || !pipeline_finish_commit(p, true, err)) return false;
  bool is_done = source_rebalance(p->source, err);
  for (unsigned i = 0; i < p->worker_count; i++) {
    join_free(p->workers[i].join);
    p->workers[i].join = join_new(&p->options.join, i, p->worker_count);
  }
  for (size_t i = 0; i < p->committed_count; i++) p->committed[i] = (struct committed_input){0};
  if (is_done && pipeline_restore(p, err)) return true;
  /* A wish to stop ends the questions to the brokers, too; all that was read is committed already. */
  const struct source_options *source = &p->options.source;
  if (!source->should_stop || !source->should_stop(source->stop_context)) return false;
  *err = (struct error){0};
  return true;
}

/* Takes one step: a batch, or a wait for one. *is_over is set at the end of all sources. */
static bool take_batch(struct pipeline *p, bool *is_over, struct error *err) {
  p->fill.want = 0;
  switch (source_next(p->source, IDLE_WAIT_MS, &p->batch, &p->fill, err)) {
    case SOURCE_FAILED: return false;
    case SOURCE_IDLE: return true;
    case SOURCE_END: *is_over = true; return true;
    case SOURCE_REBALANCE: return rebalance(p, err);
    case SOURCE_BATCH: break;
  }
  if (p->fill.want) {
    int64_t got[LIMIT_THREADS];
    team_run(p->team, phase_fill, p);
    for (unsigned i = 0; i < p->worker_count; i++) got[i] = p->workers[i].filled;
    if (!source_fill_done(p->source, &p->batch, got, p->worker_count, err)) return false;
  }
  p->options.time_rules.now_us = clock_wall_us(); /* a run may last for months */
  if (p->batch.len) process_batch(p);
  return true;
}

/* Commits what was read, waits for it, and for a store that cannot be written as long as nobody asks for the end. */
static bool commit_rest(struct pipeline *p, bool (*should_stop)(void *context), void *context, struct error *err) {
  for (bool has_begun = false;;) {
    if (!p->blockage.is_blocked && !pipeline_finish_commit(p, true, err)) return false;
    if (!p->blockage.is_blocked) {
      if (has_begun) return true;
      if (!pipeline_commit(p, err)) return false;
      has_begun = pipeline_is_committing(p) || p->is_writing;
      continue;
    }
    if (should_stop(context)) return pipeline_give_up(p, err);
    if (!pipeline_wait_blocked(p, err) || !pipeline_finish_commit(p, false, err)) return false;
    publish_if_due(p, clock_monotonic_us());
  }
}

bool pipeline_run(struct pipeline *p, bool (*should_stop)(void *context), void *context, struct error *err) {
  struct progress progress;
  progress_init(&progress, p->options.show_progress);
  bool is_over = false, is_done = true;
  p->committed_at_us = clock_monotonic_us();
  publish_if_due(p, p->committed_at_us);
  if (p->store && p->options.compact_interval_us)
    p->compactor = compactor_new(p->store, p->options.retention, p->options.compact_interval_us);
  while (is_done && !is_over && !should_stop(context)) {
    pipeline_poll_rules(p);
    is_done = p->blockage.is_blocked ? pipeline_wait_blocked(p, err) : take_batch(p, &is_over, err);
    int64_t now_us = clock_monotonic_us();
    if (is_done) is_done = pipeline_finish_commit(p, false, err);
    if (is_done && !p->blockage.is_blocked && is_flush_due(p, now_us)) is_done = pipeline_commit(p, err);
    publish_if_due(p, now_us);
    if (progress_is_due(&progress, now_us)) {
      uint64_t done_bytes, total_bytes;
      source_progress(p->source, &done_bytes, &total_bytes);
      progress_show(&progress, now_us, done_bytes, total_bytes);
    }
  }
  progress_deinit(&progress);
  /* What was read before an input failed is whole lines, and counts. */
  struct error commit_err = {0};
  if (p->is_commit_broken) return false;
  if (commit_rest(p, should_stop, context, &commit_err)) return is_done;
  if (is_done) *err = commit_err;
  return false;
}

void pipeline_summarize(const struct pipeline *p, struct pipeline_summary *out) {
  *out = (struct pipeline_summary){.flushes = p->flushes,
                                   .write_us = p->write_us,
                                   .commit_us = p->commit_us,
                                   .table_bytes = table_bytes(p),
                                   .rules = classifier_rule_count(p->rules.classifier),
                                   .rules_loaded_at_us = p->rules_loaded_at_us,
                                   .rule_reloads = p->rule_reloads,
                                   .rule_reloads_failed = p->rule_reloads_failed,
                                   .store_is_blocked = p->blockage.is_blocked,
                                   .store_failed_tries = p->blockage.failed_tries};
  pipeline_count_replies(p, &out->classify);
  for (unsigned i = 0; i < p->worker_count; i++) {
    const struct worker *worker = &p->workers[i];
    struct join_counts join;
    line_counts_add(&out->lines, &worker->parser.counts);
    join_read_counts(worker->join, &join);
    out->join.open += join.open;
    out->join.orphans += join.orphans;
    out->join.forgotten_memory += join.forgotten_memory;
    out->join.forgotten_age += join.forgotten_age;
    out->deliveries += worker->deliveries;
    for (unsigned k = 0; k < STATUS_COUNT; k++) out->deliveries_by_status[k] += worker->deliveries_by_status[k];
    out->dead_letters += worker->unparsed.dead_letter_count;
  }
}

size_t pipeline_input_count(const struct pipeline *p) { return source_input_count(p->source); }

bool pipeline_describe_input(const struct pipeline *p, size_t number, struct pipeline_input *out) {
  struct input_position position;
  uint32_t input = (uint32_t)number;
  if (source_input_is_ended(p->source, input) || !source_position(p->source, input, 0, &position)) return false;
  *out = (struct pipeline_input){.name = position.name, .read = position.committed};
  if (number < p->committed_count) out->committed = p->committed[number].committed;
  out->has_lag = source_input_lag(p->source, input, &out->lag_messages);
  return true;
}

/* ---- life --------------------------------------------------------------------------------------------------------------------- */

struct restore {
  struct pipeline *pipeline;
  struct error *err;
};

static bool restore_message(void *context, const struct open_message *message) {
  struct restore *restore = context;
  struct pipeline *p = restore->pipeline;
  for (uint32_t scope = 0; scope < source_scope_count(p->source); scope++) {
    if (!slice_equal(source_scope_name(p->source, scope), message->scope)) continue;
    for (unsigned i = 0; i < p->worker_count; i++) {
      if (join_restore(p->workers[i].join, scope, message, restore->err)) return true;
      if (restore->err->kind) return false;
    }
  }
  return true; /* of an input that this run does not read: it stays in the catalog */
}

bool pipeline_restore(struct pipeline *p, struct error *err) {
  struct error restore_err = {0};
  struct restore restore = {p, &restore_err};
  bool is_read = p->sink ? topic_sink_each_open_message(p->sink, restore_message, &restore, err)
                         : store_read_open_messages(p->store, restore_message, &restore, err);
  if (restore_err.kind) *err = restore_err;
  return is_read && !restore_err.kind;
}

static void open_worker(struct pipeline *p, unsigned number) {
  struct worker *worker = &p->workers[number];
  parser_init(&worker->parser, p->options.format, &p->options.time_rules, p->worker_count);
  worker->parser.line_bytes_max = p->options.line_bytes_max;
  worker->parser.when_unparsed = unparsed_take;
  worker->parser.context = &worker->unparsed;
  worker->unparsed.dead_letters = p->dead_letters;
  worker->unwrapper = unwrapper_new(p->options.envelope);
  worker->join = join_new(&p->options.join, number, p->worker_count);
  worker->aggregator = aggregator_new();
  if (p->options.reads_summaries) worker->rows = row_collector_new();
  if (p->sink) pipeline_stamp_worker(p, number);
  aggregator_keep_recipients(worker->aggregator, &p->options.recipients);
  worker->stage.when_full = classify_and_count;
  worker->stage.context = worker;
}

static bool open_sink_and_source(struct pipeline *p, struct error *err) {
  p->options.source.parts = p->worker_count;
  p->options.source.line_bytes_max = p->options.line_bytes_max;
  const struct topic_sink_options options = {p->options.sink, p->options.group, &p->options.source};
  p->sink = topic_sink_new(&options, err);
  if (!p->sink) return false;
  topic_sink_positions(p->sink, &p->options.source.known, &p->options.source.known_count);
  p->source = source_new(&p->options.source, err);
  return p->source != NULL;
}

static bool open_store(struct pipeline *p, struct error *err) {
  p->store = store_open(p->options.store_dir, STORE_WRITE, err);
  return p->store && store_read_inputs(p->store, &p->options.source.known, &p->options.source.known_count, err);
}

/* Positions first: the sources need them to know what is new. But a new store, which has none, is made when its sources are there:
 * one that is empty because of a mistyped name would look like one without mail. */
static bool open_store_and_source(struct pipeline *p, struct error *err) {
  char catalog[PATH_MAX];
  snprintf(catalog, sizeof catalog, "%s/catalog.sqlite", p->options.store_dir);
  bool is_new = access(catalog, F_OK) != 0;
  if (!is_new && !open_store(p, err)) return false;
  p->options.source.parts = p->worker_count;
  p->options.source.line_bytes_max = p->options.line_bytes_max;
  p->source = source_new(&p->options.source, err);
  if (!p->source || !is_new) return p->source != NULL;
  if (!open_store(p, err)) return false;
  if (!p->options.source.known_count) return true;
  return error_set(err, ERROR_RETRY, "store %s: another run has just made it; try again", p->options.store_dir);
}

static bool open_rooms(struct pipeline *p, struct error *err) {
  if (!pipeline_load_rules(p, err)) return false;
  if (!(p->options.sink ? open_sink_and_source(p, err) : open_store_and_source(p, err))) return false;
  pipeline_tell_rules(p);
  p->chooser = format_chooser_new(p->options.format, p->options.envelope, &p->options.time_rules);
  if (p->options.dead_letter) {
    p->dead_letters = dead_letters_new(p->options.dead_letter, &p->options.source, err);
    if (!p->dead_letters) return false;
  }
  p->team = team_new(p->worker_count, err);
  if (!p->team) return false;
  for (unsigned i = 0; i < p->worker_count; i++) open_worker(p, i);
  return pipeline_restore(p, err);
}

struct pipeline *pipeline_new(const struct pipeline_options *options, struct error *err) {
  struct pipeline *p = memory_zeroed(sizeof *p);
  p->options = *options;
  p->worker_count = options->threads;
  p->workers = memory_zeroed(p->worker_count * sizeof *p->workers);
  if (open_rooms(p, err)) return p;
  pipeline_free(p);
  return NULL;
}

void pipeline_free(struct pipeline *p) {
  if (!p) return;
  compactor_free(p->compactor);
  team_free(p->team);
  format_chooser_free(p->chooser);
  for (unsigned i = 0; i < p->worker_count; i++) {
    struct worker *worker = &p->workers[i];
    if (worker->parser.format) parser_deinit(&worker->parser);
    unwrapper_free(worker->unwrapper);
    join_free(worker->join);
    aggregator_free(worker->aggregator);
    row_collector_free(worker->rows);
    unparsed_deinit(&worker->unparsed);
  }
  pipeline_commit_deinit(p);
  dead_letters_free(p->dead_letters);
  source_free(p->source);
  topic_sink_free(p->sink);
  pipeline_rules_deinit(p);
  store_close(p->store);
  free(p->workers);
  free(p);
}
