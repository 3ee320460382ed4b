"""Alarms: through the running gateway, a real broker and a kill."""

import datetime
import json
import shutil
import sqlite3
import statistics

import pytest

from conftest import events_in, headgate, wait_for
from test_forwarding import validate
from test_mqtt_in import listening, publish

MONITOR = """\
map: monitor
version: 1
title: a bedside monitor
source: this test
mqtt: { payload: json }
points:
  hr: { path: hr, unit: "/min", range: [0, 300], deadband: 50 }
  pressure: { path: map, unit: "mm[Hg]" }
  mode: { path: mode, type: string }
examples: [{ payload: '{"hr": 70}', expect: { hr: 70 } }]
"""
DOOR = """\
map: door
version: 1
title: a door
source: this test
mqtt: { payload: json }
points:
  open: { path: open, type: bool }
examples: [{ payload: '{"open": true}', expect: { open: true } }]
"""
RULES = {
    "tachycardia": {"when": "hr > 120 and pressure < 65", "until": "hr < 110", "within": "60s", "priority": "high",
                    "text": "Fast, and the pressure is low", "tags": {"ward": "icu"}},
    "standby": {"when": 'mode == "standby" and @door-1.open', "priority": "low"},
    "silent": {"missing": "hr", "for": "1s", "devices": "bed-2"},
}


@pytest.fixture
def ward(workshop):
    broker, _ = workshop.mosquitto()
    maps = workshop.folder / "maps"
    maps.mkdir()
    (maps / "monitor.yaml").write_text(MONITOR)
    (maps / "door.yaml").write_text(DOOR)
    out = workshop.folder / "events.jsonl"

    def configure(rules=RULES, **more):
        devices = {f"bed-{n}": {"map": "monitor", "link": "floor", "topic": f"bed/{n}", "tags": {"ward": ward}}
                   for n, ward in ((1, "icu"), (2, "icu"), (3, "er"))}
        devices["door-1"] = {"map": "door", "link": "floor", "topic": "door"}
        return workshop.configuration(
            maps=str(maps), links={"floor": {"mqtt": f"mqtt://127.0.0.1:{broker}"}}, devices=devices, rules=rules,
            outputs={"f": {"file": str(out)}}, **more)
    return workshop, configure, broker, out


def say(broker, bed, **values):
    publish(broker, json.dumps({"map" if k == "pressure" else k: v for k, v in values.items()}), topic=f"bed/{bed}")


def alarms(out, rule):
    """Each once: after a kill some are sent again."""
    events = {event["id"]: event for event in events_in(out) if event["type"] == "headgate.alarm.v1"}
    return [event for event in events.values() if event["data"]["rule"] == rule]


def phases(out, rule, device="bed-1"):
    return [(e["data"]["phase"], e["data"].get("reason")) for e in alarms(out, rule) if e["subject"] == device]


def test_an_alarm_is_told_with_its_causes_and_ends_where_the_rule_says(ward):
    workshop, configure, broker, out = ward
    gateway = workshop.gateway(configure())
    listening(gateway)
    say(broker, 1, hr=130, pressure=60)
    say(broker, 3, hr=130, pressure=60)
    wait_for(lambda: phases(out, "tachycardia"), what="the alarm")
    start = alarms(out, "tachycardia")[0]
    assert start["id"].split("/")[2] == "critical"
    assert start["data"]["priority"] == "high" and start["data"]["text"] == "Fast, and the pressure is low"
    assert [(one["point"], one["value"], one["unit"], one["quality"]) for one in start["data"]["readings"]] == [
        ("hr", 130, "/min", "good"), ("pressure", 60, "mm[Hg]", "good")]
    # The filters let go of it, and the rule has seen it; what is no good says nothing.
    say(broker, 1, hr=115)
    say(broker, 1, hr=999)
    wait_for(lambda: len(phases(out, "tachycardia")) == 2, what="that nobody knows")
    status = json.loads(headgate("status", "-c", gateway.configuration, "--json").stdout)
    assert [(a["rule"], a["device"], a["confirmed"]) for a in status["alarms"] if a["rule"] != "silent"] == [
        ("tachycardia", "bed-1", False)]
    assert "tachycardia" in headgate("status", "-c", gateway.configuration).stdout
    assert gateway.metric("headgate_alarms_active", priority="high") == 1
    say(broker, 1, hr=109)
    wait_for(lambda: len(phases(out, "tachycardia")) == 3, what="the end")
    assert phases(out, "tachycardia") == [("start", None), ("continue", "unconfirmed"), ("end", None)]
    assert len({event["data"]["alarm"] for event in alarms(out, "tachycardia")}) == 1
    assert not phases(out, "tachycardia", "bed-3")
    gateway.stop()
    totals = gateway.totals()
    assert totals["received"] == totals["filtered"] + totals["committed"]


