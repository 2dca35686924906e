/* The store's directory as the other files of this room see it.
 *
 *   STORE/catalog.sqlite (-wal, -shm)   what is true
 *   STORE/lock                          flock of the one writer; holds its process id
 *   STORE/segments/                     NAME.mp.zst; NAME.mp.zst.tmp while being written
 *
 * Segment writers of several threads may use one store at the same time; everything else is for one thread. */
#ifndef AGGREGATE_STORE_H
#define AGGREGATE_STORE_H

#include "aggregate/catalog.h"

/* The next id for a segment; thread-safe. */
uint64_t store_next_segment_id(struct store *store);

/* STORE/segments, good until store_close. */
const char *store_segments_dir(const struct store *store);

/* For query.c and verify.c. */
struct catalog *store_catalog(struct store *store);

#endif
