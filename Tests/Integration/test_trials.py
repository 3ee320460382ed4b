"""A configuration that is tried without devices: its cases, and what was recorded."""

import json
import struct

import pytest
from paho.mqtt.publish import single

from conftest import events_in, headgate, wait_for
from test_mqtt_in import listening
from test_rules import ward  # noqa: F401
from test_rules import say

RULES = {
    "fast": {"when": "hr > 120", "until": "hr < 110", "for": "10s"},
    "silent": {"missing": "hr", "for": "60s", "devices": "bed-1"},
}
WINDOWS = {"w": {"every": "1min", "functions": ["mean", "max"], "points": "hr", "devices": "bed-1"}}
CASES = """\
cases:
  - case: a fast heart
    readings:
      - { at: 0s, device: bed-1, points: { hr: 130, mode: "on" }, every: 1s, until: 70s }
      - { at: 71s, device: bed-1, points: { hr: bad } }
      - { at: 72s, device: bed-1, points: { hr: 100 } }
    lasts: 3min
    expect:
      - { at: 10s, device: bed-1, alarm: fast }
      - { at: 71s, device: bed-1, alarm: fast, phase: continue, reason: unconfirmed }
      - { at: 72s, device: bed-1, alarm: fast, phase: end, priority: medium }
      - { at: 132s, alarm: silent }
      - { at: 1min, window: w, points: { hr: { mean: 130, count: 60 } } }
      - { from: 60s, window: w, points: { hr: { count: 12, unusable: 1, max: 130 } } }
  - case: what is no news is not sent
    readings:
      - { at: 0s, device: bed-3, points: { hr: 70 } }
      - { at: 1s, device: bed-3, points: { hr: 110 } }
      - { at: 2s, device: bed-3, points: { hr: 125 } }
      - { at: 3s, device: bed-3, points: { hr: 301 } }
    expect:
      - { at: 0s, points: { hr: 70 } }
      - { at: 2s, points: { hr: 125 } }
      - { at: 3s, points: { hr: out_of_range } }
"""


@pytest.fixture
def tried(ward):  # noqa: F811
    workshop, configure, broker, out = ward
    path = configure(RULES)
    text = path.read_text()
    path.write_text(text + "windows: " + json.dumps(WINDOWS) + "\n")
    cases = workshop.folder / "headgate.cases.yaml"
    cases.write_text(CASES)
    return workshop, path, cases


def test_the_cases_beside_a_configuration_are_run_in_a_moment(tried):
    _, path, _ = tried
    result = headgate("test", "-c", path, "--all")
    assert result.returncode == 0, result.stdout + result.stderr
    assert "2 cases, 0 failed" in result.stdout and "rules: 2 of 2 started" in result.stdout
    report = json.loads(headgate("test", "-c", path, "--json").stdout)
    assert [one["failures"] for one in report["cases"]] == [[], []] and report["windows_not_sent"] == []


OVER_TIME_RULES = {
    "climbing": {"when": "rate(hr, 10 's') > 1 '/min/s'", "devices": "bed-1"},
    "seizure": {"sequence": ["hr > 140", "mode == \"off\""], "within": "30s", "devices": "bed-2"},
    "high": {"when": "hr > 150", "cooldown": "60s", "repeat": "20s", "devices": "bed-3"},
}
OVER_TIME_WINDOWS = {"h": {"every": "10s", "size": "20s", "lateness": "1s", "functions": ["count", "max"], "devices": "bed-3"}}
OVER_TIME_CASES = """\
cases:
  - case: what rises fast is told, and what stands high is not
    readings:
      - { at: 0s, device: bed-1, points: { hr: 100 }, every: 1s, until: 20s }
      - { at: 21s, device: bed-1, points: { hr: 112 } }
      - { at: 22s, device: bed-1, points: { hr: 112 }, every: 1s, until: 40s }
    expect:
      - { at: 21s, device: bed-1, alarm: climbing }
      - { at: 31s, device: bed-1, alarm: climbing, phase: end }
  - case: one after the other within half a minute, and not the other way round
    readings:
      - { at: 0s, device: bed-2, points: { mode: "off" } }
      - { at: 1s, device: bed-2, points: { hr: 150 } }
      - { at: 2s, device: bed-2, points: { hr: 80, mode: "on" } }
      - { at: 40s, device: bed-2, points: { mode: "off" } }
      - { at: 41s, device: bed-2, points: { mode: "on" } }
      - { at: 42s, device: bed-2, points: { hr: 150 } }
      - { at: 50s, device: bed-2, points: { mode: "off" } }
      - { at: 60s, device: bed-2, points: { mode: "on" } }
    expect:
      - { at: 50s, device: bed-2, alarm: seizure }
      - { at: 60s, device: bed-2, alarm: seizure, phase: end }
  - case: what goes on is told again, and a pause after its end is kept
    readings:
      - { at: 0s, device: bed-3, points: { hr: 160 }, every: 5s, until: 45s }
      - { at: 50s, device: bed-3, points: { hr: 100 } }
      - { at: 55s, device: bed-3, points: { hr: 160 } }
      - { at: 60s, device: bed-3, points: { hr: 100 } }
      - { at: 115s, device: bed-3, points: { hr: 160 } }
    expect:
      - { at: 0s, device: bed-3, alarm: high }
      - { at: 20s, device: bed-3, alarm: high, phase: continue, reason: repeated }
      - { at: 40s, device: bed-3, alarm: high, phase: continue, reason: repeated }
      - { at: 50s, device: bed-3, alarm: high, phase: end }
      - { at: 115s, device: bed-3, alarm: high }
      - { at: 10s, window: h, points: { hr: { count: 2, max: 160 } } }
      - { at: 20s, window: h, from: 0s, points: { hr: { count: 4, max: 160 } } }
      - { at: 30s, window: h, from: 10s, points: { hr: { count: 4, max: 160 } } }
      - { at: 40s, window: h }
      - { at: 50s, window: h, points: { hr: { count: 4, max: 160 } } }
      - { at: 60s, window: h, points: { hr: { count: 4, max: 160 } } }
      - { at: 70s, window: h, points: { hr: { count: 3, max: 160 } } }
      - { at: 80s, window: h, points: { hr: { count: 1, max: 100 } } }
"""


