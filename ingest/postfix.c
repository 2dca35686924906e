/* The Postfix format: prepares a run over a chunk and gives it to the build of the hot loop that suits this processor. */
#include <stdlib.h>

#include "base/memory.h"
#include "ingest/formats.h"
#include "ingest/postfix_internal.h"
#include "ingest/recognise.h"

static void *state_new(void) { return memory_zeroed(sizeof(struct postfix_state)); }

static void state_free(void *state) {
  struct postfix_state *s = state;
  zone_once_deinit(&s->zone);
  free(s);
}

static void parse(struct parser *parser, const struct batch *batch, const char *lookback, const char *begin, const char *end) {
  struct postfix_state *state = parser->state;
  struct postfix_run run = {.parser = parser, .batch = batch, .lookback = lookback, .limit = batch->base + batch->len};
  for (unsigned shard = 0; shard < LIMIT_JOIN_SHARDS; shard++)
    run.list_of_shard[shard] = &parser->lists[shard % parser->worker_count];
  stamp_reader_init(&run.stamps, zone_once_read(&state->zone, parser->time_rules->zone), batch->reference_time_us,
                    parser->time_rules->now_us);
  if (__builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("bmi2"))
    postfix_parse_lines_v4(&run, state, begin, end);
  else if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi2"))
    postfix_parse_lines_v3(&run, state, begin, end);
  else
    postfix_parse_lines_v2(&run, state, begin, end);
  parser->counts.bytes += (uint64_t)(end - begin);
  line_counts_add_results(&parser->counts, run.tally);
}

/* "postfix/smtp", whatever the instance is called. */
static bool recognise(const struct line_shape *shape) { return !slice_is_absent(shape->instance); }

const struct format FORMAT_POSTFIX = {
    .name = "postfix", .parse = parse, .state_new = state_new, .state_free = state_free, .recognise = recognise};
