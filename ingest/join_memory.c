/* The memory of the join: entries, their strings and deferrals, lists, graves and limits. What a message means is in join.c.
 *
 * Nothing here calls malloc once the slab's regions, the tables and the arrays have their size. */
#include <assert.h>
#include <stdlib.h>

#include "base/hash.h"
#include "base/memory.h"
#include "ingest/join_internal.h"

/* What a table slot and the rounding of the slab add to an object, about. */
#define OBJECT_OVERHEAD_BYTES 32

struct scope *scope_at(struct join *join, uint32_t number) {
  if (number >= join->scope_count) {
    join->scopes = memory_resize(join->scopes, (number + 1) * sizeof(struct scope *));
    memset(join->scopes + join->scope_count, 0, (number + 1 - join->scope_count) * sizeof(struct scope *));
    join->scope_count = number + 1;
  }
  if (!join->scopes[number]) {
    struct scope *scope = memory_zeroed(sizeof *scope);
    for (unsigned i = 0; i < LIMIT_JOIN_SHARDS; i++) scope->shards[i].scope = scope, scope->shards[i].number = (uint8_t)i;
    join->scopes[number] = scope;
  }
  return join->scopes[number];
}

struct input *input_at(struct join *join, uint32_t number) {
  if (number >= join->input_count) {
    join->inputs = memory_resize(join->inputs, (number + 1) * sizeof *join->inputs);
    for (size_t i = join->input_count; i <= number; i++) join->inputs[i] = (struct input){.newest_us = INT64_MIN};
    join->input_count = number + 1;
  }
  return &join->inputs[number];
}

void input_set_replaying(struct input *input, bool is_replaying) {
  if (input->is_replaying && !is_replaying) input->scope->replaying_count--;
  if (!input->is_replaying && is_replaying) input->scope->replaying_count++;
  input->is_replaying = is_replaying;
}

void bury(struct join *join, void *object) {
  if (join->grave_count == join->grave_cap) {
    join->grave_cap = join->grave_cap ? join->grave_cap * 2 : 256;
    join->graves = memory_resize(join->graves, join->grave_cap * sizeof *join->graves);
  }
  join->graves[join->grave_count++] = object;
}

/* ---- lists ------------------------------------------------------------------------------------------------------------------- */

static inline struct entry_links *links_of(struct entry *entry, size_t offset) {
  return (struct entry_links *)(void *)((char *)entry + offset);
}

void list_append(struct entry_list *list, struct entry *entry, size_t links_offset) {
  *links_of(entry, links_offset) = (struct entry_links){.prev = list->last};
  if (list->last)
    links_of(list->last, links_offset)->next = entry;
  else
    list->first = entry;
  list->last = entry;
}

void list_remove(struct entry_list *list, struct entry *entry, size_t links_offset) {
  struct entry_links *links = links_of(entry, links_offset);
  if (links->prev)
    links_of(links->prev, links_offset)->next = links->next;
  else
    list->first = links->next;
  if (links->next)
    links_of(links->next, links_offset)->prev = links->prev;
  else
    list->last = links->prev;
  *links = (struct entry_links){0};
}

void shard_insert_by_age(struct shard *shard, struct entry *entry) {
  struct entry *prev = shard->by_age.last;
  while (prev && prev->order > entry->order) prev = prev->age.prev;
  struct entry *next = prev ? prev->age.next : shard->by_age.first;
  entry->age = (struct entry_links){.prev = prev, .next = next};
  *(prev ? &prev->age.next : &shard->by_age.first) = entry;
  *(next ? &next->age.prev : &shard->by_age.last) = entry;
}

/* ---- entries ----------------------------------------------------------------------------------------------------------------- */

static void add_cost(struct entry *entry, size_t bytes) {
  entry->cost_bytes += (uint32_t)bytes;
  entry->shard->bytes += bytes;
}
static void drop_cost(struct entry *entry, size_t bytes) {
  entry->cost_bytes -= (uint32_t)bytes;
  entry->shard->bytes -= bytes;
}

