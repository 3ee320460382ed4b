// Headgate
// SPDX-License-Identifier: Apache-2.0

// Loaded before a process (LD_PRELOAD), keeps in the folder KEPT what a power cut would leave of the files in the
// folder WATCHED: each file as it was when it was last synced. A copy is complete before the sync returns.
//
// What was deleted may come back until the folder is synced.
//
// LIES names what is not kept though the process is told so, by the end of the file's name: the control arm.

#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int ends_with(const char *text, const char *end) {
    size_t length = strlen(text), tail = strlen(end);
    return length >= tail && strcmp(text + length - tail, end) == 0;
}

// The name of the file in WATCHED that `file` is open on, or null.
static const char *watched_name(int file, char *path) {
    const char *folder = getenv("WATCHED");
    if (folder == NULL) return NULL;
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", file);
    ssize_t count = readlink(link, path, PATH_MAX - 1);
    if (count <= 0) return NULL;
    path[count] = 0;
    size_t length = strlen(folder);
    if (strncmp(path, folder, length) != 0 || path[length] != '/') return NULL;
    return path + length + 1;
}

static int is_watched_folder(int file) {
    const char *folder = getenv("WATCHED");
    struct stat here, there;
    return folder != NULL && fstat(file, &here) == 0 && stat(folder, &there) == 0 && here.st_ino == there.st_ino
        && here.st_dev == there.st_dev;
}

static void copy(const char *from, const char *to) {
    static char bytes[1 << 16];
    int source = open(from, O_RDONLY | O_CLOEXEC), target = open(to, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0640);
    if (source < 0 || target < 0) abort();
    for (ssize_t count; (count = read(source, bytes, sizeof bytes)) > 0;) {
        if (write(target, bytes, (size_t)count) != count) abort();
    }
    close(source);
    close(target);
}

// What is no longer in the folder is gone for good.
static void keep_folder(void) {
    DIR *listing = opendir(getenv("KEPT"));
    if (listing == NULL) return;
    for (struct dirent *entry; (entry = readdir(listing)) != NULL;) {
        char path[PATH_MAX], kept[PATH_MAX];
        if (entry->d_name[0] == '.') continue;
        snprintf(path, sizeof path, "%s/%s", getenv("WATCHED"), entry->d_name);
        snprintf(kept, sizeof kept, "%s/%s", getenv("KEPT"), entry->d_name);
        if (access(path, F_OK) != 0) unlink(kept);
    }
    closedir(listing);
}

// Files of several threads are synced side by side.
static pthread_mutex_t one_at_a_time = PTHREAD_MUTEX_INITIALIZER;

static void keep_one(int file) {
    char path[PATH_MAX], fresh[PATH_MAX], kept[PATH_MAX];
    struct stat status;
    if (is_watched_folder(file)) return keep_folder();
    const char *name = watched_name(file, path);
    if (name == NULL || fstat(file, &status) != 0 || !S_ISREG(status.st_mode)) return;
    const char *lies = getenv("LIES");
    if (lies != NULL && ends_with(name, lies)) return;
    snprintf(fresh, sizeof fresh, "%s/.fresh", getenv("KEPT"));
    snprintf(kept, sizeof kept, "%s/%s", getenv("KEPT"), name);
    copy(path, fresh);
    if (rename(fresh, kept) != 0) abort();
}

static void keep(int file) {
    pthread_mutex_lock(&one_at_a_time);
    keep_one(file);
    pthread_mutex_unlock(&one_at_a_time);
}

int fsync(int file) {
    int (*real)(int) = (int (*)(int))dlsym(RTLD_NEXT, "fsync");
    int result = real(file);
    if (result == 0) keep(file);
    return result;
}

int fdatasync(int file) {
    int (*real)(int) = (int (*)(int))dlsym(RTLD_NEXT, "fdatasync");
    int result = real(file);
    if (result == 0) keep(file);
    return result;
}
