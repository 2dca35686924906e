/* Retention from text. See retention.h. */
#include "tools/retention.h"

#include "tools/config.h"

void retention_init(struct retention *retention) {
  for (unsigned i = 0; i < DATASET_COUNT; i++) retention[i] = RETENTION_DEFAULT;
}

bool retention_check(const struct retention *retention, const char *dataset, struct error *err) {
  if (retention->minute_days > retention->hour_days)
    return error_set(err, ERROR_USAGE, "%s: minutes cannot be kept longer (%u days) than hours (%u)", dataset,
                     retention->minute_days, retention->hour_days);
  return true;
}

bool retention_take(struct retention *retention, struct slice text, struct error *err) {
  size_t colon = slice_find_byte(text, ':');
  const struct dataset *only = colon < text.len ? dataset_find(slice_of(text.ptr, colon)) : NULL;
  if (colon < text.len && !only) return error_set(err, ERROR_USAGE, "unknown dataset '%.*s'", (int)colon, text.ptr);
  struct slice rest = only ? slice_skip(text, colon + 1) : text;
  unsigned days[3];
  for (unsigned i = 0; i < 3; i++) {
    size_t len = slice_find_byte(rest, ',');
    if ((i < 2) != (len < rest.len) || !config_parse_unsigned(slice_of(rest.ptr, len), 0, RETENTION_DAYS_MAX, &days[i]))
      return error_set(err, ERROR_USAGE, "'%.*s' is not [DATASET:]MINUTES,HOURS,ROWS in days, such as traffic:3,90,1826",
                       SLICE_ARG(text));
    rest = slice_skip(rest, len + 1);
  }
  struct retention taken = {.minute_days = days[0], .hour_days = days[1], .keep_days = days[2]};
  if (!retention_check(&taken, only ? only->name : "all datasets", err)) return false;
  for (unsigned i = 0; i < DATASET_COUNT; i++)
    if (!only || only == &DATASETS[i]) retention[i] = taken;
  return true;
}
