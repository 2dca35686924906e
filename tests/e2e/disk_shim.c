/* Stands between a program and the disk (LD_PRELOAD), for the calls that change files below one directory: makes chosen ones fail,
 * kills the program before or after them, and records all of them. tests/e2e/disk.py builds it and reads the record.
 *
 *   DISK_DIR     absolute path of the directory; calls elsewhere pass
 *   DISK_PLAN    rules, separated by ';', of call,part-of-path,action,from,count: the matching calls number `from` to
 *                `from` + `count` - 1 (1 is the first) get the action; `call` is open (that makes the file), write, fsync, rename,
 *                unlink, truncate, mkdir, or any. Actions: the number of an errno, short (half is written), kill_before, kill_after
 *   DISK_RECORD  file to which each call that was done is appended: "CALL INODE OFFSET LENGTH PATH[ TO]\n" and LENGTH bytes
 *
 * One call at a time, so that the record is the order of the disk. pwrite and write, fsync and fdatasync count as one. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { RULES_MAX = 16, PATH_ROOM = 4096 };

struct rule {
  char call[16], part[128], action[16];
  long from, count, seen;
};

static struct rule rules[RULES_MAX];
static size_t rule_count;
static char dir[PATH_ROOM];
static int record_fd = -1;
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;

__attribute__((constructor)) static void read_environment(void) {
  const char *plan = getenv("DISK_PLAN"), *record = getenv("DISK_RECORD"), *name = getenv("DISK_DIR");
  snprintf(dir, sizeof dir, "%s", name ? name : "/nonexistent");
  if (record) record_fd = (int)syscall(SYS_openat, AT_FDCWD, record, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
  for (; plan && *plan && rule_count < RULES_MAX; rule_count++) {
    struct rule *rule = &rules[rule_count];
    if (sscanf(plan, "%15[^,],%127[^,],%15[^,],%ld,%ld", rule->call, rule->part, rule->action, &rule->from, &rule->count) != 5) {
      fprintf(stderr, "disk_shim: not a rule: %s\n", plan);
      _exit(2);
    }
    plan = strchr(plan, ';');
    if (plan) plan++;
  }
}

/* ---- what a call is about ---------------------------------------------------------------------------------------------------- */

/* The absolute path, and whether it is below the directory. */
static bool is_below(int at, const char *path, char out[PATH_ROOM]) {
  char link[64], base[PATH_ROOM] = "";
  if (path[0] != '/') {
    ssize_t len = at == AT_FDCWD ? -1 : 0;
    if (len == 0) {
      snprintf(link, sizeof link, "/proc/self/fd/%d", at);
      len = readlink(link, base, sizeof base - 1);
    } else if (getcwd(base, sizeof base)) {
      len = (ssize_t)strlen(base);
    }
    if (len < 0) return false;
    base[len] = '\0';
  }
  int len = snprintf(out, PATH_ROOM, "%s%s%s", base, path[0] == '/' ? "" : "/", path);
  size_t dir_len = strlen(dir);
  return len > 0 && len < PATH_ROOM && strncmp(out, dir, dir_len) == 0 && (out[dir_len] == '/' || out[dir_len] == '\0');
}

static bool is_open_below(int fd, char out[PATH_ROOM]) {
  char link[64], path[PATH_ROOM];
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  ssize_t len = readlink(link, path, sizeof path - 1);
  if (len < 0) return false;
  path[len] = '\0';
  return is_below(AT_FDCWD, path, out);
}

static unsigned long inode_of(int fd, const char *path) {
  struct stat st;
  return (fd >= 0 ? fstat(fd, &st) : lstat(path, &st)) == 0 ? (unsigned long)st.st_ino : 0;
}

/* ---- rules and record -------------------------------------------------------------------------------------------------------- */

