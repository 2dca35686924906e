/* A topic instead of a store. See ingest.h; the transaction itself is in topic_transaction.c.
 *
 *   topic_sink_new   init_transactions (finishes or aborts what the one before left) -> offsets of the group -> positions */
#include "ingest/topic_sink.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/memory.h"
#include "ingest/kafka_offset.h"

#define ANSWER_MS 5000
#define START_US (30 * US_PER_SECOND)

void topic_sink_free(struct topic_sink *sink) {
  if (!sink) return;
  if (sink->producer) rd_kafka_destroy(sink->producer);
  if (sink->asker) rd_kafka_consumer_close(sink->asker);
  if (sink->asker) rd_kafka_destroy(sink->asker);
  for (size_t i = 0; i < sink->known_count; i++) free((char *)(uintptr_t)sink->known[i].name.ptr);
  free(sink->known);
  buf_deinit(&sink->open_topic);
  buf_deinit(&sink->transactional_id);
  kafka_url_deinit(&sink->url);
  free(sink);
}

/* ---- positions -------------------------------------------------------------------------------------------------------------------- */

static void keep_position(struct topic_sink *sink, const rd_kafka_topic_partition_t *item) {
  struct input_position position = {.kind = INPUT_KAFKA};
  char *name;
  if (!kafka_offset_read(item, &position)) return;
  if (asprintf(&name, "%s/%d", item->topic, item->partition) < 0) abort();
  position.name = slice_from_cstr(name);
  sink->known = memory_resize(sink->known, (sink->known_count + 1) * sizeof *sink->known);
  sink->known[sink->known_count++] = position;
}

bool topic_sink_ask_offsets(struct topic_sink *sink, rd_kafka_topic_partition_list_t *list, struct error *err) {
  int64_t deadline_us = clock_monotonic_us() + START_US;
  const struct source_options *options = sink->options.source;
  rd_kafka_resp_err_t code;
  do {
    code = rd_kafka_committed(sink->asker, list, ANSWER_MS);
    for (int i = 0; i < list->cnt && !code; i++) code = list->elems[i].err;
  } while (code && clock_monotonic_us() < deadline_us && !(options->should_stop && options->should_stop(options->stop_context)));
  if (!code) return true;
  return error_set(err, ERROR_RETRY, "kafka %s: cannot ask for the offsets of group %s: %s", sink->url.brokers, sink->options.group,
                   rd_kafka_err2str(code));
}

static bool read_positions(struct topic_sink *sink, const char *name, struct error *err) {
  struct kafka_url url;
  int count = 0;
  bool is_done = kafka_url_parse(&url, name, err);
  if (is_done && strcmp(url.brokers, sink->url.brokers) != 0)
    is_done = error_set(err, ERROR_USAGE, "%s: a transaction is of one cluster: name the brokers as for the sink, %s", name,
                        sink->url.brokers);
  const struct kafka_question question = {sink->asker, url.brokers, url.topic, sink->options.source};
  is_done = is_done && kafka_partition_count(&question, &count, err);
  rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(count);
  for (int32_t partition = 0; partition < count; partition++)
    if (kafka_url_has(&url, partition)) rd_kafka_topic_partition_list_add(list, url.topic, partition);
  is_done = is_done && (list->cnt == 0 || topic_sink_ask_offsets(sink, list, err));
  for (int i = 0; i < list->cnt && is_done; i++) keep_position(sink, &list->elems[i]);
  rd_kafka_topic_partition_list_destroy(list);
  kafka_url_deinit(&url);
  return is_done;
}

void topic_sink_positions(const struct topic_sink *sink, const struct input_position **out, size_t *count) {
  *out = sink->known;
  *count = sink->known_count;
}

/* ---- opening ---------------------------------------------------------------------------------------------------------------------- */

static bool check_topic(const struct topic_sink *sink, const char *topic, int *count, struct error *err) {
  const struct kafka_question question = {sink->asker, sink->url.brokers, topic, sink->options.source};
  return kafka_partition_count(&question, count, err);
}

/* The same group, and sources or member: the same writer, of which there is one at a time. */
static void name_transactions(struct topic_sink *sink) {
  const struct source_options *source = sink->options.source;
  buf_printf(&sink->transactional_id, "%s", sink->options.group);
  if (source->member) buf_printf(&sink->transactional_id, "/%s", source->member);
  for (size_t i = 0; i < source->name_count && !source->member; i++) {
    struct slice name = slice_skip(slice_from_cstr(source->names[i]), sizeof "kafka://" - 1);
    buf_append_slice(&sink->transactional_id, slice_skip(name, slice_find_byte(name, '/')));
  }
  buf_append_byte(&sink->transactional_id, '\0');
}

struct topic_sink *topic_sink_new(const struct topic_sink_options *options, struct error *err) {
  struct topic_sink *sink = memory_zeroed(sizeof *sink);
  sink->options = *options;
  bool is_done = kafka_url_parse(&sink->url, options->target, err);
  if (is_done && sink->url.partitions.len)
    is_done = error_set(err, ERROR_USAGE, "%s: a topic is written to, not a partition", options->target);
  if (is_done) {
    buf_printf(&sink->open_topic, "%s-open", sink->url.topic);
    buf_append_byte(&sink->open_topic, '\0');
    name_transactions(sink);
  }
  int count;
  is_done = is_done && (sink->asker = kafka_group_asker_new(sink->url.brokers, options->group, options->source, err)) != NULL &&
            check_topic(sink, sink->url.topic, &count, err) &&
            check_topic(sink, sink->open_topic.ptr, &sink->open_partition_count, err) && topic_sink_open_producer(sink, err);
  for (size_t i = 0; i < options->source->name_count && is_done && !options->source->member; i++)
    is_done = read_positions(sink, options->source->names[i], err);
  if (is_done) return sink;
  topic_sink_free(sink);
  return NULL;
}
