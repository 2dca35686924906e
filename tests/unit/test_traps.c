/* classify/: replies whose obvious reading is wrong. tests/data/replies/traps.tsv has them with what they mean; a wrong "hard"
 * would take a good address off a list. */
#include <stdio.h>
#include <string.h>

#include "tests/unit/classifier_fixture.h"

#define TRAPS "tests/data/replies/traps.tsv"

static void classify(enum status status, struct slice reply) {
  struct delivery d;
  delivery_init(&d);
  d.status = status;
  d.reply = reply;
  reply_read_codes(d.reply, &d.smtp_code, &d.dsn);
  d.service = SLICE("smtp");
  classify_deliveries(context, &d, 1, &verdict);
}

static enum status status_of(struct slice reply) {
  return reply.ptr[0] == '2' ? STATUS_delivered : reply.ptr[0] == '4' ? STATUS_deferred : STATUS_bounced;
}

/* The next column of a row, taken off its front. */
static struct slice column(struct slice *row) {
  const char *tab = memchr(row->ptr, '\t', row->len);
  size_t len = tab == NULL ? row->len : (size_t)(tab - row->ptr);
  struct slice first = slice_of(row->ptr, len);
  *row = slice_of(row->ptr + len + (tab != NULL), row->len - len - (tab != NULL));
  return first;
}

START_TEST(every_trap_is_read_by_its_meaning) {
  setup();
  FILE *file = fopen(TRAPS, "r");
  ck_assert_msg(file != NULL, "%s is missing", TRAPS);
  char *line = NULL;
  size_t capacity = 0, rows = 0;
  ssize_t len;
  while ((len = getline(&line, &capacity, file)) > 0) {
    struct slice row = slice_of(line, (size_t)len - (line[len - 1] == '\n'));
    struct slice cause = column(&row), bounce_class = column(&row);
    column(&row); /* the receiver: none of the texts needs one */
    struct slice reply = column(&row);
    if (rows++ == 0) continue; /* names of the columns */
    classify(status_of(reply), reply);
    ck_assert_msg(slice_equal(cause, cause_name(verdict.cause)), "%.*s by %.*s, not %.*s: %.*s",
                  SLICE_ARG(cause_name(verdict.cause)), SLICE_ARG(verdict.rule), SLICE_ARG(cause), SLICE_ARG(reply));
    ck_assert_msg(slice_equal(bounce_class, outcome_name(verdict.bounce_class)), "not %.*s: %.*s", SLICE_ARG(bounce_class),
                  SLICE_ARG(reply));
  }
  ck_assert_uint_ge(rows, 100);
  free(line);
  fclose(file);
  teardown();
}
END_TEST

/* Postfix bounces with the last temporary reply when its queue gives up: the reply still tells why. */
START_TEST(temporary_reply_that_became_final_keeps_its_cause) {
  static const struct {
    const char *reply;
    const char *cause;
  } CASES[] = {{"452 4.2.2 Mailbox full", "mailbox_full"},
               {"450 4.7.1 Recipient address rejected: Greylisted", "greylisted"},
               {"421 4.7.0 Too many messages from 192.0.2.9, try again later", "rate_limited"},
               {"451 4.3.0 Temporary lookup failure", "server_error"}};
  setup();
  for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
    classify(STATUS_expired, slice_from_cstr(CASES[i].reply));
    ck_assert(verdict.cause == CAUSE_expired && verdict.bounce_class == OUTCOME_soft);
    ck_assert_slice_eq(verdict.last_cause, CASES[i].cause);
    classify(STATUS_bounced, slice_from_cstr(CASES[i].reply));
    ck_assert_slice_eq(cause_name(verdict.cause), CASES[i].cause);
    ck_assert(verdict.bounce_class == OUTCOME_soft && slice_is_absent(verdict.last_cause));
  }
  teardown();
}
END_TEST

START_TEST(list_that_could_not_be_asked_or_only_helps_is_not_named) {
  static const char *const REPLIES[] = {
      "554 5.7.1 Service unavailable; Client host [192.0.2.7] blocked using zen.spamhaus.org; 127.255.255.254",
      "554 5.7.1 Service unavailable; Sender address [a@example.com] blocked using dbl.spamhaus.org; 127.255.255.252",
      "554 5.7.1 Client host [192.0.2.7] blocked using b.barracudacentral.org; query limit exceeded",
      "550 192.0.2.7 is listed in multi.uribl.com: 127.0.0.1 -> Query Refused. See http://uribl.com/refused.shtml",
      "550 5.7.1 No reverse DNS for 192.0.2.9. For help see https://www.spamhaus.org/faq/",
      "550 5.1.1 No such user. This server is protected by Spamhaus, see https://www.spamhaus.org",
      "552 5.2.2 Mailbox full. For questions about blacklists see http://www.barracudacentral.org"};
  setup();
  for (size_t i = 0; i < sizeof REPLIES / sizeof *REPLIES; i++) {
    classify(STATUS_bounced, slice_from_cstr(REPLIES[i]));
    ck_assert_msg(slice_is_absent(verdict.blocklist), "names %.*s: %s", SLICE_ARG(verdict.blocklist), REPLIES[i]);
  }
  classify(STATUS_bounced, SLICE("554 5.7.1 Client host [192.0.2.7] blocked using zen.spamhaus.org; 127.0.0.4"));
  ck_assert_slice_eq(verdict.blocklist, "spamhaus-zen");
  teardown();
}
END_TEST

START_TEST(recipients_own_list_is_not_a_list_of_addresses_of_hosts) {
  setup();
  classify(STATUS_bounced, SLICE("550 5.7.1 Your address is on the block list of the recipient"));
  ck_assert(verdict.cause == CAUSE_recipient_filter && slice_is_absent(verdict.blocklist));
  classify(STATUS_bounced, SLICE("550 5.7.1 Your IP address 192.0.2.9 is on our block list"));
  ck_assert(verdict.cause == CAUSE_ip_blocklisted);
  teardown();
}
END_TEST

/* Most mail is accepted: a rule about accepted mail whose telling word stands in every acceptance ("delivery") makes all of it slow. */
START_TEST(usual_acceptances_are_not_even_looked_up) {
  static const char *const REPLIES[] = {"250 2.0.0 OK  1700000000 q12-20020a05s7.94 - gsmtp",
                                        "250 2.6.0 <1@mx.example.com> [InternalId=1234567] Queued mail for delivery",
                                        "250 2.0.0 Ok: queued as 4bZxQ12kz9z4f",
                                        "250 OK id=1qXyZa-0001Ab-2C",
                                        "250 2.0.0 kAJ5x2 Message accepted for delivery",
                                        "250 Mail OK queued as smtp5,DtGowABX",
                                        "250 ok dirdel",
                                        "250 2.1.5 Delivery OK",
                                        "250 2.0.0 <a@example.com> gK7fBHvS1mT Saved"};
  setup();
  for (size_t i = 0; i < sizeof REPLIES / sizeof *REPLIES; i++) {
    classify(STATUS_delivered, slice_from_cstr(REPLIES[i]));
    ck_assert(verdict.cause == CAUSE_accepted);
  }
  struct classify_counts counts;
  classify_read_counts(context, &counts);
  ck_assert_uint_eq(counts.cache_hits + counts.scans, 0);
  teardown();
}
END_TEST

TEST_MAIN(every_trap_is_read_by_its_meaning, temporary_reply_that_became_final_keeps_its_cause,
          list_that_could_not_be_asked_or_only_helps_is_not_named, usual_acceptances_are_not_even_looked_up,
          recipients_own_list_is_not_a_list_of_addresses_of_hosts)
