/* Replies that no rule and no code decided, added up by provider and template: what `report --unclassified` tells and `rules suggest`
 * groups. */
#ifndef TOOLS_UNCLASSIFIED_H
#define TOOLS_UNCLASSIFIED_H

#include "aggregate/aggregate.h"
#include "tools/tally.h"

struct unclassified_reply {
  struct slice provider, template, example; /* good until unclassified_deinit */
  uint64_t count, first_time_s, last_time_s;
};

struct unclassified {
  struct tally texts;                 /* "provider NUL template"; note: the least example */
  struct unclassified_reply *replies; /* one for each entry of `texts`; sorted by unclassified_sort */
  size_t count, cap;
  uint64_t total;    /* of all counts */
  uint64_t refusals; /* everything that was deferred, bounced or rejected in that time, decided or not */
  size_t damaged_segments;
};

void unclassified_init(struct unclassified *list);
void unclassified_deinit(struct unclassified *list);

/* Adds `reply`; its slices are copied. */
void unclassified_add(struct unclassified *list, const struct unclassified_reply *reply);
/* Most frequent first, then by template and provider. Ends the use of unclassified_add. */
void unclassified_sort(struct unclassified *list);

/* Adds those of the store, in [since, until), and sorts. False with err. */
bool unclassified_read(struct unclassified *list, struct store *store, int64_t since_us, int64_t until_us, struct error *err);

#endif
