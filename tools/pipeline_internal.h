/* What pipeline.c, pipeline_commit.c and pipeline_rules.c share; nobody else includes it. */
#ifndef TOOLS_PIPELINE_INTERNAL_H
#define TOOLS_PIPELINE_INTERNAL_H

#include "base/buf.h"
#include "tools/pipeline.h"
#include "tools/rule_reload.h"
#include "tools/team.h"
#include "tools/unparsed.h"

/* Open messages copied one behind another: scope, key and state of each, with their lengths in `sizes`. */
struct gathered {
  struct buf bytes;
  struct buf sizes; /* size_t[3] each */
};

/* Messages of a topic, one behind another, with their lengths (size_t) in `sizes`. */
struct handed_out {
  struct buf bytes, sizes;
};

/* Everything that one thread of the team touches in a phase; aligned so that two threads never write one cache line. */
struct worker {
  struct parser parser;
  struct unwrapper *unwrapper;
  struct join *join;
  struct classify_context *classify; /* of the pipeline's rules */
  struct aggregator *aggregator;
  struct row_collector *rows;          /* where the sources are summaries: in its place; else NULL */
  struct row_stamp stamp;              /* where there is a sink */
  const char *chunk_begin, *chunk_end; /* its part of the batch */
  int64_t filled;                      /* bytes it read, or -1 */
  uint64_t deliveries, deliveries_by_status[STATUS_COUNT];
  struct unparsed unparsed;
  bool has_flushed_stage;
  /* Made by one commit after another: */
  struct pending_segments *pending;
  struct gathered gathered;
  struct handed_out handed;
  struct input_progress *progress; /* of all inputs, as its join has it */
  bool is_written;
  struct error err;
  struct verdict verdicts[LIMIT_STAGE];
  struct delivery_stage stage;
} __attribute__((aligned(128)));

/* An input as it was last committed, so that only what changed is written. While its lines are read again for the join, its
 * position in the catalog is ahead of what was read, and stays. */
struct committed_input {
  uint64_t id, committed, replay_from, head_hash;
  bool is_replaying;
};

struct commit_job;

/* What the store does not take. From the first failure of a commit until that commit is done nothing is read. */
struct blockage {
  bool is_blocked;
  struct error err; /* of the last try */
  int64_t since_us, retry_at_us, delay_us;
  uint64_t failed_tries; /* of the whole run */
};

struct pipeline {
  struct pipeline_options options;
  struct store *store;     /* NULL: there is a sink */
  struct topic_sink *sink; /* NULL: there is a store */
  struct rules_in_use rules;
  struct rule_reload *reload;
  uint64_t rule_reloads, rule_reloads_failed;
  int64_t rules_loaded_at_us;
  struct classify_counts retired_counts; /* by rules that are no longer in use */
  struct compactor *compactor;           /* while it runs; NULL: not wanted */
  struct source *source;
  struct format_chooser *chooser;
  struct dead_letters *dead_letters; /* NULL: none wanted */
  struct sample_budget sample_budget;
  struct team *team;
  struct worker *workers;
  unsigned worker_count;

  struct batch batch; /* the one in work */
  struct batch_fill fill;

  bool has_uncommitted;
  bool is_commit_broken; /* a commit failed for good: nothing more is written in this run */
  bool is_writing;       /* a commit has begun, and some tables are not written yet */
  struct blockage blockage;
  int64_t committed_at_us;
  uint64_t flushes;
  int64_t write_us, commit_us; /* of all flushes */
  int64_t published_at_us;
  struct committed_input *committed;
  size_t committed_count;
  struct input_progress *progress; /* during the gathering of a commit */
  size_t progress_count;
  struct commit_job *job; /* the commit under way, or failed and to be tried again; NULL: none */
};

/* Makes room in `committed` for the first `input_count` inputs. */
void pipeline_remember_inputs(struct pipeline *pipeline, size_t input_count);

/* Writes the tables, gathers positions and open messages, and begins to commit them, on a thread of its own: the next batches are
 * read meanwhile. Waits for the commit before it; an error may be of that one. True also when the pipeline is blocked now, by the
 * commit before it (then this one has not begun) or by this one. */
bool pipeline_commit(struct pipeline *pipeline, struct error *err);

/* Takes the result of the commit under way if it is done, or `waits` for it. True when there is none, not yet, or when its failure
 * has blocked the pipeline. */
bool pipeline_finish_commit(struct pipeline *pipeline, bool waits, struct error *err);

/* Tries the commit again that blocks the pipeline. As pipeline_commit. */
bool pipeline_retry_commit(struct pipeline *pipeline, struct error *err);
bool pipeline_is_committing(const struct pipeline *pipeline); /* on its thread, and not known to be done */

/* A commit failed. True: the pipeline is blocked, `err` is taken. False: it will never get through, `err` stays. */
bool pipeline_take_failure(struct pipeline *pipeline, struct error *err);
/* The commit is done. */
void pipeline_unblock(struct pipeline *pipeline);
/* One step of waiting while blocked: a pause, or the next try. */
bool pipeline_wait_blocked(struct pipeline *pipeline, struct error *err);
/* Puts into `err` that the run was stopped while it was blocked; false. */
bool pipeline_give_up(const struct pipeline *pipeline, struct error *err);

/* Gives the open messages that are kept to the joins, which are new. */
bool pipeline_restore(struct pipeline *pipeline, struct error *err);

/* A worker's part of the batch as rows of other runs. */
void pipeline_phase_rows(void *context, unsigned number);

/* Names the writer of a worker's rows. */
void pipeline_stamp_worker(const struct pipeline *pipeline, unsigned number);

/* Empties a worker's tables: into its `pending`, or its `handed`. */
bool pipeline_write_rows(struct pipeline *pipeline, unsigned number, struct error *err);

/* Messages of all workers, and positions and open messages of `commit`, at once. */
bool pipeline_commit_topic(struct topic_sink *sink, const struct source *source, const struct handed_out *handed, unsigned count,
                           const struct commit *commit, struct error *err);

void pipeline_commit_deinit(struct pipeline *pipeline);

/* Loads the rules at the start, and gives each worker its context. */
bool pipeline_load_rules(struct pipeline *pipeline, struct error *err);
/* Tells `bouncemill rules reload` which rules are in force; the store must be open. */
void pipeline_tell_rules(struct pipeline *pipeline);
/* Between two batches: begins a reload when one is asked for, and takes the outcome of one that has ended. */
void pipeline_poll_rules(struct pipeline *pipeline);
void pipeline_count_replies(const struct pipeline *pipeline, struct classify_counts *out);
void pipeline_rules_deinit(struct pipeline *pipeline);

#endif
