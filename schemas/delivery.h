/* struct delivery, expanded from delivery.def: what leaves ingest/ and enters classify/ and aggregate/. */
#ifndef SCHEMAS_DELIVERY_H
#define SCHEMAS_DELIVERY_H

#include "base/buf.h"
#include "schemas/words.h"

#define U64_ABSENT UINT64_MAX
#define DELAY_ABSENT (-1)

#define FIELD_TYPE_str struct slice
#define FIELD_TYPE_u64 uint64_t
#define FIELD_TYPE_code uint16_t
#define FIELD_TYPE_time int64_t
#define FIELD_TYPE_seconds int64_t
#define FIELD_TYPE_word_direction enum direction
#define FIELD_TYPE_word_status enum status

/* All slices are views; who filled the delivery says until when they are good. */
struct delivery {
#define FIELD(name, type, what) FIELD_TYPE_##type name;
#include "schemas/delivery.def"
#undef FIELD
};

/* Everything absent, status delivered, direction out. */
void delivery_init(struct delivery *delivery);

/* Appends one JSON object and a newline. */
void delivery_write_json(const struct delivery *delivery, struct buf *out);

#endif