def test_a_rule_looks_at_another_device_and_notices_what_is_missing(ward):
    workshop, configure, broker, out = ward
    gateway = workshop.gateway(configure())
    listening(gateway)
    say(broker, 1, mode="standby")
    publish(broker, json.dumps({"open": True}), topic="door")
    wait_for(lambda: phases(out, "standby"), what="the alarm")
    assert [(one["point"], one["value"], one.get("device")) for one in alarms(out, "standby")[0]["data"]["readings"]] == [
        ("mode", "standby", None), ("open", True, "door-1")]
    wait_for(lambda: phases(out, "silent", "bed-2"), what="what is missing")
    say(broker, 2, hr=70)
    wait_for(lambda: phases(out, "silent", "bed-2")[:2] == [("start", None), ("end", None)], what="that it is there")
    assert not phases(out, "silent", "bed-1")
    gateway.stop()


def test_an_alarm_goes_on_under_its_name_after_a_kill_and_ends_with_its_rule(ward):
    workshop, configure, broker, out = ward
    gateway = workshop.gateway(configure())
    listening(gateway)
    say(broker, 1, hr=130, pressure=60)
    wait_for(lambda: phases(out, "tachycardia"), what="the alarm")
    gateway.kill()
    gateway = workshop.gateway(gateway.configuration)
    listening(gateway)
    say(broker, 1, hr=131, pressure=60)
    wait_for(lambda: len(phases(out, "tachycardia")) == 2, what="that it goes on")
    gateway.stop()
    gateway = workshop.gateway(configure({"silent": RULES["silent"]}))
    wait_for(lambda: len(phases(out, "tachycardia")) == 3, what="the end")
    assert phases(out, "tachycardia") == [("start", None), ("continue", "confirmed"), ("end", "removed")]
    assert len({event["data"]["alarm"] for event in alarms(out, "tachycardia")}) == 1
    gateway.stop()


AJAR = {"ajar": {"when": "open", "for": "3s", "devices": "door-1"}}


@pytest.mark.parametrize("interruption", ["none", "stop", "kill"])
@pytest.mark.parametrize("closes", [False, True])
def test_a_door_that_tells_changes_only_raises_its_alarm_by_the_time_that_passes(ward, interruption, closes):
    workshop, configure, broker, out = ward
    gateway = workshop.gateway(configure(AJAR))
    listening(gateway)
    publish(broker, json.dumps({"open": True}), topic="door")
    if closes:
        publish(broker, json.dumps({"open": False}), topic="door")
    wait_for(lambda: len([e for e in events_in(out) if e["subject"] == "door-1" and "readings" in e["data"]]) == 1 + closes,
             what="the door")
    opened = datetime.datetime.fromisoformat(next(e for e in events_in(out) if e["subject"] == "door-1")["time"])
    if interruption != "none":
        getattr(gateway, interruption)()
        assert not phases(out, "ajar", "door-1")
        gateway = workshop.gateway(gateway.configuration)
        listening(gateway)
    if closes:
        # It would have come by then.
        publish(broker, json.dumps({"hr": 70}), topic="bed/1")
        wait_for(lambda: datetime.datetime.now(datetime.UTC) - opened > datetime.timedelta(seconds=4.5), what="the time")
        gateway.stop()
        assert not phases(out, "ajar", "door-1")
        return
    wait_for(lambda: phases(out, "ajar", "door-1"), what="the alarm")
    alarm, = alarms(out, "ajar")
    started = datetime.datetime.fromisoformat(alarm["time"])
    assert started - opened == datetime.timedelta(seconds=3), (opened, started)
    gateway.stop()


