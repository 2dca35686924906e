/* The door of ingest/: bytes of logs in, deliveries out.
 *
 *   source_next -> struct batch -> (split into chunks) -> format->parse -> struct line -> join_take -> struct delivery
 *      one thread                     any worker                          the worker that owns the line's shard
 *
 * A batch is whole lines of one input. Its chunks are parsed in parallel; each line goes to the list of the worker that owns
 * line_shard(key), and each worker joins its lines in the order of the input. What comes out depends on the input alone, not on
 * batches, chunks or the number of workers. */
#ifndef INGEST_INGEST_H
#define INGEST_INGEST_H

#include "base/error.h"
#include "base/limits.h"
#include "schemas/delivery.h"
#include "schemas/position.h"

/* ---- batches ---------------------------------------------------------------------------------------------------------------- */

/* Whole lines, each ended by '\n', from one input. Good until the next source_next.
 *
 *   lookback bytes (earlier lines of the same input) | base ... base+len
 *
 * Places inside a batch are `position + offset of the byte`; for files that is the place in the file, for Kafka and stdin a running
 * count of bytes that the source translates back (source_positions). */
struct batch {
  const char *base;
  size_t len, lookback_len;
  uint64_t position;         /* of base[0] */
  uint32_t input;            /* number of the input in its source, from 0, stable during a run */
  uint32_t scope;            /* inputs whose lines are joined with one another share it: all files, or one Kafka partition */
  bool is_replay;            /* these lines are in the store already: read only to rebuild the join */
  int64_t reference_time_us; /* the message's or the file's time: dates without a year are the latest not over a day after it */
  struct slice head;         /* the first line of the input, wherever the batch lies in it; absent when not known (Kafka) */
  struct slice
      first_lines; /* the same and what follows, whole lines of the input's first 4 KiB, as far as they are there; or absent */
};

/* ---- lines ------------------------------------------------------------------------------------------------------------------ */

enum line_kind {
  LINE_CLIENT,     /* smtpd, pickup: who handed the message in */
  LINE_MESSAGE_ID, /* cleanup */
  LINE_SENDER,     /* qmgr: from=, size=, nrcpt= */
  LINE_DELIVERY,   /* to=, status= */
  LINE_REJECT,     /* refused by our own server, with or without a queue id */
  LINE_EXPIRED,    /* qmgr gave up: every recipient still deferred becomes an expired delivery */
  LINE_REMOVED,    /* the message's end */
  LINE_ARRIVED,    /* all that one line, its first, tells of a message: facts; it ends when so many recipients as that says */
  LINE_COUNTED,    /* ... are settled: a delivery to one of them, who is settled unless deferred */
  LINE_SETTLED,    /* so many more of them are, by the lines before this one */
  LINE_STARTED,    /* an attempt begins: the key is that of its number, and of the shard of its message's */
  LINE_RESULT,     /* what became of it: a delivery whose message and recipient are those of LINE_STARTED with this key */
  LINE_ACCEPTED,   /* a recipient that waits for an outcome, where those do not name theirs: see join_group.c */
  LINE_GROUP,      /* such an outcome, of recipients of one domain: recipient is "@domain", or absent where it is not told */
  LINE_FACTS,      /* what a line that tells all by itself says of its message; good for the records of the same line behind it */
  LINE_RECORD,     /* such a line's delivery, to one recipient; joined with nothing but its own last attempt */
};

/* Of a message, without its other lines. */
struct line_facts {
  struct slice sender, message_id, client_host, client_ip, source_ip;
  uint64_t size_bytes;
  uint32_t recipient_count; /* of LINE_ARRIVED: that must be settled; 0: its end is told otherwise */
};

/* One line that says something of a message. All slices point into the batch (or are static) and may be absent. */
struct line {
  uint64_t key;      /* line_key(host, queue_id): lines of one message share it */
  uint64_t position; /* batch.position + offset of the line's first byte */
  int64_t time_us;
  uint32_t number; /* of the line in its chunk, from 0, noise counted too */
  uint32_t times;  /* 1; more for "last message repeated": so many deliveries of this content */
  enum line_kind kind;
  uint32_t group_count; /* of LINE_GROUP: how many recipients; 0: not told */
  struct slice host, instance, service, queue_id;
  union {
    struct {
      struct slice host, ip;
    } client;
    struct slice message_id;
    struct {
      struct slice address; /* "" is the null sender */
      uint64_t size_bytes;
    } sender;
    struct {
      struct slice recipient, orig_recipient, relay_host, relay_ip, dsn, stage, reply;
      struct slice source_ip; /* absent: what the configuration says */
      int64_t delay_us;
      enum status status; /* when expired, the reply is that of its last attempt, if that is remembered */
      uint16_t smtp_code;
      bool is_put_off; /* deferred without an attempt: what the last attempt was told stays remembered */
    } delivery;        /* and of LINE_RECORD */
    struct line_facts facts;
    struct {
      struct slice queue_id, recipient, service; /* queue id of the message */
    } started;
    uint32_t settled_count; /* of LINE_SETTLED */
    struct {
      struct slice sender, recipient, client_host, client_ip, dsn, stage, reply;
      uint16_t smtp_code;
    } reject;
  };
};

