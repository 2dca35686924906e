/* classify/: from a delivery to its verdict, with the rules that are built in. */
#include <stdio.h>

#include "tests/unit/classifier_fixture.h"

static struct delivery delivery_of(enum status status, const char *reply) {
  struct delivery d;
  delivery_init(&d);
  d.status = status;
  d.reply = slice_from_cstr(reply);
  reply_read_codes(d.reply, &d.smtp_code, &d.dsn);
  d.service = SLICE("smtp");
  return d;
}

static void classify(enum status status, const char *reply) {
  struct delivery d = delivery_of(status, reply);
  classify_deliveries(context, &d, 1, &verdict);
}

START_TEST(codes_are_read_from_the_front_of_a_reply) {
  static const struct {
    const char *reply;
    unsigned smtp_code;
    const char *dsn;
  } CASES[] = {{"550-5.7.1 a", 550, "5.7.1"},
               {"550 5.1.1", 550, "5.1.1"},
               {"421-4.7.0 b", 421, "4.7.0"},
               {"250", 250, NULL},
               {"550", 550, NULL},
               {"5.1.1 no", 0, "5.1.1"},
               {"5501 x", 0, NULL},
               {"650 x", 0, NULL},
               {"550 5.1.1.1 x", 550, NULL},
               {"550 5.1234.1", 550, NULL},
               {"", 0, NULL},
               {"55", 0, NULL},
               {"host said: 550 5.1.1", 0, NULL}};
  for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
    uint16_t code;
    struct slice dsn;
    reply_read_codes(slice_from_cstr(CASES[i].reply), &code, &dsn);
    ck_assert_uint_eq(code, CASES[i].smtp_code);
    ck_assert_msg(slice_equal(dsn, slice_from_cstr(CASES[i].dsn)), "%s gives %.*s", CASES[i].reply, SLICE_ARG(dsn));
  }
}
END_TEST

START_TEST(reply_is_taken_out_of_the_words_around_it) {
  static const struct {
    const char *text, *reply, *host;
  } CASES[] = {
      {"550 5.1.1 no", "550 5.1.1 no", NULL},
      {"host mx.b.example[192.0.2.7] said: 550-5.7.1 no (in reply to DATA command)", "550-5.7.1 no (in reply to DATA command)",
       "mx.b.example"},
      {"delivery temporarily suspended: host mx.b.example[192.0.2.7] refused to talk to me: 421 busy", "421 busy", "mx.b.example"},
      {"host mx.b.example [192.0.2.7]: 451 later", "451 later", "mx.b.example"},
      {"smtp;550 no", "550 no", NULL},
      {"smtp; 550 no", "550 no", NULL},
      {"Remote host said: 554 no", "554 no", NULL},
      {"connect to mx.b.example[192.0.2.7]:25: Connection refused", "connect to mx.b.example[192.0.2.7]:25: Connection refused",
       NULL},
      {"SASL authentication failed; server mx.b.example[192.0.2.7] said: 535 no",
       "SASL authentication failed; server mx.b.example[192.0.2.7] said: 535 no", NULL},
      {"waited: 550", "waited: 550", NULL},
      {"", "", NULL}};
  for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
    struct slice host, reply = reply_unwrap(slice_from_cstr(CASES[i].text), &host);
    ck_assert_msg(slice_equal(reply, slice_from_cstr(CASES[i].reply)), "%s gives %.*s", CASES[i].text, SLICE_ARG(reply));
    ck_assert_msg(slice_equal(host, slice_from_cstr(CASES[i].host)), "%s names %.*s", CASES[i].text, SLICE_ARG(host));
  }
}
END_TEST

START_TEST(status_makes_the_outcome) {
  setup();
  classify(STATUS_bounced, "550 5.1.1 User unknown");
  ck_assert(verdict.cause == CAUSE_user_unknown && verdict.outcome == OUTCOME_hard && verdict.bounce_class == OUTCOME_hard);
  classify(STATUS_deferred, "450 4.1.1 User unknown");
  ck_assert(verdict.cause == CAUSE_user_unknown && verdict.outcome == OUTCOME_deferred && verdict.bounce_class == OUTCOME_hard);
  classify(STATUS_rejected, "550 5.1.1 User unknown");
  ck_assert(verdict.outcome == OUTCOME_hard);
  classify(STATUS_bounced, "552 5.2.2 Mailbox full");
  ck_assert(verdict.cause == CAUSE_mailbox_full && verdict.outcome == OUTCOME_soft);
  teardown();
}
END_TEST

