#define _GNU_SOURCE
#include "clinux.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <malloc.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

static int open_resolving(int directory, const char *path, int flags, mode_t mode, uint64_t resolve) {
    struct open_how how;
    memset(&how, 0, sizeof how);
    how.flags = (uint64_t)(unsigned)flags | O_CLOEXEC;
    how.mode = (flags & (O_CREAT | __O_TMPFILE)) ? mode : 0;
    how.resolve = resolve;
    for (int attempt = 0;; attempt++) {
        int file = (int)syscall(SYS_openat2, directory, path, &how, sizeof how);
        // EAGAIN: something was renamed while a `..` was looked up.
        if (file >= 0 || errno != EAGAIN || attempt == 32) return file;
    }
}

int tarn_open_beneath(int directory, const char *path, int flags, mode_t mode) {
    return open_resolving(directory, path, flags, mode, RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS);
}

int tarn_open_within(int directory, const char *path, int flags, mode_t mode) {
    return open_resolving(directory, path, flags, mode, RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS);
}

int tarn_is_mount_root(int directory) {
    struct statx status;
    if (statx(directory, "", AT_EMPTY_PATH, STATX_TYPE, &status) != 0) return -1;
    return (status.stx_attributes & STATX_ATTR_MOUNT_ROOT) != 0;
}

int tarn_openat(int directory, const char *path, int flags, mode_t mode) {
    return openat(directory, path, flags | O_CLOEXEC, mode);
}

ssize_t tarn_getdents64(int directory, void *buffer, size_t size) {
    return syscall(SYS_getdents64, directory, buffer, size);
}

int tarn_rename_exchange(int directory1, const char *path1, int directory2, const char *path2) {
    return renameat2(directory1, path1, directory2, path2, RENAME_EXCHANGE);
}

int tarn_rename_noreplace(int directory1, const char *path1, int directory2, const char *path2) {
    return renameat2(directory1, path1, directory2, path2, RENAME_NOREPLACE);
}

static void mtime_only(struct timespec times[2], int64_t seconds, int64_t nanoseconds) {
    times[0].tv_sec = 0;
    times[0].tv_nsec = UTIME_OMIT;
    times[1].tv_sec = (time_t)seconds;
    times[1].tv_nsec = (long)nanoseconds;
}

int tarn_set_mtime_at(int directory, const char *path, int64_t seconds, int64_t nanoseconds, int flags) {
    struct timespec times[2];
    mtime_only(times, seconds, nanoseconds);
    return utimensat(directory, path, times, flags);
}

int tarn_set_mtime(int file, int64_t seconds, int64_t nanoseconds) {
    struct timespec times[2];
    mtime_only(times, seconds, nanoseconds);
    return futimens(file, times);
}

ssize_t tarn_pread_nowait(int file, void *buffer, size_t size, off_t offset) {
    struct iovec vector = {.iov_base = buffer, .iov_len = size};
    return preadv2(file, &vector, 1, offset, RWF_NOWAIT);
}

int tarn_start_writeback(int file) {
    return sync_file_range(file, 0, 0, SYNC_FILE_RANGE_WRITE);
}

ssize_t tarn_copy_range(int source, int target, off_t offset, size_t size) {
    off_t from = offset, to = offset;
    return copy_file_range(source, &from, target, &to, size, 0);
}

int tarn_sync_file_system(int file) {
    return syncfs(file);
}

int tarn_try_lock(int file) {
    return flock(file, LOCK_EX | LOCK_NB);
}

void tarn_bound_malloc(void) {
    // Left alone, glibc raises the threshold to the largest block ever freed, and each thread's arena keeps such blocks.
    mallopt(M_MMAP_THRESHOLD, 1 << 20);
    mallopt(M_TRIM_THRESHOLD, 4 << 20);
    mallopt(M_ARENA_MAX, 4);
}
