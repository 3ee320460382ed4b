"""What must not leave the gateway: in no topic, log, metric, page or file, whatever is sent to it."""

import base64
import hashlib
import hmac
import json
import re
import secrets
import subprocess

import pytest
import yaml

from conftest import events_in, free_port, headgate, secret_file, wait_for
from test_avro import values
from test_mqtt_in import listening, publish

MONITOR = {
    "map": "monitor", "version": 1, "title": "a bedside monitor", "source": "this test",
    "mqtt": {"payload": "json", "id": {"level": 2}},
    "points": {
        "hr": {"path": "hr", "unit": "/min", "range": [0, 300]},
        "patient": {"path": "patient"}, "name": {"path": "name"}, "born": {"path": "born", "type": "string"},
        "age": {"path": "age", "type": "int64"}, "weight": {"path": "weight", "unit": "kg"},
        "height": {"path": "height", "unit": "m"},
    },
    "derived": {"bmi": {"expr": "weight / height^2", "unit": "kg/m2"}},
    "examples": [{"topic": "", "payload": '{"hr": 70}', "expect": {"hr": 70}}],
}
KEY = bytes(range(32))
MINIMISE = {
    "points": [{"points": "patient", "pseudonymise": "hospital-a"}, {"points": ["name", "weight"], "drop": True},
               {"points": "born", "mask": 2}, {"points": "age", "generalise": 10}],
    "device_ids": [{"devices": "bed", "pseudonymise": "hospital-a"}],
}
CANARIES = ["Doe", "Jane", "MRN-7", "mrn-7", "19610101", "PATIENT-4711", "83.75"]
MESSAGES = [
    {"hr": 70, "patient": "MRN-7", "name": "Jane Doe", "born": "19610101", "age": 64, "weight": 83.75, "height": 1.8},
    {"hr": 130, "patient": " mrn-7 ", "name": "Jane Doe"},
    {"hr": "Jane Doe", "patient": {"MRN-7": 1}, "age": "Jane", "born": ["19610101"], "weight": "Doe"},
    {"hr": None, "patient": 7, "name": ["Jane"]},
]
BROKEN = ['{"hr": 70, "patient": "MRN-7', '"Jane Doe"', '{"hr": Jane}', "Doe", '{"Jane": {"Doe": 1}}', ""]


def token(id, authority="hospital-a", key=KEY):
    message = f"headgate token\0{authority}\0{id}".encode()
    return base64.urlsafe_b64encode(hmac.new(key, message, hashlib.sha256).digest()[:16]).decode().rstrip("=")


@pytest.fixture
def ward(workshop):
    broker, _ = workshop.mosquitto()
    maps = workshop.folder / "maps"
    maps.mkdir()
    (maps / "monitor.yaml").write_text(yaml.safe_dump(MONITOR, sort_keys=False))

    def configure(minimise, outputs, **more):
        if minimise:
            keys = secret_file(workshop.folder, "k1 " + base64.b64encode(KEY).decode())
            more["privacy"] = minimise | {"keys": {"file": str(keys)}}
        return workshop.configuration(
            maps=str(maps), links={"floor": {"mqtt": f"mqtt://127.0.0.1:{broker}"}},
            devices={"bed": {"map": "monitor", "link": "floor", "topic": "ward/+", "tags": {"ward": "icu", "room": "3"}}},
            rules={"fast": {"when": "hr > 120"}}, windows={"w": {"every": "1s", "lateness": "10ms"}},
            log="trace", outputs=outputs, **more)
    return workshop, configure, broker


def where_canaries_are(workshop, configure, broker, minimise):
    """All places that have one of them, after a day in the life of the gateway."""
    kafka, out, heard = workshop.kafka(), workshop.folder / "events.jsonl", workshop.folder / "heard.txt"
    workshop.start("sub", ["mosquitto_sub", "-p", broker, "-q", "1", "-t", "out/#", "-v"], stdout=open(heard, "wb"))
    path = configure(minimise, {
        "file": {"file": str(out)}, "kafka": {"kafka": kafka, "topic": "events"},
        "mqtt": {"mqtt": f"mqtt://127.0.0.1:{broker}", "topic": "out/{device}"},
        "dead": {"kafka": f"127.0.0.1:{free_port()}", "topic": "dead"}}, outbox={"keep_sent": "1d"})
    pages = []

    def speak(gateway):
        listening(gateway)
        before = len(events_in(out))
        for payload in [*map(json.dumps, MESSAGES), *BROKEN]:
            publish(broker, payload, topic="ward/PATIENT-4711")
        wait_for(lambda: any(event["data"].get("window") for event in events_in(out)[before:]), what="a window")
        pages.extend(gateway.get(page) for page in ("/metrics", "/api/status", "/"))
        pages.append(headgate("outbox", "show", "-c", path).stdout)
    gateway = workshop.gateway(path)
    speak(gateway)
    gateway.kill()
    log = gateway.peer.log.read_text()
    gateway = workshop.gateway(path)
    speak(gateway)
    gateway.stop()
    log += gateway.peer.log.read_text()
    assert "level=debug" in log or " debug " in log, "what is not logged proves nothing"
    pages.append(headgate("outbox", "export", "-c", path, "--lane", "normal").stdout)
    exported = headgate("outbox", "export", "-c", path).stdout
    assert '"alarm"' in exported and '"window"' in exported
    places = {"log": log, "export": exported, "file": out.read_text(), "pages": "\n".join(pages),
              "kafka": b"\n".join(values(kafka, "events")).decode(), "mqtt": heard.read_text()}
    for one in (workshop.folder / "state").rglob("*"):
        if one.is_file():
            places[f"state/{one.name}"] = one.read_bytes().decode("latin-1")
    return {place for place, text in places.items() if any(canary in text for canary in CANARIES)}, events_in(out)


