/* The catalog in SQLite. See catalog.h; the statements are in catalog_sql.h. */
#include "aggregate/catalog.h"

#include <assert.h>
#include <inttypes.h>
#include <sqlite3.h>
#include <stdio.h>

#include "aggregate/catalog_sql.h"
#include "base/buf.h"

/* How long to wait for somebody else's lock (a backup, a person with the sqlite3 shell) before giving up. */
enum { BUSY_TIMEOUT_MS = 10000 };
/* A writer that is at work comes again by itself, and must see signals meanwhile. */
enum { BUSY_TIMEOUT_WRITER_MS = 1000 };

struct catalog {
  sqlite3 *db;
  char *path;
  sqlite3_stmt *statements[SQL_COUNT]; /* prepared when first used */
};

/* ---- errors and statements -------------------------------------------------------------------------------------------------- */

static bool catalog_error(const struct catalog *c, struct error *err, const char *doing) {
  int code = c->db ? sqlite3_errcode(c->db) : SQLITE_NOMEM;
  const char *text = c->db ? sqlite3_errmsg(c->db) : "out of memory";
  switch (code & 0xff) {
    case SQLITE_NOTADB:
    case SQLITE_CORRUPT:
      return error_set(
          err, ERROR_INPUT,
          "%s: %s: is damaged (%s); stop bouncemill and let 'bouncemill doctor --rebuild-catalog' make it anew, or restore "
          "catalog.sqlite with its -wal from a backup",
          c->path, doing, text);
    case SQLITE_BUSY:
    case SQLITE_LOCKED: return error_set(err, ERROR_RETRY, "%s: %s: another program has locked it (%s)", c->path, doing, text);
    case SQLITE_FULL: return error_set(err, ERROR_STORAGE, "%s: %s: the disk is full", c->path, doing);
    case SQLITE_IOERR: return error_set(err, ERROR_STORAGE, "%s: %s: %s", c->path, doing, text);
    case SQLITE_CANTOPEN:
    case SQLITE_READONLY:
      return error_set(err, ERROR_STORAGE,
                       "%s: %s: %s; reading needs the files catalog.sqlite-wal and -shm beside it, or the right to make them",
                       c->path, doing, text);
    default: return error_set(err, ERROR_INPUT, "%s: %s: %s", c->path, doing, text);
  }
}

/* The statement, ready for its parameters; NULL: see err. */
static sqlite3_stmt *statement(struct catalog *c, enum catalog_statement which, struct error *err) {
  sqlite3_stmt **s = &c->statements[which];
  if (!*s && sqlite3_prepare_v3(c->db, CATALOG_SQL[which], -1, SQLITE_PREPARE_PERSISTENT, s, NULL) != SQLITE_OK) {
    catalog_error(c, err, CATALOG_SQL[which]);
    return NULL;
  }
  return *s;
}

static void bind_slice(sqlite3_stmt *s, int column, struct slice value, bool is_text) {
  const char *ptr = value.ptr ? value.ptr : "";
  if (is_text)
    sqlite3_bind_text64(s, column, ptr, value.len, SQLITE_STATIC, SQLITE_UTF8);
  else
    sqlite3_bind_blob64(s, column, ptr, value.len, SQLITE_STATIC);
}

static struct slice column_slice(sqlite3_stmt *s, int column) {
  const void *ptr = sqlite3_column_blob(s, column);
  return slice_of(ptr ? ptr : "", (size_t)sqlite3_column_bytes(s, column));
}

static uint64_t column_u64(sqlite3_stmt *s, int column) { return (uint64_t)sqlite3_column_int64(s, column); }

/* Runs a statement that gives no rows, and makes it ready for the next time. */
static bool run(struct catalog *c, sqlite3_stmt *s, const char *doing, struct error *err) {
  bool ok = sqlite3_step(s) == SQLITE_DONE;
  if (!ok) catalog_error(c, err, doing);
  sqlite3_reset(s);
  return ok;
}

static bool run_plain(struct catalog *c, enum catalog_statement which, struct error *err) {
  sqlite3_stmt *s = statement(c, which, err);
  return s && run(c, s, CATALOG_SQL[which], err);
}

