/* The door of aggregate/: deliveries with their verdicts in, segments and a catalog on disk, rows out.
 *
 *   aggregator_add -> live tables -> aggregator_write -> segment files (not yet visible) -> store_commit -> catalog
 *    one worker each                one worker each                                     one thread: THE commit
 *
 * docs/format.md describes what lies on disk. */
#ifndef AGGREGATE_AGGREGATE_H
#define AGGREGATE_AGGREGATE_H

#include "base/error.h"
#include "schemas/dataset.h"
#include "schemas/delivery.h"
#include "schemas/position.h"
#include "schemas/verdict.h"

/* ---- the store -------------------------------------------------------------------------------------------------------------- */

/* A directory: catalog.sqlite, lock, segments/. */
struct store;

enum store_mode {
  STORE_READ,    /* any number of readers; the store must exist */
  STORE_WRITE,   /* one writer: made when it is not there, locked (ERROR_RETRY when another holds it), unknown files swept */
  STORE_REBUILD, /* for store_rebuild_catalog alone: locked, with a new, empty catalog beside the one that is lost */
};
struct store *store_open(const char *dir, enum store_mode mode, struct error *err);
void store_close(struct store *store);

/* The process that has the store open to write. False with err when there is none. */
bool store_find_writer(const char *dir, long *pid, struct error *err);

/* What the catalog knows of inputs and open messages. Arrays and slices are good until store_close. */
bool store_read_inputs(struct store *store, const struct input_position **out, size_t *count, struct error *err);
bool store_read_open_messages(struct store *store, bool (*each)(void *context, const struct open_message *message), void *context,
                              struct error *err);

/* ---- counting --------------------------------------------------------------------------------------------------------------- */

/* One worker's live tables. */
struct aggregator;
struct aggregator *aggregator_new(void);
void aggregator_free(struct aggregator *aggregator);

/* How the dataset `recipients` names people. */
enum recipient_naming { RECIPIENTS_OFF, RECIPIENTS_HASHED, RECIPIENTS_PLAIN };
struct recipient_options {
  enum recipient_naming naming;
  struct slice key; /* HASHED: of the HMAC; read when it is given, not kept */
};
/* From now on counts recipients, too, where it is not OFF (as it is at first). */
void aggregator_keep_recipients(struct aggregator *aggregator, const struct recipient_options *options);

/* Counts `count` deliveries (at most LIMIT_STAGE). Copies what it keeps. Allocates nothing but when a table grows. */
void aggregator_add(struct aggregator *aggregator, const struct delivery *deliveries, const struct verdict *verdicts, size_t count);
size_t aggregator_bytes(const struct aggregator *aggregator);
size_t aggregator_rows(const struct aggregator *aggregator);

/* Segment files that were written and fsynced and wait for the commit. */
struct pending_segments;
struct pending_segments *pending_segments_new(void);
void pending_segments_free(struct pending_segments *pending); /* unlinks the files that were not committed */

/* Writes one segment for each dataset that has rows and empties the tables. Workers may do this at the same time, each with its own
 * `pending`. `writer` (worker number) goes into the segment's header. On failure the tables keep their rows. */
bool aggregator_write(struct aggregator *aggregator, struct store *store, unsigned writer, struct pending_segments *pending,
                      struct error *err);

/* Everything that becomes true at once. */
struct commit {
  struct pending_segments **pending;
  size_t pending_count;
  struct input_position *inputs; /* `id` is filled in for new ones */
  size_t input_count;
  const struct open_message *open_messages;
  size_t open_message_count;
};
/* Renames, fsyncs the directory, then ONE transaction. After true a kill loses nothing of it, and the pending are empty. After
 * false nothing of it is there, and the same commit may be tried again (worth while when the error is ERROR_STORAGE or ERROR_RETRY)
 * or given up by freeing the pending. Only when COMMIT itself failed the next start decides, and the files stay until then. */
bool store_commit(struct store *store, struct commit *commit, struct error *err);

/* ---- compaction ------------------------------------------------------------------------------------------------------------- */

/* How long rows keep their minutes, and their hours, and how long they are kept at all: days of age. minute_days <= hour_days. */
struct retention {
  unsigned minute_days, hour_days, keep_days; /* keep_days 0: for ever */
};
extern const struct retention RETENTION_DEFAULT;

struct compaction {
  struct retention retention[DATASET_COUNT];
  int64_t now_us;     /* age counts from here */
  bool is_background; /* beside a writer: leaves days alone that are not over or still change, and takes less memory */
  bool (*should_stop)(void *context); /* asked often; NULL: never */
  void *stop_context;
};

