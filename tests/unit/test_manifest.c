/* aggregate/manifest and rebuild: the copy of what only the catalog knows is whole or refused. */
#include "aggregate/manifest.h"

#include "aggregate/segment_format.h"
#include "base/hash.h"
#include "base/log.h"
#include "tests/unit/store_rows.h"

/* A store of two segments and two inputs; its manifest's bytes. */
static struct buf make_store(const char *dir, char path[256]) {
  struct error err = {0};
  struct store *store = test_store_open(dir, STORE_WRITE);
  for (uint32_t minute = 1; minute <= 2; minute++) {
    struct traffic_row row = test_traffic(minute, "example.com", 1);
    test_put(store, DATASET_traffic, &row, 1);
  }
  struct input_position inputs[] = {{.kind = INPUT_FILE,
                                     .name = SLICE("/var/log/m\xff\xfe.log"),
                                     .device = UINT64_MAX,
                                     .inode = 1ull << 63,
                                     .head_len = UINT32_MAX,
                                     .head_hash = UINT64_MAX - 1,
                                     .tail_len = 7,
                                     .tail_hash = 1ull << 63,
                                     .committed = 100,
                                     .replay_from = 40},
                                    {.kind = INPUT_KAFKA, .name = SLICE("mail/0"), .committed = 5, .replay_from = 4}};
  ck_assert_done(store_commit(store, &(struct commit){.inputs = inputs, .input_count = 2}, &err), err);
  store_close(store);
  snprintf(path, 256, "%s/manifest", dir);
  return test_read_file(path);
}

START_TEST(what_was_committed_is_in_the_manifest) {
  char dir[64], path[256];
  struct error err = {0};
  struct manifest manifest;
  test_dir_make(dir);
  struct buf bytes = make_store(dir, path);
  ck_assert_done(manifest_read(dir, &manifest, &err), err);
  ck_assert_uint_eq(manifest.segment_count, 2);
  ck_assert_uint_lt(manifest.segments[0].id, manifest.segments[1].id);
  ck_assert(slice_ends_with(manifest.segments[1].name, SLICE(SEGMENT_SUFFIX)));
  ck_assert_uint_eq(manifest.input_count, 2);
  const struct input_position *file = &manifest.inputs[0], *topic = &manifest.inputs[1];
  ck_assert_slice_eq(file->name, "/var/log/m\xff\xfe.log");
  ck_assert_int_eq(file->kind, INPUT_FILE);
  ck_assert_uint_eq(file->id, 0);
  ck_assert_uint_eq(file->device, UINT64_MAX);
  ck_assert_uint_eq(file->inode, 1ull << 63);
  ck_assert_uint_eq(file->head_len, UINT32_MAX);
  ck_assert_uint_eq(file->head_hash, UINT64_MAX - 1);
  ck_assert_uint_eq(file->tail_len, 7);
  ck_assert_uint_eq(file->tail_hash, 1ull << 63);
  ck_assert_uint_eq(file->committed, 100);
  ck_assert_uint_eq(file->replay_from, 40);
  ck_assert_slice_eq(topic->name, "mail/0");
  ck_assert_int_eq(topic->kind, INPUT_KAFKA);
  ck_assert_uint_eq(topic->committed, 5);
  manifest_deinit(&manifest);
  buf_deinit(&bytes);
  test_dir_remove(dir);
}
END_TEST

/* A new file: one that is cut to nothing and written again is put on the disk at once by ext4, which takes some milliseconds. */
static void put_manifest(const char *path, struct slice bytes) {
  unlink(path);
  test_write_file(path, bytes);
}

static bool is_read(const char *dir) {
  struct manifest manifest;
  bool is_good = manifest_read(dir, &manifest, NULL);
  manifest_deinit(&manifest);
  return is_good;
}

START_TEST(every_flipped_bit_and_every_cut_of_a_manifest_is_found) {
  char dir[64], path[256];
  test_dir_make(dir);
  struct buf bytes = make_store(dir, path);
  for (size_t bit = 0; bit < bytes.len * 8; bit++) {
    bytes.ptr[bit / 8] = (char)(bytes.ptr[bit / 8] ^ (1 << bit % 8));
    put_manifest(path, buf_slice(&bytes));
    ck_assert_msg(!is_read(dir), "bit %zu of byte %zu is not found", bit % 8, bit / 8);
    bytes.ptr[bit / 8] = (char)(bytes.ptr[bit / 8] ^ (1 << bit % 8));
  }
  for (size_t len = 0; len < bytes.len; len++) {
    put_manifest(path, slice_of(bytes.ptr, len));
    ck_assert_msg(!is_read(dir), "the first %zu bytes are taken for a manifest", len);
  }
  put_manifest(path, buf_slice(&bytes));
  ck_assert(is_read(dir));
  buf_deinit(&bytes);
  test_dir_remove(dir);
}
END_TEST

