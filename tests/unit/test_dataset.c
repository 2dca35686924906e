/* schemas/dataset: rows to bytes and back, their order, their merging, and what JSON and CSV show. */
#include "schemas/dataset.h"

#include "tests/unit/check_main.h"

static struct buf out;

static struct traffic_row sample_row(void) {
  struct traffic_row row = {.minute = 29000000,
                            .direction = SLICE("out"),
                            .source = SLICE("192.0.2.1"),
                            .sender_domain = SLICE(""),
                            .recipient_domain = SLICE("example.com"),
                            .provider = SLICE("google"),
                            .status = SLICE("bounced"),
                            .outcome = SLICE("hard"),
                            .cause = SLICE("user_unknown"),
                            .last_cause = SLICE(""),
                            .blocklist = SLICE(""),
                            .count = 300,
                            .bytes = 1ull << 40};
  row.delay.count[0] = 1;
  row.delay.count[5] = 299;
  return row;
}

START_TEST(rows_come_back_as_they_went) {
  struct traffic_row row = sample_row(), back;
  const struct dataset *traffic = &DATASETS[DATASET_traffic];
  buf_clear(&out);
  traffic->encode(&row, &out);
  struct msgpack_reader reader = msgpack_reader_of(buf_slice(&out));
  ck_assert(traffic->decode(&reader, &back));
  ck_assert(reader.ptr == reader.end);
  ck_assert_int_eq(traffic->compare(&row, &back), 0);
  ck_assert_uint_eq(back.count, 300);
  ck_assert_uint_eq(back.bytes, 1ull << 40);
  ck_assert_mem_eq(&back.delay, &row.delay, sizeof row.delay);
}
END_TEST

START_TEST(a_row_cut_anywhere_is_refused) {
  struct traffic_row row = sample_row(), back;
  buf_clear(&out);
  DATASETS[DATASET_traffic].encode(&row, &out);
  for (size_t len = 0; len < out.len; len++) {
    struct msgpack_reader reader = msgpack_reader_of(slice_of(out.ptr, len));
    ck_assert_msg(!DATASETS[DATASET_traffic].decode(&reader, &back), "cut at %zu was taken", len);
  }
}
END_TEST

START_TEST(order_goes_by_numbers_then_bytes_of_the_keys) {
  const struct dataset *traffic = &DATASETS[DATASET_traffic];
  struct traffic_row a = sample_row(), b = sample_row();
  b.count = 1;
  ck_assert_int_eq(traffic->compare(&a, &b), 0);
  b.recipient_domain = SLICE("example.com.au");
  ck_assert_int_lt(traffic->compare(&a, &b), 0);
  b.minute--;
  ck_assert_int_lt(traffic->compare(&a, &b), 0);
  b.recipient_domain = a.recipient_domain; /* the time is last */
  ck_assert_int_gt(traffic->compare(&a, &b), 0);
  b = sample_row();
  b.blocklist = SLICE("\xc3\xa9");
  a.blocklist = SLICE("z");
  ck_assert_int_lt(traffic->compare(&a, &b), 0);
}
END_TEST

START_TEST(values_merge_by_their_kind) {
  struct traffic_row a = sample_row(), b = sample_row();
  DATASETS[DATASET_traffic].merge(&a, &b);
  ck_assert_uint_eq(a.count, 600);
  ck_assert_uint_eq(a.delay.count[5], 598);
  struct replies_row x = {.count = 1, .first_time = 50, .last_time = 60, .example = SLICE("m")};
  struct replies_row y = {.count = 2, .first_time = 40, .last_time = 55, .example = SLICE("c")};
  DATASETS[DATASET_replies].merge(&x, &y);
  ck_assert_uint_eq(x.count, 3);
  ck_assert_uint_eq(x.first_time, 40);
  ck_assert_uint_eq(x.last_time, 60);
  ck_assert_slice_eq(x.example, "c");
}
END_TEST

START_TEST(json_and_csv_show_every_column_in_order) {
  struct relays_row row = {.minute = 1,
                           .provider = SLICE("a,b"),
                           .relay_host = SLICE("mx \"1\""),
                           .relay_ip = SLICE("192.0.2.1"),
                           .status = SLICE("deferred"),
                           .cause = SLICE("greylisted"),
                           .count = 2};
  const struct dataset *relays = &DATASETS[DATASET_relays];
  buf_clear(&out);
  relays->write_json(&row, &out);
  ck_assert_slice_eq(buf_slice(&out),
                     "{\"provider\":\"a,b\",\"relay_host\":\"mx \\\"1\\\"\",\"relay_ip\":\"192.0.2.1\","
                     "\"status\":\"deferred\",\"cause\":\"greylisted\",\"minute\":1,\"count\":2}");
  buf_clear(&out);
  dataset_write_csv_header(relays, &out);
  ck_assert_slice_eq(buf_slice(&out), "provider,relay_host,relay_ip,status,cause,minute,count");
  buf_clear(&out);
  relays->write_csv(&row, &out);
  ck_assert_slice_eq(buf_slice(&out), "\"a,b\",\"mx \"\"1\"\"\",192.0.2.1,deferred,greylisted,1,2");
}
END_TEST

START_TEST(keys_stand_before_values_in_every_dataset) {
  for (unsigned d = 0; d < DATASET_COUNT; d++)
    for (size_t i = 0; i < DATASETS[d].column_count; i++)
      ck_assert_int_eq(DATASETS[d].columns[i].kind == COLUMN_key, i < DATASETS[d].key_count);
}
END_TEST

START_TEST(buckets_double_from_an_eighth_of_a_second) {
  ck_assert_uint_eq(histogram_bucket(0), 0);
  ck_assert_uint_eq(histogram_bucket(124999), 0);
  ck_assert_uint_eq(histogram_bucket(125000), 1);
  ck_assert_uint_eq(histogram_bucket(249999), 1);
  ck_assert_uint_eq(histogram_bucket(250000), 2);
  ck_assert_uint_eq(histogram_bucket(INT64_MAX), HISTOGRAM_BUCKETS - 1);
  for (unsigned i = 0; i + 1 < HISTOGRAM_BUCKETS; i++) {
    ck_assert_uint_eq(histogram_bucket(histogram_upper_us(i) - 1), i);
    ck_assert_uint_eq(histogram_bucket(histogram_upper_us(i)), i + 1);
  }
}
END_TEST

TEST_MAIN(rows_come_back_as_they_went, a_row_cut_anywhere_is_refused, order_goes_by_numbers_then_bytes_of_the_keys,
          values_merge_by_their_kind, json_and_csv_show_every_column_in_order, keys_stand_before_values_in_every_dataset,
          buckets_double_from_an_eighth_of_a_second)
