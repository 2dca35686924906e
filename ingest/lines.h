/* What the formats share beyond the door: see lines.c and line_walk.h. */
#ifndef INGEST_LINES_H
#define INGEST_LINES_H

#include "ingest/ingest.h"

/* What became of a line: one of the noises, one of the unparsed reasons, or something in a list. */
enum read_result {
  READ_NOISE = 0,
  READ_UNPARSED = READ_NOISE + NOISE_COUNT,
  READ_INFO = READ_UNPARSED + UNPARSED_REASON_COUNT,
  READ_DELIVERY,
  READ_COUNT
};

/* Makes room for one more line at least. Items move. */
void line_list_grow(struct line_list *list);

/* Adds what became of the lines of a chunk, counted by read_result, to the parser's counts. */
void line_counts_add_results(struct line_counts *counts, const uint64_t results[READ_COUNT]);

/* Tells the parser's when_unparsed, if it has one and the batch is no replay, of the line [begin, end). */
void parser_report_unparsed(const struct parser *parser, const struct batch *batch, const char *begin, const char *end,
                            enum unparsed_reason reason);

#endif
