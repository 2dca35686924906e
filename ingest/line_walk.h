/* Goes through the lines of a chunk for the formats that read one line at a time: splits, counts each line once, tells the parser of
 * unparsed ones, and puts what a line says into the list of the worker that joins it.
 *
 *   static unsigned read_line(struct line_walk *walk, const char *p, const char *end) {
 *     ...
 *     struct line *line = line_walk_add(walk, host, queue_id);
 *     line->kind = LINE_REMOVED;
 *     return READ_INFO;
 *   }
 *   static void parse(...) { line_walk(parser, batch, lookback, begin, end, read_line); }
 *   const struct format FORMAT_X = {.name = "x", .parse = parse, .state_new = line_walk_state_new, .state_free = line_walk_state_free};
 *
 * A line may add several items (client, sender and message id of one line): they are joined in the order they were added. */
#ifndef INGEST_LINE_WALK_H
#define INGEST_LINE_WALK_H

#include "ingest/lines.h"
#include "ingest/text_arena.h"
#include "ingest/timestamp.h"

/* The first member of the state of every format that walks; a format that has more puts it behind. */
struct line_walk_state {
  struct zone_once zone;
  struct text_arena texts; /* what had to be decoded; good until the parser's lists are cleared */
};

struct line_walk {
  struct parser *parser;
  const struct batch *batch;
  const char *lookback; /* first byte that may be looked at */
  const char *limit;    /* bytes up to it may be read, whatever line they belong to */
  struct stamp_reader stamps;
  /* A format's own: the last stamp that it read in whole, and its time. Most lines have that of the line before. */
  char last_stamp[20];
  int64_t last_stamp_us;
  uint64_t position; /* of the line being read */
  uint32_t number;   /* of the line being read, in its chunk, from 0 */
  int64_t time_us;   /* for line_walk_add; read_line sets it */
};

/* Reads the line [p, end), without its line end ("\n" or "\r\n"), never empty and never over line_bytes_max, and says what became of
 * it: a read_result. READ_INFO and READ_DELIVERY stand for what was added, however many items. */
typedef unsigned line_reader(struct line_walk *walk, const char *p, const char *end);

/* A walk over no lines yet, for a format that goes through them by itself; what line_walk begins with. */
void line_walk_init(struct line_walk *walk, struct parser *parser, const struct batch *batch, const char *lookback);

void line_walk(struct parser *parser, const struct batch *batch, const char *lookback, const char *begin, const char *end,
               line_reader *read_line);

/* An item for what the line says of (host, queue_id), with key, position, number, time_us = walk->time_us, host and queue id set, all
 * else zero or absent. Good until the next line_walk_add. An absent queue id joins with nothing. */
struct line *line_walk_add(struct line_walk *walk, struct slice host, struct slice queue_id);

/* The same for a hot path: the key is the caller's, and service and what the kind has of its own are not set:
 * assign the whole of the latter. */
static inline struct line *line_walk_open(struct line_walk *walk, uint64_t key, struct slice host, struct slice queue_id) {
  struct parser *parser = walk->parser;
  struct line_list *list = &parser->lists[line_shard(key) % parser->worker_count];
  if (__builtin_expect(list->count == list->cap, 0)) line_list_grow(list);
  struct line *line = &list->items[list->count++];
  line->key = key;
  line->position = walk->position;
  line->number = walk->number;
  line->time_us = walk->time_us;
  line->times = 1;
  line->host = host;
  line->instance = SLICE_ABSENT;
  line->queue_id = queue_id;
  return line;
}

/* The same with a key of the caller's. */
struct line *line_walk_add_keyed(struct line_walk *walk, uint64_t key, struct slice host, struct slice queue_id);

/* Room for `len` bytes of text that the batch has in another form (escaped, say); good until the parser's lists are cleared. */
char *line_walk_room(struct line_walk *walk, size_t len);

/* state_new and state_free of a format that walks. One with a state of its own allocates it zeroed and calls line_walk_state_free,
 * which frees the memory, too, last. */
void *line_walk_state_new(void);
void line_walk_state_free(void *state);

#endif
