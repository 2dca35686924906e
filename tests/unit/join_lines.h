/* Lines for tests of the join, made by hand: each call gives one line at the next position and second. */
#ifndef TESTS_JOIN_LINES_H
#define TESTS_JOIN_LINES_H

#include "base/hash.h"
#include "ingest/ingest.h"

/* Bytes that a line of a test takes of its input. */
#define TEST_LINE_BYTES 100

static inline struct line line_make(enum line_kind kind, const char *instance, const char *service, const char *queue_id,
                                    uint64_t index) {
  struct line line = {.kind = kind, .times = 1, .position = index * TEST_LINE_BYTES, .time_us = (int64_t)index * 1000000};
  line.host = SLICE("mx1");
  line.instance = slice_from_cstr(instance);
  line.service = slice_from_cstr(service);
  line.queue_id = slice_from_cstr(queue_id);
  line.key = hash_slice(line.queue_id);
  return line;
}

static inline struct line line_client(const char *id, uint64_t index, const char *host, const char *ip) {
  struct line line = line_make(LINE_CLIENT, "postfix", "smtpd", id, index);
  line.client.host = slice_from_cstr(host);
  line.client.ip = slice_from_cstr(ip);
  return line;
}

static inline struct line line_message_id(const char *id, uint64_t index, const char *message_id) {
  struct line line = line_make(LINE_MESSAGE_ID, "postfix", "cleanup", id, index);
  line.message_id = slice_from_cstr(message_id);
  return line;
}

static inline struct line line_sender(const char *id, uint64_t index, const char *address, uint64_t size_bytes) {
  struct line line = line_make(LINE_SENDER, "postfix", "qmgr", id, index);
  line.sender.address = slice_from_cstr(address);
  line.sender.size_bytes = size_bytes;
  return line;
}

static inline struct line line_delivery(const char *id, uint64_t index, const char *recipient, enum status status,
                                        const char *reply) {
  struct line line = line_make(LINE_DELIVERY, "postfix", "smtp", id, index);
  line.delivery.recipient = slice_from_cstr(recipient);
  line.delivery.orig_recipient = SLICE_ABSENT;
  line.delivery.relay_host = SLICE("mx.example.net");
  line.delivery.relay_ip = SLICE("192.0.2.25");
  line.delivery.dsn = status == STATUS_delivered ? SLICE("2.0.0") : status == STATUS_deferred ? SLICE("4.7.1") : SLICE("5.1.1");
  line.delivery.smtp_code = status == STATUS_delivered ? 250 : status == STATUS_deferred ? 451 : 550;
  line.delivery.stage = SLICE("RCPT");
  line.delivery.reply = slice_from_cstr(reply);
  line.delivery.delay_us = 1500000;
  line.delivery.status = status;
  return line;
}

static inline struct line line_of_qmgr(enum line_kind kind, const char *id, uint64_t index) {
  return line_make(kind, "postfix", "qmgr", id, index);
}

#endif
