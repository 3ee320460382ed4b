"""An MQTT output with several brokers: it uses the first one that can be used, and an edge node goes where its primary host is
online (Sparkplug 3.0.0, 5.5 and 5.10)."""

import json

import pytest
from pysparkplug._protobuf import sparkplug_b_pb2 as schema

from conftest import headgate, wait_for
from oracle import Listener, Publisher, Verdict
from sniffer import Sniffer
from test_mqtt_in import counting, listening, publish
from test_sparkplug_out import Host, Plant

STATE = "spBv1.0/STATE/scada"


class Pair:
    """Two brokers, each behind a sniffer, with a host that listens at each."""

    def __init__(self, workshop):
        self.plant = Plant(workshop)
        self.ports = [workshop.mosquitto(name)[0] for name in ("first", "second")]
        self.ways = [workshop.proxy(port, Sniffer) for port in self.ports]
        self.hosts = [Host(port) for port in self.ports]
        self.clock = 0

    def say(self, place, is_online):
        self.clock += 1
        self.hosts[place].say(STATE, json.dumps({"online": is_online, "timestamp": self.clock}), retain=True)

    def gateway(self, **sparkplug):
        self.plant.way = self.ways[0]
        return self.plant.gateway(more={"mqtt": [f"mqtt://127.0.0.1:{way.port}" for way in self.ways]}, **sparkplug)

    def open(self, place):
        """The connections to a broker that it accepted and that are not over."""
        ways = self.ways[place].taken()
        begun = {packet.connection for packet in ways if packet.kind == "CONNACK" and packet.reason == 0}
        return begun - {packet.connection for packet in ways if packet.kind == "DISCONNECT"}

    def close(self):
        for host in self.hosts:
            host.close()


@pytest.fixture
def pair(workshop):
    pair = Pair(workshop)
    yield pair
    pair.close()


def test_an_edge_node_goes_to_the_broker_where_its_primary_host_is_online(pair):
    first, second = pair.hosts
    pair.say(0, False)
    gateway = pair.gateway(primary_host="scada")
    pair.plant.parts(1)
    wait_for(lambda: "primary host scada is not online" in (gateway.output("scada").get("last_error") or ""), what="the wait")
    error = gateway.output("scada")["last_error"]
    assert all(f"127.0.0.1:{way.port}: " in error for way in pair.ways), error
    assert not first.kinds and not second.kinds
    # At the second broker its host comes online.
    pair.say(1, True)
    wait_for(lambda: second.values("parts") == [1], what="data at the second broker")
    assert not first.kinds and not pair.open(0)
    # It goes offline there and is online at the first.
    pair.say(0, True)
    pair.say(1, False)
    wait_for(lambda: second.kinds[-1] == ("NDEATH", None), what="the death at the second broker")
    wait_for(lambda: ("NBIRTH", None) in first.kinds, what="the birth at the first broker")
    assert not pair.open(1), "connected to two brokers at a time"
    pair.plant.parts(2)
    wait_for(lambda: first.values("parts")[-1:] == [2], what="data at the first broker")
    assert 2 not in second.values("parts")
    assert gateway.stop() == 0
    wait_for(lambda: first.kinds[-1] == ("NDEATH", None), what="the death at the first broker")
    # Each session has a number of its own, over all brokers.
    wills = [packet.will for way in pair.ways for packet in way.taken() if packet.kind == "CONNECT"]
    numbers = [schema.Payload.FromString(will).metrics[0].long_value for will in wills]
    assert len(numbers) > 2 and len(set(numbers)) == len(numbers), numbers


def test_brokers_without_the_primary_host_are_logged_once(pair):
    pair.say(0, False)
    gateway = pair.gateway(primary_host="scada")

    def attempts():
        return sum(packet.kind == "CONNECT" for way in pair.ways for packet in way.taken())

    wait_for(lambda: attempts() >= 10, seconds=60, what="ten attempts")
    assert gateway.peer.log.read_text().count("it tries the next one") == 2
    assert "primary host scada is not online" in gateway.output("scada")["last_error"]
    assert gateway.stop() == 0


def test_an_edge_node_goes_to_the_next_broker_when_its_own_is_lost(pair):
    first, second = pair.hosts
    gateway = pair.gateway()
    pair.plant.parts(1)
    wait_for(lambda: first.values("parts") == [1], what="data at the first broker")
    pair.ways[0].refuse()
    pair.plant.parts(2)
    wait_for(lambda: 2 in second.values("parts") or any(
        fact["value"] == 2 for fact in second.all(name="parts", kind="DBIRTH")), what="data at the second broker")
    # It stays there when the first is back.
    pair.ways[0].mend()
    pair.plant.parts(3)
    wait_for(lambda: second.values("parts")[-1:] == [3], what="more data at the second broker")
    assert 3 not in first.values("parts")
    assert "it tries the next one" in gateway.peer.log.read_text()
    assert gateway.stop() == 0


