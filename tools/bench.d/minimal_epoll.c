/* The floor: the least that a server can do. For tools/bench, never for use.
 *
 *   minimal_epoll close|keep REQUEST_LENGTH REPLY_FILE
 *   minimal_epoll echo
 *
 * It knows the length of every request beforehand and answers each with the same bytes, so what it
 * costs is the kernel's price for accept, read, write and close, and next to nothing of its own.
 *   close: one reply a connection; reads right after accept4, so that a request that is already
 *          there costs no epoll_ctl.
 *   keep:  counts bytes per connection, so it gives as many replies as whole requests came.
 *   echo:  one connection after the other, a blocking recv and send loop.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

enum { EVENTS = 256, READ_AT_ONCE = 65536, ACCEPT_AT_ONCE = 64 };

static char in[READ_AT_ONCE];
static char *replies;       /* the reply, repeated for the most requests one read can hold */
static size_t reply_length, request_length;
static unsigned *pending;   /* per descriptor: bytes of the request that has begun */
static int keep, epoll;

static void die(const char *what) { perror(what); exit(2); }

/* Reads once and answers. 1: the connection is over, 0: more is to come. */
static int serve(int fd) {
    ssize_t got = recv(fd, in, sizeof in, 0);
    if (got < 0) return errno != EAGAIN;
    if (got == 0) return 1;
    size_t have = pending[fd] + (size_t)got;
    size_t whole = have / request_length;
    pending[fd] = (unsigned)(have % request_length);
    if (whole == 0) return 0;
    if (!keep) whole = 1;
    size_t total = whole * reply_length;
    /* The load client reads all the time, so a short send is its fault and ends the connection. */
    if (send(fd, replies, total, MSG_NOSIGNAL) != (ssize_t)total) return 1;
    return !keep;
}

/* One stream at a time is all that the benchmark asks for. */
static void echo_forever(int listener) {
    static char stream[256 * 1024]; /* four times 64 KiB moves about a third more */
    fcntl(listener, F_SETFL, 0);
    for (;;) {
        int fd = accept(listener, NULL, NULL);
        if (fd < 0) die("accept");
        for (ssize_t got; (got = recv(fd, stream, sizeof stream, 0)) > 0;)
            for (ssize_t done = 0, n; done < got; done += n)
                if ((n = send(fd, stream + done, (size_t)(got - done), MSG_NOSIGNAL)) <= 0) goto over;
    over:
        close(fd);
    }
}

static void accept_some(int listener) {
    for (int i = 0; i < ACCEPT_AT_ONCE; i++) {
        int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0) return;
        pending[fd] = 0;
        if (keep) {
            int on = 1;
            setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        } else if (serve(fd)) {
            close(fd);
            continue;
        }
        struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
        if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) < 0) die("epoll_ctl");
    }
}

static void read_arguments(char **argv) {
    keep = strcmp(argv[1], "keep") == 0;
    request_length = strtoul(argv[2], NULL, 10);
    if (request_length == 0) {
        fprintf(stderr, "minimal_epoll: a request has at least one byte\n");
        exit(2);
    }
    char reply[4096];
    FILE *file = fopen(argv[3], "rb");
    if (!file) die(argv[3]);
    reply_length = fread(reply, 1, sizeof reply, file);
    fclose(file);
    size_t most = READ_AT_ONCE / request_length + 2;
    replies = malloc(most * reply_length);
    for (size_t i = 0; i < most; i++) memcpy(replies + i * reply_length, reply, reply_length);
}

int main(int argc, char **argv) {
    int echo = argc == 2 && strcmp(argv[1], "echo") == 0;
    if (!echo && argc != 4) {
        fprintf(stderr, "usage: minimal_epoll close|keep REQUEST_LENGTH REPLY_FILE, or echo\n");
        return 2;
    }
    if (!echo) read_arguments(argv);

    struct rlimit files;
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    /* Only the pages of descriptors that are used become resident. */
    pending = calloc(files.rlim_max < 1 << 20 ? files.rlim_max : 1 << 20, sizeof *pending);

    int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), on = 1;
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    struct sockaddr_in addr = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof addr;
    if (bind(listener, (struct sockaddr *)&addr, length) < 0) die("bind");
    if (listen(listener, 1024) < 0) die("listen");
    getsockname(listener, (struct sockaddr *)&addr, &length);
    printf("Listening on 127.0.0.1:%d\n", ntohs(addr.sin_port));
    fflush(stdout);

    if (echo) echo_forever(listener);

    epoll = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event event = {.events = EPOLLIN, .data.fd = listener}, events[EVENTS];
    epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &event);
    for (;;) {
        int count = epoll_wait(epoll, events, EVENTS, -1);
        for (int i = 0; i < count; i++) {
            int fd = events[i].data.fd;
            if (fd == listener) accept_some(listener);
            else if (serve(fd)) close(fd);
        }
    }
}
