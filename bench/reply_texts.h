/* Replies for benchmarks: those of labelled tables (column `reply`), each time with fresh ids, hosts and addresses, as messages differ. */
#ifndef BENCH_REPLY_TEXTS_H
#define BENCH_REPLY_TEXTS_H

#include <stdio.h>
#include <stdlib.h>

#include "base/buf.h"
#include "classify/byte_class.h"
#include "classify/varying.h"

#define REPLY_TEXTS_MAX 8192

struct reply_texts {
  struct slice items[REPLY_TEXTS_MAX];
  size_t count;
};

/* xorshift64: the same replies in each run. */
static uint64_t next_random(uint64_t *state) {
  *state ^= *state << 13, *state ^= *state >> 7, *state ^= *state << 17;
  return *state;
}

static void reply_texts_load(const char *path, struct reply_texts *out) {
  FILE *file = fopen(path, "rb");
  if (!file) perror(path), exit(3);
  char *line = NULL;
  size_t cap = 0;
  int reply_column = -1;
  while (getline(&line, &cap, file) > 0 && out->count < REPLY_TEXTS_MAX) {
    line[strcspn(line, "\r\n")] = '\0';
    int column = 0;
    for (char *save = line, *cell; (cell = strsep(&save, "\t")); column++) {
      if (reply_column < 0 && strcmp(cell, "reply") == 0)
        reply_column = column;
      else if (reply_column == column && *cell)
        out->items[out->count++] = slice_from_cstr(strdup(cell));
    }
  }
  free(line);
  fclose(file);
}

static void append_host(struct buf *out, uint64_t *random) {
  buf_printf(out, "mx%u.n%llu.example.net", (unsigned)(next_random(random) % 90),
             (unsigned long long)(next_random(random) % 100000));
}

/* The same reply to another message: other IPv4 addresses, other domains of mail addresses, and at the end an id of its own and a
 * host, as most big receivers write. The result is the caller's for good. */
static struct slice reply_texts_vary(struct slice reply, uint64_t *random) {
  struct buf padded = {0}, out = {0};
  buf_append_slice(&padded, reply);
  buf_append(&padded, (char[16]){0}, 16);
  const char *end = padded.ptr + reply.len;
  for (const char *at = padded.ptr; at < end;) {
    bool begins_word = at == padded.ptr || !(byte_is(at[-1], BYTE_ALNUM) || at[-1] == '.');
    size_t ip = begins_word ? varying_ipv4(at, end) : 0;
    uint64_t bits = next_random(random);
    bool is_domain = *at == '@' && at > padded.ptr && at + 1 < end && byte_is(at[-1], BYTE_ALNUM) && byte_is(at[1], BYTE_ALNUM);
    if (ip) {
      buf_printf(&out, "%u.%u.%u.%u", 128 + (unsigned)(bits & 63), (unsigned)(bits >> 8 & 255), (unsigned)(bits >> 16 & 255),
                 (unsigned)(bits >> 24 & 255));
      at += ip;
    } else if (is_domain) {
      buf_append_byte(&out, *at++);
      append_host(&out, random);
      while (at < end && byte_is(*at, BYTE_RUN)) at++;
    } else {
      buf_append_byte(&out, *at++);
    }
  }
  uint64_t id = next_random(random);
  buf_printf(&out, " %llx-%llxsi%llu.%u ", (unsigned long long)id & 0xffffffff, (unsigned long long)id >> 32,
             (unsigned long long)id % 10000000, (unsigned)(id % 999));
  append_host(&out, random);
  buf_deinit(&padded);
  return buf_slice(&out);
}

#endif
