"""What MQTT devices and brokers in the field do: two devices stay two, one message stays one event, and each refusal is reported."""

import json
import pathlib
import shutil
import subprocess
import time

import pytest
import yaml

from conftest import events_in, free_port, headgate, wait_for

POINTS = {"temperature": {"path": "t", "unit": "Cel", "range": [-40, 80]}, "count": {"path": "n", "type": "int64"}}
EXAMPLES = [{"payload": '{"t": 20.5, "n": 1}', "expect": {"temperature": 20.5, "count": 1}}]


def product(workshop, name="sensor", points=POINTS, examples=EXAMPLES, **mqtt):
    maps = workshop.folder / "maps"
    maps.mkdir(exist_ok=True)
    if mqtt.get("id") and "device_topic" not in examples[0]:
        examples = [one | {"device_topic": "hall/1"} for one in examples]
    (maps / f"{name}.yaml").write_text(yaml.safe_dump(
        {"map": name, "version": 1, "title": "t", "source": "this test", "mqtt": {"payload": "json"} | mqtt, "points": points,
         "examples": examples}, sort_keys=False))


def start(workshop, broker, devices, link=None, wait=True, **parts):
    path = workshop.configuration(
        maps=str(workshop.folder / "maps"), links={"hall": {"mqtt": f"mqtt://127.0.0.1:{broker}"} | (link or {})},
        outputs={"f": {"file": str(workshop.folder / "events.jsonl")}},
        devices={name: {"link": "hall", "map": "sensor"} | device for name, device in devices.items()}, **parts)
    gateway = workshop.gateway(path)
    if wait:
        wait_for(lambda: "subscribed" in gateway.peer.log.read_text(), what="the subscription")
    return gateway


def publish(port, topic, message, *options):
    text = message if isinstance(message, str) else json.dumps(message)
    subprocess.run(
        ["mosquitto_pub", "-p", str(port), "-q", "1", "-t", topic, *(["-m", text] if text else ["-n"]), *options], check=True)


def events(workshop, kind="telemetry"):
    return [one for one in events_in(workshop.folder / "events.jsonl") if one["type"] == f"headgate.{kind}.v1"]


def readings(workshop, device, point="temperature"):
    return [(one["value"], one["quality"], one.get("reason")) for event in events(workshop) if event["subject"] == device
            for one in event["data"]["readings"] if one["point"] == point]


def warning(gateway, kind):
    return next((one for one in gateway.status()["warnings"] if one["warning"] == kind), None)


@pytest.mark.parametrize("version", ["5", "3.1.1"])
def test_a_message_is_one_event_a_device_whatever_topics_cover_it(workshop, version):
    broker, _ = workshop.mosquitto(allow_duplicate_messages="true")
    product(workshop, id={"level": 2})
    gateway = start(
        workshop, broker, {"lamp": {"topic": "hall/lamp"}, "all": {"topic": "hall/+"}}, link={"version": version},
        windows={"all": {"session": "1s", "points": "*", "functions": ["count"]}} if version == "5" else {})
    for value in (20, 20, 21):
        # Two of them are equal, and are two.
        publish(broker, "hall/lamp", {"t": value, "n": 1})
    publish(broker, "hall/other", {"t": 22, "n": 1})
    wait_for(lambda: readings(workshop, "all.other"), what="the last reading")
    for device in ("lamp", "all.lamp"):
        assert [value for value, *_ in readings(workshop, device)] == [20, 20, 21], device
    assert gateway.metric("headgate_mqtt_messages_total", link="hall") == 4
    gateway.stop()


