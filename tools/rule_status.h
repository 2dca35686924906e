/* STORE/rules: what a run tells of its rules, so that `bouncemill rules reload` knows what became of them.
 *
 *   bouncemill-rules 1
 *   pid 4711
 *   begun_us 81000912             CLOCK_MONOTONIC, before the first file of rules was read
 *   result loaded                 or kept: they are wrong, those before them stay in force
 *   rules 889                     in force
 *   my-rules/a.yaml:7: ...        when kept: everything that is wrong with them
 *
 * Written by the run to another name and renamed, so it is whole whenever it is read. It is nobody's memory: a run writes it at its start
 * and after each reload, and a number of an earlier process says that it is stale. */
#ifndef TOOLS_RULE_STATUS_H
#define TOOLS_RULE_STATUS_H

#include "base/buf.h"
#include "base/error.h"

struct rule_status {
  long pid; /* of the run; rule_status_write puts the caller's */
  int64_t begun_us;
  bool is_loaded;
  size_t rule_count;
  struct slice problems;
};

bool rule_status_write(const char *store_dir, const struct rule_status *status, struct error *err);

/* `text` keeps what `problems` points into. False with err when there is none, or it is not one. */
bool rule_status_read(const char *store_dir, struct buf *text, struct rule_status *out, struct error *err);

#endif
