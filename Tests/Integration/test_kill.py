"""kill -9 under load, twenty times: nothing acknowledged is lost, and no event changes under its name.

Only what the process does is tested here: the system keeps what was written though not synced, so this cannot tell a
commit that survives a power cut from one that does not.
"""

import json
import random
import threading
import time

import paho.mqtt.client as mqtt
import yaml

from conftest import free_port, wait_for
from test_mqtt_in import counting, listening

ROUNDS = 20


class Publisher:
    """Sends 1, 2, 3 … at QoS 1 and knows which the broker has acknowledged."""

    def __init__(self, port):
        self.acknowledged = 0
        self.client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, client_id="publisher", protocol=mqtt.MQTTv311)
        self.client.connect("127.0.0.1", port)
        self.client.loop_start()
        self.running = True
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def run(self):
        number = 0
        while self.running:
            number += 1
            info = self.client.publish("count", str(number), qos=1)
            info.wait_for_publish(10)
            self.acknowledged = number
            time.sleep(0.002)

    def stop(self):
        self.running = False
        self.thread.join()
        self.client.loop_stop()
        self.client.disconnect()
        return self.acknowledged


class Listener:
    """Everything that reaches the broker upstream."""

    def __init__(self, port, topic):
        self.payloads = []
        self.is_subscribed = False
        self.client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, client_id="listener", protocol=mqtt.MQTTv311)
        self.client.on_message = lambda client, data, message: self.payloads.append(message.payload)
        self.client.on_connect = lambda client, *_: client.subscribe(topic, qos=1)
        self.client.on_subscribe = lambda *_: setattr(self, "is_subscribed", True)
        self.client.connect("127.0.0.1", port)
        self.client.loop_start()

    def stop(self):
        self.client.loop_stop()
        self.client.disconnect()


def test_twenty_kills_under_load_lose_nothing(workshop):
    inside, _ = workshop.mosquitto("inside")
    outside, _ = workshop.mosquitto("outside")
    modbus = free_port()
    configuration = counting(
        workshop, inside, link={"client_id": "gateway"},
        outputs={"up": {"mqtt": f"mqtt://127.0.0.1:{outside}", "topic": "up/{device}"}})
    text = yaml.safe_load(configuration.read_text())
    (workshop.folder / "maps/fast.yaml").write_text(
        "map: fast\nversion: 1\ntitle: t\nsource: s\n"
        "modbus: { defaults: { table: holding, type: uint16, every: 20ms } }\n"
        "points: { a: { address: 0 }, b: { address: 1 } }\n"
        "examples: [{ registers: { holding: { 0: [1] } }, gives: { a: 1 } }]\n")
    text["links"]["bus"] = {"tcp": f"127.0.0.1:{modbus}"}
    text["devices"]["fast"] = {"map": "fast", "link": "bus", "unit": 1}
    configuration.write_text(yaml.safe_dump(text))
    plant = workshop.folder / "plant.json"
    plant.write_text(json.dumps({"1": {"holding": [1, 2]}}))
    workshop.python("modbus", "modbus_server.py", modbus, plant)

    heard = Listener(outside, "up/#")
    gateway = workshop.gateway(configuration)
    listening(gateway)
    publisher = Publisher(inside)
    seed = random.randrange(1 << 32)
    choose = random.Random(seed)
    for _ in range(ROUNDS):
        # A random moment is what is tested here, not something to wait for.
        threading.Event().wait(choose.uniform(0.05, 0.6))
        gateway.kill()
        gateway = workshop.gateway(configuration)
    acknowledged = publisher.stop()
    assert acknowledged > 100

    def numbers():
        events = [json.loads(payload) for payload in list(heard.payloads)]
        return {one["value"] for event in events if event["subject"] == "d" for one in event["data"].get("readings", [])
                if one["quality"] == "good"}

    wanted = set(range(1, acknowledged + 1))
    wait_for(lambda: numbers() >= wanted, seconds=60, what=f"every acknowledged number (seed {seed})")
    gateway.stop()
    heard.stop()
    events = [json.loads(payload) for payload in heard.payloads]
    by_id = {}
    for event in events:
        event["data"].pop("replayed", None)
        assert by_id.setdefault(event["id"], event) == event, "an id stands for two events"
    # Every committed reading came: the numbers of each lane have no hole.
    for lane in ("critical", "normal"):
        sequences = {int(id.rsplit("/", 1)[1]) for id in by_id if f"/{lane}/" in id}
        assert sequences == set(range(1, max(sequences) + 1)), lane
    print(f"{acknowledged} acknowledged, {len(by_id)} events, {len(events) - len(by_id)} sent twice")


def test_control_a_bridge_that_acknowledges_first_does_lose(workshop):
    """The same load and the same kills on a bridge that keeps half a second in memory: if it lost nothing, the test
    above would prove nothing."""
    inside, _ = workshop.mosquitto("inside")
    outside, _ = workshop.mosquitto("outside")
    heard = Listener(outside, "up/#")
    bridge = workshop.python("bridge", "hasty_bridge.py", inside, outside)
    wait_for(lambda: b"ready" in bridge.log.read_bytes(), what="the bridge")
    publisher = Publisher(inside)
    for _ in range(5):
        threading.Event().wait(random.uniform(0.2, 0.6))
        bridge.stop(how=9)
        bridge = workshop.python("bridge", "hasty_bridge.py", inside, outside)
        count = bridge.log.read_bytes().count(b"ready")
        wait_for(lambda: bridge.log.read_bytes().count(b"ready") > count, what="the bridge")
    acknowledged = publisher.stop()
    last = str(acknowledged).encode()
    wait_for(lambda: last in heard.payloads, what="the last number")
    heard.stop()
    assert {int(payload) for payload in heard.payloads} < set(range(1, acknowledged + 1))
