/* A catalog that was lost or damaged, made anew: the manifest says which segments are live and how far the inputs were read, the
 * segments' own headers and trailers say the rest.
 *
 *   catalog.sqlite.new   filled in one transaction, closed
 *   catalog.sqlite*      what is left of the old one  -> *.damaged
 *   catalog.sqlite.new   -> catalog.sqlite            until here a kill leaves a store without catalog, to be rebuilt again
 *
 * Files in segments/ that are damaged, or that the manifest does not know (the last commit, or one that was never done), get the
 * suffix .left-out: no catalog must delete them unasked. */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "aggregate/manifest.h"
#include "aggregate/pending.h"
#include "aggregate/segment_reader.h"
#include "aggregate/store.h"
#include "base/clock.h"

#define LEFT_OUT_SUFFIX ".left-out"

struct rebuild {
  struct store *store; /* of STORE_REBUILD */
  const char *dir;
  struct manifest manifest;
  struct segment_decoder *decoder;
  void (*each)(void *context, const char *path, const char *finding);
  void *context;
  struct store_rebuilt *rebuilt;
};

static const char *format_path(struct buf *path, const char *dir, const char *name, const char *suffix) {
  buf_clear(path);
  buf_printf(path, "%s/%s%s", dir, name, suffix);
  buf_append_byte(path, '\0');
  return path->ptr;
}

static bool leave_out(struct rebuild *r, const char *name, const char *finding, struct error *err) {
  struct buf path = {0}, aside = {0};
  format_path(&path, store_segments_dir(r->store), name, "");
  format_path(&aside, store_segments_dir(r->store), name, LEFT_OUT_SUFFIX);
  bool ok = rename(path.ptr, aside.ptr) == 0 || errno == ENOENT ||
            error_set_errno(err, ERROR_STORAGE, errno, "cannot rename %s", path.ptr);
  r->each(r->context, path.ptr, finding);
  buf_deinit(&path);
  buf_deinit(&aside);
  return ok;
}

/* The dataset in front of a segment's name; NULL when there is none, or when the name would not be one of segments/. */
static const struct dataset *dataset_of(struct slice name) {
  if (name.len >= SEGMENT_NAME_MAX || slice_find_byte(name, '/') < name.len || slice_find_byte(name, '\0') < name.len) return NULL;
  return dataset_find(slice_of(name.ptr, slice_find_byte(name, '-')));
}

/* False only when the catalog cannot be written: a segment that is missing or damaged is a finding. */
static bool add_segment(struct rebuild *r, const struct manifest_segment *known, struct error *err) {
  const struct dataset *dataset = dataset_of(known->name);
  if (!dataset) return error_set(err, ERROR_INPUT, "%s/manifest: names a segment of no dataset", r->dir);
  struct segment_record record;
  struct error finding = {0};
  struct buf path = {0};
  char name[SEGMENT_NAME_MAX] = "";
  memcpy(name, known->name.ptr, known->name.len);
  format_path(&path, store_segments_dir(r->store), name, "");
  struct segment_reader *reader = segment_reader_open(path.ptr, dataset, r->decoder, &finding);
  bool is_whole = reader && segment_reader_check_frames(reader, &finding);
  if (is_whole) {
    record = *segment_reader_record(reader);
    record.id = known->id;
    memcpy(record.name, name, sizeof name);
    is_whole = record.index_hash == known->index_hash ||
               error_set(&finding, ERROR_INPUT, "is another file than the manifest means (its checksum differs)");
  }
  bool ok = is_whole ? catalog_add_segment(store_catalog(r->store), &record, clock_wall_us(), err)
                     : leave_out(r, name, finding.text, err);
  if (is_whole) r->rebuilt->segments++;
  segment_reader_close(reader);
  buf_deinit(&path);
  return ok;
}

static int compare_names(const void *a, const void *b) {
  return slice_compare(((const struct manifest_segment *)a)->name, ((const struct manifest_segment *)b)->name);
}

