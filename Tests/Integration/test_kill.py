"""kill -9 under load, twenty times: nothing acknowledged is lost, and no event changes under its name.

Only what the process does is tested here: the system keeps what was written though not synced, so this cannot tell a
commit that survives a power cut from one that does not.
"""

import json
import os
import threading

import yaml

from conftest import free_port, seeded, wait_for
from oracle import Listener, Publisher, Verdict, lane, sequence
from test_mqtt_in import counting, listening

ROUNDS = int(os.environ.get("HEADGATE_KILLS", 20))


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
        "examples: [{ registers: { holding: { 0: [1] } }, expect: { a: 1 } }]\n")
    text["links"]["bus"] = {"tcp": f"127.0.0.1:{modbus}"}
    text["devices"]["fast"] = {"map": "fast", "link": "bus", "unit_id": 1}
    configuration.write_text(yaml.safe_dump(text))
    plant = workshop.folder / "plant.json"
    plant.write_text(json.dumps({"1": {"holding": [1, 2]}}))
    workshop.python("modbus", "modbus_server.py", modbus, plant)

    heard = Listener(outside, "up/#")
    gateway = workshop.gateway(configuration)
    listening(gateway)
    publisher = Publisher(inside)
    seed, choose = seeded()
    for _ in range(ROUNDS):
        # A random moment is what is tested here, not something to wait for.
        threading.Event().wait(choose.uniform(0.05, 0.6))
        gateway.kill()
        gateway = workshop.gateway(configuration)
    acknowledged = publisher.stop()
    assert acknowledged > 100

    wanted = set(range(1, acknowledged + 1))
    wait_for(lambda: heard.numbers() >= wanted, seconds=60, what=f"every acknowledged number (seed {seed})")
    gateway.stop()
    heard.stop()
    verdict = Verdict(heard.events, acknowledged)
    verdict.check_nothing_lost(f"seed {seed}")
    # Every committed reading came: the numbers of each lane have no hole.
    for name in ("critical", "normal"):
        sequences = {sequence(event) for event in heard.events if lane(event) == name}
        assert sequences == set(range(1, max(sequences) + 1)), name
    verdict.report("kills", ROUNDS)


def test_control_a_bridge_that_acknowledges_first_does_lose(workshop):
    """The same load and the same kills on a bridge that keeps half a second in memory: if it lost nothing, the test
    above would prove nothing."""
    inside, _ = workshop.mosquitto("inside")
    outside, _ = workshop.mosquitto("outside")
    heard = Listener(outside, "up/#")
    bridge = workshop.python("bridge", "hasty_bridge.py", inside, outside)
    wait_for(lambda: b"ready" in bridge.log.read_bytes(), what="the bridge")
    publisher = Publisher(inside)
    _, choose = seeded()
    for _ in range(5):
        threading.Event().wait(choose.uniform(0.2, 0.6))
        bridge.stop(how=9)
        bridge = workshop.python("bridge", "hasty_bridge.py", inside, outside)
        count = bridge.log.read_bytes().count(b"ready")
        wait_for(lambda: bridge.log.read_bytes().count(b"ready") > count, what="the bridge")
    acknowledged = publisher.stop()
    last = str(acknowledged).encode()
    wait_for(lambda: last in heard.payloads, what="the last number")
    heard.stop()
    assert {int(payload) for payload in heard.payloads} < set(range(1, acknowledged + 1))
