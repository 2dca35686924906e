/* A librdkafka consumer of one topic: made from properties, told where to start in each partition. */
#ifndef INGEST_KAFKA_CLIENT_H
#define INGEST_KAFKA_CLIENT_H

#include <librdkafka/rdkafka.h>

#include "ingest/ingest.h"

/* "kafka://BROKERS/TOPIC" taken apart; both are allocated, to be freed by the caller. ERROR_USAGE when it is none. */
bool kafka_url_parse(const char *url, char **brokers, char **topic, struct error *err);

/* `partition_count` will be read (0: not known yet). NULL with err: ERROR_USAGE for a property that librdkafka does not take. The caller
 * destroys it. */
rd_kafka_t *kafka_consumer_new(const char *brokers, const struct source_options *options, size_t partition_count,
                               struct error *err);

/* Tries for START_MS until a broker answers. ERROR_RETRY when none did, ERROR_INPUT when the topic is not there. */
bool kafka_partition_count(rd_kafka_t *consumer, const char *brokers, const char *topic, int *count, struct error *err);
bool kafka_watermarks(rd_kafka_t *consumer, const char *brokers, const char *topic, int32_t partition, uint64_t *low,
                      uint64_t *high, struct error *err);

#endif
