/* The classifier with the rules that are built in, for tests that ask it for verdicts: setup, context, verdict, teardown. */
#ifndef TESTS_CLASSIFIER_FIXTURE_H
#define TESTS_CLASSIFIER_FIXTURE_H

#include "tests/unit/check_main.h"
#include "tools/cache_dir.h"

static struct classifier *classifier;
static struct classify_context *context;
static struct verdict verdict;

/* Compiled rules are kept from test to test: without a cache each would take two seconds. */
static void setup(void) {
  struct error err;
  classifier = classifier_new_cached(&(struct classifier_options){0}, &err);
  ck_assert_msg(classifier != NULL, "%s", err.text);
  context = classify_context_new(classifier, &err);
}

static void teardown(void) {
  classify_context_free(context);
  classifier_free(classifier);
}

#endif