/* The action for this call, "" for none; "kill_before" does not return. */
static const char *action_for(const char *call, const char *path) {
  const char *action = "";
  for (size_t i = 0; i < rule_count; i++) {
    struct rule *rule = &rules[i];
    if (strcmp(rule->call, "any") != 0 && strcmp(rule->call, call) != 0) continue;
    if (!strstr(path, rule->part)) continue;
    rule->seen++;
    if (rule->seen >= rule->from && rule->seen < rule->from + rule->count) action = rule->action;
  }
  if (strcmp(action, "kill_before") == 0) kill(getpid(), SIGKILL);
  return action;
}

static int failure_of(const char *action) { return action[0] >= '0' && action[0] <= '9' ? atoi(action) : 0; }

static void put(const void *bytes, size_t len) {
  while (len) {
    long wrote = syscall(SYS_write, record_fd, bytes, len);
    if (wrote <= 0) abort();
    bytes = (const char *)bytes + wrote;
    len -= (size_t)wrote;
  }
}

/* After a call that was done. `to` is the new name of a rename. */
static void done(const char *action, const char *call, unsigned long inode, long long offset, const void *bytes, size_t len,
                 const char *path, const char *to) {
  if (record_fd >= 0) {
    char head[2 * PATH_ROOM + 128];
    int head_len =
        snprintf(head, sizeof head, "%s %lu %lld %zu %s%s%s\n", call, inode, offset, len, path, to ? " " : "", to ? to : "");
    put(head, (size_t)head_len);
    put(bytes, len);
  }
  if (strcmp(action, "kill_after") == 0) kill(getpid(), SIGKILL);
}

/* ---- the calls: each tells its result under the lock ------------------------------------------------------------------------- */

static int open_shimmed(int at, const char *path, int flags, mode_t mode) {
  char full[PATH_ROOM];
  struct stat st;
  if (!(flags & O_CREAT) || !is_below(at, path, full)) return (int)syscall(SYS_openat, at, path, flags, mode);
  pthread_mutex_lock(&mutex);
  bool is_new = lstat(full, &st) != 0;
  const char *action = is_new ? action_for("open", full) : "";
  int result = -1, failure = failure_of(action);
  if (failure)
    errno = failure;
  else
    result = (int)syscall(SYS_openat, at, path, flags, mode);
  if (result >= 0 && is_new) done(action, "open", inode_of(result, NULL), 0, "", 0, full, NULL);
  pthread_mutex_unlock(&mutex);
  return result;
}

static mode_t mode_of(int flags, va_list args) { return flags & O_CREAT ? (mode_t)va_arg(args, int) : 0; }

#define DEFINE_OPEN(name)                             \
  int name(const char *path, int flags, ...) {        \
    va_list args;                                     \
    va_start(args, flags);                            \
    mode_t mode = mode_of(flags, args);               \
    va_end(args);                                     \
    return open_shimmed(AT_FDCWD, path, flags, mode); \
  }
DEFINE_OPEN(open)
DEFINE_OPEN(open64)

static ssize_t write_shimmed(int fd, const void *bytes, size_t len, off_t offset) {
  char path[PATH_ROOM];
  if (!is_open_below(fd, path))
    return offset < 0 ? syscall(SYS_write, fd, bytes, len) : syscall(SYS_pwrite64, fd, bytes, len, offset);
  pthread_mutex_lock(&mutex);
  const char *action = action_for("write", path);
  off_t at = offset < 0 ? lseek(fd, 0, SEEK_CUR) : offset;
  size_t wanted = strcmp(action, "short") == 0 && len > 1 ? len / 2 : len;
  ssize_t result = -1;
  int failure = failure_of(action);
  if (failure)
    errno = failure;
  else
    result = offset < 0 ? syscall(SYS_write, fd, bytes, wanted) : syscall(SYS_pwrite64, fd, bytes, wanted, offset);
  if (result > 0) done(action, "write", inode_of(fd, NULL), at, bytes, (size_t)result, path, NULL);
  pthread_mutex_unlock(&mutex);
  return result;
}

