// The floor of hashing a tree: SHA-256 of every regular file below a folder with as little as Linux allows.
// getdents64, openat, fstat, read into one reused buffer, and EVP with a fetched digest and a reused context; threads
// take whole directories from a last-in first-out queue. It keeps nothing, sorts nothing and makes no tree digest.
//
// usage: treehash [-t THREADS] [-s] FOLDER      -s: only fstatat of each file, no reading
// Prints files, bytes and the exclusive-or of all digests, so that two runs can be compared.

#define _GNU_SOURCE
#include <dirent.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { READ_SIZE = 256 * 1024, LIST_SIZE = 64 * 1024 };

struct entry {
    uint64_t inode;
    int64_t offset;
    unsigned short length;
    unsigned char type;
    char name[];
};

static struct {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    char **paths;
    size_t count, room;
    int busy;
} queue = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, NULL, 0, 0, 0};

static int root, only_stat;
static EVP_MD *sha256;

struct worker {
    pthread_t thread;
    EVP_MD_CTX *context;
    char *buffer, *list;
    uint64_t files, bytes;
    unsigned char mixed[32];
};

static void fail(const char *what) {
    perror(what);
    exit(1);
}

static void push(char *path) {
    pthread_mutex_lock(&queue.lock);
    if (queue.count == queue.room) {
        queue.room = queue.room ? queue.room * 2 : 256;
        queue.paths = realloc(queue.paths, queue.room * sizeof *queue.paths);
    }
    queue.paths[queue.count++] = path;
    pthread_cond_signal(&queue.changed);
    pthread_mutex_unlock(&queue.lock);
}

// The next directory, or NULL when none is left and nobody can find more.
static char *take(int was_busy) {
    char *path = NULL;
    pthread_mutex_lock(&queue.lock);
    queue.busy -= was_busy;
    while (queue.count == 0 && queue.busy > 0) pthread_cond_wait(&queue.changed, &queue.lock);
    if (queue.count > 0) {
        path = queue.paths[--queue.count];
        queue.busy++;
    } else {
        pthread_cond_broadcast(&queue.changed);
    }
    pthread_mutex_unlock(&queue.lock);
    return path;
}

static void hash_file(struct worker *worker, int folder, const char *name) {
    int file = openat(folder, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    struct stat status;
    if (file < 0 || fstat(file, &status) != 0) fail(name);
    EVP_DigestInit_ex2(worker->context, sha256, NULL);
    for (int64_t done = 0; done < status.st_size;) {
        ssize_t count = read(file, worker->buffer, READ_SIZE);
        if (count <= 0) fail(name);
        EVP_DigestUpdate(worker->context, worker->buffer, count);
        done += count;
    }
    close(file);
    unsigned char digest[32];
    EVP_DigestFinal_ex(worker->context, digest, NULL);
    for (int i = 0; i < 32; i++) worker->mixed[i] ^= digest[i];
    worker->bytes += status.st_size;
}

static void visit(struct worker *worker, int folder, const char *path, struct entry *entry) {
    if (entry->type == DT_DIR) {
        char *child;
        if (asprintf(&child, "%s/%s", path, entry->name) < 0) fail("memory");
        push(child);
    } else if (entry->type == DT_REG) {
        worker->files++;
        struct stat status;
        if (!only_stat) {
            hash_file(worker, folder, entry->name);
        } else if (fstatat(folder, entry->name, &status, AT_SYMLINK_NOFOLLOW) == 0) {
            worker->bytes += status.st_size;
        }
    }
}

static void *work(void *argument) {
    struct worker *worker = argument;
    char *path = take(0);
    for (; path; path = take(1)) {
        int folder = openat(root, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (folder < 0) fail(path);
        long count;
        while ((count = syscall(SYS_getdents64, folder, worker->list, LIST_SIZE)) > 0) {
            for (char *next = worker->list; next < worker->list + count; next += ((struct entry *)next)->length) {
                struct entry *entry = (struct entry *)next;
                if (strcmp(entry->name, ".") && strcmp(entry->name, "..")) visit(worker, folder, path, entry);
            }
        }
        close(folder);
        free(path);
    }
    return NULL;
}

int main(int count, char **arguments) {
    int threads = sysconf(_SC_NPROCESSORS_ONLN), option;
    while ((option = getopt(count, arguments, "t:s")) != -1) {
        if (option == 't') threads = atoi(optarg);
        else if (option == 's') only_stat = 1;
        else return 2;
    }
    if (optind + 1 != count || threads < 1 || threads > 64) return 2;
    root = open(arguments[optind], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (root < 0) fail(arguments[optind]);
    sha256 = EVP_MD_fetch(NULL, "SHA2-256", NULL);
    push(strdup("."));
    struct worker workers[64] = {0};
    for (int i = 0; i < threads; i++) {
        workers[i].context = EVP_MD_CTX_new();
        workers[i].buffer = malloc(READ_SIZE);
        workers[i].list = malloc(LIST_SIZE);
        pthread_create(&workers[i].thread, NULL, work, &workers[i]);
    }
    uint64_t files = 0, bytes = 0;
    unsigned char mixed[32] = {0};
    for (int i = 0; i < threads; i++) {
        pthread_join(workers[i].thread, NULL);
        files += workers[i].files;
        bytes += workers[i].bytes;
        for (int j = 0; j < 32; j++) mixed[j] ^= workers[i].mixed[j];
    }
    printf("%lu files, %lu bytes, ", files, bytes);
    for (int i = 0; i < 32; i++) printf("%02x", mixed[i]);
    printf("\n");
    return 0;
}
