"""The gateway as an edge node of Sparkplug B: read by pysparkplug, which keeps to births and their aliases alone, and by another
gateway."""

import json
import time

import paho.mqtt.client as mqtt
import pytest
import yaml
from pysparkplug import DBirth, DData, DDeath, NBirth, NData, NDeath
from pysparkplug._protobuf import sparkplug_b_pb2 as schema

from conftest import events_in, free_port, headgate, wait_for
from test_avro import MACHINE
from test_mqtt_in import listening

KINDS = {"NBIRTH": NBirth, "NDEATH": NDeath, "NDATA": NData, "DBIRTH": DBirth, "DDEATH": DDeath, "DDATA": DData}


class Host:
    """Listens to an edge node, and holds it to the order of its messages (Sparkplug 3.0.0, 5.5 to 5.12)."""

    def __init__(self, port, state=None):
        self.births, self.facts, self.kinds, self.sessions, self.deaths, self.faults = {}, [], [], [], [], []
        self.sequence, self.online = None, set()
        self.client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, client_id=f"host-{free_port()}")
        self.client.on_message = lambda _, __, message: self.take(message)
        self.client.connect("127.0.0.1", port)
        subscribed = []
        self.client.on_subscribe = lambda *_: subscribed.append(1)
        self.client.subscribe("spBv1.0/#", qos=1)
        self.client.loop_start()
        wait_for(lambda: subscribed, what="the subscription")

    def take(self, message):
        try:
            self.read(message.topic.split("/"), message.payload)
        except Exception as error:
            self.faults.append(f"{message.topic}: {error!r}")

    def read(self, levels, raw):
        kind, device = levels[2], levels[4] if len(levels) > 4 else None
        if kind not in KINDS:
            return
        payload = KINDS[kind].decode(raw, birth=self.births.get(device) if kind.endswith("DATA") else None)
        metrics = schema.Payload.FromString(raw).metrics
        if kind == "NDEATH":
            self.deaths.append(payload.bd_seq_metric.value)
            assert self.sessions[-1:] == self.deaths[-1:], "the death of another session"
            self.online = set()
            self.kinds.append((kind, device))
            return
        if kind == "NBIRTH":
            named = {metric.name: metric.value for metric in payload.metrics}
            assert payload.seq == 0 and named["Node Control/Rebirth"] is False
            self.sessions.append(named["bdSeq"])
            self.online, self.births = {None}, {}
        else:
            assert payload.seq == (self.sequence + 1) % 256, f"{payload.seq} after {self.sequence}"
        self.sequence = payload.seq
        if kind.endswith("BIRTH"):
            self.births[device] = payload
            self.online.add(device)
        elif kind == "DDEATH":
            self.online.remove(device)
        elif kind.endswith("DATA"):
            assert device in self.online, "data of what is not there"
            assert not any(metric.name for metric in metrics), "a name where an alias is enough"
        # All of a message at once: a test looks at them meanwhile.
        self.facts += [self.fact(kind, device, metric, plain)
                       for metric, plain in zip(getattr(payload, "metrics", ()), metrics)]
        self.kinds.append((kind, device))

    @staticmethod
    def fact(kind, device, metric, plain):
        assert metric.timestamp
        properties = dict(zip(plain.properties.keys, plain.properties.values))
        return {
            "kind": kind, "device": device, "name": metric.name, "value": metric.value, "at": metric.timestamp,
            "type": metric.datatype.name, "historical": plain.is_historical, "null": plain.is_null,
            "quality": properties["Quality"].int_value if "Quality" in properties else None,
            "unit": properties["engUnit"].string_value if "engUnit" in properties else None,
            "reason": properties["reason"].string_value if "reason" in properties else None}

    def all(self, **wanted):
        return [fact for fact in list(self.facts) if all(fact[key] == value for key, value in wanted.items())]

    def values(self, name, kind="DDATA"):
        return [fact["value"] for fact in self.all(name=name, kind=kind)]

    def say(self, topic, payload, retain=False):
        self.client.publish(topic, payload, qos=1, retain=retain).wait_for_publish()

    def rebirth(self, node="test-1"):
        payload = schema.Payload(timestamp=1)
        payload.metrics.add(name="Node Control/Rebirth", datatype=11, boolean_value=True)
        self.say(f"spBv1.0/plant/NCMD/{node}", payload.SerializeToString())

    def close(self):
        self.client.disconnect()
        self.client.loop_stop()
        assert not self.faults, self.faults[:5]


