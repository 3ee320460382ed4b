"""Edge nodes of Sparkplug B: births say what there is, numbers stand for names, and what is lost is asked for again."""

import contextlib
import datetime
import json
import signal
import socket
import threading
import time

import paho.mqtt.client as mqtt
import pytest

from conftest import events_in, headgate, wait_for
from peers.edge_node import EdgeNode, fill, now, schema
from test_network_faults import memory_mb

OVEN = [
    {"name": "Zone 1/Temperature", "alias": 10, "type": "Float", "value": 180.5, "unit": "°C"},
    {"name": "Door open", "alias": 11, "type": "Boolean", "value": False},
    {"name": "Offset", "alias": 12, "type": "Int8", "value": -3},
]


class Plant:
    """A broker, a gateway that listens to `nodes`, and edge nodes."""

    def __init__(self, workshop, nodes="plant/edge", device=None, **link):
        self.workshop = workshop
        self.port, self.broker = workshop.mosquitto()
        self.out = workshop.folder / "events.jsonl"
        self.links = {"b": {"mqtt": f"mqtt://127.0.0.1:{self.port}", **link}}
        self.configuration = workshop.configuration(
            links=self.links, devices={"line": {"link": "b", "sparkplug": nodes} | (device or {})},
            outputs={"f": {"file": str(self.out)}},
        )
        self.nodes = []

    def node(self, **options):
        self.nodes.append(EdgeNode(self.port, **options))
        return self.nodes[-1]

    def gateway(self):
        gateway = self.workshop.gateway(self.configuration)
        wait_for(lambda: "subscribed" in gateway.peer.log.read_text(), what="the subscription")
        return gateway

    def readings(self, device, point):
        return [
            reading
            for event in events_in(self.out)
            if event["type"] == "headgate.telemetry.v1" and event["data"]["device"] == device
            for reading in event["data"]["readings"]
            if reading["point"] == point
        ]

    def values(self, device, point):
        return [(reading["value"], reading["quality"]) for reading in self.readings(device, point)]

    def states(self, device):
        return [
            (event["data"]["state"], event["data"].get("reason"))
            for event in events_in(self.out)
            if event["type"] == "headgate.status.v1" and event["data"]["device"] == device
        ]


@pytest.fixture
def plant(workshop):
    plants = []

    def make(**options):
        plants.append(Plant(workshop, **options))
        return plants[-1]

    yield make
    for one in plants:
        for node in one.nodes:
            node.close()


def test_births_say_what_there_is_and_numbers_stand_for_names(plant):
    one = plant()
    gateway = one.gateway()
    node = one.node(metrics=[{"name": "Uptime", "type": "UInt64", "value": 2**64 - 1}], devices={"oven 1": OVEN})
    node.birth()
    node.data({"alias": 10, "type": "Float", "value": 181.25}, {"alias": 11, "type": "Boolean", "value": True},
              {"alias": 12, "type": "Int8", "value": 5}, device="oven 1")
    names = lambda: [device["device"] for device in gateway.status()["devices"]]
    oven = wait_for(lambda: [name for name in names() if name.startswith("line.oven-1-")], what="the oven")[0]
    wait_for(lambda: one.values(oven, "Door open") == [(False, "good"), (True, "good")], what="the door's values")
    assert one.values(oven, "Zone 1/Temperature") == [(180.5, "good"), (181.25, "good")]
    assert one.values(oven, "Offset") == [(-3, "good"), (5, "good")]
    assert {reading.get("unit") for reading in one.readings(oven, "Zone 1/Temperature")} == {"Cel"}
    assert one.values("line", "Uptime") == [(18446744073709551615, "good")]
    assert one.states(oven) == [("online", None)]
    assert one.states("line") == [("online", None)]
    points = {point["point"] for point in gateway.device(oven)["points"]}
    assert points == {"Zone 1/Temperature", "Door open", "Offset"}
    assert gateway.stop() == 0