START_TEST(expired_message_keeps_cause_of_last_attempt) {
  setup();
  classify(STATUS_expired, "452 4.2.2 Mailbox full");
  ck_assert(verdict.cause == CAUSE_expired && verdict.outcome == OUTCOME_soft);
  ck_assert_slice_eq(verdict.last_cause, "mailbox_full");
  classify(STATUS_bounced, "552 5.2.2 Mailbox full");
  ck_assert(slice_is_absent(verdict.last_cause));
  teardown();
}
END_TEST

START_TEST(accepted_mail_is_delivered_unless_it_says_discarded) {
  setup();
  classify(STATUS_delivered, "250 2.0.0 Ok: queued as 4bZxQ12kz9z4f");
  ck_assert(verdict.cause == CAUSE_accepted && verdict.outcome == OUTCOME_delivered && verdict.via == VIA_code);
  classify(STATUS_delivered, "250 2.7.0 Ok,  DISCARDED, id=20025-09 - spam");
  ck_assert(verdict.cause == CAUSE_accepted_discarded && verdict.outcome == OUTCOME_silent && verdict.via == VIA_rule);
  classify(STATUS_delivered, NULL);
  ck_assert(verdict.cause == CAUSE_accepted && verdict.via == VIA_status);
  struct delivery d = delivery_of(STATUS_delivered, "example.com");
  d.service = SLICE("discard");
  classify_deliveries(context, &d, 1, &verdict);
  ck_assert(verdict.cause == CAUSE_accepted_discarded && verdict.outcome == OUTCOME_silent && verdict.via == VIA_status);
  teardown();
}
END_TEST

START_TEST(blocklist_is_named_and_decides_after_providers) {
  setup();
  classify(STATUS_bounced, "554 5.7.1 Service unavailable; Client host [192.0.2.7] blocked using zen.spamhaus.org");
  ck_assert(verdict.cause == CAUSE_ip_blocklisted && verdict.via == VIA_rule);
  ck_assert_slice_eq(verdict.blocklist, "spamhaus-zen");
  ck_assert_slice_eq(verdict.rule, "blocklist.spamhaus-zen");
  struct blocklist_info info;
  ck_assert(classifier_blocklist(classifier, verdict.blocklist, &info));
  ck_assert_slice_eq(info.operator_name, "Spamhaus");
  classify(STATUS_delivered, "250 ok zen.spamhaus.org");
  ck_assert(slice_is_absent(verdict.blocklist));
  teardown();
}
END_TEST

START_TEST(blocklist_that_could_not_be_asked_is_no_listing) {
  setup();
  classify(STATUS_bounced,
           "554 5.7.1 Service unavailable; Client host [192.0.2.7] blocked using zen.spamhaus.org; Error: open resolver; "
           "https://www.spamhaus.org/returnc/pub/192.0.2.53");
  ck_assert(verdict.cause == CAUSE_server_error);
  ck_assert(slice_is_absent(verdict.blocklist));
  teardown();
}
END_TEST

START_TEST(codes_decide_where_no_text_does) {
  setup();
  classify(STATUS_bounced, "550 5.1.1 qwrtz");
  ck_assert(verdict.cause == CAUSE_user_unknown && verdict.via == VIA_code && slice_is_absent(verdict.rule));
  classify(STATUS_bounced, "550 5.7.27 qwrtz");
  ck_assert(verdict.cause == CAUSE_sender_rejected);
  classify(STATUS_bounced, "556 qwrtz");
  ck_assert(verdict.cause == CAUSE_null_mx);
  classify(STATUS_bounced, "550 5.4.4 qwrtz");
  ck_assert(verdict.cause == CAUSE_no_such_domain);
  classify(STATUS_deferred, "450 4.4.4 qwrtz");
  ck_assert(verdict.cause == CAUSE_dns_failure);
  teardown();
}
END_TEST