class Plant:
    def __init__(self, workshop):
        self.workshop, self.hosts = workshop, []
        self.floor, _ = workshop.mosquitto("floor")
        self.centre, self.way = free_port(), None
        maps = workshop.folder / "maps"
        maps.mkdir()
        self.map = maps / "machine.yaml"
        self.write(MACHINE)
        self.out = workshop.folder / "events.jsonl"

    def write(self, machine, offline_after="never"):
        machine = machine | {"mqtt": {"payload": "json", "offline_after": offline_after}}
        self.map.write_text(yaml.safe_dump(machine, sort_keys=False))

    def broker(self, **settings):
        """The centre's; the way there from the gateway is a proxy."""
        if not self.way:
            self.way = self.workshop.proxy(self.centre)
        return self.workshop.mosquitto("centre", self.centre, **settings)[1]

    def host(self):
        self.hosts.append(Host(self.centre))
        return self.hosts[-1]

    def gateway(self, more=None, raw="keep", **sparkplug):
        output = {"mqtt": f"mqtt://127.0.0.1:{self.way.port}", "format": "sparkplug", "sparkplug": {"group": "plant"} | sparkplug}
        configuration = self.workshop.configuration(
            maps=str(self.workshop.folder / "maps"), links={"floor": {"mqtt": f"mqtt://127.0.0.1:{self.floor}"}},
            devices={"saw-1": {"map": "machine", "link": "floor", "topic": "saw/1"}},
            rules={"fast": {"when": "speed > 1200 '/min'", "priority": "high"},
                   "hall": {"when": "@saw-1.parts > 100"}},
            windows={"w": {"every": "1s", "lateness": "100ms", "points": ["parts"], "raw": raw, "functions": ["count", "max"]}},
            outputs={"scada": output | (more or {}), "local": {"file": str(self.out)}})
        gateway = self.workshop.gateway(configuration)
        listening(gateway)
        return gateway

    def saw(self, *messages):
        """What the device says."""
        client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2)
        client.connect("127.0.0.1", self.floor)
        client.loop_start()
        for message in messages:
            client.publish("saw/1", json.dumps(message), qos=1).wait_for_publish(10)
        client.disconnect()
        client.loop_stop()

    def parts(self, *numbers):
        self.saw(*[{"parts": number} for number in numbers])


@pytest.fixture
def plant(workshop):
    plant = Plant(workshop)
    yield plant
    for host in plant.hosts:
        host.close()