struct entry *entry_new(struct join *join, struct shard *shard, uint64_t key, uint32_t instance_hash) {
  struct entry *entry = slab_alloc(&join->slab, sizeof *entry);
  memset(entry, 0, offsetof(struct entry, inline_bytes));
  entry->key = key;
  entry->instance_hash = instance_hash;
  entry->shard = shard;
  entry->size_bytes = U64_ABSENT;
  entry->strings = entry->inline_bytes;
  entry->strings_cap = ENTRY_INLINE_BYTES;
  for (unsigned i = 0; i < JOINED_COUNT; i++) entry->pieces[i].offset = PIECE_ABSENT;
  add_cost(entry, sizeof *entry + OBJECT_OVERHEAD_BYTES);
  table_add(&shard->messages, key, entry);
  join->counts.open++;
  return entry;
}

void entry_clear(struct join *join, struct entry *entry) {
  while (entry->deferrals) deferral_remove(join, entry->deferrals);
  for (unsigned i = 0; i < JOINED_COUNT; i++) {
    if (entry->pieces[i].offset == PIECE_ABSENT) continue;
    drop_cost(entry, entry->pieces[i].len);
    entry->pieces[i] = (struct piece){PIECE_ABSENT, 0};
  }
  entry->size_bytes = U64_ABSENT;
  entry->has_client = entry->has_sender = false;
  entry->unsettled_count = 0;
}

/* Takes it out of its input's list or out of the dirty. */
static void leave_place(struct join *join, struct entry *entry) {
  if (!entry->is_old)
    list_remove(&join->inputs[entry->input].young, entry, LINKS_PLACE);
  else if (entry->is_dirty)
    list_remove(&join->dirty, entry, LINKS_PLACE);
}

void note_closed(struct join *join, const struct entry *entry) {
  if (join->closed_count == join->closed_cap) {
    join->closed_cap = join->closed_cap ? join->closed_cap * 2 : 64;
    join->closed = memory_resize(join->closed, join->closed_cap * sizeof *join->closed);
  }
  join->closed[join->closed_count++] = (struct closed_message){entry->shard->scope, entry->key, entry->instance_hash};
}

void entry_close(struct join *join, struct entry *entry) {
  struct shard *shard = entry->shard;
  while (entry->deferrals) deferral_remove(join, entry->deferrals);
  leave_place(join, entry);
  if (entry->is_in_catalog) note_closed(join, entry);
  list_remove(&shard->by_age, entry, LINKS_AGE);
  table_remove(&shard->messages, entry->key, entry);
  shard->bytes -= entry->cost_bytes;
  if (entry->strings != entry->inline_bytes) bury(join, entry->strings);
  bury(join, entry);
  join->counts.open--;
}

void entry_make_old(struct join *join, struct entry *entry) {
  const struct join_table *table = &entry->shard->messages;
  size_t at = table_start(table, entry->key);
  struct entry *namesake;
  while ((namesake = table_next(table, entry->key, &at))) {
    if (namesake->is_old) continue;
    leave_place(join, namesake);
    namesake->is_old = true;
    namesake->is_dirty = true;
    list_append(&join->dirty, namesake, LINKS_PLACE);
  }
}

void entry_mark_dirty(struct join *join, struct entry *entry) {
  if (!entry->is_old || entry->is_dirty) return;
  entry->is_dirty = true;
  list_append(&join->dirty, entry, LINKS_PLACE);
}

/* ---- strings of an entry ----------------------------------------------------------------------------------------------------- */

static struct slice cut(struct slice value, size_t len_max) {
  if (value.len > len_max) value.len = len_max;
  return value;
}

struct slice entry_string(const struct entry *entry, enum joined which) {
  struct piece piece = entry->pieces[which];
  return piece.offset == PIECE_ABSENT ? SLICE_ABSENT : slice_of(entry->strings + piece.offset, piece.len);
}

