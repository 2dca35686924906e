/* Joins the lines of a message: what smtpd, cleanup and qmgr said of a queue id is added to each delivery of it.
 *
 *   smtpd    A1: client=app[10.0.0.7]         -> client                                     (a new message, even if A1 is open)
 *   cleanup  A1: message-id=<...>             -> message id                                 (a new message, if A1 has a sender)
 *   qmgr     A1: from=<a@b>, size=9, nrcpt=2  -> sender, size                               (another sender or size: a new message)
 *   smtp     A1: to=<c@d>, status=sent        -> a delivery with all of the above
 *   smtp     A1: to=<e@f>, status=deferred    -> the same; and A1 remembers it as e@f's last attempt
 *   qmgr     A1: from=<a@b>, size=9, nrcpt=1  -> the same again at each retry: nothing new
 *   qmgr     A1: from=<a@b>, status=expired   -> a delivery `expired` for e@f, with the reply of its last attempt
 *   qmgr     A1: removed                      -> forgets A1
 *
 * Where no line tells a message's end, it ends when as many recipients are settled as it has (LINE_ARRIVED, LINE_COUNTED, LINE_SETTLED) and no
 * deferral is left.
 *
 * Where a result names its attempt alone (qmail), the line that started the attempt is remembered under the attempt's number until then.
 *
 * A record (a line that tells all by itself) is remembered while it is deferred: its expiry has the reply of the last attempt, too. The
 * message ends with the last of its deferred recipients, unless it has recipients to be settled.
 *
 * A message is known by (scope, host and queue id, instance). Host and queue id are compared by their 64-bit hash alone: among 2^17
 * open messages of a scope the chance that any two collide is 2^-31.
 * What is forgotten (by memory, by age) depends on the lines of the message's shard alone. While lines are read again (replay)
 * nothing is staged and nothing is forgotten: what stands at the end of the replay stood there before the restart. */
#include "ingest/join_internal.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/hash.h"
#include "base/memory.h"

void join_options_init(struct join_options *options) {
  *options = (struct join_options){
      .bytes_max = LIMIT_JOIN_BYTES,
      .age_us_max = LIMIT_JOIN_AGE_DAYS * SECONDS_PER_DAY * US_PER_SECOND,
      .replay_us = LIMIT_REPLAY_SECONDS * US_PER_SECOND,
      .replay_bytes = LIMIT_REPLAY_BYTES,
  };
}

struct join *join_new(const struct join_options *options, unsigned worker, unsigned worker_count) {
  struct join *join = memory_zeroed(sizeof *join);
  join->options = *options;
  join->worker = worker;
  join->worker_count = worker_count;
  if (options->source_rule_count) join->source_cache = memory_zeroed(SOURCE_CACHE_SLOTS * sizeof *join->source_cache);
  return join;
}

void join_free(struct join *join) {
  if (!join) return;
  for (size_t i = 0; i < join->scope_count; i++) {
    struct scope *scope = join->scopes[i];
    if (!scope) continue;
    for (unsigned s = 0; s < LIMIT_JOIN_SHARDS; s++) {
      table_deinit(&scope->shards[s].messages);
      table_deinit(&scope->shards[s].deferrals);
    }
    buf_deinit(&scope->name);
    free(scope);
  }
  free(join->scopes);
  free(join->inputs);
  free(join->closed);
  free(join->graves);
  free(join->source_cache);
  buf_deinit(&join->state);
  slab_deinit(&join->slab);
  free(join);
}

void join_begin(struct join *join, const struct batch *batch, struct slice scope_name) {
  struct scope *scope = scope_at(join, batch->scope);
  if (!slice_equal(buf_slice(&scope->name), scope_name)) {
    buf_clear(&scope->name);
    buf_append_slice(&scope->name, scope_name);
  }
  struct input *input = input_at(join, batch->input);
  input->scope = scope;
  input_set_replaying(input, batch->is_replay);
  join->scope = scope;
  join->input = batch->input;
  join->is_replay = batch->is_replay;
  join->clock_offset = scope->clock - batch->position;
  if (!batch->is_replay) scope->clock += batch->len;
  join->last_instance = SLICE_ABSENT;
  join->facts_position = UINT64_MAX;
  join->instance_hash = hash_slice(SLICE_ABSENT);
  for (unsigned i = 0; i < LIMIT_JOIN_SHARDS; i++)
    if (scope->shards[i].is_unsorted) shard_sort(&scope->shards[i]);
}

