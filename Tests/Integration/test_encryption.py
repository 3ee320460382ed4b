"""What waits in the outbox is sealed on the disk: nobody reads it without the key, and no key that is lost loses it."""

import base64
import json
import os
import uuid

import pytest

from conftest import free_port, headgate, secret_file, wait_for
from oracle import Listener
from test_kafka_security import TEXT_MAP
from test_mqtt_in import publish


def new_key():
    return base64.b64encode(os.urandom(32)).decode()


def on_disk(folder, text):
    """The files of a state folder in which a text stands."""
    files = [path for path in (folder / "state").rglob("*") if path.is_file()]
    return [path.name for path in files if text.encode() in path.read_bytes()]


class Sealed:
    """A gateway that hears texts and whose broker upstream is away."""

    def __init__(self, workshop, outbox):
        self.workshop = workshop
        self.inside, _ = workshop.mosquitto("inside")
        self.up = free_port()
        maps = workshop.folder / "maps"
        maps.mkdir()
        (maps / "text.yaml").write_text(TEXT_MAP)
        self.configuration = workshop.configuration(
            maps=str(maps), links={"floor": {"mqtt": f"mqtt://127.0.0.1:{self.inside}"}},
            devices={"d": {"map": "text", "link": "floor", "topic": "d"}}, outbox=outbox,
            outputs={"up": {"mqtt": f"mqtt://127.0.0.1:{self.up}", "topic": "up/{device}", "version": "5"}})
        self.start()

    def start(self):
        log = self.workshop.folder / "gateway.log"
        before = log.read_text().count("subscribed") if log.exists() else 0
        # One whose outbox is in trouble is not ready.
        self.gateway = self.workshop.gateway(self.configuration, wait=False)
        wait_for(lambda: log.read_text().count("subscribed") > before, what="the subscription")

    def hear(self, *texts):
        before = self.gateway.metric("headgate_outbox_committed_readings_total") or 0
        for text in texts:
            publish(self.inside, json.dumps({"t": text}), topic="d")
        wait_for(lambda: self.gateway.metric("headgate_outbox_committed_readings_total") >= before + len(texts),
                 what="the commits")


@pytest.mark.parametrize("is_sealed", [True, False])
def test_what_is_sealed_stands_nowhere_on_the_disk(workshop, is_sealed):
    canary = f"CANARY-{uuid.uuid4()}"
    outbox = {"encryption": {"file": str(secret_file(workshop.folder, new_key()))}} if is_sealed else {}
    sealed = Sealed(workshop, outbox)
    sealed.hear(canary)
    assert bool(on_disk(workshop.folder, canary)) != is_sealed
    assert sealed.gateway.stop() == 0
    assert bool(on_disk(workshop.folder, canary)) != is_sealed
    verdict = headgate("outbox", "verify", "-c", sealed.configuration)
    assert verdict.returncode == 0, verdict.stdout
    assert canary in headgate("outbox", "export", "-c", sealed.configuration).stdout
    # The log tells of events, never of what is in them.
    assert canary not in sealed.gateway.peer.log.read_text()


def test_a_key_is_followed_by_another_and_one_that_is_lost_loses_nothing(workshop):
    first, second = new_key(), new_key()
    keys = secret_file(workshop.folder, first)
    sealed = Sealed(workshop, {"encryption": {"file": str(keys)}})
    sealed.hear("one")
    assert sealed.gateway.stop() == 0

    # Rotation: the new one on top.
    keys.write_text(f"# since today\n{second}\n{first}\n")
    sealed.start()
    sealed.hear("two")
    assert "all sound" in headgate("outbox", "verify", "-c", sealed.configuration).stdout
    assert len(json.loads(headgate("outbox", "status", "--json", "-c", sealed.configuration).stdout)["keys"]) == 2
    assert "encrypted with " in headgate("outbox", "status", "-c", sealed.configuration).stdout
    assert sealed.gateway.metric("headgate_disk_written_bytes_total") > 0
    assert sealed.gateway.stop() == 0

    # The old one is taken away too early.
    keys.write_text(second)
    lost = headgate("outbox", "verify", "-c", sealed.configuration)
    assert lost.returncode == 1 and "encrypted with the key" in lost.stdout
    sealed.start()
    wait_for(lambda: "put it back" in sealed.gateway.status()["outbox"].get("trouble", ""), what="the trouble")
    assert sealed.gateway.metric("headgate_outbox_healthy") == 0
    sealed.hear("three")
    assert sealed.gateway.stop() == 0

    # And put back.
    keys.write_text(f"{second}\n{first}\n")
    workshop.mosquitto("outside", port=sealed.up)
    heard = Listener(sealed.up, "up/#")
    sealed.start()

    def texts():
        return sorted(one["value"] for event in heard.events for one in event["data"].get("readings", []))

    wait_for(lambda: texts() == ["one", "three", "two"], seconds=60, what="all three, once")
    assert not [event for event in heard.events if event["type"].endswith("gap")]
    wait_for(lambda: sealed.gateway.metric("headgate_outbox_healthy") == 1, what="a sound outbox")
    heard.stop()


def test_a_key_file_that_is_none_is_refused_with_the_line(workshop):
    keys = secret_file(workshop.folder, f"{new_key()}\nsecret\n")
    configuration = workshop.configuration(outbox={"encryption": {"file": str(keys)}})
    refused = headgate("run", "-c", configuration)
    assert refused.returncode != 0 and "line 2: is not a key" in refused.stderr
    assert "secret" not in refused.stderr.replace("outbox.encryption", "").replace(str(keys), "")
    keys.chmod(0o644)
    assert "chmod 600" in headgate("run", "-c", configuration).stderr
