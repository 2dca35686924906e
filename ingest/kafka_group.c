/* A consumer that is a member of a group: the brokers say which partitions it reads. What they say is only noted; it is done when everything
 * read before is committed, for then somebody else may go on from there.
 *
 *   librdkafka -> note -> SOURCE_REBALANCE -> (the caller commits) -> kafka_group_rebalance */
#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "ingest/kafka_internal.h"
#include "ingest/kafka_offset.h"

#define ANSWER_MS 5000
#define ANSWERS_US (60 * US_PER_SECOND)

void kafka_group_note(rd_kafka_t *consumer, rd_kafka_resp_err_t code, rd_kafka_topic_partition_list_t *list, void *context) {
  struct kafka *k = context;
  if (k->is_closing) {
    rd_kafka_assign(consumer, NULL);
    return;
  }
  if (k->rebalance) rd_kafka_topic_partition_list_destroy(k->rebalance);
  k->rebalance = rd_kafka_topic_partition_list_copy(list);
  k->is_assignment = code == RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS;
}

bool kafka_group_join(struct kafka *k, struct error *err) {
  rd_kafka_topic_partition_list_t *topics = rd_kafka_topic_partition_list_new(1);
  rd_kafka_topic_partition_list_add(topics, k->url.topic, RD_KAFKA_PARTITION_UA);
  rd_kafka_resp_err_t code = rd_kafka_subscribe(k->consumer, topics);
  rd_kafka_topic_partition_list_destroy(topics);
  if (!code) return true;
  return error_set(err, ERROR_INPUT, "kafka %s: %s: %s", k->url.brokers, k->url.topic, rd_kafka_err2str(code));
}

static bool ask_offsets(struct kafka *k, struct error *err) {
  int64_t deadline_us = clock_monotonic_us() + ANSWERS_US;
  rd_kafka_resp_err_t code;
  do {
    code = rd_kafka_committed(k->consumer, k->rebalance, ANSWER_MS);
    for (int i = 0; i < k->rebalance->cnt && !code; i++) code = k->rebalance->elems[i].err;
  } while (code && clock_monotonic_us() < deadline_us);
  if (!code) return true;
  return error_set(err, ERROR_RETRY, "kafka %s: cannot ask for the offsets of group %s: %s", k->url.brokers, k->options.group,
                   rd_kafka_err2str(code));
}

static bool take_up(struct kafka *k, struct error *err) {
  if (!ask_offsets(k, err)) return false;
  for (int i = 0; i < k->rebalance->cnt; i++) {
    struct input_position position = {0};
    const rd_kafka_topic_partition_t *item = &k->rebalance->elems[i];
    if (!kafka_take_up_partition(k, item->partition, kafka_offset_read(item, &position) ? &position : NULL, err)) return false;
  }
  return kafka_start_partitions(k, 0, err);
}

bool kafka_group_rebalance(struct kafka *k, struct error *err) {
  bool is_lost = !k->is_assignment && rd_kafka_assignment_lost(k->consumer), is_done = true;
  log_event(LOG_INFO, "rebalance", "topic=%s partitions=%d what=%s", k->url.topic, k->rebalance->cnt,
            is_lost            ? "lost"
            : k->is_assignment ? "assigned"
                               : "revoked");
  kafka_drop_partitions(k);
  if (k->is_assignment)
    is_done = take_up(k, err);
  else
    rd_kafka_assign(k->consumer, NULL);
  rd_kafka_topic_partition_list_destroy(k->rebalance);
  k->rebalance = NULL;
  return is_done;
}
