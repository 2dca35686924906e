/* Newlines of a window, in each of the builds that this processor can run. */
#include "ingest/line_ends.h"

#include <stdlib.h>

#include "ingest/cpu_level.h"
#include "tests/unit/check_main.h"

static size_t find_one_by_one(const char *p, size_t len, uint16_t *places) {
  size_t count = 0;
  for (size_t i = 0; i < len; i++)
    if (p[i] == '\n') places[count++] = (uint16_t)i;
  return count;
}

/* `text` has `len` bytes and nothing behind them that may be read. */
static void check_window(line_ends_finder *find, const char *text, size_t len) {
  uint16_t found[LINE_ENDS_ROOM], wanted[LINE_ENDS_ROOM];
  size_t count = find_one_by_one(text, len, wanted);
  ck_assert_uint_eq(find(text, len, text + len, found), count);
  ck_assert_mem_eq(found, wanted, count * sizeof *wanted);
}

static void check_windows(line_ends_finder *find) {
  static const unsigned one_in[] = {1, 2, 10, 60, 5000};
  unsigned seed = 1;
  for (size_t i = 0; i < sizeof one_in / sizeof *one_in; i++)
    for (size_t len = 1; len <= LINE_ENDS_WINDOW_BYTES; len = len < 200 ? len + 1 : len * 3 / 2) {
      char *text = malloc(len);
      for (size_t at = 0; at < len; at++) text[at] = rand_r(&seed) % one_in[i] ? 'x' : '\n';
      check_window(find, text, len);
      free(text);
    }
  char *full = malloc(LINE_ENDS_WINDOW_BYTES);
  memset(full, '\n', LINE_ENDS_WINDOW_BYTES);
  check_window(find, full, LINE_ENDS_WINDOW_BYTES);
  free(full);
}

START_TEST(every_newline_of_a_window_is_found_and_nothing_behind_it_is_read) {
  check_windows(line_ends_find_v2);
  if (__builtin_cpu_supports("avx2")) check_windows(line_ends_find_v3);
  check_windows(CPU_LEVEL_CHOOSE(line_ends_find));
}
END_TEST

TEST_MAIN(every_newline_of_a_window_is_found_and_nothing_behind_it_is_read)