def test_every_type_that_is_a_value_is_read_as_it_was_meant(plant):
    one = plant()
    gateway = one.gateway()
    given = {
        "Int8": -128, "Int16": -32768, "Int32": -2147483648, "Int64": -(2**63), "UInt8": 255, "UInt16": 65535,
        "UInt32": 4294967295, "UInt64": 2**63 - 1, "Float": 0.1, "Double": 0.1, "Boolean": True, "String": "a\"b",
        "Text": "long", "UUID": "7f0e", "DateTime": 1795251600123,
    }
    metrics = [{"name": f"v/{kind}", "type": kind, "value": value} for kind, value in given.items()]
    motor = [{"name": "speed", "type": "Int32", "value": 1480}, {"name": "on", "type": "Boolean", "value": True}]
    metrics += [
        {"name": "nothing", "type": "Double", "null": True},
        {"name": "not a number", "type": "Double", "value": float("nan")},
        {"name": "old", "type": "Double", "value": 1.5, "quality": 500},
        {"name": "broken", "type": "Double", "value": 1.5, "quality": 0},
        {"name": "told", "type": "Double", "value": 1.5, "quality": 192},
        {"name": "motor", "type": "Int32", "value": 0, "members": motor},
        {"name": "what a motor is", "type": "Int32", "value": 0, "members": motor, "definition": True},
    ]
    for metric in metrics:
        if "members" in metric:
            metric["type"] = "Template"
    node = one.node(metrics=metrics)
    node.birth()
    node.data({"name": "motor", "type": "Template", "members": [{"name": "speed", "type": "Int32", "value": 1490}]})
    wait_for(lambda: len(one.values("line", "motor/speed")) == 2, what="the motor")
    given["DateTime"] = "2026-11-21T09:00:00.123000Z"
    for kind, value in given.items():
        assert one.values("line", f"v/{kind}") == [(value, "good")], kind
    assert one.values("line", "motor/speed") == [(1480, "good"), (1490, "good")]
    assert one.values("line", "motor/on") == [(True, "good")]
    assert one.values("line", "nothing") == [(None, "absent")]
    assert one.values("line", "not a number") == [(None, "bad")]
    assert one.values("line", "old") == [(1.5, "uncertain")]
    assert one.values("line", "broken") == [(None, "bad")]
    assert one.values("line", "told") == [(1.5, "good")]
    assert {reading["reason"] for reading in one.readings("line", "old")} == {"device_quality"}
    assert not one.values("line", "what a motor is/speed") and not one.values("line", "bdSeq")
    assert node.asked == []
    assert gateway.stop() == 0


def test_what_comes_after_a_lost_message_is_not_trusted_until_the_next_birth(plant):
    one = plant()
    gateway = one.gateway()
    node = one.node(devices={"oven": OVEN}, answers=False)
    node.birth()
    node.data({"alias": 12, "type": "Int8", "value": 1}, device="oven")
    node.data({"alias": 12, "type": "Int8", "value": 2}, device="oven", sent=False)
    node.data({"alias": 12, "type": "Int8", "value": 3}, device="oven")
    wait_for(lambda: node.asked, what="the request for a birth")
    request = node.asked[0]
    assert [(one.name, one.boolean_value) for one in request.metrics] == [("Node Control/Rebirth", True)]
    assert not request.HasField("seq")
    # A life that nobody heard begin: the same number stands for something else.
    node.devices["oven"] = [{"name": "Weight", "alias": 12, "type": "Int8", "value": 7}]
    node.birth(sent=False)
    node.data({"alias": 12, "type": "Int8", "value": 8}, device="oven")
    wait_for(lambda: len(one.values("line.oven", "Offset")) == 4, what="the readings")
    assert one.values("line.oven", "Offset") == [(-3, "good"), (1, "good"), (3, "uncertain"), (8, "uncertain")]
    assert one.readings("line.oven", "Offset")[-1]["reason"] == "sequence_gap"
    node.answers = True
    # It is asked again, more and more seldom.
    wait_for(lambda: one.values("line.oven", "Weight") == [(7, "good")], what="the birth")
    assert one.values("line.oven", "Offset")[4:] == [(None, "bad")]
    assert one.readings("line.oven", "Offset")[-1]["reason"] == "withdrawn"
    assert gateway.metric("headgate_sparkplug_lost_messages_total") == 1
    assert gateway.metric("headgate_sparkplug_rebirths_total") >= 2
    assert gateway.stop() == 0


