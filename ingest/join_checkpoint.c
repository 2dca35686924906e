/* What a restart needs of the join: which messages the catalog keeps, and from where each input must be read again.
 *
 *             replay window              committed
 *   ----------|--------------------------|
 *     old     |    young                            a message's place is that of its first line
 *
 * Young messages are rebuilt by reading again from the oldest one's first line. Old ones are rows of the catalog, written when
 * they changed; lines read again are ignored by them, since the row has them in it. A message becomes old and never young again.
 *
 * Reading again forgets nothing, so a message that was forgotten within reach of the next restart would come back. Therefore its
 * shard becomes whole, until that place is out of reach: all of its messages are rows, and lines read again are ignored.
 *
 * A row's state is MessagePack values one after another:
 *   version, kind = message, key, instance hash, order, order base, first time, flags, size, present strings (bits), strings...,
 *     deferral count, { present strings (bits), delay, reply code, strings... }...
 *   version, kind = whole, shard */
#include <stdio.h>
#include <stdlib.h>

#include "base/memory.h"
#include "base/msgpack.h"
#include "ingest/join_internal.h"

#define STATE_VERSION 1u
enum state_kind { STATE_MESSAGE, STATE_WHOLE };
enum { FLAG_CLIENT = 1, FLAG_SENDER = 2 };
#define UNSETTLED_SHIFT 8 /* bits of the flags from here on: unsettled_count */

/* Text of a row's key: 16 and 8 hexadecimal digits and a hyphen, or "shard-NN". */
#define ROW_KEY_BYTES 32

struct emitter {
  struct join *join;
  void (*each)(void *context, const struct open_message *message);
  void *context;
};

static void emit(const struct emitter *emitter, struct scope *scope, const char *key, struct slice state) {
  struct open_message message = {.scope = buf_slice(&scope->name), .key = slice_from_cstr(key), .state = state};
  emitter->each(emitter->context, &message);
}

/* Not printf: thousands of them are written at each commit. */
static void format_key(char *out, uint64_t key, uint32_t instance_hash) {
  static const char DIGITS[] = "0123456789abcdef";
  for (int i = 0; i < 16; i++) out[i] = DIGITS[key >> (60 - 4 * i) & 15];
  out[16] = '-';
  for (int i = 0; i < 8; i++) out[17 + i] = DIGITS[instance_hash >> (28 - 4 * i) & 15];
  out[25] = '\0';
}

/* ---- writing ----------------------------------------------------------------------------------------------------------------- */

static void write_strings(struct buf *out, const struct slice *strings, unsigned count) {
  for (unsigned i = 0; i < count; i++)
    if (!slice_is_absent(strings[i])) msgpack_write_str(out, strings[i]);
}

static uint64_t present_bits(const struct slice *strings, unsigned count) {
  uint64_t bits = 0;
  for (unsigned i = 0; i < count; i++) bits |= (uint64_t)!slice_is_absent(strings[i]) << i;
  return bits;
}

static void write_message(struct buf *out, const struct entry *entry) {
  struct slice strings[DEFERRED_COUNT];
  for (unsigned i = 0; i < JOINED_COUNT; i++) strings[i] = entry_string(entry, (enum joined)i);
  uint64_t flags = (entry->has_client ? FLAG_CLIENT : 0) | (entry->has_sender ? FLAG_SENDER : 0) |
                   (uint64_t)entry->unsettled_count << UNSETTLED_SHIFT;
  const uint64_t head[] = {STATE_VERSION,
                           STATE_MESSAGE,
                           entry->key,
                           entry->instance_hash,
                           (uint64_t)entry->order,
                           (uint64_t)entry->order_base,
                           (uint64_t)entry->first_time_us,
                           flags,
                           entry->size_bytes,
                           present_bits(strings, JOINED_COUNT)};
  for (size_t i = 0; i < sizeof head / sizeof *head; i++) msgpack_write_u64(out, head[i]);
  write_strings(out, strings, JOINED_COUNT);
  msgpack_write_u64(out, entry->deferral_count);
  for (const struct deferral *deferral = entry->deferrals; deferral; deferral = deferral->next) {
    deferral_strings(deferral, strings);
    msgpack_write_u64(out, present_bits(strings, DEFERRED_COUNT));
    msgpack_write_u64(out, (uint64_t)deferral->delay_us);
    msgpack_write_u64(out, deferral->smtp_code);
    write_strings(out, strings, DEFERRED_COUNT);
  }
}

