// Headgate
// SPDX-License-Identifier: Apache-2.0

// The ceiling of one Modbus link: libmodbus in a loop over one connection, which reads 200 registers with two requests
// and throws them away.
//
//     modbus_loop PORT SECONDS     prints the requests answered and the seconds they took

#include <errno.h>
#include <modbus.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { FIRST = MODBUS_MAX_READ_REGISTERS, SECOND = 200 - FIRST };

static double seconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void read_registers(modbus_t *context, int address, int count) {
    uint16_t words[MODBUS_MAX_READ_REGISTERS];
    if (modbus_read_registers(context, address, count, words) == count) return;
    fprintf(stderr, "modbus_loop: %s\n", modbus_strerror(errno));
    exit(1);
}

int main(int count, char **arguments) {
    if (count != 3) return 64;
    modbus_t *context = modbus_new_tcp("127.0.0.1", atoi(arguments[1]));
    if (context == NULL || modbus_connect(context) != 0) {
        fprintf(stderr, "modbus_loop: %s\n", modbus_strerror(errno));
        return 1;
    }
    long requests = 0;
    double start = seconds(), end = start + atof(arguments[2]);
    while (seconds() < end) {
        read_registers(context, 0, FIRST);
        read_registers(context, FIRST, SECOND);
        requests += 2;
    }
    printf("%ld %.6f\n", requests, seconds() - start);
    modbus_close(context);
    modbus_free(context);
    return 0;
}
