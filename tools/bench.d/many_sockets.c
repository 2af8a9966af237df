/* Many established TCP sockets in several processes, for tools/bench. Loopback only.
 *
 *   many_sockets [-n CONNECTIONS] [-t SECONDS]
 *
 * Four server and four client processes share CONNECTIONS (50,000) connections, which are twice as
 * many sockets. Server i listens on 127.0.0.(1+i):700(1+i), client i connects to it from
 * 127.0.0.(5+i), so that no pair of addresses needs more ephemeral ports than there are. Two of the
 * connections go to one more listener, 127.0.0.1:7000, and 127.0.0.4:7005 listens without clients: six
 * listeners. No socket is shared by two processes.
 *
 * When all are accepted it prints one line, "READY connections N established N listeners N
 * processes N", and holds them until stdin ends, at most SECONDS (300) from its start. Every end
 * resets the connections (SO_LINGER 0), so that no TIME_WAIT remains; the processes end with
 * their parent. Exit status: 0 held until stdin ended, 2 it could not be done.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum {
    PAIRS = 4,
    PROCESSES = 2 * PAIRS,
    ONE_PORT = 7000,        /* the listener with two connections */
    FIRST_PORT = 7001,      /* of server 0; server i has the i-th after it */
    IDLE_PORT = 7005,       /* the listener without a connection */
    LISTENERS = PAIRS + 2,
    ON_ONE_PORT = 2,
    SPARE_DESCRIPTORS = 100,
    BACKLOG = 4096,
    MOST_SECONDS = 900,
    OPENING_SECONDS = 60,
};

static long connections = 50000, seconds = 300;
static pid_t children[PROCESSES];

static void die(const char *format, ...) {
    va_list args;
    va_start(args, format);
    fputs("many_sockets: ", stderr);
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
    exit(2);
}

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static struct sockaddr_in address(int last_byte, int port) {
    return (struct sockaddr_in){
        .sin_family = AF_INET,
        .sin_port = htons((unsigned short)port),
        .sin_addr.s_addr = htonl(0x7f000000u | (unsigned)last_byte),
    };
}

static int new_socket(void) {
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) die("socket: %s", strerror(errno));
    struct linger reset = {.l_onoff = 1, .l_linger = 0};
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
    return fd;
}

/* Accepted sockets inherit SO_LINGER. SO_REUSEADDR is for what others left in TIME_WAIT. */
static int listener(int last_byte, int port) {
    int fd = new_socket(), on = 1;
    struct sockaddr_in here = address(last_byte, port);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(fd, (struct sockaddr *)&here, sizeof here) < 0 || listen(fd, BACKLOG) < 0)
        die("listener on 127.0.0.%d:%d: %s", last_byte, port, strerror(errno));
    return fd;
}

static void accept_some(int fd, long count) {
    for (long i = 0; i < count; i++)
        if (accept4(fd, NULL, NULL, SOCK_CLOEXEC) < 0)
            die("accept of connection %ld of %ld: %s", i + 1, count, strerror(errno));
}

static void connect_some(int from, int to, int port, long count) {
    struct sockaddr_in here = address(from, 0), there = address(to, port);
    int on = 1;
    for (long i = 0; i < count; i++) {
        int fd = new_socket();
        /* The port is chosen at connect, where only the whole pair of addresses must be new. */
        setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on);
        if (bind(fd, (struct sockaddr *)&here, sizeof here) < 0
            || connect(fd, (struct sockaddr *)&there, sizeof there) < 0)
            die("connection %ld of %ld from 127.0.0.%d to 127.0.0.%d:%d: %s", i + 1, count, from,
                to, port, strerror(errno));
    }
}

static long share(int pair) { return connections / PAIRS + (pair < connections % PAIRS); }

static void say(int pipe_end) {
    if (write(pipe_end, "", 1) != 1) exit(2);
}

static void hold(void) {
    for (;;) pause();
}