void join_release(struct join *join) {
  /* The stage may have been emptied in the midst of an expiry and filled again since: its items are still to be read. */
  if (join->stage && join->stage->count) return;
  join->stage = NULL;
  for (size_t i = 0; i < join->grave_count; i++) slab_free(&join->slab, join->graves[i]);
  join->grave_count = 0;
}

/* Lines between asking for a slot of the table and for the message in it, and as many again until it is wanted: some 1 us. */
#define AHEAD 12

void join_prefetch(const struct join *join, const struct line_list *lines, size_t at) {
  if (at + 2 * AHEAD >= lines->count) return;
  const struct line *far = &lines->items[at + 2 * AHEAD], *near = &lines->items[at + AHEAD];
  const struct join_table *table = &join->scope->shards[line_shard(far->key)].messages;
  if (table->slots) __builtin_prefetch(&table->slots[table_start(table, far->key)]);
  table = &join->scope->shards[line_shard(near->key)].messages;
  if (!table->slots) return;
  const struct table_slot *slot = &table->slots[table_start(table, near->key)];
  if (slot->hash != near->key) return;
  const char *message = slot->item;
  __builtin_prefetch(message);
  __builtin_prefetch(message + 64);
  __builtin_prefetch(message + 128);
}

void join_read_counts(const struct join *join, struct join_counts *out) { *out = join->counts; }

/* ---- finding a message ------------------------------------------------------------------------------------------------------- */

static uint32_t hash_instance(struct join *join, struct slice instance) {
  if (instance.ptr != join->last_instance.ptr || instance.len != join->last_instance.len) {
    join->last_instance = instance;
    join->instance_hash = hash_slice(instance);
  }
  return (uint32_t)join->instance_hash;
}

static struct entry *find_exact(const struct shard *shard, uint64_t key, uint32_t instance_hash) {
  size_t at = table_start(&shard->messages, key);
  struct entry *entry;
  while ((entry = table_next(&shard->messages, key, &at)))
    if (entry->instance_hash == instance_hash) return entry;
  return NULL;
}

/* A transport with a syslog_name of its own logs deliveries of a message that smtpd and qmgr know under another: the one message of
 * this host and queue id is meant. */
static struct entry *find_any(const struct shard *shard, uint64_t key, uint32_t instance_hash) {
  size_t at = table_start(&shard->messages, key);
  struct entry *entry, *other = NULL;
  unsigned other_count = 0;
  while ((entry = table_next(&shard->messages, key, &at))) {
    if (entry->instance_hash == instance_hash) return entry;
    other = entry;
    other_count++;
  }
  return other_count == 1 ? other : NULL;
}

/* A line that is read again, of a message that was restored with it. All messages of one host and queue id are old, or none is. */
static bool is_known_already(const struct join *join, const struct shard *shard, uint64_t key) {
  if (!join->is_replay) return false;
  if (shard->is_whole) return true;
  size_t at = table_start(&shard->messages, key);
  struct entry *entry = table_next(&shard->messages, key, &at);
  return entry && entry->is_restored;
}

/* ---- beginnings -------------------------------------------------------------------------------------------------------------- */

/* A restart can't rebuild it from this input alone when another one has lines of it, too. */
static void note_crossing(struct join *join, struct entry *entry) {
  entry->is_crossed = true;
  if (join->is_replay || join->inputs[entry->input].is_replaying)
    join->has_crossed_in_replay = true;
  else
    entry_make_old(join, entry);
}

static void touch(struct join *join, const struct line *line, struct entry *entry) {
  entry->seen_at = line->position + join->clock_offset;
  if (entry->is_old)
    entry_mark_dirty(join, entry);
  else if (entry->input != join->input)
    note_crossing(join, entry);
}

/* Links a young entry as the one whose first line is this. */
static void set_first_line(struct join *join, const struct line *line, struct entry *entry) {
  entry->input = join->input;
  entry->first_position = line->position;
  list_append(&join->inputs[join->input].young, entry, LINKS_PLACE);
}

/* The message begins with this line. After a restart a line that is read again gets the order that it had. */
static void set_beginning(struct join *join, const struct line *line, struct entry *entry) {
  struct shard *shard = entry->shard;
  uint64_t place = line->position + 1;
  int64_t order = (int64_t)((uint64_t)shard->order_base + place);
  if (order <= shard->order_max && !join->is_replay) {
    order = (int64_t)((uint64_t)shard->order_max + 1);
    shard->order_base = (int64_t)((uint64_t)order - place);
  }
  if (order > shard->order_max) shard->order_max = order;
  entry->order = order;
  entry->order_base = shard->order_base;
  entry->first_time_us = line->time_us;
  shard_insert_by_age(shard, entry);
}