ssize_t write(int fd, const void *bytes, size_t len) { return write_shimmed(fd, bytes, len, -1); }
ssize_t pwrite(int fd, const void *bytes, size_t len, off_t offset) { return write_shimmed(fd, bytes, len, offset); }
ssize_t pwrite64(int fd, const void *bytes, size_t len, off64_t offset) { return write_shimmed(fd, bytes, len, offset); }

static int sync_shimmed(int fd, long number) {
  char path[PATH_ROOM];
  if (!is_open_below(fd, path)) return (int)syscall(number, fd);
  pthread_mutex_lock(&mutex);
  const char *action = action_for("fsync", path);
  int failure = failure_of(action), result = failure ? -1 : (int)syscall(number, fd);
  if (failure) errno = failure;
  if (result == 0) done(action, "fsync", inode_of(fd, NULL), 0, "", 0, path, NULL);
  pthread_mutex_unlock(&mutex);
  return result;
}

int fsync(int fd) { return sync_shimmed(fd, SYS_fsync); }
int fdatasync(int fd) { return sync_shimmed(fd, SYS_fdatasync); }

static int truncate_shimmed(int fd, off_t len) {
  char path[PATH_ROOM];
  if (!is_open_below(fd, path)) return (int)syscall(SYS_ftruncate, fd, len);
  pthread_mutex_lock(&mutex);
  const char *action = action_for("truncate", path);
  int failure = failure_of(action), result = failure ? -1 : (int)syscall(SYS_ftruncate, fd, len);
  if (failure) errno = failure;
  if (result == 0) done(action, "truncate", inode_of(fd, NULL), len, "", 0, path, NULL);
  pthread_mutex_unlock(&mutex);
  return result;
}

int ftruncate(int fd, off_t len) { return truncate_shimmed(fd, len); }
int ftruncate64(int fd, off64_t len) { return truncate_shimmed(fd, len); }

int rename(const char *from, const char *to) {
  char full[PATH_ROOM], full_to[PATH_ROOM];
  if (!is_below(AT_FDCWD, from, full) || !is_below(AT_FDCWD, to, full_to)) return (int)syscall(SYS_rename, from, to);
  pthread_mutex_lock(&mutex);
  const char *action = action_for("rename", full);
  int failure = failure_of(action), result = failure ? -1 : (int)syscall(SYS_rename, from, to);
  if (failure) errno = failure;
  if (result == 0) done(action, "rename", inode_of(-1, full_to), 0, "", 0, full, full_to);
  pthread_mutex_unlock(&mutex);
  return result;
}

int unlinkat(int at, const char *path, int flags) {
  char full[PATH_ROOM];
  if (!is_below(at, path, full)) return (int)syscall(SYS_unlinkat, at, path, flags);
  pthread_mutex_lock(&mutex);
  unsigned long inode = inode_of(-1, full);
  const char *action = action_for("unlink", full);
  int failure = failure_of(action), result = failure ? -1 : (int)syscall(SYS_unlinkat, at, path, flags);
  if (failure) errno = failure;
  if (result == 0) done(action, "unlink", inode, 0, "", 0, full, NULL);
  pthread_mutex_unlock(&mutex);
  return result;
}

int unlink(const char *path) { return unlinkat(AT_FDCWD, path, 0); }

int mkdir(const char *path, mode_t mode) {
  char full[PATH_ROOM];
  if (!is_below(AT_FDCWD, path, full)) return (int)syscall(SYS_mkdir, path, mode);
  pthread_mutex_lock(&mutex);
  const char *action = action_for("mkdir", full);
  int failure = failure_of(action), result = failure ? -1 : (int)syscall(SYS_mkdir, path, mode);
  if (failure) errno = failure;
  if (result == 0) done(action, "mkdir", inode_of(-1, full), 0, "", 0, full, NULL);
  pthread_mutex_unlock(&mutex);
  return result;
}