uint64_t line_key(struct slice host, struct slice queue_id);
static inline unsigned line_shard(uint64_t key) { return (unsigned)(key >> 60) % LIMIT_JOIN_SHARDS; }
/* `key` in the shard of `other`: for lines that name each other by different ids. */
static inline uint64_t line_key_beside(uint64_t key, uint64_t other) { return (key & (UINT64_MAX >> 4)) | (other >> 60 << 60); }

/* Grows only; items are reused from batch to batch. */
struct line_list {
  struct line *items;
  size_t count, cap;
};

/* ---- counts: every line read ends in exactly one ---------------------------------------------------------------------------- */

enum noise {
#define NOISE(name, what) NOISE_##name,
#include "ingest/noise.def"
#undef NOISE
  NOISE_COUNT
};
struct slice noise_name(enum noise noise);

enum unparsed_reason { UNPARSED_HEADER, UNPARSED_BODY, UNPARSED_TIME, UNPARSED_TOO_LONG, UNPARSED_REASON_COUNT };
struct slice unparsed_reason_name(enum unparsed_reason reason);

struct line_counts {
  uint64_t lines, bytes;
  uint64_t delivery; /* lines that are a delivery or a rejection */
  uint64_t info;     /* lines that only carry something for the join */
  uint64_t noise[NOISE_COUNT];
  uint64_t unparsed[UNPARSED_REASON_COUNT]; /* TIME: absurd times; TOO_LONG: over line_bytes_max, cut and skipped */
  /* No part of the sum: */
  uint64_t unwrapped; /* lines that were in an envelope */
  uint64_t newlines;  /* inside the messages of envelopes, read as blanks */
};
void line_counts_add(struct line_counts *into, const struct line_counts *more);

/* ---- parsing ---------------------------------------------------------------------------------------------------------------- */

/* How stamps without zone are read, and which times are absurd. */
struct time_rules {
  const char *zone; /* an IANA name, or NULL for UTC */
  int64_t now_us;   /* wall clock: later than a day after it is absurd */
};
/* False with err when there is no such zone. Parsers read an unknown zone as UTC, so check before. */
bool time_rules_check(const struct time_rules *rules, struct error *err);

/* Formats in the table, at most. */
#define FORMATS_MAX 16

/* One worker's parser: its caches (last stamp, last host), where lines go, what was counted. */
struct parser {
  const struct format *format;
  const struct time_rules *time_rules;
  struct line_list *lists; /* worker_count of them: lists[line_shard(key) % worker_count] */
  unsigned worker_count;
  size_t line_bytes_max; /* LIMIT_LINE_BYTES unless set after parser_init; what the source was opened with */
  struct line_counts counts;
  /* Called for each unparsed line that is not a replay, if set; `line` without its '\n', one that is too long cut. */
  void (*when_unparsed)(void *context, struct slice line, enum unparsed_reason reason, uint64_t position);
  void *context;
  void *state;               /* of the format; made by format->state_new, freed by format->state_free */
  void *states[FORMATS_MAX]; /* of each format that was used, by its place in the table */
};

struct line_shape;

/* A mail server's log. A new one is one file in ingest/ and one line in formats.c. */
struct format {
  const char *name;
  /* Parses [begin, end) of `batch`: whole lines. `lookback` is the first byte that may be looked at (the batch's lookback, or an
   * earlier chunk of it). Any bytes, any length. */
  void (*parse)(struct parser *parser, const struct batch *batch, const char *lookback, const char *begin, const char *end);
  void *(*state_new)(void);
  void (*state_free)(void *state);
  bool is_record; /* a line is a record (CSV, JSON) in front of which no syslog header can stand */
  /* Whether a line is of this server's log, cheaply, by its shape (recognise.h): for mixed streams. NULL: never asked. */
  bool (*recognise)(const struct line_shape *shape);
};

