/* A team of threads that does one thing at a time together: the caller and its helpers each run their share of a phase, and
 * team_run returns when all have. Between phases one thread alone is at work, so nothing that a phase wrote needs a lock.
 *
 *   caller     ---phase A---|--alone--|---phase B---|
 *   helper 1   ---phase A---|  waits  |---phase B---|
 *
 * Waiting spins for some microseconds (phases follow one another closely), then sleeps. */
#ifndef TOOLS_TEAM_H
#define TOOLS_TEAM_H

#include <stdbool.h>

#include "base/error.h"

struct team;

/* A team of `size` workers, the caller being worker 0; size 1 starts no thread. */
struct team *team_new(unsigned size, struct error *err);
void team_free(struct team *team);

/* Calls work(context, worker) for each worker at the same time; returns when all are done. */
void team_run(struct team *team, void (*work)(void *context, unsigned worker), void *context);

#endif
