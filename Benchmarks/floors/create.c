// The floor of a restore: what any program must spend to make a tree from compressed chunks, phase by phase.
//   decode   zstd frames of 256 KiB of content each, level 3, in memory
//   hash     SHA-256 of each decoded chunk
//   create   folders first, then every file with one open (mode given), write, futimens and close, contents from
//            memory; threads take whole folders; times of folders last
// Reading the source tree into memory and compressing it come first and are not timed.
//
// usage: create [-t THREADS] SOURCE TARGET      TARGET must not exist
// Prints one JSON object: wall and CPU seconds of each phase.

#define _GNU_SOURCE
#include <fcntl.h>
#include <fts.h>
#include <openssl/evp.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include <zstd.h>

enum { CHUNK = 256 * 1024 };

struct member {
    char *path, *link;
    struct stat status;
    size_t offset;
};

struct group {  // the members of one folder: what a thread takes
    size_t first, count;
};

struct chunk {
    void *bytes;
    size_t size, raw;
};

static struct member *folders, *members;
static struct group *groups;
static struct chunk *chunks;
static char *content;
static size_t folder_count, member_count, group_count, chunk_count, content_size, content_room, next_item;
static int root, threads = 2;

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

static void load(struct member *member, const char *path) {
    member->offset = content_size;
    size_t size = member->status.st_size;
    if (content_size + size > content_room) {
        content_room = (content_size + size) * 3 / 2 + (64 << 20);
        content = realloc(content, content_room);
        if (!content) fail("memory");
    }
    int file = open(path, O_RDONLY);
    if (file < 0) fail(path);
    for (size_t done = 0; done < size;) {
        ssize_t count = read(file, content + content_size + done, size - done);
        if (count <= 0) fail(path);
        done += count;
    }
    close(file);
    content_size += size;
}

static int by_folder(const void *left, const void *right) {
    const char *a = ((const struct member *)left)->path, *b = ((const struct member *)right)->path;
    size_t in_a = strrchr(a, '/') - a, in_b = strrchr(b, '/') - b;
    int order = memcmp(a, b, in_a < in_b ? in_a : in_b);
    return order ? order : in_a != in_b ? (in_a > in_b) - (in_a < in_b) : strcmp(a, b);
}

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
            if (entry->fts_info == FTS_F) {
                load(&member, entry->fts_accpath);
            } else {
                member.link = calloc(1, 4097);
                if (readlink(entry->fts_accpath, member.link, 4096) < 0) fail(entry->fts_accpath);
            }
            members = grown(members, member_count, sizeof *members);
            members[member_count++] = member;
        }
    }
    fts_close(tree);
    qsort(members, member_count, sizeof *members, by_folder);
    for (size_t i = 0; i < member_count; i++) {
        size_t length = strrchr(members[i].path, '/') - members[i].path;
        char *before = i ? members[i - 1].path : NULL;
        if (!before || strncmp(before, members[i].path, length + 1) || strchr(before + length + 1, '/')) {
            groups = grown(groups, group_count, sizeof *groups);
            groups[group_count++] = (struct group){i, 0};
        }
        groups[group_count - 1].count++;
    }
}

static void *compress(void *unused) {
    ZSTD_CCtx *context = ZSTD_createCCtx();
    for (size_t i; (i = __atomic_fetch_add(&next_item, 1, __ATOMIC_RELAXED)) < chunk_count;) {
        char *from = content + i * CHUNK;
        size_t raw = i + 1 < chunk_count ? CHUNK : content_size - i * CHUNK, room = ZSTD_compressBound(raw);
        char *frame = malloc(room);
        chunks[i].size = ZSTD_compressCCtx(context, frame, room, from, raw, 3);
        chunks[i].bytes = realloc(frame, chunks[i].size);
        chunks[i].raw = raw;
    }
    ZSTD_freeCCtx(context);
    return unused;
}

static void *decode(void *unused) {
    ZSTD_DCtx *context = ZSTD_createDCtx();
    char *buffer = malloc(CHUNK);  // as a restore would: each chunk is used at once, while it is in the CPU's caches
    for (size_t i; (i = __atomic_fetch_add(&next_item, 1, __ATOMIC_RELAXED)) < chunk_count;) {
        if (ZSTD_decompressDCtx(context, buffer, CHUNK, chunks[i].bytes, chunks[i].size) != chunks[i].raw) exit(1);
    }
    free(buffer);
    ZSTD_freeDCtx(context);
    return unused;
}

