/* Memory for texts that live as long as the lines of a batch: blocks that are kept and used again, so that in the long run nothing is
 * allocated. What was taken stays where it is. Texts are never longer than what they were decoded from, so the memory of one batch
 * is at most the batch's, and a half-empty block. Not thread-safe; one a parser. */
#ifndef INGEST_TEXT_ARENA_H
#define INGEST_TEXT_ARENA_H

#include <stddef.h>

struct text_block;

/* Zeroed: empty. */
struct text_arena {
  struct text_block *first, *current; /* blocks behind `current` are free */
  size_t used;                        /* bytes of `current` */
};

/* `len` bytes, not NULL even for 0, good until text_arena_clear. */
char *text_arena_take(struct text_arena *arena, size_t len);

/* All texts are no longer good; the memory is kept. */
void text_arena_clear(struct text_arena *arena);
void text_arena_deinit(struct text_arena *arena);

#endif