def test_births_tell_what_there_is_and_data_follows_them(plant):
    plant.write(MACHINE, offline_after="3s")
    plant.broker()
    host = plant.host()
    gateway = plant.gateway()
    wait_for(lambda: ("NBIRTH", None) in host.kinds, what="the birth of the edge node")
    plant.saw({"speed": 1000.5, "parts": 7, "running": True, "program": "é", "state": 1, "oil": 20, "late": 1 << 40})
    # `late` goes by a lane of its own, so in another message.
    wait_for(lambda: host.values("oil") and host.values("late"), what="data")
    born = {fact["name"]: fact for fact in host.all(kind="DBIRTH", device="saw-1")}
    types = {"speed": "DOUBLE", "parts": "INT64", "running": "BOOLEAN", "program": "STRING", "state": "STRING", "oil": "DOUBLE",
             "late": "INT64", "Headgate/events": "STRING"}
    assert {name: born[name]["type"] for name in types} == types
    assert born["speed"]["unit"] == "/min" and born["oil"]["unit"] == "[degF]"
    assert (born["Headgate/alarms/fast"]["type"], born["Headgate/alarms/fast"]["value"]) == ("BOOLEAN", False)
    assert host.all(kind="NBIRTH", name="Headgate/alarms/hall", value=False) and "Headgate/alarms/hall" not in born
    found = {name: host.values(name) for name in types}
    assert found == {"speed": [1000.5], "parts": [7], "running": [True], "program": ["é"], "state": ["cutting"],
                     "oil": [68.0], "late": [1 << 40], "Headgate/events": []}
    plant.saw({"speed": 9000, "oil": None}, {"speed": 1100})
    wait_for(lambda: len(host.values("speed")) == 3, what="two more")
    told = [(fact["value"], fact["quality"], fact["reason"]) for fact in host.all(name="speed", kind="DDATA")]
    assert told == [(1000.5, None, None), (9000.0, 0, "out_of_range"), (1100.0, 192, None)]
    assert [(fact["null"], fact["quality"]) for fact in host.all(name="oil", kind="DDATA")][-1] == (True, 0)
    # Alarms and windows are metrics too.
    plant.saw({"speed": 1300})
    wait_for(lambda: host.values("Headgate/alarms/fast"), what="the alarm")
    assert json.loads(host.values("Headgate/events")[-1])["data"]["rule"] == "fast"
    wait_for(lambda: host.values("parts/w/max"), what="the window")
    assert host.values("parts/w/max") == [7] and host.values("parts/w/count") == [1]
    assert host.values("parts/w/unusable") == [0] and host.values("parts/w/late") == [0]
    # A device that is silent dies, and is born again with what is known of it.
    wait_for(lambda: ("DDEATH", "saw-1") in host.kinds, what="its death")
    plant.parts(8)
    wait_for(lambda: "saw-1" in host.online and host.values("parts")[-1] == 8, what="its birth")
    gateway.stop()
    wait_for(lambda: ("NDEATH", None) in host.kinds, what="the death of the edge node")


def test_an_edge_node_is_born_again_when_it_is_asked_to_be(plant):
    plant.broker()
    host = plant.host()
    plant.gateway()
    plant.parts(1)
    wait_for(lambda: host.values("parts") == [1], what="data")
    host.rebirth("another")
    host.rebirth()
    wait_for(lambda: len(host.sessions) == 2, what="the second birth")
    wait_for(lambda: host.kinds.count(("DBIRTH", "saw-1")) >= 2, what="the device's second birth")
    assert host.all(kind="DBIRTH", name="parts")[-1]["value"] == 1
    assert host.sessions == [host.sessions[0]] * 2, "the session is the same"
    # Who comes late learns it all.
    late = plant.host()
    late.rebirth()
    wait_for(lambda: late.births.get("saw-1"), what="births")
    plant.parts(2)
    wait_for(lambda: late.values("parts") == [2], what="data")


def test_what_a_broker_missed_comes_as_history(plant):
    plant.write(MACHINE, offline_after="3s")
    plant.broker()
    host = plant.host()
    gateway = plant.gateway(more={"backlog": "in_order"})
    plant.parts(1, 2)
    wait_for(lambda: host.values("parts") == [1, 2], what="data")
    plant.way.refuse()
    plant.parts(*range(3, 50))
    wait_for(lambda: any(reading["value"] == 49 for event in events_in(plant.out) if "readings" in event["data"]
                         for reading in event["data"]["readings"]), what="the commit")
    wait_for(lambda: gateway.device("saw-1")["state"] == "offline", what="silence")
    # What is sent more than 10 s after its commit is history.
    wait_for(lambda: min(lane["oldest_age_seconds"] for lane in gateway.output("scada")["lanes"] if lane["waiting_events"]) > 10,
             what="that all that waits is older than 10 s")
    wait_for(lambda: host.kinds[-1] == ("NDEATH", None), what="the will")
    plant.way.mend()
    wait_for(lambda: 49 in host.values("parts"), what="the backlog")
    plant.parts(50)
    wait_for(lambda: host.values("parts")[-1] == 50, what="what is fresh")
    told = [(fact["value"], fact["historical"]) for fact in host.all(name="parts", kind="DDATA") if not fact["null"]]
    # The birth may have told of the second already: then the first is older than that.
    assert told[0][0] == 1
    assert told[1:] == [(2, False), *((number, True) for number in range(3, 50)), (50, False)]
    assert len(set(host.sessions)) == 2


