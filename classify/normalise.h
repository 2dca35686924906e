/* A reply without what changes from message to message, so that equal refusals are equal bytes.
 *
 *   550-5.7.1 [192.0.2.7] Mail from <bob@example.com> refused. See https://x.example/why?ip=7&p=Dul 550 5.7.1 q12-20020a05si.7 - gsmtp
 *   550 5.7.1 [<ip>] mail from <addr> refused. see https://x.example/why?ip=<v>&p=dul <id> - gsmtp
 *
 *   <addr> local@domain     <ip> IPv4 (not 127.x, the answers of blocklists) and IPv6    <time> dates and times of day
 *   <n>    5 digits or more, and numbers of seconds, minutes, hours, bytes               <id>   queue ids, base64, UUIDs
 *   <h>    a label of a host name with two digits or more, the last two labels aside     <v>    a value in a URL's query, but for
 *                                                                                 those that name a page of help (?p=NoSuchUser)
 *
 * Letters are lower case (ASCII), white space and control characters are one space, the codes that open each line of a
 * multi-line reply stand once, at the front. What rules look for stays: codes such as TSS04, S3150, OFR006_102, 5.7.606, names of
 * blocklists' zones and of URLs' hosts. Bytes from 0x80 on are not touched.
 *
 * Every run of letters of the output stands in the input too (whatever its case), but for the names of the masks; and no local part of an
 * address is in the output. */
#ifndef CLASSIFY_NORMALISE_H
#define CLASSIFY_NORMALISE_H

#include "base/limits.h"
#include "base/slice.h"

/* Room that normalise_reply needs: the worst are one-letter addresses without a domain, "a@,", which become "<addr>,". */
#define NORMALISED_BYTES_MAX (3 * LIMIT_REPLY_BYTES + 64)

/* Writes the normalised form of `reply` (of its first LIMIT_REPLY_BYTES, without the word that this cuts) to `out`, which has room
 * for NORMALISED_BYTES_MAX bytes. Returns its length. */
size_t normalise_reply(struct slice reply, char *out);

/* The template of a normalised reply: its first bytes as valid UTF-8, at most LIMIT_TEMPLATE_BYTES, which `out` has room for. Returns
 * its length. */
size_t normalise_template(struct slice normalised, char *out);

#endif