/* By name; NULL when there is none. format_at(i) is NULL behind the last. Two are none of a server: "mixed", in which each line is told
 * by itself, and "auto", for which format_chooser chooses. */
const struct format *format_find(struct slice name);
const struct format *format_at(size_t i);

void parser_init(struct parser *parser, const struct format *format, const struct time_rules *rules, unsigned worker_count);
void parser_deinit(struct parser *parser);
/* Empties the lists; counts stay. */
void parser_clear_lines(struct parser *parser);
/* Goes on with another format; what it remembers of the one before is kept for when it comes again. */
void parser_use_format(struct parser *parser, const struct format *format);

/* ---- envelopes -------------------------------------------------------------------------------------------------------------- */

/* What a shipper wraps around a line. A new one of JSON is a line in shippers.def. */
struct envelope;

/* By name; NULL when there is none. envelope_at(i) is NULL behind the last; the first is "auto", which tells by each line. */
const struct envelope *envelope_find(struct slice name);
const struct envelope *envelope_at(size_t i);
const char *envelope_name(const struct envelope *envelope);
/* Lines are as they are: nothing is looked for. */
bool envelope_is_plain(const struct envelope *envelope);

/* Takes envelopes off before the format reads; one for each parser. */
struct unwrapper;
struct unwrapper *unwrapper_new(const struct envelope *envelope);
void unwrapper_free(struct unwrapper *unwrapper);

/* As parser->format->parse, for lines in envelopes. Slices of the lines added are good until the next call; positions and numbers are those of
 * the input's lines (elements of one line have its number, and positions in it in their order). parser->counts.lines counts what was
 * unwrapped. Returns how many lines of the input [begin, end) was. */
uint64_t unwrapper_parse(struct unwrapper *unwrapper, struct parser *parser, const struct batch *batch, const char *lookback,
                         const char *begin, const char *end);

/* ---- the format of an input -------------------------------------------------------------------------------------------------- */

/* Chooses for each input of a source. */
struct format_chooser;
struct format_choice {
  const struct format *format;
  const char *reason; /* in words */
  uint64_t line;      /* the line that tells, from 1, as it came out of its envelope; 0: none */
};

/* With a format other than "auto" that one is everyone's. `rules` are kept by reference. */
struct format_chooser *format_chooser_new(const struct format *format, const struct envelope *envelope,
                                          const struct time_rules *rules);
void format_chooser_free(struct format_chooser *chooser);

/* The format that the batch is to be read as, for parser_use_format. True when something was chosen that nobody was told of yet: it is the
 * input's first batch, or its first line that tells anything has come only now. */
bool format_chooser_take(struct format_chooser *chooser, const struct batch *batch, struct format_choice *out);

/* ---- the join --------------------------------------------------------------------------------------------------------------- */

/* Where deliveries gather until they are classified and counted together. */
struct delivery_stage {
  struct delivery items[LIMIT_STAGE];
  size_t count;
  void (*when_full)(void *context); /* takes the items and sets count to 0 */
  void *context;
};

/* Host, instance or service -> the address we send from, or a label. First match wins; absent fields match all; `host` may hold
 * '*' and '?'. */
struct source_rule {
  struct slice host, instance, service, source;
};

struct join_options {
  size_t bytes_max;      /* of one scope, all shards */
  int64_t age_us_max;    /* by event time */
  int64_t replay_us;     /* replay window: event time ... */
  uint64_t replay_bytes; /* ... and input bytes; whichever is smaller */
  bool skips_uncounted;  /* client and message id are in no dataset: a run need not keep them */
  const struct source_rule *source_rules;
  size_t source_rule_count;
};
void join_options_init(struct join_options *options); /* the defaults of base/limits.h */

struct join_counts {
  uint64_t open;    /* messages now open */
  uint64_t orphans; /* deliveries without a sender seen */
  uint64_t forgotten_memory, forgotten_age;
};

/* The join of one worker: all shards of all scopes that it owns. Not thread-safe. See join.c for the life of a message. */
struct join;
struct join *join_new(const struct join_options *options, unsigned worker, unsigned worker_count);
void join_free(struct join *join);

/* Before the lines of a batch. `scope_name` is kept in open_message.scope. */
void join_begin(struct join *join, const struct batch *batch, struct slice scope_name);

