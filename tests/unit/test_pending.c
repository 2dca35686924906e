/* Segment files that wait for a commit: none of them is left when it fails, and nothing else is lost. */
#include "aggregate/pending.h"

#include <stdio.h>
#include <unistd.h>

#include "tests/unit/check_main.h"

static char dir[64];

static void setup(void) {
  snprintf(dir, sizeof dir, "/tmp/bouncemill-pending-XXXXXX");
  ck_assert_ptr_nonnull(mkdtemp(dir));
}

static void teardown(void) {
  char command[128];
  snprintf(command, sizeof command, "rm -r '%s'", dir);
  ck_assert_int_eq(system(command), 0);
}

static void path_of(const char *name, char path[128]) { snprintf(path, 128, "%s/%s", dir, name); }

static void make_file(const char *name) {
  char path[128];
  path_of(name, path);
  FILE *file = fopen(path, "wx");
  ck_assert_ptr_nonnull(file);
  fclose(file);
}

static bool is_there(const char *name) {
  char path[128];
  path_of(name, path);
  return access(path, F_OK) == 0;
}

static struct pending_segments *pending_of(const char *first, const char *second) {
  struct pending_segments *pending = pending_segments_new();
  struct segment_record record = {0};
  snprintf(record.name, sizeof record.name, "%s", first);
  pending_segments_add(pending, dir, &record);
  snprintf(record.name, sizeof record.name, "%s", second);
  pending_segments_add(pending, dir, &record);
  return pending;
}

START_TEST(a_commit_that_fails_leaves_none_of_its_files) {
  setup();
  make_file("a" PENDING_SUFFIX);
  make_file("b" PENDING_SUFFIX);
  struct pending_segments *pending = pending_of("a", "b");
  struct error err;
  ck_assert(pending_segments_rename(pending, &err));
  ck_assert(is_there("a") && is_there("b") && !is_there("a" PENDING_SUFFIX));
  pending_segments_rename_back(pending);
  ck_assert(!is_there("a") && is_there("a" PENDING_SUFFIX));
  ck_assert(pending_segments_rename(pending, &err));
  pending_segments_free(pending);
  ck_assert(!is_there("a") && !is_there("b") && !is_there("a" PENDING_SUFFIX) && !is_there("b" PENDING_SUFFIX));
  teardown();
}
END_TEST

/* Compacted segments are named by their content: the same rows compacted again get the name of a file that is live. */
START_TEST(a_file_that_was_there_outlives_a_commit_that_fails) {
  setup();
  make_file("live");
  make_file("live" PENDING_SUFFIX);
  make_file("new" PENDING_SUFFIX);
  struct pending_segments *pending = pending_of("live", "new");
  struct error err;
  ck_assert(pending_segments_rename(pending, &err));
  ck_assert(is_there("live") && !is_there("live" PENDING_SUFFIX) && is_there("new"));
  pending_segments_rename_back(pending);
  ck_assert(is_there("live") && !is_there("new"));
  pending_segments_free(pending);
  ck_assert(is_there("live") && !is_there("new") && !is_there("new" PENDING_SUFFIX));
  teardown();
}
END_TEST

TEST_MAIN(a_commit_that_fails_leaves_none_of_its_files, a_file_that_was_there_outlives_a_commit_that_fails)