def test_what_must_not_leave_is_in_no_topic_log_metric_and_page(ward):
    workshop, configure, broker = ward
    places, events = where_canaries_are(workshop, configure, broker, MINIMISE)
    assert places == set()
    name = "bed.k1-" + token("patient-4711")
    assert {event["subject"] for event in events} == {name}
    told = [{one["point"]: one for one in event["data"]["readings"]} for event in events
            if event["type"] == "headgate.telemetry.v1"]
    first = next(one for one in told if "bmi" in one)
    assert {point: one["value"] for point, one in first.items()} == {
        "hr": 70, "patient": "k1:" + token("mrn-7"), "born": "19***", "age": 60, "height": 1.8,
        "bmi": pytest.approx(83.75 / 1.8 ** 2)}
    # However it is written, an id is one.
    assert {one["patient"]["value"] for one in told if one.get("patient", {}).get("quality") == "good"} == {
        "k1:" + token("mrn-7"), "k1:" + token("7")}
    assert token("mrn-7") != token("mrn-7", "hospital-b") != token("mrn-7", key=bytes(32))
    wrong = next(one for one in told if one.get("age", {}).get("quality") == "bad")
    assert wrong["age"]["reason"] == "wrong_type" and wrong["age"]["value"] is None


def test_without_it_they_are_everywhere(ward):
    """The control: a search that could not find them would prove nothing."""
    workshop, configure, broker = ward
    places, _ = where_canaries_are(workshop, configure, broker, None)
    assert places >= {"export", "file", "pages", "kafka", "mqtt"}
    assert any(place.startswith("state/") for place in places)


def test_an_output_tells_what_it_is_allowed_to(ward):
    workshop, configure, broker = ward
    out, all = workshop.folder / "some.jsonl", workshop.folder / "all.jsonl"
    path = configure(None, {
        "some": {"file": str(out), "allow": [{"points": ["hr", "height"]}], "allow_tags": ["ward"]},
        "all": {"file": str(all)}})
    gateway = workshop.gateway(path)
    listening(gateway)
    for message in (*MESSAGES[:2], {"name": "Jane Doe"}, {"age": 3}):
        publish(broker, json.dumps(message), topic="ward/a")
    wait_for(lambda: any(event["data"].get("window") for event in events_in(all)), what="a window")
    wait_for(lambda: not any(lane["waiting_events"] for lane in gateway.output("some")["lanes"]), what="all is settled")
    status = gateway.output("some")
    gateway.stop()
    some, whole = events_in(out), events_in(all)
    points = {one["point"] for event in some for one in event["data"].get("readings", []) + event["data"].get("points", [])}
    assert points == {"hr", "height"}
    assert all_tags(some) == {("ward", "icu")} and all_tags(whole) == {("ward", "icu"), ("room", "3")}
    assert "Jane" not in out.read_text() and "Jane" in all.read_text()
    assert {event["type"] for event in some} == {event["type"] for event in whole}
    assert len(some) == len(whole) - 2
    assert status["acknowledged_readings"] == sum(
        len(event["data"]["readings"]) for event in some if event["type"] == "headgate.telemetry.v1")


LIST = MONITOR | {"map": "beds", "mqtt": {"payload": "json", "items": "beds", "id": {"path": "bed"}}, "examples": [
    {"topic": "", "payload": '{"beds": [{"bed": "1", "hr": 70}]}', "expect": {"hr": 70}}]}


@pytest.mark.parametrize("minimise, is_there", [(MINIMISE, False), (None, True)], ids=["minimised", "control"])
def test_what_a_refused_part_of_a_message_said_is_on_no_disk(ward, minimise, is_there):
    workshop, configure, broker = ward
    (workshop.folder / "maps/monitor.yaml").write_text(yaml.safe_dump(LIST | {"map": "monitor"}, sort_keys=False))
    gateway = workshop.gateway(configure(minimise, {"f": {"kafka": f"127.0.0.1:{free_port()}", "topic": "t"}}))
    listening(gateway)
    # A block each, so short that compressing it makes nothing of it.
    names = [secrets.token_urlsafe(15) for _ in range(10)]
    for number, name in enumerate(names):
        beds = [{"patient": name, "hr": 1}, {"bed": "1", "hr": 70}]
        publish(broker, json.dumps({"beds": beds}), topic="ward/x")
        wait_for(lambda: gateway.status()["totals"]["committed"] > number, what="the commit")
    gateway.stop()
    text = b"".join(one.read_bytes() for one in (workshop.folder / "state").rglob("*") if one.is_file())
    assert any(name.encode() in text for name in names) == is_there


