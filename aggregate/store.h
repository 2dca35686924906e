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

/* For rebuild.c: closes the new catalog of a store of STORE_REBUILD and gives it the name of the one that is lost. After that only
 * store_close may follow. */
bool store_adopt_rebuilt(struct store *store, struct error *err);

/* STORE/segments, good until store_close. */
const char *store_segments_dir(const struct store *store);

/* The catalog, for one thread at a time: whoever may run beside the writer's commits holds the lock meanwhile. */
struct catalog *store_catalog(struct store *store);
void store_lock_catalog(struct store *store);
void store_unlock_catalog(struct store *store);

/* The live segments of a dataset (DATASET_COUNT: of all), for the caller to free, whose files stay until readers_unmark(*mark). */
bool store_snapshot(struct store *store, enum dataset_id dataset, struct segment_record **out, size_t *count, int *mark,
                    struct error *err);

/* ---- swapping (store_swap.c) ------------------------------------------------------------------------------------------------- */

/* `added` instead of `removed`, at once: as store_commit, but nothing that comes in or goes out changes what the rows say. For a thread of
 * its own. The files of `removed` stay until no reader can hold them. `added` is empty afterwards. */
bool store_swap(struct store *store, struct pending_segments *added, const struct segment_record *removed, size_t removed_count,
                struct error *err);

/* Writes the manifest, and its name to the disk. Under store_lock_catalog. */
bool store_write_manifest(struct store *store, struct error *err);

/* Deletes the retired files that no reader can hold any more. */
bool store_delete_retired(struct store *store, struct error *err);

/* For store_swap.c: final names for the files of `pending` and the directory fsynced; the open STORE/readers; the directory. */
bool store_publish(struct store *store, struct pending_segments *pending, struct error *err);
int store_readers_fd(const struct store *store);
int store_segments_fd(const struct store *store);

#endif
