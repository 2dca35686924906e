/* The rules and replies as engines that find a set of patterns take them.
 *
 *   DIR/patterns   a line for each rule: its regex; else its `any` texts as one alternation; else the longest of its `all` texts
 *   DIR/replies    "number of the rule that decides TAB reply", normalised; -1 where no rule decides
 *
 * So the peers need not normalise, compare codes, or find out which of many matches decides; and no case has to be ignored, as both
 * sides are lower case. That is all in their favour. */
#ifndef BENCH_PEER_FILES_H
#define BENCH_PEER_FILES_H

#include <stdio.h>

#include "classify/classifier.h"
#include "classify/normalise.h"

static void write_escaped(FILE *out, struct slice text) {
  for (size_t i = 0; i < text.len; i++) {
    if (strchr("\\.+*?()|[]{}^$", text.ptr[i])) fputc('\\', out);
    fputc(text.ptr[i], out);
  }
}

static void write_pattern(FILE *out, const struct ruleset *rules, const struct rule *rule) {
  if (rule->regex >= 0) {
    struct slice regex = rules->regexes[rule->regex];
    fprintf(out, "(?i)%.*s\n", SLICE_ARG(regex));
    return;
  }
  struct range literals = rule->any;
  if (!literals.count) {
    literals = (struct range){rule->all.first, 1};
    for (uint32_t i = rule->all.first; i < rule->all.first + rule->all.count; i++)
      if (rules->literals.keys[rules->literal_ids[i]].len > rules->literals.keys[rules->literal_ids[literals.first]].len)
        literals.first = i;
  }
  for (uint32_t i = 0; i < literals.count; i++) {
    if (i) fputc('|', out);
    write_escaped(out, rules->literals.keys[rules->literal_ids[literals.first + i]]);
  }
  fputc('\n', out);
}

static FILE *open_in(const char *dir, const char *name) {
  char path[512];
  snprintf(path, sizeof path, "%s/%s", dir, name);
  FILE *file = fopen(path, "wb");
  if (!file) perror(path), exit(3);
  return file;
}

static bool peer_files_write(const char *dir, const struct classifier *classifier, const struct delivery *deliveries,
                             size_t count) {
  const struct ruleset *rules = &classifier->rules;
  FILE *patterns = open_in(dir, "patterns"), *replies = open_in(dir, "replies");
  for (size_t i = 0; i < rules->rule_count; i++) write_pattern(patterns, rules, &rules->rules[i]);
  struct error err;
  struct classify_context *context = classify_context_new(classifier, &err);
  if (!context) return false;
  for (size_t i = 0; i < count; i++) {
    struct verdict verdict;
    char text[NORMALISED_BYTES_MAX];
    classify_deliveries(context, &deliveries[i], 1, &verdict);
    long number = -1;
    for (size_t r = 0; r < rules->rule_count && !slice_is_absent(verdict.rule); r++)
      if (slice_equal(rules->rules[r].id, verdict.rule)) number = (long)r;
    fprintf(replies, "%ld\t%.*s\n", number, (int)normalise_reply(deliveries[i].reply, text), text);
  }
  classify_context_free(context);
  bool is_written = fclose(patterns) == 0;
  return fclose(replies) == 0 && is_written;
}

#endif