def test_a_node_killed_dies_at_the_broker(plant):
    plant.broker()
    host = plant.host()
    gateway = plant.gateway()
    plant.parts(1)
    wait_for(lambda: host.values("parts") == [1], what="data")
    gateway.kill()
    wait_for(lambda: ("NDEATH", None) in host.kinds, what="the will")


def test_it_waits_for_its_primary_host(plant):
    plant.broker()
    host = plant.host()
    state = "spBv1.0/STATE/scada"
    host.say(state, json.dumps({"online": False, "timestamp": 5}), retain=True)
    gateway = plant.gateway(primary_host="scada")
    plant.parts(1)
    wait_for(lambda: "primary host scada is not online" in (gateway.output("scada").get("last_error") or ""), what="the wait")
    host.say(state, json.dumps({"online": True, "timestamp": 4}))  # A birth that came late.
    host.rebirth()
    plant.parts(1)
    wait_for(lambda: plant.out.read_text().count('"parts"') >= 2, what="the commit")
    assert not host.kinds
    host.say(state, json.dumps({"online": True, "timestamp": 6}), retain=True)
    wait_for(lambda: host.values("parts") == [1, 1], what="data")
    host.say(state, json.dumps({"online": False, "timestamp": 7}), retain=True)
    wait_for(lambda: host.kinds[-1] == ("NDEATH", None), what="the node's leave")
    plant.parts(2)
    wait_for(lambda: any(reading["value"] == 2 for event in events_in(plant.out) for reading in event["data"].get("readings", [])),
             what="the commit")
    seen = len(host.kinds)
    host.say(state, json.dumps({"online": True, "timestamp": 8}), retain=True)
    wait_for(lambda: host.values("parts")[-1:] == [2], what="what waited")
    assert host.kinds[seen][0] == "NBIRTH" and len(set(host.sessions)) == 2
    host.say(state, "", retain=True)


def test_a_rule_of_no_device_is_the_edge_nodes(plant):
    plant.broker()
    host = plant.host()
    plant.gateway()
    plant.parts(101)
    wait_for(lambda: host.values("Headgate/alarms/hall", "NDATA") == [True], what="the alarm")
    host.rebirth()
    wait_for(lambda: host.all(name="Headgate/alarms/hall", kind="NBIRTH", value=True), what="the alarm in the birth")


def test_an_alarm_that_is_under_way_is_in_the_births_of_the_next_start(plant):
    plant.broker()
    host = plant.host()
    gateway = plant.gateway()
    plant.saw({"speed": 1300})
    wait_for(lambda: host.values("Headgate/alarms/fast"), what="the alarm")
    gateway.stop()
    wait_for(lambda: ("NDEATH", None) in host.kinds, what="its end")
    seen = len(host.facts)
    plant.gateway()
    plant.saw({"speed": 1301})
    wait_for(lambda: len(host.values("Headgate/alarms/fast")) == 2, what="that it goes on")
    told = [(fact["kind"], fact["value"], fact["quality"]) for fact in host.facts[seen:]
            if fact["name"] == "Headgate/alarms/fast"]
    assert len(set(host.sessions)) == 2, "another session, also after another start"
    # Nobody knows whether it goes on before a reading says so, which may be before the birth.
    assert told[0] in (("DBIRTH", True, 0), ("DBIRTH", True, 192)) and all(value for _, value, _ in told), told
    assert told[-1][0] == "DDATA" and told[-1][2] in (192, None), told


def test_points_of_which_only_windows_are_told_are_in_no_birth(plant):
    plant.broker()
    host = plant.host()
    plant.gateway(raw="drop")
    plant.saw({"parts": 5, "speed": 3})
    wait_for(lambda: host.values("parts/w/max") == [5] and host.values("speed") == [3], what="the window")
    host.rebirth()
    wait_for(lambda: len(host.sessions) == 2 and host.online == {None, "saw-1"}, what="births")
    assert not host.all(name="parts") and host.all(name="parts/w/max", kind="DBIRTH", value=5)


