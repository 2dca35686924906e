/* The report for a terminal of 80 columns: totals, why, what to do, who. Worst first. */
#include <stdio.h>

#include "base/clock.h"
#include "tools/report.h"
#include "tools/text_layout.h"

/* Causes that are told with samples and advice. */
#define ADVICE_MAX 5
#define SAMPLES_MAX 2

static void append_text(struct buf *out, const char *text) { buf_append(out, text, strlen(text)); }

static void append_time(struct buf *out, int64_t time_us) {
  char text[32];
  clock_format_rfc3339(time_us, text);
  text[10] = ' ';
  buf_append(out, text, 16); /* to the minute */
}

static void append_head(const struct report *report, const struct report_view *view, struct buf *out) {
  append_text(out, "DELIVERY REPORT  ");
  if (report->from_us == TIME_US_ABSENT) {
    append_text(out, "no deliveries");
  } else {
    append_time(out, report->from_us);
    append_text(out, " to ");
    append_time(out, report->to_us);
    append_text(out, " UTC");
  }
  append_text(out, "\nstore            ");
  text_append_cut(out, slice_from_cstr(view->store_dir), TEXT_WIDTH - 17);
  append_text(out, "\n\n");
}

static void append_number(struct buf *out, const char *name, uint64_t value, bool ends_line) {
  append_text(out, "  ");
  text_append_left(out, slice_from_cstr(name), 9);
  text_append_count(out, value, 14);
  append_text(out, ends_line ? "\n" : "");
}

static void append_totals(const struct report *report, struct buf *out) {
  static const char *const LABELS[RATE_COUNT] = {"deferral rate", "bounce rate", "hard rate", "block rate"};
  const struct counters *c = &report->totals;
  append_number(out, "attempts", counters_attempts(c), false);
  append_number(out, "deferred", c->deferred, false);
  append_number(out, "expired", c->expired, true);
  append_number(out, "delivered", c->delivered, false);
  append_number(out, "bounced", c->bounced, false);
  append_number(out, "rejected", c->rejected, true);
  append_number(out, "silent", c->silent, false);
  append_number(out, "hard", c->hard, false);
  append_number(out, "soft", c->soft, true);
  append_text(out, "\n");
  struct rate rates[RATE_COUNT];
  counters_rates(c, rates);
  for (unsigned i = 0; i < RATE_COUNT; i++) {
    double low, high;
    rate_interval(&rates[i], &low, &high);
    append_text(out, "  ");
    text_append_left(out, slice_from_cstr(LABELS[i]), 14);
    text_append_percent(out, rates[i].numerator, rates[i].denominator, 9);
    append_text(out, "  = ");
    text_append_count(out, rates[i].numerator, 0);
    append_text(out, " of ");
    text_append_count(out, rates[i].denominator, 0);
    if (rates[i].denominator) buf_printf(out, "  (95 %%: %.2f-%.2f %%)", low * 100, high * 100);
    append_text(out, "\n");
  }
}

/* Causes of what did not arrive; "accepted" is none. */
static bool is_failure(const struct tally_entry *entry) {
  return counters_failures(&entry->counters) > 0 || entry->counters.silent > 0;
}

static struct slice fault_of(struct slice name) {
  enum cause cause;
  return cause_from_name(name, &cause) ? fault_name(CAUSES[cause].fault) : SLICE("");
}

static void append_causes(const struct report *report, size_t top, struct buf *out) {
  const struct tally *causes = &report->lists[REPORT_BY_cause];
  uint64_t all = counters_failures(&report->totals) + report->totals.silent;
  append_text(out, "\nWHY                 fault           deferred   bounced  expired rejected   share\n");
  size_t shown = 0;
  for (size_t i = 0; i < causes->count && shown < top; i++) {
    const struct tally_entry *entry = &causes->entries[i];
    const struct counters *c = &entry->counters;
    if (!is_failure(entry)) continue;
    text_append_left(out, entry->key, 20); /* the longest cause has 19 */
    text_append_left(out, fault_of(entry->key), 14);
    text_append_count(out, c->deferred, 10);
    text_append_count(out, c->bounced, 10);
    text_append_count(out, c->expired, 9);
    text_append_count(out, c->rejected, 9);
    text_append_percent(out, counters_failures(c) + c->silent, all, 8);
    append_text(out, "\n");
    shown++;
  }
  if (!shown) append_text(out, "  nothing was refused\n");
}

/* The length of the codes at p, with the blank behind them: "550-5.1.1 ", "550 "; 0 when it is another reply code than `code`. */
static size_t codes_len(const char *p, const char *end, const char *code) {
  if (end - p < 4 || memcmp(p, code, 3) != 0 || (p[3] != '-' && p[3] != ' ')) return 0;
  const char *at = p + 4;
  while (at < end && (ascii_is_digit(*at) || *at == '.')) at++;
  bool has_enhanced_code = at > p + 4 && at < end && *at == ' ' && memchr(p + 4, '.', (size_t)(at - p - 4));
  return (size_t)((has_enhanced_code ? at + 1 : p + 4) - p);
}

