"""A Kafka cluster that fails in the ways clusters do: nothing acknowledged is lost or told twice under two names, the
order of each device is kept, and with `exactly_once` a gateway that is killed sends nothing twice."""

import json
import os
import random
import subprocess
import threading

import pytest

from conftest import accepts, free_port, headgate, wait_for
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
    seed = random.randrange(1 << 32)
    choose = random.Random(seed)
    # Each of them in turn, in a random order.
    kinds = [fault for _ in range(1 + ROUNDS // len(FAULTS)) for fault in choose.sample(FAULTS, len(FAULTS))][:ROUNDS]
    for kind in kinds:
        for line in kind:
            if line:
                cluster.tell(line)
            threading.Event().wait(choose.uniform(0.1, 0.8))
    acknowledged = publisher.stop()
    context = f"seed {seed}, {kinds}"
    wait_for(lambda: gateway.output("up")["lanes"][1]["waitingEvents"] == 0, seconds=120, what=f"all sent, {context}")
    assert gateway.output("up")["deadLetters"] == 0, context
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


def test_a_connection_to_kafka_that_loses_replies_loses_nothing(workshop):
    """The gate answers for the broker under the proxy's address, so that everything goes through the proxy."""
    gate = free_port()
    proxy = workshop.proxy(gate)
    workshop.python("gate", "kafka_gate.py", gate, workshop.kafka(), json.dumps({"advertised": proxy.port}))
    wait_for(lambda: accepts(gate), what="the gate")
    _, gateway, inside = to_kafka(workshop, f"127.0.0.1:{proxy.port}")
    publisher = Publisher(inside, pause=0.005)
    seed = random.randrange(1 << 32)
    choose = random.Random(seed)
    for _ in range(max(2, ROUNDS // 2)):
        # What was appended and not told of: the producer asks again.
        proxy.drops_replies = True
        threading.Event().wait(choose.uniform(0.1, 0.6))
        proxy.mend()
        proxy.cut()
        threading.Event().wait(choose.uniform(0.2, 0.8))
    acknowledged = publisher.stop()
    wait_for(lambda: gateway.output("up")["lanes"][1]["waitingEvents"] == 0, seconds=120, what=f"all sent, seed {seed}")
    assert gateway.stop() == 0
    verdict = Verdict(events_in(f"127.0.0.1:{proxy.port}"), acknowledged)
    verdict.check_nothing_lost(f"seed {seed}")
    verdict.report("times Kafka's replies lost", max(2, ROUNDS // 2))


@pytest.mark.parametrize("is_exactly_once", [True, False])
def test_kills_with_exactly_once_send_nothing_twice_and_without_they_do(workshop, is_exactly_once):
    cluster = Cluster(workshop, brokers=1)
    configuration, gateway, inside = to_kafka(workshop, cluster.address, exactly_once=is_exactly_once)
    publisher = Publisher(inside, pause=0.001)
    seed = random.randrange(1 << 32)
    choose = random.Random(seed)
    # Whether a kill falls between an acknowledgement and its note is chance: the control arm goes on until one has.
    for number in range(KILLS if is_exactly_once else 6 * KILLS):
        if not is_exactly_once and number >= KILLS and Verdict(events_in(cluster.address), 0).twice:
            break
        before = gateway.output("up")["acknowledgedEvents"]
        wait_for(lambda: gateway.output("up")["acknowledgedEvents"] > before + 20, seconds=40, what="some events")
        threading.Event().wait(choose.uniform(0.0, 0.4))
        gateway.kill()
        gateway = workshop.gateway(configuration)
    acknowledged = publisher.stop()
    wanted = set(range(1, acknowledged + 1))
    wait_for(lambda: gateway.output("up")["lanes"][1]["waitingEvents"] == 0, seconds=60, what=f"all sent, seed {seed}")
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
    error = wait_for(lambda: gateway.output("up").get("lastError"), what="an error")
    assert "topic t: " in error and "Unknown topic" in error
    assert "topic t: " in headgate("status", "-c", configuration).stdout
    assert any("output down" in line and "topic t: " in line for line in gateway.peer.log.read_text().splitlines())
    # Nothing is lost by it.
    cluster.tell("topic t NONE")
    wait_for(lambda: 7 in numbers_in(cluster.address), what="the event")
    wait_for(lambda: gateway.output("up")["isUp"], what="the output")
    assert gateway.stop() == 0
