/* What join.c and the files join_*.c share; nobody else includes it.
 *
 *   join -- scope (all files, or one Kafka partition)
 *             `-- shard 0..15  -- messages: table by (key, instance), list by age       -> struct entry
 *                              `- deferrals: table by (message, recipients)             -> struct deferral, listed in its entry
 *        `- input  -- the young: entries that a restart rebuilds by reading the input again
 *        `- dirty  -- the old that changed since the last checkpoint: the catalog keeps them
 *
 * An entry is young (linked in its input's list), or old (linked in `dirty` while it differs from the catalog). */
#ifndef INGEST_JOIN_INTERNAL_H
#define INGEST_JOIN_INTERNAL_H

#include "base/buf.h"
#include "ingest/ingest.h"
#include "ingest/join_table.h"
#include "ingest/slab.h"

/* Strings that deliveries of a message take from its other lines. */
enum joined { JOINED_CLIENT_HOST, JOINED_CLIENT_IP, JOINED_MESSAGE_ID, JOINED_SENDER, JOINED_COUNT };

/* Strings of a deferral, in the order in which they lie behind it. */
enum deferred {
  DEFERRED_RECIPIENT,
  DEFERRED_ORIG_RECIPIENT,
  DEFERRED_RELAY_HOST,
  DEFERRED_RELAY_IP,
  DEFERRED_DSN,
  DEFERRED_STAGE,
  DEFERRED_REPLY,
  DEFERRED_SERVICE,
  DEFERRED_COUNT
};

#define PIECE_ABSENT UINT16_MAX
/* Strings of most messages; with it an entry is 320 bytes, five cache lines and a size of the slab. */
#define ENTRY_INLINE_BYTES 144

/* The last attempt for a recipient, which failed for now. */
struct deferral {
  struct entry *entry;
  struct deferral *next, *prev; /* of the message, in the order of their first deferral */
  uint64_t hash;
  int64_t delay_us;
  uint16_t smtp_code;
  uint16_t lens[DEFERRED_COUNT]; /* PIECE_ABSENT: absent */
  char bytes[];
};

/* Where a joined string lies in `strings`. */
struct piece {
  uint16_t offset, len; /* offset PIECE_ABSENT: absent */
};

/* A doubly linked list through entries. */
struct entry_list {
  struct entry *first, *last;
};
struct entry_links {
  struct entry *next, *prev;
};

/* An open message. `strings` is appended to and never overwritten, since staged deliveries point into it. */
struct entry {
  uint64_t key;
  uint32_t instance_hash;
  bool is_old, is_dirty, is_restored, is_in_catalog, is_crossed, has_client, has_sender;
  struct piece pieces[JOINED_COUNT];
  uint64_t size_bytes;
  char *strings; /* inline_bytes, or a block of its own */
  uint16_t strings_len, strings_cap;
  uint32_t deferral_count;
  struct deferral *deferrals, *last_deferral;
  struct shard *shard;
  struct entry_links age;   /* in shard->by_age */
  struct entry_links place; /* in input->young or join->dirty */
  int64_t order;            /* of its beginning in its shard, kept in the catalog with the base it was made from */
  int64_t order_base;
  int64_t first_time_us;
  uint64_t first_position;  /* the line from which a restart must read to rebuild it */
  uint64_t seen_at;         /* scope->clock at its last line */
  uint32_t input;           /* of first_position */
  uint32_t cost_bytes;      /* what it counts for in shard->bytes, deferrals included */
  uint32_t unsettled_count; /* recipients that must still be settled before it ends; 0: its end is told otherwise */
  char inline_bytes[ENTRY_INLINE_BYTES];
};

struct shard {
  struct scope *scope;
  struct join_table messages, deferrals;
  struct entry_list by_age; /* by order, which is order_base + position of the first line + 1 */
  int64_t order_base;       /* goes up where a new input begins at a lower position */
  int64_t order_max;        /* the largest so far */
  size_t bytes;             /* a function of the open messages alone, not of how they came to be: equal after a restart */
  uint8_t number;
  bool is_unsorted; /* restored entries are in any order */
  /* All of its messages are kept in the catalog, and lines read again are ignored: see join_checkpoint.c. */
  bool is_whole, is_whole_in_catalog;
  uint64_t whole_until; /* scope->clock */
};

struct scope {
  struct buf name;
  uint64_t clock;           /* bytes of its batches in this run; lines read again are not counted */
  unsigned replaying_count; /* of its inputs */
  struct shard shards[LIMIT_JOIN_SHARDS];
};

struct input {
  struct entry_list young; /* in the order of first_position */
  struct scope *scope;
  int64_t newest_us;
  bool is_replaying; /* its last batch was */
};

/* A row of the catalog that must go. */
struct closed_message {
  struct scope *scope;
  uint64_t key;
  uint32_t instance_hash;
};

/* Small direct-mapped cache of source_rules: the last answers for (host, instance, service). */
#define SOURCE_CACHE_SLOTS 64
#define SOURCE_CACHE_TEXT 96
struct source_answer {
  uint32_t hash;
  uint16_t lens[3];
  bool is_set;
  char text[SOURCE_CACHE_TEXT]; /* host, instance, service */
  struct slice source;
};

