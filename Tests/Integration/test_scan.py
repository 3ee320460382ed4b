"""What is on a link: units, registers, SunSpec models; a scan that is stopped and goes on; the maps that come of it."""

import json
import os
import signal
import struct
import subprocess

import pytest

from conftest import HEADGATE, accepts, free_port, headgate, wait_for
from test_modbus_peer import read, serve, serve_line, write_map


def scan(configuration, link, *arguments, folder=None):
    result = headgate("scan", link, "-c", configuration, "--json", "--pause", 0, *arguments, cwd=folder, timeout=120)
    return {one["unit"]: one for one in map(json.loads, filter(lambda line: line.startswith("{"), result.stdout.splitlines()))}, result


def spans(unit):
    return {(span["table"], span["address"]): len(span["words"]) for span in unit["spans"]}


def sparse(workshop, points):
    """Simulated units that refuse what is in none of their points."""
    maps = write_map(workshop, "sparse", points, limits="{ gap: 0, registers: 40 }")
    configuration = workshop.configuration(
        maps=maps, links={"a": {"tcp": f"127.0.0.1:{free_port()}"}},
        devices={"one": {"map": "sparse", "link": "a", "unit_id": 1}, "two": {"map": "sparse", "link": "a", "unit_id": 7}})
    workshop.simulate(configuration)
    return configuration


POINTS = {
    "low": "{ address: 16, table: holding, type: uint16, range: [100, 200] }",
    "next": "{ address: 17, table: holding, type: float32, unit: V }",
    "far": "{ address: 303, table: holding, type: float32, unit: V }",
    "input": "{ address: 0, table: input, type: int32, range: [1, 60000] }",
}


def test_units_and_their_registers_are_found_and_become_maps(workshop):
    configuration = sparse(workshop, POINTS)
    made = workshop.folder / "made"
    made.mkdir()
    found, result = scan(configuration, "a", "--units", "1-20", "--addresses", "0-999", "--output", made,
                         folder=workshop.folder)
    assert result.returncode == 0, result.stderr
    assert list(found) == [1, 7]
    for unit in found.values():
        assert spans(unit) == {("holding", 16): 3, ("holding", 303): 2, ("input", 0): 2}
    assert not list(workshop.folder.glob("headgate-scan-*"))
    assert headgate("check", made / "a-unit-7.yaml").returncode == 0
    # The guesses give what the right map gives.
    text = configuration.read_text().replace(str(workshop.folder / "maps"), str(made)).replace("map: sparse", "map: a-unit-7")
    (workshop.folder / "first.yaml").write_text(text)
    rows, _ = read(workshop.folder / "first.yaml", "two")
    assert 220 < float(rows["holding_17"]["value"]) < 240 and 220 < float(rows["holding_303"]["value"]) < 240
    assert 100 <= int(rows["holding_16"]["value"]) <= 200


def test_a_scan_that_is_stopped_goes_on_where_it_was(workshop):
    configuration = sparse(workshop, POINTS)
    kept = workshop.folder / "kept.json"
    arguments = ["scan", "a", "-c", configuration, "--units", "1-9", "--addresses", "0-2999", "--progress-file", kept, "--json"]
    whole, _ = scan(configuration, "a", *map(str, arguments[4:-1]))
    running = subprocess.Popen([HEADGATE, *map(str, arguments), "--pause", "10"], stdout=subprocess.DEVNULL)
    wait_for(lambda: kept.exists() and json.loads(kept.read_text())["found"], what="something to go on with")
    running.send_signal(signal.SIGKILL)
    running.wait()
    before = json.loads(kept.read_text())["requests"]
    found, result = scan(configuration, "a", *map(str, arguments[4:-1]))
    assert "continuing the scan of" in result.stderr and not kept.exists()
    assert before > 50 and found == {unit: found[unit] for unit in whole}
    assert {unit: spans(found[unit]) for unit in found} == {unit: spans(whole[unit]) for unit in whole}


def string(text, registers):
    data = text.encode().ljust(2 * registers, b"\0")
    return list(struct.unpack(f">{registers}H", data))