static bool execute(struct catalog *c, const char *sql, const char *doing, struct error *err) {
  return sqlite3_exec(c->db, sql, NULL, NULL, NULL) == SQLITE_OK || catalog_error(c, err, doing);
}

/* ---- opening ---------------------------------------------------------------------------------------------------------------- */

static bool read_number(struct catalog *c, const char *sql, int64_t *out, struct error *err) {
  sqlite3_stmt *s = NULL;
  bool ok = sqlite3_prepare_v2(c->db, sql, -1, &s, NULL) == SQLITE_OK && sqlite3_step(s) == SQLITE_ROW;
  if (ok)
    *out = sqlite3_column_int64(s, 0);
  else
    catalog_error(c, err, "cannot read it");
  sqlite3_finalize(s);
  return ok;
}

/* Whose database it is, and whether we know its version. A database without a single table is one that is being made. */
static bool check_identity(struct catalog *c, bool *is_empty, struct error *err) {
  int64_t application, version, tables;
  if (!read_number(c, "PRAGMA application_id", &application, err) || !read_number(c, "PRAGMA user_version", &version, err) ||
      !read_number(c, "SELECT count(*) FROM sqlite_schema", &tables, err))
    return false;
  *is_empty = !tables && !application && !version;
  if (*is_empty) return true;
  if (application != CATALOG_APPLICATION_ID)
    return error_set(err, ERROR_INPUT, "%s: is a database of another program; choose another directory for the store", c->path);
  if (version != CATALOG_VERSION)
    return error_set(err, ERROR_INPUT,
                     "%s: is of version %" PRId64 ", this bouncemill (" BOUNCEMILL_VERSION
                     ") knows %d; use the version that made it",
                     c->path, version, CATALOG_VERSION);
  return true;
}

bool catalog_make_tables(struct catalog *c, struct error *err) {
  char identity[96];
  snprintf(identity, sizeof identity, "PRAGMA application_id = %d; PRAGMA user_version = %d; COMMIT", CATALOG_APPLICATION_ID,
           CATALOG_VERSION);
  return execute(c, "BEGIN IMMEDIATE", "cannot be made", err) && execute(c, CATALOG_TABLES, "cannot be made", err) &&
         execute(c, identity, "cannot be made", err);
}

static bool prepare_writer(struct catalog *c, struct error *err) {
  /* FULL: a commit is on the disk when it returns. The -wal and -shm files stay when the writer goes, so that a reader who may not
   * write to the directory can still open the catalog. The journal is cut to 4 MiB then. A commit of many open messages
   * stays in the cache and is copied from the journal to the database with the next ones, not at once. */
  int keep_wal = 1;
  sqlite3_file_control(c->db, "main", SQLITE_FCNTL_PERSIST_WAL, &keep_wal);
  bool ok = execute(c,
                    "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA journal_size_limit = 4194304;"
                    "PRAGMA wal_autocheckpoint = 4000; PRAGMA cache_size = -8192",
                    "cannot be set up", err);
  sqlite3_busy_timeout(c->db, BUSY_TIMEOUT_WRITER_MS);
  return ok;
}

struct catalog *catalog_open(const char *path, enum store_mode mode, bool *is_empty, struct error *err) {
  struct catalog *c = memory_zeroed(sizeof *c);
  size_t size = strlen(path) + 1;
  c->path = memcpy(memory_alloc(size), path, size);
  int flags = mode == STORE_WRITE ? SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE : SQLITE_OPEN_READONLY;
  bool ok =
      sqlite3_open_v2(path, &c->db, flags | SQLITE_OPEN_NOMUTEX, NULL) == SQLITE_OK || catalog_error(c, err, "cannot be opened");
  if (ok) sqlite3_busy_timeout(c->db, BUSY_TIMEOUT_MS);
  /* The file may come from anywhere: no functions from its schema, and damaged pages are errors. */
  ok = ok &&
       execute(c, "PRAGMA trusted_schema = OFF; PRAGMA cell_size_check = ON; PRAGMA foreign_keys = ON", "cannot be opened", err);
  ok = ok && check_identity(c, is_empty, err) && (mode == STORE_READ || prepare_writer(c, err));
  if (ok && mode == STORE_READ && *is_empty) ok = error_set(err, ERROR_RETRY, "%s: is being made", c->path);
  if (ok) return c;
  catalog_close(c);
  return NULL;
}

