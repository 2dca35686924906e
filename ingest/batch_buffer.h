/* The bytes of one input between reading and parsing: whole lines go out as batches, a partial last line is carried on.
 *
 *   | ........ lookback | handed out | carry | room ........ |        batch_buffer_take: lines become the batch
 *   | lookback          | carry | room ..................... |        batch_buffer_prepare: what was handed out becomes lookback
 *
 * The lookback is the last LIMIT_LOOKBACK_BYTES of whole lines before the batch. A line that fills all the room is cut to
 * line_bytes_max + 1 bytes, so that a parser counts it as too long, once; the rest of it is thrown away up to its newline. Such a line
 * is a batch of its own, and the position behind it is still exact. Where lines may be JSON, one that begins as JSON does gets more
 * room, since an array in it may hold many lines. Not thread-safe; memory is touched only as far as it is used. */
#ifndef INGEST_BATCH_BUFFER_H
#define INGEST_BATCH_BUFFER_H

#include "ingest/ingest.h"

struct batch_buffer {
  char *memory; /* mapped; lookback_cap + data_cap + 1 bytes (a missing last newline needs one) */
  size_t lookback_cap, data_cap;
  size_t batch_cap;  /* the room that lines have, but for one that begins as JSON ... */
  size_t json_cap;   /* ... for which data_cap grows up to this; 0: there are none */
  size_t lookback;   /* where the lookback of the next batch begins */
  size_t begin, end; /* bytes not yet handed out */
  size_t searched;   /* no newline in [begin, searched) */
  uint64_t position; /* in the input, of the byte at `begin`: everything before it was handed out */
  bool is_skipping;  /* [begin, searched) is the front of a line that is too long; what follows is thrown away */
  size_t cut_bytes;  /* what is kept of a line that is too long: one byte more than a parser takes */
  uint64_t skipped;  /* bytes of it thrown away so far */
  struct slice tail; /* the last bytes of the input before `position`, as far as they are still here; until prepare */
};

/* `data_cap` bytes for lines; more than line_bytes_max + 1. */
void batch_buffer_init(struct batch_buffer *buffer, size_t lookback_cap, size_t data_cap, size_t line_bytes_max);
/* Lines that begin as JSON may have LIMIT_JSON_BYTES. */
void batch_buffer_allow_json(struct batch_buffer *buffer);
void batch_buffer_deinit(struct batch_buffer *buffer);

/* Forgets everything; the next byte added stands at `position`. */
void batch_buffer_reset(struct batch_buffer *buffer, uint64_t position);

/* Takes whole lines that end where the next byte will be as lookback: they are seen by a parser, but never handed out. At most the last
 * lookback_cap bytes of them, from a line's start. Only after a reset. */
void batch_buffer_set_lookback(struct batch_buffer *buffer, struct slice lines);

/* Makes room. The batch before is no longer good. Returns where bytes can be added, and how many (never 0). */
char *batch_buffer_prepare(struct batch_buffer *buffer, size_t *room);

/* As prepare, with room for `need` bytes, growing when it must. Pointers into the buffer are no longer good. */
char *batch_buffer_reserve(struct batch_buffer *buffer, size_t need);

/* `len` bytes were written to the room. */
void batch_buffer_add(struct batch_buffer *buffer, size_t len);

/* Hands out all whole lines: sets base, len, lookback_len and position of the batch. False when there are none. `is_end`: the input ends
 * here, a last line without newline is given one. */
bool batch_buffer_take(struct batch_buffer *buffer, bool is_end, struct batch *batch);

/* Bytes that wait to be handed out; position behind the last byte added. */
static inline size_t batch_buffer_waiting(const struct batch_buffer *buffer) { return buffer->end - buffer->begin; }
static inline uint64_t batch_buffer_read_position(const struct batch_buffer *buffer) {
  return buffer->position + buffer->skipped + (buffer->end - buffer->begin);
}

#endif
