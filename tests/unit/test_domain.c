/* Domains of addresses in one spelling. */
#include "aggregate/domain.h"

#include <stdio.h>

#include "base/json.h"
#include "tests/unit/check_main.h"

static char scratch[DOMAIN_SCRATCH_BYTES];

#define ck_assert_domain(address, expected) ck_assert_slice_eq(domain_of_address(SLICE(address), scratch), expected)

START_TEST(domain_is_lower_case_without_trailing_dot) {
  ck_assert_domain("john@example.com", "example.com");
  ck_assert_domain("John@EXAMPLE.com", "example.com");
  ck_assert_domain("john@Example.Com.", "example.com");
  ck_assert_domain("john@example.com..", "example.com");
  ck_assert_domain("john@[192.0.2.1]", "[192.0.2.1]");
  ck_assert_domain("john@[IPv6:2001:DB8::1]", "[ipv6:2001:db8::1]");
  ck_assert_domain("john@a-very-long-label-with-an-upper-case-letter-far-behinD.example",
                   "a-very-long-label-with-an-upper-case-letter-far-behind.example");
}
END_TEST

START_TEST(lower_case_leaves_the_neighbours_of_letters_alone) {
  ck_assert_domain("x@@[`{^_AZaz09.-", "[`{^_azaz09.-");
  for (int c = 1; c < 0x80; c++) {
    char address[] = {'x', '@', 'a', (char)c, 'b', 0}, expected[] = {'a', (char)c, 'b', 0};
    if (c == '@' || c == '"') continue;
    if (c >= 'A' && c <= 'Z') expected[1] = (char)(c + 32);
    ck_assert_slice_eq(domain_of_address(slice_from_cstr(address), scratch), expected);
  }
}
END_TEST

START_TEST(address_without_domain_has_the_empty_domain) {
  ck_assert_domain("", "");
  ck_assert_domain("postmaster", "");
  ck_assert_domain("john@", "");
  ck_assert_domain("john@.", "");
  ck_assert_domain("\"john@example.com\"", "");
  struct slice of_absent = domain_of_address(SLICE_ABSENT, scratch);
  ck_assert(!slice_is_absent(of_absent) && of_absent.len == 0);
}
END_TEST

START_TEST(at_signs_inside_quotes_do_not_split) {
  ck_assert_domain("\"a@b\"@example.com", "example.com");
  ck_assert_domain("\"a\\\"@b\"@example.com", "example.com");
  ck_assert_domain("john@example.com\"@x\"", "example.com\"@x\"");
  ck_assert_domain("a%b@c@example.com", "example.com");
}
END_TEST

START_TEST(unicode_names_are_a_labels) {
  ck_assert_domain(
      "j@B\xc3\xbc"
      "cher.example",
      "xn--bcher-kva.example");
  ck_assert_domain("j@xn--BCHER-KVA.example", "xn--bcher-kva.example");
  ck_assert_domain("j@fa\xc3\x9f.de.", "xn--fa-hia.de");
  ck_assert_domain("j@\xe4\xbe\x8b\xe5\xad\x90.\xe4\xb8\xad\xe5\x9b\xbd", "xn--fsqu00a.xn--fiqs8s");
  ck_assert_domain("j@\xe4\xbe\x8b\xe5\xad\x90\xe3\x80\x82\xe4\xb8\xad\xe5\x9b\xbd", "xn--fsqu00a.xn--fiqs8s");
}
END_TEST

START_TEST(what_idna_refuses_keeps_its_bytes_as_valid_utf8) {
  ck_assert_domain("j@Caf\xe9.example", "caf\xef\xbf\xbd.example");
  ck_assert_domain("j@\xff", "\xef\xbf\xbd");
  char address[1500] = "j@";
  memset(address + 2, 0xc3, sizeof address - 2);
  struct slice domain = domain_of_address(slice_of(address, sizeof address), scratch);
  ck_assert_uint_le(domain.len, LIMIT_KEY_BYTES);
  ck_assert_uint_gt(domain.len, LIMIT_KEY_BYTES - 3);
  ck_assert(utf8_is_valid(domain));
}
END_TEST

START_TEST(long_domains_are_cut) {
  char address[600];
  memset(address, 'A', sizeof address);
  memcpy(address, "j@", 2);
  ck_assert_uint_eq(domain_of_address(slice_of(address, 2 + LIMIT_KEY_BYTES), scratch).len, LIMIT_KEY_BYTES);
  ck_assert_uint_eq(domain_of_address(slice_of(address, sizeof address), scratch).len, LIMIT_KEY_BYTES);
  address[2 + LIMIT_KEY_BYTES - 1] = '.';
  ck_assert_uint_eq(domain_of_address(slice_of(address, sizeof address), scratch).len, LIMIT_KEY_BYTES - 1);
}
END_TEST

START_TEST(normalising_twice_changes_nothing_and_is_valid_utf8) {
  uint32_t state = 1;
  for (unsigned round = 0; round < 20000; round++) {
    static const char *const PIECES[] = {"a",    "Z", ".",  "\xc3\xbc", "\xc3", "\xe4\xbe\x8b", "xn--", "-",
                                         "\xff", "@", "\"", "\\",       "1"};
    char address[256];
    size_t len = 0;
    while (len < 8 || (state >> 28) > 1) {
      state = state * 1664525 + 1013904223;
      const char *piece = PIECES[(state >> 16) % (sizeof PIECES / sizeof *PIECES)];
      if (len + strlen(piece) > sizeof address) break;
      memcpy(address + len, piece, strlen(piece));
      len += strlen(piece);
    }
    char once[DOMAIN_SCRATCH_BYTES], twice[DOMAIN_SCRATCH_BYTES];
    struct slice domain = domain_of_address(slice_of(address, len), once);
    ck_assert(utf8_is_valid(domain));
    struct slice again = domain_normalise(domain, twice);
    ck_assert_msg(slice_equal(domain, again), "'%.*s' became '%.*s'", SLICE_ARG(domain), SLICE_ARG(again));
  }
}
END_TEST

START_TEST(key_strings_are_cut_between_characters) {
  char text[LIMIT_KEY_BYTES + 2];
  memset(text, 'x', sizeof text);
  memcpy(text + LIMIT_KEY_BYTES - 1, "\xc3\xbc", 2);
  ck_assert_uint_eq(key_clean(slice_of(text, LIMIT_KEY_BYTES + 1), scratch).len, LIMIT_KEY_BYTES - 1);
  ck_assert_slice_eq(key_clean(SLICE("a\x80"), scratch), "a\xef\xbf\xbd");
  ck_assert_slice_eq(key_clean(SLICE("As It Is"), scratch), "As It Is");
  ck_assert(!slice_is_absent(key_clean(SLICE_ABSENT, scratch)));
}
END_TEST

TEST_MAIN(domain_is_lower_case_without_trailing_dot, lower_case_leaves_the_neighbours_of_letters_alone,
          address_without_domain_has_the_empty_domain, at_signs_inside_quotes_do_not_split, unicode_names_are_a_labels,
          what_idna_refuses_keeps_its_bytes_as_valid_utf8, long_domains_are_cut,
          normalising_twice_changes_nothing_and_is_valid_utf8, key_strings_are_cut_between_characters)
