/* YAML to struct rule, key by key. See rule_file.h. */
#include "classify/rule_file.h"

#include <hs.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/buf.h"
#include "classify/normalise.h"

#define EXAMPLES_MIN 2
#define COUNTER_EXAMPLES_MIN 1

/* What reading a rule needs. Every function of this file that takes it returns false with `err` naming the line. */
struct reader {
  struct ruleset *set;
  const struct provider_table *providers;
  struct yaml_node scope; /* of the file: `provider`, or absent */
  struct slice file;
  struct rule *rule;
  struct error err;
};

bool rule_lower_literal(struct slice literal, char *out, struct error *err) {
  char normal[NORMALISED_BYTES_MAX];
  if (literal.len == 0 || literal.len > LIMIT_REPLY_BYTES / 2)
    return error_set(err, ERROR_USAGE, "a literal has 1 to %u bytes", LIMIT_REPLY_BYTES / 2);
  for (size_t i = 0; i < literal.len; i++) out[i] = ascii_lower(literal.ptr[i]);
  size_t len = normalise_reply(literal, normal);
  if (slice_equal(slice_trim(slice_of(out, literal.len)), slice_of(normal, len))) return true;
  return error_set(err, ERROR_USAGE, "'%.*s' can't be found: replies are compared as '%.*s'", SLICE_ARG(literal), (int)len, normal);
}

bool rule_text_can_be_found(struct slice text) {
  char lowered[LIMIT_REPLY_BYTES];
  struct error err;
  return rule_lower_literal(text, lowered, &err);
}

/* The node as a list of scalars: a single scalar is a list of one. */
static size_t list_count(struct yaml_node node) { return yaml_is_scalar(node) ? 1 : yaml_count(node); }
static struct yaml_node list_item(struct yaml_node node, size_t i) { return yaml_is_scalar(node) ? node : yaml_item(node, i); }

static bool check_list(struct reader *r, struct yaml_node node, const char *key, size_t most) {
  if (yaml_is_map(node)) return yaml_error(node, &r->err, "%s: a list is expected", key);
  if (list_count(node) > most) return yaml_error(node, &r->err, "%s: at most %zu", key, most);
  for (size_t i = 0; i < list_count(node); i++)
    if (!yaml_is_scalar(list_item(node, i))) return yaml_error(list_item(node, i), &r->err, "%s: a text is expected", key);
  return true;
}

static bool read_literals(struct reader *r, struct yaml_node map, const char *key, struct range *into) {
  struct yaml_node list = yaml_get(map, key);
  if (!check_list(r, list, key, 1000)) return false;
  for (size_t i = 0; i < list_count(list); i++) {
    char lowered[LIMIT_REPLY_BYTES];
    struct slice text = yaml_text(list_item(list, i));
    struct error err;
    if (!rule_lower_literal(text, lowered, &err)) return yaml_error(list_item(list, i), &r->err, "%s: %s", key, err.text);
    ruleset_add_literal(r->set, into, slice_of(lowered, text.len));
  }
  return true;
}

static bool read_regex(struct reader *r, struct yaml_node map) {
  struct yaml_node node = yaml_get(map, "regex");
  if (yaml_is_absent(node)) return true;
  if (!yaml_is_scalar(node)) return yaml_error(node, &r->err, "regex: a text is expected");
  struct slice text = yaml_text(node);
  if (memchr(text.ptr, 0, text.len)) return yaml_error(node, &r->err, "regex: has a NUL byte");
  hs_expr_info_t *info = NULL;
  hs_compile_error_t *problem = NULL;
  if (hs_expression_info(text.ptr, HS_FLAG_CASELESS, &info, &problem) != HS_SUCCESS) {
    yaml_error(node, &r->err, "regex: %s", problem ? problem->message : "refused");
    hs_free_compile_error(problem);
    return false;
  }
  bool matches_empty = info->min_width == 0;
  free(info);
  if (matches_empty) return yaml_error(node, &r->err, "regex: matches the empty text");
  struct ruleset *set = r->set;
  if (set->regex_count == set->regex_cap) {
    set->regex_cap = set->regex_cap ? set->regex_cap * 2 : 64;
    set->regexes = memory_resize(set->regexes, set->regex_cap * sizeof *set->regexes);
  }
  r->rule->regex = (int32_t)set->regex_count;
  set->regexes[set->regex_count++] = text;
  return true;
}

