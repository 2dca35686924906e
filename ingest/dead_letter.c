/* Where records of unparsed lines go: a file that is appended to, or a Kafka topic, one message a record. Whole records come in, many at
 * once and from any thread; what was written is durable when dead_letters_sync has returned. A target that failed takes nothing more. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/memory.h"
#include "ingest/kafka_client.h"

/* How often a full queue of librdkafka, or one being emptied, is looked at again. Its messages do not wait for ever: message.timeout.ms. */
#define POLL_MS 200

struct dead_letters {
  const char *target; /* as given */
  pthread_mutex_t mutex;
  struct error err; /* kind is set once something failed */
  atomic_bool has_failed, has_unsynced;
  /* A file: */
  const char *path; /* NULL: a topic */
  int fd;
  /* A topic: */
  rd_kafka_t *producer;
  struct kafka_url url;
};

/* The first failure is the one that is told. */
static void fail(struct dead_letters *letters, int errnum, const char *what) {
  pthread_mutex_lock(&letters->mutex);
  if (letters->err.kind)
    ;
  else if (errnum)
    error_set_errno(&letters->err, ERROR_INPUT, errnum, "dead letters: %s: %s", letters->target, what);
  else
    error_set(&letters->err, ERROR_INPUT, "dead letters: %s: %s", letters->target, what);
  pthread_mutex_unlock(&letters->mutex);
  atomic_store(&letters->has_failed, true);
}

/* ---- a file ------------------------------------------------------------------------------------------------------------------- */

/* So that a file just made is still there after a power cut. */
static void sync_directory(const char *path) {
  const char *slash = strrchr(path, '/');
  size_t len = slash ? (size_t)(slash - path) + 1 : 0;
  char *directory = memory_zeroed(len + 2);
  if (len)
    memcpy(directory, path, len);
  else
    directory[0] = '.';
  int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  free(directory);
  if (fd < 0) return;
  fsync(fd);
  close(fd);
}

/* Logs name people: not for everybody to read. A record that a kill or a full disk cut off gets its line end, so that the next one stands
 * on a line of its own. */
static int open_file(const char *path) {
  struct stat st;
  char last;
  int fd = open(path, O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC, 0640);
  if (fd < 0) return -1;
  bool is_torn =
      fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_size > 0 && pread(fd, &last, 1, st.st_size - 1) == 1 && last != '\n';
  if (is_torn && write(fd, "\n", 1) != 1) {
    close(fd);
    return -1;
  }
  sync_directory(path);
  return fd;
}

static void write_file(struct dead_letters *letters, struct slice records) {
  int errnum = 0;
  pthread_mutex_lock(&letters->mutex);
  while (records.len && !errnum) {
    ssize_t written = write(letters->fd, records.ptr, records.len);
    if (written < 0 && errno != EINTR) errnum = errno;
    if (written > 0) records = slice_skip(records, (size_t)written);
  }
  pthread_mutex_unlock(&letters->mutex);
  if (errnum) fail(letters, errnum, "cannot write");
}

/* A file that was renamed or removed, as logrotate does, is followed by a new one. */
static void reopen_if_rotated(struct dead_letters *letters) {
  struct stat open_now, at_path;
  if (fstat(letters->fd, &open_now) != 0) return;
  bool is_same = stat(letters->path, &at_path) == 0 && at_path.st_dev == open_now.st_dev && at_path.st_ino == open_now.st_ino;
  if (is_same) return;
  int fd = open_file(letters->path);
  if (fd < 0) {
    fail(letters, errno, "cannot open again");
    return;
  }
  pthread_mutex_lock(&letters->mutex);
  close(letters->fd);
  letters->fd = fd;
  pthread_mutex_unlock(&letters->mutex);
}

static void sync_file(struct dead_letters *letters) {
  /* Pipes and devices cannot be synced: EINVAL, and what was written has left. */
  if (fsync(letters->fd) != 0 && errno != EINVAL && errno != EROFS) fail(letters, errno, "cannot write");
  reopen_if_rotated(letters);
}

