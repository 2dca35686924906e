/* See rule_options.h. */
#include "tools/rule_options.h"

#include "tools/cache_dir.h"

bool rule_options_take(struct rule_options *options, int option, const char *value) {
  if (option == OPTION_RULES_DIR)
    options->rules_dir = value;
  else if (option == OPTION_USER_RULES_DIR)
    options->user_rules_dir = value;
  else
    return false;
  return true;
}

struct classifier *rule_options_load(const struct rule_options *options, bool is_for_lint, struct buf *problems,
                                     struct error *err) {
  struct classifier_options classifier = {
      .rules_dir = options->rules_dir, .user_rules_dir = options->user_rules_dir, .is_for_lint = is_for_lint, .problems = problems};
  return classifier_new_cached(&classifier, err);
}