def test_a_node_that_vanishes_takes_its_devices_with_it_and_an_old_death_ends_no_new_life(plant):
    one = plant(nodes="+/+")
    gateway = one.gateway()
    node = one.node(life=4, devices={"oven": OVEN})
    node.birth()
    wait_for(lambda: one.states("line.plant.edge.oven") == [("online", None)], what="the oven")
    node.vanish()
    wait_for(lambda: one.states("line.plant.edge.oven") == [("online", None), ("offline", "death")], what="its death")
    assert one.values("line.plant.edge.oven", "Offset") == [(-3, "good"), (None, "bad")]
    again = one.node(life=5, devices={"oven": OVEN})
    again.birth()
    wait_for(lambda: len(one.states("line.plant.edge.oven")) == 3, what="the new life")
    stale = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2)
    stale.connect("127.0.0.1", one.port)
    stale.loop_start()
    stale.publish(node.topic("NDEATH"), node.death(), qos=1).wait_for_publish(5)
    stale.loop_stop()
    wait_for(lambda: gateway.metric("headgate_mqtt_refused_messages_total", cause="stale_death") == 1, what="the death")
    again.data({"alias": 12, "type": "Int8", "value": 9}, device="oven")
    wait_for(lambda: one.values("line.plant.edge.oven", "Offset")[-1] == (9, "good"), what="the last value")
    assert [state for state, _ in one.states("line.plant.edge.oven")] == ["online", "offline", "online"]
    # One device of it says good-bye.
    again.send("DDEATH", [], "oven")
    wait_for(lambda: one.states("line.plant.edge.oven")[-1] == ("offline", "death"), what="the oven's death")
    assert one.states("line.plant.edge")[-1] == ("online", None)
    assert gateway.stop() == 0


def test_a_message_that_gives_nothing_is_a_warning_of_its_edge_node(plant):
    one = plant(nodes="plant/+")
    gateway = one.gateway()
    node = one.node(devices={"oven": OVEN})
    node.birth()
    stranger = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2)
    stranger.connect("127.0.0.1", one.port)
    stranger.loop_start()
    for _ in range(3):
        stranger.publish("spBv1.0/plant/NDATA/press", b"{}", qos=1).wait_for_publish(5)
    stranger.publish(node.topic("NBIRTH"), b"", qos=1, retain=True).wait_for_publish(5)
    stranger.loop_stop()
    def refused():
        return {w["subject"]: w for w in gateway.status()["warnings"] if w["warning"] == "message_refused"}
    wait_for(lambda: refused().get("plant/edge (malformed)"), what="the last warning")
    assert refused()["plant/press (malformed)"]["count"] == 3
    assert "spBv1.0/plant/NDATA/press" in refused()["plant/press (malformed)"]["text"]
    assert gateway.metric("headgate_mqtt_refused_messages_total", cause="malformed") == 4
    assert gateway.metric("headgate_mqtt_refused_messages_total", cause="stale_birth") == 0
    # A removed birth withdraws nothing.
    assert one.values("line.edge.oven", "Offset") == [(-3, "good")]
    assert gateway.stop() == 0


@pytest.mark.parametrize("nodes, speaks", [("plant/edge", False), ("plant/+", True)])
def test_a_gateway_that_comes_later_asks_for_births(plant, nodes, speaks):
    one = plant(nodes=nodes)
    node = one.node(devices={"oven": OVEN})
    node.birth()
    gateway = one.gateway()
    if speaks:
        node.data({"alias": 12, "type": "Int8", "value": 4}, device="oven")
    oven = "line.edge.oven" if speaks else "line.oven"
    wait_for(lambda: one.values(oven, "Offset") == [(-3, "good")], what="the birth")
    assert gateway.stop() == 0


def test_births_are_asked_for_after_the_broker_was_gone(plant):
    one = plant()
    gateway = one.gateway()
    node = one.node(devices={"oven": OVEN})
    node.birth()
    wait_for(lambda: one.values("line.oven", "Offset"), what="the birth")
    one.broker.stop(signal.SIGKILL)
    one.workshop.mosquitto("broker-2", port=one.port)
    # paho connects again by itself; the node's session of Sparkplug goes on, and nobody has told of its birth since.
    wait_for(lambda: len(one.values("line.oven", "Offset")) >= 2, seconds=40, what="the second birth")
    node.data({"alias": 12, "type": "Int8", "value": 6}, device="oven")
    wait_for(lambda: one.values("line.oven", "Offset")[-1] == (6, "good"), what="a value that is trusted")
    assert gateway.stop() == 0