bool entry_string_equals(const struct entry *entry, enum joined which, struct slice value) {
  struct slice own = entry_string(entry, which);
  return slice_is_absent(own) == slice_is_absent(value) && slice_equal(own, cut(value, LIMIT_JOINED_BYTES));
}

/* A new block with what is still in use and room for `extra`; the old one stays readable until the release. */
static void move_strings(struct join *join, struct entry *entry, size_t extra) {
  size_t live = 0;
  for (unsigned i = 0; i < JOINED_COUNT; i++) live += entry->pieces[i].offset == PIECE_ABSENT ? 0 : entry->pieces[i].len;
  size_t cap = slab_round(live + extra + 64);
  char *block = slab_alloc(&join->slab, cap);
  uint16_t used = 0;
  for (unsigned i = 0; i < JOINED_COUNT; i++) {
    struct piece *piece = &entry->pieces[i];
    if (piece->offset == PIECE_ABSENT) continue;
    memcpy(block + used, entry->strings + piece->offset, piece->len);
    piece->offset = used;
    used = (uint16_t)(used + piece->len);
  }
  if (entry->strings != entry->inline_bytes) bury(join, entry->strings);
  entry->strings = block;
  entry->strings_len = used;
  entry->strings_cap = (uint16_t)cap;
}

void entry_set_string(struct join *join, struct entry *entry, enum joined which, struct slice value) {
  if (entry_string_equals(entry, which, value)) return;
  struct piece *piece = &entry->pieces[which];
  if (piece->offset != PIECE_ABSENT) drop_cost(entry, piece->len);
  *piece = (struct piece){PIECE_ABSENT, 0};
  if (slice_is_absent(value)) return;
  value = cut(value, LIMIT_JOINED_BYTES);
  if ((size_t)(entry->strings_cap - entry->strings_len) < value.len) move_strings(join, entry, value.len);
  memcpy(entry->strings + entry->strings_len, value.ptr, value.len);
  *piece = (struct piece){entry->strings_len, (uint16_t)value.len};
  entry->strings_len = (uint16_t)(entry->strings_len + value.len);
  add_cost(entry, value.len);
}

/* ---- deferrals --------------------------------------------------------------------------------------------------------------- */

static size_t deferral_bytes(const struct deferral *deferral) {
  size_t len = sizeof *deferral;
  for (unsigned i = 0; i < DEFERRED_COUNT; i++) len += deferral->lens[i] == PIECE_ABSENT ? 0 : deferral->lens[i];
  return len;
}

void deferral_strings(const struct deferral *deferral, struct slice *out) {
  const char *at = deferral->bytes;
  for (unsigned i = 0; i < DEFERRED_COUNT; i++) {
    bool is_absent = deferral->lens[i] == PIECE_ABSENT;
    out[i] = is_absent ? SLICE_ABSENT : slice_of(at, deferral->lens[i]);
    if (!is_absent) at += deferral->lens[i];
  }
}

static uint64_t deferral_hash(const struct entry *entry, struct slice recipient, struct slice orig_recipient) {
  return hash_slice_seeded(orig_recipient, hash_slice_seeded(recipient, entry->key));
}

struct deferral *deferral_find(const struct entry *entry, struct slice recipient, struct slice orig_recipient) {
  if (!entry->deferral_count) return NULL;
  recipient = cut(recipient, LIMIT_JOINED_BYTES);
  orig_recipient = cut(orig_recipient, LIMIT_JOINED_BYTES);
  uint64_t hash = deferral_hash(entry, recipient, orig_recipient);
  const struct join_table *table = &entry->shard->deferrals;
  size_t at = table_start(table, hash);
  struct deferral *deferral;
  while ((deferral = table_next(table, hash, &at))) {
    struct slice own[DEFERRED_COUNT];
    deferral_strings(deferral, own);
    if (deferral->entry == entry && slice_equal(own[DEFERRED_RECIPIENT], recipient) &&
        slice_equal(own[DEFERRED_ORIG_RECIPIENT], orig_recipient))
      return deferral;
  }
  return NULL;
}