void catalog_close(struct catalog *c) {
  if (!c) return;
  for (size_t i = 0; i < SQL_COUNT; i++) sqlite3_finalize(c->statements[i]);
  sqlite3_close(c->db);
  free(c->path);
  free(c);
}

/* ---- writing ---------------------------------------------------------------------------------------------------------------- */

bool catalog_begin(struct catalog *c, struct error *err) { return run_plain(c, SQL_BEGIN, err); }
bool catalog_commit(struct catalog *c, struct error *err) { return run_plain(c, SQL_COMMIT, err); }
void catalog_rollback(struct catalog *c) {
  /* SQLite may have rolled back already, as it does when the disk is full. */
  if (!sqlite3_get_autocommit(c->db)) run_plain(c, SQL_ROLLBACK, NULL);
}

bool catalog_add_segment(struct catalog *c, const struct segment_record *segment, int64_t now_us, struct error *err) {
  sqlite3_stmt *s = statement(c, SQL_ADD_SEGMENT, err);
  if (!s) return false;
  sqlite3_bind_int64(s, 1, (int64_t)segment->id);
  bind_slice(s, 2, slice_from_cstr(DATASETS[segment->dataset].name), true);
  sqlite3_bind_int64(s, 3, segment->version);
  sqlite3_bind_int64(s, 4, segment->resolution_s);
  sqlite3_bind_int64(s, 5, segment->writer);
  bind_slice(s, 6, slice_from_cstr(segment->name), true);
  sqlite3_bind_int64(s, 7, (int64_t)segment->rows);
  sqlite3_bind_int64(s, 8, (int64_t)segment->bytes);
  sqlite3_bind_int64(s, 9, segment->from_us);
  sqlite3_bind_int64(s, 10, segment->to_us);
  sqlite3_bind_int64(s, 11, (int64_t)segment->index_hash);
  sqlite3_bind_int64(s, 12, now_us);
  return run(c, s, "cannot add a segment", err);
}

bool catalog_retire_segment(struct catalog *c, const struct segment_record *segment, struct error *err) {
  sqlite3_stmt *s = statement(c, SQL_REMOVE_SEGMENT, err);
  if (!s) return false;
  sqlite3_bind_int64(s, 1, (int64_t)segment->id);
  if (!run(c, s, "cannot take a segment out", err)) return false;
  if (sqlite3_changes(c->db) != 1)
    return error_set(err, ERROR_INPUT, "%s: has no segment %" PRIu64 " (%s)", c->path, segment->id, segment->name);
  if (!(s = statement(c, SQL_ADD_RETIRED, err))) return false;
  bind_slice(s, 1, slice_from_cstr(segment->name), true);
  return run(c, s, "cannot retire a file", err);
}

bool catalog_forget_retired(struct catalog *c, uint64_t number, struct error *err) {
  sqlite3_stmt *s = statement(c, SQL_FORGET_RETIRED, err);
  if (!s) return false;
  sqlite3_bind_int64(s, 1, (int64_t)number);
  return run(c, s, "cannot forget a retired file", err);
}

bool catalog_put_input(struct catalog *c, struct input_position *input, int64_t now_us, struct error *err) {
  sqlite3_stmt *s = statement(c, input->id ? SQL_SET_INPUT : SQL_ADD_INPUT, err);
  if (!s) return false;
  assert(input->kind == INPUT_FILE || input->kind == INPUT_KAFKA);
  bind_slice(s, 1, input->kind == INPUT_FILE ? SLICE("file") : SLICE("kafka"), true);
  bind_slice(s, 2, input->name, true);
  sqlite3_bind_int64(s, 3, (int64_t)input->device);
  sqlite3_bind_int64(s, 4, (int64_t)input->inode);
  sqlite3_bind_int64(s, 5, input->head_len);
  sqlite3_bind_int64(s, 6, (int64_t)input->head_hash);
  sqlite3_bind_int64(s, 7, input->tail_len);
  sqlite3_bind_int64(s, 8, (int64_t)input->tail_hash);
  sqlite3_bind_int64(s, 9, (int64_t)input->committed);
  sqlite3_bind_int64(s, 10, (int64_t)input->replay_from);
  sqlite3_bind_int64(s, 11, now_us);
  if (input->id) sqlite3_bind_int64(s, 12, (int64_t)input->id);
  if (!run(c, s, "cannot move an input", err)) return false;
  if (!input->id) {
    input->id = (uint64_t)sqlite3_last_insert_rowid(c->db);
  } else if (sqlite3_changes(c->db) != 1) {
    return error_set(err, ERROR_INPUT, "%s: has no input %" PRIu64 " (%.*s)", c->path, input->id, SLICE_ARG(input->name));
  }
  return true;
}

