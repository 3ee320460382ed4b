"""Files that are other than they should be, and a system that allows little."""

import json
import os
import resource
import socket
import stat
import subprocess
import threading
import time

import pytest
import yaml

from conftest import HEADGATE, events_in, free_port, headgate, wait_for
from disk import SmallDisk
from test_modbus_peer import serve, write_map
from test_mqtt_in import counting, listening, publish
from test_writing import plant as heater

POINTS = {"p": "{ address: 0, table: holding, type: uint16, every: 100ms }"}


def polled(workshop, **parts):
    """A gateway's configuration with one device, which answers."""
    port = serve(workshop, {"1": {"holding": [1]}})
    outputs = parts.pop("outputs", {"f": {"file": str(workshop.folder / "events.jsonl")}})
    return workshop.configuration(
        maps=write_map(workshop, "one", POINTS), links={"a": {"tcp": f"127.0.0.1:{port}"}},
        devices={"d": {"map": "one", "link": "a"}}, outputs=outputs, **parts)


def warning(gateway, kind):
    return next((one for one in gateway.status()["warnings"] if one["warning"] == kind), None)


# Files that are read

def test_a_pipe_in_place_of_a_file_is_a_mistake_and_holds_nothing_up(workshop):
    configuration = polled(workshop)
    pipe = workshop.folder / "pipe"
    os.mkfifo(pipe)
    started = time.monotonic()
    checked = headgate("check", "-c", pipe)
    assert checked.returncode == 78 and "HG0104" in checked.stderr
    (workshop.folder / "maps/piped.yaml").unlink(missing_ok=True)
    os.mkfifo(workshop.folder / "maps/piped.yaml")
    text = yaml.safe_load(configuration.read_text())
    text["devices"]["e"] = {"map": "piped", "link": "a", "unit_id": 2}
    configuration.write_text(yaml.safe_dump(text))
    checked = headgate("check", "-c", configuration)
    assert checked.returncode == 78 and "HG0104" in checked.stderr
    assert headgate("check", workshop.folder / "maps/piped.yaml").returncode == 78
    assert time.monotonic() - started < 40


def test_what_comes_through_a_pipe_is_read(workshop):
    configuration = polled(workshop)
    pipe = workshop.folder / "maps-are-beside.yaml"
    os.mkfifo(pipe)
    writer = threading.Thread(target=lambda: pipe.write_text(configuration.read_text()))
    writer.start()
    checked = headgate("check", "-c", pipe)
    writer.join()
    assert checked.returncode == 0, checked.stderr


def test_a_byte_order_mark_is_read_over_and_utf_16_is_named(workshop):
    configuration = polled(workshop)
    plain = configuration.read_bytes()
    configuration.write_bytes(b"\xef\xbb\xbf" + plain)
    mapping = workshop.folder / "maps/one.yaml"
    mapping.write_bytes(b"\xef\xbb\xbf" + mapping.read_bytes())
    assert headgate("check", "-c", configuration).returncode == 0
    configuration.write_bytes(b"\xef\xbb\xbf" + plain + b"further: 1\n")
    lines = len(plain.splitlines())
    assert f"headgate.yaml:{lines + 1}:1:" in headgate("check", "-c", configuration).stderr
    for encoding in ("utf-16-le", "utf-16-be", "utf-16"):
        mark = b"" if encoding == "utf-16" else {"utf-16-le": b"\xff\xfe", "utf-16-be": b"\xfe\xff"}[encoding]
        configuration.write_bytes(mark + plain.decode().encode(encoding))
        assert "UTF-16" in headgate("check", "-c", configuration).stderr


