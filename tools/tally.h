/* Counters for a set of keys: what reports and queries add up. The words are those of the reports:
 *
 *   attempts = delivered + deferred + bounced          finals = delivered + bounced + expired
 *   deferral rate = deferred / attempts                bounce rate = (bounced + expired) / finals
 *   hard rate = hard / finals                          block rate = blocked / attempts
 *
 * blocked: deferred and bounced deliveries whose fault is the sender's. rejected (by our own server) is in none of these. */
#ifndef TOOLS_TALLY_H
#define TOOLS_TALLY_H

#include "schemas/dataset.h"

struct counters {
  uint64_t delivered, deferred, bounced, expired, rejected;
  uint64_t hard, soft, silent; /* outcomes of what is final: bounced and expired; silent: delivered, but lost */
  uint64_t blocked, bytes;
};

static inline uint64_t counters_attempts(const struct counters *c) { return c->delivered + c->deferred + c->bounced; }
static inline uint64_t counters_finals(const struct counters *c) { return c->delivered + c->bounced + c->expired; }
/* Everything that did not arrive; what "worst first" goes by. */
static inline uint64_t counters_failures(const struct counters *c) { return c->deferred + c->bounced + c->expired + c->rejected; }

static inline void counters_add(struct counters *into, const struct counters *c) {
  into->delivered += c->delivered;
  into->deferred += c->deferred;
  into->bounced += c->bounced;
  into->expired += c->expired;
  into->rejected += c->rejected;
  into->hard += c->hard;
  into->soft += c->soft;
  into->silent += c->silent;
  into->blocked += c->blocked;
  into->bytes += c->bytes;
}

/* Adds one traffic row. False when its words are not known to this version (the row is from a newer one). */
bool counters_add_row(struct counters *counters, const struct traffic_row *row);

/* A rate with what it is made of. */
struct rate {
  const char *name; /* "deferral_rate", ... */
  uint64_t numerator, denominator;
};
#define RATE_COUNT 4
/* deferral, bounce, hard, block. */
void counters_rates(const struct counters *counters, struct rate rates[RATE_COUNT]);

/* Appends the rate as a JSON number; null without a denominator: nothing is known of it. */
void rate_write_json(const struct rate *rate, struct buf *out);

/* The Wilson score interval of numerator/denominator at 95 % (E. B. Wilson, 1927); 0..1 when the denominator is 0. */
void rate_interval(const struct rate *rate, double *low, double *high);

struct tally_entry {
  struct slice key;  /* good until tally_deinit */
  struct slice note; /* the least text given to tally_note_least; absent when none was; good until tally_deinit */
  struct counters counters;
};

/* Keys with their counters, in the order first seen until tally_sort. */
struct tally {
  struct tally_entry *entries;
  size_t count, cap, last; /* last: the entry given last, which rows in order ask for again */
  uint32_t *slots;         /* open addressing: entry number + 1, 0 free */
  size_t slot_count;
  struct tally_block *blocks; /* bytes of the keys */
};

void tally_init(struct tally *tally);
void tally_deinit(struct tally *tally);
/* The entry of `key`, its counters zero when it is new; good until the next tally_get. The key is copied. */
struct tally_entry *tally_get(struct tally *tally, struct slice key);
/* The entry of `key` if there is one, else NULL. */
struct tally_entry *tally_find(const struct tally *tally, struct slice key);
/* Keeps a copy of `text` when it is the least in byte order so far. */
void tally_note_least(struct tally *tally, struct tally_entry *entry, struct slice text);
/* Worst first: most failures, then most attempts, then by key. Ends the use of tally_get. */
void tally_sort_worst_first(struct tally *tally);
void tally_sort_by_key(struct tally *tally);

#endif
