/* Positions as offsets of a group. See kafka_offset.h. */
#include "ingest/kafka_offset.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

void kafka_offset_write_metadata(const struct input_position *position, char out[KAFKA_METADATA_BYTES]) {
  snprintf(out, KAFKA_METADATA_BYTES, "r=%" PRIu64 " m=%" PRIu32 ":%016" PRIx64, position->replay_from, position->tail_len,
           position->tail_hash);
}

bool kafka_offset_read(const rd_kafka_topic_partition_t *item, struct input_position *position) {
  char text[KAFKA_METADATA_BYTES] = "";
  uint64_t replay_from, hash;
  uint32_t len;
  if (item->offset <= 0) return false;
  position->committed = position->replay_from = (uint64_t)item->offset;
  position->tail_len = 0;
  position->tail_hash = 0;
  if (item->metadata) memcpy(text, item->metadata, item->metadata_size < sizeof text ? item->metadata_size : sizeof text - 1);
  /* Whoever moved the offsets of the group by hand left none: then nothing is read again, and nothing is known of what was read. */
  if (sscanf(text, "r=%" SCNu64 " m=%" SCNu32 ":%" SCNx64, &replay_from, &len, &hash) != 3) return true;
  if (replay_from < position->committed) position->replay_from = replay_from;
  position->tail_len = len;
  position->tail_hash = hash;
  return true;
}
