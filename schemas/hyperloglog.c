/* Merging and estimating. See hyperloglog.h. */
#include "schemas/hyperloglog.h"

#include <math.h>

void hyperloglog_merge(struct hyperloglog *into, const struct hyperloglog *from) {
  for (unsigned i = 0; i < HYPERLOGLOG_REGISTERS; i++)
    into->rank[i] = from->rank[i] > into->rank[i] ? from->rank[i] : into->rank[i];
}

/* x + sum of x^(2^k) 2^(k-1): what registers at zero stand for, x their share. */
static double sigma(double x) {
  if (x == 1) return INFINITY;
  double sum = x, last, weight = 1;
  do {
    x *= x;
    last = sum;
    sum += x * weight;
    weight += weight;
  } while (sum != last);
  return sum;
}

/* (1 - x - sum of (1 - x^(2^-k))^2 2^-k) / 3: what registers at the largest rank stand for, 1 - x their share. */
static double tau(double x) {
  if (x == 0 || x == 1) return 0;
  double sum = 1 - x, last, weight = 1;
  do {
    x = sqrt(x);
    last = sum;
    weight /= 2;
    sum -= (1 - x) * (1 - x) * weight;
  } while (sum != last);
  return sum / 3;
}

double hyperloglog_estimate(const struct hyperloglog *sketch) {
  static const double ALPHA = 0.7213475204444817; /* 1 / (2 ln 2) */
  const double registers = HYPERLOGLOG_REGISTERS;
  unsigned with_rank[HYPERLOGLOG_RANK_MAX + 1] = {0};
  for (unsigned i = 0; i < HYPERLOGLOG_REGISTERS; i++) with_rank[sketch->rank[i]]++;
  double sum = registers * tau(1 - with_rank[HYPERLOGLOG_RANK_MAX] / registers);
  for (unsigned rank = HYPERLOGLOG_RANK_MAX - 1; rank >= 1; rank--) sum = (sum + with_rank[rank]) / 2;
  sum += registers * sigma(with_rank[0] / registers);
  return ALPHA * registers * registers / sum;
}
