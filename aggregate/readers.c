/* Marks of readers. See readers.h. */
#include "aggregate/readers.h"

#include <fcntl.h>
#include <unistd.h>

int readers_mark(const char *path, uint64_t number) {
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return -1;
  struct flock lock = {.l_type = F_RDLCK, .l_whence = SEEK_SET, .l_start = (off_t)number, .l_len = 1};
  if (fcntl(fd, F_OFD_SETLK, &lock) == 0) return fd;
  close(fd);
  return -1;
}

void readers_unmark(int mark) {
  if (mark >= 0) close(mark);
}

bool readers_are_past(int fd, uint64_t number) {
  if (number == 0) return true; /* a length of 0 would mean the whole file */
  struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 0, .l_len = (off_t)number};
  return fcntl(fd, F_OFD_GETLK, &lock) == 0 && lock.l_type == F_UNLCK;
}