static bool read_smtp(struct reader *r, struct yaml_node map) {
  struct yaml_node list = yaml_get(map, "smtp");
  if (!check_list(r, list, "smtp", RULE_SMTP_MAX)) return false;
  for (size_t i = 0; i < list_count(list); i++) {
    struct slice text = yaml_text(list_item(list, i));
    bool is_code = text.len == 3 && text.ptr[0] >= '2' && text.ptr[0] <= '5';
    if (is_code && slice_equal(slice_skip(text, 1), SLICE("xx"))) {
      r->rule->smtp[r->rule->smtp_count++] = (uint16_t)(text.ptr[0] - '0');
    } else if (is_code && ascii_is_digit(text.ptr[1]) && ascii_is_digit(text.ptr[2])) {
      unsigned value = (unsigned)(text.ptr[0] - '0') * 100 + (unsigned)(text.ptr[1] - '0') * 10 + (unsigned)(text.ptr[2] - '0');
      r->rule->smtp[r->rule->smtp_count++] = (uint16_t)value;
    } else {
      return yaml_error(list_item(list, i), &r->err, "smtp: '%.*s' is no reply code (550 or 5xx)", SLICE_ARG(text));
    }
  }
  return true;
}

/* One part of "5.7.x": a number of up to three digits, or x. */
static bool read_dsn_part(struct slice part, uint16_t *out) {
  if (slice_equal(part, SLICE("x"))) {
    *out = DSN_ANY;
    return true;
  }
  if (part.len < 1 || part.len > 3) return false;
  unsigned value = 0;
  for (size_t i = 0; i < part.len; i++) {
    if (!ascii_is_digit(part.ptr[i])) return false;
    value = value * 10 + (unsigned)(part.ptr[i] - '0');
  }
  *out = (uint16_t)value;
  return true;
}

static bool read_dsn(struct reader *r, struct yaml_node map) {
  struct yaml_node list = yaml_get(map, "dsn");
  if (!check_list(r, list, "dsn", RULE_DSN_MAX)) return false;
  for (size_t i = 0; i < list_count(list); i++) {
    struct slice rest = yaml_text(list_item(list, i)), parts[3];
    size_t count = 0;
    for (; count < 3; count++) {
      size_t dot = count < 2 ? slice_find_byte(rest, '.') : rest.len;
      parts[count] = slice_of(rest.ptr, dot);
      rest = slice_skip(rest, dot + 1);
    }
    struct dsn_code *dsn = &r->rule->dsn[r->rule->dsn_count++];
    if (!read_dsn_part(parts[0], &dsn->class) || !read_dsn_part(parts[1], &dsn->subject) || !read_dsn_part(parts[2], &dsn->detail))
      return yaml_error(list_item(list, i), &r->err, "dsn: '%.*s' is no enhanced status code (5.1.1, 5.1.x, x.7.x)",
                        SLICE_ARG(yaml_text(list_item(list, i))));
  }
  return true;
}

static bool read_statuses(struct reader *r, struct yaml_node map) {
  struct yaml_node list = yaml_get(map, "status");
  if (!check_list(r, list, "status", STATUS_COUNT)) return false;
  for (size_t i = 0; i < list_count(list); i++) {
    enum status status;
    if (!status_from_name(yaml_text(list_item(list, i)), &status) || status == STATUS_expired)
      return yaml_error(list_item(list, i), &r->err, "status: '%.*s' is none of delivered, deferred, bounced, rejected",
                        SLICE_ARG(yaml_text(list_item(list, i))));
    r->rule->statuses |= (uint16_t)(1u << status);
  }
  if (!r->rule->statuses) r->rule->statuses = (uint16_t) ~(1u << STATUS_delivered);
  bool is_delivered = r->rule->statuses & 1u << STATUS_delivered;
  bool is_accepting = CAUSES[r->rule->cause].outcome == OUTCOME_delivered || CAUSES[r->rule->cause].outcome == OUTCOME_silent;
  if (is_delivered && (r->rule->statuses != 1u << STATUS_delivered || !is_accepting))
    return yaml_error(list, &r->err, "status: delivered stands alone, with a cause that accepts");
  if (!is_delivered && is_accepting)
    return yaml_error(yaml_get(map, "cause"), &r->err, "cause: '%.*s' needs status: [delivered]",
                      SLICE_ARG(cause_name(r->rule->cause)));
  return true;
}