def test_nodes_are_told_whether_their_primary_host_is_there(plant):
    one = plant(sparkplug_host="headgate-1")
    told = []
    watcher = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2)
    watcher.on_message = lambda client, data, message: told.append((json.loads(message.payload), message.retain))
    watcher.connect("127.0.0.1", one.port)
    watcher.subscribe("spBv1.0/STATE/headgate-1", qos=1)
    watcher.loop_start()
    gateway = one.gateway()
    wait_for(lambda: len(told) == 1, what="the birth of the host")
    gateway.kill()
    wait_for(lambda: len(told) == 2, what="its death")
    assert [message["online"] for message, _ in told] == [True, False]
    assert told[0][0]["timestamp"] == told[1][0]["timestamp"]
    gateway = one.gateway()
    wait_for(lambda: len(told) == 3, what="its second birth")
    # Somebody, or a will that comes late, says that it is gone.
    watcher.publish("spBv1.0/STATE/headgate-1", json.dumps(told[1][0]), qos=1, retain=True)
    wait_for(lambda: told[-1][0]["online"] and len(told) == 5, what="the truth")
    stopped = time.time() * 1000
    assert gateway.stop() == 0
    wait_for(lambda: not told[-1][0]["online"], what="the good-bye")
    assert stopped - 1000 <= told[-1][0]["timestamp"] <= time.time() * 1000
    watcher.loop_stop()


def statuses(one, device):
    return [(event["time"], event["data"]["state"]) for event in events_in(one.out)
            if event["type"] == "headgate.status.v1" and event["data"]["device"] == device]


def milliseconds(time):
    return datetime.datetime.fromisoformat(time.replace("Z", "+00:00")).timestamp() * 1000


def test_a_device_dies_at_the_time_of_its_death_and_a_node_when_the_host_learns_of_it(plant):
    """Sparkplug 3.0.0, 5.5 and 5.7: the will of an edge node is as old as its connection."""
    class Old(EdgeNode):
        def death(self):
            payload = schema.Payload.FromString(super().death())
            payload.timestamp -= 60_000
            return payload.SerializeToString()

    one = plant()
    gateway = one.gateway()
    node = Old(one.port, devices={"oven": OVEN, "press": OVEN})
    one.nodes.append(node)
    node.birth()
    wait_for(lambda: one.values("line.press", "Offset"), what="the births")
    died = now()
    time.sleep(2)  # The message is as old as that when it comes.
    death = schema.Payload(timestamp=died, seq=node.sequence)
    node.client.publish(node.topic("DDEATH", "oven"), death.SerializeToString(), qos=0).wait_for_publish(5)
    wait_for(lambda: len(statuses(one, "line.oven")) == 2, what="the death of the oven")
    time_of_death, state = statuses(one, "line.oven")[-1]
    assert state == "offline" and abs(milliseconds(time_of_death) - died) <= 1
    assert one.readings("line.oven", "Offset")[-1]["quality"] == "bad"
    # A device does not die before it was online, whatever its clock says.
    node.sequence += 1
    node.birth()
    wait_for(lambda: len(statuses(one, "line.oven")) == 3, what="the oven's second life")
    death = schema.Payload(timestamp=now() - 60_000, seq=node.sequence)
    node.client.publish(node.topic("DDEATH", "oven"), death.SerializeToString(), qos=0).wait_for_publish(5)
    wait_for(lambda: len(statuses(one, "line.oven")) == 4, what="its second death")
    online, offline = (milliseconds(told) for told, _ in statuses(one, "line.oven")[-2:])
    assert offline == online
    before = now()
    node.vanish()
    wait_for(lambda: len(statuses(one, "line.press")) == 2 and len(statuses(one, "line")) == 2, what="the death of the node")
    for device in ("line", "line.press"):
        time_of_death, state = statuses(one, device)[-1]
        assert state == "offline" and before <= milliseconds(time_of_death) <= now()
    assert one.readings("line.press", "Offset")[-1]["quality"] == "bad"
    assert gateway.stop() == 0


