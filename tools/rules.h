/* The subcommands of `bouncemill rules`; argv[0] is the word. Each returns the exit code. */
#ifndef TOOLS_RULES_H
#define TOOLS_RULES_H

#include "tools/rule_options.h"

int rules_list_main(int argc, char **argv);
int rules_test_main(int argc, char **argv);
int rules_lint_main(int argc, char **argv);
int rules_explain_main(int argc, char **argv);
int rules_suggest_main(int argc, char **argv);
int rules_reload_main(int argc, char **argv);

#endif
