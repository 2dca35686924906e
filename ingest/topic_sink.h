/* What the files of the topic sink share; nobody else includes it. */
#ifndef INGEST_TOPIC_SINK_H
#define INGEST_TOPIC_SINK_H

#include "base/buf.h"
#include "ingest/kafka_client.h"

struct topic_sink {
  struct topic_sink_options options;
  struct kafka_url url;
  struct buf open_topic, transactional_id; /* NUL-terminated */
  int open_partition_count;
  rd_kafka_t *producer; /* NULL: the last one is broken for good */
  rd_kafka_t *asker;    /* of the group, which it never joins */
  struct input_position *known;
  size_t known_count;
};

/* A producer whose transactions shut out those of the one before. */
bool topic_sink_open_producer(struct topic_sink *sink, struct error *err);

/* Fills in the offsets that the group has, -1001 for none. */
bool topic_sink_ask_offsets(struct topic_sink *sink, rd_kafka_topic_partition_list_t *list, struct error *err);

#endif
