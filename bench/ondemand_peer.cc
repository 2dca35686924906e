/* simdjson's on-demand pass over records of a line each. See ondemand_peer.h. Fields are asked for in the order in which they stand, which is what
 * on-demand is fastest at. */
#include "bench/ondemand_peer.h"

#include <simdjson.h>

using namespace simdjson;

struct ondemand_peer {
  ondemand::parser parser;
  size_t bytes; /* of what was found, so that it is not left out */
};

struct ondemand_peer *ondemand_peer_new(void) {
  return new ondemand_peer();
}
void ondemand_peer_free(struct ondemand_peer *peer) { delete peer; }

static bool take(struct ondemand_peer *peer, simdjson_result<ondemand::value> value) {
  std::string_view text;
  if (value.get_string().get(text)) return false;
  peer->bytes += text.size();
  return true;
}

static bool read_record(struct ondemand_peer *peer, ondemand::object record, enum ondemand_shape shape) {
  switch (shape) {
    case ONDEMAND_FILEBEAT:
      return take(peer, record.find_field("@timestamp")) && take(peer, record.find_field("message")) &&
             take(peer, record.find_field("host")["name"]) && take(peer, record.find_field("agent")["type"]);
    case ONDEMAND_RSYSLOG:
      return take(peer, record.find_field("timestamp")) && take(peer, record.find_field("message")) &&
             take(peer, record.find_field("host")) && take(peer, record.find_field("syslog-tag"));
    default: {
      bool has_program = take(peer, record.find_field("appname")) && take(peer, record.find_field("hostname")) &&
                         take(peer, record.find_field("message"));
      int64_t pid;
      if (!has_program || record.find_field("procid").get_int64().get(pid)) return false;
      return take(peer, record.find_field("source_type")) && take(peer, record.find_field("timestamp"));
    }
  }
}

uint64_t ondemand_peer_read(struct ondemand_peer *peer, struct slice text, enum ondemand_shape shape) {
  uint64_t count = 0;
  while (text.len) {
    size_t len = slice_find_byte(text, '\n');
    ondemand::document document;
    ondemand::object record;
    if (!peer->parser.iterate(text.ptr, len, len + SIMDJSON_PADDING).get(document) && !document.get_object().get(record))
      count += read_record(peer, record, shape);
    text = slice_skip(text, len + 1);
  }
  return count;
}
