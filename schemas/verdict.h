/* struct verdict, expanded from verdict.def: what classify/ adds to a delivery. */
#ifndef SCHEMAS_VERDICT_H
#define SCHEMAS_VERDICT_H

#include "base/buf.h"
#include "schemas/words.h"

#define FIELD_TYPE_str struct slice
#define FIELD_TYPE_word_cause enum cause
#define FIELD_TYPE_word_group enum group
#define FIELD_TYPE_word_outcome enum outcome
#define FIELD_TYPE_word_fault enum fault
#define FIELD_TYPE_word_via enum via

/* rule, blocklist, last_cause: good as long as the classifier; provider, template: until the next call on the same
 * classify_context. */
struct verdict {
#define FIELD(name, type, what) FIELD_TYPE_##type name;
#include "schemas/verdict.def"
#undef FIELD
};

/* Appends one JSON object and a newline; `smtp_code` 0 and absent slices are null. */
void verdict_write_json(const struct verdict *verdict, struct slice reply, uint16_t smtp_code, struct slice dsn, struct buf *out);

#endif
