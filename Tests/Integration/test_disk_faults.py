"""A disk that fails: whatever it does, the gateway goes on, says what is wrong, loses nothing acknowledged and is well
again once the disk is, without being restarted."""

import errno
import json
import os
import threading

import paho.mqtt.client as mqtt
import pytest
import yaml

from conftest import free_port, seeded, wait_for
from disk import NAMES, OPENS, SYNCS, WRITES, FailingDisk, SmallDisk
from oracle import Listener, Publisher, Verdict
from test_mqtt_in import counting, listening

ROUNDS = int(os.environ.get("HEADGATE_FAULTS", 25))
FAULTS = [
    (WRITES, errno.ENOSPC), (WRITES, errno.EDQUOT), (WRITES, errno.EIO), (WRITES | OPENS, errno.EROFS),
    (SYNCS, errno.EIO), (WRITES | OPENS | NAMES | SYNCS, errno.EIO), (WRITES | OPENS, errno.ENOSPC),
]


def plant(workshop, **outbox):
    """A gateway's configuration between two brokers, with a device that is polled ten times a second."""
    inside, _ = workshop.mosquitto("inside")
    outside, _ = workshop.mosquitto("outside")
    modbus = free_port()
    configuration = counting(
        workshop, inside, link={"client_id": "gateway"}, outbox=outbox, log={"outbox": "debug"},
        outputs={"up": {"mqtt": f"mqtt://127.0.0.1:{outside}", "topic": "up/{device}"}})
    (workshop.folder / "maps/fast.yaml").write_text(
        "map: fast\nversion: 1\ntitle: t\nsource: s\n"
        "modbus: { defaults: { table: holding, type: uint16, every: 100ms } }\n"
        "points: { a: { address: 0 } }\n"
        "examples: [{ registers: { holding: { 0: [1] } }, expect: { a: 1 } }]\n")
    text = yaml.safe_load(configuration.read_text())
    text["links"]["bus"] = {"tcp": f"127.0.0.1:{modbus}"}
    text["devices"]["fast"] = {"map": "fast", "link": "bus", "unit_id": 1}
    configuration.write_text(yaml.safe_dump(text))
    file = workshop.folder / "plant.json"
    file.write_text('{"1": {"holding": [1, 2]}}')
    workshop.python("modbus", "modbus_server.py", modbus, file)
    return configuration, inside, outside


def await_numbers(heard, acknowledged, context):
    wanted = set(range(1, acknowledged + 1))
    try:
        wait_for(lambda: heard.numbers() >= wanted, seconds=60, what=f"every acknowledged number ({context})")
    except pytest.fail.Exception:
        missing = sorted(wanted - heard.numbers())
        pytest.fail(f"{len(missing)} of {acknowledged} acknowledged are missing ({context}): {missing[:10]} …;"
                    f" gaps {Verdict(heard.events, acknowledged).gaps}")


def all_came(gateway, publisher, heard, context=""):
    """Ends a test: whatever was acknowledged has come. Gives the verdict."""
    acknowledged = publisher.stop()
    await_numbers(heard, acknowledged, context)
    assert gateway.stop() == 0
    heard.stop()
    verdict = Verdict(heard.events, acknowledged)
    verdict.check_nothing_lost(context)
    return verdict


def is_ready(gateway):
    try:
        return gateway.get("/readyz").startswith("ready\n")
    except OSError:
        return False


def polls(gateway):
    return gateway.metric("headgate_modbus_polls_total", device="fast") or 0


def test_calls_that_fail_cost_nothing_acknowledged(workshop):
    configuration, inside, outside = plant(workshop)
    disk = FailingDisk(workshop.folder, workshop.folder / "state")
    gateway = workshop.gateway(configuration, env=disk.environment)
    listening(gateway)
    heard = Listener(outside, "up/#")
    publisher = Publisher(inside)
    seed, choose = seeded()
    fired = 0
    for round in range(ROUNDS):
        kinds, error = FAULTS[round % len(FAULTS)]
        disk.fail(kinds, error, skipped=choose.randrange(40), count=choose.choice([1, 1, 2, 5, 50]))
        # A moment of trouble; what it hits is left to chance.
        threading.Event().wait(choose.uniform(0.05, 0.4))
        fired += disk.get("failed") > 0
        disk.mend()
        wait_for(lambda: is_ready(gateway), seconds=30, what=f"a sound gateway in round {round} (seed {seed})")
    assert fired > ROUNDS / 3
    before = polls(gateway)
    wait_for(lambda: polls(gateway) > before + 3, what="polls that go on")
    all_came(gateway, publisher, heard, f"seed {seed}").report("faults of the disk that struck", fired)


