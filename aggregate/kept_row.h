/* A row that outlives the call that gave it: first a view, then with its own copy of its strings when those go.
 *
 *   kept_row_view -> kept_row_merge, ...   its strings are where the rows had them
 *                 -> kept_row_own          they are copied; from here on kept_row_merge copies what it takes, too */
#ifndef AGGREGATE_KEPT_ROW_H
#define AGGREGATE_KEPT_ROW_H

#include "schemas/dataset.h"

struct kept_row {
  union any_row row;
  struct buf strings[2]; /* two: a copy may be made of the row itself */
  unsigned current;
  bool is_owner;
};

void kept_row_deinit(struct kept_row *kept);

/* The row itself is copied, its strings are not. */
static inline void kept_row_view(const struct dataset *dataset, struct kept_row *kept, const void *row) {
  memcpy(&kept->row, row, dataset->row_size);
  kept->is_owner = false;
}

/* Adds the values of a row of equal key. */
void kept_row_merge(const struct dataset *dataset, struct kept_row *kept, const void *row);

/* Copies the strings, unless that is done. */
void kept_row_own(const struct dataset *dataset, struct kept_row *kept);

#endif
