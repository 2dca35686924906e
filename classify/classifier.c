/* Loads rules and data, compiles them, tests them, and answers questions about them. See classify.h. */
#include "classify/classifier.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "classify/embedded.h"
#include "classify/rule_file.h"

#define RULES_PREFIX SLICE("rules/")

static const struct yaml_document *keep_document(struct classifier *c, struct yaml_document *document, struct problems *problems,
                                                 const struct error *err) {
  if (!document) {
    problems_add(problems, err);
    return NULL;
  }
  c->documents = memory_resize(c->documents, (c->document_count + 1) * sizeof *c->documents);
  c->documents[c->document_count++] = document;
  return document;
}

static const struct yaml_document *read_embedded(struct classifier *c, const char *name, struct problems *problems) {
  struct error err;
  for (size_t i = 0; i < embedded_count(); i++) {
    struct embedded_file file = embedded_file_at(i);
    if (strcmp(file.name, name) == 0) return keep_document(c, yaml_new(file.text, name, &err), problems, &err);
  }
  error_set(&err, ERROR_USAGE, "%s: not built in", name);
  problems_add(problems, &err);
  return NULL;
}

static void load_rules_file(struct classifier *c, const struct yaml_document *document, struct problems *problems) {
  if (document) rule_file_load(document, &c->data.providers, &c->rules, problems);
}

static int by_name(const void *a, const void *b) { return strcmp(*(char *const *)a, *(char *const *)b); }

static void load_embedded_rules(struct classifier *c, struct problems *problems) {
  const char **names = memory_alloc((embedded_count() + 1) * sizeof *names);
  size_t count = 0;
  for (size_t i = 0; i < embedded_count(); i++)
    if (slice_starts_with(slice_from_cstr(embedded_file_at(i).name), RULES_PREFIX)) names[count++] = embedded_file_at(i).name;
  qsort(names, count, sizeof *names, by_name);
  for (size_t i = 0; i < count; i++) load_rules_file(c, read_embedded(c, names[i], problems), problems);
  free(names);
}

static int is_rule_file(const struct dirent *entry) {
  struct slice name = slice_from_cstr(entry->d_name);
  return name.ptr[0] != '.' && slice_ends_with(name, SLICE(".yaml"));
}

static void load_rules_dir(struct classifier *c, const char *dir, struct problems *problems) {
  struct dirent **entries;
  struct error err;
  int count = scandir(dir, &entries, is_rule_file, NULL);
  if (count < 0) {
    error_set_errno(&err, ERROR_USAGE, errno, "%s: cannot read the directory of rules", dir);
    problems_add(problems, &err);
    return;
  }
  char **paths = memory_alloc(((size_t)count + 1) * sizeof *paths);
  for (int i = 0; i < count; i++) {
    struct buf path = {0};
    buf_printf(&path, "%s/%s", dir, entries[i]->d_name);
    buf_append_byte(&path, '\0');
    paths[i] = path.ptr;
    free(entries[i]);
  }
  free(entries);
  qsort(paths, (size_t)count, sizeof *paths, by_name);
  for (int i = 0; i < count; i++) {
    load_rules_file(c, keep_document(c, yaml_new_from_file(paths[i], &err), problems, &err), problems);
    free(paths[i]);
  }
  free(paths);
  if (count == 0) {
    error_set(&err, ERROR_USAGE, "%s: no .yaml file of rules in it", dir);
    problems_add(problems, &err);
  }
}

static void load_data(struct classifier *c, struct problems *problems) {
  const struct yaml_document *document = read_embedded(c, "data/providers.yaml", problems);
  if (document) data_load_providers(&c->data.providers, document, problems);
  document = read_embedded(c, "data/blocklists.yaml", problems);
  if (document) data_load_blocklists(&c->data.blocklists, document, &c->rules, problems);
  document = read_embedded(c, "data/advice.en.yaml", problems);
  if (document) data_load_advice(c->data.advice[ADVICE_en], document, problems);
  document = read_embedded(c, "data/advice.zh-CN.yaml", problems);
  if (document) data_load_advice(c->data.advice[ADVICE_zh_CN], document, problems);
}