static struct entry *begin_message(struct join *join, const struct line *line, struct shard *shard, uint32_t instance_hash) {
  bool has_namesake = table_has(&shard->messages, line->key);
  struct entry *entry = entry_new(join, shard, line->key, instance_hash);
  set_beginning(join, line, entry);
  entry->seen_at = line->position + join->clock_offset;
  set_first_line(join, line, entry);
  /* Which lines of other instances are its own depends on its namesakes, which a restart may not see any more. It takes the young
   * ones with it. */
  if (shard->is_whole || (has_namesake && !join->is_replay)) entry_make_old(join, entry);
  return entry;
}

/* What is known of it was not told by cleanup or qmgr. */
static bool lacks_cleanup_and_qmgr(const struct entry *entry) {
  return !entry->has_sender && entry->pieces[JOINED_MESSAGE_ID].offset == PIECE_ABSENT;
}
/* Nothing but deferrals. */
static bool is_orphan(const struct entry *entry) { return !entry->has_client && lacks_cleanup_and_qmgr(entry); }
/* What smtpd says first; all that there ever is when the client goes away. */
static bool is_client_only(const struct entry *entry) { return entry->has_client && lacks_cleanup_and_qmgr(entry); }

/* As begin_message, for the first line that a message can have: deferrals of this queue id that have no more than themselves are of
 * a message that ended unseen; a client of another instance has gone away. A restart may see fewer or none of these, and then take
 * this line for one of theirs. */
static struct entry *begin_message_anew(struct join *join, const struct line *line, struct shard *shard, uint32_t instance_hash) {
  size_t at = table_start(&shard->messages, line->key);
  struct entry *other;
  bool has_closed = false;
  while ((other = table_next(&shard->messages, line->key, &at))) {
    if (!lacks_cleanup_and_qmgr(other)) continue;
    entry_close(join, other);
    has_closed = true;
    at = table_start(&shard->messages, line->key);
  }
  struct entry *entry = begin_message(join, line, shard, instance_hash);
  if (has_closed && !join->is_replay) entry_make_old(join, entry);
  return entry;
}

/* The only message of this queue id, if it is `is_adoptable`: what is known of it was told by a program with a name of its own
 * (smtpd as "submission/smtpd", a transport as "slow/smtp"). It gets the name of cleanup and qmgr. NULL: no such message. */
static struct entry *adopt(struct join *join, const struct line *line, struct shard *shard, uint32_t instance_hash,
                           bool (*is_adoptable)(const struct entry *entry)) {
  struct entry *entry = find_any(shard, line->key, instance_hash);
  if (!entry || !is_adoptable(entry)) return NULL;
  if (entry->is_in_catalog) note_closed(join, entry);
  entry->is_in_catalog = false;
  entry->instance_hash = instance_hash;
  touch(join, line, entry);
  return entry;
}

/* The queue id is used again. An old one stays old: the catalog's row is replaced, not deleted and read again from the input. A
 * young one begins here if that is certain from this line alone; else it keeps its first line, so that a restart, too, reads
 * what this one differs from. */
static void restart_message(struct join *join, const struct line *line, struct entry *entry, bool is_certain) {
  entry_clear(join, entry);
  list_remove(&entry->shard->by_age, entry, LINKS_AGE);
  set_beginning(join, line, entry);
  if (entry->is_old || !is_certain) return;
  list_remove(&join->inputs[entry->input].young, entry, LINKS_PLACE);
  set_first_line(join, line, entry);
}

/* For a line that is the first of its message for certain. */
static struct entry *open_message(struct join *join, const struct line *line, struct shard *shard, uint32_t instance_hash) {
  struct entry *entry = find_exact(shard, line->key, instance_hash);
  if (!entry) {
    entry = begin_message_anew(join, line, shard, instance_hash);
  } else {
    restart_message(join, line, entry, true);
    touch(join, line, entry);
  }
  return entry;
}

/* ---- lines ------------------------------------------------------------------------------------------------------------------- */

static void take_client(struct join *join, const struct line *line, struct shard *shard, uint32_t instance_hash) {
  struct entry *entry = open_message(join, line, shard, instance_hash);
  entry->has_client = true;
  if (join->options.skips_uncounted) return;
  entry_set_string(join, entry, JOINED_CLIENT_HOST, line->client.host);
  entry_set_string(join, entry, JOINED_CLIENT_IP, line->client.ip);
}

