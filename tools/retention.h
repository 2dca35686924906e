/* How long a store keeps minutes, hours and rows: the text form of options and configuration. */
#ifndef TOOLS_RETENTION_H
#define TOOLS_RETENTION_H

#include "aggregate/aggregate.h"

/* The defaults, for each dataset. */
void retention_init(struct retention *retention);

/* Takes "[DATASET:]MINUTES,HOURS,ROWS", days each; ROWS 0 is for ever; without DATASET of all. False: see err (ERROR_USAGE). */
bool retention_take(struct retention *retention, struct slice text, struct error *err);

/* False and a reason when minutes are kept longer than hours, or hours longer than rows. */
bool retention_check(const struct retention *retention, const char *dataset, struct error *err);

#define RETENTION_DAYS_MAX 36500u

#endif
