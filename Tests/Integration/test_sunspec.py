"""SunSpec devices that say themselves what they have, without a map."""

import json
import shutil

from conftest import accepts, events_in, free_port, headgate, wait_for
from test_modbus_peer import write_map
from test_scan import sunspec


def shifted(words):
    """The same device after a change: another model stands before the others, and all begins elsewhere."""
    body = words[40_002:]
    common, rest = body[:68], body[68:]
    return [0] * 50_000 + words[40_000:40_002] + common + [64998, 5, 7, 7, 7, 7, 7] + rest


def server(workshop, port, plant, name="inverter"):
    path = workshop.folder / f"{name}.json"
    path.write_text(json.dumps(plant))
    peer = workshop.python(name, "modbus_server.py", port, path)
    wait_for(lambda: accepts(port), what="pymodbus")
    return peer


def gateway_for(workshop, port, devices=None, **parts):
    out = workshop.folder / "events.jsonl"
    configuration = workshop.configuration(
        links={"a": {"tcp": f"127.0.0.1:{port}", "timeout": "200ms"}},
        devices={"inverter": {"map": "sunspec", "link": "a", "tags": {"roof": "A"}}} | (devices or {}),
        outputs={"f": {"file": str(out)}}, **parts)
    return workshop.gateway(configuration), configuration, out


def values(out, point, device="inverter"):
    return [
        (reading["value"], reading["quality"]) for event in events_in(out)
        if event["type"] == "headgate.telemetry.v1" and event["data"]["device"] == device
        for reading in event["data"]["readings"] if reading["point"] == point
    ]


def states(out, device="inverter"):
    return [(event["data"]["state"], event["data"].get("reason")) for event in events_in(out)
            if event["type"] == "headgate.status.v1" and event["data"]["device"] == device]


def test_a_device_is_read_by_what_it_says_that_it_has(workshop):
    port = free_port()
    server(workshop, port, {"1": {"holding": sunspec()}, "2": {"holding": [7]}})
    maps = write_map(workshop, "plain", {"p": "{ address: 0, table: holding, type: uint16, every: 100ms }"})
    gateway, configuration, out = gateway_for(
        workshop, port, {"beside": {"map": "plain", "link": "a", "unit_id": 2}}, maps=maps)
    wait_for(lambda: values(out, "inverter_w"), what="a reading")
    assert set(values(out, "inverter_w")) == {(495.0, "good")}
    assert set(values(out, "mppt_module_2_dcv")) == {(360.0, "good")}
    assert set(values(out, "common_sn")) == {("4711", "good")}
    assert set(values(out, "inverter_dcv")) == {(None, "absent")}
    event = next(event for event in events_in(out) if event["data"].get("device") == "inverter" and "readings" in event["data"])
    assert (event["data"]["map"], event["data"]["map_version"], event["data"]["tags"]) == ("sunspec", 1, {"roof": "A"})
    assert states(out) == [("online", None)]
    assert set(values(out, "p", "beside")) == {(7, "good")}
    shown = {point["point"]: point["value"] for point in gateway.device("inverter")["points"]}
    assert shown["inverter_hz"] == 50.01 and list(shown)[0] == "common_mn"
    # What it said is there to be looked at, and planned with.
    kept = workshop.folder / "state/sunspec/inverter.yaml"
    assert "model 64999" in kept.read_text()
    named = workshop.folder / "example-sun-5.yaml"
    shutil.copy(kept, named)
    assert headgate("check", named).returncode == 0
    (link,) = json.loads(headgate("plan", "-c", configuration, "--json").stdout)["links"]
    assert any("inverter_w" in request["points"] for request in link["requests"]), link
    assert gateway.stop() == 0


