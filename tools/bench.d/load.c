/* The load client of tools/bench: the same for every server, so that only the server differs.
 *
 *   load once  PORT REQUEST_FILE -c CLIENTS -n REQUESTS -t SECONDS     a connection per request
 *   load keep  PORT REQUEST_FILE -c CLIENTS -n REQUESTS -d DEPTH -t SECONDS
 *   load echo  PORT -m MIB -t SECONDS                                  one stream, both ways
 *   load idle  PORT REQUEST_FILE -c CONNECTIONS -t SECONDS             held until stdin ends
 *   load spawn -n RUNS -t SECONDS -x STATUS -- PROGRAM ARGUMENT...     time of a whole process,
 *                                              whose exit status must not be above STATUS (0)
 *
 * It only ever connects to 127.0.0.1, and every run ends: after its count or after -t seconds.
 * A first request alone shows what a good reply is (framed by its header); after that every byte of
 * every reply is compared with it. Each line of output is one JSON object; exit 0 only when all
 * replies were good.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

extern char **environ;

enum { CHUNK = 1024 * 1024, MOST_CLIENTS = 20000, MOST_ERRORS = 100, REPLY_MAX = 65536 };

static struct sockaddr_in server = {.sin_family = AF_INET};
static char request[4096], reply[REPLY_MAX], in[CHUNK];
static size_t request_length, reply_length;
static long clients = 32, count = 1000, depth = 1, mib = 64, worst_status = 0;
static double timeout = 20, deadline;

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void die(const char *format, ...) {
    va_list args;
    va_start(args, format);
    fputs("load: ", stderr);
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
    exit(2);
}

static int connect_blocking(void) {
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;
    if (fd < 0) die("socket: %s", strerror(errno));
    struct timeval limit = {.tv_sec = 5};
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (connect(fd, (struct sockaddr *)&server, sizeof server) < 0)
        die("connect: %s", strerror(errno));
    return fd;
}

static void set_nonblocking(int fd) { fcntl(fd, F_SETFL, O_NONBLOCK); }

/* How long the message is that begins in `data`; 0 when that cannot be said yet. */
static size_t message_length(const char *data, size_t have) {
    if (have < 2) return 0;
    size_t header = (size_t)(unsigned char)data[0] << 8 | (unsigned char)data[1];
    if (have < 2 + header) return 0;
    const char *key = memmem(data + 2, header, "\"content-length\":", 17);
    if (!key) die("the reply's header has no content-length");
    return 2 + header + strtoul(key + 17, NULL, 10);
}

/* One request alone. It fixes the reply that all others are compared with. */
static void warm_up(void) {
    int fd = connect_blocking();
    if (send(fd, request, request_length, MSG_NOSIGNAL) != (ssize_t)request_length)
        die("first request: %s", strerror(errno));
    size_t have = 0, want = 0;
    while (want == 0 || have < want) {
        ssize_t got = recv(fd, reply + have, sizeof reply - have - 1, 0);
        if (got <= 0)
            die("no reply to the first request: %s", got ? strerror(errno) : "closed");
        have += (size_t)got;
        reply[have] = 0;
        want = message_length(reply, have);
        if (want >= sizeof reply) die("the first reply is too long");
    }
    if (have != want) die("the first reply has %zu bytes, its header says %zu", have, want);
    reply_length = want;
    close(fd);
}

/* A connection that asks. `got` counts the bytes of the reply that has begun. */
struct client {
    int fd;
    long in_flight;
    size_t got, to_send, sent;
};

static struct client *table;
static char *requests;  /* the request repeated, so that any batch is one send from any offset */
static int epoll;
static long issued, answered, errors, first_errno;

static void failed(int why) {
    if (errors++ == 0) first_errno = why;
}

/* Compares what came with the reply it must be. Gives the count of replies now complete, or -1. */
static long take(struct client *c, const char *data, size_t length) {
    long whole = 0;
    while (length) {
        size_t part = reply_length - c->got < length ? reply_length - c->got : length;
        if (memcmp(data, reply + c->got, part) != 0) return -1;
        data += part;
        length -= part;
        c->got += part;
        if (c->got == reply_length) c->got = 0, whole++;
    }
    return whole;
}

static void watch(struct client *c, int operation, unsigned events) {
    struct epoll_event event = {.events = events, .data.ptr = c};
    if (epoll_ctl(epoll, operation, c->fd, &event) < 0) die("epoll_ctl: %s", strerror(errno));
}