@pytest.mark.parametrize("where", ["keys", "devices", "points", "long key"])
def test_of_very_many_mistakes_a_hundred_are_named_and_soon(workshop, where):
    configuration = polled(workshop)
    with configuration.open("a") as file:
        if where == "keys":
            file.writelines(f"key-{number}: 1\n" for number in range(400_000))
        elif where == "devices":
            text = yaml.safe_load(configuration.read_text())
            del text["devices"]
            configuration.write_text(yaml.safe_dump(text))
            with configuration.open("a") as other:
                other.write("devices:\n")
                other.writelines(f"  d-{number}: {{ map: onee, link: bb, unit_id: 1 }}\n" for number in range(100_000))
        elif where == "points":
            with (workshop.folder / "maps/one.yaml").open("a") as mapping:
                mapping.writelines(f"k{number}: 1\n" for number in range(400_000))
        else:
            file.write("k" * 4_000_000 + ": 1\n")
    started = time.monotonic()
    checked = headgate("check", "-c", configuration)
    assert checked.returncode == 78
    # An unoptimised build takes most of it to read the YAML.
    assert time.monotonic() - started < 50
    if where != "long key":
        assert "100 mistakes, and more" in checked.stdout and len(checked.stderr.splitlines()) == 100
        assert len(json.loads(headgate("check", "--json", "-c", configuration).stdout)) == 100


@pytest.mark.parametrize("text", ["a\\0b", "a\\x01b", "a\\x7fb", "a\\u0085b"])
def test_control_characters_in_a_topic_are_a_mistake(workshop, text):
    broker, _ = workshop.mosquitto()
    configuration = counting(workshop, broker)
    content = yaml.safe_load(configuration.read_text())
    content["devices"]["d"]["topic"] = "TOPIC"
    configuration.write_text(yaml.safe_dump(content).replace("TOPIC", f'"{text}"'))
    checked = headgate("check", "-c", configuration)
    assert checked.returncode == 78 and "topic" in checked.stderr, checked.stderr


@pytest.mark.parametrize("key", ["client_id", "username", "share"])
def test_a_nul_is_a_mistake_wherever_a_text_is_wanted(workshop, key):
    broker, _ = workshop.mosquitto()
    configuration = counting(workshop, broker, link={"client_id": "c", "username": "u", "password": {"env": "X"}})
    content = yaml.safe_load(configuration.read_text())
    content["links"]["floor"][key] = "TEXT"
    configuration.write_text(yaml.safe_dump(content).replace("TEXT", '"x\\0y"'))
    checked = headgate("check", "-c", configuration)
    assert checked.returncode == 78 and "NUL" in checked.stderr, checked.stderr


# Files that are written

def test_an_output_file_that_would_damage_another_file_is_a_mistake(workshop):
    (workshop.folder / "state").mkdir()
    (workshop.folder / "way").symlink_to("state")
    for file in ["state/outbox.db", "state/x.jsonl", "state/new/x.jsonl", "./state/../state/x", "way/x.jsonl", "headgate.yaml"]:
        configuration = polled(workshop, outputs={"f": {"file": file}})
        checked = headgate("check", "-c", configuration)
        assert checked.returncode == 78 and "outputs.f.file" in checked.stderr, file
    for one, other in [("a.jsonl", "./a.jsonl"), ("a.jsonl", "a.jsonl.1"), ("a.jsonl.3", "a.jsonl")]:
        configuration = polled(workshop, outputs={"f": {"file": one}, "g": {"file": other}})
        assert headgate("check", "-c", configuration).returncode == 78, (one, other)
    (workshop.folder / "states").mkdir()
    for file in ["states/x.jsonl", "state.jsonl", str(workshop.folder / "x.jsonl")]:
        assert headgate("check", "-c", polled(workshop, outputs={"f": {"file": file}})).returncode == 0, file


def modes(folder):
    return {path.relative_to(folder): stat.S_IMODE(path.lstat().st_mode) for path in [folder, *folder.rglob("*")]}