def test_a_birth_that_the_broker_refuses_is_no_birth(plant, workshop):
    acl = workshop.folder / "acl"
    acl.write_text("topic deny spBv1.0/plant/DBIRTH/#\ntopic readwrite #\n")
    broker = plant.broker(acl_file=acl)
    host = plant.host()
    gateway = plant.gateway()
    plant.parts(1)
    wait_for(lambda: "refuses a birth" in (gateway.output("scada").get("last_error") or ""), what="the refusal")
    assert not host.values("parts") and gateway.output("scada")["dead_letters"] == 0
    plant.way.refuse()
    broker.stop()
    plant.broker()
    later = plant.host()
    plant.way.mend()
    wait_for(lambda: later.values("parts") == [1], what="what waited")
    host.faults.clear()


def test_another_gateway_reads_it(plant, workshop):
    plant.broker()
    out = workshop.folder / "host.jsonl"
    host = workshop.configuration(
        "host.yaml", gateway="host-1", state=str(workshop.folder / "host"),
        links={"centre": {"mqtt": f"mqtt://127.0.0.1:{plant.centre}"}},
        devices={"hall": {"sparkplug": "plant/+", "link": "centre"}}, outputs={"f": {"file": str(out)}})
    plant.gateway(more={"allow": [{"points": ["parts", "oil"]}], "units": {"[degF]": "K"}})
    workshop.gateway(host)
    # Who was not there for the birth asks for another, once it hears of the node.
    wait_for(lambda: plant.saw({"oil": 1}) or out.exists() and "hall.test-1.saw-1" in out.read_text(), what="the edge node")
    plant.parts(*range(300))
    plant.saw({"oil": 26.85, "speed": 1})

    def readings(point):
        return [(reading["value"], reading.get("unit"), reading["quality"]) for event in events_in(out)
                if event["type"] == "headgate.telemetry.v1" and event["data"]["device"] == "hall.test-1.saw-1"
                for reading in event["data"]["readings"] if reading["point"] == point]
    wait_for(lambda: any(value and abs(value - 300) < 1e-9 for value, *_ in readings("oil")), what="the last reading")
    # Births tell what is known already.
    assert {value for value, _, quality in readings("parts") if quality == "good"} == set(range(300))
    assert readings("oil")[-1][1:] == ("K", "good") and not readings("speed")
    assert "sequence_gap" not in out.read_text()


@pytest.mark.parametrize("output,complaint", [
    ({"mqtt": "mqtt://h", "format": "sparkplug"}, "HG0110"),
    ({"mqtt": "mqtt://h", "format": "sparkplug", "sparkplug": {}}, "group"),
    ({"mqtt": "mqtt://h", "format": "sparkplug", "sparkplug": {"group": "a/b"}}, "without /, + and #"),
    ({"mqtt": "mqtt://h", "format": "sparkplug", "sparkplug": {"group": "a", "primary_host": "+"}}, "without /, + and #"),
    ({"kafka": "h", "topic": "t", "format": "sparkplug", "sparkplug": {"group": "a"}}, "HG0407"),
    ({"mqtt": "mqtt://h", "topic": "t", "format": "sparkplug", "sparkplug": {"group": "a"}}, "topic"),
    ({"mqtt": "mqtt://h", "topic": "t", "sparkplug": {"group": "a"}}, "HG0112"),
    ({"mqtt": "mqtt://h", "retain": True, "format": "sparkplug", "sparkplug": {"group": "a"}}, "retain"),
])
def test_mistakes_are_told_before_anything_is_opened(workshop, output, complaint):
    result = headgate("check", "-c", workshop.configuration(outputs={"o": output}))
    assert result.returncode == 78 and complaint in result.stderr + result.stdout, result.stdout + result.stderr


