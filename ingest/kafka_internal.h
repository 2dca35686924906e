/* What source_kafka.c and kafka_start.c share; nobody else includes it. */
#ifndef INGEST_KAFKA_INTERNAL_H
#define INGEST_KAFKA_INTERNAL_H

#include "ingest/kafka_partition.h"
#include "ingest/kafka_watch.h"

/* Messages taken from librdkafka at once. */
#define KAFKA_MESSAGES_MAX 1000

struct kafka {
  rd_kafka_t *consumer, *asker; /* the asker is the watch's once there is one */
  rd_kafka_queue_t *queue;
  struct kafka_watch *watch; /* NULL: nothing can come that it would tell */
  struct kafka_url url;
  struct source_options options;
  struct input_table *table;
  struct kafka_partition **partitions; /* those that are read, by ascending number */
  size_t partition_count;
  struct kafka_partition **by_number; /* of all of the topic; NULL: is not read */
  size_t topic_partition_count;
  rd_kafka_message_t *messages[KAFKA_MESSAGES_MAX];
  size_t message_count, message_next;
  size_t waiting_turn;                        /* partition looked at first when what waits is handed out */
  rd_kafka_topic_partition_list_t *rebalance; /* of a member of a group: what is to be taken up, or given up; NULL: nothing */
  bool is_assignment, is_closing;
  bool is_anew;            /* what waits is to be handed out, then the topic is read anew */
  struct kafka_mark other; /* how that was seen */
  uint64_t ahead_bytes;    /* that librdkafka fetches ahead for a partition */
  int64_t error_logged_at_us;
};

/* Asks for the topic's size, and takes up the partitions that are read. */
bool kafka_open_partitions(struct kafka *kafka, struct error *err);

/* One more of them, from `position`, or from its first message where that is NULL. */
bool kafka_take_up_partition(struct kafka *kafka, int32_t number, const struct input_position *position, struct error *err);
/* Forgets all of them, and what waits of them. */
void kafka_drop_partitions(struct kafka *kafka);

/* Member of a group: joins it; librdkafka's callback; does what was noted. */
bool kafka_group_join(struct kafka *kafka, struct error *err);
void kafka_group_note(rd_kafka_t *consumer, rd_kafka_resp_err_t code, rd_kafka_topic_partition_list_t *list, void *context);
bool kafka_group_rebalance(struct kafka *kafka, struct error *err);

/* Finds where each partition from `first` on starts and begins to read there. False with err: a broker does not answer, or messages are lost and
 * nobody accepted that. */
bool kafka_start_partitions(struct kafka *kafka, size_t first, struct error *err);

/* Takes up the partitions that the topic has got, and reads them from their first message. */
bool kafka_add_new_partitions(struct kafka *kafka, struct error *err);

/* While reading: what lies before the first message that is there now is gone (retention), or the whole topic is another. False with err unless
 * that is accepted; then it goes on at the first message that is there. Nothing may wait in the buffers concerned. */
bool kafka_go_on_behind(struct kafka *kafka, struct kafka_partition *partition, struct error *err);
bool kafka_go_on_anew(struct kafka *kafka, const struct kafka_mark *other, struct error *err);

#endif
