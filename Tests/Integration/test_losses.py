"""What is lost is told: in the log, in the status, as a metric that was there before, and to whoever asks for readiness."""

import json
import re

import pytest

from conftest import free_port, headgate, seeded, wait_for


def plant(workshop, max_size, rate=2_000):
    """A device that says much, and a broker that is away."""
    broker, _ = workshop.mosquitto()
    (workshop.folder / "maps").mkdir(exist_ok=True)
    (workshop.folder / "maps/noisy.yaml").write_text("""\
map: noisy
version: 1
title: a device that says much
source: this test
mqtt: { payload: json }
points:
  text: { path: text }
examples: [{ payload: '{"text": "x"}', expect: { text: x } }]
""")
    return workshop.configuration(
        maps=str(workshop.folder / "maps"), links={"hall": {"mqtt": f"mqtt://127.0.0.1:{broker}"}},
        devices={"noisy": {"map": "noisy", "link": "hall", "topic": "noisy"}},
        outbox={"max_size": max_size}, outputs={"central": {"mqtt": f"mqtt://127.0.0.1:{free_port()}", "topic": "events"}}), broker


def publish(workshop, port, count):
    import paho.mqtt.client as paho

    _, generator = seeded()
    client = paho.Client(paho.CallbackAPIVersion.VERSION2)
    client.connect("127.0.0.1", port)
    client.loop_start()
    last = None
    for _ in range(count):
        # Noise, which does not compress.
        last = client.publish("noisy", json.dumps({"text": "%0960x" % generator.getrandbits(3_840)}), qos=1)
    last.wait_for_publish(60)
    client.disconnect()
    client.loop_stop()


@pytest.mark.parametrize("max_size, is_lossy", [("4MiB", True), ("64MiB", False)])
def test_a_full_outbox_tells_what_it_loses(workshop, max_size, is_lossy):
    path, port = plant(workshop, max_size)
    gateway = workshop.gateway(path)
    # What counts losses is there before the first: a rate sees it.
    for cause in ("max_size", "max_age", "overload", "disk_full", "corrupt_block", "dead_letters", "too_many_devices"):
        assert gateway.metric("headgate_outbox_lost_events_total", output="central", cause=cause) == 0
    wait_for(lambda: "subscribed" in gateway.peer.log.read_text(), what="the subscription")
    publish(workshop, port, 16_000)
    wait_for(lambda: gateway.status()["totals"]["committed"] >= 16_000, seconds=60, what="all messages")

    def lost():
        return gateway.metric("headgate_outbox_lost_events_total", output="central", cause="max_size")

    if not is_lossy:
        assert lost() == 0 and "events_lost" not in gateway.get("/readyz") and gateway.status()["outbox"]["losses"] == []
        assert "events_lost" not in gateway.peer.log.read_text()
        gateway.stop()
        return
    count = wait_for(lost, what="a loss")
    [loss] = gateway.status()["outbox"]["losses"]
    assert (loss["output"], loss["cause"]) == ("central", "max_size") and loss["events"] >= count > 1_000
    [warning] = [one for one in gateway.status()["warnings"] if one["warning"] == "events_lost"]
    assert warning["subject"] == "central: max_size" and "headgate status" in warning["next"]
    readiness = gateway.get("/readyz")
    assert readiness.startswith("ready\n") and "events_lost: central: max_size: " in readiness
    log = [line for line in gateway.peer.log.read_text().splitlines() if "warning=events_lost" in line]
    assert len(log) == 1 and " warning " in log[0]
    shown = headgate("status", "-c", path).stdout
    assert re.search(r"lost for +events +cause", shown) and re.search(r"central +\d+ +max_size", shown)
    assert re.search(r"central +\d+ +max_size", headgate("outbox", "status", "-c", path).stdout)
    gateway.stop()
    # Of a stopped gateway, too.
    assert re.search(r"central +\d+ +max_size", headgate("outbox", "status", "-c", path).stdout)
    losses = json.loads(headgate("outbox", "status", "--json", "-c", path).stdout)["losses"]
    assert [one["events"] for one in losses] == [loss["events"]]
