/* Reads a text through an envelope as the program does, chunk by chunk, and tells what came of it: for the tests of envelopes. */
#ifndef TESTS_UNWRAP_LINES_H
#define TESTS_UNWRAP_LINES_H

#include <stdlib.h>

#include "base/clock.h"
#include "base/memory.h"
#include "tests/unit/line_json.h"

#define UNWRAP_NOW_US (1795600000 * US_PER_SECOND) /* 2026-11-25 */
#define UNWRAP_WORKERS 3

struct unwrap_run {
  struct time_rules rules;
  struct batch batch;
  struct parser parser;
  struct unwrapper *unwrapper;
  struct buf unparsed;
  struct buf summary;
  uint64_t line_count;
};

static inline void unwrap_note_unparsed(void *context, struct slice line, enum unparsed_reason reason, uint64_t position) {
  struct unwrap_run *run = context;
  (void)reason;
  buf_printf(&run->unparsed, "%llu %.*s\n", (unsigned long long)position - 1000, SLICE_ARG(line));
}

/* `text` is copied to memory of its own size, so that a sanitizer sees a byte too far. */
static inline void unwrap_start(struct unwrap_run *run, const char *envelope, const char *format, struct slice text) {
  *run = (struct unwrap_run){.rules = {.now_us = UNWRAP_NOW_US}};
  char *copy = memory_alloc(text.len + !text.len);
  if (text.len) memcpy(copy, text.ptr, text.len);
  run->batch = (struct batch){.base = copy, .len = text.len, .position = 1000, .reference_time_us = UNWRAP_NOW_US};
  run->batch.head = slice_of(copy, slice_find_byte(slice_of(copy, text.len), '\n'));
  parser_init(&run->parser, format_find(slice_from_cstr(format)), &run->rules, UNWRAP_WORKERS);
  run->parser.when_unparsed = unwrap_note_unparsed;
  run->parser.context = run;
  run->unwrapper = unwrapper_new(envelope_find(slice_from_cstr(envelope)));
}

/* Adds what the lists hold to the summary, in the order of the input, and empties them. */
static inline void unwrap_collect(struct unwrap_run *run, bool has_positions) {
  size_t next[UNWRAP_WORKERS] = {0};
  for (;;) {
    struct line_list *lists = run->parser.lists;
    int first = -1;
    for (int i = 0; i < UNWRAP_WORKERS; i++) {
      if (next[i] == lists[i].count) continue;
      if (first < 0 || lists[i].items[next[i]].position < lists[first].items[next[first]].position) first = i;
    }
    if (first < 0) break;
    const struct line *line = &lists[first].items[next[first]++];
    if (has_positions) buf_printf(&run->summary, "%llu ", (unsigned long long)line->position - 1000);
    line_json_write(&run->summary, line);
    buf_append_byte(&run->summary, '\n');
  }
  parser_clear_lines(&run->parser);
}

/* [begin, end) of the text as one chunk. */
static inline void unwrap_chunk(struct unwrap_run *run, size_t begin, size_t end, bool has_positions) {
  const char *base = run->batch.base;
  run->line_count += unwrapper_parse(run->unwrapper, &run->parser, &run->batch, base, base + begin, base + end);
  unwrap_collect(run, has_positions);
}

static inline void unwrap_end(struct unwrap_run *run) {
  parser_deinit(&run->parser);
  unwrapper_free(run->unwrapper);
  buf_deinit(&run->unparsed);
  buf_deinit(&run->summary);
  free((char *)run->batch.base);
}

static inline uint64_t unwrap_counted(const struct line_counts *counts) {
  uint64_t sum = counts->delivery + counts->info;
  for (size_t i = 0; i < NOISE_COUNT; i++) sum += counts->noise[i];
  for (size_t i = 0; i < UNPARSED_REASON_COUNT; i++) sum += counts->unparsed[i];
  return sum;
}

#endif