static void forget_deferral(struct join *join, struct deferral *deferral) {
  struct entry *entry = deferral->entry;
  table_remove(&entry->shard->deferrals, deferral->hash, deferral);
  drop_cost(entry, deferral_bytes(deferral) + OBJECT_OVERHEAD_BYTES);
  entry->deferral_count--;
  bury(join, deferral);
}

/* Puts it between its neighbours. */
static void link_deferral(struct entry *entry, struct deferral *deferral, struct deferral *prev, struct deferral *next) {
  deferral->prev = prev;
  deferral->next = next;
  *(prev ? &prev->next : &entry->deferrals) = deferral;
  *(next ? &next->prev : &entry->last_deferral) = deferral;
}

void deferral_put(struct join *join, struct entry *entry, struct deferral *old, const struct slice *strings, int64_t delay_us,
                  uint16_t smtp_code) {
  struct slice kept[DEFERRED_COUNT];
  size_t len = sizeof(struct deferral);
  for (unsigned i = 0; i < DEFERRED_COUNT; i++) {
    kept[i] = cut(strings[i], i == DEFERRED_REPLY ? LIMIT_REPLY_BYTES : LIMIT_JOINED_BYTES);
    len += kept[i].len;
  }
  struct deferral *deferral = slab_alloc(&join->slab, len);
  deferral->entry = entry;
  deferral->hash = deferral_hash(entry, kept[DEFERRED_RECIPIENT], kept[DEFERRED_ORIG_RECIPIENT]);
  deferral->delay_us = delay_us;
  deferral->smtp_code = smtp_code;
  char *at = deferral->bytes;
  for (unsigned i = 0; i < DEFERRED_COUNT; i++) {
    deferral->lens[i] = slice_is_absent(kept[i]) ? PIECE_ABSENT : (uint16_t)kept[i].len;
    if (kept[i].len) memcpy(at, kept[i].ptr, kept[i].len);
    at += kept[i].len;
  }
  link_deferral(entry, deferral, old ? old->prev : entry->last_deferral, old ? old->next : NULL);
  if (old) forget_deferral(join, old);
  table_add(&entry->shard->deferrals, deferral->hash, deferral);
  add_cost(entry, len + OBJECT_OVERHEAD_BYTES);
  entry->deferral_count++;
}

void deferral_remove(struct join *join, struct deferral *deferral) {
  struct entry *entry = deferral->entry;
  *(deferral->prev ? &deferral->prev->next : &entry->deferrals) = deferral->next;
  *(deferral->next ? &deferral->next->prev : &entry->last_deferral) = deferral->prev;
  forget_deferral(join, deferral);
}

/* ---- limits ------------------------------------------------------------------------------------------------------------------ */

static void forget_oldest(struct join *join, struct shard *shard) {
  struct entry *oldest = shard->by_age.first;
  /* Twice the window: a source may begin to read again somewhat before the line that it must. (Lines read again do not move the
   * clock, so what they touched may be ahead of it.) */
  uint64_t clock = shard->scope->clock;
  if (clock < oldest->seen_at || clock - oldest->seen_at <= 2 * join->options.replay_bytes) shard_become_whole(join, shard);
  entry_close(join, oldest);
}

void shard_forget(struct join *join, struct shard *shard, int64_t time_us) {
  size_t bytes_max = join->options.bytes_max / LIMIT_JOIN_SHARDS;
  while (shard->bytes > bytes_max && shard->by_age.first) {
    forget_oldest(join, shard);
    join->counts.forgotten_memory++;
  }
  /* A subtraction could overflow: restored times are not checked. */
  int64_t limit_us;
  while (shard->by_age.first && !__builtin_add_overflow(shard->by_age.first->first_time_us, join->options.age_us_max, &limit_us) &&
         limit_us < time_us) {
    forget_oldest(join, shard);
    join->counts.forgotten_age++;
  }
}
