/* bouncemill rules explain: why a reply gets its verdict. */
#include <stdio.h>

#include "base/json.h"
#include "tools/command.h"
#include "tools/rules.h"
#include "tools/text_layout.h"

static const char HELP[] =
    "usage: bouncemill rules explain [OPTION]... REPLY\n\n"
    "Why REPLY gets its verdict: every rule of which a telling text stands in it, in the order in which they are tried, with file "
    "and\n"
    "line and what of it does not fit; which decides and why; what the codes alone say; the blocklist that is named; the reply as\n"
    "rules see it; and what to do.\n\n"
    "      --status STATUS  what became of the message: delivered, deferred or bounced; else by the reply's code\n"
    "      --provider ID    whose reply it is, by an id of providers.yaml\n"
    "      --mx HOST        the same by the MX host\n"
    "      --lang L         language of the advice: en (default) or zh-CN\n"
    "      --json           one JSON object\n" RULE_HELP
    "  -h, --help           this text\n\n"
    "Exit codes: 0 ok, 1 unclassified, 2 usage, or a rule is wrong.\n";

struct explain_options {
  struct rule_options rules;
  struct delivery delivery;
  const char *provider;
  struct slice language;
  bool has_status, is_json, is_help;
};

/* What the output is made of. */
struct answer {
  const struct explain_options *options;
  const struct classifier *classifier;
  struct explanation explanation;
  struct advice advice;
  bool has_blocklist;
  struct blocklist_info blocklist;
};

enum { OPTION_STATUS = 256, OPTION_PROVIDER, OPTION_MX, OPTION_LANG, OPTION_JSON };

/* ---- why --------------------------------------------------------------------------------------------------------------------- */

static bool is_winner(const struct answer *answer, const struct rule_info *rule) {
  return slice_equal(rule->id, answer->explanation.verdict.rule);
}

/* What became of a candidate, in words. */
static void describe(const struct answer *answer, const struct explain_candidate *candidate, bool is_after, struct buf *out) {
  struct rule_info rule;
  classifier_rule(answer->classifier, candidate->rule, &rule);
  bool names_it = answer->has_blocklist && slice_starts_with(rule.id, SLICE("blocklist.")) &&
                  slice_equal(slice_skip(rule.id, 10), answer->blocklist.id);
  if (candidate->misses)
    buf_printf(out, "does not fit: %s", candidate->misses);
  else if (is_winner(answer, &rule))
    buf_append_slice(out, SLICE("decides: the first that fits"));
  else if (names_it)
    buf_append_slice(out, SLICE("names the blocklist"));
  else
    buf_append_slice(out, is_after ? SLICE("fits, but comes later") : SLICE("fits"));
}

static void describe_decision(const struct answer *answer, struct buf *out) {
  const struct explanation *e = &answer->explanation;
  struct rule_info rule;
  for (size_t i = 0; i < e->count; i++) {
    classifier_rule(answer->classifier, e->candidates[i].rule, &rule);
    if (!is_winner(answer, &rule)) continue;
    buf_printf(out, "rule %.*s is the first that fits, in step '%.*s'", SLICE_ARG(rule.id), SLICE_ARG(rule.step));
    return;
  }
  switch (e->verdict.via) {
    case VIA_code: buf_append_slice(out, SLICE("no rule fits; the codes decide")); break;
    case VIA_status: buf_append_slice(out, SLICE("no rule fits; what became of the message decides")); break;
    default: buf_append_slice(out, SLICE("no rule fits, and the codes say nothing")); break;
  }
}

/* ---- text -------------------------------------------------------------------------------------------------------------------- */

static void write_line(struct buf *out, const char *label, struct slice text) {
  text_append_left(out, slice_from_cstr(label), 11);
  utf8_append_clean(out, text);
  buf_append_byte(out, '\n');
}

static void write_candidates(const struct answer *answer, struct buf *out) {
  const struct explanation *e = &answer->explanation;
  bool is_after = false;
  if (!e->count) write_line(out, "rules", SLICE("none has a text that is in it"));
  for (size_t i = 0; i < e->count; i++) {
    struct rule_info rule;
    classifier_rule(answer->classifier, e->candidates[i].rule, &rule);
    text_append_left(out, i ? SLICE("") : SLICE("rules"), 9);
    buf_append_slice(out, is_winner(answer, &rule) ? SLICE("* ") : SLICE("  "));
    buf_printf(out, "%.*s  (%.*s, %.*s, %.*s:%zu)  ", SLICE_ARG(rule.id), SLICE_ARG(cause_name(rule.cause)), SLICE_ARG(rule.step),
               SLICE_ARG(rule.file), rule.line);
    describe(answer, &e->candidates[i], is_after, out);
    buf_append_byte(out, '\n');
    is_after |= is_winner(answer, &rule);
  }
}

