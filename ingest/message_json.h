/* Messages of Kafka that are not lines become lines. A file cannot hold such: its lines end at each '\n', wherever it stands. */
#ifndef INGEST_MESSAGE_JSON_H
#define INGEST_MESSAGE_JSON_H

#include "base/buf.h"

/* If the message is MessagePack that holds maps (as records, [time, map] or arrays of these, one behind another), appends the same as JSON,
 * one line without its newline, and returns true. Times of Fluent Bit's and MessagePack's own extension types become seconds since
 * 1970. False, and nothing is appended, when it is anything else. */
bool message_from_msgpack(struct slice message, struct buf *out);

/* Puts a blank for each newline when the message is one JSON document over several lines. Documents of one line each stay lines. */
void message_join_json(char *message, size_t len);

#endif