/* Takes one line of the batch in order. What it makes (a delivery; for LINE_EXPIRED one for each recipient still deferred) is
 * added to the stage, whose when_full may be called in the midst. Slices of a staged delivery are good until join_release. */
void join_take(struct join *join, const struct line *line, struct delivery_stage *stage);

/* Asks for the memory that join_take will want for lines behind `at`, so that it is there when they come. Changes nothing; call it for
 * each line before it is taken. */
void join_prefetch(const struct join *join, const struct line_list *lines, size_t at);

/* The stage was processed: memory of messages that ended meanwhile may be used again. Not inside when_full. */
void join_release(struct join *join);

/* A message from the catalog, at start. False when it is not ours to hold (another worker's shard) or damaged (err set). */
bool join_restore(struct join *join, uint32_t scope, const struct open_message *message, struct error *err);

/* Before a commit: calls `each` for every open message that is older than the replay window (position of `committed` of its input
 * less the window; or whose input has ended) and new or changed since the last commit, and for those that were in the catalog and
 * are closed now. Slices are good during the call. */
struct input_progress {
  uint64_t committed; /* in the batch's positions */
  bool is_ended;      /* will not be read again: keep all of its open messages */
  uint64_t oldest;    /* out: position of the oldest line of a message that must be read again; committed when there is none */
};
void join_checkpoint(struct join *join, struct input_progress *inputs, size_t input_count,
                     void (*each)(void *context, const struct open_message *message), void *context);

void join_read_counts(const struct join *join, struct join_counts *out);

/* ---- sources ---------------------------------------------------------------------------------------------------------------- */

struct key_value {
  const char *key, *value;
};

struct source_options {
  const char *const *names; /* paths, "-", "kafka://BROKERS/TOPIC[/PARTITIONS]" */
  size_t name_count;
  bool follow;    /* files: wait for more at the end */
  bool until_end; /* Kafka: stop at the end of each partition as it was at the start */
  /* Kafka: messages of MessagePack, and of JSON over several lines, become one line each; files: lines that begin as JSON may have
   * LIMIT_JSON_BYTES. */
  bool has_envelopes;
  size_t line_bytes_max;                    /* a longer line may be cut to a byte more; 0: LIMIT_LINE_BYTES */
  unsigned parts;                           /* a batch has up to this many chunks of LIMIT_CHUNK_BYTES */
  const struct key_value *kafka_properties; /* of librdkafka */
  size_t kafka_property_count;
  /* Kafka: the brokers share the partitions out among the members of this group, this one by its static name; positions are the group's
   * offsets. NULL: all or those listed are read. */
  const char *group, *member;
  const char *const *accept_loss; /* topics of which messages may be lost: it is logged and reading goes on at what is there */
  size_t accept_loss_count;
  /* Asked while a broker that does not answer is waited for; true ends source_new with an error. May be NULL. */
  bool (*should_stop)(void *context);
  void *stop_context;
  /* What the store knows; kept by reference until source_free. */
  const struct input_position *known;
  size_t known_count;
};

/* REBALANCE: partitions are given up or taken up; see source_rebalance. */
enum source_state { SOURCE_BATCH, SOURCE_IDLE, SOURCE_END, SOURCE_FAILED, SOURCE_REBALANCE };

struct source;
/* Opens everything that can be opened now; a path that does not exist is an error that names it. */
struct source *source_new(const struct source_options *options, struct error *err);
void source_free(struct source *source);

/* The next batch: files one after another in the order given (with follow: as they grow), partitions as messages come. Waits at most
 * timeout_ms (SOURCE_IDLE then). A batch never crosses a committed position, nor an input.
 * Plain files are read by the workers: when fill->want is not 0 the batch is only announced; each worker calls source_fill_part,
 * then one calls source_fill_done, which sets batch->len (0: nothing whole yet, call source_next again). */
struct batch_fill {
  int fd;
  uint64_t offset;
  char *to;
  size_t want;
};
enum source_state source_next(struct source *source, int timeout_ms, struct batch *batch, struct batch_fill *fill,
                              struct error *err);
/* Reads part `part` of `parts` of the announced bytes. Returns the bytes read (short only at the end of the file), or -1 with errno. */
int64_t source_fill_part(const struct batch_fill *fill, unsigned part, unsigned parts);
bool source_fill_done(struct source *source, struct batch *batch, const int64_t *got, unsigned parts, struct error *err);

