/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The other end of network tests: `echo-server ADDRESS PORT` gives back what it gets, over TCP and
 * UDP; `echo-server -c ADDRESS PORT TEXT` sends TEXT in one datagram and writes the answer. The
 * busybox of the test image knows no UDP.
 */
#include <arpa/inet.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#define BUFFER_BYTES 65536
#define ANSWER_SECONDS 10

static int
make_socket(const char *text, const char *port, int type, bool listens)
{
    struct sockaddr_in v4 = { .sin_family = AF_INET, .sin_port = htons((uint16_t) atoi(port)) };
    struct sockaddr_in6 v6 = { .sin6_family = AF_INET6, .sin6_port = v4.sin_port };
    bool is_v6 = inet_pton(AF_INET, text, &v4.sin_addr) != 1;
    const struct sockaddr *address = is_v6 ? (struct sockaddr *) &v6 : (struct sockaddr *) &v4;
    socklen_t length = is_v6 ? sizeof v6 : sizeof v4;
    int fd = socket(address->sa_family, type | SOCK_CLOEXEC, 0);
    int one = 1;

    if (is_v6 && inet_pton(AF_INET6, text, &v6.sin6_addr) != 1)
        return -1;
    (void) setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if ((listens ? bind : connect)(fd, address, length) < 0 ||
        (listens && type == SOCK_STREAM && listen(fd, 64) < 0))
        return -1;
    return fd;
}

static int
serve_connection(int fd)
{
    static uint8_t buffer[BUFFER_BYTES];
    ssize_t n;

    while ((n = read(fd, buffer, sizeof buffer)) > 0) {
        for (ssize_t done = 0, m; done < n; done += m) {
            m = write(fd, buffer + done, (size_t) (n - done));
            if (m < 0)
                return 1;
        }
    }
    return 0;
}

static int
serve_tcp(int listener)
{
    int fd;

    (void) signal(SIGCHLD, SIG_IGN);
    while ((fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC)) >= 0) {
        if (fork() == 0)
            return serve_connection(fd);
        close(fd);
    }
    return 1;
}

static int
serve_udp(int fd)
{
    static uint8_t buffer[BUFFER_BYTES];
    struct sockaddr_storage peer;
    socklen_t length = sizeof peer;
    ssize_t n;

    while ((n = recvfrom(fd, buffer, sizeof buffer, 0, (struct sockaddr *) &peer, &length)) >= 0) {
        (void) sendto(fd, buffer, (size_t) n, 0, (struct sockaddr *) &peer, length);
        length = sizeof peer;
    }
    return 1;
}

static int
ask(const char *address, const char *port, const char *text)
{
    int fd = make_socket(address, port, SOCK_DGRAM, false);
    struct timeval patience = { .tv_sec = ANSWER_SECONDS };
    char answer[BUFFER_BYTES];
    ssize_t n;

    (void) setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    if (fd < 0 || send(fd, text, strlen(text), 0) < 0)
        return 1;
    n = recv(fd, answer, sizeof answer, 0);
    return n >= 0 && printf("%.*s\n", (int) n, answer) >= 0 ? 0 : 1;
}

int
main(int argc, char **argv)
{
    int tcp;
    int udp;

    if (argc == 5 && strcmp(argv[1], "-c") == 0)
        return ask(argv[2], argv[3], argv[4]);
    if (argc != 3) {
        fprintf(stderr, "usage: echo-server [-c] ADDRESS PORT [TEXT]\n");
        return 2;
    }
    tcp = make_socket(argv[1], argv[2], SOCK_STREAM, true);
    udp = make_socket(argv[1], argv[2], SOCK_DGRAM, true);
    if (tcp < 0 || udp < 0) {
        perror("echo-server");
        return 1;
    }
    printf("up\n");
    fflush(stdout);
    if (fork() != 0)
        return serve_udp(udp);
    (void) prctl(PR_SET_PDEATHSIG, SIGKILL);
    return serve_tcp(tcp);
}