static bool leave_strangers_out(struct rebuild *r, struct error *err) {
  struct manifest *manifest = &r->manifest;
  if (manifest->segment_count) qsort(manifest->segments, manifest->segment_count, sizeof *manifest->segments, compare_names);
  DIR *dir = opendir(store_segments_dir(r->store));
  bool ok = dir || error_set_errno(err, ERROR_INPUT, errno, "cannot read directory %s", store_segments_dir(r->store));
  for (struct dirent *entry; ok && (entry = readdir(dir)) != NULL;) {
    struct manifest_segment wanted = {.name = slice_from_cstr(entry->d_name)};
    if (!slice_ends_with(wanted.name, SLICE(SEGMENT_SUFFIX))) continue;
    if (manifest->segment_count && bsearch(&wanted, manifest->segments, manifest->segment_count, sizeof wanted, compare_names))
      continue;
    ok = leave_out(r, entry->d_name, "is not in the manifest: of the last commit, whose lines are read again, or of none", err);
  }
  if (dir) closedir(dir);
  return ok;
}

/* The messages that were open for longer than the replay window are lost with the catalog. Files are read again from their
 * beginning, once and without counting, which brings them back; what Kafka still has may begin anywhere. */
static bool add_input(struct rebuild *r, struct input_position *input, struct error *err) {
  if (input->kind == INPUT_FILE) input->replay_from = 0;
  r->rebuilt->inputs++;
  return catalog_put_input(store_catalog(r->store), input, clock_wall_us(), err);
}

static bool fill(struct rebuild *r, struct error *err) {
  struct catalog *catalog = store_catalog(r->store);
  bool ok = catalog_begin(catalog, err);
  for (size_t i = 0; ok && i < r->manifest.segment_count; i++) ok = add_segment(r, &r->manifest.segments[i], err);
  for (size_t i = 0; ok && i < r->manifest.input_count; i++) ok = add_input(r, &r->manifest.inputs[i], err);
  ok = ok && leave_strangers_out(r, err) && catalog_commit(catalog, err);
  if (!ok) catalog_rollback(catalog);
  return ok;
}

static void note_finding(void *context, const char *finding) {
  (void)finding;
  *(bool *)context = true;
}

/* Whether the catalog that is there can be read and SQLite finds nothing wrong with it. */
static bool is_catalog_whole(const char *dir) {
  struct buf path = {0};
  bool is_empty = false, has_finding = false;
  struct catalog *catalog = catalog_open(format_path(&path, dir, "catalog.sqlite", ""), STORE_READ, &is_empty, NULL);
  bool is_whole = catalog && !is_empty && catalog_check(catalog, note_finding, &has_finding, NULL) && !has_finding;
  catalog_close(catalog);
  buf_deinit(&path);
  return is_whole;
}

static bool fill_new_catalog(struct rebuild *r, struct error *err) {
  if (!manifest_read(r->dir, &r->manifest, err))
    return error_context(err, "store %s: cannot tell which segments count and how far inputs were read", r->dir);
  r->store = store_open(r->dir, STORE_REBUILD, err);
  if (!r->store) return false;
  r->decoder = segment_decoder_new();
  return fill(r, err);
}

bool store_rebuild_catalog(const char *dir, void (*each)(void *context, const char *path, const char *finding), void *context,
                           struct store_rebuilt *rebuilt, struct error *err) {
  *rebuilt = (struct store_rebuilt){0};
  if (is_catalog_whole(dir)) return error_set(err, ERROR_USAGE, "store %s: its catalog is whole; there is nothing to rebuild", dir);
  struct rebuild r = {.dir = dir, .each = each, .context = context, .rebuilt = rebuilt};
  bool ok = fill_new_catalog(&r, err) && store_adopt_rebuilt(r.store, err);
  segment_decoder_free(r.decoder);
  store_close(r.store);
  manifest_deinit(&r.manifest);
  return ok;
}
