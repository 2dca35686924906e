/* Rows of a store: one segment after another, or all of them merged.
 *
 *   segments (snapshot of the catalog) -> a group that fits in memory -> heap -> rows with equal keys become one -> each
 *                                         more than one group: the first become sorted runs, which are merged in turn
 *
 * A segment is checked whole before its first row is used; a damaged one is named in the log and left out. */
#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#include "aggregate/segment_format.h"
#include "aggregate/segment_reader.h"
#include "aggregate/segment_writer.h"
#include "aggregate/store.h"
#include "base/limits.h"
#include "base/log.h"

/* A segment of the catalog, or a run of this query. */
struct part {
  struct segment_record record;
  int run_fd; /* -1: a segment */
};

struct merge {
  struct store *store;
  const struct query *query;
  const struct dataset *dataset;
  struct segment_decoder *decoder;
  struct part *parts;
  size_t part_count, part_cap, next_part; /* parts before next_part are done */
  struct segment_reader *heap[LIMIT_MERGE_READERS];
  size_t heap_count;
  size_t damaged;
};

static bool merge_init(struct merge *m, struct store *store, const struct query *query, struct error *err) {
  *m = (struct merge){.store = store, .query = query, .dataset = &DATASETS[query->dataset]};
  struct segment_record *records;
  size_t count;
  if (!catalog_read_segments(store_catalog(store), query->dataset, &records, &count, err)) return false;
  m->part_cap = count;
  m->parts = memory_alloc(count * sizeof *m->parts);
  for (size_t i = 0; i < count; i++)
    if (records[i].from_us < query->until_us && records[i].to_us > query->since_us)
      m->parts[m->part_count++] = (struct part){.record = records[i], .run_fd = -1};
  free(records);
  m->decoder = segment_decoder_new();
  return true;
}

static void merge_deinit(struct merge *m) {
  for (size_t i = 0; i < m->heap_count; i++) segment_reader_close(m->heap[i]);
  for (size_t i = 0; i < m->part_count; i++)
    if (m->parts[i].run_fd >= 0) close(m->parts[i].run_fd);
  segment_decoder_free(m->decoder);
  free(m->parts);
}

/* The reader of a part, checked and limited to the query's time; NULL when it is damaged, which is told and counted. */
static struct segment_reader *open_part(struct merge *m, const struct part *part) {
  struct error err = {0};
  struct segment_reader *reader;
  if (part->run_fd >= 0) {
    reader = segment_reader_open_fd(part->run_fd, "temporary file of a query", m->dataset, m->decoder, &err);
  } else {
    struct buf path = {0};
    buf_printf(&path, "%s/%s", store_segments_dir(m->store), part->record.name);
    buf_append_byte(&path, '\0');
    reader = segment_reader_open(path.ptr, m->dataset, m->decoder, &err);
    buf_deinit(&path);
    if (reader && (!segment_reader_is(reader, &part->record, &err) || !segment_reader_check_frames(reader, &err))) {
      segment_reader_close(reader);
      reader = NULL;
    }
  }
  if (!reader) {
    char quoted[ERROR_TEXT_MAX + 64];
    log_event(LOG_WARNING, "damaged_segment", "error=%s", log_value(quoted, sizeof quoted, slice_from_cstr(err.text)));
    m->damaged++;
    return NULL;
  }
  /* A run holds nothing but what was asked for, and no longer knows the resolution of the segments that it came from. */
  if (part->run_fd < 0) segment_reader_set_range(reader, m->query->since_us, m->query->until_us);
  return reader;
}

/* ---- unmerged ---------------------------------------------------------------------------------------------------------------- */

bool query_rows_unmerged(struct store *store, const struct query *query, bool (*each)(void *context, const void *row),
                         void *context, size_t *damaged, struct error *err) {
  struct merge m;
  if (!merge_init(&m, store, query, err)) return false;
  bool is_good = true, wants_more = true;
  for (size_t i = 0; i < m.part_count && is_good && wants_more; i++) {
    struct segment_reader *reader = open_part(&m, &m.parts[i]);
    if (!reader) continue;
    const void *row;
    while (wants_more && (is_good = segment_reader_next(reader, &row, err)) && row) wants_more = each(context, row);
    segment_reader_close(reader);
  }
  *damaged = m.damaged;
  merge_deinit(&m);
  return is_good;
}

/* ---- the heap: the reader with the smallest row on top ----------------------------------------------------------------------- */

static bool is_before(const struct merge *m, size_t a, size_t b) {
  return m->dataset->compare(segment_reader_row(m->heap[a]), segment_reader_row(m->heap[b])) < 0;
}

static void heap_swap(struct merge *m, size_t a, size_t b) {
  struct segment_reader *reader = m->heap[a];
  m->heap[a] = m->heap[b];
  m->heap[b] = reader;
}

static void heap_push(struct merge *m, struct segment_reader *reader) {
  size_t at = m->heap_count++;
  m->heap[at] = reader;
  for (; at && is_before(m, at, (at - 1) / 2); at = (at - 1) / 2) heap_swap(m, at, (at - 1) / 2);
}

static void heap_sink(struct merge *m) {
  for (size_t at = 0;;) {
    size_t least = at, left = 2 * at + 1;
    if (left < m->heap_count && is_before(m, left, least)) least = left;
    if (left + 1 < m->heap_count && is_before(m, left + 1, least)) least = left + 1;
    if (least == at) return;
    heap_swap(m, at, least);
    at = least;
  }
}

