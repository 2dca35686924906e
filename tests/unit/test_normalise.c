/* classify/normalise: what is masked, what stays, and that nobody's name is in the output. */
#include "classify/normalise.h"

#include "base/hash.h"
#include "base/json.h"
#include "classify/varying.h"
#include "tests/unit/check_main.h"

static char out[NORMALISED_BYTES_MAX];

#define ck_assert_normal(reply, expected) ck_assert_slice_eq(slice_of(out, normalise_reply(SLICE(reply), out)), expected)

START_TEST(case_and_white_space_do_not_count) {
  ck_assert_normal("  User\tUNKNOWN \r\n  here ", "user unknown here");
  ck_assert_normal("", "");
  ck_assert_normal(" \t ", "");
}
END_TEST

START_TEST(codes_of_joined_lines_stand_once) {
  ck_assert_normal("550-5.1.1 The account 550-5.1.1 does not exist. 550 5.1.1 Bye", "550 5.1.1 the account does not exist. bye");
  ck_assert_normal("550-first 550-second 550 last", "550 first second last");
  ck_assert_normal("550 5.1.1 error 450 4.2.0 busy", "550 5.1.1 error 450 4.2.0 busy");
  ck_assert_normal("550 code 550 again", "550 code 550 again");
}
END_TEST

START_TEST(addresses_are_masked_whole) {
  ck_assert_normal("<John.Doe+x@Example.com>: unknown", "<addr>: unknown");
  ck_assert_normal("to=<\"john doe\"@example.com>", "to=<addr>");
  ck_assert_normal("<john doe@example.com> x", "<addr> x");
  ck_assert_normal("\"john doe\"@example.com x", "<addr> x");
  ck_assert_normal("mailto:john@example.com.", "mailto:<addr>.");
  ck_assert_normal("john2024@example.com, 12345@example.com", "<addr>, <addr>");
  ck_assert_normal("john@[192.0.2.1] x", "<addr> x");
  ck_assert_normal("SRS0=ab1=cd=example.org=john@example.com", "<addr>");
  ck_assert_normal("a@b@c x@ y", "<addr> <addr> y");
  ck_assert_normal("john%40example.com", "<addr>");
  ck_assert_normal("http://example.net/why?id=john%40example.com;ip=1", "http://example.net/why?id=<v>;ip=<v>");
  ck_assert_normal("http://example.net/u/john@example.com", "http://example.net/u/<addr>");
  ck_assert_normal("@example.com", "@example.com");
}
END_TEST

START_TEST(chinese_text_beside_an_address_stays) {
  ck_assert_normal("a1@qq.com不存在", "<addr>不存在");
  ck_assert_normal("用户 a1@例子.cn 不存在", "用户 <addr> 不存在");
}
END_TEST

START_TEST(host_addresses_are_masked_but_answers_of_blocklists_stay) {
  ck_assert_normal("[192.0.2.1]:25 192.0.2.1. 192.0.2.300", "[<ip>]:25 <ip>. 192.0.2.300");
  ck_assert_normal("127.0.0.2 127.255.255.254", "127.0.0.2 127.255.255.254");
  ck_assert_normal("2.0.0.127.zen.spamhaus.org", "<ip>.zen.spamhaus.org");
  ck_assert_normal("[2001:db8::1] [IPv6:2001:db8:1:2:3:4:5:6] fe80::aa x", "[<ip>] [ipv6:<ip>] <ip> x");
  ck_assert_normal("http://spamhaus.org/query/ip/192.0.2.1", "http://spamhaus.org/query/ip/<ip>");
}
END_TEST

START_TEST(codes_that_rules_need_stay) {
  ck_assert_normal("550 5.7.606 [TSS04] S3150 IB607 OFR006_102 (AS16012609) MXIN506",
                   "550 5.7.606 [tss04] s3150 ib607 ofr006_102 (as<n>) mxin506");
  ck_assert_normal("x http://go.example/fwlink/?LinkID=526655 y", "x http://go.example/fwlink/?linkid=526655 y");
  ck_assert_normal("https://support.google.com/mail/?p=NoSuchUser x", "https://support.google.com/mail/?p=nosuchuser x");
  ck_assert_normal("zen.spamhaus.org mx12.example.com dnsbl-2.uceprotect.net 163.com",
                   "zen.spamhaus.org mx12.example.com dnsbl-2.uceprotect.net 163.com");
}
END_TEST

START_TEST(ids_numbers_and_times_are_masked) {
  ck_assert_normal("queued as 4bZxQ12kz9z4f; 3B2F41A2C4", "queued as <id>; <id>");
  ck_assert_normal("c2-202200202020202020222222cat.127 - gsmtp", "<id> - gsmtp");
  ck_assert_normal("id 1rAbCd-0001Ab-2C", "id <id>");
  ck_assert_normal("[AM5EUR02FT019.eop-EUR02.prod.protection.outlook.com]", "[<h>.<h>.prod.protection.outlook.com]");
  ck_assert_normal("12345 1234", "<n> 1234");
  ck_assert_normal("again in 297 seconds", "again in <n> seconds");
  ck_assert_normal("2024-06-24T08:58:06.389Z and 08:58:06", "<time> and <time>");
  ck_assert_normal("Mon, 24 Jun 2024 08:58:06 +0000, Time: (Nov 02 11:59:39)", "<time>, time: (<time>)");
}
END_TEST