def test_a_metric_has_one_type_and_what_is_of_another_is_another(plant):
    """Of a point that may say anything, and of one whose unit a later version of the map changed."""
    machine = MACHINE | {"points": MACHINE["points"] | {"any": {"path": "any"}}}
    plant.write(machine)
    plant.broker()
    host = plant.host()
    gateway = plant.gateway(more={"backlog": "in_order"})
    plant.saw({"any": 5}, {"any": 5.5}, {"any": "n/a"}, {"any": 6})
    wait_for(lambda: host.values("any")[-1:] == [6], what="all of it")
    assert host.values("any") == [5, 5.5, None, 6] and host.values("any (text)") == ["n/a", None]
    assert [fact["reason"] for fact in host.all(name="any", kind="DDATA")] == [None, None, "withdrawn", None]
    births = host.kinds.count(("DBIRTH", "saw-1"))
    plant.saw({"any": "off"}, {"any": 7})
    wait_for(lambda: host.values("any")[-1:] == [7], what="all of it")
    assert host.kinds.count(("DBIRTH", "saw-1")) == births, "what is known needs no other birth"
    # Another version of the map, while events of the one before wait.
    plant.way.refuse()
    plant.saw({"speed": 60})
    wait_for(lambda: any(reading["value"] == 60 for event in events_in(plant.out) for reading in event["data"].get("readings", [])),
             what="the commit")
    gateway.stop()
    plant.write(machine | {"version": 4, "points": machine["points"] | {"speed": {"path": "speed", "unit": "Hz"}}})
    before = len(host.facts)
    plant.way.mend()
    plant.gateway(more={"backlog": "in_order"})
    plant.saw({"speed": 2})
    wait_for(lambda: host.values("speed")[-1:] == [2], what="what is fresh")
    # By the map of now, what was read before is another metric.
    later = host.facts[before:]
    assert [fact["value"] for fact in later if fact["name"] == "speed (/min, number)" and fact["value"]] == [60]
    assert {fact["unit"] for fact in later if fact["name"] == "speed" and fact["kind"] == "DBIRTH"} == {"Hz"}


def birth_times(host, device="saw-1"):
    """By metric, the time that the last birth of a device gave."""
    last = max(index for index, fact in enumerate(host.facts) if fact["kind"] == "DBIRTH" and fact["device"] == device)
    return {fact["name"]: fact["at"] for fact in host.facts[:last + 1] if fact["kind"] == "DBIRTH" and fact["device"] == device}


def test_a_device_that_is_gone_stays_gone(plant):
    plant.write(MACHINE, offline_after="3s")
    plant.broker()
    host = plant.host()
    gateway = plant.gateway()
    for _ in range(3):
        before = host.kinds.count(("DDEATH", "saw-1"))
        plant.saw({"speed": 1300, "parts": 7, "late": 1})
        wait_for(lambda: "saw-1" in host.online and host.values("parts"), what="its birth")
        wait_for(lambda: host.kinds.count(("DDEATH", "saw-1")) > before, what="its death")
        # The alarm of its speed, and the window of its parts, end after it.
        place = len(host.kinds)
        wait_for(lambda: gateway.device("saw-1")["state"] == "offline", what="silence")
        time.sleep(1.5)
        assert not [kind for kind in host.kinds[place:] if kind[1] == "saw-1"], host.kinds[place:]
        assert host.kinds.count(("DDEATH", "saw-1")) == before + 1
    # What is told of it afterwards is history of the edge node.
    for fact in host.all(name="Headgate/late", kind="NDATA"):
        assert fact["historical"] and json.loads(fact["value"])["device"] == "saw-1"
    read = [reading["value"] for event in events_in(plant.out) for reading in event["data"].get("readings", [])
            if reading["point"] == "late" and reading["quality"] == "good"]
    assert [value for value in host.values("late") if value is not None] == read


def test_what_is_older_than_a_birth_is_history(plant):
    plant.broker()
    host = plant.host()
    plant.gateway()
    plant.parts(1)
    wait_for(lambda: host.values("parts") == [1], what="data")
    plant.way.refuse()
    # In two parts: those of the same millisecond as the birth are as new as it is.
    plant.parts(*range(2, 30))
    plant.parts(*range(30, 60))
    wait_for(lambda: any(reading["value"] == 59 for event in events_in(plant.out)
                         for reading in event["data"].get("readings", [])), what="the commit")
    place = len(host.facts)
    plant.way.mend()
    wait_for(lambda: 59 in host.values("parts"), what="what was missed")
    born = birth_times(host)
    later = [fact for fact in host.facts[place:] if fact["kind"] == "DDATA" and fact["name"] == "parts"]
    assert [fact["value"] for fact in later] == list(range(2, 60))
    assert all(fact["historical"] == (fact["at"] < born["parts"]) for fact in later if fact["at"] != born["parts"])
    assert sum(fact["historical"] for fact in later) >= 20