def test_where_topics_cross_a_message_is_one_event_a_device(workshop):
    broker, _ = workshop.mosquitto(allow_duplicate_messages="true")
    product(workshop)
    product(workshop, "many", id={"level": 2})
    product(workshop, "first", id={"level": 1})
    gateway = start(
        workshop, broker, {"a": {"topic": "hall/+", "map": "many"}, "b": {"topic": "+/lamp", "map": "first"}})
    for value in (20, 20, 21):
        publish(broker, "hall/lamp", {"t": value, "n": 1})
    publish(broker, "hall/other", {"t": 22, "n": 1})
    wait_for(lambda: readings(workshop, "a.other"), what="the last reading")
    for device in ("a.lamp", "b.hall"):
        assert [value for value, *_ in readings(workshop, device)] == [20, 20, 21], device
    assert not gateway.status()["warnings"]
    gateway.stop()


def test_what_has_waited_for_topics_that_cross_is_one_event_after_one_of_them_is_gone(workshop):
    broker, _ = workshop.mosquitto(allow_duplicate_messages="true")
    product(workshop, "many", id={"level": 2})
    product(workshop, "first", id={"level": 1})
    devices = {"c": {"topic": "attic/+", "map": "many"}, "a": {"topic": "hall/+", "map": "many"},
               "b": {"topic": "+/lamp", "map": "first"}}
    gateway = start(workshop, broker, devices)
    gateway.stop()
    publish(broker, "hall/lamp", {"t": 20, "n": 1})
    publish(broker, "hall/other", {"t": 21, "n": 1})
    # What `a` was is now a part of `d`, and the others have other places.
    del devices["c"], devices["a"]
    product(workshop, "rest", id={"from_level": 2})
    gateway = start(workshop, broker, devices | {"d": {"topic": "hall/#", "map": "rest"}})
    publish(broker, "hall/last", {"t": 22, "n": 1})
    wait_for(lambda: readings(workshop, "d.last"), what="the last reading")
    for device, value in (("b.hall", 20), ("d.lamp", 20), ("d.other", 21)):
        assert [value for value, *_ in readings(workshop, device)] == [value], device
    gateway.stop()


def test_what_a_refused_wildcard_covers_is_subscribed_to_by_itself(workshop):
    everything = dict.fromkeys(["publishClientSend", "publishClientReceive", "subscribe", "unsubscribe"], True)
    role = {"rolename": "r", "acls": [{"acltype": "subscribeLiteral", "topic": "hall/+", "priority": 0, "allow": False}]}
    (workshop.folder / "security.json").write_text(json.dumps({
        "defaultACLAccess": everything, "clients": [], "roles": [role], "anonymousGroup": "all",
        "groups": [{"groupname": "all", "roles": [{"rolename": "r"}], "clients": []}]}))
    broker, _ = workshop.mosquitto(
        plugin=next(pathlib.Path("/usr/lib").glob("*/mosquitto_dynamic_security.so")),
        plugin_opt_config_file=workshop.folder / "security.json")
    product(workshop, id={"level": 2})
    gateway = start(workshop, broker, {"lamp": {"topic": "hall/lamp"}, "all": {"topic": "hall/+"}})
    refused = wait_for(lambda: warning(gateway, "subscription_refused"), what="the warning")
    assert refused["subject"] == "hall: hall/+"
    wait_for(lambda: gateway.peer.log.read_text().count("[Inputs] subscribed") == 2, what="the second subscription")
    publish(broker, "hall/lamp", {"t": 20, "n": 1})
    wait_for(lambda: readings(workshop, "lamp"), what="the lamp")
    assert [value for value, *_ in readings(workshop, "lamp")] == [20]
    gateway.stop()


def test_topics_that_cross_are_a_mistake_where_the_protocol_cannot_tell_them_apart(workshop):
    product(workshop)
    product(workshop, "many", id={"level": 2})
    product(workshop, "first", id={"level": 1})
    for version, code in (("3.1.1", 78), ("5", 0)):
        path = workshop.configuration(
            maps=str(workshop.folder / "maps"),
            links={"hall": {"mqtt": f"mqtt://127.0.0.1:{free_port()}", "version": version}},
            outputs={"f": {"file": str(workshop.folder / "events.jsonl")}},
            devices={"a": {"link": "hall", "topic": "hall/+", "map": "many"},
                     "b": {"link": "hall", "topic": "+/lamp", "map": "first"}})
        result = headgate("check", "-c", path)
        assert result.returncode == code, result.stderr
        assert ("hall/+ and +/lamp" in result.stderr + result.stdout) == (code != 0)