START_TEST(long_reply_is_cut_before_half_an_address) {
  char reply[2000];
  memset(reply, 'x', sizeof reply);
  for (size_t i = 0; i < sizeof reply; i += 10) reply[i] = ' ';
  memcpy(reply + LIMIT_REPLY_BYTES - 9, " john.doe@example.com ", 22);
  size_t len = normalise_reply(slice_of(reply, sizeof reply), out);
  ck_assert_uint_le(len, LIMIT_REPLY_BYTES);
  ck_assert_uint_eq(slice_find(slice_of(out, len), SLICE("john")), len);
  ck_assert_uint_gt(len, LIMIT_REPLY_BYTES - 40);
}
END_TEST

START_TEST(template_is_valid_utf8_of_limited_length) {
  char template[LIMIT_TEMPLATE_BYTES], text[600];
  memset(text, 'a', sizeof text);
  ck_assert_uint_eq(normalise_template(slice_of(text, sizeof text), template), LIMIT_TEMPLATE_BYTES);
  for (size_t i = 0; i < sizeof text; i++) text[i] = "\xe4\xb8\x8d"[i % 3];
  size_t len = normalise_template(slice_of(text, sizeof text), template);
  ck_assert_uint_eq(len, 255);
  ck_assert(utf8_is_valid(slice_of(template, len)));
  len = normalise_template(SLICE("a\xff"
                                 "b"),
                           template);
  ck_assert_slice_eq(slice_of(template, len),
                     "a\xef\xbf\xbd"
                     "b");
}
END_TEST

/* The principle on which the filter of delivered mail stands. */
START_TEST(every_run_of_letters_comes_from_the_input) {
  static const char *const MASKS[] = {"addr", "ip", "n", "id", "time", "h", "v"};
  static const char BYTES[] = "aB9 @.<>:/?=%-_\"1250,;[](\x80\xe4 EgmT";
  uint64_t random = 7;
  for (unsigned round = 0; round < 30000; round++) {
    char text[64], lower[64];
    random = hash_u64(random + 1);
    size_t len = random % sizeof text;
    for (size_t i = 0; i < len; i++) {
      text[i] = BYTES[hash_u64(random + i) % (sizeof BYTES - 1)];
      lower[i] = ascii_lower(text[i]);
    }
    size_t got = normalise_reply(slice_of(text, len), out);
    ck_assert_uint_le(got, NORMALISED_BYTES_MAX);
    for (size_t i = 0; i < got;) {
      size_t run = 0;
      while (i + run < got && out[i + run] >= 'a' && out[i + run] <= 'z') run++;
      struct slice word = slice_of(out + i, run);
      bool is_mask = false;
      for (size_t m = 0; m < sizeof MASKS / sizeof *MASKS; m++) is_mask = is_mask || slice_equal(word, slice_from_cstr(MASKS[m]));
      ck_assert_msg(is_mask || !run || slice_find(slice_of(lower, len), word) < len, "'%.*s' gives '%.*s'", (int)len, text,
                    (int)got, out);
      i += run + 1;
    }
  }
}
END_TEST

START_TEST(no_local_part_survives_whatever_stands_around_it) {
  static const char BYTES[] = "aB9 @.<>:/?=%-_\"1250,;[](\x80\xe4 EgmT\\&";
  uint64_t random = 11;
  for (unsigned round = 0; round < 30000; round++) {
    char text[80];
    random = hash_u64(random + 1);
    size_t before = random % 24, len = before;
    for (size_t i = 0; i < before; i++) text[i] = BYTES[hash_u64(random + i) % (sizeof BYTES - 1)];
    memcpy(text + len, random & 64 ? "zqj@x.org" : "zqj%40x.org", random & 64 ? 9 : 11);
    len += random & 64 ? 9 : 11;
    for (size_t i = 0; i < (random >> 8) % 24; i++) text[len++] = BYTES[hash_u64(random ^ i) % (sizeof BYTES - 1)];
    size_t got = normalise_reply(slice_of(text, len), out);
    ck_assert_msg(slice_find(slice_of(out, got), SLICE("zqj")) == got, "'%.*s' gives '%.*s'", (int)len, text, (int)got, out);
  }
}
END_TEST

TEST_MAIN(no_local_part_survives_whatever_stands_around_it, case_and_white_space_do_not_count, codes_of_joined_lines_stand_once,
          addresses_are_masked_whole, chinese_text_beside_an_address_stays,
          host_addresses_are_masked_but_answers_of_blocklists_stay, codes_that_rules_need_stay, ids_numbers_and_times_are_masked,
          long_reply_is_cut_before_half_an_address, template_is_valid_utf8_of_limited_length,
          every_run_of_letters_comes_from_the_input)