/* ---- reading ----------------------------------------------------------------------------------------------------------------- */

/* Strings of `bits`; false when one is not there or longer than the join would have kept it. */
static bool read_strings(struct msgpack_reader *in, uint64_t bits, struct slice *strings, unsigned count) {
  if (bits >> count) return false;
  for (unsigned i = 0; i < count; i++) {
    strings[i] = SLICE_ABSENT;
    if (!(bits >> i & 1)) continue;
    if (!msgpack_read_str(in, &strings[i]) || strings[i].len > LIMIT_REPLY_BYTES) return false;
  }
  return true;
}

static bool read_deferral(struct join *join, struct msgpack_reader *in, struct entry *entry) {
  struct slice strings[DEFERRED_COUNT];
  uint64_t bits, delay, code;
  if (!msgpack_read_u64(in, &bits) || !msgpack_read_u64(in, &delay) || !msgpack_read_u64(in, &code)) return false;
  if (code > UINT16_MAX || !read_strings(in, bits, strings, DEFERRED_COUNT)) return false;
  if (deferral_find(entry, strings[DEFERRED_RECIPIENT], strings[DEFERRED_ORIG_RECIPIENT])) return false;
  deferral_put(join, entry, NULL, strings, (int64_t)delay, (uint16_t)code);
  return true;
}

static bool read_content(struct join *join, struct msgpack_reader *in, struct entry *entry) {
  struct slice strings[JOINED_COUNT];
  uint64_t first_time, flags, bits, deferral_count;
  if (!msgpack_read_u64(in, &first_time) || !msgpack_read_u64(in, &flags) || !msgpack_read_u64(in, &entry->size_bytes) ||
      !msgpack_read_u64(in, &bits) || !read_strings(in, bits, strings, JOINED_COUNT))
    return false;
  entry->first_time_us = (int64_t)first_time;
  entry->has_client = flags & FLAG_CLIENT;
  entry->has_sender = flags & FLAG_SENDER;
  if (flags >> UNSETTLED_SHIFT > UINT32_MAX) return false;
  entry->unsettled_count = (uint32_t)(flags >> UNSETTLED_SHIFT);
  for (unsigned i = 0; i < JOINED_COUNT; i++) entry_set_string(join, entry, (enum joined)i, strings[i]);
  if (!msgpack_read_u64(in, &deferral_count)) return false;
  for (uint64_t i = 0; i < deferral_count; i++)
    if (!read_deferral(join, in, entry)) return false;
  return in->ptr == in->end;
}

static bool is_open_already(const struct shard *shard, uint64_t key, uint64_t instance_hash) {
  size_t at = table_start(&shard->messages, key);
  struct entry *entry;
  while ((entry = table_next(&shard->messages, key, &at)))
    if (entry->instance_hash == instance_hash) return true;
  return false;
}

static bool fail_restore(const struct open_message *message, const char *what, struct error *err) {
  return error_set(err, ERROR_INPUT, "open message %.*s of %.*s: %s; the catalog is damaged: run 'bouncemill doctor'",
                   SLICE_ARG(message->key), SLICE_ARG(message->scope), what);
}

