/* A ceiling: how many messages of this length can cross a Unix socket and come back, 64 on their way, between two processes
 * that do nothing else. */
#include <inttypes.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "shared/base/clock.h"
#include "shared/base/mem.h"
#include "tests/bench/load/bench.h"

#define ON_THE_WAY 64

static bool write_all(int fd, const char *bytes, size_t length)
{
    while (length > 0) {
        ssize_t sent = send(fd, bytes, length, MSG_NOSIGNAL);
        if (sent <= 0)
            return false;
        bytes += sent;
        length -= (size_t)sent;
    }
    return true;
}

static void send_back(int fd)
{
    char bytes[65536];
    ssize_t got;
    while ((got = recv(fd, bytes, sizeof bytes, 0)) > 0)
        if (!write_all(fd, bytes, (size_t)got))
            break;
}

/* Whole messages that came back until `to_us`; 0 after a failure. */
static uint64_t count_round_trips(int fd, size_t message_bytes, int64_t to_us)
{
    char *messages = mem_zalloc(ON_THE_WAY * message_bytes);
    char bytes[65536];
    uint64_t count = 0;
    size_t rest = 0; /* of a message that has come in part */
    bool is_good = write_all(fd, messages, ON_THE_WAY * message_bytes);
    while (is_good && clock_monotonic_us() < to_us) {
        ssize_t got = recv(fd, bytes, sizeof bytes, 0);
        size_t whole = got <= 0 ? 0 : (rest + (size_t)got) / message_bytes;
        is_good = got > 0 && write_all(fd, messages, whole * message_bytes);
        rest = got <= 0 ? 0 : (rest + (size_t)got) % message_bytes;
        count += whole;
    }
    mem_free(messages);
    return is_good ? count : 0;
}

int bench_echo(const struct bench_options *options)
{
    int fds[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) != 0) {
        perror("bench: socketpair");
        return 1;
    }
    pid_t other = fork();
    if (other == 0) {
        close(fds[0]);
        send_back(fds[1]);
        _exit(0);
    }
    close(fds[1]);
    int64_t to_us = clock_monotonic_us() + (int64_t)(options->run_s * 1e6);
    uint64_t count = other < 0 ? 0 : count_round_trips(fds[0], (size_t)options->text_bytes, to_us);
    close(fds[0]);
    if (other > 0)
        waitpid(other, NULL, 0);
    printf("{\"round_trips_per_s\":%.1f}\n", (double)count / options->run_s);
    return count > 0 ? 0 : 1;
}
