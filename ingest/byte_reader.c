/* Plain, gzip and zstd bytes behind one function. See byte_reader.h. */
#include "ingest/byte_reader.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>
#include <zstd_errors.h>

#include "base/limits.h"
#include "base/memory.h"

/* As much as a pipe holds and a multiple of zstd's block. */
#define INPUT_BYTES (256u << 10)
#define MAGIC_BYTES 4

enum packing { PACKING_UNKNOWN, PACKING_NONE, PACKING_GZIP, PACKING_ZSTD };

struct byte_reader {
  int fd;
  const char *name;
  enum packing packing;
  bool is_at_end; /* of the descriptor */
  bool is_failed;
  bool is_mid_member; /* inside a gzip member or a zstd frame */
  bool may_have_more; /* the decoder filled all the room: it may hold more */
  uint64_t stored_bytes, given_bytes;
  size_t begin, end; /* of what was read and not yet taken from `input` */
  z_stream gzip;
  ZSTD_DStream *zstd;
  char input[INPUT_BYTES];
};

struct byte_reader *byte_reader_new(int fd, const char *name) {
  struct byte_reader *r = memory_zeroed(sizeof *r);
  r->fd = fd;
  r->name = name;
  return r;
}

void byte_reader_free(struct byte_reader *r) {
  if (!r) return;
  if (r->packing == PACKING_GZIP) inflateEnd(&r->gzip);
  ZSTD_freeDStream(r->zstd);
  free(r);
}

uint64_t byte_reader_stored_bytes(const struct byte_reader *r) { return r->stored_bytes; }
bool byte_reader_has_pending(const struct byte_reader *r) {
  return r->is_failed || r->is_at_end || r->may_have_more || (r->packing != PACKING_UNKNOWN && r->begin < r->end);
}

