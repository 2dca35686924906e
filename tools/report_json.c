/* The report as one JSON object. docs/cli.md describes it. */
#include <inttypes.h>

#include "base/clock.h"
#include "base/json.h"
#include "tools/report.h"

#define SAMPLES_MAX 3

static void write_count(struct buf *out, const char *name, uint64_t value) { buf_printf(out, ",\"%s\":%" PRIu64, name, value); }

static void write_rates(struct buf *out, const struct counters *counters) {
  struct rate rates[RATE_COUNT];
  counters_rates(counters, rates);
  for (unsigned i = 0; i < RATE_COUNT; i++) {
    buf_printf(out, ",\"%s\":", rates[i].name);
    rate_write_json(&rates[i], out);
  }
  for (unsigned i = 0; i < RATE_COUNT; i++) {
    double low, high;
    rate_interval(&rates[i], &low, &high);
    buf_printf(out, ",\"%s_interval\":", rates[i].name);
    if (!rates[i].denominator) {
      buf_append(out, "null", 4);
      continue;
    }
    buf_append_byte(out, '[');
    json_write_double(out, low);
    buf_append_byte(out, ',');
    json_write_double(out, high);
    buf_append_byte(out, ']');
  }
}

/* Members of an object, each with a comma in front. */
static void write_counters(struct buf *out, const struct counters *c) {
  write_count(out, "attempts", counters_attempts(c));
  write_count(out, "delivered", c->delivered);
  write_count(out, "deferred", c->deferred);
  write_count(out, "bounced", c->bounced);
  write_count(out, "expired", c->expired);
  write_count(out, "rejected", c->rejected);
  write_count(out, "hard", c->hard);
  write_count(out, "soft", c->soft);
  write_count(out, "silent", c->silent);
  write_count(out, "finals", counters_finals(c));
  write_count(out, "blocked", c->blocked);
  write_count(out, "bytes", c->bytes);
  write_rates(out, c);
}

static void write_reach(struct buf *out, struct report_reach reach) {
  write_count(out, "recipients", reach.recipients);
  write_count(out, "hard_recipients", reach.hard_recipients);
}

static void write_samples(const struct report *report, struct slice cause, struct buf *out) {
  const struct tally_entry *samples[SAMPLES_MAX];
  size_t count = report_samples(report, cause, samples, SAMPLES_MAX);
  buf_append(out, ",\"samples\":[", 12);
  for (size_t i = 0; i < count; i++) {
    struct report_sample sample = report_sample_of(samples[i]);
    buf_printf(out, "%s{\"count\":%" PRIu64 ",\"provider\":", i ? "," : "", samples[i]->counters.bounced);
    json_write_string(out, sample.provider);
    buf_append(out, ",\"rule\":", 8);
    json_write_string(out, sample.rule);
    buf_append(out, ",\"template\":", 12);
    json_write_string(out, sample.template);
    buf_append(out, ",\"example\":", 11);
    json_write_string(out, samples[i]->note);
    buf_append_byte(out, '}');
  }
  buf_append_byte(out, ']');
}

/* Replies are counted when they come, at the deferral; what expired has the causes of its last attempts instead. */
static void write_last_causes(const struct report *report, struct buf *out) {
  buf_append(out, ",\"last_causes\":{", 16);
  for (size_t i = 0; i < report->last_causes.count; i++) {
    const struct tally_entry *entry = &report->last_causes.entries[i];
    if (i) buf_append_byte(out, ',');
    json_write_string(out, entry->key);
    buf_printf(out, ":%" PRIu64, entry->counters.expired);
  }
  buf_append_byte(out, '}');
}

static void write_list(const struct report *report, enum report_list list, size_t top, struct buf *out) {
  const struct tally *tally = &report->lists[list];
  buf_printf(out, ",\n\"%.*s\":[", SLICE_ARG(report_list_name(list)));
  for (size_t i = 0; i < tally->count && i < top; i++) {
    buf_append(out, i ? ",\n{\"key\":" : "\n{\"key\":", i ? 9 : 8);
    json_write_string(out, tally->entries[i].key);
    write_counters(out, &tally->entries[i].counters);
    if (list == REPORT_BY_sender_domain) write_reach(out, report_reach_of(&report->reaches, tally->entries[i].key));
    if (list == REPORT_BY_cause) write_samples(report, tally->entries[i].key, out);
    if (list == REPORT_BY_cause && slice_equal(tally->entries[i].key, SLICE("expired"))) write_last_causes(report, out);
    buf_append_byte(out, '}');
  }
  buf_append_byte(out, ']');
}

static void write_time(struct buf *out, int64_t time_us) {
  char text[32];
  if (time_us == TIME_US_ABSENT)
    buf_append(out, "null", 4);
  else
    json_write_string(out, slice_of(text, clock_format_rfc3339(time_us, text)));
}

void report_write_json(const struct report *report, const struct report_view *view, struct buf *out) {
  buf_append(out, "{\"from\":", 8);
  write_time(out, report->from_us);
  buf_append(out, ",\"to\":", 6);
  write_time(out, report->to_us);
  buf_printf(out, ",\n\"totals\":{\"damaged_segments\":%zu", report->damaged_segments);
  write_count(out, "unknown_rows", report->unknown_rows);
  write_counters(out, &report->totals);
  write_reach(out, report->reaches.total);
  buf_append_byte(out, '}');
  for (unsigned i = 0; i < REPORT_LIST_COUNT; i++)
    if (view->has_list[i]) write_list(report, (enum report_list)i, view->top, out);
  buf_append(out, "}\n", 2);
}