/* Under a right checksum every byte is changed and every length cut: what is believed is at least within bounds (ASan sees when
 * not). */
START_TEST(lies_under_a_right_checksum_do_no_harm) {
  char dir[64], path[256];
  test_dir_make(dir);
  struct buf bytes = make_store(dir, path);
  size_t body = bytes.len - 8;
  for (size_t at = 0; at < body; at++) {
    char kept = bytes.ptr[at];
    static const unsigned char lies[] = {0x00, 0x9f, 0xcf, 0xdb, 0xdd, 0xff};
    for (size_t i = 0; i < sizeof lies; i++) {
      bytes.ptr[at] = (char)lies[i];
      put_u64(bytes.ptr + body, hash_bytes(bytes.ptr, body));
      put_manifest(path, buf_slice(&bytes));
      is_read(dir);
    }
    bytes.ptr[at] = kept;
  }
  for (size_t len = 0; len < body; len++) {
    char kept[8];
    memcpy(kept, bytes.ptr + len, 8);
    put_u64(bytes.ptr + len, hash_bytes(bytes.ptr, len));
    put_manifest(path, slice_of(bytes.ptr, len + 8));
    ck_assert_msg(!is_read(dir), "%zu of its bytes are taken for a manifest", len);
    memcpy(bytes.ptr + len, kept, 8);
  }
  buf_deinit(&bytes);
  test_dir_remove(dir);
}
END_TEST

static void take_finding(void *context, const char *path, const char *finding) {
  (void)path, (void)finding;
  ++*(size_t *)context;
}

START_TEST(ids_and_names_go_on_in_a_rebuilt_catalog) {
  char dir[64], path[256], last[256], next[256];
  struct error err = {0};
  struct store_rebuilt rebuilt;
  size_t findings = 0;
  test_dir_make(dir);
  struct buf bytes = make_store(dir, path);
  struct store *store = test_store_open(dir, STORE_READ);
  ck_assert(test_segment_path(store, DATASET_traffic, 1, last));
  store_close(store);
  ck_assert(!store_rebuild_catalog(dir, take_finding, &findings, &rebuilt, &err));
  ck_assert_msg(strstr(err.text, "is whole"), "%s", err.text);
  snprintf(path, sizeof path, "%s/catalog.sqlite", dir);
  test_write_file(path, SLICE("damaged"));
  ck_assert_done(store_rebuild_catalog(dir, take_finding, &findings, &rebuilt, &err), err);
  ck_assert_uint_eq(findings, 0);
  ck_assert_uint_eq(rebuilt.segments, 2);
  ck_assert_uint_eq(rebuilt.inputs, 2);
  log_set_level(LOG_ERROR);
  store = test_store_open(dir, STORE_WRITE);
  struct traffic_row row = test_traffic(3, "example.com", 1);
  test_put(store, DATASET_traffic, &row, 1);
  ck_assert(test_segment_path(store, DATASET_traffic, 2, next));
  ck_assert_int_gt(strcmp(next, last), 0);
  const struct input_position *inputs;
  size_t count;
  ck_assert_done(store_read_inputs(store, &inputs, &count, &err), err);
  ck_assert_uint_eq(count, 2);
  ck_assert_uint_eq(inputs[0].committed, 100);
  ck_assert_uint_eq(inputs[0].replay_from, 0); /* a file is read again for its open messages */
  ck_assert_uint_eq(inputs[1].replay_from, 4);
  store_close(store);
  buf_deinit(&bytes);
  test_dir_remove(dir);
}
END_TEST

TEST_MAIN(what_was_committed_is_in_the_manifest, every_flipped_bit_and_every_cut_of_a_manifest_is_found,
          lies_under_a_right_checksum_do_no_harm, ids_and_names_go_on_in_a_rebuilt_catalog)
