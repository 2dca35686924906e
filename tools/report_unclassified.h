/* `bouncemill report --unclassified`: what no rule knows, most frequent first. */
#ifndef TOOLS_REPORT_UNCLASSIFIED_H
#define TOOLS_REPORT_UNCLASSIFIED_H

#include "tools/unclassified.h"

/* The first `top` of `list`. */
void report_unclassified_write_text(const struct unclassified *list, size_t top, struct buf *out);
void report_unclassified_write_json(const struct unclassified *list, size_t top, struct buf *out);

#endif
