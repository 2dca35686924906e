/* People leave replies; domains stay. */
#include "aggregate/mask.h"

#include "base/json.h"
#include "tests/unit/check_main.h"

static char out[LIMIT_TEMPLATE_BYTES];

static size_t mask(struct slice reply, char *to) { return mask_text(reply, &(struct mask_names){0}, to); }

#define ck_assert_masked(reply, expected) ck_assert_slice_eq(slice_of(out, mask(SLICE(reply), out)), expected)

START_TEST(local_parts_are_masked_and_domains_stay) {
  ck_assert_masked("550 5.1.1 <john.doe+x@example.com>: no such user", "550 5.1.1 <***@example.com>: no such user");
  ck_assert_masked("john@example.com unknown", "***@example.com unknown");
  ck_assert_masked("to=<a@b.org> from=<c@d.org>", "to=<***@b.org> from=<***@d.org>");
  ck_assert_masked("mailto:john@example.com", "mailto:***@example.com");
  ck_assert_masked("blocked [192.0.2.1] see https://example.org/x", "blocked [192.0.2.1] see https://example.org/x");
  ck_assert_masked("", "");
}
END_TEST

START_TEST(local_parts_of_any_form_are_masked) {
  ck_assert_masked("<\"john doe\"@x.org>", "<***@x.org>");
  ck_assert_masked("<\"john \\\" doe\"@x.org>", "<***@x.org>");
  ck_assert_masked("<\"john doe@work\"@x.org>", "<***@x.org>");
  ck_assert_masked("<\"john doe@work@home\"@x.org>", "<***@x.org>");
  ck_assert_masked("<a.\"john doe\"@x.org>", "<***@x.org>");
  ck_assert_masked("<john%y.org@x.org>", "<***@x.org>");
  ck_assert_masked("<y.org!john@x.org>", "<***@x.org>");
  ck_assert_masked("<john\\ doe@x.org>", "<***@x.org>");
  ck_assert_masked("user <j\xc3\xb6rg@x.org>", "user <***@x.org>");
  ck_assert_masked("user <j\xf6rg@x.org>", "user <***@x.org>");
  ck_assert_masked("https://x.org/?e=john%40example.com", "https:***%40example.com");
  ck_assert_masked("john\"@x.org", "***@x.org");
}
END_TEST

START_TEST(names_in_other_forms_are_masked) {
  ck_assert_masked("no <gate.example.org!john> here", "no <gate.example.org!***> here");
  ck_assert_masked("gate!relay!john: unknown", "gate!relay!***: unknown");
  ck_assert_masked("<john>... User unknown", "<***>... User unknown");
  ck_assert_masked("<john.doe>... User unknown", "<***>... User unknown");
  ck_assert_masked("john.doe at example.com is full", "*** at example.com is full");
  ck_assert_masked("no mailbox john at example.com", "no mailbox *** at example.com");
  ck_assert_masked("john (at) example.com", "*** (at) example.com");
  ck_assert_masked("john&#64;example.com", "***&#64;example.com");
  ck_assert_masked("/G=John/S=Doe/O=Org/C=DE/ unknown", "/G=***/S=***/O=Org/C=DE/ unknown");
  ck_assert_masked("/o=Org/ou=x/cn=Recipients/cn=john", "/o=Org/ou=x/cn=***/cn=***");
  ck_assert_masked("IMCEAX400-_C=DE_S=Doe gone", "*** gone");
  ck_assert_masked("for am9obi5kb2VAZXhhbXBsZS5jb20= gone", "for ***= gone");
}
END_TEST

START_TEST(what_only_looks_like_a_name_stays) {
  ck_assert_masked("<mx.example.com>: Helo command rejected: Host not found",
                   "<mx.example.com>: Helo command rejected: Host not found");
  ck_assert_masked("bare <LF> received; <CR> too", "bare <LF> received; <CR> too");
  ck_assert_masked("<addr> <ip> <time> <n> <id>", "<addr> <ip> <time> <n> <id>");
  ck_assert_masked("refused at example.com; Stop!now", "refused at example.com; Stop!now");
  ck_assert_masked("see https://example.com/why?s=1&code=40&p=Unauthenticated",
                   "see https://example.com/why?s=1&code=40&p=Unauthenticated");
  ck_assert_masked("unauthenticated internationalisation 4bXyZ1234567890abc",
                   "unauthenticated internationalisation 4bXyZ1234567890abc");
  ck_assert_masked("the subject is empty, no message-id header", "the subject is empty, no message-id header");
}
END_TEST

START_TEST(subjects_and_message_ids_are_masked) {
  ck_assert_masked("header Subject: hello boss from x", "header Subject: ***");
  ck_assert_masked("subject \"hello\" refused", "subject ***");
  ck_assert_masked("Message-ID: <1.2@x.org> seen", "Message-ID: *** seen");
  ck_assert_masked("msgid=1.2 seen", "msgid=*** seen");
}
END_TEST