def test_messages_that_overtake_one_another_are_waited_for_as_long_as_the_configuration_says(workshop):
    """Sparkplug 3.0.0, 5.9."""
    one = Plant(workshop, device={"reorder_timeout": "60s"})
    gateway = one.gateway()
    node = one.node(devices={"oven": OVEN})
    node.birth()
    wait_for(lambda: one.values("line.oven", "Offset"), what="the birth")
    node.data({"alias": 12, "type": "Int8", "value": 1}, device="oven", sent=False)
    node.data({"alias": 12, "type": "Int8", "value": 2}, device="oven")
    wait_for(lambda: len(one.values("line.oven", "Offset")) == 2, what="the second")
    # By default it would have asked by now.
    time.sleep(3)
    assert not node.asked and one.values("line.oven", "Offset")[-1] == (2, "uncertain")
    # The first comes after all.
    node.sequence = (node.sequence - 2) % 256
    node.data({"alias": 12, "type": "Int8", "value": 1}, device="oven")
    node.sequence = (node.sequence + 1) % 256
    node.data({"alias": 12, "type": "Int8", "value": 3}, device="oven")
    wait_for(lambda: one.values("line.oven", "Offset")[-1] == (3, "good"), what="values that are trusted again")
    assert not node.asked
    assert gateway.stop() == 0
    refused = headgate("check", "-c", workshop.configuration(
        links=one.links, outputs={"o": {"stdout": True}},
        devices={"a": {"sparkplug": "p/+", "link": "b", "reorder_timeout": "2min"},
                 "b": {"map": "aqara-leak", "link": "b", "topic": "x", "reorder_timeout": "2s"}}))
    assert refused.returncode == 78
    assert "HG0122" in refused.stderr and "HG0112" in refused.stderr


class StrictBroker:
    """Answers CONNECT and, when it is told to, SUBSCRIBE, with one code for each filter; keeps what it was sent in order."""

    def __init__(self, code):
        self.code, self.packets, self.clean, self.answers = code, [], None, threading.Event()
        self.server = socket.create_server(("127.0.0.1", 0))
        self.port = self.server.getsockname()[1]
        threading.Thread(target=self.run, daemon=True).start()

    def run(self):
        try:
            connection, _ = self.server.accept()
            while head := connection.recv(1):
                length, shift = 0, 0
                while True:
                    byte = connection.recv(1)[0]
                    length |= (byte & 127) << shift
                    shift += 7
                    if byte < 128:
                        break
                body = connection.recv(length, socket.MSG_WAITALL) if length else b""
                self.take(connection, head[0] >> 4, head[0], body)
        except OSError:
            pass

    def take(self, connection, kind, head, body):
        if kind == 1:
            self.clean = bool(body[7] & 2)
            connection.sendall(b"\x20\x03\x00\x00\x00")
        elif kind == 8:
            self.packets.append("SUBSCRIBE")
            rest, count = body[3 + body[2]:], 0
            while rest:
                rest, count = rest[2 + int.from_bytes(rest[:2], "big") + 1:], count + 1
            self.answers.wait(10)
            self.packets.append("SUBACK")
            connection.sendall(bytes([0x90, 3 + count]) + body[:2] + b"\0" + bytes([self.code]) * count)
        elif kind == 3:
            topic = body[2:2 + int.from_bytes(body[:2], "big")].decode()
            self.packets.append(topic)
            if head & 6:
                connection.sendall(b"\x40\x02" + body[2 + len(topic):4 + len(topic)])
        elif kind == 12:
            connection.sendall(b"\xd0\x00")


@pytest.mark.parametrize("code, is_online", [(1, True), (0x87, False)])
def test_a_host_is_online_once_it_is_subscribed(workshop, code, is_online):
    broker = StrictBroker(code)
    gateway = workshop.gateway(workshop.configuration(
        links={"b": {"mqtt": f"mqtt://127.0.0.1:{broker.port}", "sparkplug_host": "headgate-1"}},
        devices={"line": {"link": "b", "sparkplug": "plant/+"}}, outputs={"f": {"file": str(workshop.folder / "x.jsonl")}}))
    wait_for(lambda: broker.packets, what="the subscription")
    time.sleep(1)
    assert broker.packets == ["SUBSCRIBE"] and broker.clean
    broker.answers.set()
    wait_for(lambda: "SUBACK" in broker.packets, what="the answer")
    if is_online:
        wait_for(lambda: broker.packets == ["SUBSCRIBE", "SUBACK", "spBv1.0/STATE/headgate-1"], what="that it is online")
    else:
        time.sleep(1)
        assert "spBv1.0/STATE/headgate-1" not in broker.packets
        wait_for(lambda: any(one["warning"] == "subscription_refused" for one in gateway.status()["warnings"]), what="the warning")


