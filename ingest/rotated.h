/* Where a log went when it was rotated: mail.log.1, mail.log-20261124, mail.log.2.gz, beside it. */
#ifndef INGEST_ROTATED_H
#define INGEST_ROTATED_H

#include "ingest/source_inputs.h"

/* Paths in the order in which they are to be read. */
struct path_list {
  char **paths;
  size_t count, next;
};
void path_list_deinit(struct path_list *list);

/* Adds to `list` the rotated file that holds the unfinished input `last`, and after it those rotated files that are younger and of which
 * nothing is known. False when the one that holds `last` is not there (nothing is added). */
bool rotated_find(struct input_table *table, const char *path, const struct input_position *last, struct path_list *list);

#endif