def test_a_device_that_comes_back_as_another_is_asked_anew(workshop):
    port = free_port()
    gateway, configuration, out = gateway_for(workshop, port)
    wait_for(lambda: states(out) == [("offline", "connection_refused")], seconds=60, what="offline")
    first = server(workshop, port, {"1": {"holding": sunspec()}})
    wait_for(lambda: values(out, "inverter_w"), seconds=60, what="a reading")
    first.stop()
    wait_for(lambda: states(out)[-1][0] == "offline" and len(states(out)) == 3, seconds=60, what="offline again")
    old = workshop.folder / "maps/example-sun-5.yaml"
    old.parent.mkdir(exist_ok=True)
    shutil.copy(workshop.folder / "state/sunspec/inverter.yaml", old)
    server(workshop, port, {"1": {"holding": shifted(sunspec())}}, "other")
    wait_for(lambda: len(states(out)) == 4 and values(out, "inverter_w")[-1] == (495.0, "good"), seconds=60,
             what="a reading of the other")
    assert gateway.stop() == 0
    assert {value for value in values(out, "inverter_w")} == {(495.0, "good"), (None, "bad")}
    # The control: who keeps to what the first one said reads something else from the second.
    control = workshop.configuration(
        "control.yaml", maps=str(old.parent), links={"a": {"tcp": f"127.0.0.1:{port}"}},
        devices={"inverter": {"map": "example-sun-5", "link": "a"}})
    rows = headgate("read", "inverter", "inverter_w", "-c", control, "--json")
    assert json.loads(rows.stdout.splitlines()[0])["value"] != 495, rows.stdout


def test_a_device_that_is_changed_between_two_polls_is_asked_anew(workshop):
    one, other = free_port(), free_port()
    server(workshop, one, {"1": {"holding": sunspec()}})
    server(workshop, other, {"1": {"holding": shifted(sunspec())}}, "other")
    proxy = workshop.proxy(one)
    gateway, _, out = gateway_for(workshop, proxy.port)
    wait_for(lambda: values(out, "inverter_w"), what="a reading")
    proxy.target = other
    proxy.cut()
    seen = len(values(out, "inverter_w"))
    wait_for(lambda: len(values(out, "inverter_w")) >= seen + 3, seconds=60, what="readings of the other")
    assert gateway.stop() == 0
    assert set(values(out, "inverter_w")) == {(495.0, "good")}
    assert set(values(out, "inverter_hz")) == {(50.01, "good")}


def test_a_device_that_closes_each_connection_after_an_answer_is_read(workshop):
    port = free_port()
    server(workshop, port, {"1": {"holding": sunspec()}})
    proxy = workshop.proxy(port)
    proxy.closes = True
    gateway, _, out = gateway_for(workshop, proxy.port)
    wait_for(lambda: len(values(out, "inverter_w")) >= 2, seconds=60, what="readings")
    assert gateway.stop() == 0
    assert set(values(out, "inverter_w")) == {(495.0, "good")}


def test_read_asks_the_device_first_and_says_what_is_wrong(workshop):
    port = free_port()
    server(workshop, port, {"1": {"holding": sunspec()}, "2": {"holding": [7]}})
    configuration = workshop.configuration(
        links={"a": {"tcp": f"127.0.0.1:{port}"}, "d": {"tcp": f"127.0.0.1:{free_port()}"}},
        devices={"inverter": {"map": "sunspec", "link": "a"}, "plain": {"map": "sunspec", "link": "a", "unit_id": 2},
                 "dead": {"map": "sunspec", "link": "d"}})
    result = headgate("read", "inverter", "inverter_w", "-c", configuration, "--json")
    assert json.loads(result.stdout.splitlines()[0])["value"] == 495, result.stderr
    plain = headgate("read", "plain", "-c", configuration)
    assert plain.returncode != 0 and "HG1032" in plain.stderr
    dead = headgate("read", "dead", "-c", configuration)
    assert dead.returncode != 0 and "dead: " in dead.stderr
    assert headgate("check", "--config", configuration).returncode == 0


def test_a_unit_that_speaks_no_sunspec_is_offline_with_the_reason(workshop):
    port = free_port()
    server(workshop, port, {"1": {"holding": [7]}})
    gateway, _, out = gateway_for(workshop, port)
    wait_for(lambda: states(out) == [("offline", "not_sunspec")], what="the reason")
    assert gateway.stop() == 0
