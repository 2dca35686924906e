/* Hands the live tables out as lines of JSON, for a topic instead of a store. docs/summaries.md has the lines. */
#include "aggregate/aggregator.h"

#include <inttypes.h>

#include "base/json.h"

struct handing_out {
  const struct dataset *dataset;
  struct row_stamp *stamp;
  struct buf lines;
  size_t bytes_max;
  void (*each)(void *context, struct slice lines);
  void *context;
};

static void hand_out(struct handing_out *h) {
  if (h->lines.len) h->each(h->context, buf_slice(&h->lines));
  buf_clear(&h->lines);
}

/* Not as `dump` prints it: of a sketch, which is to be merged, all its registers. Zeros at the end of an array are left out. */
static void write_column(const struct column *column, const void *row, struct buf *out) {
  const char *value = (const char *)row + column->offset;
  size_t used = 0;
  buf_printf(out, ",\"%s\":", column->name);
  switch (column->type) {
    case COLUMN_u32: buf_printf(out, "%" PRIu32, *(const uint32_t *)value); break;
    case COLUMN_u64: buf_printf(out, "%" PRIu64, *(const uint64_t *)value); break;
    case COLUMN_str: json_write_string(out, *(const struct slice *)value); break;
    case COLUMN_hist: {
      const struct histogram *delays = (const struct histogram *)value;
      for (used = HISTOGRAM_BUCKETS; used && !delays->count[used - 1];) used--;
      for (size_t i = 0; i < used; i++) buf_printf(out, "%c%" PRIu64, i ? ',' : '[', delays->count[i]);
      break;
    }
    case COLUMN_hll: {
      const struct hyperloglog *sketch = (const struct hyperloglog *)value;
      for (used = HYPERLOGLOG_REGISTERS; used && !sketch->rank[used - 1];) used--;
      for (size_t i = 0; i < used; i++) buf_printf(out, "%c%u", i ? ',' : '[', sketch->rank[i]);
      break;
    }
  }
  bool is_array = column->type == COLUMN_hist || column->type == COLUMN_hll;
  if (is_array) buf_append(out, used ? "]" : "[]", used ? 1 : 2);
}

static bool add_line(void *context, const void *row) {
  struct handing_out *h = context;
  if (h->lines.len >= h->bytes_max) hand_out(h);
  buf_printf(&h->lines, "{\"dataset\":\"%s\",\"version\":%u,\"writer\":\"%s\",\"sequence\":%" PRIu64, h->dataset->name,
             h->dataset->version, h->stamp->writer, ++h->stamp->sequence);
  for (size_t i = 0; i < h->dataset->column_count; i++) write_column(&h->dataset->columns[i], row, &h->lines);
  buf_append(&h->lines, "}\n", 2);
  return true;
}

void aggregator_hand_out(struct aggregator *a, struct row_stamp *stamp, size_t bytes_max,
                         void (*each)(void *context, struct slice lines), void *context) {
  struct handing_out h = {.stamp = stamp, .bytes_max = bytes_max, .each = each, .context = context};
  struct row_order order;
  aggregator_order_init(a, &order);
  for (unsigned dataset = 0; dataset < DATASET_COUNT; dataset++) {
    h.dataset = &DATASETS[dataset];
    if (aggregator_dataset_rows(a, (enum dataset_id)dataset))
      aggregator_each_row(a, (enum dataset_id)dataset, &order, add_line, &h);
  }
  hand_out(&h);
  buf_deinit(&h.lines);
  aggregator_order_deinit(&order);
  aggregator_empty(a);
}
