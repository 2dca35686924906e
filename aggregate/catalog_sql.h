/* Every statement that the catalog runs: its tables, and the prepared statements in the order of enum catalog_statement. */
#ifndef AGGREGATE_CATALOG_SQL_H
#define AGGREGATE_CATALOG_SQL_H

#define CATALOG_APPLICATION_ID 1112361292 /* 0x424d494c, "BMIL" */
#define CATALOG_VERSION 1

/* Unsigned 64-bit values (hashes, device and inode numbers) are stored as the signed integer of the same bits. Paths and keys may
 * hold any byte: keys and states are blobs, paths are text so that people can read them. */
static const char CATALOG_TABLES[] =
    "CREATE TABLE segment ("
    "  id INTEGER PRIMARY KEY AUTOINCREMENT,"
    "  dataset TEXT NOT NULL,"
    "  version INTEGER NOT NULL,"
    "  resolution_s INTEGER NOT NULL,"
    "  writer INTEGER NOT NULL,"
    "  name TEXT NOT NULL UNIQUE,"
    "  rows INTEGER NOT NULL,"
    "  bytes INTEGER NOT NULL,"
    "  from_us INTEGER NOT NULL,"
    "  to_us INTEGER NOT NULL,"
    "  index_xxh3 INTEGER NOT NULL,"
    "  created_at_us INTEGER NOT NULL"
    ") STRICT;"
    "CREATE TABLE retired ("
    "  id INTEGER PRIMARY KEY AUTOINCREMENT,"
    "  name TEXT NOT NULL"
    ") STRICT;"
    "CREATE TABLE input ("
    "  id INTEGER PRIMARY KEY AUTOINCREMENT,"
    "  kind TEXT NOT NULL CHECK (kind IN ('file', 'kafka')),"
    "  name TEXT NOT NULL,"
    "  device INTEGER NOT NULL,"
    "  inode INTEGER NOT NULL,"
    "  head_len INTEGER NOT NULL,"
    "  head_xxh3 INTEGER NOT NULL,"
    "  tail_len INTEGER NOT NULL,"
    "  tail_xxh3 INTEGER NOT NULL,"
    "  committed INTEGER NOT NULL,"
    "  replay_from INTEGER NOT NULL,"
    "  updated_at_us INTEGER NOT NULL"
    ") STRICT;"
    "CREATE TABLE open_message ("
    "  scope TEXT NOT NULL,"
    "  key BLOB NOT NULL,"
    "  state BLOB NOT NULL,"
    "  PRIMARY KEY (scope, key)"
    ") STRICT, WITHOUT ROWID;"
    "CREATE TABLE meta ("
    "  key TEXT PRIMARY KEY,"
    "  value TEXT NOT NULL"
    ") STRICT, WITHOUT ROWID;"
    "INSERT INTO meta VALUES ('created_by', 'bouncemill " BOUNCEMILL_VERSION "');";

enum catalog_statement {
  SQL_BEGIN,
  SQL_COMMIT,
  SQL_ROLLBACK,
  SQL_LAST_SEGMENT,
  SQL_ADD_SEGMENT,
  SQL_READ_SEGMENTS,
  SQL_REMOVE_SEGMENT,
  SQL_ADD_RETIRED,
  SQL_LAST_RETIRED,
  SQL_READ_RETIRED,
  SQL_FORGET_RETIRED,
  SQL_ADD_INPUT,
  SQL_SET_INPUT,
  SQL_READ_INPUTS,
  SQL_PUT_OPEN_MESSAGE,
  SQL_DELETE_OPEN_MESSAGE,
  SQL_READ_OPEN_MESSAGES,
  SQL_CHECK,
  SQL_COUNT,
};

static const char *const CATALOG_SQL[SQL_COUNT] = {
    [SQL_BEGIN] = "BEGIN IMMEDIATE",
    [SQL_COMMIT] = "COMMIT",
    [SQL_ROLLBACK] = "ROLLBACK",
    /* AUTOINCREMENT keeps the highest id ever, also when its row is gone. */
    [SQL_LAST_SEGMENT] = "SELECT seq FROM sqlite_sequence WHERE name = 'segment'",
    [SQL_ADD_SEGMENT] =
        "INSERT INTO segment (id, dataset, version, resolution_s, writer, name, rows, bytes, from_us, to_us, index_xxh3,"
        " created_at_us) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    [SQL_READ_SEGMENTS] =
        "SELECT id, dataset, version, resolution_s, writer, name, rows, bytes, from_us, to_us, index_xxh3, created_at_us"
        " FROM segment WHERE ?1 IS NULL OR dataset = ?1 ORDER BY id",
    [SQL_REMOVE_SEGMENT] = "DELETE FROM segment WHERE id = ?",
    [SQL_ADD_RETIRED] = "INSERT INTO retired (name) VALUES (?)",
    [SQL_LAST_RETIRED] = "SELECT seq FROM sqlite_sequence WHERE name = 'retired'",
    /* Rows of the same content have the same name: a file may be live again. */
    [SQL_READ_RETIRED] =
        "SELECT id, name, EXISTS (SELECT 1 FROM segment WHERE segment.name = retired.name) FROM retired ORDER BY id",
    [SQL_FORGET_RETIRED] = "DELETE FROM retired WHERE id = ?",
    [SQL_ADD_INPUT] =
        "INSERT INTO input (kind, name, device, inode, head_len, head_xxh3, tail_len, tail_xxh3, committed, replay_from,"
        " updated_at_us) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    [SQL_SET_INPUT] =
        "UPDATE input SET kind = ?, name = ?, device = ?, inode = ?, head_len = ?, head_xxh3 = ?, tail_len = ?,"
        " tail_xxh3 = ?, committed = ?, replay_from = ?, updated_at_us = ? WHERE id = ?",
    [SQL_READ_INPUTS] =
        "SELECT id, kind, name, device, inode, head_len, head_xxh3, tail_len, tail_xxh3, committed, replay_from"
        " FROM input ORDER BY id",
    [SQL_PUT_OPEN_MESSAGE] =
        "INSERT INTO open_message (scope, key, state) VALUES (?, ?, ?)"
        " ON CONFLICT (scope, key) DO UPDATE SET state = excluded.state",
    [SQL_DELETE_OPEN_MESSAGE] = "DELETE FROM open_message WHERE scope = ? AND key = ?",
    [SQL_READ_OPEN_MESSAGES] = "SELECT scope, key, state FROM open_message ORDER BY scope, key",
    [SQL_CHECK] = "PRAGMA integrity_check(100)",
};

#endif
