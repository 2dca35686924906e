/* classify/verdict_cache and the filter of accepted mail: they change no answer, and nothing is allocated per reply. */
#include <malloc.h>
#include <stdio.h>

#include "base/hash.h"
#include "classify/classifier.h"
#include "classify/normalise.h"
#include "classify/verdict_cache.h"
#include "tests/unit/check_main.h"
#include "tools/cache_dir.h"

static struct classifier *new_classifier(void) {
  struct error err;
  struct classifier *c = classifier_new_cached(&(struct classifier_options){0}, &err);
  ck_assert_msg(c != NULL, "%s", err.text);
  return c;
}

static struct classify_context *new_context(const struct classifier *c) {
  struct error err;
  struct classify_context *context = classify_context_new(c, &err);
  ck_assert_msg(context != NULL, "%s", err.text);
  return context;
}

/* What matching alone, with neither cache nor filter, says. */
static void decide_plainly(const struct classifier *c, struct match_scratch *scratch, const struct delivery *d,
                           struct decision *out) {
  char text[NORMALISED_BYTES_MAX];
  struct match_input input = {.text = slice_of(text, normalise_reply(d->reply, text)), .smtp_code = d->smtp_code};
  input.dsn = dsn_parse(d->dsn);
  input.status = (uint8_t)d->status;
  uint32_t number;
  bool is_known = string_table_find(&c->data.providers.by_mx, slice_skip(d->relay_host, 3), &number);
  input.provider = is_known ? (uint16_t)number : NO_PROVIDER;
  input.service = (uint8_t)ruleset_service_class(&c->rules, d->service);
  input.is_discarded = d->status == STATUS_delivered && slice_equal(d->service, SLICE("discard"));
  matcher_decide(c->matcher, scratch, &input, out);
}

static void check_equal(const struct classifier *c, struct match_scratch *scratch, struct classify_context *context,
                        const struct delivery *d) {
  struct decision plain;
  struct verdict verdict;
  decide_plainly(c, scratch, d, &plain);
  classify_deliveries(context, d, 1, &verdict);
  struct slice rule = plain.rule >= 0 ? c->rules.rules[plain.rule].id : SLICE_ABSENT;
  bool same = slice_equal(rule, verdict.rule) && plain.cause == verdict.cause && plain.via == verdict.via &&
              slice_is_absent(verdict.blocklist) == (plain.blocklist == 0);
  ck_assert_msg(same, "'%.*s': %.*s by %.*s, not by %.*s", SLICE_ARG(d->reply), SLICE_ARG(cause_name(verdict.cause)),
                SLICE_ARG(verdict.rule), SLICE_ARG(rule));
}

/* The reply with what the seed says done to it: nothing, a byte changed, an end cut off, something put behind. */
static struct slice mutate(struct slice reply, uint64_t seed, char *out) {
  size_t len = reply.len < 1000 ? reply.len : 1000;
  memcpy(out, reply.ptr, len);
  uint64_t random = hash_u64(seed);
  if (!len || seed % 4 == 0) return slice_of(out, len);
  if (seed % 4 == 1) out[random % len] = (char)(random >> 32);
  if (seed % 4 == 2) len -= random % len;
  if (seed % 4 == 3) len += (size_t)sprintf(out + len, " %llx", (unsigned long long)random);
  return slice_of(out, len);
}

START_TEST(cache_and_filter_change_no_answer) {
  static const char *const RELAYS[] = {"mx.google.com", "mx.qq.com", "mx.163.com", "mx.mail.ru", ""};
  static const enum status STATUSES[] = {STATUS_bounced, STATUS_deferred, STATUS_delivered, STATUS_rejected};
  struct classifier *c = new_classifier();
  struct classify_context *context = new_context(c);
  struct error err;
  struct match_scratch *scratch = match_scratch_new(c->matcher, &err);
  char reply[1100];
  for (size_t i = 0; i < c->rules.example_count; i++) {
    for (uint64_t seed = 0; seed < 24; seed++) {
      struct delivery d;
      delivery_init(&d);
      d.reply = mutate(c->rules.examples[i].reply, seed < 8 ? 0 : hash_u64(i * 100 + seed), reply);
      reply_read_codes(d.reply, &d.smtp_code, &d.dsn);
      d.status = STATUSES[seed % 4];
      d.service = seed % 3 ? SLICE("smtp") : SLICE("discard");
      const char *relay = RELAYS[seed % 5];
      d.relay_host = *relay ? slice_from_cstr(relay) : SLICE_ABSENT;
      check_equal(c, scratch, context, &d);
    }
  }
  struct classify_counts counts;
  classify_read_counts(context, &counts);
  ck_assert_uint_gt(counts.cache_hits, 0);
  match_scratch_free(scratch);
  classify_context_free(context);
  classifier_free(c);
}
END_TEST

