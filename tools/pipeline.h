/* The only place where ingest, classify and aggregate meet: batches of lines in, commits of the store out.
 *
 *   source -> [ fill | unwrap, parse | join, classify, count ] -> ... -> [ write segments ] -> commit
 *               \__________ every worker its share __________/            every worker        one
 *
 * One thread drives; the phases in brackets run on all workers at once (team.h). A batch is cut into one chunk a worker to be parsed;
 * each worker then joins the lines of its own shards, chunk after chunk, so the order within a message is that of the input. */
#ifndef TOOLS_PIPELINE_H
#define TOOLS_PIPELINE_H

#include "aggregate/aggregate.h"
#include "classify/classify.h"
#include "ingest/ingest.h"

struct pipeline;

struct pipeline_options {
  const char *store_dir;
  const char *rules_dir, *user_rules_dir; /* of classifier_options */
  const struct format *format;
  const struct envelope *envelope;
  struct time_rules time_rules;
  unsigned threads;
  int64_t flush_interval_us;
  int64_t compact_interval_us; /* 0: the store is not compacted */
  struct retention retention[DATASET_COUNT];
  struct source_options source; /* names, follow, until_end, Kafka properties; the rest is filled in */
  struct join_options join;
  struct recipient_options recipients;
  size_t line_bytes_max;   /* longer lines are cut and counted as too long */
  const char *sink;        /* "kafka://BROKERS/TOPIC": where rows go instead of a store (store_dir is not looked at), or NULL */
  const char *group;       /* of the sink's offsets */
  bool reads_summaries;    /* what the sources have are not logs but rows from such a topic; `format` is not looked at */
  const char *dead_letter; /* target of unparsed lines (dead_letters_new), or NULL */
  /* Called about once a second between batches, for whoever watches; may be NULL. */
  void (*publish)(void *context, const struct pipeline *pipeline);
  void *publish_context;
  /* Asked between batches: true, once, when the rules shall be read again. The new ones take over between two batches; when they are
   * wrong the old ones stay. May be NULL. */
  bool (*should_reload)(void *context);
  void *reload_context;
  bool show_progress; /* a line on stderr, rewritten in place */
};

/* What a run did, for its last words. */
struct pipeline_summary {
  struct line_counts lines;
  struct join_counts join;
  struct classify_counts classify;
  uint64_t deliveries; /* counted into the store */
  uint64_t deliveries_by_status[STATUS_COUNT];
  uint64_t flushes;
  int64_t write_us, commit_us; /* spent in flushes */
  uint64_t table_bytes;        /* of the counts not written yet */
  uint64_t dead_letters;       /* lines written to their target */
  size_t rules;                /* in force */
  int64_t rules_loaded_at_us;  /* wall clock */
  uint64_t rule_reloads, rule_reloads_failed;
  bool store_is_blocked; /* a commit cannot be written, and nothing is read until it is */
  uint64_t store_failed_tries;
};

/* Opens store, classifier and sources and brings the join back to where the store's positions are. NULL with err. */
struct pipeline *pipeline_new(const struct pipeline_options *options, struct error *err);
void pipeline_free(struct pipeline *pipeline);

/* Works until the sources end, or until `should_stop` says so (asked between batches); then commits what is there. A store that cannot be
 * written stops the reading, is tried again and again, and ends the run only when it is damaged, or with ERROR_RETRY when `should_stop`
 * says so meanwhile. */
bool pipeline_run(struct pipeline *pipeline, bool (*should_stop)(void *context), void *context, struct error *err);

void pipeline_summarize(const struct pipeline *pipeline, struct pipeline_summary *out);

/* Where an input is, in its own terms: bytes of a file, offsets of a partition. */
struct pipeline_input {
  struct slice name; /* good until pipeline_free */
  uint64_t read, committed;
  bool has_lag; /* a partition of which the brokers told their end */
  uint64_t lag_messages;
};
/* Why the store cannot be written now, good until the next step of the pipeline; NULL while it can. */
const char *pipeline_blocked_reason(const struct pipeline *pipeline);

size_t pipeline_input_count(const struct pipeline *pipeline);
/* False when there is nothing to tell: standard input, what is not begun, files that have ended. */
bool pipeline_describe_input(const struct pipeline *pipeline, size_t number, struct pipeline_input *out);

#endif