def test_what_was_known_before_it_was_taken_away_is_told_no_more(ward):
    workshop, configure, broker = ward
    out = workshop.folder / "events.jsonl"

    def run(minimise, window):
        path = configure(minimise, {"f": {"file": str(out)}})
        text = path.read_text().replace("fast:\n    when: hr > 120", "silent:\n    missing: height\n    for: 1s")
        path.write_text(text.replace("every: 1s", f"every: {window}"))
        return workshop.gateway(path)
    gateway = run(None, "1h")
    listening(gateway)
    publish(broker, json.dumps(MESSAGES[0]), topic="ward/PATIENT-4711")
    wait_for(lambda: any(event["type"] == "headgate.alarm.v1" for event in events_in(out)), what="the alarm")
    gateway.stop()
    before = len(events_in(out))
    gateway = run(MINIMISE | {"points": MINIMISE["points"] + [{"points": "hr", "drop": True}]}, "1h")
    listening(gateway)
    publish(broker, json.dumps(MESSAGES[0]), topic="ward/PATIENT-4712")
    wait_for(lambda: any(event["type"] == "headgate.alarm.v1" for event in events_in(out)[before:]), what="the alarm")
    gateway.stop()
    # Windows that are no longer wanted are told as far as they are: not those of before.
    gateway = run(MINIMISE | {"points": MINIMISE["points"] + [{"points": "hr", "drop": True}]}, "2h")
    wait_for(lambda: any(event["data"].get("window") for event in events_in(out)[before:]), what="the window")
    gateway.stop()
    later = events_in(out)[before:]
    assert {event["subject"] for event in later} == {"bed.k1-" + token("patient-4712")}
    assert "hr" not in {point["point"] for event in later for point in event["data"].get("points", [])}


def all_tags(events):
    return {tag for event in events for tag in event["data"].get("tags", {}).items()}


MISTAKES = [
    ({"points": [{"points": "patient", "pseudonymise": "a"}]}, {}, "HG0110"),
    ({"points": [{"points": "patient"}]}, {}, "HG0124"),
    ({"points": [{"points": "patiant", "drop": True}]}, {}, "HG0232"),
    ({"points": [{"points": "name", "generalise": 0}]}, {}, "HG0115"),
    ({"points": [{"points": "born", "generalise": 10}]}, {}, "HG0331"),
    ({"points": [{"points": "hr", "drop": True}]}, {}, "HG0333"),
    ({"device_ids": [{"devices": "door", "pseudonymise": "a"}]}, {}, "HG0231"),
    (None, {"f": {"file": "x", "allow": []}}, "HG0123"),
    (None, {"f": {"mqtt": "mqtt://h", "topic": "{tag:room}", "allow_tags": ["ward"]}}, "HG0401"),
]


@pytest.mark.parametrize("minimise, outputs, message", MISTAKES, ids=[str(mistake[2]) for mistake in MISTAKES])
def test_a_mistake_has_its_place(ward, minimise, outputs, message):
    workshop, configure, _ = ward
    path = configure(minimise, outputs)
    if message == "HG0110":
        path.write_text(re.sub(r"  keys:\n    file: .*\n", "", path.read_text()))
    result = headgate("check", "-c", path)
    assert (result.returncode == 78 and message in result.stderr) if message else result.returncode == 0, result.stderr


@pytest.mark.parametrize("text", ["", "k1", "k1 short", "K1 " + base64.b64encode(KEY).decode()])
def test_a_file_that_is_no_key_stops_the_start(ward, text):
    workshop, configure, _ = ward
    path = configure(MINIMISE, {"f": {"file": "x"}})
    secret_file(workshop.folder, text)
    result = headgate("run", "-c", path)
    assert result.returncode == 78 or result.returncode == 69
    assert "privacy.keys" in result.stderr and "k1" in result.stderr and KEY.hex() not in result.stderr


def test_a_trial_and_a_schema_have_what_is_sent(ward):
    workshop, configure, _ = ward
    path = configure(MINIMISE, {"f": {"file": "x"}})
    (workshop.folder / "headgate.cases.yaml").write_text("""\
cases:
  - case: what is known of a patient
    readings: [{ at: 0s, device: bed.a, points: { hr: 70, name: "Jane", age: 64, born: "19610101" } }]
    expect: [{ at: 0s, points: { hr: 70, age: 60, born: "19***" } }]
""")
    assert headgate("test", "-c", path).returncode == 0
    schema = json.loads(headgate("schema", "export", "--avro", "-c", path).stdout)["headgate.telemetry.monitor"]
    points = next(field for field in schema["fields"] if field["name"] == "points")["type"]["fields"]
    assert {field["name"]: field["type"][1] for field in points} == {
        "hr": "double", "patient": "string", "born": "string", "age": "double", "height": "double", "bmi": "double"}
