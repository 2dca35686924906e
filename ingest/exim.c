/* The Exim format: gives a chunk to the build of the readers that suits this processor. */
#include "ingest/cpu_level.h"
#include "ingest/exim_internal.h"
#include "ingest/formats.h"
#include "ingest/recognise.h"

static void parse(struct parser *parser, const struct batch *batch, const char *lookback, const char *begin, const char *end) {
  line_walk(parser, batch, lookback, begin, end, CPU_LEVEL_CHOOSE(exim_read_line));
}

/* Nine digits of a second are tai64nlocal's. */
static bool is_mainlog(const char *p, const char *end) {
  return recognise_own_date(p, end) && !(p[19] == '.' && end - p > 23 && ascii_is_digit(p[23]));
}

static bool recognise(const struct line_shape *shape) {
  const char *p = shape->text, *end = shape->end;
  if (!shape->is_syslog) return is_mainlog(p, end);
  return slice_starts_with(shape->program, SLICE("exim")) || is_mainlog(p, end) || exim_id_length(exim_skip_pid(p, end), end);
}

const struct format FORMAT_EXIM = {
    .name = "exim", .parse = parse, .state_new = line_walk_state_new, .state_free = line_walk_state_free, .recognise = recognise};
