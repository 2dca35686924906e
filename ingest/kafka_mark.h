/* A mark is one message of a partition that was read: its offset and a hash. A topic that was deleted and made again has the same name and
 * the same offsets, and librdkafka 2.0 tells neither topic ids nor leader epochs; but it has another message at the mark.
 *
 *   offsets   low ......... mark | committed ........ high
 *                           ^ the last message read before `committed`; kept with the position */
#ifndef INGEST_KAFKA_MARK_H
#define INGEST_KAFKA_MARK_H

#include "ingest/kafka_client.h"

enum mark_state {
  MARK_UNKNOWN, /* nobody looked yet */
  MARK_SAME,
  MARK_OTHER, /* another message lies there, or none though later ones do */
  MARK_GONE,  /* deleted by retention meanwhile: tells nothing */
};

struct kafka_mark {
  int32_t partition;
  uint64_t offset, hash;
  enum mark_state state; /* out */
};

/* Of the message's time, its length and the first bytes of its payload: 5 ns, since it is taken of each. Never 0. */
uint64_t kafka_message_hash(int64_t time_ms, struct slice payload);

/* Reads the message at each mark with `question->consumer`, which must not read anything else, and fills in their states. The marks are between
 * the watermarks. False with err (ERROR_RETRY) when some are still unknown after `wait_ms`, or should_stop said so. */
bool kafka_marks_check(const struct kafka_question *question, struct kafka_mark *marks, size_t count, int wait_ms,
                       struct error *err);

#endif
