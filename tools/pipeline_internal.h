/* What pipeline.c and pipeline_commit.c share; nobody else includes it. */
#ifndef TOOLS_PIPELINE_INTERNAL_H
#define TOOLS_PIPELINE_INTERNAL_H

#include "base/buf.h"
#include "tools/pipeline.h"
#include "tools/team.h"

/* Everything that one thread of the team touches in a phase; aligned so that two threads never write one cache line. */
struct worker {
  struct parser parser;
  struct join *join;
  struct classify_context *classify;
  struct aggregator *aggregator;
  const char *chunk_begin, *chunk_end; /* its part of the batch */
  int64_t filled;                      /* bytes it read, or -1 */
  uint64_t deliveries;
  bool has_flushed_stage;
  struct pending_segments *pending; /* during a commit */
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

struct pipeline {
  struct pipeline_options options;
  struct store *store;
  struct classifier *classifier;
  struct source *source;
  struct team *team;
  struct worker *workers;
  unsigned worker_count;

  struct batch batch; /* the one in work */
  struct batch_fill fill;

  bool has_uncommitted;
  bool is_commit_broken; /* a commit failed: nothing more is written in this run */
  int64_t committed_at_us;
  uint64_t flushes;
  struct committed_input *committed;
  size_t committed_count;
};

/* Makes room in `committed` for the first `input_count` inputs. */
void pipeline_remember_inputs(struct pipeline *pipeline, size_t input_count);

/* Writes the tables, gathers positions and open messages, commits. */
bool pipeline_commit(struct pipeline *pipeline, struct error *err);
void pipeline_commit_deinit(struct pipeline *pipeline);

#endif
