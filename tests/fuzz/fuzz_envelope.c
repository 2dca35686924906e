/* libFuzzer: any bytes as lines in envelopes. The first byte chooses the envelope. What is read must not depend on where chunks begin, and every
 * line must end in one count. The corpus is tests/fuzz/envelope/. */
#include "tests/unit/unwrap_lines.h"

#include "ingest/message_json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool is_true) {
  if (!is_true) abort();
}

/* Chunks that end at some of the newlines, chosen by `seed`. */
static void read_in_chunks(struct unwrap_run *run, uint64_t seed) {
  size_t begin = 0, end = run->batch.len;
  for (size_t at = 0; at < end; at++) {
    if (run->batch.base[at] != '\n') continue;
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    if (seed >> 62 && at + 1 < end) continue;
    unwrap_chunk(run, begin, at + 1, true);
    begin = at + 1;
  }
}

static void read_as_message(struct slice message) {
  struct buf out = {0};
  char *copy = memory_alloc(message.len + !message.len);
  if (message.len) memcpy(copy, message.ptr, message.len);
  if (message_from_msgpack(message, &out)) require(out.len > 0 && !memchr(out.ptr, '\n', out.len));
  message_join_json(copy, message.len);
  free(copy);
  buf_deinit(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  if (!size) return 0;
  size_t count = 0;
  while (envelope_at(count)) count++;
  const char *envelope = envelope_name(envelope_at(data[0] % count));
  struct slice text = slice_of((const char *)data + 1, size - 1);
  read_as_message(text);
  while (text.len && text.ptr[text.len - 1] != '\n') text.len--;
  struct unwrap_run whole, parts;
  unwrap_start(&whole, envelope, "postfix", text);
  unwrap_start(&parts, envelope, "postfix", text);
  unwrap_chunk(&whole, 0, text.len, true);
  read_in_chunks(&parts, size);
  require(unwrap_counted(&whole.parser.counts) == whole.parser.counts.lines && whole.parser.counts.bytes == text.len);
  require(slice_equal(buf_slice(&whole.summary), buf_slice(&parts.summary)));
  require(slice_equal(buf_slice(&whole.unparsed), buf_slice(&parts.unparsed)));
  require(memcmp(&whole.parser.counts, &parts.parser.counts, sizeof whole.parser.counts) == 0);
  require(whole.line_count == parts.line_count);
  unwrap_end(&whole);
  unwrap_end(&parts);
  return 0;
}
