/* The transaction of a topic sink, tried again for as long as that can help.
 *
 *   begin | rows, open messages | offsets | commit -> done
 *     any of them: can be tried again -> the same call again; must be aborted -> abort, from the beginning;
 *                  fatal -> another producer; were the offsets moved? done : from the beginning
 *                  shut out by another run -> the end */
#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "ingest/kafka_offset.h"
#include "ingest/source_member.h"
#include "ingest/topic_sink.h"

#define CALL_MS 30000
#define POLL_MS 200
#define TRY_US (300 * US_PER_SECOND)

enum step { STEP_DONE, STEP_FROM_THE_BEGINNING, STEP_OTHER_PRODUCER, STEP_FAILED };

static void take_report(rd_kafka_t *producer, const rd_kafka_message_t *message, void *context) {
  (void)producer, (void)message, (void)context; /* a message that was not written fails its transaction */
}

/* What to do after a call; takes `error`, which may be NULL: fine. `is_again`: the same call may be made again. */
static enum step judge(struct topic_sink *sink, rd_kafka_error_t *error, bool *is_again, struct error *err) {
  *is_again = false;
  if (!error) return STEP_DONE;
  rd_kafka_resp_err_t code = rd_kafka_error_code(error);
  enum step step = STEP_FAILED;
  bool is_member = code != RD_KAFKA_RESP_ERR_ILLEGAL_GENERATION && code != RD_KAFKA_RESP_ERR_UNKNOWN_MEMBER_ID &&
                   code != RD_KAFKA_RESP_ERR_FENCED_INSTANCE_ID;
  if (code == RD_KAFKA_RESP_ERR__FENCED || code == RD_KAFKA_RESP_ERR_PRODUCER_FENCED ||
      code == RD_KAFKA_RESP_ERR_INVALID_PRODUCER_EPOCH)
    error_set(err, ERROR_INPUT,
              "kafka %s: another run of group %s with the same sources has taken over, or this one was stopped for longer than a "
              "transaction lasts",
              sink->url.brokers, sink->options.group);
  else if (!is_member)
    error_set(err, ERROR_RETRY, "kafka %s: the group %s has gone on without this member; start it again", sink->url.brokers,
              sink->options.group);
  else if (rd_kafka_error_is_fatal(error))
    step = STEP_OTHER_PRODUCER;
  else if (rd_kafka_error_txn_requires_abort(error))
    step = STEP_FROM_THE_BEGINNING;
  else if (rd_kafka_error_is_retriable(error))
    *is_again = true;
  else
    error_set(err, ERROR_INPUT, "kafka %s: %s", sink->url.brokers, rd_kafka_error_string(error));
  if (step == STEP_OTHER_PRODUCER || step == STEP_FROM_THE_BEGINNING) {
    char text[512];
    log_event(LOG_WARNING, "transaction", "step=%s text=%s", step == STEP_OTHER_PRODUCER ? "producer_lost" : "aborted",
              log_value(text, sizeof text, slice_from_cstr(rd_kafka_error_string(error))));
  }
  rd_kafka_error_destroy(error);
  return step;
}

/* One commit on its way. */
struct trying {
  struct topic_sink *sink;
  const struct topic_commit *commit;
  rd_kafka_topic_partition_list_t *offsets;
  rd_kafka_consumer_group_metadata_t *group;
  int64_t deadline_us;
};

static rd_kafka_error_t *begin(const struct trying *t) { return rd_kafka_begin_transaction(t->sink->producer); }
static rd_kafka_error_t *send_offsets(const struct trying *t) {
  return rd_kafka_send_offsets_to_transaction(t->sink->producer, t->offsets, t->group, CALL_MS);
}
static rd_kafka_error_t *commit(const struct trying *t) { return rd_kafka_commit_transaction(t->sink->producer, CALL_MS); }
static rd_kafka_error_t *roll_back(const struct trying *t) { return rd_kafka_abort_transaction(t->sink->producer, CALL_MS); }

