/* The inputs of a source. See source_inputs.h. */
#include "ingest/source_inputs.h"

#include <stdlib.h>

#include "base/memory.h"

void input_table_init(struct input_table *table, const struct source_options *options) {
  *table = (struct input_table){.known = options->known,
                                .known_count = options->known_count,
                                .line_bytes_max = options->line_bytes_max ? options->line_bytes_max : LIMIT_LINE_BYTES,
                                .has_envelopes = options->has_envelopes};
}

void input_table_buffer_init(const struct input_table *table, struct batch_buffer *buffer, unsigned parts) {
  batch_buffer_init(buffer, LIMIT_LOOKBACK_BYTES, (size_t)parts * LIMIT_CHUNK_BYTES, table->line_bytes_max);
  if (table->has_envelopes) batch_buffer_allow_json(buffer);
}

void input_table_deinit(struct input_table *table) {
  for (size_t i = 0; i < table->input_count; i++) {
    free((char *)(uintptr_t)table->inputs[i]->position.name.ptr);
    free(table->inputs[i]);
  }
  for (size_t i = 0; i < table->scope_count; i++) free(table->scopes[i]);
  free(table->inputs);
  free(table->scopes);
  *table = (struct input_table){0};
}

static char *copy_text(const char *text) {
  size_t size = strlen(text) + 1;
  return memcpy(memory_alloc(size), text, size);
}

uint32_t input_table_scope(struct input_table *table, const char *name) {
  for (size_t i = 0; i < table->scope_count; i++)
    if (strcmp(table->scopes[i], name) == 0) return (uint32_t)i;
  table->scopes = memory_resize(table->scopes, (table->scope_count + 1) * sizeof *table->scopes);
  table->scopes[table->scope_count] = copy_text(name);
  return (uint32_t)table->scope_count++;
}

struct input *input_table_add(struct input_table *table, enum input_kind kind, const char *name, uint32_t scope,
                              const struct input_position *known) {
  struct input *input = memory_zeroed(sizeof *input);
  if (known) input->position = *known;
  input->position.kind = kind;
  input->position.name = slice_from_cstr(copy_text(name));
  input->number = (uint32_t)table->input_count;
  input->scope = scope;
  table->inputs = memory_resize(table->inputs, (table->input_count + 1) * sizeof(struct input *));
  table->inputs[table->input_count++] = input;
  return input;
}

static bool is_taken_over(const struct input_table *table, const struct input_position *known) {
  for (size_t i = 0; i < table->input_count; i++)
    if (known->id != 0 && table->inputs[i]->position.id == known->id) return true;
  return false;
}

const struct input_position *input_table_candidate(const struct input_table *table, size_t n, struct input **input) {
  *input = NULL;
  if (n < table->input_count) return *input = table->inputs[n], &table->inputs[n]->position;
  static const struct input_position TAKEN = {.kind = INPUT_STDIN}; /* matches nothing */
  n -= table->input_count;
  if (n >= table->known_count) return NULL;
  return is_taken_over(table, &table->known[n]) ? &TAKEN : &table->known[n];
}