static bool read_services(struct reader *r, struct yaml_node map) {
  struct yaml_node list = yaml_get(map, "service");
  if (!check_list(r, list, "service", SERVICES_MAX)) return false;
  for (size_t i = 0; i < list_count(list); i++) {
    struct slice name = yaml_text(list_item(list, i));
    unsigned class = ruleset_service_class(r->set, name);
    if (!class) {
      if (r->set->service_count == SERVICES_MAX)
        return yaml_error(list, &r->err, "service: rules name at most %d services", SERVICES_MAX);
      r->set->services[r->set->service_count++] = name;
      class = (unsigned)r->set->service_count;
    }
    r->rule->services |= (uint16_t)(1u << class);
  }
  return true;
}

static bool read_provider(struct reader *r) {
  if (yaml_is_absent(r->scope)) return true;
  if (!check_list(r, r->scope, "provider", RULE_PROVIDERS_MAX)) return false;
  for (size_t i = 0; i < list_count(r->scope); i++) {
    struct slice id = yaml_text(list_item(r->scope, i));
    uint32_t number;
    if (!string_table_find(&r->providers->by_id, id, &number))
      return yaml_error(list_item(r->scope, i), &r->err, "provider: '%.*s' is not in providers.yaml", SLICE_ARG(id));
    r->rule->providers[r->rule->provider_count++] = (uint16_t)number;
  }
  if (r->rule->provider_count) r->rule->provider = yaml_text(list_item(r->scope, 0));
  return true;
}

static bool read_examples(struct reader *r, struct yaml_node map, const char *key, size_t least, struct range *into) {
  struct yaml_node list = yaml_get(map, key);
  if (r->set->may_lack_examples) least = 0;
  if (!check_list(r, list, key, 1000)) return false;
  if (list_count(list) < least) return yaml_error(yaml_is_absent(list) ? map : list, &r->err, "%s: at least %zu", key, least);
  struct ruleset *set = r->set;
  *into = (struct range){(uint32_t)set->example_count, (uint32_t)list_count(list)};
  for (size_t i = 0; i < list_count(list); i++) {
    if (set->example_count == set->example_cap) {
      set->example_cap = set->example_cap ? set->example_cap * 2 : 1024;
      set->examples = memory_resize(set->examples, set->example_cap * sizeof *set->examples);
    }
    set->examples[set->example_count++] = (struct example){yaml_text(list_item(list, i)), yaml_line(list_item(list, i))};
  }
  return true;
}

static bool read_tier(struct reader *r, struct yaml_node map) {
  struct yaml_node before = yaml_get(map, "before");
  r->rule->names_no_listing = !yaml_is_absent(before);
  if (r->rule->names_no_listing && !slice_equal(yaml_text(before), SLICE("blocklists")))
    return yaml_error(before, &r->err, "before: only 'blocklists' is known");
  if (r->rule->provider_count)
    r->rule->tier = TIER_PROVIDER;
  else
    r->rule->tier = r->rule->names_no_listing ? TIER_BEFORE : TIER_GENERAL;
  return true;
}

static bool read_conditions(struct reader *r, struct yaml_node map) {
  struct rule *rule = r->rule;
  struct yaml_node cause = yaml_get(map, "cause");
  if (!yaml_is_scalar(cause)) return yaml_error(map, &r->err, "cause: missing");
  if (!cause_from_name(yaml_text(cause), &rule->cause))
    return yaml_error(cause, &r->err, "cause: '%.*s' is not in the taxonomy", SLICE_ARG(yaml_text(cause)));
  if (!read_literals(r, map, "all", &rule->all) || !read_literals(r, map, "any", &rule->any)) return false;
  if (!read_literals(r, map, "none", &rule->none)) return false;
  if (rule->all.count + rule->any.count == 0) return yaml_error(map, &r->err, "a literal in 'all' or 'any' is needed");
  return read_regex(r, map) && read_smtp(r, map) && read_dsn(r, map) && read_statuses(r, map) && read_services(r, map) &&
         read_provider(r) && read_tier(r, map) && read_examples(r, map, "examples", EXAMPLES_MIN, &rule->examples) &&
         read_examples(r, map, "not", COUNTER_EXAMPLES_MIN, &rule->counter_examples);
}

