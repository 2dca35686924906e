/* --recipients and --recipients-key of `bouncemill run`, and their keys in the configuration file: whether recipients are counted one by
 * one, and under which names. */
#ifndef TOOLS_RECIPIENT_OPTIONS_H
#define TOOLS_RECIPIENT_OPTIONS_H

#include "aggregate/aggregate.h"
#include "base/buf.h"

/* A shorter key could be guessed. A longer file than the most is no key. */
#define RECIPIENT_KEY_BYTES_LEAST 16u
#define RECIPIENT_KEY_BYTES_MOST 4096u

/* `naming`: "off" (or NULL), "hashed", "plain". The key file's bytes, less one line end, go to `key`, which the caller clears and frees,
 * and which `out` points to. False for a word that is none of these (ERROR_USAGE), for a key file without need or a need without key
 * file (ERROR_USAGE), and for a file that cannot be read or holds too few or too many bytes (ERROR_INPUT). */
bool recipient_options_read(const char *naming, const char *key_path, struct buf *key, struct recipient_options *out,
                            struct error *err);

#endif