def test_control_a_disk_that_lies_does_lose(workshop):
    """The same load on a disk that says it has written what it has not, and a kill: if nothing were missed then, the
    oracle would see nothing."""
    configuration, inside, outside = plant(workshop)
    text = yaml.safe_load(configuration.read_text())
    away = text["outputs"]["up"]["mqtt"]
    text["outputs"]["up"]["mqtt"] = f"mqtt://127.0.0.1:{free_port()}"
    configuration.write_text(yaml.safe_dump(text))
    disk = FailingDisk(workshop.folder, workshop.folder / "state")
    gateway = workshop.gateway(configuration, env=disk.environment)
    listening(gateway)
    publisher = Publisher(inside)
    wait_for(lambda: publisher.acknowledged > 20, what="the first messages")
    disk.fail(WRITES, -1, count=1 << 30)
    before = publisher.acknowledged

    def committed():
        return gateway.status()["totals"]["committed"]
    # What only the broker has acknowledged comes again.
    lied = committed()
    wait_for(lambda: publisher.acknowledged > before + 50 and committed() > lied + 100, what="more of them")
    gateway.kill()
    acknowledged = publisher.stop()
    text["outputs"]["up"]["mqtt"] = away
    configuration.write_text(yaml.safe_dump(text))
    heard = Listener(outside, "up/#")
    gateway = workshop.gateway(configuration)
    wait_for(lambda: all(one["waiting_events"] == 0 for one in gateway.output("up")["lanes"]), what="an empty outbox")
    gateway.stop()
    heard.stop()
    assert Verdict(heard.events, acknowledged).missing


def test_a_disk_that_is_gone_for_long_stops_neither_polls_nor_forwarding(workshop):
    configuration, inside, outside = plant(workshop)
    disk = FailingDisk(workshop.folder, workshop.folder / "state")
    gateway = workshop.gateway(configuration, env=disk.environment)
    listening(gateway)
    heard = Listener(outside, "up/#")
    publisher = Publisher(inside)
    wait_for(lambda: len(heard.numbers()) > 20 and heard.numbers("fast"), what="the first messages")
    disk.fail(WRITES | OPENS | NAMES, errno.EROFS, count=1 << 30)
    wait_for(lambda: not is_ready(gateway), what="trouble that is told")
    status = gateway.status()["outbox"]
    assert not status["healthy"] and "Read-only file system" in status["trouble"]
    # Through memory: what comes in goes out, and is acknowledged once it has.
    before, count, acknowledged = polls(gateway), len(heard.numbers("fast")), publisher.acknowledged
    wait_for(lambda: polls(gateway) > before + 10, what="polls")
    wait_for(lambda: publisher.acknowledged > acknowledged + 50, what="acknowledgements")
    wait_for(lambda: len(heard.numbers()) > acknowledged + 50, what="events")
    assert count == len(heard.numbers("fast"))  # its value does not change
    disk.mend()
    wait_for(lambda: is_ready(gateway), what="a sound gateway")
    assert not all_came(gateway, publisher, heard).gaps


def test_syncs_of_two_seconds_delay_no_poll(workshop):
    configuration, inside, outside = plant(workshop)
    disk = FailingDisk(workshop.folder, workshop.folder / "state")
    gateway = workshop.gateway(configuration, env=disk.environment)
    listening(gateway)
    heard = Listener(outside, "up/#")
    publisher = Publisher(inside)
    wait_for(lambda: len(heard.numbers()) > 20, what="the first messages")
    disk.set(delay=2000)
    missed = gateway.metric("headgate_modbus_polls_missed_total") or 0
    before = polls(gateway)
    wait_for(lambda: polls(gateway) > before + 60, seconds=30, what="sixty polls")
    # A sync that held the polls up would cost nineteen of twenty; a busy machine may cost one.
    assert (gateway.metric("headgate_modbus_polls_missed_total") or 0) <= missed + 3
    disk.mend()
    all_came(gateway, publisher, heard)


def fill_with_texts(workshop, inside, megabytes):
    """Texts that do not compress, published as a device's of their own."""
    client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, client_id="texts", protocol=mqtt.MQTTv311)
    client.connect("127.0.0.1", inside)
    client.loop_start()
    _, choose = seeded()
    # Hexadecimal digits come down to half of their size.
    for _ in range(megabytes * 100):
        client.publish("text", json.dumps({"t": choose.randbytes(10_000).hex()}), qos=1).wait_for_publish(20)
    client.loop_stop()
    client.disconnect()


def with_texts(workshop, configuration):
    (workshop.folder / "maps/text.yaml").write_text(
        "map: text\nversion: 1\ntitle: t\nsource: s\nmqtt: { payload: json }\n"
        "points: { t: { path: t, type: string, lane: bulk } }\n"
        "examples: [{ payload: '{\"t\":\"a\"}', expect: { t: a } }]\n")
    text = yaml.safe_load(configuration.read_text())
    text["devices"]["texts"] = {"map": "text", "link": "floor", "topic": "text"}
    return text


