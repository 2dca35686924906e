/* classify/literal_index: finds what is there, all of it and nothing else, whatever it learnt from. */
#include "classify/literal_index.h"

#include <stdio.h>

#include "base/memory.h"
#include "tests/unit/check_main.h"

#define IDS_MAX 512

struct found {
  unsigned counts[IDS_MAX];
};

static void note(void *context, uint32_t id) {
  ck_assert_uint_lt(id, IDS_MAX);
  ((struct found *)context)->counts[id]++;
}

/* The number of literals of `words` that are found in `text`, each a bit. */
static unsigned find_in(const char *const *words, size_t count, const char *text) {
  struct literal literals[32];
  for (uint32_t i = 0; i < count; i++) literals[i] = (struct literal){slice_from_cstr(words[i]), i};
  struct literal_index *index = literal_index_new(literals, count, NULL, 0);
  struct found found = {{0}};
  /* A copy of its own size: a sanitizer sees what is read behind it. */
  size_t len = strlen(text);
  char *copy = memory_alloc(len);
  memcpy(copy, text, len);
  literal_index_find(index, slice_of(copy, len), note, &found);
  free(copy);
  literal_index_free(index);
  unsigned bits = 0;
  for (uint32_t i = 0; i < count; i++) bits |= (found.counts[i] ? 1u : 0u) << i;
  return bits;
}

START_TEST(literals_of_every_length_are_found_at_both_ends_and_within) {
  static const char *const WORDS[] = {"a", "ip", "ptr", "full", "quota", "mailbox is full"};
  ck_assert_uint_eq(find_in(WORDS, 6, "ptr"), 1u << 2);
  ck_assert_uint_eq(find_in(WORDS, 6, "no ptr"), 1u << 2);
  ck_assert_uint_eq(find_in(WORDS, 6, "ptr ip"), 1u << 2 | 1u << 1);
  ck_assert_uint_eq(find_in(WORDS, 6, "full"), 1u << 3);
  ck_assert_uint_eq(find_in(WORDS, 6, "mailbox is full"), 1u << 0 | 1u << 3 | 1u << 5);
  ck_assert_uint_eq(find_in(WORDS, 6, "the mailbox is fuller"), 1u << 0 | 1u << 3 | 1u << 5);
  ck_assert_uint_eq(find_in(WORDS, 6, "mailbox is ful"), 1u << 0);
  ck_assert_uint_eq(find_in(WORDS, 6, "over quot"), 0);
  ck_assert_uint_eq(find_in(WORDS, 6, ""), 0);
  ck_assert_uint_eq(find_in(WORDS, 6, "pt"), 0);
}
END_TEST

START_TEST(bytes_of_any_value_are_compared_as_they_are) {
  static const char *const WORDS[] = {"\xe7\x94\xa8\xe6\x88\xb7", "\xd3\xc3\xbb\xa7", "\xff\xff\xff"};
  ck_assert_uint_eq(find_in(WORDS, 3, "550 \xe7\x94\xa8\xe6\x88\xb7"), 1);
  ck_assert_uint_eq(find_in(WORDS, 3, "550 \xd3\xc3\xbb\xa7!"), 2);
  ck_assert_uint_eq(find_in(WORDS, 3, "\xff\xff\xff\xff"), 4);
  ck_assert_uint_eq(find_in(WORDS, 3, "\xff\xff"), 0);
}
END_TEST

START_TEST(literals_with_one_id_are_one) {
  struct literal literals[] = {{SLICE("blue moon"), 7}, {SLICE("red moon"), 7}};
  struct literal_index *index = literal_index_new(literals, 2, NULL, 0);
  struct found found = {{0}};
  literal_index_find(index, SLICE("a red moon, a blue moon, a red moon"), note, &found);
  ck_assert_uint_eq(found.counts[7], 3);
  literal_index_free(index);
}
END_TEST

static uint32_t next_random(uint64_t *state) {
  *state ^= *state << 13, *state ^= *state >> 7, *state ^= *state << 17;
  return (uint32_t)(*state >> 32);
}

static size_t random_word(uint64_t *random, size_t len_max, char *out) {
  size_t len = 1 + next_random(random) % len_max;
  for (size_t i = 0; i < len; i++) out[i] = (char)('a' + next_random(random) % 3);
  return len;
}

/* Few letters, so that literals are parts of one another and share their four bytes. */
START_TEST(random_literals_are_found_where_memmem_finds_them) {
  uint64_t random = 20261124;
  for (unsigned round = 0; round < 60; round++) {
    static char words[IDS_MAX][16], texts[40][200];
    struct literal literals[IDS_MAX];
    struct slice samples[40];
    uint32_t count = 1 + next_random(&random) % IDS_MAX;
    for (uint32_t i = 0; i < count; i++) literals[i] = (struct literal){slice_of(words[i], random_word(&random, 12, words[i])), i};
    for (size_t i = 0; i < 40; i++) samples[i] = slice_of(texts[i], random_word(&random, 200, texts[i]));
    struct literal_index *index = literal_index_new(literals, count, samples, round % 2 ? 40 : 0);
    for (size_t t = 0; t < 40; t++) {
      struct found found = {{0}};
      literal_index_find(index, samples[t], note, &found);
      for (uint32_t i = 0; i < count; i++) {
        bool is_there = slice_find(samples[t], literals[i].bytes) < samples[t].len;
        ck_assert_msg(is_there == (found.counts[i] > 0), "'%.*s' in '%.*s'", SLICE_ARG(literals[i].bytes), SLICE_ARG(samples[t]));
      }
    }
    literal_index_free(index);
  }
}
END_TEST

START_TEST(index_without_literals_finds_nothing) {
  struct literal_index *index = literal_index_new(NULL, 0, NULL, 0);
  struct found found = {{0}};
  literal_index_find(index, SLICE("anything at all"), note, &found);
  for (unsigned i = 0; i < IDS_MAX; i++) ck_assert_uint_eq(found.counts[i], 0);
  literal_index_free(index);
}
END_TEST

TEST_MAIN(literals_of_every_length_are_found_at_both_ends_and_within, bytes_of_any_value_are_compared_as_they_are,
          literals_with_one_id_are_one, random_literals_are_found_where_memmem_finds_them, index_without_literals_finds_nothing)
