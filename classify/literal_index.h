/* Which of some thousand literals stand in a short text.
 *
 *   each literal is filed under its rarest four bytes:     "mailbox is full"  ->  "x is", at 6
 *   each four bytes of a text are asked for in a bit map:  ... "ailb" "ilbo" "lbox" "box " ...   1 ns each; nearly all say no
 *                          then in a table -> literals with these four bytes -> compared whole
 *
 * What is rare is learnt from samples of such texts, so a text of 64 bytes costs some 100 ns where Hyperscan took 580 for 4400 literals
 * (bench/bench_classify prints what a scan costs); what is found does not depend on the samples. */
#ifndef CLASSIFY_LITERAL_INDEX_H
#define CLASSIFY_LITERAL_INDEX_H

#include "base/slice.h"

struct literal_index;

/* A literal of one byte at least, copied; several may have one id. */
struct literal {
  struct slice bytes;
  uint32_t id;
};

struct literal_index *literal_index_new(const struct literal *literals, size_t count, const struct slice *samples,
                                        size_t sample_count);
void literal_index_free(struct literal_index *index);

/* Calls `found` with the id of each literal that stands in `text`, once for each place. Reads nothing outside of it, allocates nothing. */
void literal_index_find(const struct literal_index *index, struct slice text, void (*found)(void *context, uint32_t id),
                        void *context);

#endif