def test_what_takes_its_time_takes_it_in_a_trial_too(ward):  # noqa: F811
    workshop, configure, _, _ = ward
    path = configure(OVER_TIME_RULES, windows=OVER_TIME_WINDOWS)
    (workshop.folder / "headgate.cases.yaml").write_text(OVER_TIME_CASES)
    result = headgate("test", "-c", path, "--all")
    assert result.returncode == 0, result.stdout + result.stderr


CHANGES = [
    ("at: 72s, device: bed-1, alarm: fast, phase: end", "at: 73s, device: bed-1, alarm: fast, phase: end",
     ["did not come: at 73s, bed-1: fast end", "came, and is not expected: at 72s, bed-1: fast end"]),
    ("mean: 130", "mean: 131", ["did not come: at 60s, w with hr count 60.0, mean 131.0"]),
    ("      - { at: 132s, alarm: silent }\n", "", ["came, and is not expected: at 132s, bed-1: silent start"]),
    ("      - { at: 2s, points: { hr: 125 } }\n", "", ["came, and is not expected: at 2s, bed-3: hr 125.0"]),
    ("priority: medium", "priority: high", ["did not come"]),
]


@pytest.mark.parametrize("old, new, messages", CHANGES, ids=[change[2][0] for change in CHANGES])
def test_what_does_not_come_and_what_comes_besides_is_told_with_its_line(tried, old, new, messages):
    _, path, cases = tried
    assert old in CASES
    cases.write_text(CASES.replace(old, new))
    result = headgate("test", "-c", path)
    assert result.returncode == 1 and str(cases) + ":" in result.stdout
    for message in messages:
        assert message in result.stdout


def test_a_rule_that_no_case_starts_is_told(tried):
    _, path, cases = tried
    cases.write_text(CASES[:CASES.index("  - case: a fast")] + CASES[CASES.index("  - case: what is no news"):])
    assert "rules: 0 of 2 started, but not fast, silent" in headgate("test", "-c", path).stdout
    assert headgate("test", "-c", path).returncode == 0 and headgate("test", "-c", path, "--all").returncode == 1


MISTAKES = [
    ("alarm: fast }", "alarm: fastt }", "did you mean fast?"),
    ("hr: 100", "hrr: 100", "did you mean hr?"),
    ("device: bed-3", "device: bed-4", "HG0230"),
    ("at: 1min,", "at: 1 hour,", "HG0116"),
    ("until: 70s", "untill: 70s", "HG0110"),
]


@pytest.mark.parametrize("old, new, message", MISTAKES, ids=[mistake[2] for mistake in MISTAKES])
def test_a_mistake_in_a_case_has_its_place(tried, old, new, message):
    _, path, cases = tried
    cases.write_text(CASES.replace(old, new))
    result = headgate("test", "-c", path)
    assert result.returncode == 78 and message in result.stderr and str(cases) + ":" in result.stderr