/* Of one dataset. */
struct compaction_result {
  uint64_t segments_before, segments_after, bytes_before, bytes_after; /* of what was replaced, and by what */
  uint64_t damaged;                                                    /* jobs that were left out for a damaged segment */
};

/* Merges segments by days and months of UTC, rolls rows up as they age and drops those past their retention. Each swap is one transaction:
 * a kill loses and doubles nothing. For a store open for writing; beside store_commit on another thread. Not background: the segments
 * are afterwards, byte for byte, those that any other order of reading, writing and compacting the same rows gives (but for replies
 * that come when their month was folded: docs/format.md). True also when it was stopped. `results`: [DATASET_COUNT]. */
bool store_compact(struct store *store, const struct compaction *compaction, struct compaction_result *results, struct error *err);

/* ---- rows between runs -------------------------------------------------------------------------------------------------------- */

/* Who hands rows out: a name that no other run ever has (no quotes in it), and the number of the last row. */
struct row_stamp {
  char writer[96];
  uint64_t sequence;
};

/* Instead of aggregator_write: gives all rows to `each` as lines of JSON, about `bytes_max` of them at once (docs/summaries.md), and empties
 * the tables. */
void aggregator_hand_out(struct aggregator *aggregator, struct row_stamp *stamp, size_t bytes_max,
                         void (*each)(void *context, struct slice lines), void *context);

/* Takes such lines, and writes them as aggregator_write does. One worker each. */
struct row_collector;
struct row_collector *row_collector_new(void);
void row_collector_free(struct row_collector *collector);
/* False: the line is no row of a dataset and version that is known; nothing was taken. Bytes up to `limit` may be read. */
bool row_collector_add(struct row_collector *collector, struct slice line, const char *limit);
size_t row_collector_bytes(const struct row_collector *collector);
size_t row_collector_rows(const struct row_collector *collector);
bool row_collector_write(struct row_collector *collector, struct store *store, unsigned writer, struct pending_segments *pending,
                         struct error *err);

/* ---- reading ---------------------------------------------------------------------------------------------------------------- */

struct query {
  enum dataset_id dataset;
  int64_t since_us, until_us; /* event time, [since, until); INT64_MIN and INT64_MAX for no bound */
};

/* Rows of all live segments merged: sorted by key, one for each key. `each` returns false to stop. Strings are good during the
 * call. A damaged segment is named in the log, counted in *damaged and left out. */
bool query_rows(struct store *store, const struct query *query, bool (*each)(void *context, const void *row), void *context,
                size_t *damaged, struct error *err);

/* As query_rows, but in no order and with equal keys not merged: faster, for sums. */
bool query_rows_unmerged(struct store *store, const struct query *query, bool (*each)(void *context, const void *row),
                         void *context, size_t *damaged, struct error *err);

/* Live segments of a dataset, oldest first: path (good during the call), rows, bytes on disk. */
struct segment_info {
  const char *path;
  uint64_t rows, bytes;
  int64_t from_us, to_us; /* event times inside, [from, to) */
};
bool store_each_segment(struct store *store, enum dataset_id dataset,
                        bool (*each)(void *context, const struct segment_info *segment), void *context, struct error *err);

/* Paths (good during the call) of the live segments, oldest first, whose every byte is as its checksum says; `each` returns false
 * to stop. A damaged one is named in the log, counted in *damaged and left out. */
bool store_each_whole_segment(struct store *store, enum dataset_id dataset, bool (*each)(void *context, const char *path),
                              void *context, size_t *damaged, struct error *err);

struct store_rebuilt {
  uint64_t segments, inputs;
};
/* Makes the catalog anew that is missing or damaged (an error when it is whole), from the manifest and the segments; what is left
 * of the old one stays beside it as *.damaged. `each` is called for each segment that is left out. Open messages older than the
 * replay window are not in the manifest: the next run reads files from their beginning for them; those of Kafka are forgotten. */
bool store_rebuild_catalog(const char *dir, void (*each)(void *context, const char *path, const char *finding), void *context,
                           struct store_rebuilt *rebuilt, struct error *err);

/* Checks the catalog and every byte of every live segment; calls `each` for each finding. False only when it could not check. */
bool store_verify(struct store *store, void (*each)(void *context, const char *path, const char *finding), void *context,
                  struct error *err);

#endif
