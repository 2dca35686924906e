/* The door of the sources: sorts the names into members and asks each in turn. */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/memory.h"
#include "ingest/source_member.h"

/* How long one of several members is waited for before the next is asked. */
#define TURN_MS 20

struct source {
  struct input_table table;
  struct source_member *members;
  bool *is_over; /* of each member */
  size_t member_count, turn;
  size_t fill_want;        /* bytes last announced */
  const char **file_names; /* those of the names that are files, or "-" with them */
  const char **stream_names;
};

static bool is_kafka(const char *name) { return strncmp(name, "kafka://", 8) == 0; }

void source_free(struct source *source) {
  if (!source) return;
  for (size_t i = 0; i < source->member_count; i++) source->members[i].free(source->members[i].state);
  input_table_deinit(&source->table);
  free(source->members);
  free(source->is_over);
  free(source->file_names);
  free(source->stream_names);
  free(source);
}

/* Files and "-" are one sequence; followed files are apart from "-", which has no end to wait at. */
static bool add_files(struct source *source, const struct source_options *options, struct error *err) {
  size_t file_count = 0, stream_count = 0;
  for (size_t i = 0; i < options->name_count; i++) {
    const char *name = options->names[i];
    if (is_kafka(name)) continue;
    if (options->follow && strcmp(name, "-") == 0)
      source->stream_names[stream_count++] = name;
    else
      source->file_names[file_count++] = name;
  }
  struct source_member *member = &source->members[source->member_count];
  if (file_count) {
    bool is_done = options->follow
                       ? source_follow_new(&source->table, source->file_names, file_count, options->parts, member, err)
                       : source_sequence_new(&source->table, source->file_names, file_count, options->parts, member, err);
    if (!is_done) return false;
    member++, source->member_count++;
  }
  if (!stream_count) return true;
  if (!source_sequence_new(&source->table, source->stream_names, stream_count, options->parts, member, err)) return false;
  source->member_count++;
  return true;
}

struct source *source_new(const struct source_options *options, struct error *err) {
  if (!options->name_count) return error_set(err, ERROR_USAGE, "no source: name a file, - or kafka://BROKERS/TOPIC"), NULL;
  assert(options->parts);
  struct source *source = memory_zeroed(sizeof *source);
  input_table_init(&source->table, options);
  input_table_scope(&source->table, "files");
  source->members = memory_zeroed((options->name_count + 2) * sizeof *source->members);
  source->is_over = memory_zeroed((options->name_count + 2) * sizeof *source->is_over);
  source->file_names = memory_zeroed(options->name_count * sizeof(char *));
  source->stream_names = memory_zeroed(options->name_count * sizeof(char *));
  bool is_done = add_files(source, options, err);
  for (size_t i = 0; i < options->name_count && is_done; i++) {
    if (!is_kafka(options->names[i])) continue;
    is_done = source_kafka_new(&source->table, options->names[i], options, &source->members[source->member_count], err);
    if (is_done) source->member_count++;
  }
  if (is_done) return source;
  source_free(source);
  return NULL;
}

enum source_state source_next(struct source *source, int timeout_ms, struct batch *batch, struct batch_fill *fill,
                              struct error *err) {
  size_t alive = 0;
  for (size_t i = 0; i < source->member_count; i++) alive += !source->is_over[i];
  if (!alive) return SOURCE_END;
  int turn_ms = alive > 1 && timeout_ms > TURN_MS ? TURN_MS : timeout_ms;
  for (size_t tried = 0; tried < source->member_count; tried++) {
    size_t turn = source->turn = (source->turn + 1) % source->member_count;
    if (source->is_over[turn]) continue;
    fill->want = 0;
    enum source_state state = source->members[turn].next(source->members[turn].state, turn_ms, batch, fill, err);
    source->fill_want = fill->want;
    if (state == SOURCE_BATCH || state == SOURCE_FAILED || state == SOURCE_REBALANCE) return state;
    if (state == SOURCE_END) source->is_over[turn] = true, alive--;
  }
  return alive ? SOURCE_IDLE : SOURCE_END;
}

bool source_rebalance(struct source *source, struct error *err) {
  return source->members[source->turn].rebalance(source->members[source->turn].state, err);
}

