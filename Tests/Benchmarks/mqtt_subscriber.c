/* Takes messages at QoS 1 as fast as a broker hands them out and does nothing with them: the ceiling of a listener.
 *
 *     mqtt_subscriber PORT CLIENT TOPIC COUNT      prints the seconds between the first message and the last
 *
 * With a COUNT of 0 it only makes the session and leaves. */
#include <mosquitto.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static long wanted, taken;
static double first, last;
static const char *topic;

static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec + time.tv_nsec / 1e9;
}

static void on_connect(struct mosquitto *client, void *context, int code) {
    (void)context;
    if (code != 0) exit(1);
    mosquitto_subscribe(client, NULL, topic, 1);
}

static void on_subscribe(struct mosquitto *client, void *context, int id, int count, const int *granted) {
    (void)context, (void)id, (void)count, (void)granted;
    if (wanted == 0) mosquitto_disconnect(client);
}

static void on_message(struct mosquitto *client, void *context, const struct mosquitto_message *message) {
    (void)context, (void)message;
    last = now();
    if (taken++ == 0) first = last;
    if (taken == wanted) mosquitto_disconnect(client);
}

int main(int count, char **words) {
    if (count != 5) return 2;
    topic = words[3];
    wanted = atol(words[4]);
    mosquitto_lib_init();
    struct mosquitto *client = mosquitto_new(words[2], false, NULL);
    mosquitto_connect_callback_set(client, on_connect);
    mosquitto_subscribe_callback_set(client, on_subscribe);
    mosquitto_message_callback_set(client, on_message);
    if (mosquitto_connect(client, "127.0.0.1", atoi(words[1]), 60) != MOSQ_ERR_SUCCESS) return 1;
    mosquitto_loop_forever(client, -1, 1);
    printf("%.6f\n", last - first);
    return 0;
}
