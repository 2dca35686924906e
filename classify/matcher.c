/* The order of rules, over a literal index and Hyperscan. See matcher.h. No UTF-8 mode: bytes. */
#include "classify/matcher.h"

#include <stdlib.h>

#include "base/buf.h"
#include "base/limits.h"
#include "classify/gb18030.h"
#include "classify/literal_index.h"
#include "classify/normalise.h"
#include "classify/pattern_database.h"

struct matcher {
  const struct ruleset *rules;
  struct literal_index *literals;
  hs_database_t **regexes; /* one each: most replies need one of them or none, and all at once cost seven times as much */
  uint32_t *trigger_first; /* of literal i: triggers[trigger_first[i] .. trigger_first[i + 1]) are rules */
  uint32_t *triggers;
};

struct match_scratch {
  hs_scratch_t *memory;
  const struct matcher *matcher;
  uint64_t *literal_bits, *candidate_bits;
  size_t literal_words, candidate_words;
};

static size_t words_for(size_t bits) { return bits / 64 + 1; }
static void set_bit(uint64_t *bits, uint32_t i) { bits[i / 64] |= 1ULL << (i % 64); }
static bool has_bit(const uint64_t *bits, uint32_t i) { return bits[i / 64] >> (i % 64) & 1; }

/* ---- making ------------------------------------------------------------------------------------------------------------------ */

/* Examples in the form in which texts are compared, to learn from what is rare. */
struct samples {
  struct slice *texts;
  size_t count;
  struct buf bytes;
};

static void samples_init(struct samples *samples, const struct ruleset *rules) {
  size_t *ends = memory_alloc(rules->example_count * sizeof *ends);
  *samples = (struct samples){.texts = memory_alloc(rules->example_count * sizeof *samples->texts), .count = rules->example_count};
  for (size_t i = 0; i < rules->example_count; i++) {
    char *to = buf_reserve(&samples->bytes, NORMALISED_BYTES_MAX);
    samples->bytes.len += normalise_reply(rules->examples[i].reply, to);
    ends[i] = samples->bytes.len;
  }
  for (size_t i = 0, begin = 0; i < rules->example_count; begin = ends[i++])
    samples->texts[i] = slice_of(samples->bytes.ptr + begin, ends[i] - begin);
  free(ends);
}

static void samples_deinit(struct samples *samples) {
  free(samples->texts);
  buf_deinit(&samples->bytes);
}

/* A Chinese literal stands in the index twice: its bytes in UTF-8 and in GB18030. */
static void index_literals(struct matcher *m) {
  const struct string_table *literals = &m->rules->literals;
  struct literal *all = memory_alloc(2 * literals->count * sizeof *all);
  struct samples samples;
  struct buf converted = {0};
  struct gb18030 *converter = gb18030_new();
  size_t count = 0, room = 0;
  for (uint32_t i = 0; i < literals->count; i++) room += literals->keys[i].len;
  char *to = buf_reserve(&converted, room); /* stays where it is: conversions are no longer than what they are of */
  for (uint32_t i = 0; i < literals->count; i++) {
    all[count++] = (struct literal){literals->keys[i], i};
    size_t len = converter ? gb18030_from_literal(converter, literals->keys[i], to) : 0;
    if (len) all[count++] = (struct literal){slice_of(to, len), i};
    to += len;
  }
  samples_init(&samples, m->rules);
  m->literals = literal_index_new(all, count, samples.texts, samples.count);
  samples_deinit(&samples);
  gb18030_free(converter);
  buf_deinit(&converted);
  free(all);
}

static bool compile_regexes(struct matcher *m, const char *cache_dir, struct error *err) {
  struct patterns p;
  patterns_init(&p, m->rules->regex_count);
  for (unsigned i = 0; i < p.count; i++) {
    p.texts[i] = strndup(m->rules->regexes[i].ptr, m->rules->regexes[i].len);
    p.flags[i] = HS_FLAG_CASELESS;
  }
  m->regexes = memory_zeroed((p.count + 1) * sizeof *m->regexes);
  bool done = pattern_databases_new(&p, "regex", cache_dir, m->regexes, err);
  patterns_deinit(&p);
  return done;
}

/* The literals that make a rule a candidate: the longest of `all`, as the rarest; else each of `any`. */
static struct range triggers_of(const struct ruleset *rules, const struct rule *rule) {
  if (!rule->all.count) return rule->any;
  uint32_t best = rule->all.first;
  for (uint32_t i = 0; i < rule->all.count; i++) {
    uint32_t at = rule->all.first + i;
    if (rules->literals.keys[rules->literal_ids[at]].len > rules->literals.keys[rules->literal_ids[best]].len) best = at;
  }
  return (struct range){best, 1};
}

