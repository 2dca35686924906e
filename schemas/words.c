/* The names of the words. See words.h. */
#include "schemas/words.h"

#include <assert.h>

const struct cause_info CAUSES[CAUSE_COUNT] = {
#define CAUSE(name, group, outcome, fault, meaning) \
  [CAUSE_##name] = {{#name, sizeof #name - 1}, GROUP_##group, OUTCOME_##outcome, FAULT_##fault, meaning},
#include "schemas/taxonomy.def"
#undef CAUSE
};

static const struct slice STATUS_NAMES[] = {
#define STATUS(name, meaning) [STATUS_##name] = {#name, sizeof #name - 1},
#include "schemas/words.def"
};
static const struct slice DIRECTION_NAMES[] = {
#define DIRECTION(name, meaning) [DIRECTION_##name] = {#name, sizeof #name - 1},
#include "schemas/words.def"
};
static const struct slice OUTCOME_NAMES[] = {
#define OUTCOME(name, meaning) [OUTCOME_##name] = {#name, sizeof #name - 1},
#include "schemas/words.def"
};
static const struct slice FAULT_NAMES[] = {
#define FAULT(name, meaning) [FAULT_##name] = {#name, sizeof #name - 1},
#include "schemas/words.def"
};
static const struct slice GROUP_NAMES[] = {
#define GROUP(name, meaning) [GROUP_##name] = {#name, sizeof #name - 1},
#include "schemas/words.def"
};
static const struct slice VIA_NAMES[] = {
#define VIA(name, meaning) [VIA_##name] = {#name, sizeof #name - 1},
#include "schemas/words.def"
};

struct slice status_name(enum status value) {
  assert(value < STATUS_COUNT);
  return STATUS_NAMES[value];
}
struct slice direction_name(enum direction value) {
  assert(value < DIRECTION_COUNT);
  return DIRECTION_NAMES[value];
}
struct slice outcome_name(enum outcome value) {
  assert(value < OUTCOME_COUNT);
  return OUTCOME_NAMES[value];
}
struct slice fault_name(enum fault value) {
  assert(value < FAULT_COUNT);
  return FAULT_NAMES[value];
}
struct slice group_name(enum group value) {
  assert(value < GROUP_COUNT);
  return GROUP_NAMES[value];
}
struct slice via_name(enum via value) {
  assert(value < VIA_COUNT);
  return VIA_NAMES[value];
}

static bool find_name(const struct slice *names, size_t count, struct slice name, unsigned *out) {
  for (size_t i = 0; i < count; i++) {
    if (!slice_equal(names[i], name)) continue;
    *out = (unsigned)i;
    return true;
  }
  return false;
}

bool cause_from_name(struct slice name, enum cause *out) {
  for (size_t i = 0; i < CAUSE_COUNT; i++) {
    if (!slice_equal(CAUSES[i].name, name)) continue;
    *out = (enum cause)i;
    return true;
  }
  return false;
}

bool status_from_name(struct slice name, enum status *out) {
  unsigned value;
  if (!find_name(STATUS_NAMES, STATUS_COUNT, name, &value)) return false;
  *out = (enum status)value;
  return true;
}

bool outcome_from_name(struct slice name, enum outcome *out) {
  unsigned value;
  if (!find_name(OUTCOME_NAMES, OUTCOME_COUNT, name, &value)) return false;
  *out = (enum outcome)value;
  return true;
}