/* ---- a topic ------------------------------------------------------------------------------------------------------------------ */

static void take_report(rd_kafka_t *producer, const rd_kafka_message_t *message, void *context) {
  (void)producer;
  if (message->err) fail(context, 0, rd_kafka_err2str(message->err));
}

static bool open_topic(struct dead_letters *letters, const struct source_options *options, struct error *err) {
  if (!kafka_url_parse(&letters->url, letters->target, err)) return false;
  if (letters->url.partitions.len)
    return error_set(err, ERROR_USAGE, "%s: a topic is written to, not a partition", letters->target);
  letters->producer = kafka_producer_new(letters->url.brokers, options, take_report, letters, err);
  if (!letters->producer) return false;
  int partition_count;
  const struct kafka_question question = {letters->producer, letters->url.brokers, letters->url.topic, options};
  return kafka_partition_count(&question, &partition_count, err);
}

static void write_topic(struct dead_letters *letters, struct slice records) {
  while (records.len && !atomic_load(&letters->has_failed)) {
    size_t len = slice_find_byte(records, '\n');
    rd_kafka_resp_err_t code =
        rd_kafka_producev(letters->producer, RD_KAFKA_V_TOPIC(letters->url.topic), RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY),
                          RD_KAFKA_V_VALUE((void *)(uintptr_t)records.ptr, len), RD_KAFKA_V_END);
    if (code == RD_KAFKA_RESP_ERR__QUEUE_FULL) {
      rd_kafka_poll(letters->producer, POLL_MS);
      continue;
    }
    if (code) fail(letters, 0, rd_kafka_err2str(code));
    records = slice_skip(records, len + 1);
  }
  rd_kafka_poll(letters->producer, 0);
}

/* ---- both --------------------------------------------------------------------------------------------------------------------- */

struct dead_letters *dead_letters_new(const char *target, const struct source_options *options, struct error *err) {
  struct dead_letters *letters = memory_zeroed(sizeof *letters);
  letters->target = target;
  letters->fd = -1;
  pthread_mutex_init(&letters->mutex, NULL);
  bool is_topic = strncmp(target, "kafka://", 8) == 0, is_open;
  if (is_topic) {
    is_open = open_topic(letters, options, err);
  } else {
    letters->path = target;
    letters->fd = open_file(target);
    is_open = letters->fd >= 0 || error_set_errno(err, ERROR_INPUT, errno, "dead letters: %s: cannot open", target);
  }
  if (is_open) return letters;
  dead_letters_free(letters);
  return NULL;
}

void dead_letters_free(struct dead_letters *letters) {
  if (!letters) return;
  if (letters->fd >= 0) close(letters->fd);
  if (letters->producer) rd_kafka_destroy(letters->producer);
  pthread_mutex_destroy(&letters->mutex);
  kafka_url_deinit(&letters->url);
  free(letters);
}

void dead_letters_write(struct dead_letters *letters, struct slice records) {
  if (!records.len || atomic_load(&letters->has_failed)) return;
  atomic_store(&letters->has_unsynced, true);
  if (letters->path)
    write_file(letters, records);
  else
    write_topic(letters, records);
}

bool dead_letters_sync(struct dead_letters *letters, struct error *err) {
  if (atomic_exchange(&letters->has_unsynced, false) && !atomic_load(&letters->has_failed)) {
    if (letters->path)
      sync_file(letters);
    else
      while (rd_kafka_flush(letters->producer, POLL_MS) == RD_KAFKA_RESP_ERR__TIMED_OUT) continue;
  }
  if (!atomic_load(&letters->has_failed)) return true;
  pthread_mutex_lock(&letters->mutex);
  if (err) *err = letters->err;
  pthread_mutex_unlock(&letters->mutex);
  return false;
}
