/* base/msgpack: the shortest form, and no belief in lengths. */
#include "base/msgpack.h"

#include "tests/unit/check_main.h"

static struct buf out;

START_TEST(integers_come_back_in_the_shortest_form) {
  static const struct {
    uint64_t value;
    size_t len;
  } CASES[] = {{0, 1},     {127, 1},   {128, 2},        {255, 2},        {256, 3},
               {65535, 3}, {65536, 5}, {UINT32_MAX, 5}, {1ull << 32, 9}, {UINT64_MAX, 9}};
  for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
    buf_clear(&out);
    msgpack_write_u64(&out, CASES[i].value);
    ck_assert_uint_eq(out.len, CASES[i].len);
    struct msgpack_reader reader = msgpack_reader_of(buf_slice(&out));
    uint64_t value;
    ck_assert(msgpack_read_u64(&reader, &value));
    ck_assert_uint_eq(value, CASES[i].value);
    ck_assert(reader.ptr == reader.end);
  }
}
END_TEST

START_TEST(strings_of_every_header_size_come_back) {
  static const size_t LENS[] = {0, 1, 31, 32, 255, 256, 65535, 65536, 70000};
  static char text[70000];
  memset(text, 'a', sizeof text);
  for (size_t i = 0; i < sizeof LENS / sizeof *LENS; i++) {
    buf_clear(&out);
    msgpack_write_str(&out, slice_of(text, LENS[i]));
    struct msgpack_reader reader = msgpack_reader_of(buf_slice(&out));
    struct slice back;
    ck_assert(msgpack_read_str(&reader, &back));
    ck_assert_uint_eq(back.len, LENS[i]);
    ck_assert(reader.ptr == reader.end);
  }
}
END_TEST

/* Every proper beginning of a value is refused, and the reader stays where it was. */
START_TEST(what_is_cut_short_is_refused) {
  buf_clear(&out);
  msgpack_write_u64(&out, UINT64_MAX);
  for (size_t len = 0; len < out.len; len++) {
    struct msgpack_reader reader = msgpack_reader_of(slice_of(out.ptr, len));
    uint64_t value;
    ck_assert(!msgpack_read_u64(&reader, &value));
    ck_assert(reader.ptr == (const uint8_t *)out.ptr);
  }
  buf_clear(&out);
  msgpack_write_str(&out, SLICE("the quick brown fox jumps over the lazy dog"));
  for (size_t len = 0; len < out.len; len++) {
    struct msgpack_reader reader = msgpack_reader_of(slice_of(out.ptr, len));
    struct slice back;
    ck_assert(!msgpack_read_str(&reader, &back));
  }
}
END_TEST

START_TEST(a_header_that_promises_gigabytes_is_refused) {
  struct msgpack_reader reader = msgpack_reader_of(SLICE("\xdd\xff\xff\xff\xff"));
  uint32_t count;
  ck_assert(!msgpack_read_array(&reader, &count));
  struct slice back;
  reader =
      msgpack_reader_of(SLICE("\xdb\x7f\xff\xff\xff"
                              "abc"));
  ck_assert(!msgpack_read_str(&reader, &back));
}
END_TEST

START_TEST(arrays_of_every_header_size_come_back) {
  static const uint32_t COUNTS[] = {0, 15, 16, 65535, 65536};
  for (size_t i = 0; i < sizeof COUNTS / sizeof *COUNTS; i++) {
    buf_clear(&out);
    msgpack_write_array(&out, COUNTS[i]);
    for (uint32_t k = 0; k < COUNTS[i]; k++) msgpack_write_u64(&out, 1);
    struct msgpack_reader reader = msgpack_reader_of(buf_slice(&out));
    uint32_t count;
    ck_assert(msgpack_read_array(&reader, &count));
    ck_assert_uint_eq(count, COUNTS[i]);
  }
}
END_TEST

START_TEST(a_value_of_another_type_is_refused) {
  struct msgpack_reader reader = msgpack_reader_of(SLICE("\xa1x"));
  uint64_t value;
  uint32_t count;
  struct slice text;
  ck_assert(!msgpack_read_u64(&reader, &value));
  ck_assert(!msgpack_read_array(&reader, &count));
  ck_assert(msgpack_read_str(&reader, &text));
  reader = msgpack_reader_of(SLICE("\xc0"));
  ck_assert(!msgpack_read_u64(&reader, &value) && !msgpack_read_str(&reader, &text) && !msgpack_read_array(&reader, &count));
}
END_TEST

TEST_MAIN(integers_come_back_in_the_shortest_form, strings_of_every_header_size_come_back, what_is_cut_short_is_refused,
          a_header_that_promises_gigabytes_is_refused, arrays_of_every_header_size_come_back, a_value_of_another_type_is_refused)
