/* The forms in which people stand in a reply, for mask.c. Each function marks in `hidden` the bytes that must not be kept. */
#ifndef AGGREGATE_MASK_FORMS_H
#define AGGREGATE_MASK_FORMS_H

#include "base/limits.h"
#include "base/slice.h"

struct mask_work {
  struct slice text;  /* as it stands, at most LIMIT_REPLY_BYTES */
  struct slice lower; /* the same in lower case (ASCII), 16 zero bytes behind */
  char lower_bytes[LIMIT_REPLY_BYTES + 16];
  bool hidden[LIMIT_REPLY_BYTES];
  size_t done; /* behind the last at sign: no local part begins before it */
};

static inline void mask_hide(struct mask_work *work, size_t begin, size_t end) {
  if (begin < end) memset(work->hidden + begin, true, end - begin);
}

/* In lower case. */
static inline bool mask_is_alnum(char c) { return (c >= 'a' && c <= 'z') || ascii_is_digit(c) || (c & 0x80); }

/* Letters, digits, and what names have between them. */
static inline bool mask_is_name_byte(char c) {
  return mask_is_alnum(c) || c == '.' || c == '_' || c == '-' || c == '+' || c == '=';
}

/* Whether a local part may go on over the byte at `place`, for one that began not before `begin`. */
bool mask_is_local(struct slice text, size_t begin, size_t place);

/* ---- addresses: what stands in front of an at sign, however that is written ---- */

/* At a byte of @ % = & + ( [ _ from left to right: @ %40 %2540 =40 &#64; (at) [at] _at_. */
void mask_at_sign(struct mask_work *work, size_t place);
/* "john.doe at example.com", everywhere. */
void mask_spoken_addresses(struct mask_work *work);
/* The local part that a cut text may end in the midst of. */
void mask_cut_address(struct mask_work *work);

/* ---- at the byte that tells: other names ---- */

void mask_bang_path(struct mask_work *work, size_t bang);        /* relay!user */
void mask_quoted_pair(struct mask_work *work, size_t backslash); /* john\ <addr> */
void mask_angle(struct mask_work *work, size_t open);            /* <user> */
void mask_attribute(struct mask_work *work, size_t equals);      /* cn=user, s=user of X.500 and X.400 */
void mask_encapsulated(struct mask_work *work, size_t dash);     /* IMCEAX400-_C=DE_S=Doe */
void mask_header(struct mask_work *work, size_t place);          /* Subject: hello, Message-ID=1.2, at what opens the value */

/* ---- everywhere ---- */

/* Words in Base64 that are text. */
void mask_encoded_words(struct mask_work *work);
/* The local part of `address` wherever it stands as a word. Names of roles (postmaster) and words of replies (user) are no one's. */
void mask_name(struct mask_work *work, struct slice address);

/* The first place of `what` (not empty) in work->lower from `from` on, or its length. */
size_t mask_find(const struct mask_work *work, size_t from, struct slice what);

#endif
