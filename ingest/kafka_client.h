/* A librdkafka consumer of one topic, or a producer: made from properties; and what is asked of brokers at the start. */
#ifndef INGEST_KAFKA_CLIENT_H
#define INGEST_KAFKA_CLIENT_H

#include <librdkafka/rdkafka.h>

#include "ingest/ingest.h"

/* "kafka://BROKERS/TOPIC" or "kafka://BROKERS/TOPIC/0,4-7" taken apart. */
struct kafka_url {
  char *brokers, *topic;   /* owned */
  struct slice partitions; /* of the text parsed: those listed; empty: all */
  int32_t partition_last;  /* highest listed, -1 for all */
};
/* ERROR_USAGE when it is none. `url` stays good while partitions are asked for; deinit also after false. */
bool kafka_url_parse(struct kafka_url *out, const char *url, struct error *err);
void kafka_url_deinit(struct kafka_url *url);
/* Whether the partition is listed, or all are wanted. */
bool kafka_url_has(const struct kafka_url *url, int32_t partition);

/* `partition_count` will be read (0: not known yet). NULL with err: ERROR_USAGE for a property that librdkafka does not take. The caller
 * destroys it. */
rd_kafka_t *kafka_consumer_new(const char *brokers, const struct source_options *options, size_t partition_count,
                               struct error *err);

/* As kafka_consumer_new, a static member of the group that options name. `note` is called, with `context`, from within its polls. */
rd_kafka_t *kafka_member_new(const char *brokers, const struct source_options *options, size_t partition_count,
                             void (*note)(rd_kafka_t *consumer, rd_kafka_resp_err_t code, rd_kafka_topic_partition_list_t *list,
                                          void *context),
                             void *context, struct error *err);

/* How much this consumer fetches ahead for a partition. */
uint64_t kafka_ahead_bytes(rd_kafka_t *consumer);

/* A consumer that reads single messages, and takes little memory. */
rd_kafka_t *kafka_asker_new(const char *brokers, const struct source_options *options, struct error *err);

/* The same, of this group, whose offsets it may ask for; it does not join it. */
rd_kafka_t *kafka_group_asker_new(const char *brokers, const char *group, const struct source_options *options, struct error *err);

/* As kafka_consumer_new, a producer that keeps order and writes each message once; `take_report` is called, with `context`, for each message
 * when it is written or given up, by whoever polls or flushes. */
rd_kafka_t *kafka_producer_new(const char *brokers, const struct source_options *options,
                               void (*take_report)(rd_kafka_t *producer, const rd_kafka_message_t *message, void *context),
                               void *context, struct error *err);

/* As kafka_producer_new, for transactions. */
rd_kafka_t *kafka_transactional_producer_new(
    const char *brokers, const char *transactional_id, const struct source_options *options,
    void (*take_report)(rd_kafka_t *producer, const rd_kafka_message_t *message, void *context), void *context, struct error *err);

/* What is asked at the start, and of whom. */
struct kafka_question {
  rd_kafka_t *consumer; /* or producer */
  const char *brokers, *topic;
  const struct source_options *options; /* for should_stop */
};

/* Once, with a time limit. */
rd_kafka_resp_err_t kafka_ask_partition_count(const struct kafka_question *question, int answer_ms, int *count);

/* Both try for START_MS until a broker answers. ERROR_RETRY when none did or should_stop said so, ERROR_INPUT when the topic is not
 * there. */
bool kafka_partition_count(const struct kafka_question *question, int *count, struct error *err);
bool kafka_watermarks(const struct kafka_question *question, int32_t partition, uint64_t *low, uint64_t *high, struct error *err);

#endif
