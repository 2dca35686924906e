/* What is wrong with rules although they load. See classify.h.
 *
 * Rule B is unreachable when an earlier rule A fits whatever B fits. That is proved from the conditions alone, in the direction that never
 * accuses wrongly: each condition of A must follow from one of B. A text of B's `any` is idle when A takes every reply in which B has
 * nothing but that text. */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "classify/classifier.h"
#include "classify/normalise.h"

/* A compiled regex of what people write has 1 to 340 KiB; unbounded or wide repeats around alternatives multiply its states. Beyond this it
 * leaves the processor's second cache, and a scan waits for memory at every byte. */
#define REGEX_BYTES_MAX (400u << 10)
/* A text that makes its rule a candidate and stands in most replies costs each of them the rule's other conditions. */
#define TRIGGER_BYTES_MIN 3

struct lint {
  const struct classifier *c;
  const struct ruleset *rules;
  struct match_scratch *scratch;
  void (*each)(void *context, const struct lint_finding *finding);
  void *context;
};

__attribute__((format(printf, 5, 6))) static void report(const struct lint *lint, const struct rule *rule, size_t line,
                                                         const char *kind, const char *format, ...) {
  char text[1024];
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(text, sizeof text, format, arguments);
  va_end(arguments);
  struct lint_finding finding = {.kind = kind, .rule = rule->id, .file = rule->file, .line = line, .text = text};
  lint->each(lint->context, &finding);
}

static struct slice literal(const struct ruleset *rules, struct range range, uint32_t i) {
  return rules->literals.keys[rules->literal_ids[range.first + i]];
}

static bool contains(struct slice text, struct slice part) { return slice_find(text, part) < text.len; }

/* ---- examples ---------------------------------------------------------------------------------------------------------------- */

static void check_examples(const struct lint *lint, const struct rule *rule) {
  char text[NORMALISED_BYTES_MAX];
  struct match_input input;
  struct decision got;
  for (uint32_t i = 0; i < rule->examples.count; i++) {
    const struct example *example = &lint->rules->examples[rule->examples.first + i];
    self_test_input(rule, example->reply, text, &input);
    matcher_decide(lint->c->matcher, lint->scratch, &input, &got);
    if (got.rule == rule - lint->rules->rules) continue;
    const struct rule *other = got.rule < 0 ? NULL : &lint->rules->rules[got.rule];
    if (!other)
      report(lint, rule, example->line, "stolen-example", "its example gives no rule: a text of the rule is not in it");
    else if (rule->is_users || !other->is_users)
      report(lint, rule, example->line, "stolen-example", "its example gives %.*s (%.*s:%zu), which comes first",
             SLICE_ARG(other->id), SLICE_ARG(other->file), other->line);
  }
}

static void check_counter_examples(const struct lint *lint, const struct rule *rule) {
  char text[NORMALISED_BYTES_MAX];
  struct match_input input;
  int32_t number = (int32_t)(rule - lint->rules->rules);
  if (rule->examples.count < 2)
    report(lint, rule, rule->line, "missing-example", "has %" PRIu32 " of the two examples that it needs", rule->examples.count);
  if (rule->counter_examples.count == 0)
    report(lint, rule, rule->line, "missing-negative", "has no example under 'not' that it must not match");
  for (uint32_t i = 0; i < rule->counter_examples.count; i++) {
    const struct example *example = &lint->rules->examples[rule->counter_examples.first + i];
    struct decision got;
    self_test_input(rule, example->reply, text, &input);
    matcher_decide(lint->c->matcher, lint->scratch, &input, &got);
    if (got.rule == number) report(lint, rule, example->line, "missing-negative", "matches what it must not");
  }
}

/* ---- one rule against an earlier one ----------------------------------------------------------------------------------------- */

/* A rule's conditions, of `any` perhaps one text alone. */
struct view {
  const struct rule *rule;
  struct range any;
};

static bool codes_follow(const struct rule *a, const struct rule *b) {
  for (unsigned i = 0; i < b->smtp_count; i++) {
    bool is_in = a->smtp_count == 0;
    for (unsigned k = 0; k < a->smtp_count; k++) is_in |= a->smtp[k] == b->smtp[i] || a->smtp[k] == b->smtp[i] / 100;
    if (!is_in) return false;
  }
  if (a->smtp_count && !b->smtp_count) return false;
  for (unsigned i = 0; i < b->dsn_count; i++) {
    bool is_in = a->dsn_count == 0;
    for (unsigned k = 0; k < a->dsn_count; k++) is_in |= memcmp(&a->dsn[k], &b->dsn[i], sizeof a->dsn[k]) == 0;
    if (!is_in) return false;
  }
  return !a->dsn_count || b->dsn_count;
}

static bool providers_follow(const struct rule *a, const struct rule *b) {
  if (a->provider_count == 0) return true;
  for (unsigned i = 0; i < b->provider_count; i++) {
    bool is_in = false;
    for (unsigned k = 0; k < a->provider_count; k++) is_in |= a->providers[k] == b->providers[i];
    if (!is_in) return false;
  }
  return b->provider_count > 0;
}

/* Whether one of the texts of `range` is in every reply that `b` fits: in a text of its `all`, or in each of its `any`. */
static bool text_follows(const struct ruleset *rules, struct slice text, const struct view *b) {
  for (uint32_t i = 0; i < b->rule->all.count; i++)
    if (contains(literal(rules, b->rule->all, i), text)) return true;
  for (uint32_t i = 0; i < b->any.count; i++)
    if (!contains(literal(rules, b->any, i), text)) return false;
  return b->any.count > 0;
}

