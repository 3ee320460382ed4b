"""A Kafka cluster that fails in the ways clusters do: nothing acknowledged is lost or told twice under two names, the
order of each device is kept, and with `exactly_once` a gateway that is killed sends nothing twice."""

import json
import os
import signal
import subprocess
import threading

import pytest

from conftest import accepts, free_port, headgate, on_each_kafka, seeded, wait_for
from oracle import Publisher, Verdict
from test_mqtt_in import counting, listening, publish

ROUNDS = int(os.environ.get("HEADGATE_KAFKA_FAULTS", 8))
KILLS = int(os.environ.get("HEADGATE_KAFKA_KILLS", 6))


def events_in(address, topic="t"):
    """What lies in a topic, partition by partition."""
    found = subprocess.run(
        ["kcat", "-b", address, "-C", "-t", topic, "-o", "beginning", "-e", "-q", "-J"],
        capture_output=True, text=True, timeout=60).stdout
    events = []
    for record in sorted(map(json.loads, found.splitlines()), key=lambda one: (one["partition"], one["offset"])):
        names = dict(zip(record["headers"][::2], record["headers"][1::2]))
        events.append({
            "id": names["ce_id"], "subject": names["ce_subject"], "type": names["ce_type"], "time": names["ce_time"],
            "data": json.loads(record["payload"])})
    return events


def numbers_in(address):
    return {one["value"] for event in events_in(address) for one in event["data"].get("readings", [])}


class Cluster:
    """librdkafka's mock cluster, that fails when it is told to."""

    def __init__(self, workshop, brokers=3):
        self.address, self.peer = workshop.failing_kafka(brokers)
        self.tell("create t 2")

    def tell(self, line):
        done = self.peer.log.read_text().count("done: ")
        self.peer.process.stdin.write(line.encode() + b"\n")
        self.peer.process.stdin.flush()
        wait_for(lambda: self.peer.log.read_text().count("done: ") > done, what=line)

    def refuse(self, topic, partitions=2):
        """A topic that the cluster does not have, until it is allowed."""
        self.tell(f"create {topic} {partitions}")
        self.tell(f"topic {topic} UNKNOWN_TOPIC_OR_PART")

    def allow(self, topic):
        self.tell(f"topic {topic} NONE")


def to_kafka(workshop, address, **settings):
    inside, _ = workshop.mosquitto("inside")
    configuration = counting(
        workshop, inside, link={"client_id": "gateway"},
        outputs={"up": {"kafka": [address], "topic": "t"} | settings})
    gateway = workshop.gateway(configuration)
    listening(gateway)
    return configuration, gateway, inside


FAULTS = [
    ["leader t 0 2", "leader t 1 3"], ["leader t 0 3", "leader t 1 1"], ["leader t 0 1", "leader t 1 2"],
    ["fail NOT_ENOUGH_REPLICAS 3"], ["fail NOT_ENOUGH_REPLICAS_AFTER_APPEND 2"], ["fail REQUEST_TIMED_OUT 3"],
    ["fail NOT_LEADER_FOR_PARTITION 2"], ["fail UNKNOWN_TOPIC_OR_PART 2"], ["fail OUT_OF_ORDER_SEQUENCE_NUMBER 1"],
    ["fail INVALID_PRODUCER_EPOCH 1"], ["fail TOPIC_AUTHORIZATION_FAILED 2"],
    ["topic t TOPIC_AUTHORIZATION_FAILED", "", "topic t NONE"],
    ["topic t UNKNOWN_TOPIC_OR_PART", "", "topic t NONE"],
    ["down 1", "", "up 1"], ["down 2", "", "up 2"], ["delay 1 400", "", "delay 1 0"],
]


