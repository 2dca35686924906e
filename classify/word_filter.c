/* See word_filter.h. */
#include "classify/word_filter.h"

#include <tmmintrin.h>

/* Upper case to lower; other bytes change too (@ to `), on both sides alike. */
#define FOLD 0x20

void word_filter_add(struct word_filter *f, struct slice word) {
  for (size_t i = 0; i < f->count; i++)
    if (slice_equal(f->words[i], word)) return;
  if (word.len < WORD_FILTER_WORD_BYTES_MIN || f->count == WORD_FILTER_WORDS_MAX) {
    f->takes_all = true;
    return;
  }
  uint8_t bucket = (uint8_t)(1u << (f->count % 8));
  for (unsigned k = 0; k < 3; k++) {
    uint8_t byte = (uint8_t)word.ptr[k] | FOLD;
    f->low[k][byte & 15] |= bucket;
    f->high[k][byte >> 4] |= bucket;
  }
  f->words[f->count++] = word;
}

static bool word_is_at(struct slice word, const char *at, const char *end) {
  if ((size_t)(end - at) < word.len) return false;
  for (size_t i = 0; i < word.len; i++)
    if (((unsigned char)at[i] | FOLD) != ((unsigned char)word.ptr[i] | FOLD)) return false;
  return true;
}

/* Whether a word of one of the `buckets` (bits) is there. */
static bool any_word_is_at(const struct word_filter *f, unsigned buckets, const char *at, const char *end) {
  for (; buckets; buckets &= buckets - 1)
    for (size_t i = (size_t)__builtin_ctz(buckets); i < f->count; i += 8)
      if (word_is_at(f->words[i], at, end)) return true;
  return false;
}

/* The buckets whose byte k of a word is each of the 16 bytes. */
static __m128i buckets_of(const struct word_filter *f, unsigned k, __m128i bytes) {
  const __m128i nibble = _mm_set1_epi8(15);
  __m128i low = _mm_and_si128(bytes, nibble), high = _mm_and_si128(_mm_srli_epi16(bytes, 4), nibble);
  return _mm_and_si128(_mm_shuffle_epi8(_mm_loadu_si128((const __m128i *)f->low[k]), low),
                       _mm_shuffle_epi8(_mm_loadu_si128((const __m128i *)f->high[k]), high));
}

/* The buckets of which a word may begin at each of the 16 places from `at`; reads 18 bytes. */
static __m128i buckets_at(const struct word_filter *f, const char *at) {
  const __m128i fold = _mm_set1_epi8(FOLD);
  __m128i found = buckets_of(f, 0, _mm_or_si128(_mm_loadu_si128((const __m128i *)at), fold));
  found = _mm_and_si128(found, buckets_of(f, 1, _mm_or_si128(_mm_loadu_si128((const __m128i *)(at + 1)), fold)));
  return _mm_and_si128(found, buckets_of(f, 2, _mm_or_si128(_mm_loadu_si128((const __m128i *)(at + 2)), fold)));
}

bool word_filter_may_match(const struct word_filter *f, struct slice text) {
  if (f->takes_all) return true;
  if (!f->count || text.len < WORD_FILTER_WORD_BYTES_MIN) return false;
  const char *end = text.ptr + text.len;
  for (size_t at = 0; at < text.len; at += 16) {
    __m128i found;
    if (at + 18 <= text.len) {
      found = buckets_at(f, text.ptr + at);
    } else {
      char padded[32] = {0};
      memcpy(padded, text.ptr + at, text.len - at);
      found = buckets_at(f, padded);
    }
    unsigned places = 0xffffu & ~(unsigned)_mm_movemask_epi8(_mm_cmpeq_epi8(found, _mm_setzero_si128()));
    if (!places) continue;
    uint8_t buckets[16];
    _mm_storeu_si128((__m128i *)buckets, found);
    for (; places; places &= places - 1) {
      unsigned place = (unsigned)__builtin_ctz(places);
      if (any_word_is_at(f, buckets[place], text.ptr + at + place, end)) return true;
    }
  }
  return false;
}