bool catalog_put_open_message(struct catalog *c, const struct open_message *message, struct error *err) {
  bool is_closed = message->state.len == 0;
  sqlite3_stmt *s = statement(c, is_closed ? SQL_DELETE_OPEN_MESSAGE : SQL_PUT_OPEN_MESSAGE, err);
  if (!s) return false;
  bind_slice(s, 1, message->scope, true);
  bind_slice(s, 2, message->key, false);
  if (!is_closed) bind_slice(s, 3, message->state, false);
  return run(c, s, "cannot keep an open message", err);
}

/* ---- reading ---------------------------------------------------------------------------------------------------------------- */

/* A name becomes a path: it must not lead out of the directory. */
static bool is_segment_name(struct slice name) {
  return name.len && name.len < SEGMENT_NAME_MAX && name.ptr[0] != '.' && slice_find_byte(name, '/') == name.len &&
         slice_find_byte(name, '\0') == name.len;
}

/* The one number that a statement gives, 0 when it gives no row. */
static bool read_one(struct catalog *c, enum catalog_statement which, uint64_t *number, const char *doing, struct error *err) {
  sqlite3_stmt *s = statement(c, which, err);
  if (!s) return false;
  int step = sqlite3_step(s);
  *number = step == SQLITE_ROW ? column_u64(s, 0) : 0;
  bool ok = step == SQLITE_ROW || step == SQLITE_DONE || catalog_error(c, err, doing);
  sqlite3_reset(s);
  return ok;
}

bool catalog_last_segment_id(struct catalog *c, uint64_t *id, struct error *err) {
  return read_one(c, SQL_LAST_SEGMENT, id, "cannot read the last segment", err);
}

bool catalog_last_retired(struct catalog *c, uint64_t *number, struct error *err) {
  return read_one(c, SQL_LAST_RETIRED, number, "cannot read the last retired file", err);
}

bool catalog_read_retired(struct catalog *c, struct retired_file **out, size_t *count, struct error *err) {
  *out = NULL;
  *count = 0;
  sqlite3_stmt *s = statement(c, SQL_READ_RETIRED, err);
  if (!s) return false;
  struct retired_file *files = NULL;
  size_t used = 0, cap = 0;
  bool ok = true;
  int step;
  while (ok && (step = sqlite3_step(s)) != SQLITE_DONE) {
    if (step != SQLITE_ROW) {
      ok = catalog_error(c, err, "cannot read the retired files");
      break;
    }
    struct slice name = column_slice(s, 1);
    ok = is_segment_name(name) ||
         error_set(err, ERROR_INPUT, "%s: has a retired file of a name that bouncemill never gives", c->path);
    if (!ok) break;
    if (used == cap) files = memory_resize(files, (cap = cap ? cap * 2 : 64) * sizeof *files);
    files[used] = (struct retired_file){.number = column_u64(s, 0), .is_live = column_u64(s, 2) != 0};
    memcpy(files[used++].name, name.ptr, name.len);
  }
  sqlite3_reset(s);
  if (!ok) {
    free(files);
    return false;
  }
  *out = files;
  *count = used;
  return true;
}

static bool take_segment(struct catalog *c, sqlite3_stmt *s, struct segment_record *out, struct error *err) {
  const struct dataset *dataset = dataset_find(column_slice(s, 1));
  struct slice name = column_slice(s, 5);
  if (!dataset || !is_segment_name(name))
    return error_set(err, ERROR_INPUT, "%s: segment %" PRIu64 " has a name or dataset that bouncemill never gives", c->path,
                     column_u64(s, 0));
  *out = (struct segment_record){.id = column_u64(s, 0),
                                 .dataset = (enum dataset_id)(dataset - DATASETS),
                                 .version = (uint32_t)sqlite3_column_int64(s, 2),
                                 .resolution_s = (uint32_t)sqlite3_column_int64(s, 3),
                                 .writer = (uint32_t)sqlite3_column_int64(s, 4),
                                 .rows = column_u64(s, 6),
                                 .bytes = column_u64(s, 7),
                                 .from_us = sqlite3_column_int64(s, 8),
                                 .to_us = sqlite3_column_int64(s, 9),
                                 .index_hash = column_u64(s, 10),
                                 .created_at_us = sqlite3_column_int64(s, 11)};
  memcpy(out->name, name.ptr, name.len);
  return true;
}

