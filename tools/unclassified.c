/* Reads `replies` for those that are unclassified, and `traffic` for what they are a part of. See unclassified.h. */
#include "tools/unclassified.h"

#include <stdlib.h>

void unclassified_init(struct unclassified *list) {
  *list = (struct unclassified){.count = 0};
  tally_init(&list->texts);
}

void unclassified_deinit(struct unclassified *list) {
  tally_deinit(&list->texts);
  free(list->replies);
}

void unclassified_add(struct unclassified *list, const struct unclassified_reply *reply) {
  struct buf key = {0};
  buf_append_slice(&key, reply->provider);
  buf_append_byte(&key, '\0');
  buf_append_slice(&key, reply->template);
  struct tally_entry *entry = tally_get(&list->texts, buf_slice(&key));
  buf_deinit(&key);
  tally_note_least(&list->texts, entry, reply->example);
  size_t number = (size_t)(entry - list->texts.entries);
  if (number == list->count) {
    if (list->count == list->cap) {
      list->cap = list->cap ? list->cap * 2 : 64;
      list->replies = memory_resize(list->replies, list->cap * sizeof *list->replies);
    }
    list->replies[list->count++] = (struct unclassified_reply){.first_time_s = UINT64_MAX};
  }
  struct unclassified_reply *sum = &list->replies[number];
  sum->count += reply->count;
  if (reply->first_time_s < sum->first_time_s) sum->first_time_s = reply->first_time_s;
  if (reply->last_time_s > sum->last_time_s) sum->last_time_s = reply->last_time_s;
  list->total += reply->count;
}

static int by_count(const void *one, const void *other) {
  const struct unclassified_reply *a = one, *b = other;
  if (a->count != b->count) return a->count < b->count ? 1 : -1;
  int order = slice_compare(a->template, b->template);
  return order ? order : slice_compare(a->provider, b->provider);
}

void unclassified_sort(struct unclassified *list) {
  for (size_t i = 0; i < list->count; i++) {
    struct slice key = list->texts.entries[i].key;
    size_t end = slice_find_byte(key, '\0');
    list->replies[i].provider = slice_of(key.ptr, end);
    list->replies[i].template = slice_skip(key, end + 1);
    list->replies[i].example = list->texts.entries[i].note;
  }
  if (list->count) qsort(list->replies, list->count, sizeof *list->replies, by_count);
}

/* ---- reading ----------------------------------------------------------------------------------------------------------------- */

static bool add_row(void *context, const void *any) {
  const struct replies_row *row = any;
  if (!slice_equal(row->cause, cause_name(CAUSE_unclassified))) return true;
  struct unclassified_reply reply = {.provider = row->provider,
                                     .template = row->template,
                                     .example = row->example,
                                     .count = row->count,
                                     .first_time_s = row->first_time,
                                     .last_time_s = row->last_time};
  unclassified_add(context, &reply);
  return true;
}

static bool add_traffic(void *context, const void *row) {
  struct counters *counters = context;
  counters_add_row(counters, row); /* words of a newer version are in no count */
  return true;
}

bool unclassified_read(struct unclassified *list, struct store *store, int64_t since_us, int64_t until_us, struct error *err) {
  struct query query = {.dataset = DATASET_replies, .since_us = since_us, .until_us = until_us};
  struct counters all = {0};
  size_t damaged = 0;
  if (!query_rows_unmerged(store, &query, add_row, list, &list->damaged_segments, err)) return false;
  query.dataset = DATASET_traffic;
  if (!query_rows_unmerged(store, &query, add_traffic, &all, &damaged, err)) return false;
  list->damaged_segments += damaged;
  list->refusals = all.deferred + all.bounced + all.rejected;
  unclassified_sort(list);
  return true;
}
