/* Segments instead of others, while writer and readers go on: see readers.h for when the files of the others go. */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "aggregate/pending.h"
#include "aggregate/readers.h"
#include "aggregate/store.h"
#include "base/clock.h"

static bool fill_transaction(struct catalog *catalog, const struct pending_segments *added, const struct segment_record *removed,
                             size_t removed_count, struct error *err) {
  int64_t now_us = clock_wall_us();
  if (!catalog_begin(catalog, err)) return false;
  for (size_t i = 0; i < removed_count; i++)
    if (!catalog_retire_segment(catalog, &removed[i], err)) return false;
  for (size_t i = 0; i < pending_segments_count(added); i++)
    if (!catalog_add_segment(catalog, pending_segments_at(added, i), now_us, err)) return false;
  return true;
}

bool store_swap(struct store *store, struct pending_segments *added, const struct segment_record *removed, size_t removed_count,
                struct error *err) {
  struct catalog *catalog = store_catalog(store);
  bool is_published = store_publish(store, added, err);
  store_lock_catalog(store);
  bool is_filled = is_published && fill_transaction(catalog, added, removed, removed_count, err);
  bool ok = is_filled && catalog_commit(catalog, err);
  if (!ok) catalog_rollback(catalog);
  store_unlock_catalog(store);
  /* As in store_commit: after a COMMIT that failed the files must stay. It is not tried again: what was to be swapped is planned anew. */
  if (is_filled)
    pending_segments_forget(added);
  else
    pending_segments_discard(added);
  return ok || error_context(err, "swap of segments");
}

/* Files of one snapshot go together: readers keep all from the oldest mark on. */
static size_t count_deletable(struct store *store, const struct retired_file *files, size_t count) {
  size_t done = 0;
  while (done < count && readers_are_past(store_readers_fd(store), files[done].number)) done++;
  return done;
}

static bool delete_file(struct store *store, const struct retired_file *file, struct error *err) {
  if (!file->is_live && unlinkat(store_segments_fd(store), file->name, 0) != 0 && errno != ENOENT)
    return error_set_errno(err, ERROR_INPUT, errno, "cannot delete %s/%s", store_segments_dir(store), file->name);
  return catalog_forget_retired(store_catalog(store), file->number, err);
}

/* A kill between the deletions and the commit leaves numbers whose files are gone: ENOENT is no error. */
bool store_delete_retired(struct store *store, struct error *err) {
  struct catalog *catalog = store_catalog(store);
  struct retired_file *files = NULL;
  size_t count = 0;
  store_lock_catalog(store);
  bool ok = catalog_read_retired(catalog, &files, &count, err);
  if (ok) count = count_deletable(store, files, count);
  /* A manifest that names what is deleted now would be of no use. */
  if (ok && count) ok = store_write_manifest(store, err);
  if (ok && count) {
    ok = catalog_begin(catalog, err);
    for (size_t i = 0; i < count && ok; i++) ok = delete_file(store, &files[i], err);
    ok = ok && catalog_commit(catalog, err);
    if (!ok) catalog_rollback(catalog);
  }
  store_unlock_catalog(store);
  free(files);
  return ok;
}