static void index_triggers(struct matcher *m) {
  const struct ruleset *rules = m->rules;
  m->trigger_first = memory_zeroed((rules->literals.count + 2) * sizeof *m->trigger_first);
  m->triggers = memory_zeroed((rules->literal_id_count + 1) * sizeof *m->triggers);
  /* Counts, then places, then rules: [i + 1] moves from the begin of literal i to its end while it is filled. */
  uint32_t *place = m->trigger_first + 1;
  for (size_t r = 0; r < rules->rule_count; r++) {
    struct range triggers = triggers_of(rules, &rules->rules[r]);
    for (uint32_t i = 0; i < triggers.count; i++) place[rules->literal_ids[triggers.first + i]]++;
  }
  uint32_t sum = 0;
  for (size_t i = 0; i < rules->literals.count; i++) {
    uint32_t count = place[i];
    place[i] = sum;
    sum += count;
  }
  for (size_t r = 0; r < rules->rule_count; r++) {
    struct range triggers = triggers_of(rules, &rules->rules[r]);
    for (uint32_t i = 0; i < triggers.count; i++) m->triggers[place[rules->literal_ids[triggers.first + i]]++] = (uint32_t)r;
  }
}

struct matcher *matcher_new(const struct ruleset *rules, const char *cache_dir, struct error *err) {
  struct matcher *m = memory_zeroed(sizeof *m);
  m->rules = rules;
  index_triggers(m);
  index_literals(m);
  if (compile_regexes(m, cache_dir, err)) return m;
  matcher_free(m);
  return NULL;
}

void matcher_free(struct matcher *m) {
  if (!m) return;
  literal_index_free(m->literals);
  for (size_t i = 0; m->regexes && i < m->rules->regex_count; i++) hs_free_database(m->regexes[i]);
  free(m->regexes);
  free(m->trigger_first);
  free(m->triggers);
  free(m);
}

struct match_scratch *match_scratch_new(const struct matcher *m, struct error *err) {
  struct match_scratch *s = memory_zeroed(sizeof *s);
  s->matcher = m;
  s->literal_words = words_for(m->rules->literals.count);
  s->candidate_words = words_for(m->rules->rule_count);
  s->literal_bits = memory_zeroed(s->literal_words * sizeof(uint64_t));
  s->candidate_bits = memory_zeroed(s->candidate_words * sizeof(uint64_t));
  bool done = true;
  for (size_t i = 0; i < m->rules->regex_count && done; i++) done = hs_alloc_scratch(m->regexes[i], &s->memory) == HS_SUCCESS;
  if (done) return s;
  match_scratch_free(s);
  error_set(err, ERROR_INPUT, "rules: no memory for matching");
  return NULL;
}

void match_scratch_free(struct match_scratch *s) {
  if (!s) return;
  hs_free_scratch(s->memory);
  free(s->literal_bits);
  free(s->candidate_bits);
  free(s);
}

/* ---- matching ---------------------------------------------------------------------------------------------------------------- */

static void on_literal(void *context, uint32_t id) {
  struct match_scratch *s = context;
  const struct matcher *m = s->matcher;
  set_bit(s->literal_bits, id);
  for (uint32_t i = m->trigger_first[id]; i < m->trigger_first[id + 1]; i++) set_bit(s->candidate_bits, m->triggers[i]);
}

/* The first match is enough: ends the scan. */
static int on_regex(unsigned id, unsigned long long from, unsigned long long to, unsigned flags, void *context) {
  (void)id, (void)from, (void)to, (void)flags;
  *(bool *)context = true;
  return 1;
}

static uint32_t count_present(const struct match_scratch *s, struct range literals) {
  const uint32_t *ids = s->matcher->rules->literal_ids + literals.first;
  uint32_t present = 0;
  for (uint32_t i = 0; i < literals.count; i++) present += has_bit(s->literal_bits, ids[i]);
  return present;
}

static bool smtp_fits(const struct rule *rule, uint16_t code) {
  for (unsigned i = 0; i < rule->smtp_count; i++)
    if (rule->smtp[i] == code || (rule->smtp[i] < 10 && rule->smtp[i] == code / 100)) return true;
  return rule->smtp_count == 0;
}

static bool part_fits(uint16_t wanted, uint16_t got) { return wanted == DSN_ANY || wanted == got; }

static bool dsn_fits(const struct rule *rule, struct dsn_code dsn) {
  for (unsigned i = 0; i < rule->dsn_count && dsn.class; i++)
    if (part_fits(rule->dsn[i].class, dsn.class) && part_fits(rule->dsn[i].subject, dsn.subject) &&
        part_fits(rule->dsn[i].detail, dsn.detail))
      return true;
  return rule->dsn_count == 0;
}

static bool provider_fits(const struct rule *rule, uint16_t provider) {
  for (unsigned i = 0; i < rule->provider_count; i++)
    if (rule->providers[i] == provider) return true;
  return rule->provider_count == 0;
}