/* A reply of several lines as one text: the codes that open each of its lines stand once. What was cut when it was kept ends with "...". */
static void append_reply(struct slice reply, struct buf *out) {
  const char *p = reply.ptr, *end = p + reply.len, *code = p;
  bool has_lines = reply.len > 4 && p[3] == '-' && ascii_is_digit(p[0]) && ascii_is_digit(p[1]) && ascii_is_digit(p[2]);
  for (const char *begin = p; p < end; p++) {
    size_t len = has_lines && p > begin && p[-1] == ' ' ? codes_len(p, end, code) : 0;
    if (len) p += len;
    if (p < end) buf_append_byte(out, has_lines && p == begin + 3 ? ' ' : *p);
  }
  if (reply.len >= LIMIT_TEMPLATE_BYTES - 3) buf_append(out, "...", 3);
}

static void append_sample(const struct tally_entry *entry, struct buf *out) {
  struct report_sample sample = report_sample_of(entry);
  struct buf said = {0};
  text_append_count(&said, entry->counters.bounced, 0);
  append_text(&said, " x ");
  if (sample.provider.len) buf_printf(&said, "%.*s: ", SLICE_ARG(sample.provider));
  append_reply(entry->note, &said);
  text_append_paragraph(out, SLICE("said"), buf_slice(&said), 3, 12);
  buf_deinit(&said);
}

/* For what expired: the causes of the last attempts. */
static void append_last_causes(const struct report *report, struct buf *out) {
  struct buf text = {0};
  for (size_t i = 0; i < report->last_causes.count; i++) {
    const struct tally_entry *entry = &report->last_causes.entries[i];
    buf_printf(&text, "%s%.*s ", i ? ", " : "", SLICE_ARG(entry->key));
    text_append_count(&text, entry->counters.expired, 0);
  }
  if (text.len) text_append_paragraph(out, SLICE("last"), buf_slice(&text), 3, 12);
  buf_deinit(&text);
}

static void append_advice(const struct report *report, const struct report_view *view, const struct classifier *classifier,
                          struct buf *out) {
  const struct tally *causes = &report->lists[REPORT_BY_cause];
  size_t shown = 0;
  for (size_t i = 0; i < causes->count && shown < ADVICE_MAX && shown < view->top; i++) {
    const struct tally_entry *entry = &causes->entries[i], *samples[SAMPLES_MAX];
    struct advice advice;
    enum cause cause;
    if (!is_failure(entry) || !cause_from_name(entry->key, &cause)) continue;
    if (!classifier_advice(classifier, cause, view->language, &advice)) continue;
    if (!shown++) append_text(out, "\nWHAT TO DO\n");
    buf_printf(out, "%zu. %.*s\n", shown, SLICE_ARG(entry->key));
    size_t count = report_samples(report, entry->key, samples, SAMPLES_MAX);
    for (size_t s = 0; s < count; s++) append_sample(samples[s], out);
    if (cause == CAUSE_expired) append_last_causes(report, out);
    text_append_paragraph(out, SLICE("means"), advice.meaning, 3, 12);
    text_append_paragraph(out, SLICE("check"), advice.check, 3, 12);
    text_append_paragraph(out, SLICE("remedy"), advice.remedy, 3, 12);
    text_append_paragraph(out, SLICE("prevent"), advice.prevention, 3, 12);
  }
}

static struct slice shown_key(enum report_list list, struct slice key) {
  if (key.len) return key;
  switch (list) {
    case REPORT_BY_sender_domain: return SLICE("(null sender or unknown)");
    case REPORT_BY_source: return SLICE("(unknown: see 'sources' in config)");
    default: return SLICE("(none)");
  }
}

static void append_list(const struct report *report, enum report_list list, const char *title, size_t top, struct buf *out) {
  const struct tally *tally = &report->lists[list];
  if (!tally->count) return;
  append_text(out, "\n");
  text_append_left(out, slice_from_cstr(title), 34);
  append_text(out, "   attempts deferral  bounce    hard   block\n");
  for (size_t i = 0; i < tally->count && i < top; i++) {
    const struct tally_entry *entry = &tally->entries[i];
    struct rate rates[RATE_COUNT];
    counters_rates(&entry->counters, rates);
    text_append_left(out, shown_key(list, entry->key), 34);
    text_append_count(out, counters_attempts(&entry->counters), 12);
    for (unsigned r = 0; r < RATE_COUNT; r++) text_append_percent(out, rates[r].numerator, rates[r].denominator, r ? 8 : 9);
    append_text(out, "\n");
  }
  if (tally->count > top) buf_printf(out, "  and %zu more; --top shows more, --json all\n", tally->count - top);
}

void report_write_text(const struct report *report, const struct report_view *view, const struct classifier *classifier,
                       struct buf *out) {
  static const char *const TITLES[REPORT_LIST_COUNT] = {"RECIPIENT DOMAINS", "SENDER DOMAINS", "SOURCES", "PROVIDERS", ""};
  static const enum report_list ORDER[] = {REPORT_BY_provider, REPORT_BY_recipient_domain, REPORT_BY_sender_domain,
                                           REPORT_BY_source};
  append_head(report, view, out);
  append_totals(report, out);
  if (view->has_list[REPORT_BY_cause]) {
    append_causes(report, view->top, out);
    append_advice(report, view, classifier, out);
  }
  for (size_t i = 0; i < sizeof ORDER / sizeof *ORDER; i++)
    if (view->has_list[ORDER[i]]) append_list(report, ORDER[i], TITLES[ORDER[i]], view->top, out);
  if (report->damaged_segments)
    buf_printf(out, "\n%zu damaged segments were left out; see 'bouncemill doctor'\n", report->damaged_segments);
}