@pytest.mark.parametrize("version", ["5", "3.1.1"])
def test_what_is_no_longer_configured_is_unsubscribed(workshop, version):
    broker, peer = workshop.mosquitto(log_type="all")
    product(workshop)
    devices = {"a": {"topic": "hall/a"}, "b": {"topic": "hall/b"}}
    gateway = start(workshop, broker, devices, link={"version": version})
    gateway.stop()
    gateway = start(workshop, broker, {"a": devices["a"]}, wait=False, link={"version": version})
    wait_for(lambda: gateway.peer.log.read_text().count("subscribed") == 2, what="the subscription")
    for name in ("b", "a"):
        publish(broker, f"hall/{name}", {"t": 20, "n": 1})
    wait_for(lambda: readings(workshop, "a"), what="the reading")
    assert gateway.metric("headgate_mqtt_messages_total", link="hall") == 1
    # RabbitMQ ends only what the same connection has subscribed to.
    assert peer.log.read_text().count("hall/b (QoS 1)") == (1 if version == "5" else 2)
    gateway.stop()
    # Under another client id a session is left behind. Only its broker can end it.
    gateway = start(workshop, broker, {"a": devices["a"]}, link={"client_id": "another"})
    left = wait_for(lambda: warning(gateway, "session_left"), what="the warning")
    assert "test-1-in-hall" in left["text"], left
    gateway.stop()


@pytest.mark.parametrize("client", ["the same", None])
def test_a_link_that_is_renamed_goes_on_with_its_session_or_is_reported(workshop, client):
    broker, _ = workshop.mosquitto()
    product(workshop)
    devices = {"a": {"topic": "hall/a"}, "b": {"topic": "hall/b"}}
    link = {"client_id": client} if client else {}
    start(workshop, broker, devices, link=link).stop()
    path = workshop.configuration(
        maps=str(workshop.folder / "maps"), links={"room": {"mqtt": f"mqtt://127.0.0.1:{broker}"} | link},
        outputs={"f": {"file": str(workshop.folder / "events.jsonl")}}, devices={"a": {"link": "room", "map": "sensor"} | devices["a"]})
    gateway = workshop.gateway(path)
    wait_for(lambda: gateway.peer.log.read_text().count("subscribed") == 2, what="the subscription")
    for name in ("b", "a"):
        publish(broker, f"hall/{name}", {"t": 20, "n": 1})
    wait_for(lambda: readings(workshop, "a"), what="the reading")
    assert gateway.metric("headgate_mqtt_messages_total", link="room") == 1
    left = warning(gateway, "session_left")
    assert left is None if client else (left["subject"] == "hall" and "test-1-in-hall" in left["text"]), left
    gateway.stop()
    # Once is enough.
    gateway = workshop.gateway(path)
    assert warning(gateway, "session_left") is None
    gateway.stop()


@pytest.mark.parametrize("is_lost", [True, False])
def test_a_subscription_that_a_lost_state_folder_leaves_behind_is_reported(workshop, is_lost):
    broker, _ = workshop.mosquitto()
    product(workshop)
    devices = {"a": {"topic": "hall/a"}, "b": {"topic": "hall/b"}}
    start(workshop, broker, devices).stop()
    # It waits in the session.
    publish(broker, "hall/b", {"t": 20, "n": 1})
    if is_lost:
        shutil.rmtree(workshop.folder / "state")
    gateway = start(workshop, broker, {"a": devices["a"]})
    for name in ("b", "a"):
        publish(broker, f"hall/{name}", {"t": 20, "n": 1})
    wait_for(lambda: readings(workshop, "a"), what="the reading")
    found = warning(gateway, "message_refused")
    assert ("hall/b" in found["text"] and "test-1-in-hall" in found["next"]) if is_lost else found is None, found
    gateway.stop()