bool catalog_read_segments(struct catalog *c, enum dataset_id dataset, struct segment_record **out, size_t *count,
                           struct error *err) {
  *out = NULL;
  *count = 0;
  sqlite3_stmt *s = statement(c, SQL_READ_SEGMENTS, err);
  if (!s) return false;
  if (dataset == DATASET_COUNT)
    sqlite3_bind_null(s, 1);
  else
    bind_slice(s, 1, slice_from_cstr(DATASETS[dataset].name), true);
  struct segment_record *records = NULL;
  size_t used = 0, cap = 0;
  bool ok = true;
  int step;
  while (ok && (step = sqlite3_step(s)) != SQLITE_DONE) {
    if (step != SQLITE_ROW) {
      ok = catalog_error(c, err, "cannot read the segments");
      break;
    }
    if (used == cap) records = memory_resize(records, (cap = cap ? cap * 2 : 64) * sizeof *records);
    ok = take_segment(c, s, &records[used], err);
    used++;
  }
  sqlite3_reset(s);
  if (!ok) {
    free(records);
    return false;
  }
  *out = records;
  *count = used;
  return true;
}

bool catalog_each_input(struct catalog *c, void (*each)(void *context, const struct input_position *input), void *context,
                        struct error *err) {
  sqlite3_stmt *s = statement(c, SQL_READ_INPUTS, err);
  if (!s) return false;
  int step;
  while ((step = sqlite3_step(s)) == SQLITE_ROW) {
    struct input_position input = {.id = column_u64(s, 0),
                                   .kind = slice_equal(column_slice(s, 1), SLICE("kafka")) ? INPUT_KAFKA : INPUT_FILE,
                                   .name = column_slice(s, 2),
                                   .device = column_u64(s, 3),
                                   .inode = column_u64(s, 4),
                                   .head_len = (uint32_t)sqlite3_column_int64(s, 5),
                                   .head_hash = column_u64(s, 6),
                                   .tail_len = (uint32_t)sqlite3_column_int64(s, 7),
                                   .tail_hash = column_u64(s, 8),
                                   .committed = column_u64(s, 9),
                                   .replay_from = column_u64(s, 10)};
    each(context, &input);
  }
  bool ok = step == SQLITE_DONE || catalog_error(c, err, "cannot read the inputs");
  sqlite3_reset(s);
  return ok;
}

bool catalog_each_open_message(struct catalog *c, bool (*each)(void *context, const struct open_message *message), void *context,
                               struct error *err) {
  sqlite3_stmt *s = statement(c, SQL_READ_OPEN_MESSAGES, err);
  if (!s) return false;
  int step;
  bool wants_more = true;
  while (wants_more && (step = sqlite3_step(s)) == SQLITE_ROW) {
    struct open_message message = {.scope = column_slice(s, 0), .key = column_slice(s, 1), .state = column_slice(s, 2)};
    wants_more = each(context, &message);
  }
  bool ok = !wants_more || step == SQLITE_DONE || catalog_error(c, err, "cannot read the open messages");
  sqlite3_reset(s);
  return ok;
}

bool catalog_check(struct catalog *c, void (*each)(void *context, const char *finding), void *context, struct error *err) {
  sqlite3_stmt *s = statement(c, SQL_CHECK, err);
  if (!s) return false;
  int step;
  while ((step = sqlite3_step(s)) == SQLITE_ROW) {
    const char *text = (const char *)sqlite3_column_text(s, 0);
    if (text && strcmp(text, "ok") != 0) each(context, text);
  }
  bool ok = step == SQLITE_DONE || catalog_error(c, err, "cannot be checked");
  sqlite3_reset(s);
  return ok;
}
