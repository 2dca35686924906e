/* The catalog: one SQLite database that says which segments are live, how far each input was read, and which messages are open.
 * What one transaction puts in is true at once; what no transaction puts in never happened. docs/format.md has the tables.
 *
 *   catalog_begin -> catalog_add_segment, catalog_put_input, catalog_put_open_message ... -> catalog_commit
 *                                   any of them fails -> catalog_rollback
 *
 * One thread at a time. Every function that can fail gives the path of the catalog in its error, and what to do about damage. */
#ifndef AGGREGATE_CATALOG_H
#define AGGREGATE_CATALOG_H

#include "aggregate/aggregate.h"

/* Longest name of a segment: "<dataset>-<id>-<writer>.mp.zst". */
#define SEGMENT_NAME_MAX 96

/* A segment as the catalog knows it. */
struct segment_record {
  uint64_t id; /* of the row, and in the name; grows with time and is never given out twice */
  enum dataset_id dataset;
  uint32_t version;      /* of the dataset's schema */
  uint32_t resolution_s; /* length of a row's period: 60, 3600, 86400 */
  uint32_t writer;
  char name[SEGMENT_NAME_MAX]; /* of the file in segments/ */
  uint64_t rows, bytes;
  int64_t from_us, to_us; /* event times, [from, to) */
  uint64_t index_hash;    /* XXH3-64 of the trailer, which covers everything else */
  int64_t created_at_us;  /* of the commit; 0 before it */
};

/* A file that was taken out of the store and may still be open in a reader: see readers.h. */
struct retired_file {
  uint64_t number;
  char name[SEGMENT_NAME_MAX];
  bool is_live; /* a live segment has the same name, and so the same content */
};

struct catalog;

/* STORE_WRITE makes a file that is not there; `*is_empty` says that it has no tables yet and wants catalog_make_tables. STORE_READ
 * fails with ERROR_RETRY on such a one: somebody is making it. */
struct catalog *catalog_open(const char *path, enum store_mode mode, bool *is_empty, struct error *err);
bool catalog_make_tables(struct catalog *catalog, struct error *err);
void catalog_close(struct catalog *catalog);

/* The highest id that a segment ever had, 0 for none. */
bool catalog_last_segment_id(struct catalog *catalog, uint64_t *id, struct error *err);

bool catalog_begin(struct catalog *catalog, struct error *err);
bool catalog_add_segment(struct catalog *catalog, const struct segment_record *segment, int64_t now_us, struct error *err);
/* Takes a segment out (an error when it is not there) and notes its file as retired. */
bool catalog_retire_segment(struct catalog *catalog, const struct segment_record *segment, struct error *err);
bool catalog_forget_retired(struct catalog *catalog, uint64_t number, struct error *err);
/* id 0 inserts and fills in the id; else the row of this id is overwritten (an error when there is none). */
bool catalog_put_input(struct catalog *catalog, struct input_position *input, int64_t now_us, struct error *err);
/* An empty state deletes. */
bool catalog_put_open_message(struct catalog *catalog, const struct open_message *message, struct error *err);
/* After false it is not known whether the transaction will be there at the next start: nothing that it names may be deleted. */
bool catalog_commit(struct catalog *catalog, struct error *err);
void catalog_rollback(struct catalog *catalog);

/* Live segments of a dataset (DATASET_COUNT: of all) by ascending id, from one snapshot. The array is the caller's to free. */
bool catalog_read_segments(struct catalog *catalog, enum dataset_id dataset, struct segment_record **out, size_t *count,
                           struct error *err);

/* The highest number that a retired file ever had, 0 for none; and all that are not forgotten, ascending, for the caller to free. */
bool catalog_last_retired(struct catalog *catalog, uint64_t *number, struct error *err);
bool catalog_read_retired(struct catalog *catalog, struct retired_file **out, size_t *count, struct error *err);

/* Calls `each` with every input by ascending id; the name is good during the call. */
bool catalog_each_input(struct catalog *catalog, void (*each)(void *context, const struct input_position *input), void *context,
                        struct error *err);
/* Calls `each` until it returns false; slices are good during the call. */
bool catalog_each_open_message(struct catalog *catalog, bool (*each)(void *context, const struct open_message *message),
                               void *context, struct error *err);

/* SQLite's own check of every page; calls `each` for each finding. */
bool catalog_check(struct catalog *catalog, void (*each)(void *context, const char *finding), void *context, struct error *err);

#endif