def test_a_door_that_opens_as_the_gateway_starts_raises_its_alarm_after_a_kill_at_once(ward):
    workshop, configure, broker, out = ward
    gateway = workshop.gateway(configure(AJAR))
    listening(gateway)
    gateway.stop()
    # The broker keeps it for the session.
    publish(broker, json.dumps({"open": True}), topic="door")
    gateway = workshop.gateway(configure(AJAR, state=str(workshop.folder / "new")), wait=False)
    door = wait_for(lambda: [e for e in events_in(out) if "readings" in e["data"]], what="the door")[0]
    # Nothing is kept yet of what rules know, but the reading itself.
    gateway.kill()
    gateway = workshop.gateway(gateway.configuration)
    wait_for(lambda: phases(out, "ajar", "door-1"), what="the alarm")
    started = datetime.datetime.fromisoformat(alarms(out, "ajar")[0]["time"])
    assert started - datetime.datetime.fromisoformat(door["time"]) == datetime.timedelta(seconds=3)
    gateway.stop()


def test_an_alarm_that_had_to_be_quiet_is_told_when_that_is_over(ward):
    workshop, configure, broker, out = ward
    gateway = workshop.gateway(configure({"fast": {"when": "hr > 120", "cooldown": "4s"}}))
    listening(gateway)
    for hr in (130, 70, 130):
        say(broker, 1, hr=hr)
    wait_for(lambda: len(phases(out, "fast")) == 3, what="the second alarm")
    assert [phase for phase, _ in phases(out, "fast")] == ["start", "end", "start"]
    end, start = [datetime.datetime.fromisoformat(event["time"]) for event in alarms(out, "fast")][1:]
    assert start - end == datetime.timedelta(seconds=4)
    gateway.stop()


def test_an_alarm_whose_readings_stop_is_unconfirmed(ward):
    workshop, configure, broker, out = ward
    gateway = workshop.gateway(configure({"fast": {"when": "hr > 120", "within": "2s"}}))
    listening(gateway)
    say(broker, 1, hr=130)
    wait_for(lambda: len(phases(out, "fast")) == 2, what="that nobody knows")
    assert phases(out, "fast") == [("start", None), ("continue", "unconfirmed")]
    gateway.stop()


def test_a_value_out_of_its_range_raises_an_alarm_where_the_rule_looks_at_quality(ward):
    workshop, configure, broker, out = ward
    gateway = workshop.gateway(configure({"fast": {"when": 'hr > 120 or quality(hr) == "out_of_range"', "priority": "high"}}))
    listening(gateway)
    say(broker, 1, hr=350)
    wait_for(lambda: phases(out, "fast"), what="the alarm")
    assert [(one["value"], one["quality"]) for one in alarms(out, "fast")[0]["data"]["readings"]] == [(350, "out_of_range")]
    gateway.stop()


METER = """\
map: meter
version: 1
title: a meter
source: this test
modbus: {}
points:
  slow: { address: 0, type: uint16, every: 65s }
  fast: { address: 1, type: uint16, every: 1s }
examples: [{ registers: { holding: { 0: [1, 2] } }, expect: { fast: 2 } }]
"""
NEVER = [
    ({"when": "slow > 8", "within": "60s"}, "HG0315"),
    ({"when": "rate(slow, 30 's') > 1"}, "HG0315"),
    ({"missing": "slow", "for": "60s"}, "HG0315"),
    ({"sequence": ["fast > 1", "slow > 1"], "within": "60s"}, "HG0316"),
]
SOMETIMES = [
    {"when": "slow > 8", "for": "30s"}, {"when": "slow > 8 and fast > 1"}, {"missing": "slow", "for": "200s"},
    {"sequence": ["slow > 1", "fast > 1"], "within": "60s"}]


