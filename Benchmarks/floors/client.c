#define _GNU_SOURCE
// Sends the requests of a file once each over some keep-alive connections and prints what the answers took, as JSON.
//
// usage: client PORT CONNECTIONS FILE
// FILE: for each request its length as 4 little-endian bytes, and its bytes. An answer that isn't 2xx ends the program.

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { BUFFER = 1 << 20 };

typedef struct { const char *bytes; uint32_t size; } Request;

static Request *requests;
static double *latencies;
static long request_count;
static atomic_long next_request, received;
static int port;

static void fail(const char *what, const char *detail) {
    fprintf(stderr, "client: %s: %.2000s\n", what, detail);
    exit(1);
}

static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec + time.tv_nsec / 1e9;
}

static int open_connection(void) {
    int on = 1, descriptor = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    inet_pton(AF_INET, "127.0.0.1", &address.sin_addr);
    setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (connect(descriptor, (struct sockaddr *)&address, sizeof address) != 0) fail("connect", "refused");
    return descriptor;
}

static void send_all(int descriptor, const char *bytes, size_t size) {
    while (size > 0) {
        ssize_t sent = send(descriptor, bytes, size, MSG_NOSIGNAL);
        if (sent <= 0) fail("send", "the server closed the connection");
        bytes += sent;
        size -= sent;
    }
}

// Reads one answer; the bodies of chunked answers end with their last chunk, which is read as the end of the stream.
static void read_answer(int descriptor, char *buffer) {
    size_t held = 0;
    char *end = NULL;
    while (!end) {
        ssize_t count = recv(descriptor, buffer + held, BUFFER - 1 - held, 0);
        if (count <= 0) fail("recv", "the server closed the connection");
        held += count;
        buffer[held] = 0;
        end = strstr(buffer, "\r\n\r\n");
    }
    if (strncmp(buffer, "HTTP/1.1 2", 10) != 0) fail("not 2xx", buffer);
    size_t head = end + 4 - buffer, body = held - head, wanted = 0;
    *end = 0;
    char *length = strcasestr(buffer, "\r\ncontent-length:");
    int chunked = length == NULL && strncmp(buffer + 9, "204", 3) != 0;
    if (length) wanted = strtoull(length + 17, NULL, 10);
    char tail[5] = {0};
    if (chunked && body >= 5) memcpy(tail, buffer + held - 5, 5);
    while (chunked ? memcmp(tail, "0\r\n\r\n", 5) != 0 : body < wanted) {
        ssize_t count = recv(descriptor, buffer, BUFFER, 0);
        if (count <= 0) fail("recv", "the server closed the connection");
        body += count;
        size_t kept = count < 5 ? count : 5;
        memmove(tail, tail + kept, 5 - kept);
        memcpy(tail + 5 - kept, buffer + count - kept, kept);
    }
    atomic_fetch_add(&received, body);
}

static void *work(void *unused) {
    char *buffer = malloc(BUFFER);
    int descriptor = open_connection();
    for (;;) {
        long index = atomic_fetch_add(&next_request, 1);
        if (index >= request_count) break;
        double start = now();
        send_all(descriptor, requests[index].bytes, requests[index].size);
        read_answer(descriptor, buffer);
        latencies[index] = now() - start;
    }
    close(descriptor);
    free(buffer);
    return unused;
}

static int compare(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void load(const char *path) {
    int descriptor = open(path, O_RDONLY);
    struct stat status;
    if (descriptor < 0 || fstat(descriptor, &status) != 0) fail("open", path);
    const char *bytes = mmap(NULL, status.st_size, PROT_READ, MAP_SHARED | MAP_POPULATE, descriptor, 0);
    if (bytes == MAP_FAILED) fail("mmap", path);
    for (const char *at = bytes; at < bytes + status.st_size;) {
        uint32_t size;
        memcpy(&size, at, 4);
        requests = realloc(requests, (request_count + 1) * sizeof *requests);
        requests[request_count++] = (Request){at + 4, size};
        at += 4 + size;
    }
    latencies = calloc(request_count, sizeof *latencies);
}

int main(int count, char **arguments) {
    if (count != 4) fail("usage", "client PORT CONNECTIONS FILE");
    port = atoi(arguments[1]);
    int connections = atoi(arguments[2]);
    load(arguments[3]);
    pthread_t *threads = calloc(connections, sizeof *threads);
    double start = now();
    for (int i = 0; i < connections; i++) pthread_create(&threads[i], NULL, work, NULL);
    for (int i = 0; i < connections; i++) pthread_join(threads[i], NULL);
    double seconds = now() - start;
    qsort(latencies, request_count, sizeof *latencies, compare);
    printf("{\"seconds\":%.6f,\"requests\":%ld,\"received\":%ld,\"p50\":%.6f,\"p99\":%.6f,\"max\":%.6f}\n", seconds,
           request_count, (long)received, latencies[request_count / 2], latencies[request_count * 99 / 100],
           latencies[request_count - 1]);
    return 0;
}
