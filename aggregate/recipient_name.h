/* Names a recipient in the dataset `recipients`.
 *
 *   PLAIN    John@EXAMPLE.com.  -> john@example.com
 *   HASHED   John@EXAMPLE.com.  -> HMAC-SHA-256(key, "john@example.com"), the first 16 bytes as 32 hexadecimal digits
 *
 * Providers do not tell local parts apart by case, though RFC 5321 2.4 lets them: two spellings of a mailbox are one recipient. HMAC is
 * RFC 2104 with the SHA-256 of FIPS 180-4; without the key nobody can try addresses against a name. 128 bits leave one chance in 10^18
 * that two of 10^10 recipients get the same name. */
#ifndef AGGREGATE_RECIPIENT_NAME_H
#define AGGREGATE_RECIPIENT_NAME_H

#include <nettle/hmac.h>

#include "aggregate/aggregate.h"
#include "base/limits.h"

#define RECIPIENT_NAME_BYTES LIMIT_KEY_BYTES

struct recipient_namer {
  enum recipient_naming naming;
  struct hmac_sha256_ctx keyed;
};

void recipient_namer_init(struct recipient_namer *namer, const struct recipient_options *options);

/* A hash of the one spelling of `recipient`, without key: for telling recipients apart (schemas/hyperloglog.h), not for naming them. */
uint64_t recipient_hash(struct slice recipient);

/* The name of `recipient`, which is not empty, in `out` (RECIPIENT_NAME_BYTES): valid UTF-8 of at most that many bytes. */
struct slice recipient_name(struct recipient_namer *namer, struct slice recipient, char *out);

#endif
