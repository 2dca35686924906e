/* classify/pattern_database: compiled patterns are found again, and only if they are whole, ours and of these patterns. */
#include "classify/pattern_database.h"

#include <dirent.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/memory.h"
#include "tests/unit/check_main.h"

static char dir[64];

static void make_dir(void) {
  snprintf(dir, sizeof dir, "/tmp/bouncemill-cache-XXXXXX");
  ck_assert_ptr_nonnull(mkdtemp(dir));
}

/* Calls `each` for every file of the cache and returns how many there are. */
static unsigned each_file(void (*each)(const char *path)) {
  unsigned count = 0;
  DIR *listing = opendir(dir);
  for (struct dirent *entry; (entry = readdir(listing));) {
    if (entry->d_name[0] == '.') continue;
    char path[512];
    snprintf(path, sizeof path, "%s/%s", dir, entry->d_name);
    if (each) each(path);
    count++;
  }
  closedir(listing);
  return count;
}

static void remove_file(const char *path) { unlink(path); }

static void remove_dir(void) {
  each_file(remove_file);
  rmdir(dir);
}

static hs_database_t *database_of(const char *pattern) {
  struct patterns patterns;
  struct error err;
  hs_database_t *database = NULL;
  patterns_init(&patterns, 1);
  patterns.texts[0] = strdup(pattern);
  patterns.flags[0] = HS_FLAG_SINGLEMATCH;
  ck_assert_msg(pattern_databases_new(&patterns, "literal", dir, &database, &err), "%s", err.text);
  patterns_deinit(&patterns);
  return database;
}

static int count_match(unsigned id, unsigned long long from, unsigned long long to, unsigned flags, void *context) {
  (void)id, (void)from, (void)to, (void)flags;
  (*(unsigned *)context)++;
  return 0;
}

static unsigned matches(const char *pattern, const char *text) {
  hs_database_t *database = database_of(pattern);
  hs_scratch_t *scratch = NULL;
  unsigned count = 0;
  ck_assert_int_eq(hs_alloc_scratch(database, &scratch), HS_SUCCESS);
  ck_assert_int_eq(hs_scan(database, text, (unsigned)strlen(text), 0, scratch, count_match, &count), HS_SUCCESS);
  hs_free_scratch(scratch);
  hs_free_database(database);
  return count;
}

static struct stat state_of_only_file;
static void read_state(const char *path) { ck_assert_int_eq(stat(path, &state_of_only_file), 0); }

/* Whether the second use of the same pattern wrote the file anew. */
static bool is_written_again(void) {
  ck_assert_uint_eq(each_file(read_state), 1);
  ino_t before = state_of_only_file.st_ino;
  ck_assert_uint_eq(matches("moon", "blue moon"), 1);
  ck_assert_uint_eq(each_file(read_state), 1);
  return state_of_only_file.st_ino != before;
}

START_TEST(second_use_takes_the_file) {
  make_dir();
  ck_assert_uint_eq(matches("moon", "blue moon"), 1);
  ck_assert(!is_written_again());
  ck_assert_uint_eq(matches("moon", "blue sky"), 0);
  remove_dir();
}
END_TEST

static long flip_at;
static void flip(const char *path) {
  FILE *file = fopen(path, "r+b");
  fseek(file, flip_at, SEEK_SET);
  int byte = fgetc(file);
  fseek(file, -1, SEEK_CUR);
  fputc(byte ^ 1, file);
  fclose(file);
}

START_TEST(any_damaged_byte_is_found_and_the_file_made_again) {
  make_dir();
  ck_assert_uint_eq(matches("moon", "blue moon"), 1);
  each_file(read_state);
  long size = (long)state_of_only_file.st_size;
  for (flip_at = 0; flip_at < size; flip_at++) {
    each_file(flip);
    ck_assert_msg(is_written_again(), "byte %ld of %ld", flip_at, size);
  }
  remove_dir();
}
END_TEST

static void cut(const char *path) { ck_assert_int_eq(truncate(path, 40), 0); }
static void empty(const char *path) { ck_assert_int_eq(truncate(path, 0), 0); }
static void open_to_all(const char *path) { ck_assert_int_eq(chmod(path, 0666), 0); }

START_TEST(cut_or_empty_file_and_one_that_others_can_write_are_made_again) {
  make_dir();
  ck_assert_uint_eq(matches("moon", "blue moon"), 1);
  each_file(cut);
  ck_assert(is_written_again());
  each_file(empty);
  ck_assert(is_written_again());
  each_file(open_to_all);
  ck_assert(is_written_again());
  ck_assert(!is_written_again());
  remove_dir();
}
END_TEST

START_TEST(other_patterns_have_files_of_their_own_and_the_oldest_go) {
  make_dir();
  ck_assert_uint_eq(matches("moon", "blue moon"), 1);
  ck_assert_uint_eq(matches("sun", "blue moon"), 0);
  ck_assert_uint_eq(each_file(NULL), 2);
  for (int i = 0; i < 20; i++) {
    char pattern[16];
    snprintf(pattern, sizeof pattern, "moon%d", i);
    ck_assert_uint_eq(matches(pattern, "blue moon7"), i == 7);
  }
  ck_assert_uint_eq(each_file(NULL), 8);
  remove_dir();
}
END_TEST

START_TEST(directory_that_cannot_be_made_is_no_error) {
  snprintf(dir, sizeof dir, "/proc/bouncemill");
  ck_assert_uint_eq(matches("moon", "blue moon"), 1);
}
END_TEST

START_TEST(pattern_that_cannot_be_compiled_is_named) {
  struct patterns patterns;
  struct error err;
  hs_database_t *database = NULL;
  make_dir();
  patterns_init(&patterns, 1);
  patterns.texts[0] = strdup("(moon");
  ck_assert(!pattern_databases_new(&patterns, "regex", dir, &database, &err));
  ck_assert_ptr_nonnull(strstr(err.text, "regex (moon"));
  patterns_deinit(&patterns);
  remove_dir();
}
END_TEST

TEST_MAIN(second_use_takes_the_file, any_damaged_byte_is_found_and_the_file_made_again,
          cut_or_empty_file_and_one_that_others_can_write_are_made_again, other_patterns_have_files_of_their_own_and_the_oldest_go,
          directory_that_cannot_be_made_is_no_error, pattern_that_cannot_be_compiled_is_named)
