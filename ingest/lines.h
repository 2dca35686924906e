/* What the formats share beyond the door: see lines.c. */
#ifndef INGEST_LINES_H
#define INGEST_LINES_H

#include "ingest/ingest.h"

/* Makes room for one more line at least. Items move. */
void line_list_grow(struct line_list *list);

#endif
