/* Enums of the closed vocabularies (words.def) and of the causes (taxonomy.def), with their names.
 *
 *   enum status { STATUS_delivered, ..., STATUS_COUNT };          status_name(STATUS_bounced) -> "bounced"
 *   enum cause { CAUSE_accepted, ..., CAUSE_COUNT };              cause_from_name(SLICE("spf_fail"), &cause) -> true
 *
 * Enumerators keep the spelling of the word, so that a table, a log and the code say the same. */
#ifndef SCHEMAS_WORDS_H
#define SCHEMAS_WORDS_H

#include "base/slice.h"

enum status {
#define STATUS(name, meaning) STATUS_##name,
#include "schemas/words.def"
  STATUS_COUNT
};
enum direction {
#define DIRECTION(name, meaning) DIRECTION_##name,
#include "schemas/words.def"
  DIRECTION_COUNT
};
enum outcome {
#define OUTCOME(name, meaning) OUTCOME_##name,
#include "schemas/words.def"
  OUTCOME_COUNT
};
enum fault {
#define FAULT(name, meaning) FAULT_##name,
#include "schemas/words.def"
  FAULT_COUNT
};
enum group {
#define GROUP(name, meaning) GROUP_##name,
#include "schemas/words.def"
  GROUP_COUNT
};
enum via {
#define VIA(name, meaning) VIA_##name,
#include "schemas/words.def"
  VIA_COUNT
};
enum cause {
#define CAUSE(name, group, outcome, fault, meaning) CAUSE_##name,
#include "schemas/taxonomy.def"
#undef CAUSE
  CAUSE_COUNT
};

/* What the taxonomy says of a cause. `outcome` is that of a final failure by this cause. */
struct cause_info {
  struct slice name;
  enum group group;
  enum outcome outcome;
  enum fault fault;
  const char *meaning;
};
extern const struct cause_info CAUSES[CAUSE_COUNT];

/* The name of a word, good for ever. The value must be one of the enum. */
struct slice status_name(enum status value);
struct slice direction_name(enum direction value);
struct slice outcome_name(enum outcome value);
struct slice fault_name(enum fault value);
struct slice group_name(enum group value);
struct slice via_name(enum via value);
static inline struct slice cause_name(enum cause cause) { return CAUSES[cause].name; }

/* The word of this name; false when there is none. */
bool cause_from_name(struct slice name, enum cause *out);
bool status_from_name(struct slice name, enum status *out);
bool outcome_from_name(struct slice name, enum outcome *out);

#endif