def test_a_wildcard_that_no_id_accounts_for_is_a_mistake(workshop):
    product(workshop, id={"level": 3}, examples=[one | {"device_topic": "hall/A/d5"} for one in EXAMPLES])
    path = workshop.configuration(
        maps=str(workshop.folder / "maps"), links={"hall": {"mqtt": f"mqtt://127.0.0.1:{free_port()}"}},
        outputs={"f": {"stdout": {}}}, devices={"all": {"link": "hall", "map": "sensor", "topic": "hall/+/+"}})
    result = headgate("check", "-c", path)
    assert result.returncode == 78 and "level" in result.stderr + result.stdout, result.stderr


def test_more_devices_than_may_be_are_told(workshop):
    broker, _ = workshop.mosquitto()
    product(workshop, id={"level": 2})
    gateway = start(workshop, broker, {"all": {"topic": "hall/+", "max_devices": 3, "forget_after": "1min"}})
    for number in range(5):
        publish(broker, f"hall/{number}", {"t": 20, "n": number})
    told = wait_for(lambda: warning(gateway, "too_many_devices"), what="the warning")
    assert "max_devices" in told["next"] and wait_for(lambda: (warning(gateway, "too_many_devices") or {}).get("count") == 2,
                                                      what="both")
    assert gateway.metric("headgate_mqtt_refused_messages_total", link="hall", cause="too_many_devices") == 2
    assert len([one for one in gateway.peer.log.read_text().splitlines() if "warning=too_many_devices" in one]) == 1
    gateway.stop()
    # What is not announced yet is so at the stop, and goes out with the next start.
    gateway = workshop.gateway(gateway.configuration)
    gaps = wait_for(lambda: [event["data"] for event in events(workshop, "gap")], what="the gap")
    assert [(gap["cause"], gap["count"]) for gap in gaps] == [("too_many_devices", 2)]
    gateway.stop()


def test_presence_is_no_reading(workshop):
    broker, _ = workshop.mosquitto()
    product(workshop, presence={"topic": "LWT", "online": "Online", "offline": "Offline"}, points={
        name: point | {"topic": "state"} for name, point in POINTS.items()},
        examples=[one | {"topic": "state"} for one in EXAMPLES])
    gateway = start(workshop, broker, {"a": {"topic": "hall/a"}})
    publish(broker, "hall/a/LWT", "Online", "-r")
    publish(broker, "hall/a/state", {"t": 20, "n": 1})
    wait_for(lambda: gateway.device("a")["state"] == "online", what="that it is online")
    publish(broker, "hall/a/LWT", "Offline", "-r")
    wait_for(lambda: gateway.device("a")["state"] == "offline", what="that it is offline")
    wait_for(lambda: readings(workshop, "a")[-1] == (None, "bad", "offline"), what="that its points are bad")
    publish(broker, "hall/a/LWT", "Online", "-r")
    wait_for(lambda: gateway.device("a")["state"] == "online", what="that it is back")
    publish(broker, "hall/a/state", {"t": 21, "n": 1})
    wait_for(lambda: readings(workshop, "a")[-1] == (21, "good", None), what="the next reading")
    publish(broker, "hall/a/state", "", "-r")
    wait_for(lambda: readings(workshop, "a")[-1][:2] == (None, "absent"), what="that it has no value")
    gateway.stop()
    # A gateway that starts while the will is retained shows the device as offline.
    publish(broker, "hall/a/LWT", "Offline", "-r")
    gateway = workshop.gateway(gateway.configuration)
    wait_for(lambda: gateway.device("a")["state"] == "offline", what="that it is offline")
    gateway.stop()


@pytest.mark.parametrize("told, is_taken", [
    (1795946400, True), (1795946400000, False), (12, False), ("soon", False)])
