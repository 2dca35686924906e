/* The null consumer: reads a partition from its first message to its end with the settings of bouncemill's own consumer, touches each byte, and does
 * nothing with it.
 *
 *   bench_kafka_null BROKERS TOPIC        prints messages and bytes */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "ingest/kafka_client.h"

#define MESSAGES_MAX 1000

struct seen {
  uint64_t messages, bytes, sum;
  bool is_over;
};

/* Eight bytes at once: what memory costs, not what adding does. */
static uint64_t touch(const char *bytes, size_t len) {
  uint64_t sum = 0, word;
  size_t i = 0;
  for (; i + sizeof word <= len; i += sizeof word) {
    memcpy(&word, bytes + i, sizeof word);
    sum += word;
  }
  for (; i < len; i++) sum += (unsigned char)bytes[i];
  return sum;
}

static void take(struct seen *seen, rd_kafka_message_t *message) {
  if (message->err == RD_KAFKA_RESP_ERR__PARTITION_EOF) {
    seen->is_over = true;
  } else if (message->err) {
    fprintf(stderr, "bench_kafka_null: %s\n", rd_kafka_message_errstr(message));
    exit(1);
  } else {
    seen->messages++;
    seen->bytes += message->len;
    seen->sum += touch(message->payload, message->len);
  }
  rd_kafka_message_destroy(message);
}

int main(int argc, char **argv) {
  struct error err;
  struct source_options options = {0};
  struct seen seen = {0};
  if (argc != 3) return fprintf(stderr, "usage: bench_kafka_null BROKERS TOPIC\n"), 2;
  rd_kafka_t *consumer = kafka_consumer_new(argv[1], &options, 1, &err);
  if (!consumer) return fprintf(stderr, "bench_kafka_null: %s\n", err.text), 1;
  rd_kafka_queue_t *queue = rd_kafka_queue_get_consumer(consumer);
  int64_t low, high; /* asked for as bouncemill does: without it librdkafka 2.0 begins to fetch a second later */
  rd_kafka_query_watermark_offsets(consumer, argv[2], 0, &low, &high, 5000);
  rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
  rd_kafka_topic_partition_list_add(list, argv[2], 0)->offset = RD_KAFKA_OFFSET_BEGINNING;
  rd_kafka_assign(consumer, list);
  rd_kafka_topic_partition_list_destroy(list);
  while (!seen.is_over) {
    rd_kafka_message_t *messages[MESSAGES_MAX];
    ssize_t got = rd_kafka_consume_batch_queue(queue, 0, messages, MESSAGES_MAX);
    if (got == 0) got = rd_kafka_consume_batch_queue(queue, 50, messages, 1);
    for (ssize_t i = 0; i < got; i++) take(&seen, messages[i]);
  }
  printf("%" PRIu64 " messages, %" PRIu64 " bytes, sum %016" PRIx64 "\n", seen.messages, seen.bytes, seen.sum);
  rd_kafka_consumer_close(consumer);
  rd_kafka_queue_destroy(queue);
  rd_kafka_destroy(consumer);
  return 0;
}
