/* The Exim format: gives a chunk to the build of the readers that suits this processor. */
#include "ingest/exim_internal.h"
#include "ingest/formats.h"

static void parse(struct parser *parser, const struct batch *batch, const char *lookback, const char *begin, const char *end) {
  line_reader *read_line = exim_read_line_v2;
  if (__builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("bmi2"))
    read_line = exim_read_line_v4;
  else if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi2"))
    read_line = exim_read_line_v3;
  line_walk(parser, batch, lookback, begin, end, read_line);
}

const struct format FORMAT_EXIM = {
    .name = "exim", .parse = parse, .state_new = line_walk_state_new, .state_free = line_walk_state_free};
