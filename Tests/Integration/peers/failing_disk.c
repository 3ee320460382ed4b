// Headgate
// SPDX-License-Identifier: Apache-2.0

// Loaded before a process (LD_PRELOAD), makes calls on the files in the folder WATCHED fail or wait as the file CONTROL
// says, which is mapped and may be changed while the process runs. See `FailingDisk` in disk.py.

#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { WRITES = 1, SYNCS = 2, OPENS = 4, NAMES = 8 };

struct control {
    _Atomic int kinds;      // which calls, as above
    _Atomic int error;      // errno they fail with; 0: they do not; -1: they say that all is well and do nothing
    _Atomic int skipped;    // calls that still succeed before the first fails
    _Atomic int failing;    // calls that then fail
    _Atomic int failed;     // calls that have failed
    _Atomic int seen;       // calls that there were
    _Atomic int delay;      // milliseconds that a sync takes longer
};

static struct control *control(void) {
    static struct control *mapped;
    if (mapped == NULL) {
        int (*real)(const char *, int, ...) = (int (*)(const char *, int, ...))dlsym(RTLD_NEXT, "open");
        int file = real(getenv("CONTROL"), O_RDWR | O_CLOEXEC);
        if (file < 0) abort();
        mapped = mmap(NULL, sizeof *mapped, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
        if (mapped == MAP_FAILED) abort();
    }
    return mapped;
}

static int is_watched(const char *path) {
    const char *folder = getenv("WATCHED");
    return folder != NULL && path != NULL && strncmp(path, folder, strlen(folder)) == 0;
}

static int is_file_watched(int file) {
    char link[64], path[PATH_MAX];
    snprintf(link, sizeof link, "/proc/self/fd/%d", file);
    ssize_t count = readlink(link, path, sizeof path - 1);
    if (count <= 0) return 0;
    path[count] = 0;
    return is_watched(path);
}

// 1 where this call is to fail, with errno set; -1 where it is to lie; else 0.
static int fails(int kind) {
    struct control *now = control();
    if ((now->kinds & kind) == 0) return 0;
    now->seen++;
    if (now->error == 0 || now->skipped-- > 0 || now->failing <= 0) return 0;
    now->failing--;
    now->failed++;
    if (now->error < 0) return -1;
    errno = now->error;
    return 1;
}

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

ssize_t write(int file, const void *bytes, size_t count) {
    int fault = is_file_watched(file) ? fails(WRITES) : 0;
    if (fault != 0) return fault > 0 ? -1 : (ssize_t)count;
    return REAL(write)(file, bytes, count);
}

ssize_t pwrite(int file, const void *bytes, size_t count, off_t place) {
    int fault = is_file_watched(file) ? fails(WRITES) : 0;
    if (fault != 0) return fault > 0 ? -1 : (ssize_t)count;
    return REAL(pwrite)(file, bytes, count, place);
}

ssize_t pwrite64(int file, const void *bytes, size_t count, off64_t place) {
    int fault = is_file_watched(file) ? fails(WRITES) : 0;
    if (fault != 0) return fault > 0 ? -1 : (ssize_t)count;
    return REAL(pwrite64)(file, bytes, count, place);
}

int ftruncate(int file, off_t size) {
    if (is_file_watched(file) && fails(WRITES) > 0) return -1;
    return REAL(ftruncate)(file, size);
}

int ftruncate64(int file, off64_t size) {
    if (is_file_watched(file) && fails(WRITES) > 0) return -1;
    return REAL(ftruncate64)(file, size);
}

int posix_fallocate(int file, off_t place, off_t size) {
    if (is_file_watched(file) && fails(WRITES) > 0) return errno;
    return REAL(posix_fallocate)(file, place, size);
}

int fsync(int file) {
    if (!is_file_watched(file)) return REAL(fsync)(file);
    usleep(1000 * control()->delay);
    return fails(SYNCS) > 0 ? -1 : REAL(fsync)(file);
}

int fdatasync(int file) {
    if (!is_file_watched(file)) return REAL(fdatasync)(file);
    usleep(1000 * control()->delay);
    return fails(SYNCS) > 0 ? -1 : REAL(fdatasync)(file);
}

static int is_writing(int flags) { return (flags & O_ACCMODE) != O_RDONLY || (flags & O_CREAT) != 0; }

int open(const char *path, int flags, ...) {
    va_list more;
    va_start(more, flags);
    mode_t mode = va_arg(more, mode_t);
    va_end(more);
    if (is_writing(flags) && is_watched(path) && fails(OPENS) > 0) return -1;
    return REAL(open)(path, flags, mode);
}

int open64(const char *path, int flags, ...) {
    va_list more;
    va_start(more, flags);
    mode_t mode = va_arg(more, mode_t);
    va_end(more);
    if (is_writing(flags) && is_watched(path) && fails(OPENS) > 0) return -1;
    return REAL(open64)(path, flags, mode);
}

int unlink(const char *path) {
    if (is_watched(path) && fails(NAMES) > 0) return -1;
    return REAL(unlink)(path);
}

int rename(const char *from, const char *to) {
    if (is_watched(from) && fails(NAMES) > 0) return -1;
    return REAL(rename)(from, to);
}