START_TEST(keys_differ_by_each_thing_that_a_verdict_depends_on) {
  struct match_input base = {.text = SLICE("x"), .smtp_code = 550, .dsn = {5, 1, 1}, .provider = 1, .status = STATUS_bounced};
  struct match_input inputs[8];
  for (size_t i = 0; i < 8; i++) inputs[i] = base;
  inputs[1].text = SLICE("y"), inputs[2].smtp_code = 551, inputs[3].dsn.class = 4, inputs[4].dsn.detail = 2;
  inputs[5].status = STATUS_deferred, inputs[6].service = 1, inputs[7].is_discarded = true;
  struct verdict_cache *cache = verdict_cache_new();
  struct decision decision = {.cause = CAUSE_policy, .rule = -1};
  struct verdict_key key = verdict_key_of(&inputs[0], 7);
  verdict_cache_add(cache, &key, &decision);
  for (size_t i = 0; i < 8; i++) {
    key = verdict_key_of(&inputs[i], 7);
    ck_assert_msg(verdict_cache_find(cache, &key, &decision) == (i == 0), "input %zu", i);
  }
  key = verdict_key_of(&inputs[0], 8);
  ck_assert(!verdict_cache_find(cache, &key, &decision));
  verdict_cache_free(cache);
}
END_TEST

START_TEST(flood_of_unclassified_replies_evicts_nothing) {
  struct verdict_cache *cache = verdict_cache_new();
  struct decision known = {.cause = CAUSE_policy, .rule = 3}, unknown = {.cause = CAUSE_unclassified, .rule = -1}, got;
  struct match_input input = {.text = SLICE("known")};
  struct verdict_key key = verdict_key_of(&input, 0), other;
  verdict_cache_add(cache, &key, &known);
  for (uint64_t i = 0; i < 100000; i++) {
    input.text = slice_of((const char *)&i, sizeof i);
    other = verdict_key_of(&input, 0);
    verdict_cache_add(cache, &other, &unknown);
  }
  ck_assert(verdict_cache_find(cache, &key, &got));
  ck_assert_int_eq(got.rule, 3);
  ck_assert(verdict_cache_find(cache, &other, &got));
  verdict_cache_free(cache);
}
END_TEST

#if !defined(__SANITIZE_ADDRESS__)
/* The program's own allocator functions, which take the place of libc's for everything that is linked. */
extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t count, size_t size);
extern void *__libc_realloc(void *ptr, size_t size);
static size_t allocations;
void *malloc(size_t size) { return allocations++, __libc_malloc(size); }
void *calloc(size_t count, size_t size) { return allocations++, __libc_calloc(count, size); }
void *realloc(void *ptr, size_t size) { return allocations++, __libc_realloc(ptr, size); }

START_TEST(no_reply_allocates) {
  struct classifier *c = new_classifier();
  struct classify_context *context = new_context(c);
  struct delivery *deliveries = memory_zeroed(c->rules.example_count * sizeof *deliveries);
  for (size_t i = 0; i < c->rules.example_count; i++) {
    delivery_init(&deliveries[i]);
    deliveries[i].reply = c->rules.examples[i].reply;
    deliveries[i].status = i % 3 ? STATUS_bounced : STATUS_delivered;
    deliveries[i].relay_host = i % 2 ? SLICE("mx.example.co.uk") : SLICE("mx.google.com");
    deliveries[i].recipient = SLICE("a@example.org");
  }
  ck_assert_uint_gt(allocations, 1000);
  size_t before = allocations;
  struct verdict verdict;
  for (size_t i = 0; i < c->rules.example_count; i++) classify_deliveries(context, &deliveries[i], 1, &verdict);
  ck_assert_uint_eq(allocations - before, 0);
  free(deliveries);
  classify_context_free(context);
  classifier_free(c);
}
END_TEST
#else
START_TEST(no_reply_allocates) { printf("skipped: the sanitizer has its own malloc\n"); }
END_TEST
#endif

TEST_MAIN(cache_and_filter_change_no_answer, keys_differ_by_each_thing_that_a_verdict_depends_on,
          flood_of_unclassified_replies_evicts_nothing, no_reply_allocates)