def sunspec(power_factor_of_ten=0xFFFF):
    """An inverter of model 103 with two trackers (160), as SunSpec's specification lays them out."""
    common = string("Example", 16) + string("Sun 5", 16) + string("", 8) + string("1.0", 8) + string("4711", 16) + [1, 0x8000]
    inverter = [
        215, 71, 72, 0xFFFF, 0xFFFE,                       # A 2.15, phases 0.71, 0.72 and none; A_SF -2
        4001, 4002, 4003, 2301, 2302, 2303, 0xFFFF,        # V_SF -1
        4950, power_factor_of_ten,                         # W and W_SF
        5001, 0xFFFE, 4960, 0xFFFF, 0x8000, 0x8000,        # Hz, VA; VAr and its factor are not there
        99, 0xFFFE, 0x0001, 0x86A0, 1,                     # PF; WH 100,000 with WH_SF 1
        0xFFFF, 0x8000, 0xFFFF, 0x8000, 0x8000, 0x8000,    # nothing on the solar side
        451, 0x8000, 0x8000, 0x8000, 0xFFFF, 4, 0xFFFF] + [0xFFFF] * 12
    trackers = [0xFFFE, 0xFFFF, 0, 0, 0xFFFF, 0xFFFF, 2, 0xFFFF]
    for number, volts in ((1, 3500), (2, 3600)):
        trackers += [number] + string(f"T{number}", 8) + [505, volts, 1768, 0, 0, 0xFFFF, 0xFFFF, 0x8000, 4, 0xFFFF, 0xFFFF]
    words = [0x5375, 0x6E53, 1, len(common), *common, 103, len(inverter), *inverter, 160, len(trackers), *trackers]
    words += [64999, 3, 1, 2, 3, 0xFFFF, 0]
    assert len(inverter) == 50
    return [0] * 40_000 + words


def test_a_sunspec_device_needs_no_map_of_its_own(workshop):
    port = serve(workshop, {"1": {"holding": sunspec(), "input": [0]}})
    made = workshop.folder / "made"
    made.mkdir()
    configuration = workshop.configuration(links={"a": {"tcp": f"127.0.0.1:{port}"}})
    found, result = scan(configuration, "a", "--units", "1-3", "--output", made, folder=workshop.folder)
    assert result.returncode == 0, result.stderr
    assert [model["number"] for model in found[1]["models"]] == [1, 103, 160, 64999]
    assert "model 64999" in result.stderr and "is not known here" in result.stderr
    assert headgate("check", made / "example-sun-5.yaml").returncode == 0
    configuration = workshop.configuration(
        maps=str(made), links={"a": {"tcp": f"127.0.0.1:{port}"}}, devices={"inverter": {"map": "example-sun-5", "link": "a"}})
    rows, _ = read(configuration, "inverter")
    values = {name: row["value"] for name, row in rows.items() if row["quality"] == "good"}
    for name, value in {"common_mn": "Example", "common_sn": "4711", "inverter_st": "mppt"}.items():
        assert values[name] == value
    for name, value in {"inverter_a": 2.15, "inverter_aph_b": 0.72, "inverter_ppvph_ab": 400.1, "inverter_w": 495.0,
                        "inverter_hz": 50.01, "inverter_wh": 1_000_000, "inverter_tmp_cab": 45.1,
                        "mppt_module_1_dca": 5.05, "mppt_module_2_dcv": 360.0, "mppt_module_2_dcw": 1768}.items():
        assert float(values[name]) == value, name
    for name in ("inverter_aph_c", "inverter_var", "inverter_dcv", "inverter_tmp_snk", "mppt_module_1_dcwh"):
        assert rows[name]["quality"] == "absent", rows[name]


def test_a_factor_that_is_not_there_makes_no_value(workshop):
    points = {"p": "{ address: 0, table: holding, type: int16, scale_factor: 5 }",
              "q": "{ address: 6, table: holding, type: uint32, scale_factor: 2, scale: 0.001 }"}
    port = serve(workshop, {"1": {"holding": [1234, 0, 0xFFFD, 0, 0, 0x8000, 0, 5000]}})
    configuration = workshop.configuration(
        maps=write_map(workshop, "factors", points), links={"a": {"tcp": f"127.0.0.1:{port}"}},
        devices={"d": {"map": "factors", "link": "a"}})
    rows, _ = read(configuration, "d")
    assert (rows["p"]["quality"], rows["p"]["reason"]) == ("bad", "no_scale_factor")
    assert float(rows["q"]["value"]) == 0.005


