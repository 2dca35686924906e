/* One Kafka partition as an input: messages in, batches of their lines out, and the way back from places in batches to offsets.
 *
 *   offsets   ...... | lookback only | replay .......... | new ........... until
 *                    ^ start         ^ replay_from       ^ committed
 *
 * Batches hold whole messages and never cross `committed`. Positions in batches are a running count of bytes from the start of the run;
 * an anchor is the position and first offset of a batch. The further back, the fewer of them are kept; between two, the older counts. */
#ifndef INGEST_KAFKA_PARTITION_H
#define INGEST_KAFKA_PARTITION_H

#include "base/buf.h"
#include "ingest/batch_buffer.h"
#include "ingest/kafka_mark.h"
#include "ingest/source_inputs.h"

struct anchor {
  uint64_t position, offset;
};

/* Where a message begins in the batch in work, and how far its offset is from the first one's. */
struct message_start {
  uint32_t at, after_first;
};

struct kafka_partition {
  struct input *input;
  struct batch_buffer buffer;
  bool has_envelopes;    /* messages may be MessagePack or JSON over several lines (source_options) */
  struct buf transcoded; /* a message of MessagePack as JSON */
  int32_t number;
  uint64_t replay_from, committed; /* as the store knows them */
  uint64_t until;                  /* first offset that is not read; UINT64_MAX: no end */
  uint64_t next;                   /* offset behind the last message added */
  uint64_t last, last_hash;        /* offset and hash of that message; hash 0: none is known */
  uint64_t first_waiting;          /* offset of the first message in the buffer */
  uint64_t unasked_bytes;          /* taken since librdkafka was made to look for more (source_kafka.c) */
  bool is_over;                    /* `until` is reached, or was before anything was read */
  int64_t reference_time_us;       /* of the first message in the buffer */
  int64_t waiting_since_us;        /* monotonic */
  size_t batch_bytes;              /* handed out when there is as much */
  struct anchor *anchors;
  size_t anchor_count;
  struct message_start
      *starts; /* of the messages that wait; once they are handed out, of those of that batch until the next is added */
  size_t start_count, start_cap;
  uint64_t batch_position, batch_first; /* of the batch handed out last: its position and first offset */
};

struct kafka_message {
  uint64_t offset;
  int64_t time_us;
  struct slice payload; /* absent: a null payload, has no lines */
  uint64_t hash;        /* kafka_message_hash */
};

/* `input` is a new input of this partition; `share` partitions have the memory of all together. `parts` and has_envelopes of the options
 * matter. */
void kafka_partition_init(struct kafka_partition *partition, struct input *input, int32_t number, size_t share,
                          const struct source_options *options);
void kafka_partition_deinit(struct kafka_partition *partition);

/* Adds the lines of a message; its end ends a line. False: what waits must be handed out first (nothing was added). */
bool kafka_partition_add(struct kafka_partition *partition, const struct kafka_message *message);

/* The partition has nothing before `offset` that is not added (its end was seen there). */
void kafka_partition_reached(struct kafka_partition *partition, uint64_t offset);

/* The last message before the position's `committed`. False: none is known. */
bool kafka_partition_mark(const struct kafka_partition *partition, struct kafka_mark *mark);

/* Nothing waits, and what is read from now on begins at `offset`, wherever that is. */
void kafka_partition_restart(struct kafka_partition *partition, uint64_t offset);

/* Hands out all that waits; false when nothing does. */
bool kafka_partition_take(struct kafka_partition *partition, struct batch *batch);

static inline bool kafka_partition_is_full(const struct kafka_partition *partition) {
  return batch_buffer_waiting(&partition->buffer) >= partition->batch_bytes;
}

#endif