@pytest.mark.parametrize("is_exactly_once", [True, False])
def test_a_cluster_that_fails_loses_nothing_and_changes_no_order(workshop, is_exactly_once):
    cluster = Cluster(workshop)
    _, gateway, inside = to_kafka(workshop, cluster.address, exactly_once=is_exactly_once)
    publisher = Publisher(inside, pause=0.005)
    seed, choose = seeded()
    # Each of them in turn, in a random order.
    kinds = [fault for _ in range(1 + ROUNDS // len(FAULTS)) for fault in choose.sample(FAULTS, len(FAULTS))][:ROUNDS]
    for kind in kinds:
        for line in kind:
            if line:
                cluster.tell(line)
            threading.Event().wait(choose.uniform(0.1, 0.8))
    acknowledged = publisher.stop()
    context = f"seed {seed}, {kinds}"
    wait_for(lambda: gateway.output("up")["lanes"][1]["waiting_events"] == 0, seconds=120, what=f"all sent, {context}")
    assert gateway.output("up")["dead_letters"] == 0, context
    assert gateway.stop() == 0
    verdict = Verdict(events_in(cluster.address), acknowledged)
    verdict.check_nothing_lost(context)
    assert not verdict.gaps, context
    assert verdict.twice == 0 or not is_exactly_once, f"{context}: {verdict}"
    verdict.report(f"faults of a Kafka cluster{', with exactly_once' if is_exactly_once else ''}", ROUNDS)


def test_control_a_producer_that_gives_up_does_lose(workshop):
    """The same faults and a producer with the usual bound on its patience."""
    cluster = Cluster(workshop)
    producer = subprocess.Popen(
        ["kcat", "-b", cluster.address, "-P", "-t", "t", "-X", "message.timeout.ms=300", "-X", "retries=0"],
        stdin=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    sent = 0
    for kind in (["topic t TOPIC_AUTHORIZATION_FAILED", "", "topic t NONE"], ["fail NOT_ENOUGH_REPLICAS 3"]):
        for line in kind:
            if line:
                cluster.tell(line)
            for _ in range(100):
                sent += 1
                producer.stdin.write(f"{sent}\n")
                producer.stdin.flush()
                threading.Event().wait(0.004)
    producer.stdin.close()
    producer.wait(30)
    found = subprocess.run(
        ["kcat", "-b", cluster.address, "-C", "-t", "t", "-o", "beginning", "-e", "-q"], capture_output=True, text=True,
        timeout=60).stdout.split()
    assert len(set(found)) < sent


@on_each_kafka
def test_a_connection_to_kafka_that_loses_replies_loses_nothing(workshop):
    """The gate answers for the broker under the proxy's address, so that everything goes through the proxy."""
    gate = free_port()
    proxy = workshop.proxy(gate)
    workshop.python("gate", "kafka_gate.py", gate, workshop.kafka(), json.dumps({"advertised": proxy.port}))
    wait_for(lambda: accepts(gate), what="the gate")
    _, gateway, inside = to_kafka(workshop, f"127.0.0.1:{proxy.port}")
    publisher = Publisher(inside, pause=0.005)
    seed, choose = seeded()
    for _ in range(max(2, ROUNDS // 2)):
        # What was appended and not told of: the producer asks again.
        proxy.drops_replies = True
        threading.Event().wait(choose.uniform(0.1, 0.6))
        proxy.mend()
        proxy.cut()
        threading.Event().wait(choose.uniform(0.2, 0.8))
    acknowledged = publisher.stop()
    wait_for(lambda: gateway.output("up")["lanes"][1]["waiting_events"] == 0, seconds=120, what=f"all sent, seed {seed}")
    assert gateway.stop() == 0
    verdict = Verdict(events_in(f"127.0.0.1:{proxy.port}"), acknowledged)
    verdict.check_nothing_lost(f"seed {seed}")
    verdict.report("times Kafka's replies lost", max(2, ROUNDS // 2))


@pytest.mark.parametrize("is_exactly_once", [True, False])
def test_kills_with_exactly_once_send_nothing_twice_and_without_they_do(workshop, is_exactly_once):
    cluster = Cluster(workshop, brokers=1)
    configuration, gateway, inside = to_kafka(workshop, cluster.address, exactly_once=is_exactly_once)
    publisher = Publisher(inside, pause=0.001)
    seed, choose = seeded()
    # Whether a kill falls between an acknowledgement and its note is chance: the control arm goes on until one has.
    for number in range(KILLS if is_exactly_once else 6 * KILLS):
        if not is_exactly_once and number >= KILLS and Verdict(events_in(cluster.address), 0).twice:
            break
        before = gateway.output("up")["acknowledged_events"]
        wait_for(lambda: gateway.output("up")["acknowledged_events"] > before + 20, seconds=40, what="some events")
        threading.Event().wait(choose.uniform(0.0, 0.4))
        gateway.kill()
        gateway = workshop.gateway(configuration)
    acknowledged = publisher.stop()
    wanted = set(range(1, acknowledged + 1))
    wait_for(lambda: gateway.output("up")["lanes"][1]["waiting_events"] == 0, seconds=60, what=f"all sent, seed {seed}")
    wait_for(lambda: numbers_in(cluster.address) >= wanted, what=f"every number, seed {seed}")
    assert gateway.stop() == 0
    verdict = Verdict(events_in(cluster.address), acknowledged)
    verdict.check_nothing_lost(f"seed {seed}")
    assert (verdict.twice == 0) == is_exactly_once, f"seed {seed}: {verdict}"
    verdict.report(f"kills before Kafka, {'with' if is_exactly_once else 'without'} exactly_once", KILLS)


def test_a_topic_that_is_missing_is_named(workshop):
    cluster = Cluster(workshop, brokers=1)
    cluster.tell("topic t UNKNOWN_TOPIC_OR_PART")
    configuration, gateway, inside = to_kafka(workshop, cluster.address)
    publish(inside, 7)
    error = wait_for(lambda: gateway.output("up").get("last_error"), what="an error")
    assert "topic t: " in error and "Unknown topic" in error
    assert "topic t: " in headgate("status", "-c", configuration).stdout
    assert any("output down" in line and "topic t: " in line for line in gateway.peer.log.read_text().splitlines())
    # Nothing is lost by it.
    cluster.allow("t")
    wait_for(lambda: 7 in numbers_in(cluster.address), what="the event")
    wait_for(lambda: gateway.output("up")["up"], what="the output")
    assert gateway.stop() == 0


BEDS = {"map": "beds", "version": 1, "title": "t", "source": "this test", "mqtt": {"payload": "number", "id": {"level": 2}},
        "points": {"n": {"deadband": 0}}, "examples": [{"payload": "70", "expect": {"n": 70}}]}


class Ward:
    """Beds whose readings go to a topic of their own each."""

    def __init__(self, workshop, cluster, **output):
        self.workshop, self.cluster = workshop, cluster
        self.is_exactly_once = output.get("exactly_once", False)
        self.port, _ = workshop.mosquitto("inside")
        (workshop.folder / "maps").mkdir()
        (workshop.folder / "maps/beds.yaml").write_text(json.dumps(BEDS))
        self.path = workshop.configuration(
            maps=str(workshop.folder / "maps"),
            links={"floor": {"mqtt": f"mqtt://127.0.0.1:{self.port}", "client_id": "gateway"}},
            devices={"bed": {"map": "beds", "link": "floor", "topic": "ward/+"}},
            outputs={"up": {"kafka": [cluster.address], "topic": "{kind}.{device}"} | output})
        self.start()

    def start(self):
        self.gateway = self.workshop.gateway(self.path)
        listening(self.gateway)

    def tell(self, bed, *values):
        for value in values:
            publish(self.port, value, topic=f"ward/{bed}")

    def values(self, bed, max_interval=0):
        def read():
            found = events_in(self.cluster.address, f"telemetry.bed.{bed}")
            return found if len(found) >= max_interval else None

        events = wait_for(read, what=f"{max_interval} events of {bed}", seconds=30)
        once = {event["id"]: event for event in events}
        # Only a kill sends one twice, under the same id.
        assert len(once) == len(events) or not self.is_exactly_once
        return [reading["value"] for event in once.values() for reading in event["data"]["readings"]]

    def held(self, bed):
        return sum(
            held["events"] for lane in self.gateway.output("up")["lanes"] for held in lane["held_topics"]
            if held["topic"] == f"telemetry.bed.{bed}")

    def waiting(self):
        return sum(lane["waiting_events"] for lane in self.gateway.output("up")["lanes"])


@pytest.mark.parametrize("output", [{}, {"exactly_once": True}, {"backlog": "in_order"}], ids=str)
def test_a_topic_that_is_missing_stops_no_other(workshop, output):
    cluster = Cluster(workshop, brokers=1)
    cluster.refuse("telemetry.bed.b")
    ward = Ward(workshop, cluster, **output)
    count = 12
    for value in range(count):
        ward.tell("a", value)
        ward.tell("b", value)
    wait_for(lambda: ward.gateway.output("up")["acknowledged_readings"] >= count, what="those of a", seconds=30)
    wait_for(lambda: ward.held("b") == count, what="those of b, held")
    assert ward.waiting() == count
    # A stop and a kill keep what is held.
    for end in (signal.SIGTERM, signal.SIGKILL):
        ward.gateway.peer.stop(end)
        ward.start()
        ward.tell("a", count)
        ward.tell("b", count)
        count += 1
        wait_for(lambda: ward.held("b") == ward.waiting() == count, what="those of b, held")
        # It warns once, however often it tries.
        wait_for(lambda: any(
            warning["warning"] == "topic_refused" and "telemetry.bed.b" in warning["text"] and warning["count"] > 1
            for warning in ward.gateway.status()["warnings"]), what="a warning")
    log = ward.gateway.peer.log.read_text()
    assert len([line for line in log.splitlines() if "topic telemetry.bed.b: " in line and "create the topic" in line]) == 3
    status = headgate("status", "-c", ward.path).stdout
    assert ["up", "normal", "telemetry.bed.b", str(count)] in [line.split() for line in status.splitlines()]
    assert f'headgate_output_held_events{{output="up",lane="normal",topic="telemetry.bed.b"}} {count}' in ward.gateway.get("/metrics")
    assert ward.gateway.output("up")["up"] and "telemetry.bed.b" in ward.gateway.get("/readyz")
    cluster.allow("telemetry.bed.b")
    wait_for(lambda: ward.waiting() == 0, what="nothing held", seconds=30)
    wait_for(lambda: not ward.gateway.status()["warnings"], what="the warning cleared")
    ward.tell("b", count)
    assert ward.values("b", count + 1) == list(range(count + 1))
    assert ward.values("a", count) == list(range(count))
    assert ward.gateway.stop() == 0


def test_blocks_of_a_lane_whose_topic_is_missing_stop_no_other_lane(workshop):
    cluster = Cluster(workshop, brokers=1)
    cluster.refuse("normal", 1)
    ward = Ward(workshop, cluster, format="block", topic="{lane}")
    ward.tell("a", *range(5))
    wait_for(lambda: [lane["held_topics"] for lane in ward.gateway.output("up")["lanes"]] == [
        [], [{"topic": "normal", "events": 5}], []], what="five held")
    # The status of the device goes by the critical lane.
    wait_for(lambda: ward.gateway.output("up")["acknowledged_events"] > 0, what="the status sent")
    cluster.allow("normal")
    wait_for(lambda: ward.waiting() == 0 and ward.gateway.output("up")["acknowledged_readings"] == 5, what="nothing held")
    assert ward.gateway.stop() == 0


def test_too_many_missing_topics_stop_the_output_and_it_says_so(workshop):
    cluster = Cluster(workshop, brokers=1)
    beds = [f"b{number}" for number in range(33)]
    for bed in beds:
        cluster.refuse(f"telemetry.bed.{bed}", 1)
    ward = Ward(workshop, cluster)
    for bed in beds:
        ward.tell(bed, 1)
    error = wait_for(lambda: ward.gateway.output("up").get("last_error"), what="an error", seconds=150)
    assert "32 topics are held already" in error
    ward.tell("a", 1)
    wait_for(lambda: ward.waiting() >= 34, what="the reading of a waits, too")
    for bed in beds:
        cluster.allow(f"telemetry.bed.{bed}")
    wait_for(lambda: ward.waiting() == 0 and ward.gateway.output("up")["up"], what="nothing held", seconds=60)
    assert all(ward.values(bed, 1) == [1] for bed in beds + ["a"])
    assert ward.gateway.stop() == 0


def test_events_of_a_topic_that_is_mended_are_sent_to_the_new_one(workshop):
    cluster = Cluster(workshop, brokers=1)
    cluster.refuse("telemetry.bed.b")
    ward = Ward(workshop, cluster)
    for value in range(5):
        ward.tell("a", value)
        ward.tell("b", value)
    wait_for(lambda: ward.held("b") == ward.waiting() == 5, what="those of b, held")
    assert ward.gateway.stop() == 0
    ward.path.write_text(ward.path.read_text().replace("{kind}.{device}", "{kind}s"))
    ward.start()
    ward.tell("b", 5)
    ward.tell("a", 5)

    def values():
        events = events_in(cluster.address, "telemetrys")
        return sorted((event["data"]["device"], reading["value"]) for event in events for reading in event["data"]["readings"])

    # Counted at the cluster: an empty outbox may only mean that the last two have not been received yet.
    wait_for(lambda: len(values()) >= 7, what="seven readings", seconds=30)
    assert values() == sorted([("bed.b", value) for value in range(6)] + [("bed.a", 5)])
    wait_for(lambda: ward.waiting() == 0, what="nothing held")
    wait_for(lambda: not ward.gateway.status()["warnings"], what="no warning")
    assert ward.gateway.stop() == 0


def test_a_restart_asks_for_held_topics_and_does_not_wait_for_them(workshop):
    cluster = Cluster(workshop, brokers=1)
    beds = [f"b{number}" for number in range(10)]
    for bed in beds:
        cluster.refuse(f"telemetry.bed.{bed}", 1)
    ward = Ward(workshop, cluster)
    ward.tell("a", 0)
    for bed in beds:
        ward.tell(bed, 1)
    wait_for(lambda: sum(map(ward.held, beds)) == 10, what="ten held", seconds=60)
    assert ward.gateway.stop() == 0
    ward.start()
    wait_for(lambda: len(ward.gateway.status()["warnings"]) == 10, what="ten warnings", seconds=20)
    # Each would wait three seconds for its topic if it were tried.
    log = ward.gateway.peer.log.read_text().rsplit("gateway started", 1)[1]
    assert sum("there is no such topic" in line for line in log.splitlines()) == 10
    for bed in beds:
        cluster.allow(f"telemetry.bed.{bed}")
    wait_for(lambda: ward.waiting() == 0, what="nothing held", seconds=30)
    assert all(ward.values(bed, 1) == [1] for bed in beds)
    assert ward.gateway.stop() == 0