/* Makes a call until it is done or cannot be made again. */
static enum step make(const struct trying *t, rd_kafka_error_t *(*call)(const struct trying *t), struct error *err) {
  bool is_again;
  enum step step;
  do step = judge(t->sink, call(t), &is_again, err);
  while (is_again && clock_monotonic_us() < t->deadline_us);
  if (is_again) error_set(err, ERROR_RETRY, "kafka %s: no broker takes a transaction", t->sink->url.brokers);
  return step;
}

bool topic_sink_open_producer(struct topic_sink *sink, struct error *err) {
  int64_t deadline_us = clock_monotonic_us() + TRY_US;
  sink->producer =
      kafka_transactional_producer_new(sink->url.brokers, sink->transactional_id.ptr, sink->options.source, take_report, sink, err);
  if (!sink->producer) return false;
  const struct source_options *options = sink->options.source;
  bool is_again;
  enum step step;
  do step = judge(sink, rd_kafka_init_transactions(sink->producer, POLL_MS * 10), &is_again, err);
  while (is_again && clock_monotonic_us() < deadline_us && !(options->should_stop && options->should_stop(options->stop_context)));
  if (step == STEP_DONE) return true;
  if (!err->kind) error_set(err, ERROR_RETRY, "kafka %s: no broker takes transactions", sink->url.brokers);
  return false;
}

/* ---- what it carries -------------------------------------------------------------------------------------------------------------- */

static rd_kafka_error_t *produce(rd_kafka_t *producer, const char *topic, struct slice key, struct slice value) {
  for (;;) {
    rd_kafka_error_t *error =
        rd_kafka_produceva(producer,
                           (const rd_kafka_vu_t[]){
                               {.vtype = RD_KAFKA_VTYPE_TOPIC, .u.cstr = topic},
                               {.vtype = RD_KAFKA_VTYPE_KEY, .u.mem = {(void *)(uintptr_t)key.ptr, key.len}},
                               {.vtype = RD_KAFKA_VTYPE_VALUE, .u.mem = {(void *)(uintptr_t)value.ptr, value.len}},
                               {.vtype = RD_KAFKA_VTYPE_MSGFLAGS, .u.i = RD_KAFKA_MSG_F_COPY},
                           },
                           4);
    if (!error || rd_kafka_error_code(error) != RD_KAFKA_RESP_ERR__QUEUE_FULL) return error;
    rd_kafka_error_destroy(error);
    rd_kafka_poll(producer, POLL_MS);
  }
}

/* A message that the queue does not take is of a transaction that has failed already: the commit says how. */
static void produce_all(struct topic_sink *sink, const struct topic_commit *commit) {
  rd_kafka_error_t *error = NULL;
  for (size_t i = 0; i < commit->message_count && !error; i++)
    error = produce(sink->producer, sink->url.topic, SLICE_ABSENT, commit->messages[i]);
  struct buf key = {0};
  for (size_t i = 0; i < commit->open_message_count && !error; i++) {
    const struct open_message *message = &commit->open_messages[i];
    buf_clear(&key);
    buf_append_slice(&key, message->scope);
    buf_append_byte(&key, '\0');
    buf_append_slice(&key, message->key);
    error = produce(sink->producer, sink->open_topic.ptr, buf_slice(&key), message->state.len ? message->state : SLICE_ABSENT);
  }
  buf_deinit(&key);
  if (!error) return;
  char text[512];
  log_event(LOG_WARNING, "transaction", "step=produce text=%s",
            log_value(text, sizeof text, slice_from_cstr(rd_kafka_error_string(error))));
  rd_kafka_error_destroy(error);
}