void *source_group_metadata(const struct source *source) {
  for (size_t i = 0; i < source->member_count; i++) {
    void *metadata = source->members[i].group_metadata ? source->members[i].group_metadata(source->members[i].state) : NULL;
    if (metadata) return metadata;
  }
  return NULL;
}

/* The part's share: [begin, end) of the announced bytes. */
static void part_bounds(size_t want, unsigned part, unsigned parts, size_t *begin, size_t *end) {
  *begin = want * part / parts;
  *end = want * (part + 1) / parts;
}

int64_t source_fill_part(const struct batch_fill *fill, unsigned part, unsigned parts) {
  size_t begin, end, at;
  part_bounds(fill->want, part, parts, &begin, &end);
  for (at = begin; at < end;) {
    ssize_t got = pread(fill->fd, fill->to + at, end - at, (off_t)(fill->offset + at));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return -1;
    if (got == 0) break;
    at += (size_t)got;
  }
  return (int64_t)(at - begin);
}

bool source_fill_done(struct source *source, struct batch *batch, const int64_t *got, unsigned parts, struct error *err) {
  /* A file that was cut meanwhile gives less: what counts is what was read without a gap. */
  const struct source_member *member = &source->members[source->turn];
  size_t total = 0;
  bool is_short = false;
  for (unsigned part = 0; part < parts; part++) {
    if (got[part] < 0) {
      struct slice name = source->table.inputs[batch->input]->position.name;
      return error_set(err, ERROR_INPUT, "%.*s: cannot read at byte %llu", SLICE_ARG(name),
                       (unsigned long long)(batch->position + total));
    }
    if (is_short) continue;
    size_t begin, end;
    part_bounds(source->fill_want, part, parts, &begin, &end);
    total += (size_t)got[part];
    is_short = (size_t)got[part] < end - begin;
  }
  return member->fill_done(member->state, batch, total, err);
}

size_t source_input_count(const struct source *source) { return source->table.input_count; }
size_t source_scope_count(const struct source *source) { return source->table.scope_count; }

struct slice source_scope_name(const struct source *source, uint32_t scope) {
  assert(scope < source->table.scope_count);
  return slice_from_cstr(source->table.scopes[scope]);
}

static const struct input *input_at(const struct source *source, uint32_t input) {
  assert(input < source->table.input_count);
  return source->table.inputs[input];
}

bool source_input_is_ended(const struct source *source, uint32_t input) { return input_at(source, input)->is_ended; }
uint64_t source_input_done(const struct source *source, uint32_t input) { return input_at(source, input)->done; }

struct slice source_input_name(const struct source *source, uint32_t input) {
  return input_at(source, input)->position.name;
}

uint64_t source_place(const struct source *source, uint32_t number, uint64_t position) {
  const struct input *input = input_at(source, number);
  return input->to_place ? input->to_place(input->owner, position) : position;
}

bool source_position(const struct source *source, uint32_t number, uint64_t oldest, struct input_position *out) {
  const struct input *input = input_at(source, number);
  *out = input->position;
  if (!input->has_position || input->position.committed == 0) return false;
  uint64_t replay_from = input->to_stored ? input->to_stored(input->owner, oldest) : oldest;
  bool is_needed = !input->is_ended && replay_from < input->position.committed;
  out->replay_from = is_needed ? replay_from : input->position.committed;
  return true;
}

bool source_input_lag(const struct source *source, uint32_t number, uint64_t *messages) {
  const struct input *input = input_at(source, number);
  for (size_t i = 0; i < source->member_count; i++)
    if (source->members[i].lag && source->members[i].lag(source->members[i].state, input, messages)) return true;
  return false;
}

void source_progress(const struct source *source, uint64_t *done_bytes, uint64_t *total_bytes) {
  *done_bytes = *total_bytes = 0;
  for (size_t i = 0; i < source->member_count; i++) {
    uint64_t done = 0, total = 0;
    if (source->members[i].progress) source->members[i].progress(source->members[i].state, &done, &total);
    *done_bytes += done;
    if (!total) {
      *total_bytes = 0;
      return;
    }
    *total_bytes += total;
  }
}
