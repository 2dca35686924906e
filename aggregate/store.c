/* The store's directory: opening, the lock, the sweep of what no commit knows, and the commit. See store.h and aggregate.h. */
#include "aggregate/store.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "aggregate/manifest.h"
#include "aggregate/pending.h"
#include "aggregate/readers.h"
#include "base/clock.h"
#include "base/log.h"

enum { LOCK_TRIES = 5, LOCK_PAUSE_US = 10000 };

/* What one store_read_inputs gave; kept until store_close. */
struct inputs_read {
  struct inputs_read *next;
  struct input_position *positions;
  size_t count, cap;
  struct buf names; /* of all, one after another: the positions' slices point here when all are read */
};

struct store {
  enum store_mode mode;
  char *dir, *segments_dir, *catalog_path, *lock_path, *readers_path;
  int segments_fd, lock_fd, readers_fd;
  struct catalog *catalog;
  pthread_mutex_t catalog_lock; /* commits and swaps are of different threads */
  _Atomic uint64_t last_segment_id;
  struct inputs_read *inputs_read;
};

uint64_t store_next_segment_id(struct store *store) { return atomic_fetch_add(&store->last_segment_id, 1) + 1; }
const char *store_segments_dir(const struct store *store) { return store->segments_dir; }
struct catalog *store_catalog(struct store *store) {
  return store->catalog;
}
void store_lock_catalog(struct store *store) { pthread_mutex_lock(&store->catalog_lock); }
void store_unlock_catalog(struct store *store) { pthread_mutex_unlock(&store->catalog_lock); }
int store_readers_fd(const struct store *store) { return store->readers_fd; }
int store_segments_fd(const struct store *store) { return store->segments_fd; }

/* ---- opening ---------------------------------------------------------------------------------------------------------------- */

static char *path_join(const char *dir, const char *name) {
  size_t size = strlen(dir) + strlen(name) + 2;
  char *path = memory_alloc(size);
  snprintf(path, size, "%s/%s", dir, name);
  return path;
}

static bool sync_directory(const char *dir, struct error *err) {
  int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  bool ok = fd >= 0 && fsync(fd) == 0;
  if (!ok) error_set_errno(err, ERROR_INPUT, errno, "cannot fsync directory %s", dir);
  if (fd >= 0) close(fd);
  return ok;
}

/* The directory that holds `path`: without this a power cut takes a directory that was made, and all that is in it. */
static bool sync_parent(const char *path, struct error *err) {
  const char *slash = strrchr(path, '/');
  if (!slash) return sync_directory(".", err);
  size_t len = slash == path ? 1 : (size_t)(slash - path);
  char *parent = memory_zeroed(len + 1);
  memcpy(parent, path, len);
  bool ok = sync_directory(parent, err);
  free(parent);
  return ok;
}

/* The directory and those above it, as mkdir -p. */
static bool make_directories(const char *dir, struct error *err) {
  size_t size = strlen(dir) + 1;
  char *path = memcpy(memory_alloc(size), dir, size);
  bool ok = true;
  for (char *at = path + 1; ok && at <= path + size - 1; at++) {
    if (*at != '/' && *at != '\0') continue;
    char kept = *at;
    *at = '\0';
    if (mkdir(path, 0750) == 0)
      ok = sync_parent(path, err);
    else if (errno != EEXIST)
      ok = error_set_errno(err, ERROR_INPUT, errno, "cannot make directory %s", path);
    *at = kept;
  }
  free(path);
  return ok;
}

/* The number in the lock file; 0: none. */
static long read_lock_pid(int fd) {
  char text[32] = "";
  ssize_t len = pread(fd, text, sizeof text - 1, 0);
  text[len > 0 ? strspn(text, "0123456789") : 0] = '\0';
  return strtol(text, NULL, 10);
}

/* One writer a store. The lock goes with the process, however it ends; the number in the file is for people and for
 * store_find_writer. */