static void take_message_id(struct join *join, const struct line *line, struct shard *shard, uint32_t instance_hash) {
  struct entry *entry = find_exact(shard, line->key, instance_hash);
  if (!entry) entry = adopt(join, line, shard, instance_hash, is_client_only);
  if (!entry) {
    entry = begin_message_anew(join, line, shard, instance_hash);
  } else {
    if (is_orphan(entry) || entry->has_sender) restart_message(join, line, entry, false);
    touch(join, line, entry);
  }
  if (!join->options.skips_uncounted) entry_set_string(join, entry, JOINED_MESSAGE_ID, line->message_id);
}

static bool is_other_sender(const struct entry *entry, const struct line *line) {
  if (!entry->has_sender) return false;
  if (!entry_string_equals(entry, JOINED_SENDER, line->sender.address)) return true;
  return entry->size_bytes != U64_ABSENT && line->sender.size_bytes != U64_ABSENT && entry->size_bytes != line->sender.size_bytes;
}

static void take_sender(struct join *join, const struct line *line, struct shard *shard, uint32_t instance_hash) {
  struct entry *entry = find_exact(shard, line->key, instance_hash);
  if (!entry) entry = adopt(join, line, shard, instance_hash, lacks_cleanup_and_qmgr);
  if (!entry) {
    entry = begin_message(join, line, shard, instance_hash);
  } else {
    if (is_other_sender(entry, line)) restart_message(join, line, entry, false);
    /* The same again at a retry: the catalog's row need not be written for it. */
    bool is_same = entry->has_sender && entry->size_bytes == line->sender.size_bytes;
    if (is_same && (entry->is_old || entry->input == join->input)) {
      entry->seen_at = line->position + join->clock_offset;
      return;
    }
    touch(join, line, entry);
  }
  entry->has_sender = true;
  entry_set_string(join, entry, JOINED_SENDER, line->sender.address);
  if (line->sender.size_bytes != U64_ABSENT) entry->size_bytes = line->sender.size_bytes;
}

/* ---- deliveries -------------------------------------------------------------------------------------------------------------- */

static void remember_deferral(struct join *join, const struct line *line, struct entry *entry) {
  const struct slice strings[DEFERRED_COUNT] = {
      [DEFERRED_RECIPIENT] = line->delivery.recipient,
      [DEFERRED_ORIG_RECIPIENT] = line->delivery.orig_recipient,
      [DEFERRED_RELAY_HOST] = line->delivery.relay_host,
      [DEFERRED_RELAY_IP] = line->delivery.relay_ip,
      [DEFERRED_DSN] = line->delivery.dsn,
      [DEFERRED_STAGE] = line->delivery.stage,
      [DEFERRED_REPLY] = line->delivery.reply,
      [DEFERRED_SERVICE] = line->service,
  };
  struct deferral *old = deferral_find(entry, line->delivery.recipient, line->delivery.orig_recipient);
  deferral_put(join, entry, old, strings, line->delivery.delay_us, line->delivery.smtp_code);
}

/* `last`: what is remembered of the recipient's last attempt, or NULL. */
static void stage_delivery(struct join *join, const struct line *line, const struct entry *entry, const struct deferral *last,
                           struct delivery_stage *stage) {
  if (last && line->delivery.status == STATUS_expired)
    join_fill_expired(join, line, last, stage_next(stage));
  else
    join_fill_delivery(join, line, entry, stage_next(stage));
}

static void take_delivery(struct join *join, const struct line *line, struct shard *shard, uint32_t instance_hash,
                          struct delivery_stage *stage) {
  struct entry *entry = find_any(shard, line->key, instance_hash);
  struct deferral *last = entry ? deferral_find(entry, line->delivery.recipient, line->delivery.orig_recipient) : NULL;
  for (uint32_t i = 0; !join->is_replay && i < line->times; i++) {
    if (!entry || !entry->has_sender) join->counts.orphans++;
    stage_delivery(join, line, entry, last, stage);
    stage_push(stage);
  }
  if (line->delivery.status == STATUS_deferred) {
    if (entry)
      touch(join, line, entry);
    else
      entry = begin_message(join, line, shard, instance_hash);
    if (!last || !line->delivery.is_put_off) remember_deferral(join, line, entry);
    return;
  }
  if (!last) return;
  touch(join, line, entry);
  deferral_remove(join, last);
}

