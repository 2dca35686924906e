/* Radix sort of eight bits a pass, from the low ones up; passes over bytes that are all the same are left out. See row_sort.h. */
#include "aggregate/row_sort.h"

#include <string.h>

#include "base/memory.h"

/* Below this many items counting 8 x 256 digits costs more than moving items by hand. */
#define INSERTION_MAX 40

#define DIGITS (sizeof(uint64_t))
#define DIGIT_VALUES 256

void row_sort_init(struct row_sort *sort, size_t count) {
  size_t bytes = (count ? count : 1) * sizeof *sort->items;
  *sort = (struct row_sort){.items = memory_map(bytes), .spare = memory_map(bytes), .count = count};
  for (size_t i = 0; i < count; i++) sort->items[i].row = (uint32_t)i;
}

void row_sort_deinit(struct row_sort *sort) {
  size_t bytes = (sort->count ? sort->count : 1) * sizeof *sort->items;
  memory_unmap(sort->items, bytes);
  memory_unmap(sort->spare, bytes);
  *sort = (struct row_sort){0};
}

static void insertion_sort(struct row_sort_item *items, size_t count) {
  for (size_t i = 1; i < count; i++) {
    struct row_sort_item item = items[i];
    size_t at = i;
    for (; at && items[at - 1].key > item.key; at--) items[at] = items[at - 1];
    items[at] = item;
  }
}

static void radix_sort(struct row_sort_item *items, struct row_sort_item *spare, size_t count) {
  uint32_t counts[DIGITS][DIGIT_VALUES];
  memset(counts, 0, sizeof counts);
  for (size_t i = 0; i < count; i++)
    for (size_t digit = 0; digit < DIGITS; digit++) counts[digit][items[i].key >> 8 * digit & 0xff]++;
  struct row_sort_item *from = items, *to = spare;
  for (size_t digit = 0; digit < DIGITS; digit++) {
    if (counts[digit][items[0].key >> 8 * digit & 0xff] == count) continue;
    uint32_t place = 0;
    for (size_t value = 0; value < DIGIT_VALUES; value++) {
      uint32_t here = counts[digit][value];
      counts[digit][value] = place;
      place += here;
    }
    for (size_t i = 0; i < count; i++) to[counts[digit][from[i].key >> 8 * digit & 0xff]++] = from[i];
    struct row_sort_item *swap = from;
    from = to;
    to = swap;
  }
  if (from != items) memcpy(items, from, count * sizeof *items);
}

struct keys {
  row_sort_key_fn *of;
  const void *context;
  unsigned word_count;
};

/* At most word_count calls deep: 33 for strings. */
static void sort_from_word(struct row_sort_item *items, struct row_sort_item *spare, size_t count, unsigned word,
                           const struct keys *keys) {
  for (size_t i = 0; i < count; i++) items[i].key = keys->of(keys->context, items[i].row, word);
  if (count <= INSERTION_MAX)
    insertion_sort(items, count);
  else
    radix_sort(items, spare, count);
  if (word + 1 == keys->word_count) return;
  for (size_t begin = 0, end; begin < count; begin = end) {
    for (end = begin + 1; end < count && items[end].key == items[begin].key;) end++;
    if (end - begin > 1) sort_from_word(items + begin, spare, end - begin, word + 1, keys);
  }
}

void row_sort_run(struct row_sort *sort, unsigned word_count, row_sort_key_fn *key_of, const void *context) {
  struct keys keys = {.of = key_of, .context = context, .word_count = word_count};
  if (sort->count) sort_from_word(sort->items, sort->spare, sort->count, 0, &keys);
}

void row_packing_init(struct row_packing *packing, const uint32_t *largest, unsigned column_count) {
  *packing = (struct row_packing){.column_count = column_count};
  unsigned word = 0, free_bits = 64;
  for (unsigned i = 0; i < column_count; i++) {
    unsigned bits = largest[i] ? 32 - (unsigned)__builtin_clz(largest[i]) : 0;
    if (bits > free_bits) word++, free_bits = 64;
    free_bits -= bits;
    packing->word[i] = (unsigned char)word;
    packing->shift[i] = (unsigned char)(free_bits < 64 ? free_bits : 0);
  }
  packing->word_count = word + 1;
}
