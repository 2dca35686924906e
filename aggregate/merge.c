/* Merging segments. See merge.h. */
#include "aggregate/merge.h"

#include <assert.h>
#include <stdio.h>
#include <unistd.h>

#include "aggregate/kept_row.h"
#include "aggregate/segment_format.h"
#include "aggregate/segment_reader.h"
#include "aggregate/segment_writer.h"
#include "base/limits.h"
#include "base/log.h"

/* A segment of the catalog, or a run of this merge. */
struct part {
  struct segment_record record;
  int run_fd; /* -1: a segment */
};

struct merge {
  struct merge_options options;
  const struct dataset *dataset;
  struct segment_decoder *decoder;
  struct part *parts;
  size_t part_count, part_cap, next_part; /* parts before next_part are done */
  struct segment_reader *heap[LIMIT_MERGE_READERS];
  size_t heap_count;
  size_t damaged;
};

struct merge *merge_new(const struct merge_options *options, const struct segment_record *records, size_t count) {
  assert(options->readers_max >= 2 && options->readers_max <= LIMIT_MERGE_READERS);
  struct merge *m = memory_zeroed(sizeof *m);
  m->options = *options;
  m->dataset = options->dataset;
  m->part_cap = count;
  m->parts = memory_alloc(count * sizeof *m->parts);
  for (size_t i = 0; i < count; i++)
    if (records[i].from_us < options->until_us && records[i].to_us > options->since_us)
      m->parts[m->part_count++] = (struct part){.record = records[i], .run_fd = -1};
  m->decoder = segment_decoder_new();
  return m;
}

void merge_free(struct merge *m) {
  if (!m) return;
  for (size_t i = 0; i < m->heap_count; i++) segment_reader_close(m->heap[i]);
  for (size_t i = 0; i < m->part_count; i++)
    if (m->parts[i].run_fd >= 0) close(m->parts[i].run_fd);
  segment_decoder_free(m->decoder);
  free(m->parts);
  free(m);
}

size_t merge_damaged(const struct merge *m) { return m->damaged; }

/* The reader of a part, checked and limited to the time asked for; NULL when it is damaged, which is told and counted. */
static struct segment_reader *open_part(struct merge *m, const struct part *part) {
  struct error err = {0};
  struct segment_reader *reader;
  if (part->run_fd >= 0) {
    reader = segment_reader_open_fd(part->run_fd, "temporary file of a merge", m->dataset, m->decoder, &err);
  } else {
    struct buf path = {0};
    buf_printf(&path, "%s/%s", m->options.segments_dir, part->record.name);
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
  if (part->run_fd < 0) {
    if (part->record.from_us < m->options.since_us || part->record.to_us > m->options.until_us)
      segment_reader_set_range(reader, m->options.since_us, m->options.until_us);
    if (m->options.resolution_s) segment_reader_set_rounding(reader, m->options.resolution_s);
  }
  return reader;
}

bool merge_each_unmerged(struct merge *m, merge_row_fn *each, void *context, struct error *err) {
  bool is_good = true, wants_more = true;
  while (m->next_part < m->part_count && is_good && wants_more) {
    struct segment_reader *reader = open_part(m, &m->parts[m->next_part++]);
    if (!reader) continue;
    const void *row;
    while (wants_more && (is_good = segment_reader_next(reader, &row, err)) && row) wants_more = each(context, row);
    segment_reader_close(reader);
  }
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

/* The smaller of the children of `at`; heap_count when it has none. */
static size_t smaller_child(const struct merge *m, size_t at) {
  size_t child = 2 * at + 1;
  if (child >= m->heap_count) return m->heap_count;
  return child + 1 < m->heap_count && is_before(m, child + 1, child) ? child + 1 : child;
}

/* The reader on top has moved on. Mostly it belongs on top still, or far below: when the first is not so it goes down all the way, with
 * one comparison a level instead of two, and up again from there. */
static void heap_sink(struct merge *m) {
  size_t at = 0, child = smaller_child(m, 0);
  if (child == m->heap_count || !is_before(m, child, 0)) return;
  for (; child < m->heap_count; at = child, child = smaller_child(m, at)) heap_swap(m, at, child);
  for (; at && is_before(m, at, (at - 1) / 2); at = (at - 1) / 2) heap_swap(m, at, (at - 1) / 2);
}

/* Moves the top reader to its next row, or out of the heap at its end. `kept` stays good: when the reader is about to give up the
 * bytes that its strings may point to, they are copied. */
static bool heap_advance(struct merge *m, struct kept_row *kept, struct error *err) {
  const void *row;
  if (segment_reader_may_leave_frame(m->heap[0])) kept_row_own(m->dataset, kept);
  if (!segment_reader_next(m->heap[0], &row, err)) return false;
  if (!row) {
    segment_reader_close(m->heap[0]);
    m->heap[0] = m->heap[--m->heap_count];
  }
  heap_sink(m);
  return true;
}

/* ---- merging ----------------------------------------------------------------------------------------------------------------- */

/* Where merged rows go: to the caller, or into a run. */
struct sink {
  merge_row_fn *each;
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
    kept_row_view(m->dataset, &kept, segment_reader_row(m->heap[0]));
    is_good = heap_advance(m, &kept, err);
    while (is_good && m->heap_count && m->dataset->compare(&kept.row, segment_reader_row(m->heap[0])) == 0) {
      kept_row_merge(m->dataset, &kept, segment_reader_row(m->heap[0]));
      is_good = heap_advance(m, &kept, err);
    }
    is_good = is_good && sink_row(sink, &kept.row, err);
  }
  kept_row_deinit(&kept);
  return is_good;
}

/* Opens parts until the group is full or there are none left. */
static bool open_group(struct merge *m, struct error *err) {
  size_t bytes = 0;
  while (m->next_part < m->part_count && m->heap_count < m->options.readers_max &&
         (m->heap_count < 2 || bytes < m->options.bytes_max)) {
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
  struct sink sink = {.run = segment_writer_new_run(m->dataset, m->options.run_dir, err)};
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

bool merge_each(struct merge *m, merge_row_fn *each, void *context, struct error *err) {
  struct sink sink = {.each = each, .context = context};
  bool is_good = open_group(m, err);
  while (is_good && m->next_part < m->part_count) is_good = make_run(m, err) && open_group(m, err);
  return is_good && drain(m, &sink, err);
}