static void take_expired(struct join *join, const struct line *line, struct shard *shard, uint32_t instance_hash,
                         struct delivery_stage *stage) {
  struct entry *entry = find_any(shard, line->key, instance_hash);
  if (!entry) return;
  touch(join, line, entry);
  while (entry->deferrals) {
    struct deferral *deferral = entry->deferrals;
    if (!join->is_replay) {
      join_fill_expired(join, line, deferral, stage_next(stage));
      deferral_remove(join, deferral);
      stage_push(stage);
    } else {
      deferral_remove(join, deferral);
    }
  }
}

static void take_reject(struct join *join, const struct line *line, struct shard *shard, uint32_t instance_hash,
                        struct delivery_stage *stage) {
  if (join->is_replay) return;
  struct entry *entry = slice_is_absent(line->queue_id) ? NULL : find_any(shard, line->key, instance_hash);
  for (uint32_t i = 0; i < line->times; i++) {
    join_fill_rejected(join, line, entry, stage_next(stage));
    stage_push(stage);
  }
}

/* An attempt is an entry of its own, with its strings where a message has others. */
#define STARTED_QUEUE_ID JOINED_MESSAGE_ID
#define STARTED_RECIPIENT JOINED_SENDER
#define STARTED_SERVICE JOINED_CLIENT_HOST

static void take_started(struct join *join, const struct line *line, struct shard *shard, uint32_t instance_hash) {
  struct entry *entry = find_exact(shard, line->key, instance_hash);
  if (!entry) {
    entry = begin_message(join, line, shard, instance_hash);
  } else {
    restart_message(join, line, entry, true);
    touch(join, line, entry);
  }
  entry_set_string(join, entry, STARTED_QUEUE_ID, line->started.queue_id);
  entry_set_string(join, entry, STARTED_RECIPIENT, line->started.recipient);
  entry_set_string(join, entry, STARTED_SERVICE, line->started.service);
}

static void take_result(struct join *join, const struct line *line, struct shard *shard, uint32_t instance_hash,
                        struct delivery_stage *stage) {
  struct entry *attempt = find_exact(shard, line->key, instance_hash), *message = NULL;
  struct line delivery = *line;
  delivery.queue_id = SLICE_ABSENT;
  if (attempt) {
    delivery.queue_id = entry_string(attempt, STARTED_QUEUE_ID);
    delivery.service = entry_string(attempt, STARTED_SERVICE);
    delivery.delivery.recipient = entry_string(attempt, STARTED_RECIPIENT);
    message = find_any(shard, line_key_beside(line_key(line->host, delivery.queue_id), line->key), instance_hash);
    entry_close(join, attempt);
  }
  if (message && message->has_client && line->time_us >= message->first_time_us)
    delivery.delivery.delay_us = line->time_us - message->first_time_us;
  if (join->is_replay) return;
  if (!message || !message->has_sender) join->counts.orphans++;
  join_fill_delivery(join, &delivery, message, stage_next(stage));
  stage_push(stage);
}

/* What the line itself says goes before what other lines said. */
static void fill_facts(const struct join *join, const struct line *line, struct delivery *out) {
  if (join->facts_position != line->position) return;
  const struct line_facts *facts = &join->facts;
  if (!slice_is_absent(facts->sender)) out->sender = facts->sender;
  if (!slice_is_absent(facts->message_id)) out->message_id = facts->message_id;
  if (!slice_is_absent(facts->client_host)) out->client_host = facts->client_host;
  if (!slice_is_absent(facts->client_ip)) out->client_ip = facts->client_ip;
  if (!slice_is_absent(facts->source_ip)) out->source_ip = facts->source_ip;
  if (facts->size_bytes != U64_ABSENT) out->size_bytes = facts->size_bytes;
}

static void take_facts(struct join *join, const struct line *line) {
  join->facts = line->facts;
  join->facts_position = line->position;
}

static void take_record(struct join *join, const struct line *line, struct shard *shard, uint32_t instance_hash,
                        struct delivery_stage *stage) {
  struct entry *entry = slice_is_absent(line->queue_id) ? NULL : find_any(shard, line->key, instance_hash);
  struct deferral *last = entry ? deferral_find(entry, line->delivery.recipient, line->delivery.orig_recipient) : NULL;
  if (!join->is_replay) {
    stage_delivery(join, line, entry, last, stage);
    fill_facts(join, line, stage_next(stage));
  }
  if (line->delivery.status == STATUS_deferred && !slice_is_absent(line->queue_id)) {
    if (entry)
      touch(join, line, entry);
    else
      entry = begin_message(join, line, shard, instance_hash);
    remember_deferral(join, line, entry);
  } else if (entry) {
    touch(join, line, entry);
    if (last) deferral_remove(join, last);
    if (!entry->deferrals && !entry->unsettled_count) entry_close(join, entry);
  }
  if (!join->is_replay) stage_push(stage);
}