# MQTT 3.1.1 has no answer that refuses a message.
@pytest.mark.parametrize("fault, version", [("acknowledges nothing", "5"), ("acknowledges nothing", "3.1.1"), ("refuses", "5")])
def test_a_broker_that_takes_nothing_is_left(workshop, fault, version):
    """It accepts the connection: no attempt to connect fails."""
    inside, _ = workshop.mosquitto("inside")
    acl = workshop.folder / "acl"
    acl.write_text("topic deny t/#\n" if fault == "refuses" else "topic readwrite #\n")
    ports = [workshop.mosquitto("first", acl_file=acl)[0], workshop.mosquitto("second")[0]]
    way, reader = workshop.proxy(ports[0]), Listener(ports[1], "t/#")
    gateway = workshop.gateway(counting(workshop, inside, outputs={"up": {
        "mqtt": [f"mqtt://127.0.0.1:{way.port}", f"mqtt://127.0.0.1:{ports[1]}"], "version": version, "topic": "t/{device}"}}))
    listening(gateway)
    publish(inside, 1)
    if fault == "acknowledges nothing":
        wait_for(lambda: gateway.output("up")["acknowledged_readings"] == 1, what="one at the first broker")
        way.drops_replies = True
    publish(inside, 2)
    # A broker may take its time: it is given up after 30 s.
    wait_for(lambda: 2 in reader.numbers(), seconds=60, what="the second at the second broker")
    assert gateway.peer.log.read_text().count("it tries the next one") == 1
    assert gateway.output("up")["dead_letters"] == 0
    assert gateway.stop() == 0
    reader.stop()


@pytest.mark.parametrize("version", ["5", "3.1.1"])
def test_brokers_that_fail_in_turn_lose_nothing(workshop, version):
    inside, _ = workshop.mosquitto("inside")
    ports = [workshop.mosquitto(name)[0] for name in ("first", "second")]
    ways = [workshop.proxy(port) for port in ports]
    readers = [Listener(port, "t/#") for port in ports]
    gateway = workshop.gateway(counting(workshop, inside, outputs={"up": {
        "mqtt": [f"mqtt://127.0.0.1:{way.port}" for way in ways], "version": version, "topic": "t/{device}"}}))
    listening(gateway)
    publisher = Publisher(inside, pause=0.002)
    for turn in range(6):
        reader, way, other = readers[turn % 2], ways[turn % 2], ways[(turn + 1) % 2]
        seen = len(reader.payloads)
        wait_for(lambda: len(reader.payloads) > seen + 50, what=f"events at broker {turn % 2}")
        way.refuse()
        other.mend()
    acknowledged = publisher.stop()
    wait_for(lambda: gateway.output("up")["lanes"][1]["waiting_events"] == 0, seconds=60, what="all sent")
    assert gateway.stop() == 0
    verdict = Verdict([event for reader in readers for event in reader.events], acknowledged)
    assert not verdict.missing and not verdict.conflicts, verdict
    for reader in readers:
        reader.stop()


@pytest.mark.parametrize("parts, complaint", [
    ({"outputs": {"o": {"mqtt": [], "topic": "t"}}}, "HG0123"),
    ({"outputs": {"o": {"mqtt": ["mqtt://h", "mqtt://h:1883"], "topic": "t"}}}, "HG0127"),
    ({"outputs": {"o": {"mqtt": ["mqtt://localhost", "mqtt://LOCALHOST:1883"], "topic": "t"}}}, "HG0127"),
    ({"outputs": {"o": {"mqtt": ["mqtt://h", "h"], "topic": "t"}}}, "HG0234"),
    ({"outputs": {"o": {"mqtt": ["mqtt://h", {"a": 1}], "topic": "t"}}}, "HG0234"),
    ({"outputs": {"o": {"mqtt": ["mqtts://h", "mqtt://i"], "ca": "/etc/hosts", "topic": "t"}}}, "HG0220"),
    ({"outputs": {"o": {"mqtt": ["mqtts://h", "mqtt://i"], "topic": "t"}}}, "HG0220"),
    ({"outputs": {"o": {"mqtt": ["mqtt://h", "mqtt://i"], "topic": "t", "client_id": "x"},
                  "p": {"mqtt": "mqtt://i", "topic": "t", "client_id": "x"}}}, "HG0218"),
    ({"outputs": {name: {"mqtt": urls, "format": "sparkplug", "sparkplug": {"group": "g"}} for name, urls in (
        ("o", ["mqtt://h", "mqtt://i"]), ("p", ["mqtt://j", "mqtt://I"]))}}, "HG0409"),
    ({"links": {name: {"mqtt": "mqtt://h", "client_id": name, "sparkplug_host": "scada"} for name in "ab"},
      "devices": {name: {"link": name, "sparkplug": f"{name}/+"} for name in "ab"}}, "links.b.sparkplug_host` is also the host ID of another link at this broker"),
    ({"links": {"l": {"mqtt": ["mqtt://h", "mqtt://i"]}}, "outputs": {"o": {"stdout": True}}}, "HG0124"),
])
def test_mistakes_in_lists_of_brokers_are_found_by_check(workshop, parts, complaint):
    result = headgate("check", "-c", workshop.configuration(**parts))
    assert result.returncode == 78 and complaint in result.stderr + result.stdout, result.stdout + result.stderr