def test_the_setting_of_a_line_is_found(workshop):
    # A pseudo-terminal takes every speed: what is shown is that a unit's answer ends the search.
    line = serve_line(workshop, {"3": {"holding": [1, 2, 3], "input": [4]}})
    configuration = workshop.configuration(links={"a": {"rtu": line, "baud": 115_200, "timeout": "100ms"}})
    result = headgate("scan", "a", "-c", configuration, "--find-line", "--units", "2-4")
    assert result.returncode == 0 and "baud: 9600, parity: none" in result.stdout and "unit 3" in result.stdout
    found, _ = scan(configuration, "a", "--units", "1-4", "--addresses", "0-9", folder=workshop.folder)
    assert list(found) == [3] and spans(found[3]) == {("holding", 0): 3, ("input", 0): 1}
    result = headgate("scan", "a", "-c", configuration, "--units", "8-9", cwd=workshop.folder)
    assert result.returncode == 69 and "no unit responds" in result.stderr


def gateway_of_units(workshop, name, code, units):
    """A gateway of Modbus that gives an exception for units that are not there."""
    port = free_port()
    workshop.python(name, "strict_gateway.py", port, code, json.dumps(units))
    wait_for(lambda: accepts(port), what="the gateway of units")
    return port


TEXT = list(struct.unpack(">6H", b"Meter X-12\0\0"))


@pytest.mark.parametrize("code", [1, 2, 4, 6])
@pytest.mark.parametrize("first", [0, 100, 4096])
def test_exceptions_for_units_that_are_not_there_hide_none_that_is(workshop, code, first):
    port = gateway_of_units(workshop, "strict", code, {7: {first: [230, 231, *TEXT, 5]}})
    configuration = workshop.configuration(links={"a": {"tcp": f"127.0.0.1:{port}"}})
    found, result = scan(configuration, "a", "--units", "1-20", "--output", workshop.folder / "made", folder=workshop.folder)
    assert result.returncode == 0, result.stderr
    assert list(found) == [7] and spans(found[7]) == {("holding", first): 9}
    # What is a text is seen as one.
    made = (workshop.folder / "made/a-unit-7.yaml").read_text()
    assert f"holding_{first + 2}: " in made and "type: string, length: 6" in made and "Meter X-12" in made


def test_a_device_by_itself_is_looked_at_once(workshop):
    units = {unit: {4000: [1, 2, 3]} for unit in range(256)}
    port = gateway_of_units(workshop, "alone", 2, units)
    configuration = workshop.configuration(links={"a": {"tcp": f"127.0.0.1:{port}"}})
    found, result = scan(configuration, "a", folder=workshop.folder)
    assert result.returncode == 0 and list(found) == [1] and spans(found[1]) == {("holding", 4000): 3}
    assert "responds to every unit ID" in found[1]["notes"][0]


def test_a_scan_that_has_found_no_register_says_so_and_ends_with_an_error(workshop):
    port = gateway_of_units(workshop, "empty", 2, {7: {4710: [1]}})
    configuration = workshop.configuration(links={"a": {"tcp": f"127.0.0.1:{port}"}})
    found, result = scan(configuration, "a", "--addresses", "0-499", folder=workshop.folder)
    assert result.returncode == 69 and "no register could be read" in result.stderr and "--units 7" in result.stderr
    found, result = scan(configuration, "a", "--units", "5-9", "--addresses", "4700-4720", folder=workshop.folder)
    assert result.returncode == 0 and spans(found[7]) == {("holding", 4710): 1}
    for unit in (5, 6, 8, 9):
        assert unit not in found or not found[unit]["spans"]


def test_a_first_map_without_examples_can_be_read(workshop):
    port = gateway_of_units(workshop, "meter", 2, {7: {100: [230, 231, *TEXT, 5]}})
    maps = workshop.folder / "maps"
    maps.mkdir()
    (maps / "new.yaml").write_text(
        "map: new\nversion: 1\ntitle: t\nsource: s\nmodbus: { defaults: { table: holding, type: uint16, every: 1s } }\n"
        "points: { volts: { address: 100 }, name: { address: 102 }, gone: { address: 5 } }\n")
    configuration = workshop.configuration(
        maps=str(maps), links={"a": {"tcp": f"127.0.0.1:{port}"}}, devices={"d": {"map": "new", "link": "a", "unit_id": 7}})
    assert "examples" in headgate("check", "-c", configuration).stderr
    assert headgate("run", "-c", configuration).returncode == 78
    rows, result = read(configuration, "d")
    assert rows["volts"]["value"] == 230 and rows["gone"]["reason"] == "illegal_address"
    assert rows["gone"]["explanation"].startswith("exception 2") and "unit ID" in rows["gone"]["next"]
    shown = headgate("read", "d", "name", "--raw", "-c", configuration).stdout
    assert "Meter X-12" in shown and "string, length 6" in shown


