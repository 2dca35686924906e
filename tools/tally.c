/* Counters by key. See tally.h. */
#include "tools/tally.h"

#include <math.h>
#include <stdlib.h>

#include "base/hash.h"
#include "base/json.h"
#include "base/memory.h"

#define BLOCK_BYTES (256u << 10)

struct tally_block {
  struct tally_block *next;
  size_t used, size;
  char bytes[];
};

bool counters_add_row(struct counters *c, const struct traffic_row *row) {
  enum status status;
  enum outcome outcome;
  enum cause cause;
  if (!status_from_name(row->status, &status) || !outcome_from_name(row->outcome, &outcome) || !cause_from_name(row->cause, &cause))
    return false;
  switch (status) {
    case STATUS_delivered: c->delivered += row->count; break;
    case STATUS_deferred: c->deferred += row->count; break;
    case STATUS_bounced: c->bounced += row->count; break;
    case STATUS_expired: c->expired += row->count; break;
    case STATUS_rejected: c->rejected += row->count; break;
    case STATUS_COUNT: return false;
  }
  bool is_final_failure = status == STATUS_bounced || status == STATUS_expired;
  if (is_final_failure && outcome == OUTCOME_hard) c->hard += row->count;
  if (is_final_failure && outcome == OUTCOME_soft) c->soft += row->count;
  if (status == STATUS_delivered && outcome == OUTCOME_silent) c->silent += row->count;
  if ((status == STATUS_deferred || status == STATUS_bounced) && CAUSES[cause].fault == FAULT_sender) c->blocked += row->count;
  c->bytes += row->bytes;
  return true;
}

void counters_rates(const struct counters *c, struct rate rates[RATE_COUNT]) {
  uint64_t attempts = counters_attempts(c), finals = counters_finals(c);
  rates[0] = (struct rate){"deferral_rate", c->deferred, attempts};
  rates[1] = (struct rate){"bounce_rate", c->bounced + c->expired, finals};
  rates[2] = (struct rate){"hard_rate", c->hard, finals};
  rates[3] = (struct rate){"block_rate", c->blocked, attempts};
}

void rate_write_json(const struct rate *rate, struct buf *out) {
  if (rate->denominator)
    json_write_double(out, (double)rate->numerator / (double)rate->denominator);
  else
    buf_append(out, "null", 4);
}

void rate_interval(const struct rate *rate, double *low, double *high) {
  *low = 0, *high = 1;
  if (!rate->denominator) return;
  const double z = 1.959963984540054; /* 97.5th percentile of the normal distribution */
  double n = (double)rate->denominator, p = (double)rate->numerator / n;
  double spread = z * sqrt(p * (1 - p) / n + z * z / (4 * n * n)), centre = p + z * z / (2 * n), scale = 1 + z * z / n;
  *low = fmax(0, (centre - spread) / scale);
  *high = fmin(1, (centre + spread) / scale);
}

void tally_init(struct tally *tally) { *tally = (struct tally){0}; }

void tally_deinit(struct tally *tally) {
  while (tally->blocks) {
    struct tally_block *next = tally->blocks->next;
    free(tally->blocks);
    tally->blocks = next;
  }
  free(tally->entries);
  free(tally->slots);
  tally_init(tally);
}

static struct slice copy_text(struct tally *tally, struct slice text) {
  struct tally_block *block = tally->blocks;
  if (!block || block->size - block->used < text.len) {
    size_t size = text.len > BLOCK_BYTES ? text.len : BLOCK_BYTES;
    block = memory_alloc(sizeof *block + size);
    *block = (struct tally_block){.next = tally->blocks, .size = size};
    tally->blocks = block;
  }
  char *copy = block->bytes + block->used;
  if (text.len) memcpy(copy, text.ptr, text.len);
  block->used += text.len;
  return slice_of(copy, text.len);
}

/* The slot of `key`: its own, or the free one where it belongs. */
static size_t find_slot(const struct tally *tally, struct slice key) {
  size_t mask = tally->slot_count - 1, slot = hash_slice(key) & mask;
  while (tally->slots[slot] && !slice_equal(tally->entries[tally->slots[slot] - 1].key, key)) slot = (slot + 1) & mask;
  return slot;
}

static void grow(struct tally *tally) {
  free(tally->slots);
  tally->slot_count = tally->slot_count ? tally->slot_count * 2 : 64;
  tally->slots = memory_zeroed(tally->slot_count * sizeof *tally->slots);
  for (size_t i = 0; i < tally->count; i++) tally->slots[find_slot(tally, tally->entries[i].key)] = (uint32_t)i + 1;
}

struct tally_entry *tally_find(const struct tally *tally, struct slice key) {
  uint32_t number = tally->slot_count ? tally->slots[find_slot(tally, key)] : 0;
  return number ? &tally->entries[number - 1] : NULL;
}

struct tally_entry *tally_get(struct tally *tally, struct slice key) {
  if (tally->last < tally->count && slice_equal(tally->entries[tally->last].key, key)) return &tally->entries[tally->last];
  if (tally->count * 2 >= tally->slot_count) grow(tally);
  size_t slot = find_slot(tally, key);
  if (!tally->slots[slot]) {
    if (tally->count == tally->cap) {
      tally->cap = tally->cap ? tally->cap * 2 : 64;
      tally->entries = memory_resize(tally->entries, tally->cap * sizeof *tally->entries);
    }
    tally->entries[tally->count] = (struct tally_entry){.key = copy_text(tally, key)};
    tally->slots[slot] = (uint32_t)++tally->count;
  }
  tally->last = tally->slots[slot] - 1;
  return &tally->entries[tally->last];
}

void tally_note_least(struct tally *tally, struct tally_entry *entry, struct slice text) {
  if (slice_is_absent(entry->note) || slice_compare(text, entry->note) < 0) entry->note = copy_text(tally, text);
}

static int compare_worst(const void *a, const void *b) {
  const struct tally_entry *x = a, *y = b;
  uint64_t failures_x = counters_failures(&x->counters), failures_y = counters_failures(&y->counters);
  if (failures_x != failures_y) return failures_x > failures_y ? -1 : 1;
  uint64_t attempts_x = counters_attempts(&x->counters), attempts_y = counters_attempts(&y->counters);
  if (attempts_x != attempts_y) return attempts_x > attempts_y ? -1 : 1;
  return slice_compare(x->key, y->key);
}

static int compare_keys(const void *a, const void *b) {
  return slice_compare(((const struct tally_entry *)a)->key, ((const struct tally_entry *)b)->key);
}

void tally_sort_worst_first(struct tally *tally) {
  if (tally->count) qsort(tally->entries, tally->count, sizeof *tally->entries, compare_worst);
}

void tally_sort_by_key(struct tally *tally) {
  if (tally->count) qsort(tally->entries, tally->count, sizeof *tally->entries, compare_keys);
}
