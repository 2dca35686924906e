/* Rows with their own strings. See kept_row.h. */
#include "aggregate/kept_row.h"

void kept_row_deinit(struct kept_row *kept) {
  buf_deinit(&kept->strings[0]);
  buf_deinit(&kept->strings[1]);
}

static struct slice *string_of(const struct dataset *dataset, void *row, size_t column) {
  return (struct slice *)(void *)((char *)row + dataset->columns[column].offset);
}

static void copy_strings(const struct dataset *dataset, struct kept_row *kept) {
  kept->current ^= 1;
  struct buf *strings = &kept->strings[kept->current];
  size_t len = 0;
  for (size_t i = 0; i < dataset->column_count; i++)
    if (dataset->columns[i].type == COLUMN_str) len += string_of(dataset, &kept->row, i)->len;
  buf_clear(strings);
  buf_reserve(strings, len + 1); /* so that it does not move below */
  for (size_t i = 0; i < dataset->column_count; i++) {
    if (dataset->columns[i].type != COLUMN_str) continue;
    struct slice *value = string_of(dataset, &kept->row, i);
    const char *copy = strings->ptr + strings->len;
    buf_append_slice(strings, *value);
    value->ptr = copy;
  }
  kept->is_owner = true;
}

void kept_row_own(const struct dataset *dataset, struct kept_row *kept) {
  if (!kept->is_owner) copy_strings(dataset, kept);
}

void kept_row_merge(const struct dataset *dataset, struct kept_row *kept, const void *row) {
  dataset->merge(&kept->row, row);
  if (!kept->is_owner) return;
  for (size_t i = dataset->key_count; i < dataset->column_count; i++) {
    if (dataset->columns[i].kind != COLUMN_least) continue;
    const char *ptr = string_of(dataset, &kept->row, i)->ptr, *own = kept->strings[kept->current].ptr;
    if (ptr >= own && ptr <= own + kept->strings[kept->current].len) continue;
    copy_strings(dataset, kept);
    return;
  }
}
