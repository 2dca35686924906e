/* What a classifier is made of, for the files of this room. */
#ifndef CLASSIFY_CLASSIFIER_H
#define CLASSIFY_CLASSIFIER_H

#include "classify/classify.h"
#include "classify/data.h"
#include "classify/matcher.h"
#include "classify/word_filter.h"

struct classifier {
  struct yaml_document **documents; /* everything below points into them */
  size_t document_count;
  struct data_tables data;
  struct ruleset rules;
  struct matcher *matcher; /* NULL: only data was asked for */
  /* Words of which every reply that a rule for delivered mail can match has one. */
  struct word_filter delivered_words;
  bool *provider_is_scoped; /* by number: some rule is for this provider alone */
};

/* Runs all examples and counter-examples; notes each that fails. */
void self_test_run(const struct classifier *classifier, struct problems *problems);

/* `reply` as an example of `rule` is read: from its provider, by its service, deferred or bounced by its code. The text of `out` is written
 * to `text`, NORMALISED_BYTES_MAX. */
void self_test_input(const struct rule *rule, struct slice reply, char *text, struct match_input *out);

#endif