def test_a_disk_that_is_read_only_at_the_start_stops_nothing(workshop):
    disk = SmallDisk(workshop, "24m", "ro")
    configuration, inside, outside = plant(workshop)
    gateway = workshop.gateway(configuration, wait=False, wrapper=disk.wrapper)
    listening(gateway)
    heard = Listener(outside, "up/#")
    publisher = Publisher(inside)
    wait_for(lambda: len(heard.numbers()) > 50, what="messages through memory")
    assert not is_ready(gateway) and "Read-only file system" in gateway.status()["outbox"]["trouble"]
    before = polls(gateway)
    wait_for(lambda: polls(gateway) > before + 5, what="polls")
    disk.remount("rw")
    wait_for(lambda: is_ready(gateway), what="a sound gateway")
    assert not all_came(gateway, publisher, heard).gaps


def test_an_outbox_that_fills_its_disk_loses_the_oldest_bulk_and_tells_it(workshop):
    """`max_size` is more than there is room for, and the broker upstream is away."""
    disk = SmallDisk(workshop, "24m")
    configuration, inside, outside = plant(workshop, max_size="64MiB")
    text = with_texts(workshop, configuration)
    proxy = workshop.proxy(outside)
    text["outputs"]["up"]["mqtt"] = f"mqtt://127.0.0.1:{proxy.port}"
    proxy.refuse()
    configuration.write_text(yaml.safe_dump(text))
    gateway = workshop.gateway(configuration, wrapper=disk.wrapper)
    listening(gateway)
    publisher = Publisher(inside, pause=0.01)
    fill_with_texts(workshop, inside, 40)
    wait_for(lambda: (gateway.metric("headgate_outbox_lost_events_total", cause="disk_full") or 0) > 0, what="a loss")
    before = polls(gateway)
    wait_for(lambda: polls(gateway) > before + 10, what="polls")
    # It has come to rest on the disk, not in memory: what it acknowledges survives. And the gauge says so.
    wait_for(lambda: is_ready(gateway), seconds=60, what="a sound gateway on a full disk")
    limit = gateway.metric("headgate_outbox_max_bytes")
    assert limit < 24 << 20
    gateway.kill()
    gateway = workshop.gateway(configuration, wrapper=disk.wrapper)
    assert gateway.metric("headgate_outbox_max_bytes") > 0.9 * limit
    acknowledged = publisher.stop()
    heard = Listener(outside, "up/#")
    proxy.mend()
    # The broker inside has acknowledged what the gateway may not have taken yet.
    await_numbers(heard, acknowledged, "")
    wait_for(lambda: all(one["waiting_events"] == 0 for one in gateway.output("up")["lanes"]), seconds=60,
             what="an empty outbox")
    wait_for(lambda: is_ready(gateway), seconds=60, what="a sound gateway with its ballast")
    assert (disk.seen / "ballast").exists()
    # A gap is told once it has not grown for ten seconds.
    wait_for(lambda: not Verdict(heard.events, acknowledged).holes("bulk"), seconds=30, what="every gap")
    assert gateway.stop() == 0
    heard.stop()
    verdict = Verdict(heard.events, acknowledged)
    # What is not bulk is all there, and of bulk every number is there or told as lost.
    verdict.check_nothing_lost()
    assert {(gap["lane"], gap["cause"]) for gap in verdict.gaps} == {("bulk", "disk_full")}
    assert "goes on in memory" not in gateway.peer.log.read_text()
    for name in ("critical", "normal", "bulk"):
        assert not verdict.holes(name), name


def test_a_disk_that_somebody_else_fills_and_frees_needs_no_restart(workshop):
    disk = SmallDisk(workshop, "24m")
    configuration, inside, outside = plant(workshop, max_size="64MiB")
    text = with_texts(workshop, configuration)
    proxy = workshop.proxy(outside)
    text["outputs"]["up"]["mqtt"] = f"mqtt://127.0.0.1:{proxy.port}"
    configuration.write_text(yaml.safe_dump(text))
    gateway = workshop.gateway(configuration, wrapper=disk.wrapper)
    listening(gateway)
    heard = Listener(outside, "up/#")
    publisher = Publisher(inside, pause=0.01)
    wait_for(lambda: len(heard.numbers()) > 20, what="the first messages")
    proxy.refuse()
    fill = disk.seen / "fill"
    with open(fill, "wb") as file, pytest.raises(OSError):
        while True:
            os.write(file.fileno(), bytes(1 << 16))
    # Less than the ballast: nothing has to go.
    fill_with_texts(workshop, inside, 4)
    wait_for(lambda: not is_ready(gateway), seconds=60, what="trouble that is told")
    before, acknowledged = polls(gateway), publisher.acknowledged
    wait_for(lambda: polls(gateway) > before + 20 and publisher.acknowledged > acknowledged + 50, what="life goes on")
    fill.unlink()
    wait_for(lambda: is_ready(gateway), seconds=60, what="a sound gateway")
    proxy.mend()
    acknowledged = publisher.stop()
    await_numbers(heard, acknowledged, "")
    wait_for(lambda: all(one["waiting_events"] == 0 for one in gateway.output("up")["lanes"]), seconds=60,
             what="an empty outbox")
    assert gateway.stop() == 0
    heard.stop()
    verdict = Verdict(heard.events, acknowledged)
    verdict.check_nothing_lost()
    assert not verdict.gaps and not verdict.holes("bulk")
