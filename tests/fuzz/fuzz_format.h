/* What the fuzz targets of every format share: any bytes as a batch. What is read must not depend on where chunks begin, every line must
 * end in one count, and every slice must lie in the batch, or where the format keeps what it decodes. */
#ifndef TESTS_FUZZ_FORMAT_H
#define TESTS_FUZZ_FORMAT_H

#include <stdlib.h>

#include "base/clock.h"
#include "tests/unit/line_json.h"

#define NOW_US (1763985600 * US_PER_SECOND) /* 2025-11-24 12:00 UTC */
#define WORKERS 3

static void require(bool is_true) {
  if (!is_true) abort();
}

static void parser_start(struct parser *parser, const char *format, const struct time_rules *rules) {
  parser_init(parser, format_find(slice_from_cstr(format)), rules, WORKERS);
}

/* All lines and counts as bytes. */
static void summarise(const struct parser *parser, struct buf *out) {
  for (unsigned worker = 0; worker < WORKERS; worker++)
    for (size_t i = 0; i < parser->lists[worker].count; i++) {
      const struct line *line = &parser->lists[worker].items[i];
      /* But for the shard, which some formats choose by another line. */
      require((line->key ^ line_key(line->host, line->queue_id)) << 4 == 0 || slice_is_absent(line->queue_id));
      line_json_write(out, line);
      buf_append(out, &line->position, sizeof line->position);
    }
  buf_append(out, &parser->counts, sizeof parser->counts);
}

static uint64_t sum_of(const struct line_counts *counts) {
  uint64_t sum = counts->delivery + counts->info;
  for (size_t i = 0; i < NOISE_COUNT; i++) sum += counts->noise[i];
  for (size_t i = 0; i < UNPARSED_REASON_COUNT; i++) sum += counts->unparsed[i];
  return sum;
}

/* Chunks that end at some of the newlines, chosen by `seed`. */
static void parse_in_chunks(struct parser *parser, const struct batch *batch, uint64_t seed) {
  const char *end = batch->base + batch->len, *begin = batch->base;
  for (const char *p = begin; p < end; p++) {
    if (*p != '\n') continue;
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    if (seed >> 62 && p + 1 < end) continue;
    parser->format->parse(parser, batch, batch->base, begin, p + 1);
    begin = p + 1;
  }
}

static int fuzz_format(const char *format, const uint8_t *data, size_t size) {
  struct time_rules rules = {.now_us = NOW_US};
  struct batch batch = {.len = size, .reference_time_us = NOW_US};
  while (batch.len && data[batch.len - 1] != '\n') batch.len--;
  char *copy = malloc(batch.len + 1); /* of its own size but for a byte, so that a byte too far is seen */
  require(copy != NULL);
  memcpy(copy, data, batch.len);
  batch.base = copy;
  batch.head = slice_of(copy, slice_find_byte(slice_of(copy, batch.len), '\n'));
  struct parser whole, parts;
  struct buf whole_summary = {0}, parts_summary = {0};
  parser_start(&whole, format, &rules);
  parser_start(&parts, format, &rules);
  whole.format->parse(&whole, &batch, batch.base, batch.base, batch.base + batch.len);
  parse_in_chunks(&parts, &batch, size);
  require(sum_of(&whole.counts) == whole.counts.lines && whole.counts.bytes == batch.len);
  /* Numbers of lines are counted in a chunk, so they are not compared. */
  summarise(&whole, &whole_summary);
  summarise(&parts, &parts_summary);
  require(slice_equal(buf_slice(&whole_summary), buf_slice(&parts_summary)));
  buf_deinit(&whole_summary);
  buf_deinit(&parts_summary);
  parser_deinit(&whole);
  parser_deinit(&parts);
  free(copy);
  return 0;
}

#endif
