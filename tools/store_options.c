/* --store, --since, --until. See store_options.h. */
#include "tools/store_options.h"

#include "base/clock.h"

void store_options_init(struct store_options *options) {
  *options = (struct store_options){.dir = "store", .since_us = INT64_MIN, .until_us = INT64_MAX};
}

bool store_options_take(struct store_options *options, int option, const char *value, struct error *err) {
  if (option == 's') {
    options->dir = value;
    return true;
  }
  if (option != OPTION_SINCE && option != OPTION_UNTIL) return false;
  int64_t *moment = option == OPTION_SINCE ? &options->since_us : &options->until_us;
  if (clock_parse_moment(slice_from_cstr(value), clock_wall_us(), moment)) return true;
  return error_set(err, ERROR_USAGE, "--%s: '%s' is no date, time or span such as 7d", option == OPTION_SINCE ? "since" : "until",
                   value);
}
