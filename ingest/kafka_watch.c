/* The watch beside a topic. See kafka_watch.h. */
#include "ingest/kafka_watch.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>

#include "base/memory.h"

#define PERIOD_S 2
#define ANSWER_MS 1000

struct kafka_watch {
  struct kafka_question question;
  struct source_options options; /* the watch's own: its thread stops by `is_stopping` */
  pthread_t thread;
  pthread_mutex_t mutex;
  pthread_cond_t woken;
  atomic_bool is_stopping, wants_mark, has_other;
  atomic_size_t partition_count;
  struct kafka_mark mark;  /* under the mutex: the one to look at; offset of the newest when wants_mark */
  struct kafka_mark other; /* written before has_other is set */
};

static bool is_stopping(void *context) { return atomic_load(&((struct kafka_watch *)context)->is_stopping); }

static void look_at_size(struct kafka_watch *w) {
  int count = 0;
  if (kafka_ask_partition_count(&w->question, ANSWER_MS, &count)) return; /* the reading consumer says what is wrong */
  if ((size_t)count > atomic_load(&w->partition_count)) atomic_store(&w->partition_count, (size_t)count);
}

static void look_at_mark(struct kafka_watch *w) {
  int64_t low, high;
  struct error ignored; /* a broker that is away is told by the reading consumer; the mark is looked at next time */
  pthread_mutex_lock(&w->mutex);
  struct kafka_mark mark = w->mark;
  pthread_mutex_unlock(&w->mutex);
  if (atomic_load(&w->wants_mark)) return;
  if (rd_kafka_query_watermark_offsets(w->question.consumer, w->question.topic, mark.partition, &low, &high, ANSWER_MS)) return;
  mark.state = MARK_UNKNOWN;
  if ((int64_t)mark.offset < low)
    mark.state = MARK_GONE;
  else if ((int64_t)mark.offset >= high)
    mark.state = MARK_OTHER;
  else if (!kafka_marks_check(&w->question, &mark, 1, ANSWER_MS, &ignored))
    return;
  if (mark.state == MARK_OTHER && !atomic_load(&w->has_other)) {
    w->other = mark;
    atomic_store(&w->has_other, true);
  }
  atomic_store(&w->wants_mark, true);
}

static void *watch_main(void *argument) {
  struct kafka_watch *w = argument;
  pthread_mutex_lock(&w->mutex);
  while (!atomic_load(&w->is_stopping)) {
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += PERIOD_S;
    pthread_cond_timedwait(&w->woken, &w->mutex, &until);
    pthread_mutex_unlock(&w->mutex);
    if (!atomic_load(&w->is_stopping)) look_at_mark(w);
    if (!atomic_load(&w->is_stopping)) look_at_size(w);
    pthread_mutex_lock(&w->mutex);
  }
  pthread_mutex_unlock(&w->mutex);
  return NULL;
}

struct kafka_watch *kafka_watch_new(const struct kafka_question *question, size_t partition_count, struct error *err) {
  struct kafka_watch *w = memory_zeroed(sizeof *w);
  w->question = *question;
  w->options = (struct source_options){.should_stop = is_stopping, .stop_context = w};
  w->question.options = &w->options;
  atomic_init(&w->partition_count, partition_count);
  atomic_init(&w->wants_mark, true);
  pthread_mutex_init(&w->mutex, NULL);
  pthread_cond_init(&w->woken, NULL);
  if (pthread_create(&w->thread, NULL, watch_main, w) == 0) return w;
  error_set(err, ERROR_RETRY, "kafka %s: cannot start a thread", question->brokers);
  pthread_cond_destroy(&w->woken);
  pthread_mutex_destroy(&w->mutex);
  rd_kafka_destroy(w->question.consumer);
  free(w);
  return NULL;
}

void kafka_watch_free(struct kafka_watch *w) {
  if (!w) return;
  pthread_mutex_lock(&w->mutex);
  atomic_store(&w->is_stopping, true);
  pthread_cond_signal(&w->woken);
  pthread_mutex_unlock(&w->mutex);
  pthread_join(w->thread, NULL);
  rd_kafka_consumer_close(w->question.consumer);
  rd_kafka_destroy(w->question.consumer);
  pthread_cond_destroy(&w->woken);
  pthread_mutex_destroy(&w->mutex);
  free(w);
}

size_t kafka_watch_partition_count(const struct kafka_watch *w) { return atomic_load(&w->partition_count); }

void kafka_watch_offer(struct kafka_watch *w, const struct kafka_mark *mark) {
  if (!atomic_load_explicit(&w->wants_mark, memory_order_relaxed)) return;
  pthread_mutex_lock(&w->mutex);
  w->mark = *mark;
  pthread_mutex_unlock(&w->mutex);
  atomic_store(&w->wants_mark, false);
}

bool kafka_watch_take_other(struct kafka_watch *w, struct kafka_mark *mark) {
  if (!atomic_load_explicit(&w->has_other, memory_order_acquire)) return false;
  *mark = w->other;
  atomic_store(&w->has_other, false);
  return true;
}