static void *hash(void *unused) {
    EVP_MD *sha256 = EVP_MD_fetch(NULL, "SHA2-256", NULL);
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    unsigned char digest[32];
    for (size_t i; (i = __atomic_fetch_add(&next_item, 1, __ATOMIC_RELAXED)) < chunk_count;) {
        EVP_DigestInit_ex2(context, sha256, NULL);
        EVP_DigestUpdate(context, content + i * CHUNK, chunks[i].raw);
        EVP_DigestFinal_ex(context, digest, NULL);
    }
    return unused;
}

static void make(struct member *member) {
    if (member->link) {
        if (symlinkat(member->link, root, member->path) != 0) fail(member->path);
        return;
    }
    int file = openat(root, member->path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, member->status.st_mode & 07777);
    if (file < 0) fail(member->path);
    for (size_t done = 0, size = member->status.st_size; done < size;) {
        ssize_t count = write(file, content + member->offset + done, size - done);
        if (count <= 0) fail(member->path);
        done += count;
    }
    struct timespec times[2] = {{0, UTIME_OMIT}, member->status.st_mtim};
    if (futimens(file, times) != 0) fail(member->path);
    close(file);
}

static void *create(void *unused) {
    for (size_t i; (i = __atomic_fetch_add(&next_item, 1, __ATOMIC_RELAXED)) < group_count;) {
        for (size_t j = 0; j < groups[i].count; j++) make(&members[groups[i].first + j]);
    }
    return unused;
}

static void in_threads(void *(*work)(void *)) {
    pthread_t started[64];
    next_item = 0;
    for (int i = 0; i < threads; i++) pthread_create(&started[i], NULL, work, NULL);
    for (int i = 0; i < threads; i++) pthread_join(started[i], NULL);
}

static void create_all(void) {
    for (size_t i = 1; i < folder_count; i++) {
        if (mkdirat(root, folders[i].path, folders[i].status.st_mode & 07777) != 0) fail(folders[i].path);
    }
    in_threads(create);
    for (size_t i = folder_count; i-- > 0;) {
        struct timespec times[2] = {{0, UTIME_OMIT}, folders[i].status.st_mtim};
        utimensat(root, folders[i].path, times, 0);
    }
}

static double wall(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec + time.tv_nsec / 1e9;
}

static double cpu(void) {
    struct timespec time;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
    return time.tv_sec + time.tv_nsec / 1e9;
}

int main(int count, char **arguments) {
    int option;
    threads = sysconf(_SC_NPROCESSORS_ONLN);
    while ((option = getopt(count, arguments, "t:")) == 't') threads = atoi(optarg);
    if (optind + 2 != count || threads < 1 || threads > 64) return 2;
    umask(0);
    char *source = arguments[optind];
    while (strlen(source) > 1 && source[strlen(source) - 1] == '/') source[strlen(source) - 1] = 0;
    walk(source);
    chunk_count = (content_size + CHUNK - 1) / CHUNK;
    chunks = calloc(chunk_count + 1, sizeof *chunks);
    in_threads(compress);
    if (mkdir(arguments[optind + 1], 0755) != 0) fail(arguments[optind + 1]);
    root = open(arguments[optind + 1], O_RDONLY | O_DIRECTORY);
    double marks[4][2] = {{wall(), cpu()}};
    in_threads(decode);
    marks[1][0] = wall(), marks[1][1] = cpu();
    in_threads(hash);
    marks[2][0] = wall(), marks[2][1] = cpu();
    create_all();
    marks[3][0] = wall(), marks[3][1] = cpu();
    const char *names[] = {"decode", "hash", "create"};
    printf("{\"files\": %zu, \"bytes\": %zu", member_count, content_size);
    for (int i = 0; i < 3; i++) {
        printf(", \"%s_wall\": %.6f, \"%s_cpu\": %.6f", names[i], marks[i + 1][0] - marks[i][0], names[i],
               marks[i + 1][1] - marks[i][1]);
    }
    printf("}\n");
    return 0;
}
