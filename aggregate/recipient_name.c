/* Spelling and hashing recipients. See recipient_name.h. */
#include "aggregate/recipient_name.h"

#include "aggregate/domain.h"
#include "base/hash.h"
#include "base/json.h"

#define NAME_HASH_BYTES 16

void recipient_namer_init(struct recipient_namer *namer, const struct recipient_options *options) {
  namer->naming = options->naming;
  if (options->naming == RECIPIENTS_HASHED) hmac_sha256_set_key(&namer->keyed, options->key.len, (const uint8_t *)options->key.ptr);
}

/* Local part in lower case, '@', domain normalised; what is longer than a key may be is cut at its end. */
static struct slice spell(struct slice recipient, char *out) {
  size_t place = domain_place(recipient);
  struct slice local = place ? slice_of(recipient.ptr, place - 1) : recipient;
  size_t len = utf8_copy_clean(local, out, RECIPIENT_NAME_BYTES);
  for (size_t i = 0; i < len; i++) out[i] = ascii_lower(out[i]);
  if (!place || len == RECIPIENT_NAME_BYTES) return slice_of(out, len);
  char scratch[DOMAIN_SCRATCH_BYTES];
  struct slice domain = domain_normalise(slice_skip(recipient, place), scratch);
  out[len++] = '@';
  len += utf8_copy_clean(domain, out + len, RECIPIENT_NAME_BYTES - len);
  return slice_of(out, len);
}

uint64_t recipient_hash(struct slice recipient) {
  char out[RECIPIENT_NAME_BYTES];
  return hash_slice(domain_is_plain(recipient) ? recipient : spell(recipient, out));
}

struct slice recipient_name(struct recipient_namer *namer, struct slice recipient, char *out) {
  struct slice spelling = spell(recipient, out);
  if (namer->naming == RECIPIENTS_PLAIN) return spelling;
  uint8_t hash[NAME_HASH_BYTES];
  hmac_sha256_update(&namer->keyed, spelling.len, (const uint8_t *)spelling.ptr);
  hmac_sha256_digest(&namer->keyed, sizeof hash, hash); /* and begins anew with the same key */
  static const char DIGITS[] = "0123456789abcdef";
  for (size_t i = 0; i < sizeof hash; i++) {
    out[2 * i] = DIGITS[hash[i] >> 4];
    out[2 * i + 1] = DIGITS[hash[i] & 0xf];
  }
  return slice_of(out, 2 * sizeof hash);
}
