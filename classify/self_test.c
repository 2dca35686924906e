/* Runs the examples of the rules: each must give its rule, each counter-example must not. An example is read as the rule's own
 * mail: its provider, its service; deferred or bounced by its reply code. */
#include "classify/classifier.h"
#include "classify/normalise.h"

static enum status status_of(const struct rule *rule, uint16_t smtp_code) {
  enum status wanted = smtp_code / 100 == 4 ? STATUS_deferred : STATUS_bounced;
  if (rule->statuses >> wanted & 1) return wanted;
  for (unsigned i = 0; i < STATUS_COUNT; i++)
    if (rule->statuses >> i & 1) return (enum status)i;
  return wanted;
}

void self_test_input(const struct rule *rule, struct slice reply, char *text, struct match_input *out) {
  *out = (struct match_input){.provider = rule->provider_count ? rule->providers[0] : NO_PROVIDER};
  struct slice dsn;
  reply_read_codes(reply, &out->smtp_code, &dsn);
  out->dsn = dsn_parse(dsn);
  out->status = (uint8_t)status_of(rule, out->smtp_code);
  for (unsigned class = 1; class <= SERVICES_MAX && !out->service; class ++)
    if (rule->services >> class & 1) out->service = (uint8_t) class;
  out->text = slice_of(text, normalise_reply(reply, text));
}

static void decide_example(const struct classifier *c, struct match_scratch *scratch, const struct rule *rule, struct slice reply,
                           struct decision *out) {
  char text[NORMALISED_BYTES_MAX];
  struct match_input input;
  self_test_input(rule, reply, text, &input);
  matcher_decide(c->matcher, scratch, &input, out);
}

static void note(struct problems *problems, const struct rule *rule, const struct example *example, const char *what,
                 struct slice got) {
  struct error err;
  error_set(&err, ERROR_USAGE, "%.*s:%zu: rule %.*s: %s '%.*s'%s%.*s", SLICE_ARG(rule->file), example->line, SLICE_ARG(rule->id),
            what, example->reply.len > 300 ? 300 : (int)example->reply.len, example->reply.ptr, got.len ? " gives " : "",
            SLICE_ARG(got));
  problems_add(problems, &err);
}

static void test_rule(const struct classifier *c, struct match_scratch *scratch, const struct rule *rule,
                      struct problems *problems) {
  int32_t number = (int32_t)(rule - c->rules.rules);
  struct decision got;
  for (uint32_t i = 0; i < rule->examples.count; i++) {
    const struct example *example = &c->rules.examples[rule->examples.first + i];
    decide_example(c, scratch, rule, example->reply, &got);
    if (got.rule == number) continue;
    if (!rule->is_users && got.rule >= 0 && c->rules.rules[got.rule].is_users) continue; /* as the user wants it */
    struct slice other = got.rule >= 0 ? c->rules.rules[got.rule].id : SLICE("no rule");
    note(problems, rule, example, "example", other);
  }
  for (uint32_t i = 0; i < rule->counter_examples.count; i++) {
    const struct example *example = &c->rules.examples[rule->counter_examples.first + i];
    decide_example(c, scratch, rule, example->reply, &got);
    if (got.rule == number) note(problems, rule, example, "matches what it must not:", SLICE_ABSENT);
  }
}

void self_test_run(const struct classifier *c, struct problems *problems) {
  struct error err;
  struct match_scratch *scratch = match_scratch_new(c->matcher, &err);
  if (!scratch) {
    problems_add(problems, &err);
    return;
  }
  for (size_t i = 0; i < c->rules.rule_count; i++) test_rule(c, scratch, &c->rules.rules[i], problems);
  match_scratch_free(scratch);
}