static void write_blocklist(const struct blocklist_info *list, struct buf *out) {
  struct buf text = {0};
  buf_printf(&text, "%.*s: %.*s (%.*s); look up: %.*s; removal: %.*s", SLICE_ARG(list->id), SLICE_ARG(list->name),
             SLICE_ARG(list->operator_name), SLICE_ARG(list->lookup_url.len ? list->lookup_url : SLICE("-")),
             SLICE_ARG(list->delist_url.len ? list->delist_url : SLICE("cannot be asked for")));
  write_line(out, "blocklist", buf_slice(&text));
  buf_deinit(&text);
}

static void write_text(const struct answer *answer, struct buf *out) {
  const struct explanation *e = &answer->explanation;
  const struct verdict *v = &e->verdict;
  struct buf text = {0};
  write_line(out, "reply", answer->options->delivery.reply);
  write_line(out, "compared", e->normalised);
  buf_printf(&text, "%.*s (group %.*s, fault %.*s): %.*s; when final: %.*s", SLICE_ARG(cause_name(v->cause)),
             SLICE_ARG(group_name(v->group)), SLICE_ARG(fault_name(v->fault)), SLICE_ARG(outcome_name(v->outcome)),
             SLICE_ARG(outcome_name(v->bounce_class)));
  write_line(out, "verdict", buf_slice(&text));
  buf_clear(&text);
  describe_decision(answer, &text);
  write_line(out, "because", buf_slice(&text));
  buf_clear(&text);
  buf_printf(&text, "%.*s", SLICE_ARG(e->code_via == VIA_code ? cause_name(e->code_cause) : SLICE("nothing")));
  write_line(out, "codes say", buf_slice(&text));
  write_line(out, "provider", v->provider.len ? v->provider : SLICE("not known"));
  if (answer->has_blocklist) write_blocklist(&answer->blocklist, out);
  write_candidates(answer, out);
  text_append_paragraph(out, SLICE("means"), answer->advice.meaning, 0, 11);
  text_append_paragraph(out, SLICE("check"), answer->advice.check, 0, 11);
  text_append_paragraph(out, SLICE("remedy"), answer->advice.remedy, 0, 11);
  text_append_paragraph(out, SLICE("prevent"), answer->advice.prevention, 0, 11);
  buf_deinit(&text);
}

/* ---- JSON -------------------------------------------------------------------------------------------------------------------- */

static void write_member(struct buf *out, const char *name, struct slice value) {
  buf_printf(out, ",\"%s\":", name);
  json_write_string_or_null(out, value);
}

static void write_json_candidates(const struct answer *answer, struct buf *out) {
  const struct explanation *e = &answer->explanation;
  buf_append_slice(out, SLICE(",\"candidates\":["));
  for (size_t i = 0; i < e->count; i++) {
    const struct explain_candidate *candidate = &e->candidates[i];
    struct rule_info rule;
    classifier_rule(answer->classifier, candidate->rule, &rule);
    buf_printf(out, "%s{\"fits\":%s,\"decides\":%s,\"line\":%zu", i ? "," : "", candidate->misses ? "false" : "true",
               is_winner(answer, &rule) ? "true" : "false", rule.line);
    write_member(out, "rule", rule.id);
    write_member(out, "cause", cause_name(rule.cause));
    write_member(out, "step", rule.step);
    write_member(out, "file", rule.file);
    write_member(out, "misses", slice_from_cstr(candidate->misses));
    buf_append_byte(out, '}');
  }
  buf_append_byte(out, ']');
}

static void write_json(const struct answer *answer, struct buf *out) {
  const struct explanation *e = &answer->explanation;
  const struct verdict *v = &e->verdict;
  struct buf because = {0};
  describe_decision(answer, &because);
  buf_append_slice(out, SLICE("{\"reply\":"));
  json_write_string(out, answer->options->delivery.reply);
  write_member(out, "compared", e->normalised);
  write_member(out, "cause", cause_name(v->cause));
  write_member(out, "group", group_name(v->group));
  write_member(out, "fault", fault_name(v->fault));
  write_member(out, "outcome", outcome_name(v->outcome));
  write_member(out, "bounce_class", outcome_name(v->bounce_class));
  write_member(out, "provider", v->provider);
  write_member(out, "rule", v->rule);
  write_member(out, "via", via_name(v->via));
  write_member(out, "because", buf_slice(&because));
  write_member(out, "code_cause", e->code_via == VIA_code ? cause_name(e->code_cause) : SLICE_ABSENT);
  write_member(out, "blocklist", v->blocklist);
  if (answer->has_blocklist) {
    write_member(out, "blocklist_name", answer->blocklist.name);
    write_member(out, "blocklist_lookup", answer->blocklist.lookup_url);
    write_member(out, "blocklist_removal", answer->blocklist.delist_url);
  }
  write_json_candidates(answer, out);
  buf_append_slice(out, SLICE(",\"advice\":{\"language\":"));
  json_write_string(out, answer->options->language);
  write_member(out, "meaning", answer->advice.meaning);
  write_member(out, "check", answer->advice.check);
  write_member(out, "remedy", answer->advice.remedy);
  write_member(out, "prevention", answer->advice.prevention);
  buf_append_slice(out, SLICE("}}\n"));
  buf_deinit(&because);
}

/* ---- the command ------------------------------------------------------------------------------------------------------------- */

