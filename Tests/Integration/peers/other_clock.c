// Headgate
// SPDX-License-Identifier: Apache-2.0

// Loaded before a process (LD_PRELOAD), moves its wall clock by as many seconds as the file OFFSET says, which is mapped
// and may be changed while the process runs. See `OtherClock` in clock.py.

#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static long offset(void) {
    static _Atomic(_Atomic long *) mapped;
    _Atomic long *seen = atomic_load(&mapped);
    if (seen == NULL) {
        int file = open(getenv("OFFSET"), O_RDONLY | O_CLOEXEC);
        if (file < 0) abort();
        seen = mmap(NULL, sizeof *seen, PROT_READ, MAP_SHARED, file, 0);
        close(file);
        if (seen == MAP_FAILED) abort();
        atomic_store(&mapped, seen);
    }
    return atomic_load(seen);
}

int clock_gettime(clockid_t clock, struct timespec *time) {
    static int (*real)(clockid_t, struct timespec *);
    if (real == NULL) real = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
    int failed = real(clock, time);
    if (!failed && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) time->tv_sec += offset();
    return failed;
}

int gettimeofday(struct timeval *now, void *zone) {
    (void)zone;
    struct timespec time;
    int failed = clock_gettime(CLOCK_REALTIME, &time);
    now->tv_sec = time.tv_sec;
    now->tv_usec = time.tv_nsec / 1000;
    return failed;
}

time_t time(time_t *now) {
    struct timespec time;
    clock_gettime(CLOCK_REALTIME, &time);
    if (now != NULL) *now = time.tv_sec;
    return time.tv_sec;
}
