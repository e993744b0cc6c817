// Linux calls that glibc offers not at all, or only as variadic functions, which Swift cannot import.
#ifndef TARN_CLINUX_H
#define TARN_CLINUX_H

#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <time.h>

/// Opens `path` below `directory`; no component, the last included, may be a symbolic link or leave `directory`.
int tarn_open_beneath(int directory, const char *path, int flags, mode_t mode);
/// Opens `path` below `directory`, following symbolic links as long as they stay below it.
int tarn_open_within(int directory, const char *path, int flags, mode_t mode);
/// Whether something is mounted on the open directory: 1, 0, or -1 with `errno`.
int tarn_is_mount_root(int directory);
/// `openat(2)` with its optional argument always given.
int tarn_openat(int directory, const char *path, int flags, mode_t mode);
/// `getdents64(2)`: fills `buffer` with directory entries.
ssize_t tarn_getdents64(int directory, void *buffer, size_t size);
/// Swaps two names atomically (`renameat2` with RENAME_EXCHANGE).
int tarn_rename_exchange(int directory1, const char *path1, int directory2, const char *path2);
/// Renames and fails with EEXIST if the new name is taken (`renameat2` with RENAME_NOREPLACE).
int tarn_rename_noreplace(int directory1, const char *path1, int directory2, const char *path2);
/// Sets the modification time and leaves the access time alone; `flags` as for `utimensat(2)`.
int tarn_set_mtime_at(int directory, const char *path, int64_t seconds, int64_t nanoseconds, int flags);
/// Sets the modification time of an open file and leaves the access time alone.
int tarn_set_mtime(int file, int64_t seconds, int64_t nanoseconds);
/// `preadv2(2)` of one buffer with RWF_NOWAIT: fails with EAGAIN where the bytes are not in the page cache.
ssize_t tarn_pread_nowait(int file, void *buffer, size_t size, off_t offset);
/// Starts to write a file's bytes to the disk without waiting for it (`sync_file_range(2)`).
int tarn_start_writeback(int file);
/// `copy_file_range(2)` from and to the same offset.
ssize_t tarn_copy_range(int source, int target, off_t offset, size_t size);
/// `syncfs(2)`: makes everything on the file system of an open file durable.
int tarn_sync_file_system(int file);
/// Takes an exclusive `flock(2)` without waiting.
int tarn_try_lock(int file);

/// Tells malloc to give large freed blocks back to the system at once instead of keeping them for their arena.
void tarn_bound_malloc(void);

#endif
