/* Whether a reply may hold one of a few words, whatever their case: so that accepted mail, most of all mail, costs a few nanoseconds.
 *
 * Teddy (Hyperscan's name for it): for the first three bytes of each word two tables of sixteen, by low and by high half of a byte, hold
 * the words' buckets as bits; PSHUFB looks sixteen places up at once. A place where all three agree is compared with the
 * bucket's words. */
#ifndef CLASSIFY_WORD_FILTER_H
#define CLASSIFY_WORD_FILTER_H

#include "base/slice.h"

#define WORD_FILTER_WORDS_MAX 64
#define WORD_FILTER_WORD_BYTES_MIN 3

struct word_filter {
  uint8_t low[3][16], high[3][16];
  struct slice words[WORD_FILTER_WORDS_MAX]; /* views, lower case; word i is in bucket i % 8 */
  size_t count;
  bool takes_all; /* a word did not fit: every text may hold it */
};

/* `word`: lower case; it must live as long as the filter. */
void word_filter_add(struct word_filter *filter, struct slice word);
bool word_filter_may_match(const struct word_filter *filter, struct slice text);

#endif
