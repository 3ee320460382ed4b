"""Texts that others chose: they neither command the terminal that shows them, nor begin a line of their own in the log."""

import json
import os
import pty
import re
import subprocess
import threading

import paho.mqtt.client as mqtt
import pytest
import yaml

from conftest import HEADGATE, events_in, headgate, wait_for
from registry import Registry
from test_avro import MACHINE
from test_mqtt_in import listening, publish

# C0 with a new line and an escape sequence, DEL, C1 (a control sequence in one character), line and paragraph separators, and
# what turns the direction of writing.
HOSTILE = "a\n2026-01-01T00:00:00+0000 notice forged\x1b[2J\x1b]0;title\x07\r\x7f\x9b2J\u2028\u2029\u202eb"
RAW = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e]")
STAMP = re.compile(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[+-]\d{4} (trace|debug|info|notice|warning|error|critical) headgate\.")


@pytest.fixture
def plant(workshop):
    broker, _ = workshop.mosquitto()
    maps = workshop.folder / "maps"
    maps.mkdir()
    (maps / "machine.yaml").write_text(yaml.safe_dump(MACHINE, sort_keys=False))

    def configure(**more):
        outputs = more.pop("outputs", {}) | {"local": {"file": str(workshop.folder / "events.jsonl")}}
        return workshop.configuration(
            maps=str(maps), links={"floor": {"mqtt": f"mqtt://127.0.0.1:{broker}"}},
            devices={"saw-1": {"map": "machine", "link": "floor", "topic": "saw/1"}}, outputs=outputs, **more)
    return workshop, configure, broker


def on_a_terminal(*arguments):
    """What a command prints to a terminal."""
    ours, its = pty.openpty()
    process = subprocess.Popen([HEADGATE, *map(str, arguments)], stdout=its, stderr=its, stdin=its,
                               env={key: value for key, value in os.environ.items() if key != "NO_COLOR"})
    os.close(its)
    printed = b""
    try:
        while chunk := os.read(ours, 65_536):
            printed += chunk
    except OSError:
        pass
    process.wait(30)
    os.close(ours)
    return printed.decode().replace("\r\n", "\n")


def assert_harmless(text):
    without_colours = re.sub(r"\x1b\[(0|2|31|32|33)m", "", text)
    found = RAW.search(without_colours)
    assert not found, repr(without_colours[max(0, found.start() - 60):found.end() + 20])
    assert not any(line.startswith("2026-01-01") for line in text.split("\n"))


def test_texts_of_devices_reach_no_terminal_as_they_are(plant, request):
    workshop, configure, broker = plant
    configuration = configure()
    gateway = workshop.gateway(configuration)
    listening(gateway)
    tail = workshop.start("tail", [HEADGATE, "tail", "-c", configuration])
    tail_json = workshop.start("tail-json", [HEADGATE, "tail", "--json", "-c", configuration])
    sender = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2)
    sender.connect("127.0.0.1", broker)
    sender.loop_start()
    is_over = threading.Event()

    def send():
        while not is_over.wait(0.2):
            sender.publish("saw/1", json.dumps({"speed": 70, "program": HOSTILE, "state": HOSTILE}), qos=1)
    threading.Thread(target=send, daemon=True).start()
    request.addfinalizer(lambda: (is_over.set(), sender.disconnect(), sender.loop_stop()))
    wait_for(lambda: "forged" in tail.log.read_text(), what="the line")
    wait_for(lambda: "forged" in tail_json.log.read_text(), what="the event")
    assert_harmless(tail.log.read_text())
    assert_harmless(tail_json.log.read_text())
    event = json.loads(next(line for line in tail_json.log.read_text().split("\n") if "forged" in line))
    assert HOSTILE in [one["value"] for one in event["data"]["readings"]]
    for arguments in [("read", "saw-1", "--wait", "1"), ("read", "saw-1", "--wait", "1", "--json"), ("status",),
                      ("status", "--json"), ("outbox", "export")]:
        plain = headgate(*arguments, "-c", configuration)
        assert_harmless(plain.stdout + plain.stderr)
        shown = on_a_terminal(*arguments, "-c", configuration)
        assert_harmless(shown)
        if arguments == ("read", "saw-1", "--wait", "1"):
            assert "forged" in plain.stdout and "forged" in shown
            # Colours are there, and of the command alone.
            assert "\x1b[32m" in shown and "\x1b" not in plain.stdout
    # The event itself is as the device sent it.
    assert HOSTILE in [one["value"] for event in events_in(workshop.folder / "events.jsonl")
                       for one in event["data"].get("readings", [])]


def test_the_message_of_a_registry_is_one_line_of_the_log(plant):
    workshop, configure, broker = plant
    registry = Registry()
    try:
        registry.refusal = (422, 42201, HOSTILE)
        configuration = configure(outputs={"avro": {
            "kafka": workshop.kafka(), "topic": "events", "format": "avro", "registry": {"url": registry.url}}})
        gateway = workshop.gateway(configuration)
        listening(gateway)
        publish(broker, json.dumps({"speed": 70}), topic="saw/1")
        wait_for(lambda: "forged" in gateway.peer.log.read_text(), what="the refusal")
        status = headgate("status", "-c", configuration)
        assert_harmless(status.stdout)
        gateway.stop()
        log = gateway.peer.log.read_text()
        assert_harmless(log)
        assert all(STAMP.match(line) for line in log.splitlines()), log
    finally:
        registry.close()


def test_a_mistake_with_a_text_of_others_is_one_line(plant):
    workshop, configure, _ = plant
    configuration = configure()
    text = yaml.safe_load(configuration.read_text())
    text["devices"]["saw-1"]["topic"] = "saw/#/" + HOSTILE.replace("\n", " ")
    text["devices"][HOSTILE] = {"map": HOSTILE, "link": "floor", HOSTILE: 1}
    configuration.write_text(yaml.safe_dump(text))
    checked = headgate("check", "-c", configuration)
    assert checked.returncode == 78
    assert_harmless(checked.stdout + checked.stderr)
    assert all(line.startswith(str(workshop.folder)) or "mistake" in line for line in checked.stderr.splitlines())