static bool rule_fits(const struct match_scratch *s, const struct rule *rule, const struct match_input *input) {
  if (!(rule->statuses >> input->status & 1)) return false;
  if (rule->services && !(rule->services >> input->service & 1)) return false;
  if (!provider_fits(rule, input->provider) || !smtp_fits(rule, input->smtp_code) || !dsn_fits(rule, input->dsn)) return false;
  if (count_present(s, rule->all) < rule->all.count) return false;
  if (rule->any.count && !count_present(s, rule->any)) return false;
  return !count_present(s, rule->none);
}

static bool regex_fits(struct match_scratch *s, const struct rule *rule, struct slice text) {
  if (rule->regex < 0) return true;
  bool is_found = false;
  hs_scan(s->matcher->regexes[rule->regex], text.ptr, (unsigned)text.len, 0, s->memory, on_regex, &is_found);
  return is_found;
}

/* The first rule that fits; beside it the blocklist that the reply names, unless the rule says that it names none as listing. */
static void decide_by_rules(struct match_scratch *s, const struct match_input *input, struct decision *out) {
  const struct ruleset *rules = s->matcher->rules;
  for (size_t word = 0; word < s->candidate_words; word++) {
    for (uint64_t bits = s->candidate_bits[word]; bits; bits &= bits - 1) {
      uint32_t i = (uint32_t)(word * 64) + (uint32_t)__builtin_ctzll(bits);
      const struct rule *rule = &rules->rules[i];
      if (out->rule >= 0 && rule->tier != TIER_BLOCKLIST) {
        if (rule->tier > TIER_BLOCKLIST) return;
        continue;
      }
      if (!rule_fits(s, rule, input) || !regex_fits(s, rule, input->text)) continue;
      if (out->rule < 0) {
        out->rule = (int32_t)i;
        out->cause = (uint16_t)rule->cause;
        out->via = VIA_rule;
      }
      out->blocklist = rule->blocklist;
      if (rule->names_no_listing || rule->tier >= TIER_BLOCKLIST) return;
    }
  }
}

void matcher_decide_by_codes(const struct match_input *input, struct decision *out) {
  *out = (struct decision){.rule = -1, .cause = CAUSE_unclassified, .via = VIA_none};
  if (input->status == STATUS_delivered) {
    bool has_code = input->smtp_code / 100 == 2 && !input->is_discarded;
    out->cause = input->is_discarded ? CAUSE_accepted_discarded : CAUSE_accepted;
    out->via = has_code ? VIA_code : VIA_status;
    return;
  }
  enum cause cause;
  if (codes_find_cause(input->smtp_code, input->dsn, &cause)) {
    out->cause = (uint16_t)cause;
    out->via = VIA_code;
  }
}

void matcher_decide(const struct matcher *m, struct match_scratch *s, const struct match_input *input, struct decision *out) {
  *out = (struct decision){.rule = -1};
  if (input->text.len) {
    memset(s->literal_bits, 0, s->literal_words * sizeof(uint64_t));
    memset(s->candidate_bits, 0, s->candidate_words * sizeof(uint64_t));
    literal_index_find(m->literals, input->text, on_literal, s);
    decide_by_rules(s, input, out);
  }
  if (out->rule < 0) matcher_decide_by_codes(input, out);
}

/* ---- explaining -------------------------------------------------------------------------------------------------------------- */

static const char *missing_key(struct match_scratch *s, const struct rule *rule, const struct match_input *input) {
  if (!(rule->statuses >> input->status & 1)) return "status";
  if (rule->services && !(rule->services >> input->service & 1)) return "service";
  if (!provider_fits(rule, input->provider)) return "provider";
  if (!smtp_fits(rule, input->smtp_code)) return "smtp";
  if (!dsn_fits(rule, input->dsn)) return "dsn";
  if (count_present(s, rule->all) < rule->all.count) return "all";
  if (rule->any.count && !count_present(s, rule->any)) return "any";
  if (count_present(s, rule->none)) return "none";
  return regex_fits(s, rule, input->text) ? NULL : "regex";
}

void matcher_explain(const struct matcher *m, struct match_scratch *s, const struct match_input *input,
                     void (*each)(void *context, uint32_t rule, const char *misses), void *context) {
  memset(s->literal_bits, 0, s->literal_words * sizeof(uint64_t));
  memset(s->candidate_bits, 0, s->candidate_words * sizeof(uint64_t));
  if (input->text.len) literal_index_find(m->literals, input->text, on_literal, s);
  for (uint32_t i = 0; i < m->rules->rule_count; i++)
    if (has_bit(s->candidate_bits, i)) each(context, i, missing_key(s, &m->rules->rules[i], input));
}

size_t matcher_regex_bytes(const struct matcher *m, int32_t i) {
  size_t bytes = 0;
  return hs_database_size(m->regexes[i], &bytes) == HS_SUCCESS ? bytes : 0;
}