/* `in` stands behind the kind. */
static bool restore_message(struct join *join, struct scope *scope, struct msgpack_reader *in, const struct open_message *message,
                            uint64_t key, struct error *err) {
  struct shard *shard = &scope->shards[line_shard(key)];
  uint64_t instance_hash, order, order_base;
  if (!msgpack_read_u64(in, &instance_hash) || instance_hash > UINT32_MAX || !msgpack_read_u64(in, &order) || order > INT64_MAX ||
      !msgpack_read_u64(in, &order_base))
    return fail_restore(message, "state is cut short or out of range", err);
  if (is_open_already(shard, key, instance_hash)) return fail_restore(message, "it is there twice", err);
  struct entry *entry = entry_new(join, shard, key, (uint32_t)instance_hash);
  entry->is_old = entry->is_restored = true;
  entry->order = (int64_t)order;
  entry->order_base = (int64_t)order_base;
  list_append(&shard->by_age, entry, LINKS_AGE);
  if (!read_content(join, in, entry)) {
    entry_close(join, entry);
    return fail_restore(message, "state is cut short or out of range", err);
  }
  entry->is_in_catalog = true;
  if (entry->order > shard->order_max) {
    shard->order_max = entry->order;
    shard->order_base = entry->order_base;
  }
  shard->is_unsorted = true;
  return true;
}

bool join_restore(struct join *join, uint32_t scope_number, const struct open_message *message, struct error *err) {
  struct msgpack_reader in = msgpack_reader_of(message->state);
  uint64_t version, kind, key;
  if (!msgpack_read_u64(&in, &version) || version != STATE_VERSION)
    return fail_restore(message, "state is of an unknown version", err);
  if (!msgpack_read_u64(&in, &kind) || kind > STATE_WHOLE || !msgpack_read_u64(&in, &key))
    return fail_restore(message, "state is of an unknown kind", err);
  if (kind == STATE_WHOLE && (key >= LIMIT_JOIN_SHARDS || in.ptr != in.end)) return fail_restore(message, "no such shard", err);
  unsigned number = kind == STATE_WHOLE ? (unsigned)key : line_shard(key);
  if (number % join->worker_count != join->worker) return false;
  struct scope *scope = scope_at(join, scope_number);
  if (!scope->name.len) buf_append_slice(&scope->name, message->scope);
  if (kind == STATE_MESSAGE) return restore_message(join, scope, &in, message, key, err);
  struct shard *shard = &scope->shards[number];
  shard->is_whole = shard->is_whole_in_catalog = true;
  shard->whole_until = scope->clock + 2 * join->options.replay_bytes;
  return true;
}

static int compare_order(const void *a, const void *b) {
  int64_t left = (*(struct entry *const *)a)->order, right = (*(struct entry *const *)b)->order;
  return left < right ? -1 : left > right;
}

void shard_sort(struct shard *shard) {
  size_t count = 0;
  struct entry **entries = memory_alloc(shard->messages.count * sizeof *entries);
  for (struct entry *entry = shard->by_age.first; entry; entry = entry->age.next) entries[count++] = entry;
  qsort(entries, count, sizeof *entries, compare_order);
  shard->by_age = (struct entry_list){0};
  for (size_t i = 0; i < count; i++) list_append(&shard->by_age, entries[i], LINKS_AGE);
  shard->is_unsorted = false;
  free(entries);
}

/* ---- old and young ----------------------------------------------------------------------------------------------------------- */

void shard_become_whole(struct join *join, struct shard *shard) {
  shard->whole_until = shard->scope->clock + 2 * join->options.replay_bytes;
  if (shard->is_whole) return;
  shard->is_whole = true;
  for (struct entry *entry = shard->by_age.first; entry; entry = entry->age.next)
    if (!entry->is_old) entry_make_old(join, entry);
}

static bool is_out_of_window(const struct join *join, const struct input *input, const struct entry *entry, uint64_t committed) {
  int64_t limit_us;
  if (committed > entry->first_position && committed - entry->first_position > join->options.replay_bytes) return true;
  return !__builtin_add_overflow(entry->first_time_us, join->options.replay_us, &limit_us) && limit_us < input->newest_us;
}

/* The young that are out of the window, from the front. */
static void age_input(struct join *join, struct input *input, const struct input_progress *progress) {
  if (!input->scope) return;
  if (progress->is_ended) input_set_replaying(input, false);
  if (input->is_replaying) return;
  struct entry *entry;
  while ((entry = input->young.first) && (progress->is_ended || is_out_of_window(join, input, entry, progress->committed))) {
    if (entry->is_crossed && input->scope->replaying_count) return;
    entry_make_old(join, entry);
  }
}

