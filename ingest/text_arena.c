/* Blocks of text in a list, filled one after another. See text_arena.h. */
#include "ingest/text_arena.h"

#include <stdlib.h>

#include "base/limits.h"
#include "base/memory.h"

/* The text of any usual line fits an empty block; a longer one gets a block of its own size. */
#define BLOCK_BYTES_MIN LIMIT_LINE_BYTES

struct text_block {
  struct text_block *next;
  size_t size;
  char bytes[];
};

static struct text_block *block_new(size_t len) {
  size_t size = len > BLOCK_BYTES_MIN ? len : BLOCK_BYTES_MIN;
  struct text_block *block = memory_alloc(sizeof *block + size);
  block->next = NULL;
  block->size = size;
  return block;
}

char *text_arena_take(struct text_arena *arena, size_t len) {
  if (!arena->current) arena->first = arena->current = block_new(len);
  while (arena->current->size - arena->used < len) {
    if (!arena->current->next) arena->current->next = block_new(len);
    arena->current = arena->current->next;
    arena->used = 0;
  }
  char *text = arena->current->bytes + arena->used;
  arena->used += len;
  return text;
}

void text_arena_clear(struct text_arena *arena) {
  arena->current = arena->first;
  arena->used = 0;
}

void text_arena_deinit(struct text_arena *arena) {
  for (struct text_block *block = arena->first, *next; block; block = next) {
    next = block->next;
    free(block);
  }
  *arena = (struct text_arena){0};
}
