/* The path of a delivery to its verdict. See classify.h.
 *
 * Measured costs stand in bench/bench_classify.c, which prints them. */
#include "classify/classify.h"

#include <assert.h>
#include <stdlib.h>

#include "base/memory.h"
#include "classify/classifier.h"
#include "classify/normalise.h"
#include "classify/provider.h"
#include "classify/verdict_cache.h"

#define PROVIDER_BYTES_MAX 256 /* a host name has at most 253 */

/* What the slices of one verdict point into. */
struct slot {
  char template[LIMIT_TEMPLATE_BYTES];
  char provider[PROVIDER_BYTES_MAX];
};

struct classify_context {
  const struct classifier *classifier;
  struct match_scratch *scratch;
  struct verdict_cache *cache;
  struct provider_cache *providers;
  struct classify_counts counts;
  bool skips_cache;
  struct slot slots[LIMIT_STAGE];
  char text[NORMALISED_BYTES_MAX];
};

struct classify_context *classify_context_new(const struct classifier *classifier, struct error *err) {
  if (!classifier->matcher) {
    error_set(err, ERROR_USAGE, "rules: not compiled (data only)");
    return NULL;
  }
  struct match_scratch *scratch = match_scratch_new(classifier->matcher, err);
  if (!scratch) return NULL;
  struct classify_context *context = memory_zeroed(sizeof *context);
  context->classifier = classifier;
  context->scratch = scratch;
  context->cache = verdict_cache_new();
  context->providers = provider_cache_new(&classifier->data.providers);
  return context;
}

void classify_context_free(struct classify_context *context) {
  if (!context) return;
  match_scratch_free(context->scratch);
  verdict_cache_free(context->cache);
  provider_cache_free(context->providers);
  free(context);
}

void classify_context_use_cache(struct classify_context *context, bool uses_cache) { context->skips_cache = !uses_cache; }

void classify_read_counts(const struct classify_context *context, struct classify_counts *out) { *out = context->counts; }

/* What our own server refused has no provider: the reply is ours. */
static uint16_t find_provider(struct classify_context *context, const struct delivery *delivery, const struct provider_key *key,
                              struct slot *slot, struct slice *name) {
  *name = SLICE_ABSENT;
  if (delivery->direction == DIRECTION_in) return NO_PROVIDER;
  struct provider_found found;
  provider_find(context->providers, key, delivery->relay_host, delivery->recipient, &found);
  *name = found.name;
  if (found.number == NO_PROVIDER && found.name.len) {
    assert(found.name.len <= sizeof slot->provider);
    memcpy(slot->provider, found.name.ptr, found.name.len);
    name->ptr = slot->provider;
  }
  return found.number;
}

static void decide(struct classify_context *context, const struct match_input *input, struct decision *out) {
  const struct classifier *c = context->classifier;
  bool is_scoped = input->provider != NO_PROVIDER && c->provider_is_scoped[input->provider];
  if (context->skips_cache) {
    context->counts.scans++;
    matcher_decide(c->matcher, context->scratch, input, out);
    return;
  }
  struct verdict_key key = verdict_key_of(input, is_scoped ? input->provider : NO_PROVIDER);
  if (verdict_cache_find(context->cache, &key, out)) {
    context->counts.cache_hits++;
    return;
  }
  context->counts.scans++;
  matcher_decide(c->matcher, context->scratch, input, out);
  verdict_cache_add(context->cache, &key, out);
}

/* The outcome of a status with a cause. Causes of accepted mail can't explain a failure: soft. */
static enum outcome outcome_of(enum status status, enum cause cause) {
  enum outcome final = CAUSES[cause].outcome;
  if (status == STATUS_delivered) return final == OUTCOME_silent ? OUTCOME_silent : OUTCOME_delivered;
  if (status == STATUS_deferred) return OUTCOME_deferred;
  return final == OUTCOME_hard ? OUTCOME_hard : OUTCOME_soft;
}

