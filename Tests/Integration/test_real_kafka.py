"""A Kafka-compatible server with a log on its disk, beside librdkafka's own for tests: where keys lie, topics that are missing,
`provision`, and kills with `exactly_once`."""

import json
import subprocess
import threading

import pytest
import yaml

from conftest import headgate, seeded, wait_for
from oracle import Publisher, Verdict
from test_kafka_faults import events_in, numbers_in
from test_mqtt_in import counting, listening

KILLS = 6


def murmur2(key):
    """The hash of Java's clients: org.apache.kafka.common.utils.Utils.murmur2, 32 bits, unsigned."""
    m, h = 0x5BD1E995, 0x9747B28C ^ len(key)
    whole = len(key) // 4 * 4
    for place in range(0, whole, 4):
        k = int.from_bytes(key[place:place + 4], "little") * m & 0xFFFFFFFF
        k = (k ^ k >> 24) * m & 0xFFFFFFFF
        h = (h * m & 0xFFFFFFFF) ^ k
    if key[whole:]:
        h = (h ^ int.from_bytes(key[whole:], "little")) * m & 0xFFFFFFFF
    h = (h ^ h >> 13) * m & 0xFFFFFFFF
    return h ^ h >> 15


class Kafka:
    def __init__(self, workshop):
        self.address = workshop.kafka_server()

    def records(self, topic):
        found = subprocess.run(
            ["kcat", "-b", self.address, "-C", "-t", topic, "-o", "beginning", "-e", "-q", "-J"],
            capture_output=True, text=True, timeout=60).stdout
        return [json.loads(line) for line in found.splitlines()]


@pytest.fixture
def kafka(workshop):
    return Kafka(workshop)


MANY = {"map": "many", "version": 1, "title": "t", "source": "this test", "mqtt": {"payload": "number", "id": {"level": 2}},
        "points": {"n": {"deadband": 0}}, "examples": [{"payload": "70", "expect": {"n": 70}}]}


def wards(workshop, kafka, topic, **output):
    """A gateway of many devices, and its broker inside."""
    inside, _ = workshop.mosquitto("inside")
    (workshop.folder / "maps").mkdir(exist_ok=True)
    (workshop.folder / "maps/many.yaml").write_text(yaml.safe_dump(MANY, sort_keys=False))
    path = workshop.configuration(
        maps=str(workshop.folder / "maps"), links={"floor": {"mqtt": f"mqtt://127.0.0.1:{inside}"}},
        devices={"bed": {"map": "many", "link": "floor", "topic": "ward/+"}},
        outputs={"central": {"kafka": [kafka.address], "topic": topic} | output})
    return path, inside


def tell(port, names, value):
    import paho.mqtt.client as paho

    client = paho.Client(paho.CallbackAPIVersion.VERSION2)
    client.connect("127.0.0.1", port)
    client.loop_start()
    for last in [client.publish(f"ward/{name}", str(value), qos=1) for name in names]:
        last.wait_for_publish(20)
    client.disconnect()
    client.loop_stop()


@pytest.mark.parametrize("partitioner", [None, "consistent_random"])
def test_a_device_lies_where_every_java_client_looks_for_it(workshop, kafka, partitioner):
    # The values that Kafka's own UtilsTest has.
    assert [murmur2(key) for key in (b"21", b"foobar", b"a-little-bit-long-string")] == [
        value & 0xFFFFFFFF for value in (-973932308, -790332482, -985981536)]
    path, inside = wards(
        workshop, kafka, "beds", topics={"partitions": 7, "replication": 1},
        **({"partitioner": partitioner} if partitioner else {}))
    made = headgate("provision", "--apply", "-c", path)
    assert made.returncode == 0, made.stderr
    gateway = workshop.gateway(path)
    listening(gateway)
    tell(inside, [f"bed-{number}" for number in range(40)], 70)
    wait_for(lambda: gateway.output("central")["acknowledged_readings"] >= 40, what="all readings")
    assert gateway.stop() == 0
    records = kafka.records("beds")
    keys = {record["key"] for record in records}
    assert len(keys) >= 40 and len({record["partition"] for record in records}) == 7
    right = {record["key"]: (murmur2(record["key"].encode()) & 0x7FFFFFFF) % 7 == record["partition"] for record in records}
    # The control arm: CRC-32 puts most of them elsewhere.
    assert all(right.values()) if partitioner is None else sum(right.values()) < 20


def test_a_change_of_the_partitioner_sends_nothing_twice_with_exactly_once(workshop, kafka):
    path, inside = wards(
        workshop, kafka, "beds", topics={"partitions": 7, "replication": 1}, partitioner="consistent_random", exactly_once=True)
    assert headgate("provision", "--apply", "-c", path).returncode == 0
    names = [f"bed-{number}" for number in range(40)]
    for round in range(4):
        gateway = workshop.gateway(path)
        listening(gateway)
        tell(inside, names, round)
        wait_for(lambda: len(kafka.records("beds")) >= 40 * (round + 1), what="all events")
        # Whatever it has not noted yet comes again, and may lie in another partition.
        gateway.kill()
        path.write_text(path.read_text().replace("consistent_random", "murmur2_random"))
    gateway = workshop.gateway(path)
    wait_for(lambda: all(lane["waiting_events"] == 0 for lane in gateway.output("central")["lanes"]), what="all sent")
    assert gateway.stop() == 0
    records = kafka.records("beds")
    ids = [dict(zip(record["headers"][::2], record["headers"][1::2]))["ce_id"] for record in records]
    assert len(ids) == len(set(ids))


def test_kills_before_a_real_server_lose_nothing_and_send_nothing_twice(workshop, kafka):
    inside, _ = workshop.mosquitto("inside")
    path = counting(
        workshop, inside, link={"client_id": "gateway"},
        outputs={"up": {"kafka": [kafka.address], "topic": "t", "exactly_once": True,
                        "topics": {"partitions": 2, "replication": 1}}})
    assert headgate("provision", "--apply", "-c", path).returncode == 0
    gateway = workshop.gateway(path)
    listening(gateway)
    publisher = Publisher(inside, pause=0.001)
    seed, choose = seeded()
    for _ in range(KILLS):
        before = gateway.output("up")["acknowledged_events"]
        wait_for(lambda: gateway.output("up")["acknowledged_events"] > before + 20, seconds=40, what="some events")
        threading.Event().wait(choose.uniform(0.0, 0.4))
        gateway.kill()
        gateway = workshop.gateway(path)
    acknowledged = publisher.stop()
    wait_for(lambda: gateway.output("up")["lanes"][1]["waiting_events"] == 0, seconds=60, what=f"all sent, seed {seed}")
    wanted = set(range(1, acknowledged + 1))
    wait_for(lambda: numbers_in(kafka.address) >= wanted, what=f"every number, seed {seed}")
    assert gateway.stop() == 0
    verdict = Verdict(events_in(kafka.address), acknowledged)
    verdict.check_nothing_lost(f"seed {seed}")
    assert verdict.twice == 0, f"seed {seed}: {verdict}"
    verdict.report("kills before a real server, with exactly_once", KILLS)