/* Says a byte when it listens and another when it has accepted all. */
static void serve(int pair, int pipe_end) {
    int many = listener(1 + pair, FIRST_PORT + pair), one = -1;
    if (pair == 0) one = listener(1, ONE_PORT);
    if (pair == PAIRS - 1) listener(1 + pair, IDLE_PORT);
    say(pipe_end);
    if (one >= 0) accept_some(one, ON_ONE_PORT);
    accept_some(many, share(pair) - (one >= 0 ? ON_ONE_PORT : 0));
    say(pipe_end);
    hold();
}

/* Says a byte when it has connected all. */
static void ask(int pair, int pipe_end) {
    long on_one = pair == 0 ? ON_ONE_PORT : 0;
    connect_some(5 + pair, 1, ONE_PORT, on_one);
    connect_some(5 + pair, 1 + pair, FIRST_PORT + pair, share(pair) - on_one);
    say(pipe_end);
    hold();
}

static void start(int slot, void (*work)(int, int), int pipe_end) {
    pid_t parent = getpid(), pid = fork();
    if (pid < 0) die("fork: %s", strerror(errno));
    if (pid > 0) {
        children[slot] = pid;
        return;
    }
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) exit(2);
    alarm((unsigned)seconds);
    int nothing = open("/dev/null", O_RDWR);
    if (nothing < 0 || dup2(nothing, 0) < 0 || dup2(nothing, 1) < 0)
        die("/dev/null: %s", strerror(errno));
    close(nothing);
    work(slot % PAIRS, pipe_end);
}

static void a_child_is_gone(void) {
    if (waitpid(-1, NULL, WNOHANG) > 0) die("one of the processes has ended early");
}

/* Until `wanted` children have said their byte. */
static void wait_for(int pipe_end, int wanted, double deadline) {
    struct pollfd p = {.fd = pipe_end, .events = POLLIN};
    char byte;
    while (wanted > 0) {
        if (now() > deadline) die("not ready after %d s", OPENING_SECONDS);
        if (poll(&p, 1, 100) > 0 && read(pipe_end, &byte, 1) == 1) wanted--;
        else a_child_is_gone();
    }
}

static void check_limits(void) {
    if (connections < PAIRS + ON_ONE_PORT || connections > 250000 || seconds < 1
        || seconds > MOST_SECONDS)
        die("a number is out of range");
    struct rlimit files;
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    if ((rlim_t)share(0) + SPARE_DESCRIPTORS > files.rlim_cur)
        die("%ld descriptors a process are needed, RLIMIT_NOFILE is %llu", share(0),
            (unsigned long long)files.rlim_cur);
}

int main(int argc, char **argv) {
    int option, ends[2];
    while ((option = getopt(argc, argv, "n:t:")) != -1) {
        switch (option) {
        case 'n': connections = atol(optarg); break;
        case 't': seconds = atol(optarg); break;
        default: return 2;
        }
    }
    check_limits();
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    double begin = now();
    if (pipe(ends) < 0) die("pipe: %s", strerror(errno));
    for (int i = 0; i < PAIRS; i++) start(i, serve, ends[1]);
    wait_for(ends[0], PAIRS, begin + OPENING_SECONDS);
    for (int i = 0; i < PAIRS; i++) start(PAIRS + i, ask, ends[1]);
    wait_for(ends[0], PROCESSES, begin + OPENING_SECONDS);
    printf("READY connections %ld established %ld listeners %d processes %d\n", connections,
           2 * connections, LISTENERS, PROCESSES);
    fflush(stdout);

    struct pollfd input = {.fd = 0, .events = POLLIN};
    char byte;
    int ended = 0;
    while (!ended) {
        if (now() > begin + (double)seconds) die("stdin did not end within %ld s", seconds);
        if (poll(&input, 1, 500) > 0) ended = read(0, &byte, 1) <= 0;
        else a_child_is_gone();
    }
    for (int i = 0; i < PROCESSES; i++) kill(children[i], SIGKILL);
    for (int i = 0; i < PROCESSES; i++) waitpid(children[i], NULL, 0);
    return 0;
}
