// Headgate
// SPDX-License-Identifier: Apache-2.0

// A Modbus TCP server for the benchmarks: units with holding and input registers that wander, over several connections.
// Prints the loopback port it listens on; runs until SIGTERM and then prints how many requests came. Given a file, it
// writes there when each came: the unit, and microseconds of the monotonic clock.
//
// Answers are libmodbus'. Requests are received here: one recv instead of libmodbus' three selects and three recvs, so
// that the server is not what a fast client waits for.

#include <arpa/inet.h>
#include <modbus.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
    UNITS = 32,  // any unit but one is answered, by the remainder
    SILENT = 240,
    REGISTERS = 256,
    CONNECTIONS = 32,
    UNIT = 6,    // where the unit stands, behind the header
    HEADER = 6,  // transaction, protocol, length (MODBUS Messaging on TCP/IP V1.0b, 3.1.3)
    UPDATE_MS = 10,
    STEP = 8,
};

typedef struct {
    uint8_t bytes[4 * MODBUS_TCP_MAX_ADU_LENGTH];
    size_t filled;
} Received;

static struct pollfd sockets[1 + CONNECTIONS];  // the first one listens
static Received received[1 + CONNECTIONS];
static modbus_mapping_t *units[UNITS];
static long requests;
static FILE *arrivals;
static volatile sig_atomic_t is_ended;

static void fail(const char *what) {
    perror(what);
    exit(1);
}

static int listen_on_loopback(void) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof address;
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (listener < 0 || bind(listener, (struct sockaddr *)&address, length) < 0 || listen(listener, 8) < 0
        || getsockname(listener, (struct sockaddr *)&address, &length) < 0)
        fail("listen");
    printf("%d\n", ntohs(address.sin_port));
    fflush(stdout);
    return listener;
}

static void accept_connection(void) {
    int client = accept(sockets[0].fd, NULL, NULL), on = 1;
    if (client < 0) return;
    setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    for (int i = 1; i <= CONNECTIONS; i++) {
        if (sockets[i].fd >= 0) continue;
        sockets[i].fd = client;
        received[i].filled = 0;
        return;
    }
    close(client);
}

static void drop(int i) {
    close(sockets[i].fd);
    sockets[i].fd = -1;
}

static long long microseconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000000LL + now.tv_nsec / 1000;
}

static void answer(modbus_t *context, int i) {
    Received *in = &received[i];
    ssize_t count = recv(sockets[i].fd, in->bytes + in->filled, sizeof in->bytes - in->filled, 0);
    if (count <= 0) {
        drop(i);
        return;
    }
    in->filled += (size_t)count;
    modbus_set_socket(context, sockets[i].fd);
    while (in->filled >= HEADER) {
        size_t length = HEADER + (size_t)(in->bytes[4] << 8 | in->bytes[5]);
        if (length > MODBUS_TCP_MAX_ADU_LENGTH) {
            drop(i);
            return;
        }
        if (in->filled < length) return;
        if (arrivals) fprintf(arrivals, "%d %lld\n", in->bytes[UNIT], microseconds());
        if (in->bytes[UNIT] != SILENT) modbus_reply(context, in->bytes, (int)length, units[in->bytes[UNIT] % UNITS]);
        requests++;
        in->filled -= length;
        memmove(in->bytes, in->bytes + length, in->filled);
    }
}

/// Lets every register take a step up or down, a walk as measured values take it; each unit goes its own way.
static void wander(void) {
    static unsigned seed = 1;  // the same walks in every run
    for (int unit = 0; unit < UNITS; unit++) {
        for (int i = 0; i < REGISTERS; i++) {
            int step = rand_r(&seed) % (2 * STEP + 1) - STEP;
            units[unit]->tab_registers[i] = (uint16_t)(units[unit]->tab_registers[i] + step);
            units[unit]->tab_input_registers[i] = units[unit]->tab_registers[i];
        }
    }
}

static void make_units(void) {
    for (int unit = 0; unit < UNITS; unit++) {
        units[unit] = modbus_mapping_new(0, 0, REGISTERS, REGISTERS);
        if (units[unit] == NULL) fail("libmodbus");
        for (int i = 0; i < REGISTERS; i++) units[unit]->tab_registers[i] = (uint16_t)(20000 + 50 * i);
    }
}

static void end(int signal) {
    (void)signal;
    is_ended = 1;
}

static long milliseconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
    return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

int main(int count, char **words) {
    if (count > 1 && (arrivals = fopen(words[1], "w")) == NULL) fail(words[1]);
    modbus_t *context = modbus_new_tcp(NULL, MODBUS_TCP_DEFAULT_PORT);
    if (context == NULL) fail("libmodbus");
    make_units();
    for (int i = 0; i <= CONNECTIONS; i++) sockets[i] = (struct pollfd){.fd = -1, .events = POLLIN};
    sockets[0].fd = listen_on_loopback();

    signal(SIGTERM, end);

    long updated = 0;
    while (!is_ended) {
        if (poll(sockets, 1 + CONNECTIONS, UPDATE_MS) < 0) continue;
        if (milliseconds() - updated >= UPDATE_MS) {
            wander();
            updated = milliseconds();
        }
        if (sockets[0].revents) accept_connection();
        for (int i = 1; i <= CONNECTIONS; i++) {
            if (sockets[i].fd >= 0 && sockets[i].revents) answer(context, i);
        }
    }
    if (arrivals && fclose(arrivals) != 0) fail(words[1]);
    printf("%ld\n", requests);
    return 0;
}
