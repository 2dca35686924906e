/* How many different things there were, without keeping them: HyperLogLog with 256 registers (Flajolet, Fusy, Gandouet, Meunier,
 * "HyperLogLog: the analysis of a near-optimal cardinality estimation algorithm", 2007).
 *
 *   hash (64 bits):  | register 8 | 0001.... |      rank: place of the first 1 behind, 1 to 57
 *
 * A register keeps the largest rank it saw, so sketches merge by taking the larger of each (in ClickHouse: maxForEach), in any order and as
 * often as one likes. The estimate's standard error is 1.04 / sqrt(256) = 6.5 %; of up to ten different things it is off by three at most. */
#ifndef SCHEMAS_HYPERLOGLOG_H
#define SCHEMAS_HYPERLOGLOG_H

#include <stdint.h>

#define HYPERLOGLOG_BITS 8
#define HYPERLOGLOG_REGISTERS (1u << HYPERLOGLOG_BITS)
#define HYPERLOGLOG_RANK_MAX (64 - HYPERLOGLOG_BITS + 1)

struct hyperloglog {
  uint8_t rank[HYPERLOGLOG_REGISTERS];
};

static inline unsigned hyperloglog_register(uint64_t hash) { return (unsigned)(hash >> (64 - HYPERLOGLOG_BITS)); }
/* The bit that is set behind the last one ends the search when all are zero. */
static inline unsigned hyperloglog_rank(uint64_t hash) {
  return 1u + (unsigned)__builtin_clzll(hash << HYPERLOGLOG_BITS | UINT64_C(1) << (HYPERLOGLOG_BITS - 1));
}

void hyperloglog_merge(struct hyperloglog *into, const struct hyperloglog *from);

/* By the improved estimator of Ertl, "New cardinality estimation algorithms for HyperLogLog sketches" (2017), algorithm 6: without bias over
 * the whole range, and without tables. 0 for a sketch that saw nothing. */
double hyperloglog_estimate(const struct hyperloglog *sketch);

#endif
