/* schemas/words: the vocabularies and the taxonomy. */
#include "schemas/words.h"

#include <stdio.h>

#include "tests/unit/check_main.h"

START_TEST(every_cause_is_found_by_its_name) {
  for (unsigned i = 0; i < CAUSE_COUNT; i++) {
    enum cause cause;
    ck_assert(cause_from_name(CAUSES[i].name, &cause));
    ck_assert_uint_eq(cause, i);
  }
  enum cause cause;
  ck_assert(!cause_from_name(SLICE("no_such_cause"), &cause));
}
END_TEST

/* The taxonomy that the project was given, where it lies beside the checkout. */
START_TEST(taxonomy_is_the_shared_one) {
  FILE *file = fopen("../shared/taxonomy.tsv", "r");
  if (!file) {
    printf("skipped: ../shared/taxonomy.tsv is not here\n");
    return;
  }
  char line[1024], name[64], group[64], outcome[64], fault[64];
  unsigned count = 0;
  ck_assert(fgets(line, sizeof line, file) != NULL);
  while (fgets(line, sizeof line, file)) {
    ck_assert_int_eq(sscanf(line, "%63[^\t]\t%63[^\t]\t%63[^\t]\t%63[^\t]", name, group, outcome, fault), 4);
    enum cause cause;
    ck_assert_msg(cause_from_name(slice_from_cstr(name), &cause), "no cause %s", name);
    ck_assert_slice_eq(group_name(CAUSES[cause].group), group);
    ck_assert_slice_eq(outcome_name(CAUSES[cause].outcome), outcome);
    ck_assert_slice_eq(fault_name(CAUSES[cause].fault), fault);
    count++;
  }
  fclose(file);
  ck_assert_uint_eq(count, CAUSE_COUNT);
}
END_TEST

TEST_MAIN(every_cause_is_found_by_its_name, taxonomy_is_the_shared_one)
