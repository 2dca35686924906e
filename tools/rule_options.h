/* Options of every command that classifies: which rules. */
#ifndef TOOLS_RULE_OPTIONS_H
#define TOOLS_RULE_OPTIONS_H

#include <getopt.h>

#include "classify/classify.h"

struct rule_options {
  const char *rules_dir, *user_rules_dir; /* as in classifier_options */
};

/* For a struct option array, and their lines in a HELP text. */
enum { OPTION_RULES_DIR = 768, OPTION_USER_RULES_DIR };
#define RULE_LONG_OPTIONS \
  {"rules", required_argument, NULL, OPTION_RULES_DIR}, { "user-rules", required_argument, NULL, OPTION_USER_RULES_DIR }
#define RULE_HELP                                                                                                    \
  "      --user-rules DIR  rules from DIR/*.yaml laid over those built in: same id, same place; others come first\n" \
  "      --rules DIR      rules from DIR/*.yaml instead of those built in\n"

/* Takes one of them; false when `option` is none. */
bool rule_options_take(struct rule_options *options, int option, const char *value);

/* The classifier, compiled rules kept from run to run (cache_dir.h). `problems`: of classifier_options. NULL with err. */
struct classifier *rule_options_load(const struct rule_options *options, bool is_for_lint, struct buf *problems, struct error *err);

#endif