/* Moves the top reader to its next row, or out of the heap at its end. */
static bool heap_advance(struct merge *m, struct error *err) {
  const void *row;
  if (!segment_reader_next(m->heap[0], &row, err)) return false;
  if (!row) {
    segment_reader_close(m->heap[0]);
    m->heap[0] = m->heap[--m->heap_count];
  }
  heap_sink(m);
  return true;
}

/* ---- rows with equal keys --------------------------------------------------------------------------------------------------- */

/* A row with its own copy of its strings. Two buffers: a copy may be made of the row itself. */
struct kept_row {
  union any_row row;
  struct buf strings[2];
  unsigned current;
};

static void kept_row_deinit(struct kept_row *kept) {
  buf_deinit(&kept->strings[0]);
  buf_deinit(&kept->strings[1]);
}

static struct slice *string_of(const struct dataset *dataset, void *row, size_t column) {
  return (struct slice *)(void *)((char *)row + dataset->columns[column].offset);
}

static void keep_row(const struct dataset *dataset, struct kept_row *kept, const void *row) {
  kept->current ^= 1;
  struct buf *strings = &kept->strings[kept->current];
  memmove(&kept->row, row, dataset->row_size);
  size_t len = 0;
  for (size_t i = 0; i < dataset->column_count; i++)
    if (dataset->columns[i].type == COLUMN_str) len += string_of(dataset, &kept->row, i)->len;
  buf_clear(strings);
  buf_reserve(strings, len + 1); /* so that it does not move below */
  for (size_t i = 0; i < dataset->column_count; i++) {
    if (dataset->columns[i].type != COLUMN_str) continue;
    struct slice *value = string_of(dataset, &kept->row, i);
    const char *copy = strings->ptr + strings->len;
    buf_append_slice(strings, *value);
    value->ptr = copy;
  }
}

/* Adds a row of equal key; a string that it won is copied. */
static void merge_row(const struct dataset *dataset, struct kept_row *kept, const void *row) {
  dataset->merge(&kept->row, row);
  for (size_t i = dataset->key_count; i < dataset->column_count; i++) {
    if (dataset->columns[i].kind != COLUMN_least) continue;
    const char *ptr = string_of(dataset, &kept->row, i)->ptr, *own = kept->strings[kept->current].ptr;
    if (ptr < own || ptr > own + kept->strings[kept->current].len) {
      keep_row(dataset, kept, &kept->row);
      return;
    }
  }
}

/* Where merged rows go: to the caller of the query, or into a run. */
struct sink {
  bool (*each)(void *context, const void *row);
  void *context;
  struct segment_writer *run; /* NULL: to `each` */
  bool has_stopped;
};

static bool sink_row(struct sink *sink, const void *row, struct error *err) {
  if (sink->run) return segment_writer_add(sink->run, row, err);
  sink->has_stopped = !sink->each(sink->context, row);
  return true;
}

/* Empties the heap into the sink. */
static bool drain(struct merge *m, struct sink *sink, struct error *err) {
  struct kept_row kept = {0};
  bool is_good = true;
  while (is_good && m->heap_count && !sink->has_stopped) {
    keep_row(m->dataset, &kept, segment_reader_row(m->heap[0]));
    is_good = heap_advance(m, err);
    while (is_good && m->heap_count && m->dataset->compare(&kept.row, segment_reader_row(m->heap[0])) == 0) {
      merge_row(m->dataset, &kept, segment_reader_row(m->heap[0]));
      is_good = heap_advance(m, err);
    }
    is_good = is_good && sink_row(sink, &kept.row, err);
  }
  kept_row_deinit(&kept);
  return is_good;
}

/* ---- merging ----------------------------------------------------------------------------------------------------------------- */

/* Opens parts until the group is full or there are none left. */
static bool open_group(struct merge *m, struct error *err) {
  size_t bytes = 0;
  while (m->next_part < m->part_count && m->heap_count < LIMIT_MERGE_READERS && (m->heap_count < 2 || bytes < LIMIT_MERGE_BYTES)) {
    struct segment_reader *reader = open_part(m, &m->parts[m->next_part++]);
    if (!reader) continue;
    bytes += segment_reader_frame_bytes(reader);
    const void *row;
    if (!segment_reader_next(reader, &row, err)) {
      segment_reader_close(reader);
      return false;
    }
    if (row)
      heap_push(m, reader);
    else
      segment_reader_close(reader);
  }
  return true;
}

/* The group in the heap becomes one run, behind the other parts. */
static bool make_run(struct merge *m, struct error *err) {
  struct sink sink = {.run = segment_writer_new_run(m->dataset, err)};
  if (!sink.run) return false;
  if (!drain(m, &sink, err)) {
    segment_writer_abort(sink.run);
    return false;
  }
  int fd = segment_writer_finish_run(sink.run, err);
  if (fd < 0) return false;
  if (m->part_count == m->part_cap) m->parts = memory_resize(m->parts, (m->part_cap = m->part_cap * 2 + 1) * sizeof *m->parts);
  m->parts[m->part_count++] = (struct part){.run_fd = fd};
  return true;
}

bool query_rows(struct store *store, const struct query *query, bool (*each)(void *context, const void *row), void *context,
                size_t *damaged, struct error *err) {
  struct merge m;
  if (!merge_init(&m, store, query, err)) return false;
  struct sink sink = {.each = each, .context = context};
  bool is_good = open_group(&m, err);
  while (is_good && m.next_part < m.part_count) is_good = make_run(&m, err) && open_group(&m, err);
  is_good = is_good && drain(&m, &sink, err);
  *damaged = m.damaged;
  merge_deinit(&m);
  return is_good;
}