def test_a_time_that_cannot_be_is_marked_and_told_once(workshop, told, is_taken):
    broker, _ = workshop.mosquitto()
    product(workshop, time={"path": "ts", "format": "unix"}, examples=[
        {"payload": '{"t": 20.5, "n": 1, "ts": 1795946400}', "expect": {"temperature": 20.5, "count": 1},
         "time": "2026-11-29T10:00:00Z"}])
    gateway = start(workshop, broker, {"a": {"topic": "hall/a"}})
    for number in range(3):
        publish(broker, "hall/a", {"t": 20 + number, "n": 1, "ts": told})
    wait_for(lambda: len(readings(workshop, "a")) == 3, what="readings")
    assert [quality for _, quality, _ in readings(workshop, "a")] == ["good"] * 3
    for event in events(workshop):
        assert event["data"].get("device_time") == (None if is_taken else "refused"), event
        assert event["time"].startswith("2026-11-29T10:00:00" if is_taken else time.strftime("%Y-%m-%dT", time.gmtime())), event
    log = [line for line in gateway.peer.log.read_text().splitlines() if "warning=device_time_refused" in line]
    if is_taken:
        assert not log and gateway.metric("headgate_mqtt_refused_times_total", link="hall") == 0
    else:
        assert len(log) == 1 and warning(gateway, "device_time_refused")["count"] == 3
        assert gateway.metric("headgate_mqtt_refused_times_total", link="hall") == 3
    gateway.stop()


@pytest.mark.parametrize("path, is_right", [("ts", True), ("tss", False)])
def test_a_time_that_is_in_no_message_is_reported(workshop, path, is_right):
    broker, _ = workshop.mosquitto()
    product(workshop, time={"path": path, "format": "unix"})
    gateway = start(workshop, broker, {"a": {"topic": "hall/a"}})
    for number in range(12):
        # A message in between may have no time.
        publish(broker, "hall/a", {"t": 20 + number, "n": 1} | ({"ts": 1795946400} if number == 10 else {}))
    wait_for(lambda: len(readings(workshop, "a")) == 12, what="readings")
    found = warning(gateway, "device_time_missing")
    assert found is None if is_right else found["subject"] == "a"
    assert "warning=device_time_missing" in gateway.peer.log.read_text()
    gateway.stop()


@pytest.mark.parametrize("fault", ["port", "login", None])
def test_a_link_that_does_not_come_up_is_shown_everywhere(workshop, fault):
    passwords = workshop.folder / "passwords"
    subprocess.run(["mosquitto_passwd", "-b", "-c", passwords, "gateway", "right"], check=True, capture_output=True)
    broker, _ = workshop.mosquitto(allow_anonymous="false", password_file=passwords)
    (workshop.folder / "password").touch(0o600)
    (workshop.folder / "password").write_text("wrong" if fault == "login" else "right")
    product(workshop)
    gateway = start(
        workshop, free_port() if fault == "port" else broker, {"a": {"topic": "hall/a"}}, wait=fault is None,
        link={"username": "gateway", "password": {"file": str(workshop.folder / "password")}})
    if fault is None:
        assert gateway.status()["links"][0]["up"] and gateway.metric("headgate_link_up", link="hall") == 1
        assert gateway.get("/readyz") == "ready\n"
        gateway.stop()
        return
    wait_for(lambda: gateway.metric("headgate_link_up", link="hall") == 0, what="the link")
    [link] = gateway.status()["links"]
    words = {"port": "refused", "login": "not authori"}[fault]
    assert not link["up"] and words in link["reason"].lower(), link
    told = wait_for(lambda: warning(gateway, "link_down"), what="the warning")
    assert words in told["text"].lower() and told["next"], told
    ready = gateway.get("/readyz")
    assert ready.startswith("ready\n") and "link_down: hall: " in ready
    shown = headgate("status", "-c", gateway.configuration).stdout
    assert "link_down" in shown and "down: " in shown
    gateway.stop()


