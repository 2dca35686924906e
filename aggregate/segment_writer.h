/* Writes one segment: rows in ascending key order, each key once.
 *
 *   segment_writer_new -> segment_writer_add ... -> segment_writer_finish -> pending_segments -> store_commit
 *    temporary file        encodes, and            fsync                     (not yet visible)
 *                          compresses by frames
 *
 * Several threads may write segments of one store at the same time, each with a writer of its own; a writer is for one thread. */
#ifndef AGGREGATE_SEGMENT_WRITER_H
#define AGGREGATE_SEGMENT_WRITER_H

#include "aggregate/aggregate.h"

struct segment_writer;

/* Makes a temporary file in the store's segments directory. `writer` (a worker's number) goes into the header. NULL: see err. */
struct segment_writer *segment_writer_new(struct store *store, const struct dataset *dataset, unsigned writer, struct error *err);

/* Appends a row, a struct of the dataset; nothing of it is kept by reference. After false only segment_writer_abort may follow. */
bool segment_writer_add(struct segment_writer *w, const void *row, struct error *err);

/* Writes what is left, fsyncs the file and hands it to `pending`. Frees `w`, also on failure (then the file is gone). A segment
 * without rows leaves no file and adds nothing to `pending`. */
bool segment_writer_finish(struct segment_writer *w, struct pending_segments *pending, struct error *err);

/* Unlinks the file and frees. */
void segment_writer_abort(struct segment_writer *w);

/* Who wrote a segment, as the header says: the number of a worker, or one of these. */
enum segment_origin {
  SEGMENT_FROM_BUNDLE = -3, /* several segments as they were, put together */
  SEGMENT_FROM_DAY = -2,    /* all rows of a UTC day */
  SEGMENT_FROM_MONTH = -1,  /* all rows of a calendar month in UTC */
};

/* A segment of merged rows: its bytes and its name depend on nothing but its rows and these.
 *
 *   traffic-2026-11-24-0-9f86d081884c7d65.mp.zst     dataset, `label` (the piece of the day), checksum of the index */
struct segment_writer *segment_writer_new_merged(struct store *store, const struct dataset *dataset, enum segment_origin origin,
                                                 uint32_t resolution_s, const char *label, struct error *err);

/* Bytes of rows so far, before compression. */
uint64_t segment_writer_content_bytes(const struct segment_writer *w);

/* A sorted run of a merge: a segment in a file without a name, in `dir` (NULL: $TMPDIR or /tmp), that goes when its descriptor is
 * closed. No fsync. segment_writer_finish_run frees `w` and returns the descriptor, -1 on failure. */
struct segment_writer *segment_writer_new_run(const struct dataset *dataset, const char *dir, struct error *err);
int segment_writer_finish_run(struct segment_writer *w, struct error *err);

#endif