static bool any_follows(const struct ruleset *rules, struct range any, const struct view *b) {
  if (any.count == 0) return true;
  for (uint32_t i = 0; i < any.count; i++)
    if (text_follows(rules, literal(rules, any, i), b)) return true;
  for (uint32_t i = 0; i < b->any.count; i++) {
    bool is_in = false;
    for (uint32_t k = 0; k < any.count && !is_in; k++) is_in = contains(literal(rules, b->any, i), literal(rules, any, k));
    if (!is_in) return false;
  }
  return b->any.count > 0;
}

/* Each text that must not be there for `a` holds one that must not be there for `b`. */
static bool none_follows(const struct ruleset *rules, struct range none, const struct view *b) {
  for (uint32_t i = 0; i < none.count; i++) {
    bool is_held_off = false;
    for (uint32_t k = 0; k < b->rule->none.count && !is_held_off; k++)
      is_held_off = contains(literal(rules, none, i), literal(rules, b->rule->none, k));
    if (!is_held_off) return false;
  }
  return true;
}

static bool takes_all_of(const struct ruleset *rules, const struct rule *a, const struct view *b) {
  if (b->rule->statuses & ~a->statuses) return false;
  if (a->services && (!b->rule->services || (b->rule->services & ~a->services))) return false;
  bool same_regex = a->regex < 0 || (b->rule->regex >= 0 && slice_equal(rules->regexes[a->regex], rules->regexes[b->rule->regex]));
  if (!same_regex || !providers_follow(a, b->rule) || !codes_follow(a, b->rule)) return false;
  if (!any_follows(rules, a->any, b)) return false;
  for (uint32_t i = 0; i < a->all.count; i++)
    if (!text_follows(rules, literal(rules, a->all, i), b)) return false;
  return none_follows(rules, a->none, b);
}

/* The first rule before `b` that takes all of it, or NULL. */
static const struct rule *find_taker(const struct lint *lint, const struct view *b) {
  for (const struct rule *a = lint->rules->rules; a < b->rule; a++) {
    bool names_it_beside = b->rule->tier == TIER_BLOCKLIST && a->tier != TIER_BLOCKLIST;
    if (!names_it_beside && takes_all_of(lint->rules, a, b)) return a;
  }
  return NULL;
}

static void check_reach(const struct lint *lint, const struct rule *rule) {
  const struct ruleset *rules = lint->rules;
  const struct rule *taker = find_taker(lint, &(struct view){rule, rule->any});
  if (taker) {
    report(lint, rule, rule->line, "unreachable-rule", "%.*s (%.*s:%zu) takes every reply that it could match",
           SLICE_ARG(taker->id), SLICE_ARG(taker->file), taker->line);
    return;
  }
  if (rule->tier == TIER_BLOCKLIST) return; /* its texts are also what a list is called by */
  for (uint32_t i = 0; i < rule->any.count; i++) {
    struct slice text = literal(rules, rule->any, i);
    uint32_t wider = 0;
    while (wider < rule->any.count && (wider == i || !contains(text, literal(rules, rule->any, wider)) ||
                                       (wider > i && slice_equal(text, literal(rules, rule->any, wider)))))
      wider++;
    if (wider < rule->any.count) {
      report(lint, rule, rule->line, "overlapping-text", "any: '%.*s' is idle: '%.*s' is in it", SLICE_ARG(text),
             SLICE_ARG(literal(rules, rule->any, wider)));
      continue;
    }
    taker = rule->any.count > 1 ? find_taker(lint, &(struct view){rule, {rule->any.first + i, 1}}) : NULL;
    if (taker)
      report(lint, rule, rule->line, "overlapping-text", "any: '%.*s' is idle: %.*s (%.*s:%zu) takes every reply with it",
             SLICE_ARG(text), SLICE_ARG(taker->id), SLICE_ARG(taker->file), taker->line);
  }
}

/* ---- cost -------------------------------------------------------------------------------------------------------------------- */

static void check_cost(const struct lint *lint, const struct rule *rule) {
  size_t bytes = rule->regex < 0 ? 0 : matcher_regex_bytes(lint->c->matcher, rule->regex);
  if (bytes > REGEX_BYTES_MAX)
    report(lint, rule, rule->line, "slow-pattern", "regex: compiled it takes %zu KiB, over %u: bound its repeats, or use texts",
           bytes >> 10, REGEX_BYTES_MAX >> 10);
  size_t longest = 0, shortest = SIZE_MAX;
  for (uint32_t i = 0; i < rule->all.count; i++)
    if (literal(lint->rules, rule->all, i).len > longest) longest = literal(lint->rules, rule->all, i).len;
  for (uint32_t i = 0; i < rule->any.count; i++)
    if (literal(lint->rules, rule->any, i).len < shortest) shortest = literal(lint->rules, rule->any, i).len;
  size_t trigger = rule->all.count ? longest : shortest;
  if (trigger < TRIGGER_BYTES_MIN)
    report(lint, rule, rule->line, "slow-pattern", "a text of %zu bytes stands in most replies: use a longer one", trigger);
}

bool classifier_lint(const struct classifier *c, void (*each)(void *context, const struct lint_finding *finding), void *context,
                     struct error *err) {
  struct lint lint = {.c = c, .rules = &c->rules, .each = each, .context = context};
  lint.scratch = match_scratch_new(c->matcher, err);
  if (!lint.scratch) return false;
  for (size_t i = 0; i < c->rules.rule_count; i++) {
    const struct rule *rule = &c->rules.rules[i];
    check_reach(&lint, rule);
    check_cost(&lint, rule);
    if (rule->tier == TIER_BLOCKLIST) continue; /* its examples are the tests of the tables */
    check_examples(&lint, rule);
    check_counter_examples(&lint, rule);
  }
  match_scratch_free(lint.scratch);
  return true;
}
