/* A position as a committed offset of a consumer group, with the rest of it as the offset's metadata:
 *
 *   committed          "r=<replay_from> m=<offsets before>:<hash of that message>" */
#ifndef INGEST_KAFKA_OFFSET_H
#define INGEST_KAFKA_OFFSET_H

#include <librdkafka/rdkafka.h>

#include "base/error.h"
#include "schemas/position.h"

#define KAFKA_METADATA_BYTES 96

void kafka_offset_write_metadata(const struct input_position *position, char out[KAFKA_METADATA_BYTES]);

/* False: the group has no offset of this partition yet. `name` and `kind` are the caller's. */
bool kafka_offset_read(const rd_kafka_topic_partition_t *item, struct input_position *position);

#endif