@pytest.mark.parametrize("rule, message", NEVER + [(rule, None) for rule in SOMETIMES])
def test_a_rule_that_can_never_or_always_fire_is_a_mistake(workshop, rule, message):
    maps = workshop.folder / "maps"
    maps.mkdir()
    (maps / "meter.yaml").write_text(METER.replace("modbus: {}", "modbus: { defaults: { table: holding } }"))
    path = workshop.configuration(
        maps=str(maps), links={"line": {"tcp": "127.0.0.1:1502"}}, rules={"r": rule},
        devices={"m": {"map": "meter", "link": "line", "unit_id": 1}}, outputs={"f": {"file": str(workshop.folder / "out")}})
    result = headgate("check", "-c", path)
    if message is None:
        assert result.returncode == 0, result.stderr
    else:
        assert result.returncode == 78 and message in result.stderr, result.stderr


STEPS = {"forced": {"sequence": ["hr > 120", "pressure < 65"], "within": "10min"}}


def test_the_steps_of_a_sequence_are_known_after_a_stop(ward):
    workshop, configure, broker, out = ward
    gateway = workshop.gateway(configure(STEPS))
    listening(gateway)
    say(broker, 1, hr=130, pressure=90)
    say(broker, 2, hr=70, pressure=90)
    wait_for(lambda: len(events_in(out)) >= 4, what="the first step")
    assert gateway.stop() == 0
    gateway = workshop.gateway(gateway.configuration)
    listening(gateway)
    # Of another bed, where it is none.
    say(broker, 2, pressure=60)
    say(broker, 1, pressure=60)
    wait_for(lambda: phases(out, "forced"), what="the alarm")
    readings = alarms(out, "forced")[0]["data"]["readings"]
    assert [(reading["point"], reading["value"]) for reading in readings] == [("hr", 130), ("pressure", 60)]
    assert {event["subject"] for event in alarms(out, "forced")} == {"bed-1"}
    gateway.stop()


def kept_rules(workshop):
    """What a copy of the outbox has of rules; nothing where it has none."""
    copy = workshop.folder / "copy"
    shutil.rmtree(copy, ignore_errors=True)
    copy.mkdir()
    for file in (workshop.folder / "state").glob("outbox.db*"):
        shutil.copy(file, copy)
    database = sqlite3.connect(copy / "outbox.db")
    try:
        return database.execute("SELECT body FROM rule").fetchall()
    except sqlite3.DatabaseError:
        # Copied in the middle of a commit.
        return []
    finally:
        database.close()


def test_the_steps_of_a_sequence_are_known_after_a_kill_ten_seconds_later(ward):
    workshop, configure, broker, out = ward
    gateway = workshop.gateway(configure(STEPS))
    listening(gateway)
    first = wait_for(lambda: kept_rules(workshop), what="what rules know")
    say(broker, 1, hr=130, pressure=90)
    wait_for(lambda: kept_rules(workshop) not in ([], first), seconds=30, what="the first step")
    gateway.kill()
    gateway = workshop.gateway(gateway.configuration)
    listening(gateway)
    say(broker, 1, pressure=60)
    wait_for(lambda: phases(out, "forced"), what="the alarm")
    gateway.kill()


DERIVED = {"plant": {"tags": {"ward": "all"}, "points": {
    "total": {"expr": "@bed-1.hr + @bed-2.hr", "unit": "/s", "range": [0, 100], "within": "30s"},
    "alert": {"expr": "@door-1.open and @bed-1.hr > 100"}}}}