/* Sends what is due. 0: all of it, 1: the socket is full, -1: the connection is gone. */
static int push(struct client *c) {
    while (c->to_send) {
        size_t offset = c->sent % request_length;
        size_t most = (size_t)(depth + 1) * request_length - offset;
        ssize_t sent = send(c->fd, requests + offset, c->to_send < most ? c->to_send : most,
                            MSG_NOSIGNAL);
        if (sent < 0) return errno == EAGAIN || errno == ENOTCONN ? 1 : -1;
        c->sent += (size_t)sent;
        c->to_send -= (size_t)sent;
    }
    return 0;
}

/* Connects, and sends at once: on loopback the handshake is over when connect() returns. */
static void once_start(struct client *c) {
    while (issued < count && errors < MOST_ERRORS) {
        issued++;
        c->got = c->sent = 0;
        c->in_flight = 1;
        c->to_send = request_length;
        c->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        if (c->fd < 0) die("socket: %s", strerror(errno));
        if (connect(c->fd, (struct sockaddr *)&server, sizeof server) < 0 && errno != EINPROGRESS) {
            failed(errno);
            close(c->fd);
            continue;
        }
        int state = push(c);
        if (state >= 0) {
            watch(c, EPOLL_CTL_ADD, state ? EPOLLIN | EPOLLOUT : EPOLLIN | EPOLLRDHUP);
            return;
        }
        failed(errno);
        close(c->fd);
    }
    c->fd = -1;
}

/* Over when the server closed: so the reply is known to be the only one, and TIME_WAIT is its. */
static void once_event(struct client *c, unsigned events) {
    if (c->to_send) {
        int state = push(c);
        if (state > 0) return;
        if (state < 0) goto over;
        watch(c, EPOLL_CTL_MOD, EPOLLIN | EPOLLRDHUP);
        if (!(events & EPOLLIN)) return;
    }
    ssize_t got = 1;
    if (c->in_flight || !(events & EPOLLRDHUP)) {
        got = recv(c->fd, in, sizeof in, 0);
        if (got < 0 && errno == EAGAIN) return;
        if (got > 0) {
            long whole = take(c, in, (size_t)got);
            if (whole < 0 || whole > c->in_flight) {
                errno = EBADMSG;
                goto over;
            }
            if (whole) answered++;
            c->in_flight -= whole;
        }
    }
    if (got > 0 && !(events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR))) return;
    if (got > 0 && c->in_flight) return; /* the rest is still to be read */
    if (got == 0) errno = EPIPE;
over:
    if (c->in_flight || c->got || got < 0) failed(errno ? errno : EBADMSG);
    close(c->fd);
    once_start(c);
}

static void keep_ask(struct client *c, long more) {
    if (more > count - issued) more = count - issued;
    issued += more;
    c->in_flight += more;
    c->to_send += (size_t)more * request_length;
}

static void keep_event(struct client *c, unsigned events) {
    if (events & (EPOLLIN | EPOLLHUP | EPOLLERR)) {
        ssize_t got = recv(c->fd, in, sizeof in, 0);
        if (got < 0 && errno == EAGAIN) return;
        long whole = got > 0 ? take(c, in, (size_t)got) : -1;
        if (whole < 0 || whole > c->in_flight) {
            failed(got > 0 ? EBADMSG : got == 0 ? EPIPE : errno);
            close(c->fd);
            c->fd = -1;
            return;
        }
        answered += whole;
        c->in_flight -= whole;
        keep_ask(c, whole);
    }
    int before = (events & EPOLLOUT) != 0, state = push(c);
    if (state < 0) {
        failed(errno);
        close(c->fd);
        c->fd = -1;
    } else if (state != before) {
        watch(c, EPOLL_CTL_MOD, state ? EPOLLIN | EPOLLOUT : EPOLLIN);
    }
}

static int run_requests(int keep) {
    warm_up();
    table = calloc((size_t)clients, sizeof *table);
    requests = malloc((size_t)(depth + 1) * request_length);
    for (long i = 0; i <= depth; i++)
        memcpy(requests + (size_t)i * request_length, request, request_length);
    epoll = epoll_create1(EPOLL_CLOEXEC);
    if (keep)
        for (long i = 0; i < clients; i++) {
            table[i].fd = connect_blocking();
            set_nonblocking(table[i].fd);
        }
    double start = now();
    for (long i = 0; i < clients; i++) {
        if (keep) {
            watch(&table[i], EPOLL_CTL_ADD, EPOLLIN);
            keep_ask(&table[i], depth);
            keep_event(&table[i], 0);
        } else {
            once_start(&table[i]);
        }
    }
    struct epoll_event events[256];
    double end = start;
    int late = 0;
    while (answered + errors < count && errors < MOST_ERRORS) {
        int ready = epoll_wait(epoll, events, 256, 200);
        end = now();
        if (end > deadline) {
            late = 1;
            break;
        }
        for (int i = 0; i < ready; i++) {
            struct client *c = events[i].data.ptr;
            if (c->fd < 0) continue;
            if (keep) keep_event(c, events[i].events);
            else once_event(c, events[i].events);
        }
        if (keep && errors) break; /* what that connection had in flight never comes */
    }
    end = now();
    printf("{\"requests\": %ld, \"seconds\": %.6f, \"errors\": %ld, \"first_error\": \"%s\", "
           "\"timed_out\": %s, \"reply_bytes\": %zu}\n",
           answered, end - start, errors, errors ? strerror((int)first_errno) : "",
           late ? "true" : "false", reply_length);
    return answered == count && !errors ? 0 : 1;
}

