// Runs one command and writes what it cost to file descriptor 3: wall nanoseconds, CPU microseconds and the largest
// resident set in KiB of it and of everything it waited for, and its exit status.
//
// Why a program of its own: Linux carries the peak resident set across exec, so a command started by a 30 MB Python
// would never seem to need less than 30 MB.

#define _GNU_SOURCE
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

extern char **environ;

static long long now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec * 1000000000LL + time.tv_nsec;
}

static long long microseconds(struct timeval time) { return time.tv_sec * 1000000LL + time.tv_usec; }

int main(int count, char **arguments) {
    if (count < 2) return 2;
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addclose(&actions, 3);
    long long start = now();
    pid_t child;
    if (posix_spawnp(&child, arguments[1], &actions, NULL, arguments + 1, environ) != 0) {
        perror(arguments[1]);
        return 127;
    }
    int status;
    struct rusage usage;
    if (wait4(child, &status, 0, &usage) < 0) return 126;
    long long wall = now() - start;
    long long cpu = microseconds(usage.ru_utime) + microseconds(usage.ru_stime);
    int code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    dprintf(3, "%lld %lld %ld %d\n", wall, cpu, usage.ru_maxrss, code);
    return 0;
}