/* "topic/partition" of an input as librdkafka names it. */
static void add_input(rd_kafka_topic_partition_list_t *list, const struct input_position *input) {
  char topic[512], metadata[KAFKA_METADATA_BYTES];
  size_t len = input->name.len;
  while (len && input->name.ptr[len - 1] != '/') len--;
  snprintf(topic, sizeof topic, "%.*s", (int)(len ? len - 1 : 0), input->name.ptr);
  int32_t partition = (int32_t)strtol(input->name.ptr + len, NULL, 10); /* names of inputs are NUL-terminated */
  rd_kafka_topic_partition_t *item = rd_kafka_topic_partition_list_add(list, topic, partition);
  item->offset = (int64_t)input->committed;
  kafka_offset_write_metadata(input, metadata);
  item->metadata = strdup(metadata); /* freed with the list */
  item->metadata_size = strlen(metadata);
}

static rd_kafka_topic_partition_list_t *list_inputs(const struct topic_commit *commit) {
  rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new((int)commit->input_count);
  for (size_t i = 0; i < commit->input_count; i++) add_input(list, &commit->inputs[i]);
  return list;
}

/* ---- trying ----------------------------------------------------------------------------------------------------------------------- */

static enum step try_commit(const struct trying *t, struct error *err) {
  enum step step = make(t, begin, err);
  if (step == STEP_DONE) {
    produce_all(t->sink, t->commit);
    step = make(t, send_offsets, err);
  }
  if (step == STEP_DONE) step = make(t, commit, err);
  if (step != STEP_FROM_THE_BEGINNING) return step;
  enum step rolled_back = make(t, roll_back, err);
  if (rolled_back == STEP_DONE) return STEP_FROM_THE_BEGINNING;
  return rolled_back == STEP_FROM_THE_BEGINNING ? STEP_OTHER_PRODUCER : rolled_back;
}

/* A commit whose producer broke may be done all the same: then the offsets of the group are those of it. */
static bool is_committed(struct topic_sink *sink, const rd_kafka_topic_partition_list_t *offsets, bool *is_done,
                         struct error *err) {
  rd_kafka_topic_partition_list_t *asked = rd_kafka_topic_partition_list_new(offsets->cnt);
  for (int i = 0; i < offsets->cnt; i++)
    rd_kafka_topic_partition_list_add(asked, offsets->elems[i].topic, offsets->elems[i].partition);
  bool is_answered = topic_sink_ask_offsets(sink, asked, err);
  *is_done = is_answered && offsets->cnt > 0;
  for (int i = 0; i < offsets->cnt && *is_done; i++) *is_done = asked->elems[i].offset == offsets->elems[i].offset;
  rd_kafka_topic_partition_list_destroy(asked);
  return is_answered;
}

static bool commit_until_done(const struct trying *t, struct error *err) {
  struct topic_sink *sink = t->sink;
  do {
    bool is_done = false;
    enum step step = try_commit(t, err);
    if (step == STEP_DONE) return true;
    if (step == STEP_FAILED) return false;
    if (step == STEP_FROM_THE_BEGINNING) continue;
    rd_kafka_destroy(sink->producer);
    if (!topic_sink_open_producer(sink, err) || !is_committed(sink, t->offsets, &is_done, err)) return false;
    if (is_done) return true;
  } while (clock_monotonic_us() < t->deadline_us);
  return error_set(err, ERROR_RETRY, "kafka %s: no broker takes a transaction", sink->url.brokers);
}

bool topic_sink_commit(struct topic_sink *sink, const struct topic_commit *commit, struct error *err) {
  if (!commit->input_count && !commit->message_count && !commit->open_message_count) return true;
  struct trying trying = {.sink = sink,
                          .commit = commit,
                          .offsets = list_inputs(commit),
                          .group = commit->source ? source_group_metadata(commit->source) : NULL,
                          .deadline_us = clock_monotonic_us() + TRY_US};
  if (!trying.group) trying.group = rd_kafka_consumer_group_metadata_new(sink->options.group);
  bool is_done = commit_until_done(&trying, err);
  rd_kafka_consumer_group_metadata_destroy(trying.group);
  rd_kafka_topic_partition_list_destroy(trying.offsets);
  return is_done;
}
