/* Every limit of what grows, with the reason for its value. Those that a user can set are defaults. */
#ifndef BASE_LIMITS_H
#define BASE_LIMITS_H

/* One line. RFC 5424 receivers take 2 KiB at least, rsyslog 8 KiB by default; a longer one is cut for sampling and counted. */
#define LIMIT_LINE_BYTES (64u << 10)

/* What a user may set it to: not less than a usual line, and not more than half a chunk, so that a buffer holds a line and what follows. */
#define LIMIT_LINE_BYTES_LEAST 1024u
#define LIMIT_LINE_BYTES_MOST (256u << 10)

/* One JSON document. Kafka's default limit of a message is 1 MiB; reading takes about seven times a document's length in memory. */
#define LIMIT_JSON_BYTES (16u << 20)

/* What one worker takes at once. Half of a common 1 MiB L2: the lines are still there when their records are joined. */
#define LIMIT_CHUNK_BYTES (512u << 10)

/* Bytes kept before a batch, in which "last message repeated" looks for the line that it repeats. */
#define LIMIT_LOOKBACK_BYTES (64u << 10)

/* Deliveries that one "last message repeated N times" may stand for; a larger N counts as this many. syslogd says it every ten
 * minutes at the latest: sixteen times a second, all that while. A forged N must not make millions of deliveries of 60 bytes. */
#define LIMIT_REPEATED_TIMES 10000u

/* Deliveries that are classified and counted together: enough to hide a cache miss behind the others (measured: 64 is as good
 * as 256 and keeps the stage in L1). */
#define LIMIT_STAGE 64u

/* Parts of a join. Fixed, whatever the number of threads, so that what is forgotten depends on the input alone. */
#define LIMIT_JOIN_SHARDS 16u

/* Memory of the open messages of one input scope (all shards); about 100 k deferred recipients with their replies. */
#define LIMIT_JOIN_BYTES (64u << 20)

/* Days after which an open message is forgotten: three more than Postfix's default maximal_queue_lifetime. */
#define LIMIT_JOIN_AGE_DAYS 8

/* Replay window: open messages older than this are kept in the catalog, younger ones are read again from the input. */
#define LIMIT_REPLAY_SECONDS 600
#define LIMIT_REPLAY_BYTES (256u << 20)

/* A reply as it is kept: longer ones are cut. RFC 5321 4.5.3.1.5 allows 512 octets a reply line; receivers send several. */
#define LIMIT_REPLY_BYTES 1024u

/* A string that the join keeps of a message (sender, message id, client, recipient ...); longer ones are cut. RFC 5322 2.1.1 allows
 * 998 octets a header line, RFC 5321 4.5.3.1.3 256 a path. */
#define LIMIT_JOINED_BYTES 1000u

/* A template of a reply (its variable parts masked), and an example of it. */
#define LIMIT_TEMPLATE_BYTES 256u

/* A string of a row's key other than a template: a domain has at most 255 octets (RFC 1035 2.3.4). Longer ones are cut. */
#define LIMIT_KEY_BYTES 255u

/* Memory of the live tables of all workers together before they are flushed early. The whole program takes some 4 MB more for each 3 MiB of
 * them, at the same speed (bench/run --only job). */
#define LIMIT_TABLE_BYTES (10u << 20)

/* Rows of one frame of a segment: a reader decompresses this much at once (about 1 MiB). */
#define LIMIT_FRAME_BYTES (1u << 20)

/* Largest frame content and zstd window that a reader believes (window log 23 = 8 MiB). */
#define LIMIT_FRAME_CONTENT_BYTES (16u << 20)
#define LIMIT_ZSTD_WINDOW_LOG 23

/* Segments that a query merges at once, and the bytes of their open frames; more are merged in passes over temporary files. 256
 * leaves three quarters of the usual 1024 open files to the rest of the program. */
#define LIMIT_MERGE_READERS 256u
#define LIMIT_MERGE_BYTES (64u << 20)

/* What compaction merges at once: open segments, the bytes of their frames, and those beside a run, which has memory of its own. Under
 * 64 MB in all for any store; more are merged in passes. */
#define LIMIT_COMPACT_READERS 64u
#define LIMIT_COMPACT_BYTES (24u << 20)
#define LIMIT_COMPACT_BACKGROUND_BYTES (6u << 20)

/* Rows of a compacted segment before compression; a day or month with more has several. */
#define LIMIT_SEGMENT_CONTENT_BYTES (1024u << 20)

/* So many segments of about one size become one bundle while their day is not over. */
#define LIMIT_BUNDLE_SEGMENTS 16u

/* Rows of replies that stay of a day when its hours are given up; the rarest others are added up by cause. */
#define LIMIT_DAY_REPLIES 1000u

/* Window of a zstd log archive that is read as input: what `zstd --long` makes and `zstd -d` takes without being asked (128 MiB). Ours is
 * smaller (above); archives are made by others, one is open at a time, and only the window it declares is allocated. */
#define LIMIT_ARCHIVE_WINDOW_LOG 27

/* Workers of one process. */
#define LIMIT_THREADS 64u

#endif