@pytest.mark.parametrize("link, reason, advice", [
    ({"tcp": "no-such-host.invalid:502"}, "unknown_host", "name service"),
    ({"tcp": "127.0.0.1:1"}, "connection_refused", "nothing listens"),
    ({"rtu": "/dev/no-such-line"}, "no_such_device", "/dev/serial/by-id"),
    ({"rtu": "/dev/null"}, "no_such_device", "/dev/serial/by-id"),
    ("silent", "timeout", "unit ID"), ("closes", "disconnected", "how many connections"), ("garbled", "garbled_answer", "`framing`"),
    (4, "device_failure", "internal fault"), (5, "acknowledge", "poll less often"), (7, "negative_acknowledge", "poll less often"),
    (8, "memory_parity", "internal fault"), (10, "gateway_path", "unit ID"), (11, "gateway_target", "unit ID"),
    (0x80, "exception", "manual")])
def test_each_cause_has_a_reason_and_a_next_step(workshop, link, reason, advice):
    if not isinstance(link, dict):
        port = gateway_of_units(workshop, "odd", link, {})
        link = {"tcp": f"127.0.0.1:{port}", "timeout": "300ms"}
    points = {"p": "{ address: 0, table: holding, type: uint16, every: 100ms }"}
    configuration = workshop.configuration(
        maps=write_map(workshop, "one", points), links={"a": link}, devices={"d": {"map": "one", "link": "a", "unit_id": 7}})
    rows, result = read(configuration, "d")
    assert result.returncode == 69 and rows["p"]["reason"] == reason, rows
    assert advice in rows["p"]["next"] and reason in result.stderr and advice in result.stderr
    if reason == "exception":
        assert "exception 128" in rows["p"]["explanation"]
    gateway = workshop.gateway(configuration)
    wait_for(lambda: gateway.metric("headgate_modbus_errors_total", device="d", cause=reason), what="the cause")


@pytest.mark.parametrize("broker, reason", [
    ("mqtt://no-such-host.invalid", "no address of the host"), ("mqtt://127.0.0.1:1", "no broker listens at port 1")])
def test_a_broker_that_is_not_there_has_a_cause_too(workshop, broker, reason):
    maps = workshop.folder / "maps"
    maps.mkdir()
    (maps / "m.yaml").write_text("map: m\nversion: 1\ntitle: t\nsource: s\nmqtt: { payload: json }\npoints: { v: { path: v } }\n")
    configuration = workshop.configuration(
        maps=str(maps), links={"a": {"mqtt": broker}}, devices={"d": {"map": "m", "link": "a", "topic": "t"}})
    result = headgate("read", "d", "-c", configuration, "--wait", "3")
    assert result.returncode == 69 and reason in result.stderr


def test_check_looks_at_what_the_configuration_needs_of_the_system(workshop):
    folder = workshop.folder
    (folder / "open").write_text("s3cret")
    (folder / "open").chmod(0o644)
    (folder / "closed").write_text("s3cret")
    (folder / "closed").chmod(0o600)
    (folder / "text").write_text("no certificate")

    def check(*arguments, output=None, state=None, **link):
        link = {"mqtt": "mqtts://broker.example", "username": "u", "password": {"file": str(folder / "closed")}} | link
        configuration = workshop.configuration(
            links={"a": link}, outputs={"o": output or {"file": str(folder / "x.jsonl")}}, **({"state": state} if state else {}))
        return headgate("check", "-c", configuration, *arguments, env=os.environ | {"HEADGATE_S": "x"})
    assert check().returncode == 0
    assert check(password={"env": "HEADGATE_S"}).returncode == 0
    for mistake, where in [
            ({"password": {"file": "/no/such"}}, "links.a.password"), ({"password": {"file": str(folder / "open")}}, "links.a.password"),
            ({"password": {"env": "NO_SUCH"}}, "links.a.password"), ({"ca": "/no/such.pem"}, "links.a.ca"),
            ({"ca": str(folder / "text")}, "links.a.ca"),
            ({"certificate": "/no/c.pem", "key": "/no/k.pem"}, "links.a.certificate"),
            ({"output": {"file": "/no/such/folder/x.jsonl"}}, "outputs.o.file"),
            ({"output": {"kafka": "k:9093", "topic": "t", "tls": {"ca": "/no/such.pem"}}}, "outputs.o.tls.ca"),
            ({"state": str(folder / "text/state")}, "state")]:
        checked = check(**mistake)
        assert checked.returncode == 78 and f"`{where}`" in checked.stderr, (mistake, checked.stderr)
        assert check("--no-environment", **mistake).returncode == 0, mistake