/* Messages whose second input was read again when they crossed: now that it is done they are complete. */
static void age_crossed(struct join *join) {
  if (!join->has_crossed_in_replay) return;
  join->has_crossed_in_replay = false;
  for (size_t i = 0; i < join->input_count; i++) {
    struct input *input = &join->inputs[i];
    if (!input->scope) continue;
    struct entry *entry = input->young.first;
    while (entry) {
      struct entry *next = entry->place.next;
      if (entry->is_crossed && input->scope->replaying_count) join->has_crossed_in_replay = true;
      if (entry->is_crossed && !input->scope->replaying_count) {
        entry_make_old(join, entry);
        next = input->young.first; /* its namesakes left the list, too: next may be one */
      }
      entry = next;
    }
  }
}

/* ---- the checkpoint ---------------------------------------------------------------------------------------------------------- */

/* A row may have been deleted and be needed again, by another message of the same queue id: then it is only overwritten. */
static void emit_closed(const struct emitter *emitter) {
  struct join *join = emitter->join;
  char key[ROW_KEY_BYTES];
  for (size_t i = 0; i < join->closed_count; i++) {
    const struct closed_message *closed = &join->closed[i];
    struct shard *shard = &closed->scope->shards[line_shard(closed->key)];
    size_t at = table_start(&shard->messages, closed->key);
    struct entry *entry;
    bool is_overwritten = false;
    while ((entry = table_next(&shard->messages, closed->key, &at)))
      is_overwritten = is_overwritten || (entry->instance_hash == closed->instance_hash && entry->is_old);
    if (is_overwritten) continue;
    format_key(key, closed->key, closed->instance_hash);
    emit(emitter, closed->scope, key, SLICE_ABSENT);
  }
  join->closed_count = 0;
}

static void emit_dirty(const struct emitter *emitter) {
  struct join *join = emitter->join;
  char key[ROW_KEY_BYTES];
  struct entry *entry;
  while ((entry = join->dirty.first)) {
    list_remove(&join->dirty, entry, LINKS_PLACE);
    entry->is_dirty = false;
    entry->is_in_catalog = true;
    buf_clear(&join->state);
    write_message(&join->state, entry);
    format_key(key, entry->key, entry->instance_hash);
    emit(emitter, entry->shard->scope, key, buf_slice(&join->state));
  }
}

static void emit_whole(const struct emitter *emitter, struct scope *scope) {
  struct buf *state = &emitter->join->state;
  char key[ROW_KEY_BYTES];
  for (unsigned i = 0; i < LIMIT_JOIN_SHARDS; i++) {
    struct shard *shard = &scope->shards[i];
    if (shard->is_whole && scope->clock > shard->whole_until) shard->is_whole = false;
    if (shard->is_whole == shard->is_whole_in_catalog) continue;
    buf_clear(state);
    msgpack_write_u64(state, STATE_VERSION);
    msgpack_write_u64(state, STATE_WHOLE);
    msgpack_write_u64(state, i);
    snprintf(key, sizeof key, "shard-%02u", i);
    emit(emitter, scope, key, shard->is_whole ? buf_slice(state) : SLICE_ABSENT);
    shard->is_whole_in_catalog = shard->is_whole;
  }
}

void join_checkpoint(struct join *join, struct input_progress *inputs, size_t input_count,
                     void (*each)(void *context, const struct open_message *message), void *context) {
  const struct emitter emitter = {join, each, context};
  size_t known_count = input_count < join->input_count ? input_count : join->input_count;
  for (size_t i = 0; i < known_count; i++) age_input(join, &join->inputs[i], &inputs[i]);
  age_crossed(join);
  emit_closed(&emitter);
  emit_dirty(&emitter);
  for (size_t i = 0; i < join->scope_count; i++)
    if (join->scopes[i]) emit_whole(&emitter, join->scopes[i]);
  for (size_t i = 0; i < input_count; i++) {
    const struct entry *oldest = i < join->input_count ? join->inputs[i].young.first : NULL;
    inputs[i].oldest = oldest ? oldest->first_position : inputs[i].committed;
  }
}