/* The host of `address`'s mail, for a recipient by whose domain the provider is known. */
static bool set_provider(struct explain_options *options, const struct classifier *classifier, struct buf *recipient,
                         struct error *err) {
  struct slice mx_host, domain;
  if (!options->provider) return true;
  classifier_provider_signs(classifier, slice_from_cstr(options->provider), &mx_host, &domain);
  if (slice_is_absent(mx_host) && slice_is_absent(domain))
    return error_set(err, ERROR_USAGE, "--provider: '%s' is not in providers.yaml", options->provider);
  if (mx_host.len) {
    options->delivery.relay_host = mx_host;
    return true;
  }
  buf_printf(recipient, "x@%.*s", SLICE_ARG(domain));
  options->delivery.recipient = buf_slice(recipient);
  return true;
}

static bool explain(struct explain_options *options, const struct classifier *classifier, struct classify_context *context,
                    bool *is_known, struct error *err) {
  struct answer answer = {.options = options, .classifier = classifier};
  struct buf recipient = {0}, out = {0};
  bool is_done = set_provider(options, classifier, &recipient, err);
  if (is_done) {
    classify_explain(context, &options->delivery, &answer.explanation);
    const struct verdict *v = &answer.explanation.verdict;
    classifier_advice(classifier, v->cause, options->language, &answer.advice);
    answer.has_blocklist = v->blocklist.len && classifier_blocklist(classifier, v->blocklist, &answer.blocklist);
    *is_known = v->cause != CAUSE_unclassified;
    (options->is_json ? write_json : write_text)(&answer, &out);
    is_done = command_write(buf_slice(&out), err);
  }
  explanation_deinit(&answer.explanation);
  buf_deinit(&recipient);
  buf_deinit(&out);
  return is_done;
}

static int explain_reply(struct explain_options *options) {
  struct error err;
  bool is_known = false;
  struct classifier *classifier = rule_options_load(&options->rules, false, NULL, &err);
  struct classify_context *context = classifier ? classify_context_new(classifier, &err) : NULL;
  bool is_done = context && explain(options, classifier, context, &is_known, &err);
  classify_context_free(context);
  classifier_free(classifier);
  if (!is_done) return command_fail(&err);
  return is_known ? EXIT_OK : EXIT_FINDINGS;
}

static int take_option(struct explain_options *options, int option, const char *value) {
  switch (option) {
    case 'h': options->is_help = true; return EXIT_OK;
    case OPTION_JSON: options->is_json = true; return EXIT_OK;
    case OPTION_PROVIDER: options->provider = value; return EXIT_OK;
    case OPTION_MX: options->delivery.relay_host = slice_from_cstr(value); return EXIT_OK;
    case OPTION_STATUS:
      options->has_status = true;
      if (status_from_name(slice_from_cstr(value), &options->delivery.status) && options->delivery.status <= STATUS_bounced)
        return EXIT_OK;
      return command_usage("rules explain", "--status: '%s' is none of delivered, deferred, bounced", value);
    case OPTION_LANG:
      options->language = slice_from_cstr(value);
      if (slice_equal(options->language, SLICE("en")) || slice_equal(options->language, SLICE("zh-CN"))) return EXIT_OK;
      return command_usage("rules explain", "--lang: '%s' is neither en nor zh-CN", value);
    default: rule_options_take(&options->rules, option, value); return EXIT_OK;
  }
}

int rules_explain_main(int argc, char **argv) {
  static const struct option LONG[] = {{"status", required_argument, NULL, OPTION_STATUS},
                                       {"provider", required_argument, NULL, OPTION_PROVIDER},
                                       {"mx", required_argument, NULL, OPTION_MX},
                                       {"lang", required_argument, NULL, OPTION_LANG},
                                       {"json", no_argument, NULL, OPTION_JSON},
                                       {"help", no_argument, NULL, 'h'},
                                       RULE_LONG_OPTIONS,
                                       {0}};
  struct explain_options options = {.language = SLICE("en")};
  delivery_init(&options.delivery);
  optind = 0;
  for (int option; (option = getopt_long(argc, argv, ":h", LONG, NULL)) != -1;) {
    if (option == ':' || option == '?') return command_bad_option("rules explain", option, argv[optind - 1]);
    int code = take_option(&options, option, optarg);
    if (code) return code;
  }
  if (options.is_help) {
    fputs(HELP, stdout);
    return EXIT_OK;
  }
  if (argc - optind != 1) return command_usage("rules explain", "one REPLY is expected, in quotes");
  struct delivery *d = &options.delivery;
  struct slice said_by;
  d->reply = reply_unwrap(slice_from_cstr(argv[optind]), &said_by);
  if (slice_is_absent(d->relay_host)) d->relay_host = said_by;
  reply_read_codes(d->reply, &d->smtp_code, &d->dsn);
  unsigned class = d->smtp_code / 100;
  if (!options.has_status) d->status = class == 2 ? STATUS_delivered : class == 4 ? STATUS_deferred : STATUS_bounced;
  return explain_reply(&options);
}
