/* One kind of source behind the door: files read one after another, followed files, a Kafka topic. source.c asks each in turn. */
#ifndef INGEST_SOURCE_MEMBER_H
#define INGEST_SOURCE_MEMBER_H

#include "ingest/source_inputs.h"

struct source_member {
  void *state;
  /* As source_next and source_fill_done. */
  enum source_state (*next)(void *state, int timeout_ms, struct batch *batch, struct batch_fill *fill, struct error *err);
  bool (*fill_done)(void *state, struct batch *batch, size_t got, struct error *err); /* NULL: never announces */
  void (*progress)(const void *state, uint64_t *done_bytes, uint64_t *total_bytes);   /* NULL: not known */
  void (*free)(void *state);
  bool (*lag)(const void *state, const struct input *input, uint64_t *messages); /* as source_input_lag; NULL: not known */
  bool (*rebalance)(void *state, struct error *err);                             /* as source_rebalance; NULL: never asks for it */
  void *(*group_metadata)(const void *state); /* rd_kafka_consumer_group_metadata_t of a member of a group, the caller's to
                                                 destroy; NULL: is none */
};

/* The group metadata of the member that has one; NULL when none has. */
void *source_group_metadata(const struct source *source);

/* `names` are kept by reference. Each: false with err. */
bool source_sequence_new(struct input_table *table, const char *const *names, size_t name_count, unsigned parts,
                         struct source_member *out, struct error *err);
bool source_follow_new(struct input_table *table, const char *const *names, size_t name_count, unsigned parts,
                       struct source_member *out, struct error *err);
bool source_kafka_new(struct input_table *table, const char *url, const struct source_options *options, struct source_member *out,
                      struct error *err);

#endif