def test_what_is_computed_of_several_devices_is_a_device_of_its_own(ward):
    workshop, configure, broker, out = ward
    gateway = workshop.gateway(configure(
        {"busy": {"when": "total > 3 '/s'", "devices": "plant"}, "both": {"when": "@plant.alert and hr > 0", "maps": "monitor"}},
        derived=DERIVED, windows={"w": {"every": "1h", "devices": "plant"}}))
    listening(gateway)
    say(broker, 1, hr=90)
    say(broker, 2, hr=120)
    publish(broker, json.dumps({"open": True}), topic="door")
    say(broker, 1, hr=9999)
    say(broker, 1, hr=120)
    def sent(point):
        return [(round(one["value"], 6) if isinstance(one["value"], float) else one["value"], one["quality"], one.get("unit"))
                for event in events_in(out) if event["subject"] == "plant"
                for one in event["data"].get("readings", []) if one["point"] == point and event["type"].endswith("telemetry.v1")]
    wait_for(lambda: len(sent("total")) == 3, what="what is computed")
    assert sent("total") == [(3.5, "good", "/s"), (168.65, "uncertain", "/s"), (4.0, "good", "/s")]
    # The first is decided by one input, before the other is known.
    assert [one[0] for one in sent("alert")] == [False, False, True, True]
    plant = [event for event in events_in(out) if event["subject"] == "plant"][0]
    assert plant["data"]["map"] == "derived" and plant["data"]["tags"] == {"ward": "all"}
    wait_for(lambda: phases(out, "busy", "plant"), what="the alarm")
    assert phases(out, "busy", "plant")[0] == ("start", None)
    wait_for(lambda: phases(out, "both"), what="the other alarm")
    status = json.loads(headgate("status", "-c", gateway.configuration, "--json").stdout)
    assert [[point["point"] for point in one["points"]] for one in status["devices"] if one["device"] == "plant"] == [
        ["total", "alert"]]
    gateway.stop()
    totals = gateway.totals()
    assert totals["received"] == totals["filtered"] + totals["committed"]


@pytest.mark.parametrize("expr, message", [
    ("@bed-1.hr + @bed-9.hr", "HG0603"), ("hr + 1", "HG0603"),
    ("@bed-1.hr + @bed-1.pressure", "HG0606"), ("rate(@bed-1.hr, 5 's')", "HG0608")])
def test_a_formula_over_devices_that_makes_no_sense_is_a_mistake(ward, expr, message):
    _, configure, _, _ = ward
    result = headgate("check", "-c", configure({}, derived={"plant": {"points": {"x": {"expr": expr, "unit": "/min"}}}}))
    assert result.returncode != 0 and message in result.stdout + result.stderr


MISTAKES = [
    ({"when": "hr > 5 'bar'"}, "HG0606"),
    ({"when": "hrr > 5"}, "did you mean hr?"),
    ({"when": "hr + 5"}, "HG0605"),
    ({"when": "hr > 5", "missing": "hr"}, "HG0310"),
    ({}, "HG0310"),
    ({"missing": "hr"}, "HG0110"),
    ({"missing": "hr > 5", "for": "5s"}, "HG0601"),
    ({"sequence": ["hr > 5"], "within": "5s"}, "HG0311"),
    ({"sequence": ["hr > 5", "hr < 3"]}, "HG0110"),
    ({"when": "hr > 5 and @door-9.open"}, "did you mean @door-1.open?"),
    ({"when": "hr > 5 && pressure > 3"}, "write `and` for `&&`"),
    ({"when": "hr => 5"}, "write `>=` for `=>`"),
    ({"when": "hr > 5 and open"}, "HG0312"),
    ({"when": "hr > 5", "devices": "bad-*"}, "HG0231"),
    ({"when": "@door-1.open", "devices": "bed-1"}, "HG0312"),
    ({"when": "hr > 5", "priority": "urgent"}, "HG0118"),
    ({"when": "hr > 5", "untill": "hr < 3"}, "did you mean `until`?"),
    ({"when": "rate(hr, 5) > 3"}, "HG0610"),
    ({"when": "hr > 400 and pressure < 60"}, "hr is good from 0 to 300"),
    ({"when": "hr > 120 and hr < 100"}, "HG0313"),
    ({"sequence": ["hr > 120", "hr < 0"], "within": "60s"}, "hr is good from 0 to 300"),
    ({"when": "hr > 120", "until": "hr < 0"}, "its `until` can never be true: hr is good from 0 to 300"),
    ({"when": 'quality(hr) == "bad" and hr > 120'}, "HG0313"),
    ({"when": "hr > 120", "until": "hr >= 121"}, "whenever its `until` is true, its condition is true too"),
    ({"sequence": ["hr > 120", "hr < 60"], "within": "60s", "until": "hr < 50"}, "its last step is true too"),
]


