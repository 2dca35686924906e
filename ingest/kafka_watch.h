/* Looks, beside the reading, at what librdkafka does not tell a consumer of assigned partitions: that its topic has more of them now, and that
 * it was deleted and made again so quickly that offsets went on. One thread and one connection for each topic. */
#ifndef INGEST_KAFKA_WATCH_H
#define INGEST_KAFKA_WATCH_H

#include "ingest/kafka_mark.h"

struct kafka_watch;

/* Takes `question` (brokers and topic by reference) and from then on its consumer. NULL with err when there is no thread to be had. */
struct kafka_watch *kafka_watch_new(const struct kafka_question *question, size_t partition_count, struct error *err);
/* Waits for the look under way, a second at most; destroys the consumer. */
void kafka_watch_free(struct kafka_watch *watch);

/* As of the last look. */
size_t kafka_watch_partition_count(const struct kafka_watch *watch);

/* A message just read. It is looked at again with one of the next looks, so that each stands between two: give them as often as you like,
 * most are not taken. */
void kafka_watch_offer(struct kafka_watch *watch, const struct kafka_mark *mark);

/* Whether another message was found at a mark, once. */
bool kafka_watch_take_other(struct kafka_watch *watch, struct kafka_mark *mark);

#endif