def test_what_the_gateway_keeps_is_its_user_s_alone(workshop):
    state = workshop.folder / "state"
    os.umask(0o022)
    configuration = polled(workshop, outputs={
        "f": {"file": str(workshop.folder / "events.jsonl")},
        "g": {"file": str(workshop.folder / "others.jsonl"), "mode": "0664"}})
    gateway = workshop.gateway(configuration)
    wait_for(lambda: events_in(workshop.folder / "others.jsonl"), what="events")
    assert all(mode == (0o700 if (state / path).is_dir() else 0o600) for path, mode in modes(state).items()), modes(state)
    assert stat.S_IMODE((workshop.folder / "events.jsonl").stat().st_mode) == 0o640
    assert stat.S_IMODE((workshop.folder / "others.jsonl").stat().st_mode) == 0o664
    gateway.stop()
    # As an earlier release left it.
    for path in [state, *state.rglob("*")]:
        path.chmod(0o755 if path.is_dir() else 0o644)
    gateway = workshop.gateway(configuration)
    assert all(mode == (0o700 if (state / path).is_dir() else 0o600) for path, mode in modes(state).items()), modes(state)
    assert "readable by other users" in gateway.peer.log.read_text()
    gateway.stop()
    # A folder of others' files is not the gateway's to close.
    (state / "notes.txt").write_text("mine")
    state.chmod(0o755)
    refused = headgate("run", "-c", configuration)
    assert refused.returncode == 69 and "notes.txt" in refused.stderr
    assert stat.S_IMODE((state / "notes.txt").stat().st_mode) == 0o644
    state.chmod(0o700)
    gateway = workshop.gateway(configuration)
    assert stat.S_IMODE((state / "notes.txt").stat().st_mode) == 0o644
    for mode in ["0777", "0400", "888", "rw", "0o640", "12345"]:
        configuration = polled(workshop, outputs={"f": {"file": "x.jsonl", "mode": mode}})
        assert headgate("check", "-c", configuration).returncode == 78, mode


@pytest.mark.parametrize("name, damage", [
    ("learned", b""), ("intervals", b"{"), ("baselines", b"[1]"), ("subscriptions", b"\xff\xfe\x00"), ("schemas", b"{}"),
    ("connections", b'{"a": "x"}')])
def test_a_file_of_the_state_folder_that_cannot_be_read_is_kept_and_told(workshop, name, damage):
    configuration = polled(workshop)
    state = workshop.folder / "state"
    state.mkdir(mode=0o700)
    (state / f"{name}.json").write_bytes(damage)
    gateway = workshop.gateway(configuration)
    found = warning(gateway, "state_file_damaged")
    assert found and found["subject"] == f"{name}.json" and found["next"]
    assert (state / "quarantine" / f"{name}.json").read_bytes() == damage
    assert gateway.metric("headgate_warnings", warning="state_file_damaged") == 1
    wait_for(lambda: gateway.device("d")["state"] == "online", what="the device")
    gateway.stop()
    gateway = workshop.gateway(configuration)
    assert not warning(gateway, "state_file_damaged")


def test_commands_that_may_be_repeats_of_lost_ids_are_refused(workshop):
    broker, _ = workshop.mosquitto()
    port = serve(workshop, {"1": {"holding": [200, 0, 0, 0, 0, 7], "coil": [0, 0, 0]}})
    configuration = heater(
        workshop, {"tcp": f"127.0.0.1:{port}"}, links={"floor": {"mqtt": f"mqtt://127.0.0.1:{broker}"}},
        commands={"link": "floor", "topic": "plant/commands", "max_deadline": "1min"})
    state = workshop.folder / "state"
    state.mkdir(mode=0o700)
    (state / "commands.ids").write_bytes(b"headgate command ids 2\nno time c-1\n")
    gateway = workshop.gateway(configuration)
    listening(gateway)
    deadline = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 30))
    publish(broker, json.dumps({"device": "heater", "point": "setpoint", "value": 9, "deadline": deadline, "id": "c-1"}),
            topic="plant/commands")

    def reasons():
        return [event["data"]["reason"] for event in events_in(workshop.folder / "events.jsonl")
                if event["type"] == "headgate.write.v1"]
    wait_for(reasons, what="the refusal")
    assert reasons() == ["ids_lost"]
    assert warning(gateway, "state_file_damaged")["subject"] == "commands.ids"


# Limits of the system

def limited(workshop, configuration, **limits):
    def apply():
        for name, value in limits.items():
            resource.setrlimit(getattr(resource, f"RLIMIT_{name}"), (value, value))
    return subprocess.run([HEADGATE, "run", "-c", configuration], capture_output=True, text=True, timeout=20, preexec_fn=apply)