START_TEST(weak_codes_decide_nothing) {
  setup();
  static const char *const REPLIES[] = {"550 qwrtz", "550 5.0.0 qwrtz", "450 4.0.0 qwrtz", "553 qwrtz", "qwrtz", ""};
  for (size_t i = 0; i < sizeof REPLIES / sizeof *REPLIES; i++) {
    classify(STATUS_bounced, REPLIES[i]);
    ck_assert_msg(verdict.cause == CAUSE_unclassified && verdict.via == VIA_none, "%s", REPLIES[i]);
    ck_assert(verdict.outcome == OUTCOME_soft);
  }
  classify(STATUS_bounced, NULL);
  ck_assert(verdict.cause == CAUSE_unclassified && verdict.via == VIA_status);
  teardown();
}
END_TEST

START_TEST(template_masks_and_provider_is_named) {
  setup();
  struct delivery d = delivery_of(STATUS_bounced, "550 5.1.1 <john@example.com> User unknown 192.0.2.7");
  d.relay_host = SLICE("aspmx.l.google.com");
  classify_deliveries(context, &d, 1, &verdict);
  ck_assert_slice_eq(verdict.template, "550 5.1.1 <addr> user unknown <ip>");
  ck_assert_slice_eq(verdict.provider, "google");
  d.direction = DIRECTION_in;
  classify_deliveries(context, &d, 1, &verdict);
  ck_assert(slice_is_absent(verdict.provider));
  teardown();
}
END_TEST

START_TEST(verdicts_of_one_call_stay_until_the_next) {
  setup();
  struct delivery deliveries[LIMIT_STAGE];
  struct verdict verdicts[LIMIT_STAGE];
  static char replies[LIMIT_STAGE][64], relays[LIMIT_STAGE][64];
  for (unsigned i = 0; i < LIMIT_STAGE; i++) {
    snprintf(replies[i], sizeof replies[i], "550 5.9.9 qwrtz %c%c", 'a' + i % 26, 'a' + i / 26);
    snprintf(relays[i], sizeof relays[i], "mx.host%u.net", i);
    deliveries[i] = delivery_of(STATUS_bounced, replies[i]);
    deliveries[i].relay_host = slice_from_cstr(relays[i]);
  }
  classify_deliveries(context, deliveries, LIMIT_STAGE, verdicts);
  for (unsigned i = 0; i < LIMIT_STAGE; i++) {
    ck_assert_slice_eq(verdicts[i].template, replies[i]);
    ck_assert_slice_eq(verdicts[i].provider, relays[i] + 3);
  }
  teardown();
}
END_TEST

START_TEST(advice_is_there_for_every_cause_in_both_languages) {
  setup();
  struct advice advice;
  for (unsigned cause = 0; cause < CAUSE_COUNT; cause++) {
    ck_assert(classifier_advice(classifier, (enum cause)cause, SLICE("en"), &advice) && advice.remedy.len);
    ck_assert(classifier_advice(classifier, (enum cause)cause, SLICE("zh-CN"), &advice) && advice.remedy.len);
  }
  ck_assert(!classifier_advice(classifier, CAUSE_policy, SLICE("fr"), &advice));
  teardown();
}
END_TEST

START_TEST(data_alone_answers_but_does_not_classify) {
  struct error err;
  struct classifier *data = classifier_new(&(struct classifier_options){.data_only = true}, &err);
  ck_assert_msg(data != NULL, "%s", err.text);
  struct blocklist_info info;
  ck_assert(classifier_blocklist(data, SLICE("spamhaus-zen"), &info));
  ck_assert(!classify_context_new(data, &err));
  ck_assert_ptr_nonnull(strstr(err.text, "not compiled"));
  classifier_free(data);
}
END_TEST

TEST_MAIN(codes_are_read_from_the_front_of_a_reply, reply_is_taken_out_of_the_words_around_it, status_makes_the_outcome,
          expired_message_keeps_cause_of_last_attempt, accepted_mail_is_delivered_unless_it_says_discarded,
          blocklist_is_named_and_decides_after_providers, blocklist_that_could_not_be_asked_is_no_listing,
          codes_decide_where_no_text_does, weak_codes_decide_nothing, template_masks_and_provider_is_named,
          verdicts_of_one_call_stay_until_the_next, advice_is_there_for_every_cause_in_both_languages,
          data_alone_answers_but_does_not_classify)
