/* One recipient has one name, and a hashed name tells nothing without the key. */
#include "aggregate/recipient_name.h"
#include "tests/unit/check_main.h"

static const char KEY[] = "0123456789abcdef";

static struct recipient_namer namer_of(enum recipient_naming naming, const char *key) {
  struct recipient_namer namer;
  recipient_namer_init(&namer, &(struct recipient_options){.naming = naming, .key = slice_from_cstr(key)});
  return namer;
}

static void ck_assert_plain(const char *recipient, const char *name) {
  struct recipient_namer namer = namer_of(RECIPIENTS_PLAIN, NULL);
  char out[RECIPIENT_NAME_BYTES];
  ck_assert_slice_eq(recipient_name(&namer, slice_from_cstr(recipient), out), name);
}

START_TEST(spellings_of_one_mailbox_are_one_name) {
  ck_assert_plain("John@EXAMPLE.com.", "john@example.com");
  ck_assert_plain("j@B\303\274cher.example", "j@xn--bcher-kva.example");
  ck_assert_plain("\"a@B\"@x.org", "\"a@b\"@x.org");
  ck_assert_plain("Root", "root");
}
END_TEST

START_TEST(any_bytes_become_utf8_of_bounded_length) {
  struct recipient_namer namer = namer_of(RECIPIENTS_PLAIN, NULL);
  char out[RECIPIENT_NAME_BYTES], long_address[2000];
  ck_assert_slice_eq(recipient_name(&namer, SLICE("\xff@x.org"), out), "\xef\xbf\xbd@x.org");
  for (size_t local = 200; local < 300; local++) {
    memset(long_address, 'a', sizeof long_address);
    long_address[local] = '@';
    struct slice name = recipient_name(&namer, slice_of(long_address, sizeof long_address), out);
    ck_assert_uint_eq(name.len, RECIPIENT_NAME_BYTES);
  }
}
END_TEST

/* printf john@example.com | openssl dgst -sha256 -hmac 0123456789abcdef */
START_TEST(hashed_names_are_hmac_sha256_of_the_plain_ones) {
  struct recipient_namer namer = namer_of(RECIPIENTS_HASHED, KEY);
  char out[RECIPIENT_NAME_BYTES];
  for (unsigned again = 0; again < 2; again++) {
    ck_assert_slice_eq(recipient_name(&namer, SLICE("John@EXAMPLE.com."), out), "879c41f01c854c2274c017263f28603d");
    ck_assert_slice_eq(recipient_name(&namer, SLICE("john@example.com"), out), "879c41f01c854c2274c017263f28603d");
  }
  struct recipient_namer other = namer_of(RECIPIENTS_HASHED, "0123456789abcdeg");
  char out_other[RECIPIENT_NAME_BYTES];
  ck_assert(!slice_equal(recipient_name(&other, SLICE("john@example.com"), out_other), slice_of(out, 32)));
}
END_TEST

TEST_MAIN(spellings_of_one_mailbox_are_one_name, any_bytes_become_utf8_of_bounded_length,
          hashed_names_are_hmac_sha256_of_the_plain_ones)
