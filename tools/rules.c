/* bouncemill rules WORD: what decides about replies, for the people who write it. Each word is a file of its own. */
#include "tools/rules.h"

#include <stdio.h>
#include <string.h>

#include "tools/command.h"

static const char HELP[] =
    "usage: bouncemill rules WORD [OPTION]...; each WORD has --help\n\n"
    "  list [--cause C] [--provider P] [--group G] [--fault F] [--json]\n"
    "        the rules in the order in which they are tried\n"
    "  test [--json] [--min-cause P] [--min-class P] [--max-false-hard P] [--max-unclassified P] [FILE.tsv]...\n"
    "        runs every example of every rule; with FILEs of labelled replies, what the rules make of them\n"
    "  lint [--json]\n"
    "        what is wrong with rules that load: stolen examples, unreachable rules, idle texts, missing examples, slow patterns\n"
    "  explain [--status S] [--provider P] [--mx HOST] [--lang en|zh-CN] [--json] REPLY\n"
    "        why a reply gets its verdict: every rule that could decide, the codes alone, and what to do\n"
    "  suggest [--store DIR] [--since T] [--until T] [--top N] [FILE]\n"
    "        groups replies that no rule knows, and proposes rules for them\n"
    "  reload [--store DIR] [--timeout S]\n"
    "        has a running 'bouncemill run' read its rules again\n\n"
    "All but reload take\n" RULE_HELP
    "\nExit codes: 0 all right, 1 rows differ or something was found, 2 usage, or a rule or an example is wrong, 3 cannot read.\n";

int rules_main(int argc, char **argv) {
  static const struct {
    const char *word;
    int (*run)(int argc, char **argv);
  } WORDS[] = {{"list", rules_list_main},       {"test", rules_test_main},       {"lint", rules_lint_main},
               {"explain", rules_explain_main}, {"suggest", rules_suggest_main}, {"reload", rules_reload_main}};
  const char *word = argc > 1 ? argv[1] : "";
  for (size_t i = 0; i < sizeof WORDS / sizeof *WORDS; i++)
    if (strcmp(word, WORDS[i].word) == 0) return WORDS[i].run(argc - 1, argv + 1);
  if (strcmp(word, "--help") != 0 && strcmp(word, "-h") != 0)
    return command_usage("rules", "'list', 'test', 'lint', 'explain', 'suggest' or 'reload' is expected, not '%s'", word);
  fputs(HELP, stdout);
  return EXIT_OK;
}