START_TEST(people_of_the_mail_are_masked_as_words) {
  struct mask_names names = {.recipient = SLICE("John.Doe@x.org"), .sender = SLICE("\"max muster\"@x.org")};
  ck_assert_slice_eq(slice_of(out, mask_text(SLICE("550 user john.doe unknown, says Max Muster"), &names, out)),
                     "550 user *** unknown, says ***");
  ck_assert_slice_eq(slice_of(out, mask_text(SLICE("550 xjohn.doe john.does"), &names, out)), "550 xjohn.doe john.does");
  names = (struct mask_names){
      .recipient = SLICE("user@x.org"), .sender = SLICE("550@x.org"), .orig_recipient = SLICE("ann+news@x.org")};
  ck_assert_slice_eq(slice_of(out, mask_text(SLICE("550 user unknown: Ann"), &names, out)), "550 user unknown: ***");
}
END_TEST

START_TEST(quotes_around_an_address_are_no_local_part) {
  ck_assert_masked("\"foo\" said \"john@x.org\"", "\"foo\" said \"***@x.org\"");
  ck_assert_masked("The address \"john@x.org\" failed", "The address \"***@x.org\" failed");
}
END_TEST

START_TEST(at_without_local_part_stays) { ck_assert_masked("@ @x.org <@x.org>", "@ @x.org <@x.org>"); }
END_TEST

START_TEST(cut_comes_after_masking_and_between_characters) {
  char reply[LIMIT_REPLY_BYTES - 1];
  memset(reply, 'x', sizeof reply);
  memset(reply, ' ', LIMIT_TEMPLATE_BYTES - 2);
  reply[600] = '@';
  /* The local part begins before the cut and its '@' lies behind it. */
  size_t len = mask(slice_of(reply, sizeof reply), out);
  ck_assert_uint_eq(len, LIMIT_TEMPLATE_BYTES);
  ck_assert_mem_eq(out + LIMIT_TEMPLATE_BYTES - 3, " **", 3);

  for (size_t place = LIMIT_TEMPLATE_BYTES - 4; place <= LIMIT_TEMPLATE_BYTES; place++) {
    memset(reply, ' ', sizeof reply);
    memcpy(reply + place, "\xe4\xbe\x8b", 3);
    len = mask(slice_of(reply, sizeof reply), out);
    ck_assert_uint_eq(len, place + 3 > LIMIT_TEMPLATE_BYTES ? place : LIMIT_TEMPLATE_BYTES);
    ck_assert(utf8_is_valid(slice_of(out, len)));
  }
}
END_TEST

START_TEST(local_part_at_the_end_of_a_cut_reply_is_masked) {
  char reply[LIMIT_REPLY_BYTES];
  /* Many long local parts, so that the end is not cut off after masking. */
  for (size_t i = 0; i < sizeof reply; i++) reply[i] = i % 100 == 99 ? ' ' : i % 100 == 98 ? '@' : 'x';
  memcpy(reply + sizeof reply - 7, "> <john", 7);
  size_t len = mask(slice_of(reply, sizeof reply), out);
  ck_assert(slice_ends_with(slice_of(out, len), SLICE("> <***")));
}
END_TEST

START_TEST(any_bytes_are_masked_to_valid_utf8) {
  uint32_t state = 3;
  for (unsigned round = 0; round < 20000; round++) {
    static const char BYTES[] = {'a', '@', '"', '\\', '.', ' ', '%', '4', '0', '<', (char)0xc3, (char)0xbc, (char)0xe4, 0};
    char reply[300];
    state = state * 1664525 + 1013904223;
    size_t len = (state >> 16) % sizeof reply;
    for (size_t i = 0; i < len; i++) {
      state = state * 1664525 + 1013904223;
      reply[i] = BYTES[(state >> 16) % sizeof BYTES];
    }
    size_t masked = mask(slice_of(reply, len), out);
    ck_assert_uint_le(masked, sizeof out);
    ck_assert(utf8_is_valid(slice_of(out, masked)));
    for (size_t i = 1; i < masked; i++) ck_assert(out[i] != '@' || (out[i - 1] != 'a' && out[i - 1] != '.'));
  }
}
END_TEST

START_TEST(time_grows_with_the_length_only) {
  /* A second for each of these would show squares; the timeout of the test would come. */
  enum { LEN = 4 << 20 };
  char *reply = malloc(LEN);
  static const char *const PATTERNS[] = {"\"", "\\", "\".", "\"@", "a", "%4", "\"a\"."};
  for (size_t p = 0; p < sizeof PATTERNS / sizeof *PATTERNS; p++) {
    for (size_t i = 0; i < LEN; i++) reply[i] = PATTERNS[p][i % strlen(PATTERNS[p])];
    reply[LEN - 1] = '@';
    mask(slice_of(reply, LEN), out);
  }
  free(reply);
}
END_TEST

TEST_MAIN(local_parts_are_masked_and_domains_stay, local_parts_of_any_form_are_masked, names_in_other_forms_are_masked,
          what_only_looks_like_a_name_stays, subjects_and_message_ids_are_masked, people_of_the_mail_are_masked_as_words,
          quotes_around_an_address_are_no_local_part, at_without_local_part_stays, cut_comes_after_masking_and_between_characters,
          local_part_at_the_end_of_a_cut_reply_is_masked, any_bytes_are_masked_to_valid_utf8, time_grows_with_the_length_only)
