/* Merges the sketches of each sender domain. Rows come in the order of their keys, so one domain is at work at a time, and a store of
 * any number of domains takes two numbers for each. See report_reach.h. */
#include "tools/report_reach.h"

#include <math.h>
#include <stdlib.h>

#include "base/memory.h"

struct sketches {
  struct hyperloglog all, hard;
};

struct reading {
  struct report_reaches *reaches;
  struct sketches total, sender;
  struct buf domain; /* whose `sender` is */
  bool has_domain;
};

static uint64_t estimate(const struct hyperloglog *sketch) { return (uint64_t)llround(hyperloglog_estimate(sketch)); }

static struct report_reach reach_of(const struct sketches *sketches) {
  return (struct report_reach){estimate(&sketches->all), estimate(&sketches->hard)};
}

static void finish_domain(struct reading *r) {
  if (!r->has_domain) return;
  struct report_reaches *reaches = r->reaches;
  size_t number = (size_t)(tally_get(&reaches->index, buf_slice(&r->domain)) - reaches->index.entries);
  if (number >= reaches->cap) {
    reaches->cap = reaches->index.cap;
    reaches->by_sender = memory_resize(reaches->by_sender, reaches->cap * sizeof *reaches->by_sender);
  }
  reaches->by_sender[number] = reach_of(&r->sender);
}

static void merge(struct sketches *into, const struct senders_row *row) {
  hyperloglog_merge(&into->all, &row->recipients);
  if (slice_equal(row->outcome, outcome_name(OUTCOME_hard))) hyperloglog_merge(&into->hard, &row->recipients);
}

static bool add_row(void *context, const void *any) {
  struct reading *r = context;
  const struct senders_row *row = any;
  if (!r->has_domain || !slice_equal(row->sender_domain, buf_slice(&r->domain))) {
    finish_domain(r);
    buf_clear(&r->domain);
    buf_append_slice(&r->domain, row->sender_domain);
    memset(&r->sender, 0, sizeof r->sender);
    r->has_domain = true;
  }
  merge(&r->sender, row);
  merge(&r->total, row);
  return true;
}

bool report_reaches_build(struct report_reaches *reaches, struct store *store, int64_t since_us, int64_t until_us, size_t *damaged,
                          struct error *err) {
  *reaches = (struct report_reaches){0};
  tally_init(&reaches->index);
  struct reading r = {.reaches = reaches};
  struct query query = {.dataset = DATASET_senders, .since_us = since_us, .until_us = until_us};
  size_t damaged_here = 0;
  bool is_done = query_rows(store, &query, add_row, &r, &damaged_here, err);
  *damaged += damaged_here;
  finish_domain(&r);
  reaches->total = reach_of(&r.total);
  buf_deinit(&r.domain);
  return is_done;
}

void report_reaches_deinit(struct report_reaches *reaches) {
  tally_deinit(&reaches->index);
  free(reaches->by_sender);
  *reaches = (struct report_reaches){0};
}

struct report_reach report_reach_of(const struct report_reaches *reaches, struct slice sender_domain) {
  const struct tally_entry *entry = tally_find(&reaches->index, sender_domain);
  return entry ? reaches->by_sender[entry - reaches->index.entries] : (struct report_reach){0};
}