def test_refused_connections_count_as_no_session(plant):
    plant.broker()
    host = plant.host()
    gateway = plant.gateway()
    wait_for(lambda: host.sessions, what="the first birth")
    first = host.sessions[-1]
    plant.way.refuse()
    time.sleep(6)
    plant.way.mend()
    wait_for(lambda: len(host.sessions) == 2, seconds=40, what="the second birth")
    assert host.sessions[-1] == (first + 1) % 256
    gateway.stop()


def test_rebirths_that_are_asked_for_together_are_one(plant):
    plant.broker()
    host = plant.host()
    plant.gateway()
    plant.parts(1)
    wait_for(lambda: host.values("parts") == [1], what="data")
    payload = schema.Payload(timestamp=1)
    payload.metrics.add(name="Node Control/Rebirth", datatype=11, boolean_value=True)
    for _ in range(20):
        host.client.publish("spBv1.0/plant/NCMD/test-1", payload.SerializeToString(), qos=1)
    wait_for(lambda: host.kinds.count(("NBIRTH", None)) > 1, what="a birth")
    plant.parts(2)
    wait_for(lambda: host.values("parts")[-1] == 2, what="data")
    assert host.kinds.count(("NBIRTH", None)) <= 4


def test_two_outputs_are_not_one_edge_node(plant):
    output = {"mqtt": "mqtt://127.0.0.1", "format": "sparkplug", "sparkplug": {"group": "g"}}
    two = plant.workshop.configuration(outputs={"a": output, "b": output})
    refused = headgate("check", "-c", two)
    assert refused.returncode == 78 and "outputs.b.sparkplug" in refused.stderr
    for other in [{"sparkplug": {"group": "g", "node": "n"}}, {"sparkplug": {"group": "h"}}, {"mqtt": "mqtt://127.0.0.2"}]:
        assert headgate("check", "-c", plant.workshop.configuration(outputs={"a": output, "b": output | other})).returncode == 0


def test_the_first_birth_declares_the_figures_of_windows(plant):
    plant.broker()
    host = plant.host()
    plant.gateway()
    plant.parts(1)
    wait_for(lambda: host.values("parts/w/max"), what="the window")
    assert host.kinds.count(("DBIRTH", "saw-1")) == 1
    first = {fact["name"]: fact for fact in host.all(kind="DBIRTH", device="saw-1")}
    assert {f"parts/w/{figure}" for figure in ("count", "unusable", "late", "max")} <= set(first)
    assert first["parts/w/max"]["null"]


def test_with_qos_0_messages_go_as_the_specification_has_them(plant):
    plant.broker()
    host = plant.host()
    levels = []
    host.client.message_callback_add("spBv1.0/plant/DDATA/#", lambda client, data, message: levels.append(message.qos))
    gateway = plant.gateway(qos=0)
    plant.parts(1, 2, 3)
    wait_for(lambda: len(levels) >= 3, what="data")
    assert set(levels) == {0}
    wait_for(lambda: gateway.output("scada")["acknowledged_readings"] >= 3, what="that they are sent")


def test_a_session_whose_acceptance_is_lost_counts_as_one(plant):
    """The broker has its will and publishes it later: the death of another session."""
    plant.broker()
    host = plant.host()
    plant.way.drops_replies = True
    gateway = plant.gateway()
    wait_for(lambda: "did not answer CONNECT" in (gateway.output("scada").get("last_error") or str(gateway.status())), what="no CONNACK")
    plant.way.mend()
    wait_for(lambda: host.sessions, seconds=40, what="the first birth")
    assert host.sessions[0] >= 1
    assert host.deaths and all(number < host.sessions[0] for number in host.deaths), (host.deaths, host.sessions)
    assert all("another session" in fault for fault in host.faults)
    host.faults.clear()
    gateway.stop()
