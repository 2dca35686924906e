/* The inputs of a source: numbers, scopes and positions of what was read in this run, and what the store knew of before. */
#ifndef INGEST_SOURCE_INPUTS_H
#define INGEST_SOURCE_INPUTS_H

#include "ingest/batch_buffer.h"

/* One input of this run. `position.committed` is the end of the last batch handed out, in the input's own terms (for Kafka an offset). */
struct input {
  struct input_position position; /* name owned here; id as the catalog has it */
  uint32_t number, scope;
  bool has_position; /* false: stdin, a pipe */
  bool is_ended;
  bool is_open;  /* somebody reads it now */
  uint64_t done; /* end of the last batch handed out, in batch positions */
  /* Kafka: the offset from which the line at this batch position is read again. NULL: batch positions are the input's own. */
  uint64_t (*to_stored)(const void *owner, uint64_t position);
  /* The offset of the message whose line lies at this position of the batch in work. NULL as above. */
  uint64_t (*to_place)(const void *owner, uint64_t position);
  const void *owner;
};

struct input_table {
  struct input **inputs;
  size_t input_count;
  char **scopes;
  size_t scope_count;
  const struct input_position *known; /* of the store */
  size_t known_count;
  size_t line_bytes_max; /* of the options, or its default */
  bool has_envelopes;    /* of the options */
};

void input_table_init(struct input_table *table, const struct source_options *options);
void input_table_deinit(struct input_table *table);

/* A buffer for the lines of files of this table. */
void input_table_buffer_init(const struct input_table *table, struct batch_buffer *buffer, unsigned parts);

/* The scope of this name, made when it is not there. */
uint32_t input_table_scope(struct input_table *table, const char *name);

/* A new input; `known` (may be NULL) is where its position starts from. Good until deinit. */
struct input *input_table_add(struct input_table *table, enum input_kind kind, const char *name, uint32_t scope,
                              const struct input_position *known);

/* The n-th position that may be the one of a file being opened: first those of this run, then those of the store that no input of this
 * run has taken over. NULL behind the last. `input` is set to the input of this run, or NULL. */
const struct input_position *input_table_candidate(const struct input_table *table, size_t n, struct input **input);

#endif
