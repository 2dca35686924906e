/* How many different recipients the mail of a sender domain went to, estimated from the dataset `senders` (report_reach.c). */
#ifndef TOOLS_REPORT_REACH_H
#define TOOLS_REPORT_REACH_H

#include "aggregate/aggregate.h"
#include "tools/tally.h"

/* Estimates of different recipients: of all deliveries, and of those that were refused for good (outcome hard). */
struct report_reach {
  uint64_t recipients, hard_recipients;
};

struct report_reaches {
  struct report_reach total;
  struct tally index; /* sender domains; entry i has by_sender[i] */
  struct report_reach *by_sender;
  size_t cap;
};

/* Reads the store; false with err. What was damaged is added to *damaged. */
bool report_reaches_build(struct report_reaches *reaches, struct store *store, int64_t since_us, int64_t until_us, size_t *damaged,
                          struct error *err);
void report_reaches_deinit(struct report_reaches *reaches);

/* That of a sender domain; zeros when there is none. */
struct report_reach report_reach_of(const struct report_reaches *reaches, struct slice sender_domain);

#endif
