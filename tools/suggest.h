/* Finds texts that replies of no rule have in common, so that one rule can know them.
 *
 *   451 blorp grumble at <h>.example.com       120
 *   451 blorp grumble, come back later          30    ->   "blorp grumble"  150 replies, 2 templates
 *   550 quux denied by <id>                     17    ->   "quux denied"     17 replies, 1 template
 *
 * Phrases of two to eight words are weighed by how many replies have them and how long they are; the heaviest is taken, its replies leave,
 * and so on. A phrase that is no text of any known reply is preferred by the caller's say. */
#ifndef TOOLS_SUGGEST_H
#define TOOLS_SUGGEST_H

#include "tools/unclassified.h"

/* Of a list the most frequent so many are looked at: the rest is seldom, and time grows with the templates times the suggestions. */
#define SUGGEST_TEMPLATES_MAX 500

struct suggestion {
  struct slice literal;                      /* good until suggestions_deinit */
  uint64_t count;                            /* replies with it */
  const struct unclassified_reply **replies; /* most frequent first */
  size_t reply_count;
};

struct suggestions {
  struct suggestion *items;
  size_t count;
  struct buf texts; /* of the literals */
};

struct suggest_options {
  size_t max; /* suggestions */
  /* Whether a phrase may be a rule's text; not when it can't be found, or stands in replies that rules know. */
  bool (*may_be_literal)(void *context, struct slice phrase);
  void *context;
};

/* `list` is sorted and must live as long as what is found. */
void suggestions_init(struct suggestions *suggestions, const struct unclassified *list, const struct suggest_options *options);
void suggestions_deinit(struct suggestions *suggestions);

#endif
