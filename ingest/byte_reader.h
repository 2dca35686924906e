/* The bytes of a descriptor as they were before gzip or zstd packed them. What packed them, if anything, is known by the first bytes
 * (gzip: RFC 1952, zstd: RFC 8878), not by a name. Several gzip members or zstd frames behind one another are one stream. */
#ifndef INGEST_BYTE_READER_H
#define INGEST_BYTE_READER_H

#include <sys/types.h>

#include "base/error.h"
#include "base/slice.h"

struct byte_reader;

/* `fd` stays the caller's and is read with read(); `name` is for messages, kept by reference. */
struct byte_reader *byte_reader_new(int fd, const char *name);
void byte_reader_free(struct byte_reader *reader);

#define BYTE_READER_FAILED (-1)
#define BYTE_READER_NOTHING_YET (-2)

/* Up to `room` bytes to `to`; reads from the descriptor at most once. Returns their count; 0 at the end; BYTE_READER_NOTHING_YET when
 * what was read gave none; BYTE_READER_FAILED with err (damaged or cut data, a read error), after every byte that could be had was given,
 * and again with each call after that. */
ssize_t byte_reader_read(struct byte_reader *reader, char *to, size_t room, struct error *err);

/* Whether bytes may come without another read from the descriptor. */
bool byte_reader_has_pending(const struct byte_reader *reader);

/* Bytes read from the descriptor. */
uint64_t byte_reader_stored_bytes(const struct byte_reader *reader);

/* Whether these first bytes of a file (4 are enough) say that it is packed. */
bool byte_reader_is_packed(struct slice front);

#endif