def test_two_with_one_client_id_are_told_of_each_other(workshop):
    broker, _ = workshop.mosquitto()
    product(workshop)
    gateway = start(workshop, broker, {"a": {"topic": "hall/a"}}, link={"client_id": "same"})
    other = workshop.start("other", ["sh", "-c", f"while mosquitto_sub -p {broker} -i same -t x -E; "
                                     f"do mosquitto_sub -p {broker} -i same -t x -W 1; done"])
    told = wait_for(lambda: warning(gateway, "client_id_taken"), seconds=60, what="the warning")
    assert "same" in told["text"] and "client_id" in told["next"], told
    assert "client_id_taken: hall: " in gateway.get("/readyz")
    other.stop()
    gateway.stop()


def test_other_products_behind_a_wildcard_are_left_alone(workshop):
    broker, _ = workshop.mosquitto()
    product(workshop, id={"level": 2}, requires=["t"])
    gateway = start(workshop, broker, {"all": {"topic": "hall/+"}, "kitchens": {"topic": "hall/+", "ids": ["kitchen-*"]}})
    publish(broker, "hall/lamp", {"state": "ON", "n": 5})
    for name in ("kitchen-1", "attic"):
        publish(broker, f"hall/{name}", {"t": 20, "n": 1})
    wait_for(lambda: readings(workshop, "all.attic"), what="readings")
    assert {event["subject"] for event in events(workshop)} == {"all.kitchen-1", "kitchens.kitchen-1", "all.attic"}
    gateway.stop()


@pytest.mark.parametrize("payload, temperature, count", [
    (b'{"t": NaN, "n": 1}', (None, "bad", "not_a_number"), (1, "good", None)),
    (b'{"t": -Infinity, "n": 1}', (None, "bad", "not_a_number"), (1, "good", None)),
    (b'{"t": 20.5, "n": 1}\0\0', (20.5, "good", None), (1, "good", None)),
    (b'\xef\xbb\xbf{"t": 20.5, "n": 1}', (20.5, "good", None), (1, "good", None)),
    (b'{"k\xfcche": 1, "t": 20.5, "n": 1}', (20.5, "good", None), (1, "good", None)),
    (b'{"t": "20.5", "n": "9223372036854775807"}', (20.5, "good", None), (9223372036854775807, "good", None)),
    (b'{"t": "unavailable", "n": 1}', (None, "bad", "wrong_type"), (1, "good", None)),
    (b'{"t": true, "n": 18446744073709551615}', (None, "bad", "wrong_type"), (18446744073709551615, "good", None)),
    (b'{"t": "", "n": 9007199254740993}', (None, "bad", "wrong_type"), (9007199254740993, "good", None)),
    (b'{"t": 20.5, "n": 1', None, None),
])
def test_what_devices_print_is_read_as_far_as_it_is_sound(workshop, payload, temperature, count):
    import paho.mqtt.client as paho

    broker, _ = workshop.mosquitto()
    product(workshop)
    gateway = start(workshop, broker, {"a": {"topic": "hall/a"}})
    client = paho.Client(paho.CallbackAPIVersion.VERSION2)
    client.connect("127.0.0.1", broker)
    client.loop_start()
    client.publish("hall/a", payload, qos=1).wait_for_publish(10)
    client.loop_stop()
    if temperature is None:
        told = wait_for(lambda: warning(gateway, "message_refused"), what="the warning")
        assert "hall/a" in told["subject"] + told["text"] and told["next"], told
        assert len([one for one in gateway.peer.log.read_text().splitlines() if "warning=message_refused" in one]) == 1
    else:
        wait_for(lambda: readings(workshop, "a", "count"), what="the reading")
        assert readings(workshop, "a") == [temperature] and readings(workshop, "a", "count") == [count]
        assert not warning(gateway, "message_refused")
    gateway.stop()
