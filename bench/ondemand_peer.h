/* The peer of bench_envelope: simdjson used as its documentation shows it, looking up the fields that an envelope needs. */
#ifndef BENCH_ONDEMAND_PEER_H
#define BENCH_ONDEMAND_PEER_H

#include "base/slice.h"

#ifdef __cplusplus
extern "C" {
#endif

enum ondemand_shape { ONDEMAND_FILEBEAT, ONDEMAND_RSYSLOG, ONDEMAND_VECTOR };

struct ondemand_peer;
struct ondemand_peer *ondemand_peer_new(void);
void ondemand_peer_free(struct ondemand_peer *peer);

/* Looks up the fields of each line of `text`, behind which 64 bytes more can be read. Returns how many lines have all of them. */
uint64_t ondemand_peer_read(struct ondemand_peer *peer, struct slice text, enum ondemand_shape shape);

#ifdef __cplusplus
}
#endif

#endif