static void fill_verdict(const struct classifier *c, enum status status, const struct decision *decision, struct verdict *out) {
  enum cause cause = status == STATUS_expired ? CAUSE_expired : (enum cause)decision->cause;
  out->cause = cause;
  out->group = CAUSES[cause].group;
  out->fault = CAUSES[cause].fault;
  out->outcome = outcome_of(status, cause);
  out->bounce_class = CAUSES[cause].outcome;
  out->last_cause = status == STATUS_expired ? cause_name((enum cause)decision->cause) : SLICE_ABSENT;
  out->blocklist = decision->blocklist ? c->data.blocklists.lists[decision->blocklist - 1].id : SLICE_ABSENT;
  out->rule = decision->rule >= 0 ? c->rules.rules[decision->rule].id : SLICE_ABSENT;
  out->via = (enum via)decision->via;
}

static void classify_one(struct classify_context *context, const struct delivery *delivery, const struct provider_key *key,
                         struct slot *slot, struct verdict *out) {
  const struct classifier *c = context->classifier;
  struct match_input input = {.smtp_code = delivery->smtp_code < 1000 ? delivery->smtp_code : 0};
  input.provider = find_provider(context, delivery, key, slot, &out->provider);
  /* A message that expired is read as its last deferral was. */
  input.status = (uint8_t)(delivery->status == STATUS_expired ? STATUS_deferred : delivery->status);
  input.is_discarded = delivery->status == STATUS_delivered && slice_equal(delivery->service, SLICE("discard"));
  out->template = SLICE_ABSENT;
  struct decision decision;
  bool may_match = delivery->status != STATUS_delivered || word_filter_may_match(&c->delivered_words, delivery->reply);
  if (!may_match) {
    matcher_decide_by_codes(&input, &decision);
  } else {
    input.dsn = dsn_parse(delivery->dsn);
    input.service = (uint8_t)ruleset_service_class(&c->rules, delivery->service);
    input.text = slice_of(context->text, normalise_reply(delivery->reply, context->text));
    if (!slice_is_absent(delivery->reply)) out->template = slice_of(slot->template, normalise_template(input.text, slot->template));
    decide(context, &input, &decision);
  }
  if (slice_is_absent(delivery->reply) && decision.via == VIA_none) decision.via = VIA_status;
  context->counts.unclassified += decision.cause == CAUSE_unclassified;
  fill_verdict(c, delivery->status, &decision, out);
}

void classify_deliveries(struct classify_context *context, const struct delivery *deliveries, size_t count,
                         struct verdict *verdicts) {
  assert(count <= LIMIT_STAGE);
  context->counts.replies += count;
  struct provider_key keys[LIMIT_STAGE];
  for (size_t i = 0; i < count; i++) keys[i] = provider_prefetch(context->providers, deliveries[i].relay_host);
  for (size_t i = 0; i < count; i++) classify_one(context, &deliveries[i], &keys[i], &context->slots[i], &verdicts[i]);
}

/* ---- explaining -------------------------------------------------------------------------------------------------------------- */

static void add_candidate(void *context, uint32_t rule, const char *misses) {
  struct explanation *e = context;
  if (e->count == e->cap) {
    e->cap = e->cap ? e->cap * 2 : 16;
    e->candidates = memory_resize(e->candidates, e->cap * sizeof *e->candidates);
  }
  e->candidates[e->count++] = (struct explain_candidate){rule, misses};
}

void classify_explain(struct classify_context *context, const struct delivery *delivery, struct explanation *out) {
  const struct classifier *c = context->classifier;
  *out = (struct explanation){.count = 0};
  classify_deliveries(context, delivery, 1, &out->verdict);
  struct match_input input = {.smtp_code = delivery->smtp_code < 1000 ? delivery->smtp_code : 0};
  struct provider_key key = provider_prefetch(context->providers, delivery->relay_host);
  input.provider = find_provider(context, delivery, &key, &context->slots[0], &out->verdict.provider);
  input.status = (uint8_t)(delivery->status == STATUS_expired ? STATUS_deferred : delivery->status);
  input.is_discarded = delivery->status == STATUS_delivered && slice_equal(delivery->service, SLICE("discard"));
  input.dsn = dsn_parse(delivery->dsn);
  input.service = (uint8_t)ruleset_service_class(&c->rules, delivery->service);
  input.text = out->normalised = slice_of(context->text, normalise_reply(delivery->reply, context->text));
  struct decision decision;
  matcher_decide_by_codes(&input, &decision);
  out->code_cause = (enum cause)decision.cause;
  out->code_via = (enum via)decision.via;
  matcher_explain(c->matcher, context->scratch, &input, add_candidate, out);
}

void explanation_deinit(struct explanation *explanation) { free(explanation->candidates); }