def test_what_was_recorded_runs_through_a_changed_configuration(ward):  # noqa: F811
    workshop, configure, broker, out = ward
    gateway = workshop.gateway(configure({"fast": {"when": "hr > 120"}}))
    listening(gateway)
    for hr in (130, 60, 125, 200):
        say(broker, 1, hr=hr)
        count = lambda: [event for event in events_in(out) if event["data"].get("readings")]
        wait_for(lambda: hr in [one["value"] for event in count() for one in event["data"]["readings"]], what="it")
    wait_for(lambda: len([e for e in events_in(out) if e["type"] == "headgate.alarm.v1"]) == 3, what="the alarms")
    gateway.stop()
    same = headgate("dry-run", out, "-c", gateway.configuration)
    assert same.returncode == 0, same.stdout
    assert "4 recorded" in same.stdout and "4 → 4 readings, 3 → 3 alarm events" in same.stdout
    other = configure({"fast": {"when": "hr > 150"}})
    changed = headgate("dry-run", out, "-c", other)
    assert changed.returncode == 1
    signs = [line[0] for line in changed.stdout.splitlines() if "bed-1: fast" in line]
    assert signs == ["-", "-", "-", "+"], changed.stdout
    kept = workshop.folder / "old.yaml"
    kept.write_text(other.read_text().replace("150", "120"))
    report = json.loads(headgate("dry-run", out, "-c", other, "--before", kept, "--json").stdout)
    assert [change["is_new"] for change in report["changes"]] == [False, False, False, True]
    assert report["before"]["alarms"] == 3 and report["after"]["alarms"] == 1
    (workshop.folder / "broken.jsonl").write_text("{}\n")
    broken = headgate("dry-run", workshop.folder / "broken.jsonl", "-c", other)
    assert broken.returncode == 78 and "broken.jsonl:1" in broken.stderr


def recorded(number, at, device="bed-1", lane="normal", **points):
    time = f"2026-11-29T10:{at // 60:02}:{at % 60:02}.000000Z"
    return json.dumps({
        "id": f"g/0123456789abcdef/{lane}/{number}", "type": "headgate.telemetry.v1", "subject": device, "time": time,
        "data": {"readings": [{"point": name, "value": value, "quality": "good"} for name, value in points.items()]}})


def test_what_came_late_comes_late_when_it_is_run_again(ward):  # noqa: F811
    workshop, configure, broker, out = ward
    lines = [
        recorded(1, 100, hr=130), recorded(2, 50, hr=70), recorded(3, 110, hr=131), recorded(4, 60, hr=70),
        recorded(5, 120, hr=70)]
    rule = configure({"fast": {"when": "hr > 120"}})
    # As they were sent, and as an output may send them that was away for a while.
    for order in (lines, [lines[2], lines[4], lines[0], lines[1], lines[3]]):
        out.write_text("\n".join(order) + "\n")
        report = json.loads(headgate("dry-run", out, "-c", rule, "--json").stdout)
        assert [change["what"] for change in report["changes"]] == ["bed-1: fast start", "bed-1: fast end"], report
        assert [change["time"][14:19] for change in report["changes"]] == ["01:40", "02:00"]
    # The control: in the order of their times it would have ended and begun meanwhile.
    out.write_text("\n".join(
        recorded(n, at, hr=hr) for n, (at, hr) in enumerate([(50, 130), (60, 70), (100, 130), (110, 131), (120, 70)])) + "\n")
    report = json.loads(headgate("dry-run", out, "-c", rule, "--json").stdout)
    assert len(report["changes"]) == 4


METER = """\
map: scale
version: 1
title: a scale
source: this test
mqtt: { topic: raw, payload: registers }
points: { mass: { address: 0, type: float32, unit: kg, spike: { window: 5, limit: 3, floor: 0.5, send: doubtful } } }
examples: [{ topic: raw, payload: { hex: "4129 999A" }, expect: { mass: 10.6 } }]
"""


def test_what_was_recorded_of_single_floats_and_of_doubts_comes_out_the_same(workshop):
    broker, _ = workshop.mosquitto()
    maps = workshop.folder / "maps"
    maps.mkdir()
    (maps / "scale.yaml").write_text(METER)
    out = workshop.folder / "events.jsonl"
    configuration = workshop.configuration(
        maps=str(maps), links={"floor": {"mqtt": f"mqtt://127.0.0.1:{broker}"}},
        devices={"scale-1": {"map": "scale", "link": "floor", "topic": "scale"}},
        rules={"heavy": {"when": "mass > 10.65 'kg'"}},
        windows={"w": {"every": "3s", "lateness": "100ms", "functions": ["count", "min", "max", "mean", "kurtosis"]}},
        outputs={"local": {"file": str(out)}})
    gateway = workshop.gateway(configuration)
    listening(gateway)
    masses = [10.6, 10.7, 10.6, 10.65, 10.7, 99.9, 10.6, 10.7]
    for place, mass in enumerate(masses):
        single("scale/raw", struct.pack(">f", mass), qos=1, port=broker)
        wait_for(lambda: len([e for e in events_in(out) if e["data"].get("readings") and e["type"] == "headgate.telemetry.v1"])
                 == place + 1, what="it")
    # They may fall into two.
    windows = lambda: [e["data"]["points"][0] for e in events_in(out) if e["type"] == "headgate.aggregate.v1"]
    wait_for(lambda: sum(point["count"] for point in windows()) == 7, what="the windows")
    gateway.stop()
    assert min(point["min"] for point in windows()) == 10.6 and max(point["max"] for point in windows()) == 10.7
    same = headgate("dry-run", out, "-c", configuration)
    assert same.returncode == 0, same.stdout
