/* The walk over the lines of a chunk. See line_walk.h. */
#include "ingest/line_walk.h"

#include <stdlib.h>

#include "base/hash.h"
#include "base/memory.h"
#include "ingest/cpu_level.h"
#include "ingest/line_ends.h"

void *line_walk_state_new(void) { return memory_zeroed(sizeof(struct line_walk_state)); }

void line_walk_state_free(void *state) {
  struct line_walk_state *walk_state = state;
  zone_once_deinit(&walk_state->zone);
  text_arena_deinit(&walk_state->texts);
  free(state);
}

struct line *line_walk_add(struct line_walk *walk, struct slice host, struct slice queue_id) {
  uint64_t key = slice_is_absent(queue_id) ? hash_u64(walk->position) : line_key(host, queue_id);
  return line_walk_add_keyed(walk, key, host, queue_id);
}

struct line *line_walk_add_keyed(struct line_walk *walk, uint64_t key, struct slice host, struct slice queue_id) {
  struct parser *parser = walk->parser;
  struct line_list *list = &parser->lists[line_shard(key) % parser->worker_count];
  if (list->count == list->cap) line_list_grow(list);
  struct line *line = &list->items[list->count++];
  size_t size = sizeof *line;
  __asm__("" : "+r"(size)); /* a size that gcc knows becomes "rep stos", which takes 30 ns for this one; memset takes 4 */
  memset(line, 0, size);
  line->key = key;
  line->position = walk->position;
  line->number = walk->number;
  line->time_us = walk->time_us;
  line->times = 1;
  line->host = host;
  line->queue_id = queue_id;
  return line;
}

char *line_walk_room(struct line_walk *walk, size_t len) {
  return text_arena_take(&((struct line_walk_state *)walk->parser->state)->texts, len);
}

/* Nothing points into the texts of a parser whose lists are empty. */
static void forget_texts(struct parser *parser) {
  for (unsigned i = 0; i < parser->worker_count; i++)
    if (parser->lists[i].count) return;
  text_arena_clear(&((struct line_walk_state *)parser->state)->texts);
}

static inline unsigned read_any(struct line_walk *walk, const char *p, const char *end, line_reader *read_line) {
  if (end > p && end[-1] == '\r') end--;
  if (p == end) return READ_NOISE + NOISE_empty;
  if ((size_t)(end - p) > walk->parser->line_bytes_max) return READ_UNPARSED + UNPARSED_TOO_LONG;
  return read_line(walk, p, end);
}

void line_walk_init(struct line_walk *walk, struct parser *parser, const struct batch *batch, const char *lookback) {
  *walk = (struct line_walk){.parser = parser, .batch = batch, .lookback = lookback, .limit = batch->base + batch->len};
  forget_texts(parser);
  stamp_reader_init(&walk->stamps, zone_once_read(&((struct line_walk_state *)parser->state)->zone, parser->time_rules->zone),
                    batch->reference_time_us, parser->time_rules->now_us);
}

/* The line [p, line_end). */
static inline void take_line(struct line_walk *walk, const char *p, const char *line_end, line_reader *read_line,
                             uint64_t *results) {
  walk->position = walk->batch->position + (uint64_t)(p - walk->batch->base);
  unsigned result = read_any(walk, p, line_end, read_line);
  results[result]++;
  if (result >= READ_UNPARSED && result < READ_INFO)
    parser_report_unparsed(walk->parser, walk->batch, p, line_end, (enum unparsed_reason)(result - READ_UNPARSED));
  walk->number++;
}

void line_walk(struct parser *parser, const struct batch *batch, const char *lookback, const char *begin, const char *end,
               line_reader *read_line) {
  struct line_walk walk;
  uint64_t results[READ_COUNT] = {0};
  uint16_t ends[LINE_ENDS_ROOM];
  line_ends_finder *find = CPU_LEVEL_CHOOSE(line_ends_find);
  line_walk_init(&walk, parser, batch, lookback);
  const char *p = begin;
  for (const char *window = begin; window < end; window += LINE_ENDS_WINDOW_BYTES) {
    size_t len = (size_t)(end - window) < LINE_ENDS_WINDOW_BYTES ? (size_t)(end - window) : LINE_ENDS_WINDOW_BYTES;
    size_t count = find(window, len, walk.limit, ends);
    for (size_t i = 0; i < count; i++) {
      take_line(&walk, p, window + ends[i], read_line, results);
      p = window + ends[i] + 1;
    }
  }
  if (p < end) take_line(&walk, p, end, read_line, results); /* a last one without its newline */
  parser->counts.lines += walk.number;
  parser->counts.bytes += (uint64_t)(end - begin);
  line_counts_add_results(&parser->counts, results);
}
