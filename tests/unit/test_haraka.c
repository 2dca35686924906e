/* ingest/haraka: what each line of tests/data/haraka/NAME.log is read as. */
#include "tests/unit/format_data.h"

START_TEST(every_line_of_the_data_is_read_as_expected) { ck_assert_uint_ge(for_each_log("haraka", check_expected), 2); }
END_TEST

START_TEST(chunk_boundaries_change_nothing) { ck_assert_uint_ge(for_each_log("haraka", check_chunks), 2); }
END_TEST

TEST_MAIN(every_line_of_the_data_is_read_as_expected, chunk_boundaries_change_nothing)
