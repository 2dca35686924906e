/* The report: what a store says of a time, added up (report_model.c) and told as JSON (report_json.c) or text (report_text.c). */
#ifndef TOOLS_REPORT_H
#define TOOLS_REPORT_H

#include "aggregate/aggregate.h"
#include "classify/classify.h"
#include "tools/report_reach.h"
#include "tools/tally.h"

/* What entries are listed by; each is a column of traffic. */
enum report_list {
  REPORT_BY_recipient_domain,
  REPORT_BY_sender_domain,
  REPORT_BY_source,
  REPORT_BY_provider,
  REPORT_BY_cause,
  REPORT_LIST_COUNT
};
struct slice report_list_name(enum report_list list);
/* False when `name` is none of them. */
bool report_list_from_name(struct slice name, enum report_list *out);

struct report {
  int64_t from_us, to_us; /* [from, to) of the rows found; both TIME_US_ABSENT when there are none */
  struct counters totals;
  struct tally lists[REPORT_LIST_COUNT]; /* worst first */
  struct tally samples;                  /* key: see report_sample_of; counters.bounced: count; note: an example reply */
  struct tally last_causes;              /* of what expired: the cause of its last attempt; counters.expired */
  struct report_reaches reaches;         /* different recipients of sender domains */
  uint64_t unknown_rows;                 /* of a newer version, left out */
  size_t damaged_segments;
};

/* Reads the store; false with err. */
bool report_build(struct report *report, struct store *store, int64_t since_us, int64_t until_us, struct error *err);
void report_deinit(struct report *report);

/* What the key of a sample is made of; all point into the key. */
struct report_sample {
  struct slice cause, provider, rule, template;
};
struct report_sample report_sample_of(const struct tally_entry *entry);

/* The samples of `cause`, most frequent first: fills up to `max`, returns how many. */
size_t report_samples(const struct report *report, struct slice cause, const struct tally_entry **out, size_t max);

/* How a report is told. */
struct report_view {
  size_t top; /* entries of each list; SIZE_MAX: all */
  bool has_list[REPORT_LIST_COUNT];
  struct slice language; /* of the advice: "en", "zh-CN" */
  const char *store_dir; /* for the head of the text */
};
void report_write_json(const struct report *report, const struct report_view *view, struct buf *out);
void report_write_text(const struct report *report, const struct report_view *view, const struct classifier *classifier,
                       struct buf *out);

#endif
