/* Options that every reader of a store has: where it is and which time is asked for. */
#ifndef TOOLS_STORE_OPTIONS_H
#define TOOLS_STORE_OPTIONS_H

#include <getopt.h>

#include "base/error.h"
#include "base/slice.h"

struct store_options {
  const char *dir;            /* default: ./store */
  int64_t since_us, until_us; /* [since, until); INT64_MIN and INT64_MAX when not given */
};

/* For a struct option array, and their line in a HELP text. */
enum { OPTION_SINCE = 512, OPTION_UNTIL };
#define STORE_LONG_OPTION \
  { "store", required_argument, NULL, 's' }
#define PERIOD_LONG_OPTIONS \
  {"since", required_argument, NULL, OPTION_SINCE}, { "until", required_argument, NULL, OPTION_UNTIL }
#define STORE_HELP "  -s, --store DIR      the store (default: ./store)\n"
#define PERIOD_HELP                                                                   \
  "      --since T        from this time on: a date (2026-11-24), a time\n"           \
  "                       (2026-11-24T08:15:00Z) or a span back from now (7d, 36h)\n" \
  "      --until T        up to, and not including, this time\n"

void store_options_init(struct store_options *options);

/* Takes 's', OPTION_SINCE or OPTION_UNTIL. False: not one of these (err untouched), or a bad value (err set). */
bool store_options_take(struct store_options *options, int option, const char *value, struct error *err);

#endif