@pytest.mark.parametrize("rule, message", MISTAKES, ids=[message for _, message in MISTAKES])
def test_a_rule_that_makes_no_sense_is_a_mistake(ward, rule, message):
    _, configure, _, _ = ward
    result = headgate("check", "-c", configure({"r": rule}))
    assert result.returncode != 0 and message in result.stdout + result.stderr


def test_what_is_no_longer_as_it_was_is_told_with_its_evidence(ward):
    workshop, configure, broker, out = ward
    path = configure({
        "worn": {"when": "cusum(hr, 100, 1000) > 1", "until": "cusum(hr, 100, 1000) < 0.2", "devices": "bed-1"},
        "off": {"when": "ewma(hr, 100, 1000) > 1", "devices": "bed-1"}})
    noise = [(-1) ** n * (1 + n % 3) for n in range(100)]

    def said(gateway):
        return gateway.metric("headgate_readings_total", device="bed-1") or 0
    gateway = workshop.gateway(path)
    listening(gateway)
    for step in noise[:60]:
        say(broker, 1, hr=70 + step)
    wait_for(lambda: said(gateway) == 60, what="the first readings")
    gateway.stop()
    # What was learnt until then is gone on with.
    gateway = workshop.gateway(path)
    listening(gateway)
    for step in noise[60:]:
        say(broker, 1, hr=70 + step)
    for step in noise[:10]:
        say(broker, 1, hr=70 + step)
    wait_for(lambda: said(gateway) == 50, what="the other readings")
    assert not [event for event in events_in(out) if event["type"] == "headgate.alarm.v1"]
    for step in noise[:12]:
        say(broker, 1, hr=76 + step)
    alarms = lambda: [event for event in events_in(out) if event["type"] == "headgate.alarm.v1"]
    wait_for(lambda: {event["data"]["rule"] for event in alarms()} == {"worn", "off"}, what="the alarms")
    for event in alarms():
        validate(event)
        evidence, = event["data"]["evidence"]
        assert evidence["detector"] == {"worn": "cusum", "off": "ewma"}[event["data"]["rule"]]
        assert evidence["readings"] == 100 and evidence["score"] > 1 and evidence["unit"] == "/min"
        assert evidence["mean"] == pytest.approx(70 + sum(noise) / 100)
        assert evidence["deviation"] == pytest.approx(statistics.stdev(noise))
    for step in noise[:40]:
        say(broker, 1, hr=70 + step)
    wait_for(lambda: sorted(event["data"]["rule"] for event in alarms() if event["data"]["phase"] == "end") == [
        "off", "worn"], what="their ends")
    gateway.stop()
    learnt = json.loads((workshop.folder / "state/baselines.json").read_text())
    assert {key: entry["readings"] for key, entry in learnt.items()} == {"bed-1/hr//min/monitor/1/100": 100}


MISUSES = [
    ("cusum(hr) > 1 '/min'", "HG0606"),
    ("cusum(hr + 1) > 1", "HG0610"),
    ("ewma(hr, 10) > 1", "HG0610"),
    ("ewma(hr, 100, 1.5) > 1", "HG0610"),
    ("cusum(mode) > 1", "HG0605"),
]