def test_too_few_descriptors_or_threads_are_named_before_anything_is_opened(workshop):
    configuration = polled(workshop)
    for files in (12, 20, 40, 60):
        refused = limited(workshop, configuration, NOFILE=files)
        assert refused.returncode == 69 and "open files" in refused.stderr and "ulimit -n" in refused.stderr, refused.stderr
    assert not (workshop.folder / "state").exists()
    if os.geteuid() == 0:
        # Root is not limited: another user is.
        for folder in [workshop.folder, *workshop.folder.parents][:-2]:
            folder.chmod(0o755)
        workshop.folder.chmod(0o777)
        refused = subprocess.run(
            ["setpriv", "--reuid=65534", "--clear-groups", "prlimit", "--nproc=4", HEADGATE, "run", "-c", configuration],
            capture_output=True, text=True, timeout=20)
    else:
        refused = limited(workshop, configuration, NPROC=4)
    if "Permission denied" in refused.stderr:
        pytest.skip("another user cannot run the command here")
    assert refused.returncode == 69 and "threads" in refused.stderr and "TasksMax" in refused.stderr, refused.stderr


def test_with_few_descriptors_strangers_at_the_admin_address_take_none_from_the_rest(workshop):
    configuration = polled(workshop)
    gateway = workshop.gateway(configuration, wrapper=["prlimit", "--nofile=100:100"])
    idle = [socket.create_connection(("127.0.0.1", int(gateway.address.rsplit(":", 1)[1]))) for _ in range(150)]
    assert gateway.get("/healthz") == "ok\n"
    before = gateway.device("d")["polls"]
    wait_for(lambda: gateway.device("d")["polls"] > before + 10, what="polls")
    assert gateway.device("d")["state"] == "online"
    del idle


# What comes and goes

def test_a_broker_that_accepts_and_closes_fills_no_log(workshop):
    """It takes the CONNECT, says yes, and hangs up."""
    server = socket.create_server(("127.0.0.1", 0))
    taken = []

    def serve_connections():
        while True:
            try:
                connection, _ = server.accept()
            except OSError:
                return
            connection.settimeout(2)
            try:
                version = connection.recv(4_096)[8]
                connection.sendall(b"\x20\x03\x00\x00\x00" if version == 5 else b"\x20\x02\x00\x00")
            except (OSError, IndexError):
                pass
            connection.close()
            taken.append(time.monotonic())
    threading.Thread(target=serve_connections, daemon=True).start()
    port = server.getsockname()[1]
    broker, _ = workshop.mosquitto()
    configuration = counting(
        workshop, broker, outputs={"up": {"mqtt": f"mqtt://127.0.0.1:{port}", "topic": "t"},
                                   "f": {"file": str(workshop.folder / "events.jsonl")}})
    content = yaml.safe_load(configuration.read_text())
    content["links"]["other"] = {"mqtt": f"mqtt://127.0.0.1:{port}"}
    content["devices"]["second"] = content["devices"]["d"] | {"link": "other"}
    configuration.write_text(yaml.safe_dump(content))
    gateway = workshop.gateway(configuration)
    listening(gateway)
    publish(broker, *range(3))
    wait_for(lambda: len(taken) >= 12, seconds=60, what="connections")
    log = gateway.peer.log.read_text()
    assert log.count("broker=127.0.0.1:%d link=other" % port) <= 3 and log.count("] connected") <= 3, log
    wait_for(lambda: warning(gateway, "output_down") and warning(gateway, "client_id_taken"), what="the warnings")
    server.close()


def test_a_disk_that_stays_full_fills_no_log(workshop):
    disk = SmallDisk(workshop, "24m")
    broker, _ = workshop.mosquitto()
    configuration = counting(workshop, broker, outputs={"up": {"mqtt": f"mqtt://127.0.0.1:{free_port()}", "topic": "t"}})
    gateway = workshop.gateway(configuration, wrapper=disk.wrapper)
    filler = disk.seen / "filler"
    subprocess.run(["sh", "-c", f'dd if=/dev/zero of="{filler}" bs=64k 2>/dev/null; true'])
    deadline = time.monotonic() + 25
    number = 0
    while time.monotonic() < deadline:
        publish(broker, *range(number, number + 20))
        number += 20
        subprocess.run(["sh", "-c", f'dd if=/dev/zero of="{filler}" bs=4k oflag=append conv=notrunc 2>/dev/null; true'])
    lines = [line for line in gateway.peer.log.read_text().splitlines() if "headgate.outbox" in line]
    assert len(lines) <= 8, "\n".join(lines)
    assert any("disk" in line for line in lines)