static void take_removed(struct join *join, const struct line *line, struct shard *shard, uint32_t instance_hash) {
  struct entry *entry = find_any(shard, line->key, instance_hash);
  if (entry) entry_close(join, entry);
}

static void take_arrived(struct join *join, const struct line *line, struct shard *shard, uint32_t instance_hash) {
  const struct line_facts *facts = &line->facts;
  struct entry *entry = open_message(join, line, shard, instance_hash);
  entry->has_client = entry->has_sender = true;
  if (!join->options.skips_uncounted) {
    entry_set_string(join, entry, JOINED_CLIENT_HOST, facts->client_host);
    entry_set_string(join, entry, JOINED_CLIENT_IP, facts->client_ip);
    entry_set_string(join, entry, JOINED_MESSAGE_ID, facts->message_id);
  }
  entry_set_string(join, entry, JOINED_SENDER, facts->sender);
  entry->size_bytes = facts->size_bytes;
  entry->unsettled_count = facts->recipient_count;
}

/* Of a message whose beginning was not seen nothing is left to wait for when no deferral is. So a restart that reads again from
 * its midst forgets it where it was forgotten before. */
static void settle(struct join *join, const struct line *line, struct shard *shard, uint32_t instance_hash, uint32_t count) {
  struct entry *entry = find_any(shard, line->key, instance_hash);
  if (!entry) return;
  bool is_counted = entry->unsettled_count > 0, is_ended = is_orphan(entry);
  if (is_counted) {
    touch(join, line, entry);
    entry->unsettled_count -= count < entry->unsettled_count ? count : entry->unsettled_count;
    is_ended = !entry->unsettled_count;
  }
  if (is_ended && !entry->deferrals) entry_close(join, entry);
}

static struct entry *find_touched(struct join *join, const struct line *line, struct shard *shard, uint32_t instance_hash) {
  struct entry *entry = find_any(shard, line->key, instance_hash);
  if (entry) touch(join, line, entry);
  return entry;
}

void join_take(struct join *join, const struct line *line, struct delivery_stage *stage) {
  struct shard *shard = &join->scope->shards[line_shard(line->key)];
  struct input *input = &join->inputs[join->input];
  join->stage = stage;
  if (line->time_us > input->newest_us) input->newest_us = line->time_us;
  if (is_known_already(join, shard, line->key)) return;
  uint32_t instance_hash = hash_instance(join, line->instance);
  switch (line->kind) {
    case LINE_CLIENT: take_client(join, line, shard, instance_hash); break;
    case LINE_MESSAGE_ID: take_message_id(join, line, shard, instance_hash); break;
    case LINE_SENDER: take_sender(join, line, shard, instance_hash); break;
    case LINE_DELIVERY: take_delivery(join, line, shard, instance_hash, stage); break;
    case LINE_REJECT: take_reject(join, line, shard, instance_hash, stage); break;
    case LINE_EXPIRED: take_expired(join, line, shard, instance_hash, stage); break;
    case LINE_REMOVED: take_removed(join, line, shard, instance_hash); break;
    case LINE_ARRIVED: take_arrived(join, line, shard, instance_hash); break;
    case LINE_COUNTED:
      take_delivery(join, line, shard, instance_hash, stage);
      if (line->delivery.status != STATUS_deferred) settle(join, line, shard, instance_hash, 1);
      break;
    case LINE_SETTLED: settle(join, line, shard, instance_hash, line->settled_count); break;
    case LINE_STARTED: take_started(join, line, shard, instance_hash); break;
    case LINE_RESULT: take_result(join, line, shard, instance_hash, stage); break;
    case LINE_ACCEPTED: join_take_accepted(join, line, find_touched(join, line, shard, instance_hash)); break;
    case LINE_GROUP: join_take_group(join, line, find_touched(join, line, shard, instance_hash), stage); break;
    case LINE_FACTS: take_facts(join, line); break;
    case LINE_RECORD: take_record(join, line, shard, instance_hash, stage); break;
  }
  if (!join->is_replay) shard_forget(join, shard, line->time_us);
}
