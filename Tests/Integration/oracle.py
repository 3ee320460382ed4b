"""What has to be true whatever happens. Obligations come from acknowledgements alone: a number that a broker has
acknowledged to its publisher has to reach the broker upstream, or a gap has to tell that it is lost."""

import json
import os
import threading
import time

import paho.mqtt.client as mqtt

from conftest import wait_for


class Publisher:
    """Sends 1, 2, 3 … at QoS 1 and knows which the broker has acknowledged."""

    def __init__(self, port, topic="count", pause=0.002):
        self.acknowledged = 0
        self.topic = topic
        self.pause = pause
        self.client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, client_id="publisher", protocol=mqtt.MQTTv311)
        self.client.connect("127.0.0.1", port)
        self.client.loop_start()
        wait_for(self.client.is_connected, what="the publisher's connection")
        self.running = True
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def run(self):
        number = 0
        while self.running:
            number += 1
            info = self.client.publish(self.topic, str(number), qos=1)
            # A broker that ends with its test ends this too.
            while info.rc == mqtt.MQTT_ERR_SUCCESS and not info.is_published() and self.client.is_connected():
                time.sleep(0.0005)
            if info.rc != mqtt.MQTT_ERR_SUCCESS or not info.is_published():
                return
            self.acknowledged = number
            time.sleep(self.pause)

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
        wait_for(lambda: self.is_subscribed, what="the listener")
        self.parsed = []

    @property
    def events(self):
        """In the order of their arrival."""
        while len(self.parsed) < len(self.payloads):
            self.parsed.append(json.loads(self.payloads[len(self.parsed)]))
        return self.parsed

    def numbers(self, subject="d"):
        return {one["value"] for event in list(self.events) if event["subject"] == subject
                for one in event["data"].get("readings", []) if one["quality"] == "good"}

    def stop(self):
        self.client.loop_stop()
        self.client.disconnect()


def sequence(event):
    return int(event["id"].rsplit("/", 1)[1])


def lane(event):
    return event["id"].rsplit("/", 2)[1]


def gaps(events):
    return [event["data"] for event in events if event["type"] == "headgate.gap.v1"]


class Verdict:
    """What a list of events, in the order of their arrival, proves against the acknowledged numbers."""

    def __init__(self, events, acknowledged, subject="d"):
        numbers = {one["value"] for event in events if event["subject"] == subject
                   for one in event["data"].get("readings", []) if one["quality"] == "good"}
        self.acknowledged = acknowledged
        self.missing = sorted(set(range(1, acknowledged + 1)) - numbers)
        self.conflicts, self.twice, self.disorder = [], 0, []
        seen, last = {}, {}
        for event in events:
            plain = json.loads(json.dumps(event))
            replayed = plain["data"].pop("replayed", False)
            if event["id"] in seen:
                self.twice += 1
                if seen[event["id"]] != plain:
                    self.conflicts.append(event["id"])
                continue
            seen[event["id"]] = plain
            # Within one epoch numbers follow the order of events; over epochs they go on, or begin far above.
            way = (event["subject"], lane(event), replayed)
            if sequence(event) < last.get(way, 0):
                self.disorder.append(event["id"])
            last[way] = sequence(event)
        self.events = len(seen)
        self.seen = seen
        self.gaps = gaps(seen.values())

    def holes(self, of_lane):
        """Numbers of a lane that neither an event has nor a gap tells of."""
        known = {sequence(event) for event in self.seen.values() if lane(event) == of_lane}
        for gap in self.gaps:
            if gap["lane"] == of_lane and gap["count"] > 0:
                known.update(range(gap["first"], gap["last"] + 1))
        return sorted(set(range(1, max(known, default=0) + 1)) - known)

    def check(self, context=""):
        assert not self.conflicts, f"{context}: an id stands for two events: {self.conflicts[:3]}"
        assert not self.disorder, f"{context}: out of order: {self.disorder[:3]}"
        untold = self.missing if not self.gaps else []
        assert not untold, (
            f"{context}: {len(untold)} of {self.acknowledged} acknowledged are lost, {untold[0]} first, and no gap says so")

    def check_nothing_lost(self, context=""):
        self.check(context)
        assert not self.missing, (
            f"{context}: {len(self.missing)} of {self.acknowledged} acknowledged are lost, {self.missing[0]} first")

    def report(self, what, rounds):
        """A line of the table that `deploy/test --long` prints."""
        print(f"{rounds} {what}: {self}")
        if path := os.environ.get("HEADGATE_REPORT"):
            with open(path, "a") as table:
                table.write(f"| {what} | {rounds:,} | {self.acknowledged:,} | {len(self.missing)} | {self.twice:,} |"
                            f" {len(self.disorder)} | {len(self.gaps)} |\n")

    def __str__(self):
        return (f"{self.acknowledged} acknowledged, {self.events} events, {self.twice} twice, {len(self.missing)} missing,"
                f" {len(self.gaps)} gaps")
