/* Any bytes as a file of rules: loaded, compiled and tested, or refused with a problem that names the file; never a crash. */
#include "classify/matcher.h"
#include "classify/normalise.h"
#include "classify/rule_file.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

/* Compiles what was loaded, and matches the examples. Few and short patterns, so that Hyperscan's compiler is not what is fuzzed. */
static void match_examples(struct ruleset *rules) {
  struct error err;
  if (!rules->rule_count || rules->literals.count > 64 || rules->regex_count) return;
  ruleset_sort(rules);
  struct matcher *matcher = matcher_new(rules, NULL, &err);
  struct match_scratch *scratch = matcher ? match_scratch_new(matcher, &err) : NULL;
  for (size_t i = 0; scratch && i < rules->example_count; i++) {
    char text[NORMALISED_BYTES_MAX];
    struct match_input input = {.provider = NO_PROVIDER, .status = STATUS_bounced};
    input.text = slice_of(text, normalise_reply(rules->examples[i].reply, text));
    struct decision decision;
    matcher_decide(matcher, scratch, &input, &decision);
  }
  match_scratch_free(scratch);
  matcher_free(matcher);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len) {
  struct error err;
  struct yaml_document *document = yaml_new(slice_of((const char *)bytes, len), "rules/fuzz.yaml", &err);
  if (!document) return 0;
  struct provider_table providers = {0};
  string_table_add(&providers.by_id, SLICE("google"), 0);
  struct ruleset rules = {0};
  struct problems problems = {0};
  rule_file_load(document, &providers, &rules, &problems);
  if (problems.count && strstr(problems.first.text, "rules/fuzz.yaml") == NULL) __builtin_trap();
  match_examples(&rules);
  ruleset_deinit(&rules);
  string_table_deinit(&providers.by_id);
  yaml_document_free(document);
  return 0;
}
