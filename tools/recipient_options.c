/* Reads how recipients are to be named. See recipient_options.h. */
#include "tools/recipient_options.h"

#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>

#include "base/log.h"

static bool find_naming(const char *text, enum recipient_naming *out, struct error *err) {
  static const char *const NAMES[] = {[RECIPIENTS_OFF] = "off", [RECIPIENTS_HASHED] = "hashed", [RECIPIENTS_PLAIN] = "plain"};
  for (unsigned i = 0; i < sizeof NAMES / sizeof *NAMES; i++) {
    if (text && strcmp(text, NAMES[i]) != 0) continue;
    *out = (enum recipient_naming)i;
    return true;
  }
  return error_set(err, ERROR_USAGE, "recipients are off, hashed or plain, not '%s'", text);
}

/* One byte more than a key with a line end may have tells that there are too many. */
#define KEY_READ_BYTES (RECIPIENT_KEY_BYTES_MOST + 2)

static bool read_key(const char *path, struct buf *key, struct error *err) {
  FILE *file = fopen(path, "rbe");
  if (!file) return error_set_errno(err, ERROR_INPUT, errno, "cannot open the recipients' key %s", path);
  struct stat status;
  if (fstat(fileno(file), &status) == 0 && status.st_mode & S_IROTH)
    log_event(LOG_WARNING, "key_readable", "file=\"%s\" problem=\"everybody may read the recipients' key\"", path);
  key->len += fread(buf_reserve(key, KEY_READ_BYTES), 1, KEY_READ_BYTES, file);
  bool is_read = !ferror(file);
  int read_errno = errno;
  fclose(file);
  if (!is_read) return error_set_errno(err, ERROR_INPUT, read_errno, "cannot read the recipients' key %s", path);
  if (key->len && key->ptr[key->len - 1] == '\n') key->len--;
  if (key->len < RECIPIENT_KEY_BYTES_LEAST)
    return error_set(err, ERROR_INPUT, "the recipients' key %s has less than %u bytes", path, RECIPIENT_KEY_BYTES_LEAST);
  if (key->len > RECIPIENT_KEY_BYTES_MOST)
    return error_set(err, ERROR_INPUT, "the recipients' key %s has more than %u bytes", path, RECIPIENT_KEY_BYTES_MOST);
  return true;
}

bool recipient_options_read(const char *naming, const char *key_path, struct buf *key, struct recipient_options *out,
                            struct error *err) {
  if (!find_naming(naming, &out->naming, err)) return false;
  bool needs_key = out->naming == RECIPIENTS_HASHED;
  if (needs_key && !key_path) return error_set(err, ERROR_USAGE, "recipients that are hashed need a key file");
  if (!needs_key && key_path) return error_set(err, ERROR_USAGE, "a key file for recipients is of use only when they are hashed");
  if (needs_key && !read_key(key_path, key, err)) return false;
  out->key = buf_slice(key);
  return true;
}
