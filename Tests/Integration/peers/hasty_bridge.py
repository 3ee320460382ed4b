"""An MQTT bridge as it should not be: acknowledges what it reads, and sends it half a second later."""

import sys
import time

import paho.mqtt.client as mqtt

waiting = []


def client(name, port):
    one = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, client_id=name, protocol=mqtt.MQTTv311, clean_session=False)
    one.connect("127.0.0.1", port)
    one.loop_start()
    return one


up = client("hasty-up", int(sys.argv[2]))
down = client("hasty-down", int(sys.argv[1]))
down.on_message = lambda client, data, message: waiting.append(message.payload)
down.subscribe("count", qos=1)
print("ready", flush=True)
while True:
    time.sleep(0.5)
    while waiting:
        up.publish("up/d", waiting.pop(0), qos=1)