/* Whether the word stands in most replies of accepted mail, so that it tells nothing apart. */
static bool is_common(struct slice word) {
  static const char *const WORDS[] = {"message", "mail",    "delivered", "delivery", "accepted",
                                      "queued",  "mailbox", "file",      "folder",   "for"};
  for (size_t i = 0; i < sizeof WORDS / sizeof *WORDS; i++)
    if (slice_equal(word, slice_from_cstr(WORDS[i]))) return true;
  return false;
}

/* The longest run of letters (and bytes from 0x80 on) of a literal: normalising keeps such runs whole, so a reply with the literal
 * has the run. */
static struct slice telling_word(struct slice literal) {
  struct slice best = slice_of(literal.ptr, 0);
  bool best_is_common = true;
  for (size_t i = 0; i < literal.len;) {
    size_t len = 0;
    while (i + len < literal.len && ((literal.ptr[i + len] & 0x80) || (literal.ptr[i + len] >= 'a' && literal.ptr[i + len] <= 'z')))
      len++;
    struct slice run = slice_of(literal.ptr + i, len);
    bool common = is_common(run) || len < WORD_FILTER_WORD_BYTES_MIN;
    if (best_is_common == common ? len > best.len : best_is_common) best = run, best_is_common = common;
    i += len + 1;
  }
  return best;
}

static void collect_delivered_words(struct classifier *c) {
  const struct ruleset *rules = &c->rules;
  for (size_t r = 0; r < rules->rule_count; r++) {
    const struct rule *rule = &rules->rules[r];
    if (!(rule->statuses >> STATUS_delivered & 1)) continue;
    struct range literals = rule->all.count ? (struct range){rule->all.first, 1} : rule->any;
    for (uint32_t i = 0; i < literals.count; i++)
      word_filter_add(&c->delivered_words, telling_word(rules->literals.keys[rules->literal_ids[literals.first + i]]));
  }
}

static void compile_rules(struct classifier *c, const struct classifier_options *options, struct problems *problems) {
  ruleset_sort(&c->rules);
  c->provider_is_scoped = memory_zeroed(c->data.providers.count + 1);
  for (size_t r = 0; r < c->rules.rule_count; r++)
    for (unsigned i = 0; i < c->rules.rules[r].provider_count; i++) c->provider_is_scoped[c->rules.rules[r].providers[i]] = true;
  collect_delivered_words(c);
  struct error err;
  c->matcher = matcher_new(&c->rules, options->cache_dir, &err);
  if (!c->matcher)
    problems_add(problems, &err);
  else if (!options->is_for_lint)
    self_test_run(c, problems);
}

struct classifier *classifier_new(const struct classifier_options *options, struct error *err) {
  struct classifier *c = memory_zeroed(sizeof *c);
  struct problems problems = {.lines = options->problems};
  load_data(c, &problems);
  if (!options->data_only) {
    c->rules.may_lack_examples = options->is_for_lint;
    if (options->rules_dir)
      load_rules_dir(c, options->rules_dir, &problems);
    else
      load_embedded_rules(c, &problems);
    c->rules.is_users = true;
    if (options->user_rules_dir) load_rules_dir(c, options->user_rules_dir, &problems);
    compile_rules(c, options, &problems);
  }
  if (problems.count == 0) return c;
  classifier_free(c);
  if (problems.count == 1)
    error_set(err, problems.first.kind, "%s", problems.first.text);
  else
    error_set(err, problems.first.kind, "%.900s (and %zu more; 'bouncemill rules test' shows all)", problems.first.text,
              problems.count - 1);
  return NULL;
}

void classifier_free(struct classifier *c) {
  if (!c) return;
  matcher_free(c->matcher);
  ruleset_deinit(&c->rules);
  data_deinit(&c->data);
  free(c->provider_is_scoped);
  for (size_t i = 0; i < c->document_count; i++) yaml_document_free(c->documents[i]);
  free(c->documents);
  free(c);
}
