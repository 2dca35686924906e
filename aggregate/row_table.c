/* Life, growth and reading of live rows. See row_table.h. */
#include "aggregate/row_table.h"

void row_table_init(struct row_table *t, size_t base_slots, size_t row_bytes, size_t base_bytes) {
  slot_table_init(&t->slots, base_slots);
  pool_init(&t->rows, row_bytes, base_bytes);
}

void row_table_deinit(struct row_table *t) {
  slot_table_deinit(&t->slots);
  pool_deinit(&t->rows);
}

void row_table_empty(struct row_table *t) {
  slot_table_empty(&t->slots);
  pool_empty(&t->rows);
}

size_t row_table_used_bytes(const struct row_table *t) { return slot_table_used_bytes(&t->slots) + pool_used_bytes(&t->rows); }

uint32_t row_table_add(struct row_table *t, const void *row, uint64_t hash, slot_hash_fn *hash_of) {
  uint32_t number = (uint32_t)pool_add(&t->rows, 1);
  memcpy(row_table_at(t, number), row, t->rows.item_bytes);
  slot_insert(&t->slots, hash, number, hash_of, t);
  return number;
}

struct sorting {
  const struct row_table *t;
  const struct row_telling *telling;
  const struct row_order *order;
  struct row_packing packing;
};

static uint64_t key_word(const void *context, uint32_t number, unsigned word) {
  const struct sorting *s = context;
  uint32_t columns[ROW_COLUMNS_MAX];
  s->telling->rank(s->order, row_table_at(s->t, number), columns);
  return row_packing_word(&s->packing, columns, word);
}

bool row_table_each(const struct row_table *t, const void *table, const struct row_telling *telling, const struct row_order *order,
                    row_visit_fn *each, void *context) {
  struct sorting sorting = {.t = t, .telling = telling, .order = order};
  row_packing_init(&sorting.packing, telling->largest, telling->column_count);
  struct row_sort sort;
  row_sort_init(&sort, t->rows.count);
  row_sort_run(&sort, sorting.packing.word_count, key_word, &sorting);
  bool ok = true;
  for (size_t i = 0; i < sort.count && ok; i++) {
    union any_row row;
    telling->read(table, order, row_table_at(t, sort.items[i].row), &row);
    ok = each(context, &row);
  }
  row_sort_deinit(&sort);
  return ok;
}
