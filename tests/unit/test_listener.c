/* tools/listener: addresses as people write them. What it answers is in tests/e2e/test_metrics.py. */
#include "tools/listener.h"

#include "tests/unit/check_main.h"

static struct listen_address address;

START_TEST(port_alone_is_of_the_loopback_address) {
  ck_assert(listen_address_parse("9273", &address));
  ck_assert_str_eq(address.host, "127.0.0.1");
  ck_assert_str_eq(address.port, "9273");
}
END_TEST

START_TEST(address_stands_before_the_last_colon_and_with_colons_in_brackets) {
  ck_assert(listen_address_parse("0.0.0.0:0", &address));
  ck_assert_str_eq(address.host, "0.0.0.0");
  ck_assert_str_eq(address.port, "0");
  ck_assert(listen_address_parse("[::1]:65535", &address));
  ck_assert_str_eq(address.host, "::1");
  ck_assert_str_eq(address.port, "65535");
}
END_TEST

START_TEST(what_is_no_address_is_refused) {
  static const char *const texts[] = {"", ":", ":80", "host:", "::1:80", "host:65536", "host:123456", "host:8x", "-1", "host"};
  for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
    ck_assert_msg(!listen_address_parse(texts[i], &address), "'%s' was taken", texts[i]);
  char text[400];
  memset(text, 'a', 300);
  strcpy(text + 300, ":80");
  ck_assert(!listen_address_parse(text, &address));
}
END_TEST

TEST_MAIN(port_alone_is_of_the_loopback_address, address_stands_before_the_last_colon_and_with_colons_in_brackets,
          what_is_no_address_is_refused)
