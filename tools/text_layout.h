/* Laying out text for a terminal of 80 columns: numbers, columns, wrapped paragraphs. Widths are in terminal cells: an
 * East Asian wide character takes two, a combining one none. */
#ifndef TOOLS_TEXT_LAYOUT_H
#define TOOLS_TEXT_LAYOUT_H

#include "base/buf.h"

#define TEXT_WIDTH 80

/* Cells that `text` takes. */
size_t text_width(struct slice text);

/* `text` cut to `width` cells (an ellipsis for what is cut; control bytes shown as '?') and padded with spaces. */
void text_append_left(struct buf *out, struct slice text, size_t width);
/* As text_append_left without the padding. */
void text_append_cut(struct buf *out, struct slice text, size_t width);
/* 1234567 as "1,234,567", right-aligned in `width` cells. */
void text_append_count(struct buf *out, uint64_t value, size_t width);
/* numerator / denominator as " 12.3 %", right-aligned; "-" when the denominator is 0. */
void text_append_percent(struct buf *out, uint64_t numerator, uint64_t denominator, size_t width);

/* A paragraph: `label` in the first line at `indent`, the text wrapped beside it from `hang` to TEXT_WIDTH. Breaks at spaces, and anywhere
 * between wide characters. */
void text_append_paragraph(struct buf *out, struct slice label, struct slice text, size_t indent, size_t hang);

#endif