/* After SOURCE_REBALANCE, when everything handed out is committed: other partitions are read from now on, all from their committed positions. All
 * joins must be begun anew, with the open messages as they are kept now. */
bool source_rebalance(struct source *source, struct error *err);

/* Inputs seen so far; names of inputs and scopes for messages and the catalog. */
size_t source_input_count(const struct source *source);
size_t source_scope_count(const struct source *source);
struct slice source_scope_name(const struct source *source, uint32_t scope);
/* Whether the input ended for good (a file read to its end without follow; a rotated file read to its end). */
bool source_input_is_ended(const struct source *source, uint32_t input);
/* End of the last batch handed out, in batch positions. */
uint64_t source_input_done(const struct source *source, uint32_t input);
/* The position for the catalog when everything handed out so far is committed and `oldest` (a batch position) is the oldest line
 * needed again. False for inputs without position (stdin). Slices are good until source_free. */
bool source_position(const struct source *source, uint32_t input, uint64_t oldest, struct input_position *out);

/* The input's name: its path as given, "-", or "topic/partition". Good until source_free. */
struct slice source_input_name(const struct source *source, uint32_t input);
/* Where a line of the batch in work (or of one not long ago: then about) lies in its input's own terms: the byte in the file, or the offset of
 * the message. May be called from several threads between two source_next. */
uint64_t source_place(const struct source *source, uint32_t input, uint64_t position);

/* How many messages of a Kafka partition wait behind what was handed out, as far as the brokers told; false when that is not known. */
bool source_input_lag(const struct source *source, uint32_t input, uint64_t *messages);

/* For progress: bytes read and to be read over all files (0 when not known), as stored on disk. */
void source_progress(const struct source *source, uint64_t *done_bytes, uint64_t *total_bytes);

/* ---- dead letters ------------------------------------------------------------------------------------------------------------ */

/* Where records of unparsed lines go: a file that is appended to (and made again when it was renamed), or a Kafka topic. Thread-safe, but for
 * sync and free. */
struct dead_letters;
/* `target` is a path or "kafka://BROKERS/TOPIC"; it is kept by reference. Of `options` the Kafka properties and should_stop matter. NULL with
 * err when the target cannot be written. */
struct dead_letters *dead_letters_new(const char *target, const struct source_options *options, struct error *err);
void dead_letters_free(struct dead_letters *letters);
/* Takes whole records, each ended by '\n'; they are copied. Waits for the disk or the broker, so give it many at once. */
void dead_letters_write(struct dead_letters *letters, struct slice records);
/* Returns when all that was written is durable; nobody may write meanwhile. False with err, from then on for ever, when it
 * cannot be: what the lines of it belong to must not be committed. */
bool dead_letters_sync(struct dead_letters *letters, struct error *err);

/* ---- a topic instead of a store -------------------------------------------------------------------------------------------------- */

/* Where counts go when there is no store: one Kafka transaction carries them, the positions of the inputs (as offsets of a consumer group) and the
 * open messages (to the compacted topic TOPIC-open). All of it becomes true at once. Whoever opens one with the same group and sources
 * shuts out the one before: its next commit fails. */
struct topic_sink;

struct topic_sink_options {
  const char *target; /* "kafka://BROKERS/TOPIC" */
  const char *group;
  const struct source_options *source; /* names (of topics alone), Kafka properties and should_stop matter; kept by reference */
};

/* Shuts out the one before, and reads the positions. NULL with err. */
struct topic_sink *topic_sink_new(const struct topic_sink_options *options, struct error *err);
void topic_sink_free(struct topic_sink *sink);

/* For source_options.known; good until topic_sink_free. */
void topic_sink_positions(const struct topic_sink *sink, const struct input_position **out, size_t *count);
/* Calls `each` with every open message; false with err when it cannot read them all, or (without err) when `each` stopped. */
bool topic_sink_each_open_message(struct topic_sink *sink, bool (*each)(void *context, const struct open_message *message),
                                  void *context, struct error *err);

struct topic_commit {
  const struct slice *messages; /* of TOPIC */
  size_t message_count;
  const struct input_position *inputs;
  size_t input_count;
  const struct open_message *open_messages;
  size_t open_message_count;
  const struct source *source; /* whose membership of the group vouches for the offsets */
};
/* Waits for brokers that are away, up to five minutes. False: nothing of it is there, or (ERROR_RETRY) it is not known; nothing may be committed
 * after that. */
bool topic_sink_commit(struct topic_sink *sink, const struct topic_commit *commit, struct error *err);

#endif
