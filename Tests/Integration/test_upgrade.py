"""What the version before the renamed keys wrote: its state folder, and its events of one run.

`upgrade/` was made with the commit 73232b7. `golden.jsonl` has the events of MESSAGES; `state.tar.xz` is a state folder after
the same messages but the last, with the output down, and `waiting.jsonl` the events that waited in it.
"""

import json
import subprocess
import tarfile

from conftest import HERE, events_in, headgate, wait_for
from test_mqtt_in import listening

UPGRADE = HERE / "upgrade"
START = 1_790_000_100
METER = """\
map: meter
version: 3
title: a meter that sends its time
source: this test
mqtt: { payload: json, time: { path: t, format: unix } }
points:
  power: { path: p, unit: W, deadband: 2, max_interval: 60s, range: [0, 10000] }
  temperature: { path: temp, unit: "[degF]", scale: 0.1, output_unit: Cel, deadband: 0.5 }
  energy: { path: e, unit: kW.h, kind: counter, lane: bulk }
  open: { path: open, type: bool, lane: critical }
  state: { path: s, type: int64, labels: { 0: stopped, 1: running } }
  name: { path: name, type: string }
derived:
  doubled: { expr: "power * 2", unit: W }
examples: [{ payload: '{"p": 70, "t": 1790000000}', expect: { power: 70 } }]
"""
MESSAGES = [
    ("meter/1", {"t": 0, "p": 10, "e": 5, "open": True, "s": 0, "temp": 720, "name": "abcdef"}),
    ("meter/2", {"t": 1, "p": 7.5, "s": 1}),
    ("meter/1", {"t": 2, "p": 11, "e": 6}),
    ("meter/1", {"t": 4, "p": "ERR", "s": 7}),
    ("meter/1", {"t": 6, "p": 95, "s": 1, "temp": 800}),
    ("meter/1", {"t": 9, "p": 40, "e": 4, "open": False}),
    ("meter/2", {"t": 9.5, "p": 20000}),
    ("meter/1", {"t": 11, "p": 45.25, "e": 9}),
    ("meter/1", {"t": 11.5, "p": 46}),
    ("meter/1", {"t": 25, "p": 99, "s": 1}),
    ("meter/2", {"t": 26, "p": 12, "open": True}),
    ("commands", {"id": "c-1", "device": "meter-1", "point": "power", "value": 5, "deadline": "2026-11-21T09:00:05Z",
                  "by": "test"}),
    ("meter/1", {"t": 41, "p": 12, "e": 10}),
]


def plant(workshop, broker, **parts):
    maps = workshop.folder / "maps"
    maps.mkdir()
    (maps / "meter.yaml").write_text(METER)
    return workshop.configuration(
        maps=str(maps), links={"floor": {"mqtt": f"mqtt://127.0.0.1:{broker}"}},
        devices={"meter-1": {"map": "meter", "link": "floor", "topic": "meter/1", "tags": {"line": "A"}},
                 "meter-2": {"map": "meter", "link": "floor", "topic": "meter/2"}},
        derived={"both": {"points": {
            "power": {"expr": "@meter-1.power + @meter-2.power", "unit": "kW", "within": "30s"}}}},
        filters=[{"points": "energy", "min_interval": "2s"}],
        rules={"overload": {"when": "power > 90 'W'", "until": "power < 50 'W'", "devices": "meter-1",
                            "within": "10min", "priority": "high", "text": "too much"},
               "door": {"when": "open", "within": "10min"},
               "steps": {"sequence": ["power > 50 'W'", 'state == "running"'], "within": "20s"}},
        windows={"tens": {"every": "10s", "lateness": "0s", "devices": "meter-1",
                          "functions": ["count", "mean", "time_mean", "max", "last", "delta", "p50"]},
                 "doors": {"session": "3s", "lateness": "0s", "functions": "last", "points": "open"}},
        writes={"devices": [], "commands": {"link": "floor", "topic": "commands"}}, **parts)


def send(broker, *messages):
    for topic, message in messages:
        if "t" in message:
            message = message | {"t": START + message["t"]}
        subprocess.run(["mosquitto_pub", "-p", str(broker), "-q", "1", "-t", topic, "-m", json.dumps(message)],
                       check=True)


def comparable(event, also=()):
    """Without what differs between two runs, and without what is new since: the codes of reasons and causes."""
    gateway, _, lane, _ = event["id"].split("/")
    event["id"] = f"{gateway}/{lane}"
    if event["type"] in ("headgate.status.v1", "headgate.write.v1"):
        event["time"] = "now"
        if "since" in event["data"]:
            event["data"]["since"] = "now"
    for new in ("clock", "code", *also):
        event["data"].pop(new, None)
    return json.dumps(event, ensure_ascii=False)


def test_one_run_gives_the_same_events_as_before(workshop):
    broker, _ = workshop.mosquitto()
    out = workshop.folder / "events.jsonl"
    gateway = workshop.gateway(plant(
        workshop, broker, outputs={"f": {"file": str(out)}},
        privacy={"points": [{"points": "name", "mask": 2}, {"points": "temperature", "generalise": 5}]}))
    listening(gateway)
    send(broker, *MESSAGES)
    before = sorted(comparable(json.loads(line)) for line in (UPGRADE / "golden.jsonl").read_text().splitlines())
    wait_for(lambda: len(events_in(out)) >= len(before), what="all events")
    gateway.stop()
    assert sorted(comparable(event) for event in events_in(out)) == before


def test_a_state_folder_of_the_version_before_is_continued(workshop):
    broker, _ = workshop.mosquitto()
    out = workshop.folder / "events.jsonl"
    configuration = plant(
        workshop, broker, outputs={"up": {"file": str(out)}}, outbox={"max_age": "36500d"},
        privacy={"points": [{"points": "temperature", "generalise": 5}]})
    with tarfile.open(UPGRADE / "state.tar.xz") as archive:
        archive.extractall(workshop.folder / "state", filter="data")
    waiting = [json.loads(line) for line in (UPGRADE / "waiting.jsonl").read_text().splitlines()]
    dead = headgate("outbox", "dead", "list", "--json", "-c", configuration)
    assert "larger than the broker takes" in dead.stdout and '"number":1' in dead.stdout

    gateway = workshop.gateway(configuration)
    listening(gateway)
    wait_for(lambda: len(events_in(out)) >= len(waiting), what="the backlog")
    sent = {event["id"]: event for event in events_in(out)}
    assert sorted(event["id"] for event in waiting) == sorted(set(sent) & {event["id"] for event in waiting})
    for event in waiting:
        assert comparable(sent[event["id"]], ["replayed"]) == comparable(event, ["replayed"])

    alarms = {alarm["rule"]: alarm["alarm"] for alarm in gateway.status()["alarms"] if alarm["device"] == "meter-1"}
    started = [event["data"]["alarm"] for event in waiting
               if event["type"] == "headgate.alarm.v1" and event["data"]["rule"] == "overload"][-1]
    assert alarms["overload"] == started, "the alarm that was active is active"
    send(broker, MESSAGES[-1])

    def last(kind, **data):
        return next((event["data"] for event in reversed(events_in(out)) if event["type"] == f"headgate.{kind}.v1"
                     and data.items() <= event["data"].items()), None)

    wait_for(lambda: last("alarm", phase="end", alarm=started), what="the end of the alarm")
    window = wait_for(lambda: last("aggregate", window="tens", **{"from": "2026-09-21T14:15:20.000000Z"}),
                      what="the window that was open")
    assert [(one["point"], one["count"], one["max"]) for one in window["points"] if one["point"] == "power"] == [
        ("power", 1, 99)]
    gateway.stop()
