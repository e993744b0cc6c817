// The floor of a restore: what any program must spend to make a tree from compressed chunks, phase by phase.
//   decode   zstd frames of 256 KiB of content each, level 3, in memory
//   hash     SHA-256 of each decoded chunk
//   create   folders first, then every file with one open (mode given), write, futimens and close, contents from
//            memory; threads take whole folders; times of folders last
// Reading the source tree into memory and compressing it come first and are not timed.
//
// usage: create [-t THREADS] SOURCE TARGET      TARGET must not exist
// Prints one JSON object: wall and CPU seconds of each phase.

#include "tree.h"

enum { CHUNK = 256 * 1024 };

struct group {  // the members of one folder: what a thread takes
    size_t first, count;
};

struct chunk {
    void *bytes;
    size_t size, raw;
};

static struct group *groups;
static struct chunk *chunks;
static size_t group_count, chunk_count;
static int root;

static int by_folder(const void *left, const void *right) {
    const char *a = ((const struct member *)left)->path, *b = ((const struct member *)right)->path;
    size_t in_a = strrchr(a, '/') - a, in_b = strrchr(b, '/') - b;
    int order = memcmp(a, b, in_a < in_b ? in_a : in_b);
    return order ? order : in_a != in_b ? (in_a > in_b) - (in_a < in_b) : strcmp(a, b);
}

static void group(void) {
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
    for (size_t i; (i = taken()) < chunk_count;) {
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
    for (size_t i; (i = taken()) < chunk_count;) {
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
    for (size_t i; (i = taken()) < chunk_count;) {
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
    for (size_t i; (i = taken()) < group_count;) {
        for (size_t j = 0; j < groups[i].count; j++) make(&members[groups[i].first + j]);
    }
    return unused;
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

int main(int count, char **arguments) {
    char **named = folders_of(count, arguments);
    walk(named[0]);
    qsort(members, member_count, sizeof *members, by_folder);
    group();
    place();
    int source = open(named[0], O_RDONLY | O_DIRECTORY);
    for (size_t i = 0; i < member_count; i++) load(source, &members[i]);
    chunk_count = (content_size + CHUNK - 1) / CHUNK;
    chunks = calloc(chunk_count + 1, sizeof *chunks);
    in_threads(compress);
    root = open(named[1], O_RDONLY | O_DIRECTORY);
    struct mark marks[4] = {now()};
    in_threads(decode);
    marks[1] = now();
    in_threads(hash);
    marks[2] = now();
    create_all();
    marks[3] = now();
    report(marks, (const char *[]){"decode", "hash", "create"}, 3);
    return 0;
}