struct join {
  struct join_options options;
  unsigned worker, worker_count;
  struct scope **scopes;
  size_t scope_count;
  struct input *inputs;
  size_t input_count;
  struct slab slab;
  struct entry_list dirty;
  struct closed_message *closed;
  size_t closed_count, closed_cap;
  void **graves; /* objects that staged deliveries may point into */
  size_t grave_count, grave_cap;
  bool has_crossed_in_replay; /* some entry is_crossed but young: its second input was being read again */
  const struct delivery_stage *stage;
  struct join_counts counts;
  struct source_answer *source_cache;
  struct buf state; /* of the message handed out by join_checkpoint */

  /* The batch. */
  struct scope *scope;
  uint32_t input;
  bool is_replay;
  uint64_t clock_offset;      /* scope clock = position + clock_offset (modulo 2^64) */
  uint64_t instance_hash;     /* of last_instance */
  struct slice last_instance; /* slices of this batch, so that equal pointers need no look */
  struct line_facts facts;    /* of the line at facts_position */
  uint64_t facts_position;    /* UINT64_MAX: none yet */
};

/* ---- join_memory.c ---- */

struct scope *scope_at(struct join *join, uint32_t number);
struct input *input_at(struct join *join, uint32_t number);
void input_set_replaying(struct input *input, bool is_replaying);

void bury(struct join *join, void *object);

void list_append(struct entry_list *list, struct entry *entry, size_t links_offset);
void list_remove(struct entry_list *list, struct entry *entry, size_t links_offset);
#define LINKS_AGE offsetof(struct entry, age)
#define LINKS_PLACE offsetof(struct entry, place)

/* Puts an entry where its order says, which is last but for lines read again. */
void shard_insert_by_age(struct shard *shard, struct entry *entry);
/* An entry without any content, in the table, in no list yet. */
struct entry *entry_new(struct join *join, struct shard *shard, uint64_t key, uint32_t instance_hash);
/* Forgets what it holds; it stays where it is. */
void entry_clear(struct join *join, struct entry *entry);
/* Its end: leaves every list and table; its row in the catalog, if any, is noted for deletion. */
void entry_close(struct join *join, struct entry *entry);
void note_closed(struct join *join, const struct entry *entry);
/* Moves a young entry to the old, and with it all of the same host and queue id. */
void entry_make_old(struct join *join, struct entry *entry);
void entry_mark_dirty(struct join *join, struct entry *entry);

struct slice entry_string(const struct entry *entry, enum joined which);
void entry_set_string(struct join *join, struct entry *entry, enum joined which, struct slice value);
/* Whether `value`, cut as it would be kept, is what the entry has. */
bool entry_string_equals(const struct entry *entry, enum joined which, struct slice value);

/* Strings of a deferral; out has DEFERRED_COUNT. */
void deferral_strings(const struct deferral *deferral, struct slice *out);
/* Two recipients may differ in what they were before aliases were expanded, and that alone. */
struct deferral *deferral_find(const struct entry *entry, struct slice recipient, struct slice orig_recipient);
/* A new last attempt; takes the place of `old` (of the same recipients) if there is one. */
void deferral_put(struct join *join, struct entry *entry, struct deferral *old, const struct slice *strings, int64_t delay_us,
                  uint16_t smtp_code);
void deferral_remove(struct join *join, struct deferral *deferral);

/* Forgets the oldest messages that are too old at time_us, or beyond the limit of memory. */
void shard_forget(struct join *join, struct shard *shard, int64_t time_us);

/* ---- join_fill.c ---- */

/* The delivery of a line, with what is known of its message; entry may be NULL. */
void join_fill_delivery(struct join *join, const struct line *line, const struct entry *entry, struct delivery *out);
/* That of a recipient given up by the line, who was deferred last. */
void join_fill_expired(struct join *join, const struct line *line, const struct deferral *deferral, struct delivery *out);
/* That of a refusal; entry may be NULL. */
void join_fill_rejected(struct join *join, const struct line *line, const struct entry *entry, struct delivery *out);

/* ---- stage ---- */

static inline struct delivery *stage_next(struct delivery_stage *stage) { return &stage->items[stage->count]; }
static inline void stage_push(struct delivery_stage *stage) {
  if (++stage->count == LIMIT_STAGE) stage->when_full(stage->context);
}

/* ---- join_group.c: entry may be NULL ---- */

void join_take_accepted(struct join *join, const struct line *line, struct entry *entry);
void join_take_group(struct join *join, const struct line *line, struct entry *entry, struct delivery_stage *to);

/* ---- join_checkpoint.c ---- */

/* A message was forgotten that had lines within reach of a restart: from now on the catalog keeps all of this shard. */
void shard_become_whole(struct join *join, struct shard *shard);
/* Puts restored entries in the order of their creation. */
void shard_sort(struct shard *shard);

/* ---- join_source.c ---- */

struct slice source_of(struct join *join, struct slice host, struct slice instance, struct slice service);
bool glob_matches(struct slice pattern, struct slice text);

#endif