static bool take_lock(struct store *store, struct error *err) {
  store->lock_fd = open(store->lock_path, O_RDWR | O_CREAT | O_CLOEXEC, 0640);
  if (store->lock_fd < 0) return error_set_errno(err, ERROR_INPUT, errno, "cannot open %s", store->lock_path);
  char text[32];
  /* Tried again for a moment: store_verify tries the lock too, and has it for some microseconds. */
  int tries = 0;
  while (flock(store->lock_fd, LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK) return error_set_errno(err, ERROR_INPUT, errno, "cannot lock %s", store->lock_path);
    if (tries++ < LOCK_TRIES) {
      usleep(LOCK_PAUSE_US);
      continue;
    }
    return error_set(err, ERROR_RETRY, "%s: another bouncemill writes this store (process %ld)", store->dir,
                     read_lock_pid(store->lock_fd));
  }
  int len = snprintf(text, sizeof text, "%ld\n", (long)getpid());
  if (ftruncate(store->lock_fd, 0) != 0 || pwrite(store->lock_fd, text, (size_t)len, 0) != len)
    return error_set_errno(err, ERROR_INPUT, errno, "cannot write %s", store->lock_path);
  return true;
}

bool store_find_writer(const char *dir, long *pid, struct error *err) {
  char *path = path_join(dir, "lock");
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  bool is_found = false;
  if (fd < 0 && errno != ENOENT) {
    error_set_errno(err, ERROR_INPUT, errno, "cannot open %s", path);
  } else {
    *pid = fd >= 0 && flock(fd, LOCK_SH | LOCK_NB) != 0 ? read_lock_pid(fd) : 0;
    is_found = *pid > 0 || error_set(err, ERROR_INPUT, "store %s: no bouncemill writes it", dir);
  }
  if (fd >= 0) close(fd);
  free(path);
  return is_found;
}

static bool is_ours(struct slice name) {
  if (slice_ends_with(name, SLICE(PENDING_SUFFIX))) name.len -= sizeof PENDING_SUFFIX - 1;
  return slice_ends_with(name, SLICE(SEGMENT_SUFFIX));
}

typedef char segment_name[SEGMENT_NAME_MAX];

static int compare_names(const void *a, const void *b) { return strcmp(a, b); }

/* The names of live segments and of retired files, sorted; the caller frees. */
static bool list_names(struct store *store, segment_name **out, size_t *count, struct error *err) {
  struct segment_record *live = NULL;
  struct retired_file *retired = NULL;
  size_t live_count, retired_count;
  *out = NULL;
  *count = 0;
  if (!catalog_read_segments(store->catalog, DATASET_COUNT, &live, &live_count, err)) return false;
  bool ok = catalog_read_retired(store->catalog, &retired, &retired_count, err);
  if (ok) {
    segment_name *names = *out = memory_alloc((live_count + retired_count) * sizeof *names);
    for (size_t i = 0; i < live_count; i++) memcpy(names[(*count)++], live[i].name, sizeof *names);
    for (size_t i = 0; i < retired_count; i++) memcpy(names[(*count)++], retired[i].name, sizeof *names);
    if (*count) qsort(names, *count, sizeof *names, compare_names);
  }
  free(live);
  free(retired);
  return ok;
}

/* With an empty catalog, finished segments mean that the catalog was lost: deleting them would lose the rest. */
static bool refuse_orphans(const struct store *store, struct error *err) {
  return error_set(err, ERROR_INPUT,
                   "%s: is missing or empty, but %s has segments; 'bouncemill doctor --rebuild-catalog' makes it anew",
                   store->catalog_path, store->segments_dir);
}

/* Deletes segment files that no commit knows: what a killed writer left behind. Files of other names are not ours to delete. */
static bool sweep(struct store *store, bool is_catalog_empty, struct error *err) {
  segment_name *known = NULL;
  size_t count = 0;
  if (!is_catalog_empty && !list_names(store, &known, &count, err)) return false;
  DIR *dir = opendir(store->segments_dir);
  bool ok = dir || error_set_errno(err, ERROR_INPUT, errno, "cannot read directory %s", store->segments_dir);
  for (struct dirent *entry; ok && (entry = readdir(dir)) != NULL;) {
    struct slice name = slice_from_cstr(entry->d_name);
    if (!is_ours(name) || (count && bsearch(name.ptr, known, count, sizeof *known, compare_names))) continue;
    if (is_catalog_empty && slice_ends_with(name, SLICE(SEGMENT_SUFFIX))) {
      ok = refuse_orphans(store, err);
      break;
    }
    char quoted[512];
    log_event(LOG_WARNING, "sweep", "file=%s reason=\"no commit knows it\"", log_value(quoted, sizeof quoted, name));
    if (unlinkat(store->segments_fd, name.ptr, 0) != 0)
      ok = error_set_errno(err, ERROR_INPUT, errno, "cannot delete %s/%s", store->segments_dir, name.ptr);
  }
  if (dir) closedir(dir);
  free(known);
  return ok;
}

