/* Chooses the format of an input by its first lines, for format auto.
 *
 *   the first line that is known ...       the input is read as
 *   of a log that one server writes itself   that server's format (Exim's mainlog, multilog, accounting CSV, JSON records)
 *   of syslog, which all programs share      mixed: each line by itself
 *   there is none, or no beginning is known  mixed
 *
 * It depends on the input alone, wherever reading begins: the head of a file is looked up. While a file is shorter than its head may
 * be, more lines may come to it, but the first that is known stays the first; before it there is none that a format would keep. */
#include <stdlib.h>

#include "base/memory.h"
#include "ingest/envelope.h"
#include "ingest/formats.h"
#include "ingest/recognise.h"

/* An input that was seen. */
struct chosen {
  bool is_set;
  size_t head_len; /* of the first lines that it was chosen by */
  struct format_choice choice;
};

struct format_chooser {
  const struct format *format;
  struct parser parser; /* of format mixed: its rules for the unwrapper; it parses nothing */
  struct unwrapper *unwrapper;
  struct chosen *inputs;
  size_t input_count;
};

struct format_chooser *format_chooser_new(const struct format *format, const struct envelope *envelope,
                                          const struct time_rules *rules) {
  struct format_chooser *chooser = memory_zeroed(sizeof *chooser);
  chooser->format = format;
  parser_init(&chooser->parser, &FORMAT_MIXED, rules, 1);
  chooser->unwrapper = unwrapper_new(envelope);
  return chooser;
}

void format_chooser_free(struct format_chooser *chooser) {
  if (!chooser) return;
  unwrapper_free(chooser->unwrapper);
  parser_deinit(&chooser->parser);
  free(chooser->inputs);
  free(chooser);
}

static struct chosen *input_of(struct format_chooser *chooser, uint32_t number) {
  if (number >= chooser->input_count) {
    chooser->inputs = memory_resize(chooser->inputs, (number + 1) * sizeof *chooser->inputs);
    memset(chooser->inputs + chooser->input_count, 0, (number + 1 - chooser->input_count) * sizeof *chooser->inputs);
    chooser->input_count = number + 1;
  }
  return &chooser->inputs[number];
}

/* By whole lines, out of their envelopes. */
static struct format_choice choose(struct slice lines) {
  struct recogniser recogniser;
  struct format_choice choice = {.format = &FORMAT_MIXED, .reason = "none of its first lines tells"};
  recogniser_init(&recogniser);
  const char *end = lines.ptr + lines.len;
  for (const char *p = lines.ptr, *line_end; p < end; p = line_end + 1) {
    struct line_shape shape;
    choice.line++;
    line_end = memchr(p, '\n', (size_t)(end - p));
    if (!line_end) line_end = end;
    if (p == line_end) continue;
    recognise_shape(&recogniser, p, line_end, end, &shape);
    const struct format *format = recognise_shaped(&shape);
    /* "STAMP Starting up" is not yet syslog. */
    bool is_whole = shape.is_syslog && !slice_is_absent(shape.host) && !slice_is_absent(shape.program);
    if (!format && !is_whole) continue;
    choice.format = shape.is_syslog ? &FORMAT_MIXED : format;
    choice.reason = shape.is_syslog ? "syslog: each line is told by its program" : "a line of its own log";
    return choice;
  }
  choice.line = 0;
  return choice;
}

bool format_chooser_take(struct format_chooser *chooser, const struct batch *batch, struct format_choice *out) {
  *out = (struct format_choice){.format = chooser->format};
  if (chooser->format != &FORMAT_AUTO) return false;
  struct chosen *input = input_of(chooser, batch->input);
  size_t head_len = batch->first_lines.len;
  bool is_known = input->is_set && input->head_len == head_len, is_first = !input->is_set;
  if (!is_known) {
    const struct format *before = input->choice.format;
    struct slice lines = unwrapper_first_lines(chooser->unwrapper, &chooser->parser, batch);
    input->is_set = true;
    input->head_len = head_len;
    input->choice = choose(lines);
    if (slice_is_absent(batch->first_lines)) input->choice.reason = "its first lines are not known";
    is_known = !is_first && before == input->choice.format;
  }
  *out = input->choice;
  return !is_known;
}