static enum packing packing_of(struct slice front) {
  if (front.len >= 3 && memcmp(front.ptr, "\x1f\x8b\x08", 3) == 0) return PACKING_GZIP;
  if (front.len < MAGIC_BYTES) return PACKING_NONE;
  const unsigned char *p = (const unsigned char *)front.ptr;
  uint32_t magic = (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
  bool is_zstd = magic == ZSTD_MAGICNUMBER || (magic & ZSTD_MAGIC_SKIPPABLE_MASK) == ZSTD_MAGIC_SKIPPABLE_START;
  return is_zstd ? PACKING_ZSTD : PACKING_NONE;
}

bool byte_reader_is_packed(struct slice front) { return packing_of(front) != PACKING_NONE; }

static ssize_t fail_damaged(struct byte_reader *r, const char *what, const char *why, struct error *err) {
  r->is_failed = true;
  error_set(
      err, ERROR_INPUT,
      "%s: %s data %s near byte %llu of the file, after %llu unpacked bytes; everything before it was read, get the file anew",
      r->name, what, why, (unsigned long long)(r->stored_bytes - (r->end - r->begin)), (unsigned long long)r->given_bytes);
  return BYTE_READER_FAILED;
}

/* One read from the descriptor to `input`; false when it failed. */
static bool read_more(struct byte_reader *r, struct error *err) {
  if (r->begin == r->end) r->begin = r->end = 0;
  ssize_t got = read(r->fd, r->input + r->end, INPUT_BYTES - r->end);
  if (got < 0 && (errno == EINTR || errno == EAGAIN)) return true;
  if (got < 0) return error_set_errno(err, ERROR_INPUT, errno, "%s: cannot read", r->name);
  if (got == 0) r->is_at_end = true;
  r->end += (size_t)got;
  r->stored_bytes += (uint64_t)got;
  return true;
}

/* Looks at the first bytes. False: there are too few yet, or the decoder did not start (err set, FAILED). */
static bool find_packing(struct byte_reader *r, struct error *err) {
  if (r->end - r->begin < MAGIC_BYTES && !r->is_at_end) return false;
  enum packing packing = packing_of(slice_of(r->input + r->begin, r->end - r->begin));
  if (packing == PACKING_GZIP && inflateInit2(&r->gzip, 15 + 16) != Z_OK) {
    r->is_failed = true;
    return error_set(err, ERROR_INPUT, "%s: zlib does not start", r->name);
  }
  if (packing == PACKING_ZSTD) {
    r->zstd = ZSTD_createDStream();
    ZSTD_DCtx_setParameter(r->zstd, ZSTD_d_windowLogMax, LIMIT_ARCHIVE_WINDOW_LOG);
  }
  r->packing = packing;
  return true;
}

static ssize_t give_plain(struct byte_reader *r, char *to, size_t room) {
  size_t have = r->end - r->begin, give = have < room ? have : room;
  memcpy(to, r->input + r->begin, give);
  r->begin += give;
  return (ssize_t)give;
}

/* Bytes behind a gzip member that are all zero are padding (tapes, some loggers), as gzip(1) sees it. */
static bool is_padding(const struct byte_reader *r) {
  for (size_t i = r->begin; i < r->end; i++)
    if (r->input[i]) return false;
  return true;
}

static ssize_t give_gzip(struct byte_reader *r, char *to, size_t room, struct error *err) {
  size_t given = 0;
  while (given < room && (r->begin < r->end || r->may_have_more)) {
    if (!r->is_mid_member && is_padding(r)) {
      r->begin = r->end;
      break;
    }
    r->is_mid_member = true;
    r->gzip.next_in = (unsigned char *)r->input + r->begin;
    r->gzip.avail_in = (unsigned)(r->end - r->begin);
    r->gzip.next_out = (unsigned char *)to + given;
    r->gzip.avail_out = (unsigned)(room - given);
    int status = inflate(&r->gzip, Z_NO_FLUSH);
    given = room - r->gzip.avail_out;
    r->begin = r->end - r->gzip.avail_in;
    r->may_have_more = r->gzip.avail_out == 0 && status == Z_OK;
    if (status == Z_STREAM_END) {
      r->is_mid_member = false;
      inflateReset(&r->gzip);
    } else if (status == Z_BUF_ERROR) {
      break;
    } else if (status != Z_OK) {
      r->may_have_more = false;
      /* What came out before the damage is given first; the next call fails at the same place. */
      return given ? (ssize_t)given : fail_damaged(r, "gzip", "is damaged", err);
    }
  }
  return (ssize_t)given;
}

static ssize_t give_zstd(struct byte_reader *r, char *to, size_t room, struct error *err) {
  ZSTD_outBuffer out = {to, room, 0};
  while (out.pos < room && (r->begin < r->end || r->may_have_more)) {
    ZSTD_inBuffer in = {r->input + r->begin, r->end - r->begin, 0};
    size_t before = out.pos, status = ZSTD_decompressStream(r->zstd, &out, &in);
    r->begin += in.pos;
    r->may_have_more = !ZSTD_isError(status) && status != 0 && out.pos == room;
    if (ZSTD_isError(status)) {
      if (out.pos) return (ssize_t)out.pos;
      bool is_window = ZSTD_getErrorCode(status) == ZSTD_error_frameParameter_windowTooLarge;
      return fail_damaged(r, "zstd", is_window ? "needs a window of more than 128 MiB" : "is damaged", err);
    }
    r->is_mid_member = status != 0;
    if (in.pos == 0 && out.pos == before) break;
  }
  return (ssize_t)out.pos;
}

static ssize_t give(struct byte_reader *r, char *to, size_t room, struct error *err) {
  switch (r->packing) {
    case PACKING_GZIP: return give_gzip(r, to, room, err);
    case PACKING_ZSTD: return give_zstd(r, to, room, err);
    default: return give_plain(r, to, room);
  }
}

ssize_t byte_reader_read(struct byte_reader *r, char *to, size_t room, struct error *err) {
  bool did_read = false;
  for (;;) {
    if (r->packing == PACKING_UNKNOWN && find_packing(r, err)) continue;
    if (r->is_failed) return fail_damaged(r, "packed", "is damaged", err);
    ssize_t given = r->packing == PACKING_UNKNOWN ? 0 : give(r, to, room, err);
    if (given != 0) {
      if (given > 0) r->given_bytes += (uint64_t)given;
      return given;
    }
    if (r->is_at_end) {
      if (r->is_mid_member) return fail_damaged(r, r->packing == PACKING_GZIP ? "gzip" : "zstd", "ends too early", err);
      return 0;
    }
    if (did_read) return BYTE_READER_NOTHING_YET;
    if (!read_more(r, err)) return BYTE_READER_FAILED;
    did_read = true;
  }
}
