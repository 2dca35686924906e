/* Lists of lines, their counts, and the parser that fills them: what every format shares. */
#include <stdlib.h>

#include "base/memory.h"
#include "ingest/line_key.h"
#include "ingest/lines.h"
#include "ingest/zone.h"

uint64_t line_key(struct slice host, struct slice queue_id) {
  /* Nothing is known of what lies behind the slices. */
  uint64_t host_digest = line_key_digest(host, host.ptr), id_digest = line_key_digest(queue_id, queue_id.ptr);
  return line_key_join(host_digest, id_digest);
}

struct slice noise_name(enum noise noise) {
  static const struct slice names[] = {
#define NOISE(name, what) SLICE(#name),
#include "ingest/noise.def"
#undef NOISE
  };
  return names[noise];
}

struct slice unparsed_reason_name(enum unparsed_reason reason) {
  static const struct slice names[] = {SLICE("header"), SLICE("body"), SLICE("time"), SLICE("too_long")};
  return names[reason];
}

void line_counts_add(struct line_counts *into, const struct line_counts *more) {
  into->lines += more->lines;
  into->bytes += more->bytes;
  into->delivery += more->delivery;
  into->info += more->info;
  into->unwrapped += more->unwrapped;
  into->newlines += more->newlines;
  for (size_t i = 0; i < NOISE_COUNT; i++) into->noise[i] += more->noise[i];
  for (size_t i = 0; i < UNPARSED_REASON_COUNT; i++) into->unparsed[i] += more->unparsed[i];
}

void line_list_grow(struct line_list *list) {
  list->cap = list->cap ? list->cap * 2 : 1024;
  list->items = memory_resize(list->items, list->cap * sizeof *list->items);
}

void line_counts_add_results(struct line_counts *counts, const uint64_t results[READ_COUNT]) {
  for (size_t i = 0; i < NOISE_COUNT; i++) counts->noise[i] += results[READ_NOISE + i];
  for (size_t i = 0; i < UNPARSED_REASON_COUNT; i++) counts->unparsed[i] += results[READ_UNPARSED + i];
  counts->info += results[READ_INFO];
  counts->delivery += results[READ_DELIVERY];
}

void parser_report_unparsed(const struct parser *parser, const struct batch *batch, const char *begin, const char *end,
                            enum unparsed_reason reason) {
  if (!parser->when_unparsed || batch->is_replay) return;
  struct slice line = slice_between(begin, end);
  if (reason == UNPARSED_TOO_LONG && line.len > parser->line_bytes_max) line.len = parser->line_bytes_max;
  parser->when_unparsed(parser->context, line, reason, batch->position + (uint64_t)(begin - batch->base));
}

bool time_rules_check(const struct time_rules *rules, struct error *err) {
  struct zone *zone = rules->zone ? zone_new(rules->zone, err) : NULL;
  bool is_good = zone || !rules->zone;
  zone_free(zone);
  return is_good;
}

void parser_init(struct parser *parser, const struct format *format, const struct time_rules *rules, unsigned worker_count) {
  *parser = (struct parser){.time_rules = rules, .worker_count = worker_count, .line_bytes_max = LIMIT_LINE_BYTES};
  parser->lists = memory_zeroed(worker_count * sizeof *parser->lists);
  parser_use_format(parser, format);
}

void parser_use_format(struct parser *parser, const struct format *format) {
  size_t place = 0;
  if (parser->format == format) return;
  while (format_at(place) && format_at(place) != format) place++; /* behind the table: one of a program's own */
  if (!parser->states[place] && format->state_new) parser->states[place] = format->state_new();
  parser->format = format;
  parser->state = parser->states[place];
}

void parser_deinit(struct parser *parser) {
  for (unsigned i = 0; i < parser->worker_count; i++) free(parser->lists[i].items);
  free(parser->lists);
  for (size_t i = 0; format_at(i); i++)
    if (parser->states[i]) format_at(i)->state_free(parser->states[i]);
  *parser = (struct parser){0};
}

void parser_clear_lines(struct parser *parser) {
  for (unsigned i = 0; i < parser->worker_count; i++) parser->lists[i].count = 0;
}