/* Sends MIB mebibytes and reads them back at the same time; MB/s is one way, in 10^6 bytes. Full
 * comparison for the first 16 MiB, after that the first and last 64 bytes of every read. */
static int run_echo(void) {
    enum { PERIOD = 65521, FULLY = 16 << 20, EDGE = 64 };
    static char pattern[PERIOD + CHUNK];
    unsigned state = 1;
    for (int i = 0; i < PERIOD; i++) {
        state = state * 1103515245 + 12345;
        pattern[i] = (char)(state >> 16);
    }
    for (int i = PERIOD; i < PERIOD + CHUNK; i++) pattern[i] = pattern[i - PERIOD];
    size_t total = (size_t)mib << 20, sent = 0, got = 0;
    int fd = connect_blocking(), damaged = 0;
    set_nonblocking(fd);
    const char *end_reason = "";
    double start = now();
    while (got < total) {
        int idle = 1;
        if (sent < total) {
            size_t part = total - sent < CHUNK ? total - sent : CHUNK;
            ssize_t n = send(fd, pattern + sent % PERIOD, part, MSG_NOSIGNAL);
            if (n > 0) sent += (size_t)n, idle = 0;
            else if (errno != EAGAIN) { end_reason = strerror(errno); break; }
        }
        ssize_t n = recv(fd, in, sizeof in, 0);
        if (n > 0) {
            size_t length = (size_t)n;
            const char *expected = pattern + got % PERIOD;
            if (got < FULLY || length <= 2 * EDGE)
                damaged |= memcmp(in, expected, length) != 0;
            else
                damaged |= memcmp(in, expected, EDGE) != 0
                        || memcmp(in + length - EDGE, expected + length - EDGE, EDGE) != 0;
            got += length;
            idle = 0;
        } else if (n == 0) {
            end_reason = "closed early";
            break;
        } else if (errno != EAGAIN) {
            end_reason = strerror(errno);
            break;
        }
        if (damaged) { end_reason = "other bytes came back"; break; }
        if (idle) {
            struct pollfd p = {.fd = fd, .events = sent < total ? POLLIN | POLLOUT : POLLIN};
            poll(&p, 1, 200);
            if (now() > deadline) { end_reason = "timed out"; break; }
        }
    }
    double seconds = now() - start;
    printf("{\"bytes\": %zu, \"sent\": %zu, \"seconds\": %.6f, \"mb_per_s\": %.1f, "
           "\"error\": \"%s\"}\n",
           got, sent, seconds, (double)got / 1e6 / seconds, end_reason);
    return got == total && !damaged ? 0 : 1;
}

/* Opens the connections, says so, holds them until stdin ends, then asks again and counts the
 * connections that the server has ended meanwhile. */
static int run_idle(void) {
    warm_up();
    int *fds = malloc((size_t)clients * sizeof *fds);
    double start = now();
    for (long i = 0; i < clients; i++) {
        fds[i] = connect_blocking();
        set_nonblocking(fds[i]);
        if (now() > deadline) die("only %ld connections in %.0f s", i, timeout);
    }
    printf("{\"open\": %ld, \"seconds\": %.3f}\n", clients, now() - start);
    fflush(stdout);
    struct pollfd input = {.fd = 0, .events = POLLIN};
    char byte;
    while (now() < deadline)
        if (poll(&input, 1, 200) > 0 && read(0, &byte, 1) <= 0) break;
    start = now();
    char before[REPLY_MAX];
    size_t length = reply_length;
    memcpy(before, reply, length);
    warm_up();
    int same = reply_length == length && memcmp(before, reply, length) == 0;
    double seconds = now() - start;
    long closed = 0;
    for (long i = 0; i < clients; i++)
        if (recv(fds[i], &byte, 1, MSG_PEEK) >= 0 || errno != EAGAIN) closed++;
    printf("{\"good\": %s, \"reply_ms\": %.3f, \"closed_by_server\": %ld}\n",
           same ? "true" : "false", seconds * 1e3, closed);
    return same && closed == 0 ? 0 : 1;
}