def test_mistakes_are_told_before_anything_is_opened(workshop):
    path = workshop.configuration(
        links={"b": {"mqtt": "mqtt://127.0.0.1:1", "share": "both"}, "m": {"tcp": "127.0.0.1:502"},
               "s": {"mqtt": "mqtt://127.0.0.1:2", "sparkplug_host": "a/b"}},
        devices={
            "a": {"link": "b", "sparkplug": "plant/+"}, "c": {"link": "m", "sparkplug": "plant/+"},
            "d": {"link": "s", "sparkplug": "plant"}, "e": {"link": "s", "sparkplug": "plant/x", "map": "eastron-sdm630"},
            "f": {"link": "s", "sparkplug": "plant/y", "topic": "t"}, "g": {"link": "s", "sparkplug": "plant/y"},
        },
    )
    result = headgate("check", "--config", path)
    assert result.returncode == 78
    for part in ("HG0210", "HG0202", "HG0119", "HG0229", "HG0112", "HG0211"):
        assert part in result.stderr, (part, result.stderr)


@contextlib.contextmanager
def stranger(plant):
    """Publishes at the broker of a plant: `stranger(topic, payload)`."""
    client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, client_id="stranger")
    client.connect("127.0.0.1", plant.port)
    client.loop_start()
    yield lambda topic, payload: client.publish(topic, payload.SerializeToString(), qos=1).wait_for_publish(30)
    client.disconnect()
    client.loop_stop()


def test_births_without_end_take_up_bounded_memory(workshop):
    """A million metrics of ever new nodes: some that are read, most that are not, and a number for each."""
    plant = Plant(workshop, nodes="plant/+")
    gateway = plant.gateway()
    before = memory_mb(gateway.pid)
    with stranger(plant) as send:
        def say(kind, node, metrics, sequence):
            payload = schema.Payload(timestamp=now(), seq=sequence)
            for metric in metrics:
                fill(payload.metrics.add(), born=kind == "NDATA", **metric)
            send(f"spBv1.0/plant/{kind}/node-{node}", payload)

        for node in range(250):
            metrics = [
                {"name": f"metric {node} {number}", "alias": number, "type": "Double", "value": 1.0} for number in range(4_000)]
            for metric in metrics[100:]:
                metric |= {"type": "DataSet"}
            say("NBIRTH", node, metrics, 0)
        # Who was there first goes on.
        say("NDATA", 0, [{"alias": 0, "type": "Double", "value": 21.5}], 1)
        wait_for(lambda: (21.5, "good") in plant.values("line.node-0", "metric 0 0"), 120, what="the reading")
        assert memory_mb(gateway.pid) < before + 60


def test_long_texts_without_end_take_up_bounded_memory(workshop):
    plant = Plant(workshop, nodes="plant/+")
    gateway = plant.gateway()
    before = memory_mb(gateway.pid)
    nodes = 30
    with stranger(plant) as send:
        for node in range(nodes):
            payload = schema.Payload(timestamp=now(), seq=0)
            for number in range(16):
                text = f"{node} {number} ".ljust(60_000, "x")
                fill(payload.metrics.add(), born=False, name=f"text {number}", alias=number, type="String", value=text)
            send(f"spBv1.0/plant/NBIRTH/node-{node}", payload)
    last = f"line.node-{nodes - 1}"
    wait_for(lambda: plant.out.exists() and f'"{nodes - 1} 15 x' in plant.out.read_text(), 60, what="the last text")
    grown = memory_mb(gateway.pid) - before
    assert len(plant.values(last, "text 15")[0][0]) == 60_000
    shown = {point["point"]: point for point in gateway.device(last)["points"]}
    assert (shown["text 15"]["quality"], shown["text 15"]["reason"]) == ("bad", "too_long")
    first = {point["point"]: point for point in gateway.device("line.node-0")["points"]}
    assert first["text 0"]["value"].startswith("0 0 x")
    print(f"{nodes * 16 * 60_000 >> 20} MiB of texts, {grown:.0f} MB more memory")
    assert grown < 70, grown
