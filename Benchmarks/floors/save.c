// The floor of a first save: what any program must spend to store a tree by the digests of its chunks on a server that
// trusts nobody, phase by phase.
//   read      every file with one open, read and close, and its SHA-256: what the tree digest is made of
//   name      SHA-256 of each chunk: 512 KiB of the files one after another, ordered by what their names end with
//   compress  each chunk as one zstd frame, level 3
//   check     the server's part: each frame decompressed, SHA-256 of what came out
//   store     each frame as a file of its own, and a sync of their file system
// Left out: cutting by content, the archive's headers, the list of members, every question and answer, the network, the
// catalog. Finding the members and sorting them comes first and is not timed.
//
// usage: save [-t THREADS] SOURCE TARGET      TARGET must not exist
// Prints one JSON object: wall and CPU seconds of each phase.

#include "tree.h"

enum { CHUNK = 512 * 1024 };

struct chunk {
    char *from, *frame;
    size_t raw, size;
    unsigned char digest[32];
};

static struct chunk *chunks;
static size_t chunk_count, room;
static int source, target;
static EVP_MD *sha256;

static const char *ending(const struct member *member) {
    const char *dot = strrchr(strrchr(member->path, '/'), '.');
    return dot ? dot : "";
}

static int by_ending(const void *left, const void *right) {
    int order = strcmp(ending(left), ending(right));
    return order ? order : strcmp(((const struct member *)left)->path, ((const struct member *)right)->path);
}

static void digest(EVP_MD_CTX *context, const void *bytes, size_t count, unsigned char *digest) {
    EVP_DigestInit_ex2(context, sha256, NULL);
    EVP_DigestUpdate(context, bytes, count);
    EVP_DigestFinal_ex(context, digest, NULL);
}

static void *read_all(void *unused) {
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    unsigned char of_file[32];
    for (size_t i; (i = taken()) < member_count;) {
        load(source, &members[i]);
        if (!members[i].link) digest(context, content + members[i].offset, members[i].status.st_size, of_file);
    }
    EVP_MD_CTX_free(context);
    return unused;
}

static void *name(void *unused) {
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    for (size_t i; (i = taken()) < chunk_count;) digest(context, chunks[i].from, chunks[i].raw, chunks[i].digest);
    EVP_MD_CTX_free(context);
    return unused;
}

static void *compress(void *unused) {
    ZSTD_CCtx *context = ZSTD_createCCtx();
    for (size_t i; (i = taken()) < chunk_count;) {
        chunks[i].size = ZSTD_compressCCtx(context, chunks[i].frame, room, chunks[i].from, chunks[i].raw, 3);
    }
    ZSTD_freeCCtx(context);
    return unused;
}

static void *check(void *unused) {
    ZSTD_DCtx *decoder = ZSTD_createDCtx();
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    char *buffer = malloc(CHUNK);
    unsigned char found[32];
    for (size_t i; (i = taken()) < chunk_count;) {
        if (ZSTD_decompressDCtx(decoder, buffer, CHUNK, chunks[i].frame, chunks[i].size) != chunks[i].raw) exit(1);
        digest(context, buffer, chunks[i].raw, found);
        if (memcmp(found, chunks[i].digest, sizeof found) != 0) exit(1);
    }
    free(buffer);
    EVP_MD_CTX_free(context);
    ZSTD_freeDCtx(decoder);
    return unused;
}

static void *store(void *unused) {
    for (size_t i; (i = taken()) < chunk_count;) {
        char path[32];
        snprintf(path, sizeof path, "%zu", i);
        int file = openat(target, path, O_WRONLY | O_CREAT | O_EXCL, 0644);
        if (file < 0 || write(file, chunks[i].frame, chunks[i].size) != (ssize_t)chunks[i].size) fail(path);
        close(file);
    }
    return unused;
}

// Memory is touched before the clock starts: a program that works piece by piece uses little of it again and again.
static void cut(void) {
    chunk_count = (content_size + CHUNK - 1) / CHUNK;
    chunks = calloc(chunk_count + 1, sizeof *chunks);
    room = ZSTD_compressBound(CHUNK);
    char *frames = malloc(chunk_count * room + 1);
    if (!chunks || !frames) fail("memory");
    memset(content, 1, content_size);
    memset(frames, 1, chunk_count * room);
    for (size_t i = 0; i < chunk_count; i++) {
        chunks[i].from = content + i * CHUNK;
        chunks[i].frame = frames + i * room;
        chunks[i].raw = i + 1 < chunk_count ? CHUNK : content_size - i * CHUNK;
    }
}

int main(int count, char **arguments) {
    char **named = folders_of(count, arguments);
    walk(named[0]);
    qsort(members, member_count, sizeof *members, by_ending);
    place();
    cut();
    source = open(named[0], O_RDONLY | O_DIRECTORY);
    target = open(named[1], O_RDONLY | O_DIRECTORY);
    sha256 = EVP_MD_fetch(NULL, "SHA2-256", NULL);
    struct mark marks[6] = {now()};
    in_threads(read_all);
    marks[1] = now();
    in_threads(name);
    marks[2] = now();
    in_threads(compress);
    marks[3] = now();
    in_threads(check);
    marks[4] = now();
    in_threads(store);
    if (syncfs(target) != 0) fail(named[1]);
    marks[5] = now();
    report(marks, (const char *[]){"read", "name", "compress", "check", "store"}, 5);
    return 0;
}