/* *replaced: the rule of the program in whose place this one is to stand; -1: none. */
static bool read_id(struct reader *r, struct yaml_node map, struct slice *out, int64_t *replaced) {
  struct yaml_node id = yaml_get(map, "id");
  if (!yaml_is_map(map)) return yaml_error(map, &r->err, "a rule is expected");
  if (!yaml_is_scalar(id)) return yaml_error(map, &r->err, "id: missing");
  *out = yaml_text(id);
  bool is_good = out->len > 0 && out->len <= 64;
  for (size_t i = 0; is_good && i < out->len; i++) {
    char c = out->ptr[i];
    is_good = (c >= 'a' && c <= 'z') || ascii_is_digit(c) || c == '.' || c == '-' || c == '_';
  }
  if (!is_good) return yaml_error(id, &r->err, "id: up to 64 of a-z 0-9 . - _");
  *replaced = -1;
  uint32_t other;
  if (!string_table_find(&r->set->ids, *out, &other)) return true;
  const struct rule *taken = &r->set->rules[other];
  *replaced = (int64_t)other;
  if (r->set->is_users && !taken->is_users) return true;
  return yaml_error(id, &r->err, "id: '%.*s' is taken already, in line %zu of %.*s", SLICE_ARG(*out), taken->line,
                    SLICE_ARG(taken->file));
}

/* The rule that was read last goes to its place: that of rule `replaced`, or where it is (-1). */
static void place_rule(struct ruleset *set, int64_t replaced) {
  struct rule *rule = &set->rules[set->rule_count - 1];
  rule->is_users = set->is_users;
  rule->comes_first = set->is_users && replaced < 0;
  if (replaced < 0)
    string_table_add(&set->ids, rule->id, (uint32_t)set->rule_count - 1);
  else
    set->rules[replaced] = set->rules[--set->rule_count];
}

static bool read_rule(struct reader *r, struct yaml_node map) {
  static const char *const KEYS[] = {"id",   "cause", "before", "all",     "any",      "none", "regex",
                                     "smtp", "dsn",   "status", "service", "examples", "not",  NULL};
  struct slice id;
  int64_t replaced = -1;
  if (!read_id(r, map, &id, &replaced)) return false;
  struct error err;
  bool done = yaml_check_keys(map, KEYS, &r->err);
  if (done) {
    r->rule = ruleset_add(r->set);
    if (!r->rule) return yaml_error(map, &r->err, "more than %d rules", RULES_MAX);
    r->rule->id = id, r->rule->file = r->file, r->rule->line = yaml_line(map);
    done = read_conditions(r, map);
    if (done) {
      place_rule(r->set, replaced);
      return true;
    }
    r->set->rule_count--;
  }
  /* "file:line: what" becomes "file:line: rule id: what". */
  struct slice text = slice_from_cstr(r->err.text);
  size_t place = slice_find(text, SLICE(": "));
  error_set(&err, ERROR_USAGE, "%.*s: rule %.*s%.*s", (int)place, text.ptr, SLICE_ARG(id), SLICE_ARG(slice_skip(text, place)));
  r->err = err;
  return false;
}

void rule_file_load(const struct yaml_document *document, const struct provider_table *providers, struct ruleset *set,
                    struct problems *problems) {
  static const char *const KEYS[] = {"provider", "rules", NULL};
  struct yaml_node root = yaml_root(document), rules = yaml_get(root, "rules");
  struct reader r = {.set = set, .providers = providers, .scope = yaml_get(root, "provider")};
  r.file = slice_from_cstr(yaml_name(root));
  if (yaml_is_absent(root)) return;
  bool is_good = yaml_is_map(root) ? yaml_check_keys(root, KEYS, &r.err) : yaml_error(root, &r.err, "'rules:' is expected");
  if (is_good && !yaml_is_list(rules)) is_good = yaml_error(root, &r.err, "'rules:' with a list is expected");
  if (!is_good) {
    problems_add(problems, &r.err);
    return;
  }
  for (size_t i = 0; i < yaml_count(rules); i++)
    if (!read_rule(&r, yaml_item(rules, i))) problems_add(problems, &r.err);
}
