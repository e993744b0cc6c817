// What the floors share: a tree read into memory, and phases of work that threads take item by item.

#define _GNU_SOURCE
#include <fcntl.h>
#include <fts.h>
#include <openssl/evp.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include <zstd.h>

struct member {
    char *path, *link;
    struct stat status;
    size_t offset;  // of its bytes in `content`
};

static struct member *folders, *members;
static char *content;
static size_t folder_count, member_count, content_size, next_item;
static int threads = 2;

static void fail(const char *what) {
    perror(what);
    exit(1);
}

static void *grown(void *array, size_t count, size_t size) {
    if ((count & (count - 1)) != 0) return array;  // doubles at powers of two
    array = realloc(array, (count ? count * 2 : 1) * size);
    if (!array) fail("memory");
    return array;
}

// Finds the folders, files and symbolic links below `source`; paths begin with "./".
static void walk(char *source) {
    char *roots[] = {source, NULL};
    FTS *tree = fts_open(roots, FTS_PHYSICAL | FTS_NOCHDIR, NULL);
    for (FTSENT *entry; (entry = fts_read(tree));) {
        struct member member = {.path = NULL, .status = *entry->fts_statp};
        if (asprintf(&member.path, ".%s", entry->fts_path + strlen(source)) < 0) fail("memory");
        if (entry->fts_info == FTS_D) {
            folders = grown(folders, folder_count, sizeof *folders);
            folders[folder_count++] = member;
        } else if (entry->fts_info == FTS_F || entry->fts_info == FTS_SL) {
            if (entry->fts_info == FTS_SL) {
                member.link = calloc(1, 4097);
                if (readlink(entry->fts_accpath, member.link, 4096) < 0) fail(entry->fts_accpath);
            }
            members = grown(members, member_count, sizeof *members);
            members[member_count++] = member;
        }
    }
    fts_close(tree);
}

// Gives each file its place in `content`, in the order of `members`.
static void place(void) {
    for (size_t i = 0; i < member_count; i++) {
        members[i].offset = content_size;
        if (!members[i].link) content_size += members[i].status.st_size;
    }
    content = malloc(content_size + 1);
    if (!content) fail("memory");
}

static void load(int root, struct member *member) {
    if (member->link) return;
    int file = openat(root, member->path, O_RDONLY | O_NOFOLLOW);
    if (file < 0) fail(member->path);
    for (size_t done = 0, size = member->status.st_size; done < size;) {
        ssize_t count = read(file, content + member->offset + done, size - done);
        if (count <= 0) fail(member->path);
        done += count;
    }
    close(file);
}

static void in_threads(void *(*work)(void *)) {
    pthread_t started[64];
    next_item = 0;
    for (int i = 0; i < threads; i++) pthread_create(&started[i], NULL, work, NULL);
    for (int i = 0; i < threads; i++) pthread_join(started[i], NULL);
}

static size_t taken(void) { return __atomic_fetch_add(&next_item, 1, __ATOMIC_RELAXED); }

struct mark {
    double wall, cpu;
};

static double seconds(clockid_t clock) {
    struct timespec time;
    clock_gettime(clock, &time);
    return time.tv_sec + time.tv_nsec / 1e9;
}

static struct mark now(void) { return (struct mark){seconds(CLOCK_MONOTONIC), seconds(CLOCK_PROCESS_CPUTIME_ID)}; }

// Prints one JSON object: what was worked on, and the seconds between each mark and the next.
static void report(const struct mark *marks, const char *const *names, int count) {
    printf("{\"files\": %zu, \"bytes\": %zu", member_count, content_size);
    for (int i = 0; i < count; i++) {
        printf(", \"%s_wall\": %.6f, \"%s_cpu\": %.6f", names[i], marks[i + 1].wall - marks[i].wall, names[i],
               marks[i + 1].cpu - marks[i].cpu);
    }
    printf("}\n");
}

// The two folders that every floor is given, after -t THREADS; the first without its last slash.
static char **folders_of(int count, char **arguments) {
    int option;
    threads = sysconf(_SC_NPROCESSORS_ONLN);
    while ((option = getopt(count, arguments, "t:")) == 't') threads = atoi(optarg);
    if (optind + 2 != count || threads < 1 || threads > 64) exit(2);
    umask(0);
    char *source = arguments[optind];
    while (strlen(source) > 1 && source[strlen(source) - 1] == '/') source[strlen(source) - 1] = 0;
    if (mkdir(arguments[optind + 1], 0755) != 0) fail(arguments[optind + 1]);
    return arguments + optind;
}