static int by_size(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static volatile pid_t spawned;

static void end_spawned(int signal) {
    (void)signal;
    if (spawned > 0) kill(spawned, SIGKILL);
}

static double seconds_of(struct timeval t) { return (double)t.tv_sec + (double)t.tv_usec / 1e6; }

/* From posix_spawn to the end of wait4, the program's output thrown away; its processor time and
 * the peak of its memory. That peak has a floor, this small program's own resident size, because
 * the kernel counts from before the exec. */
static int run_spawn(char **argv) {
    if (!argv[0]) die("spawn: which program?");
    double *ms = malloc((size_t)count * sizeof *ms), *cpu_ms = malloc((size_t)count * sizeof *ms);
    long most_kib = 0;
    posix_spawn_file_actions_t quiet;
    posix_spawn_file_actions_init(&quiet);
    posix_spawn_file_actions_addopen(&quiet, 1, "/dev/null", O_WRONLY, 0);
    struct sigaction on_alarm = {.sa_handler = end_spawned, .sa_flags = SA_RESTART};
    sigaction(SIGALRM, &on_alarm, NULL);
    for (long i = 0; i < count; i++) {
        pid_t pid;
        int status;
        struct rusage used;
        double start = now();
        if (start > deadline) die("%s: timed out after %ld runs", argv[0], i);
        int error = posix_spawn(&pid, argv[0], &quiet, NULL, argv, environ);
        if (error) die("%s: %s", argv[0], strerror(error));
        spawned = pid;
        alarm((unsigned)(deadline - start) + 1);
        wait4(pid, &status, 0, &used);
        ms[i] = (now() - start) * 1e3;
        spawned = 0;
        alarm(0);
        if (now() > deadline) die("%s: timed out", argv[0]);
        if (!WIFEXITED(status) || WEXITSTATUS(status) > worst_status)
            die("%s failed (wait status %d)", argv[0], status);
        cpu_ms[i] = (seconds_of(used.ru_utime) + seconds_of(used.ru_stime)) * 1e3;
        if (used.ru_maxrss > most_kib) most_kib = used.ru_maxrss;
    }
    qsort(ms, (size_t)count, sizeof *ms, by_size);
    qsort(cpu_ms, (size_t)count, sizeof *cpu_ms, by_size);
    printf("{\"runs\": %ld, \"median_ms\": %.4f, \"min_ms\": %.4f, \"max_ms\": %.4f, "
           "\"cpu_median_ms\": %.4f, \"peak_memory_kib\": %ld}\n",
           count, ms[count / 2], ms[0], ms[count - 1], cpu_ms[count / 2], most_kib);
    return 0;
}

static void read_request(const char *path) {
    FILE *file = fopen(path, "rb");
    if (!file) die("%s: %s", path, strerror(errno));
    request_length = fread(request, 1, sizeof request, file);
    fclose(file);
    if (!request_length) die("%s is empty", path);
}

int main(int argc, char **argv) {
    const char *mode = argc > 1 ? argv[1] : "";
    int option;
    while ((option = getopt(argc, argv, "c:n:d:m:t:x:")) != -1) {
        switch (option) {
        case 'c': clients = atol(optarg); break;
        case 'n': count = atol(optarg); break;
        case 'd': depth = atol(optarg); break;
        case 'm': mib = atol(optarg); break;
        case 't': timeout = atof(optarg); break;
        case 'x': worst_status = atol(optarg); break;
        default: return 2;
        }
    }
    /* getopt has moved the operands after the options: MODE PORT FILE, or MODE PROGRAM ... */
    char **operand = argv + optind;
    int operands = argc - optind;
    if (clients < 1 || clients > MOST_CLIENTS || count < 1 || depth < 1 || depth > 1024 || mib < 1
        || mib > 65536 || timeout <= 0 || timeout > 120)
        die("a number is out of range");
    struct rlimit files;
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    deadline = now() + timeout;
    if (strcmp(mode, "spawn") == 0) return run_spawn(operand + 1);
    if (operands < 2) die("usage: see the head of load.c");
    server.sin_port = htons((unsigned short)atoi(operand[1]));
    server.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (strcmp(mode, "echo") == 0) return run_echo();
    if (operands < 3) die("usage: see the head of load.c");
    read_request(operand[2]);
    if (strcmp(mode, "once") == 0) return run_requests(0);
    if (strcmp(mode, "keep") == 0) return run_requests(1);
    if (strcmp(mode, "idle") == 0) return run_idle();
    die("no such mode: %s", mode);
}