@pytest.mark.parametrize("formula, message", MISUSES, ids=[misuse[0] for misuse in MISUSES])
def test_a_change_that_cannot_be_looked_for_is_a_mistake(ward, formula, message):
    _, configure, _, _ = ward
    result = headgate("check", "-c", configure({"worn": {"when": formula}}))
    assert result.returncode == 78 and message in result.stderr, result.stderr


SELDOM = """\
map: seldom
version: 1
title: a sensor that comes every 130 s
source: this test
mqtt: { payload: json, time: { path: at, format: unix } }
points:
  a: { path: a, type: float64, deadband: 0 }
  b: { path: b, type: float64, deadband: 0 }
  c: { path: c, type: float64, deadband: 0 }
examples: [{ payload: '{"a": 1, "at": 1700000000}', expect: { a: 1 } }]
"""


def test_check_holds_rules_against_the_intervals_of_earlier_runs(workshop):
    broker, _ = workshop.mosquitto()
    (workshop.folder / "maps").mkdir()
    (workshop.folder / "maps/seldom.yaml").write_text(SELDOM)

    def configure(rules):
        return workshop.configuration(
            maps=str(workshop.folder / "maps"), links={"floor": {"mqtt": f"mqtt://127.0.0.1:{broker}"}},
            devices={"s": {"map": "seldom", "link": "floor", "topic": "s"}}, rules=rules,
            outputs={"f": {"file": str(workshop.folder / "out.jsonl")}})

    never = {
        "long": ({"when": "a > 8", "for": "30s", "within": "20s"}, "HG0315"),
        "fast": ({"when": "rate(a, 10 's') > 3"}, "HG0315"),
        "gone": ({"missing": "a", "for": "100s"}, "HG0315"),
    }
    well = {
        "short": {"when": "a > 8", "within": "20s"}, "wide": {"when": "a > 8 and b > 8", "within": "5min"},
        "usual": {"when": "a > 8 and b > 8"}, "away": {"missing": "a", "for": "7min"},
        # They come in one message.
        "both": {"when": "a > 8 and b > 8", "within": "60s"}, "ends": {"when": "a > 8", "until": "a < 3", "within": "60s"},
        # It came twice within a second once.
        "quick": {"when": "c > 8", "for": "30s", "within": "20s"},
    }
    everything = {name: rule for name, (rule, _) in never.items()} | well
    path = configure(everything)
    # Nothing is known yet.
    assert headgate("check", "-c", path).returncode == 0
    gateway = workshop.gateway(path)
    listening(gateway)
    begin = int(datetime.datetime.now().timestamp()) - 2_000
    for step in range(8):
        # An outage once makes no interval longer.
        at = begin + 130 * step + (500 if step > 5 else 0)
        publish(broker, json.dumps({"a": step, "b": step, "at": at}), topic="s")
        for number, late in enumerate([0, 0.5] if step == 4 else [0]):
            publish(broker, json.dumps({"c": number + step, "at": at + late}), topic="s")
    wait_for(lambda: gateway.status()["totals"]["received"] >= 25, what="the readings")
    assert gateway.stop() == 0
    checked = headgate("check", "-c", path)
    assert checked.returncode == 78
    lines = checked.stderr.splitlines()
    assert len(lines) == len(never), lines
    for name, (_, message) in never.items():
        assert any(f"rules.{name}" in line and message in line and "came from s every 130.0 s or less often in earlier runs" in line for line in lines), name
    # It starts all the same: a device may have another habit by now.
    gateway = workshop.gateway(path)
    assert gateway.stop() == 0
    assert headgate("check", "-c", configure(well)).returncode == 0
    # Another version of the map knows nothing of it.
    (workshop.folder / "maps/seldom.yaml").write_text(SELDOM.replace("version: 1", "version: 2"))
    assert headgate("check", "-c", configure(everything)).returncode == 0