static bool open_writer(struct store *store, struct error *err) {
  bool is_empty;
  if (!make_directories(store->segments_dir, err) || !take_lock(store, err)) return false;
  store->segments_fd = open(store->segments_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (store->segments_fd < 0) return error_set_errno(err, ERROR_INPUT, errno, "cannot open directory %s", store->segments_dir);
  store->catalog = catalog_open(store->catalog_path, STORE_WRITE, &is_empty, err);
  if (!store->catalog) return false;
  store->readers_fd = open(store->readers_path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
  if (store->readers_fd < 0) return error_set_errno(err, ERROR_INPUT, errno, "cannot open %s", store->readers_path);
  if ((!is_empty && !store_delete_retired(store, err)) || !sweep(store, is_empty, err)) return false;
  /* A catalog whose name is lost in a power cut would take its segments with it. */
  if (is_empty && (!catalog_make_tables(store->catalog, err) || !sync_directory(store->dir, err))) return false;
  uint64_t last;
  if (!catalog_last_segment_id(store->catalog, &last, err)) return false;
  atomic_init(&store->last_segment_id, last);
  return true;
}

/* ---- a catalog in place of one that is lost ---------------------------------------------------------------------------------- */

static const char *const CATALOG_SUFFIXES[] = {"", "-wal", "-shm"};
enum { CATALOG_FILES = 3 };

static bool open_rebuilder(struct store *store, struct error *err) {
  bool is_empty;
  if (!take_lock(store, err)) return false;
  for (size_t i = 0; i < CATALOG_FILES; i++) { /* of a rebuild that was killed */
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s.new%s", store->catalog_path, CATALOG_SUFFIXES[i]);
    unlink(path);
  }
  char path[PATH_MAX];
  snprintf(path, sizeof path, "%s.new", store->catalog_path);
  store->catalog = catalog_open(path, STORE_WRITE, &is_empty, err);
  return store->catalog && catalog_make_tables(store->catalog, err);
}

bool store_adopt_rebuilt(struct store *store, struct error *err) {
  char from[PATH_MAX], to[PATH_MAX];
  catalog_close(store->catalog); /* moves everything from the journal into the database */
  store->catalog = NULL;
  for (size_t i = 1; i < CATALOG_FILES; i++) {
    snprintf(from, sizeof from, "%s.new%s", store->catalog_path, CATALOG_SUFFIXES[i]);
    unlink(from);
  }
  /* The old journal must be gone before the new database has its name: SQLite would play it into it. */
  for (size_t i = 0; i < CATALOG_FILES; i++) {
    snprintf(from, sizeof from, "%s%s", store->catalog_path, CATALOG_SUFFIXES[i]);
    snprintf(to, sizeof to, "%s.damaged%s", store->catalog_path, CATALOG_SUFFIXES[i]);
    if (rename(from, to) != 0 && errno != ENOENT) return error_set_errno(err, ERROR_STORAGE, errno, "cannot rename %s", from);
  }
  if (!sync_directory(store->dir, err)) return false;
  snprintf(from, sizeof from, "%s.new", store->catalog_path);
  if (rename(from, store->catalog_path) != 0) return error_set_errno(err, ERROR_STORAGE, errno, "cannot rename %s", from);
  return sync_directory(store->dir, err);
}

static bool open_reader(struct store *store, struct error *err) {
  bool is_empty;
  struct stat st;
  if (stat(store->catalog_path, &st) != 0 && (errno == ENOENT || errno == ENOTDIR))
    return error_set(err, ERROR_INPUT, "%s: is no store (it has no catalog.sqlite); 'bouncemill run --store' makes one",
                     store->dir);
  store->catalog = catalog_open(store->catalog_path, STORE_READ, &is_empty, err);
  return store->catalog != NULL;
}

struct store *store_open(const char *dir, enum store_mode mode, struct error *err) {
  struct store *store = memory_zeroed(sizeof *store);
  store->mode = mode;
  store->segments_fd = store->lock_fd = store->readers_fd = -1;
  pthread_mutex_init(&store->catalog_lock, NULL);
  store->dir = path_join(dir, "");
  store->dir[strlen(store->dir) - 1] = '\0';
  store->segments_dir = path_join(dir, "segments");
  store->catalog_path = path_join(dir, "catalog.sqlite");
  store->lock_path = path_join(dir, "lock");
  store->readers_path = path_join(dir, "readers");
  bool is_open = mode == STORE_WRITE  ? open_writer(store, err)
                 : mode == STORE_READ ? open_reader(store, err)
                                      : open_rebuilder(store, err);
  if (is_open) return store;
  store_close(store);
  return NULL;
}

void store_close(struct store *store) {
  if (!store) return;
  catalog_close(store->catalog);
  if (store->segments_fd >= 0) close(store->segments_fd);
  if (store->readers_fd >= 0) close(store->readers_fd);
  if (store->lock_fd >= 0) close(store->lock_fd);
  pthread_mutex_destroy(&store->catalog_lock);
  while (store->inputs_read) {
    struct inputs_read *read = store->inputs_read;
    store->inputs_read = read->next;
    buf_deinit(&read->names);
    free(read->positions);
    free(read);
  }
  free(store->dir);
  free(store->segments_dir);
  free(store->catalog_path);
  free(store->lock_path);
  free(store->readers_path);
  free(store);
}

/* ---- what the catalog knows ------------------------------------------------------------------------------------------------- */

static void keep_input(void *context, const struct input_position *input) {
  struct inputs_read *read = context;
  if (read->count == read->cap)
    read->positions = memory_resize(read->positions, (read->cap = read->cap ? read->cap * 2 : 16) * sizeof *read->positions);
  read->positions[read->count++] = *input;
  buf_append_slice(&read->names, input->name);
}

bool store_read_inputs(struct store *store, const struct input_position **out, size_t *count, struct error *err) {
  struct inputs_read *read = memory_zeroed(sizeof *read);
  read->next = store->inputs_read;
  store->inputs_read = read;
  if (!catalog_each_input(store->catalog, keep_input, read, err)) return false;
  const char *name = buf_slice(&read->names).ptr;
  for (size_t i = 0; i < read->count; i++) {
    read->positions[i].name.ptr = name;
    name += read->positions[i].name.len;
  }
  *out = read->positions;
  *count = read->count;
  return true;
}

bool store_read_open_messages(struct store *store, bool (*each)(void *context, const struct open_message *message), void *context,
                              struct error *err) {
  return catalog_each_open_message(store->catalog, each, context, err);
}

bool store_snapshot(struct store *store, enum dataset_id dataset, struct segment_record **out, size_t *count, int *mark,
                    struct error *err) {
  uint64_t number;
  *mark = -1;
  store_lock_catalog(store);
  bool ok = catalog_last_retired(store->catalog, &number, err);
  if (ok) *mark = readers_mark(store->readers_path, number);
  ok = ok && catalog_read_segments(store->catalog, dataset, out, count, err);
  store_unlock_catalog(store);
  if (!ok) readers_unmark(*mark);
  return ok;
}

bool store_each_segment(struct store *store, enum dataset_id dataset,
                        bool (*each)(void *context, const struct segment_info *segment), void *context, struct error *err) {
  struct segment_record *segments;
  size_t count;
  if (!catalog_read_segments(store->catalog, dataset, &segments, &count, err)) return false;
  bool wants_more = true;
  for (size_t i = 0; i < count && wants_more; i++) {
    char *path = path_join(store->segments_dir, segments[i].name);
    struct segment_info info = {.path = path,
                                .rows = segments[i].rows,
                                .bytes = segments[i].bytes,
                                .from_us = segments[i].from_us,
                                .to_us = segments[i].to_us};
    wants_more = each(context, &info);
    free(path);
  }
  free(segments);
  return true;
}

/* ---- the commit ------------------------------------------------------------------------------------------------------------- */

/* Final names for all files, and the names on the disk. */
static bool publish_files(struct store *store, struct commit *commit, struct error *err) {
  bool needs_sync = false;
  for (size_t i = 0; i < commit->pending_count; i++) {
    struct pending_segments *pending = commit->pending[i];
    if (!pending_segments_count(pending) || pending_segments_are_durable(pending)) continue;
    if (!pending_segments_rename(pending, err)) return false;
    needs_sync = true;
  }
  if (!needs_sync) return true;
  bool is_synced = fsync(store->segments_fd) == 0;
  if (!is_synced) error_set_errno(err, ERROR_STORAGE, errno, "cannot fsync directory %s", store->segments_dir);
  for (size_t i = 0; i < commit->pending_count; i++) {
    if (is_synced)
      pending_segments_set_durable(commit->pending[i]);
    else if (!pending_segments_are_durable(commit->pending[i]))
      pending_segments_rename_back(commit->pending[i]);
  }
  return is_synced;
}

bool store_publish(struct store *store, struct pending_segments *pending, struct error *err) {
  return publish_files(store, &(struct commit){.pending = &pending, .pending_count = 1}, err);
}

static int compare_messages(const void *a, const void *b) {
  const struct open_message *x = *(const struct open_message *const *)a, *y = *(const struct open_message *const *)b;
  int order = slice_compare(x->scope, y->scope);
  if (!order) order = slice_compare(x->key, y->key);
  return order ? order : (x > y) - (x < y); /* of two states of one message the later stands */
}

/* In the order of the table: each of its pages is then read, changed and written once, where keys as they come (hashed, as good as
 * random) go through more pages than the cache has: 35,000 new messages took 89 ms so, 199 ms as they
 * came. */
static bool put_open_messages(struct store *store, const struct commit *commit, struct error *err) {
  const struct open_message **sorted = memory_alloc(commit->open_message_count * sizeof *sorted);
  for (size_t i = 0; i < commit->open_message_count; i++) sorted[i] = &commit->open_messages[i];
  if (commit->open_message_count) qsort(sorted, commit->open_message_count, sizeof *sorted, compare_messages);
  bool ok = true;
  for (size_t i = 0; i < commit->open_message_count && ok; i++) ok = catalog_put_open_message(store->catalog, sorted[i], err);
  free(sorted);
  return ok;
}

/* Everything of the transaction but its COMMIT. */
static bool fill_transaction(struct store *store, struct commit *commit, struct error *err) {
  int64_t now_us = clock_wall_us();
  if (!catalog_begin(store->catalog, err)) return false;
  for (size_t i = 0; i < commit->pending_count; i++)
    for (size_t j = 0; j < pending_segments_count(commit->pending[i]); j++)
      if (!catalog_add_segment(store->catalog, pending_segments_at(commit->pending[i], j), now_us, err)) return false;
  for (size_t i = 0; i < commit->input_count; i++)
    if (!catalog_put_input(store->catalog, &commit->inputs[i], now_us, err)) return false;
  return put_open_messages(store, commit, err);
}

bool store_write_manifest(struct store *store, struct error *err) {
  return manifest_write(store->dir, store->catalog, err) && sync_directory(store->dir, err);
}

/* The commit is done, whatever becomes of this: a manifest of the commit before is good, too, on the disk or not. */
static void try_manifest(const struct store *store) {
  struct error err = {0};
  if (manifest_write(store->dir, store->catalog, &err)) return;
  char quoted[ERROR_TEXT_MAX + 64];
  log_event(LOG_DEBUG, "manifest", "error=%s", log_value(quoted, sizeof quoted, slice_from_cstr(err.text)));
}

bool store_commit(struct store *store, struct commit *commit, struct error *err) {
  assert(store->mode == STORE_WRITE);
  /* New inputs get their ids inside the transaction and lose them again when it fails. */
  bool *is_new = memory_alloc(commit->input_count * sizeof *is_new);
  for (size_t i = 0; i < commit->input_count; i++) is_new[i] = commit->inputs[i].id == 0;
  bool is_published = publish_files(store, commit, err);
  store_lock_catalog(store);
  bool is_filled = is_published && fill_transaction(store, commit, err);
  bool ok = is_filled && catalog_commit(store->catalog, err);
  if (ok)
    try_manifest(store);
  else
    catalog_rollback(store->catalog);
  store_unlock_catalog(store);
  if (!ok) {
    for (size_t i = 0; i < commit->input_count; i++)
      if (is_new[i]) commit->inputs[i].id = 0;
    error_context(err, "%s: commit", store->dir);
  }
  free(is_new);
  /* A COMMIT that failed may still be found done after a restart (its fsync failed, its pages are there): then the files must be
   * there. If it was not done the next start sweeps them. Until then it may be tried again: the same transaction, once more, takes
   * the place of its failed self in SQLite's journal. */
  for (size_t i = 0; i < commit->pending_count; i++) {
    if (ok)
      pending_segments_forget(commit->pending[i]);
    else if (is_filled)
      pending_segments_keep_files(commit->pending[i]);
  }
  return ok;
}
