/* Adds up the rows of a store for the report. See report.h. */
#include <stdlib.h>

#include "base/clock.h"
#include "tools/report.h"

static const struct slice LIST_NAMES[REPORT_LIST_COUNT] = {
    [REPORT_BY_recipient_domain] = {"recipient_domain", sizeof "recipient_domain" - 1},
    [REPORT_BY_sender_domain] = {"sender_domain", sizeof "sender_domain" - 1},
    [REPORT_BY_source] = {"source", sizeof "source" - 1},
    [REPORT_BY_provider] = {"provider", sizeof "provider" - 1},
    [REPORT_BY_cause] = {"cause", sizeof "cause" - 1},
};

struct slice report_list_name(enum report_list list) {
  return LIST_NAMES[list];
}

bool report_list_from_name(struct slice name, enum report_list *out) {
  for (unsigned i = 0; i < REPORT_LIST_COUNT; i++) {
    if (!slice_equal(LIST_NAMES[i], name)) continue;
    *out = (enum report_list)i;
    return true;
  }
  return false;
}

static void widen_period(struct report *report, const struct traffic_row *row) {
  int64_t minute_us = (int64_t)row->minute * 60 * US_PER_SECOND, end_us = minute_us + 60 * US_PER_SECOND;
  if (report->from_us == TIME_US_ABSENT || minute_us < report->from_us) report->from_us = minute_us;
  if (report->to_us == TIME_US_ABSENT || end_us > report->to_us) report->to_us = end_us;
}

static bool add_traffic(void *context, const void *any) {
  struct report *report = context;
  const struct traffic_row *row = any;
  struct counters counters = {0};
  if (!counters_add_row(&counters, row)) {
    report->unknown_rows++;
    return true;
  }
  counters_add(&report->totals, &counters);
  widen_period(report, row);
  const struct slice keys[REPORT_LIST_COUNT] = {[REPORT_BY_recipient_domain] = row->recipient_domain,
                                                [REPORT_BY_sender_domain] = row->sender_domain,
                                                [REPORT_BY_source] = row->source,
                                                [REPORT_BY_provider] = row->provider,
                                                [REPORT_BY_cause] = row->cause};
  for (unsigned i = 0; i < REPORT_LIST_COUNT; i++) counters_add(&tally_get(&report->lists[i], keys[i])->counters, &counters);
  if (row->last_cause.len) counters_add(&tally_get(&report->last_causes, row->last_cause)->counters, &counters);
  return true;
}

/* Parts of a sample's key, one behind another with a NUL between: NUL is in none of them (templates are text). */
static bool add_reply(void *context, const void *any) {
  struct report *report = context;
  const struct replies_row *row = any;
  struct buf key = {0};
  const struct slice parts[] = {row->cause, row->provider, row->rule, row->template};
  for (unsigned i = 0; i < 4; i++) {
    buf_append_slice(&key, parts[i]);
    buf_append_byte(&key, '\0');
  }
  struct tally_entry *entry = tally_get(&report->samples, buf_slice(&key));
  entry->counters.bounced += row->count;
  tally_note_least(&report->samples, entry, row->example);
  buf_deinit(&key);
  return true;
}

struct report_sample report_sample_of(const struct tally_entry *entry) {
  struct slice parts[4], rest = entry->key;
  for (unsigned i = 0; i < 4; i++) {
    size_t len = slice_find_byte(rest, '\0');
    parts[i] = slice_of(rest.ptr, len);
    rest = slice_skip(rest, len + 1);
  }
  return (struct report_sample){parts[0], parts[1], parts[2], parts[3]};
}

size_t report_samples(const struct report *report, struct slice cause, const struct tally_entry **out, size_t max) {
  size_t count = 0;
  for (size_t i = 0; i < report->samples.count && count < max; i++) {
    const struct tally_entry *entry = &report->samples.entries[i];
    if (slice_equal(report_sample_of(entry).cause, cause)) out[count++] = entry;
  }
  return count;
}

bool report_build(struct report *report, struct store *store, int64_t since_us, int64_t until_us, struct error *err) {
  *report = (struct report){.from_us = TIME_US_ABSENT, .to_us = TIME_US_ABSENT};
  for (unsigned i = 0; i < REPORT_LIST_COUNT; i++) tally_init(&report->lists[i]);
  tally_init(&report->samples);
  tally_init(&report->last_causes);
  struct query query = {.dataset = DATASET_traffic, .since_us = since_us, .until_us = until_us};
  size_t damaged = 0;
  bool is_done = query_rows_unmerged(store, &query, add_traffic, report, &damaged, err);
  report->damaged_segments = damaged;
  query.dataset = DATASET_replies;
  damaged = 0;
  is_done = is_done && query_rows_unmerged(store, &query, add_reply, report, &damaged, err);
  report->damaged_segments += damaged;
  is_done = is_done && report_reaches_build(&report->reaches, store, since_us, until_us, &report->damaged_segments, err);
  for (unsigned i = 0; i < REPORT_LIST_COUNT; i++) tally_sort_worst_first(&report->lists[i]);
  tally_sort_worst_first(&report->samples);
  tally_sort_worst_first(&report->last_causes);
  return is_done;
}

void report_deinit(struct report *report) {
  for (unsigned i = 0; i < REPORT_LIST_COUNT; i++) tally_deinit(&report->lists[i]);
  tally_deinit(&report->samples);
  tally_deinit(&report->last_causes);
  report_reaches_deinit(&report->reaches);
}
