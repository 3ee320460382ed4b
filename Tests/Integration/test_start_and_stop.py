"""Starting with everything down, stopping with everything down, two at once, and mistakes."""

import concurrent.futures
import json
import os
import random
import time

import yaml

from conftest import Gateway, HEADGATE, certificates, events_in, free_port, headgate, readings, seeded, wait_for
from registry import Registry
from test_avro import MACHINE
from test_forwarding import plant
from test_mqtt_in import publish


def test_starts_and_stops_with_every_device_and_broker_down_and_loses_nothing(workshop):
    broker = free_port()
    kafka = free_port()
    configuration = plant(workshop, broker, {
        "site": {"mqtt": f"mqtt://127.0.0.1:{broker}", "topic": "t/{device}"},
        "central": {"kafka": f"127.0.0.1:{kafka}", "topic": "t"},
        "local": {"file": str(workshop.folder / "no/such/folder/events.jsonl")},
    })
    gateway = workshop.gateway(configuration)
    assert gateway.get("/healthz") == "ok\n"
    devices = ("meter-1", "meter-2", "drive", "oven")
    wait_for(lambda: all(gateway.device(name)["state"] == "offline" for name in devices), what="all offline")
    assert all(point["quality"] == "bad" for point in gateway.device("meter-1")["points"])
    started = time.monotonic()
    assert gateway.stop() == 0
    assert time.monotonic() - started < 5
    committed = gateway.totals()["committed"]
    assert committed > 0

    # The next start has it all, for each output; the brokers come, and get it.
    (workshop.folder / "no/such/folder").mkdir(parents=True)
    workshop.mosquitto(port=broker)
    gateway = workshop.gateway(configuration)
    out = workshop.folder / "no/such/folder/events.jsonl"
    wait_for(lambda: gateway.output("site")["acknowledged_readings"] >= committed, seconds=60, what="the MQTT broker")
    assert readings(events_in(out)) >= committed
    assert gateway.stop() == 0


def test_sigterm_under_load_stops_within_five_seconds_and_loses_nothing(workshop):
    broker, _ = workshop.mosquitto()
    out = workshop.folder / "events.jsonl"
    configuration = plant(workshop, broker, {
        "dead-1": {"mqtt": f"mqtt://127.0.0.1:{free_port()}", "topic": "t"},
        "dead-2": {"kafka": f"127.0.0.1:{free_port()}", "topic": "t"},
        "local": {"file": str(out)},
    })
    workshop.simulate(configuration, "--interval", "0.1")
    gateway = workshop.gateway(configuration)
    wait_for(lambda: readings(events_in(out)) > 300, what="some load")
    started = time.monotonic()
    assert gateway.stop() == 0
    assert time.monotonic() - started < 5
    totals = gateway.totals()
    assert totals["received"] == totals["filtered"] + totals["committed"]
    assert totals["acknowledged.local"] == totals["committed"] == readings(events_in(out))
    status = json.loads(headgate("outbox", "status", "--json", "-c", configuration).stdout)
    for output in status["outputs"]:
        waiting = sum(lane["waiting_events"] for lane in output["lanes"])
        assert waiting == (0 if output["output"] == "local" else len(events_in(out)))


def test_a_second_gateway_on_the_same_state_is_refused(workshop):
    configuration = workshop.configuration()
    gateway = workshop.gateway(configuration)
    second = headgate("run", "-c", configuration)
    assert second.returncode == 75
    assert "in use by another headgate" in second.stderr
    gateway.stop()


def test_mistakes_are_told_all_at_once_with_their_places(workshop):
    path = workshop.configuration(links={"a": {"tcp": "127.0.0.1:0"}}, outputs={"x": {"file": "f", "rotat": 1}})
    result = headgate("check", "-c", path, "--json")
    assert result.returncode == 78
    problems = json.loads(result.stdout)
    assert len(problems) == 2
    assert all(problem["file"] == str(path) and problem["line"] > 1 for problem in problems)
    result = headgate("run", "-c", path)
    assert result.returncode == 78
    assert "did you mean `rotate`?" in result.stderr
    assert headgate("check", "-c", "/no/such/file").returncode == 78
    assert headgate("read", "-c").returncode == 64


def test_tail_shows_what_is_committed_as_it_is(workshop):
    broker, _ = workshop.mosquitto()
    configuration = plant(workshop, broker, {"local": {"file": str(workshop.folder / "events.jsonl")}})
    workshop.simulate(configuration)
    gateway = workshop.gateway(configuration)
    tail = workshop.start(
        "tail", [HEADGATE, "tail", "-c", configuration, "--device", "meter-1", "--point", "voltage_l1", "--json"])
    wait_for(lambda: tail.log.read_text().count("\n") >= 3, what="three events")
    tail.stop()
    shown = [json.loads(line) for line in tail.log.read_text().splitlines()[:3]]
    assert {event["subject"] for event in shown} == {"meter-1"}
    assert all(any(one["point"] == "voltage_l1" for one in event["data"]["readings"]) for event in shown)
    page = gateway.get("/")
    assert "<title>Headgate</title>" in page and "http" not in page.split("<script>")[1]
    gateway.stop()
    gone = headgate("status", "-c", configuration)
    assert gone.returncode == 69 and "is it running?" in gone.stderr


STOPS = int(os.environ.get("HEADGATE_STOPS", 16))


def test_after_https_and_tls_every_stop_ends_with_0(workshop):
    """The libraries behind them have threads and handlers at exit of their own."""
    seed, _ = seeded()
    folder = certificates(workshop.folder)
    secure = free_port()
    broker, _ = workshop.mosquitto(listener_lines=[
        f"listener {secure} 127.0.0.1", f"cafile {folder}/ca.pem", f"certfile {folder}/server.pem", f"keyfile {folder}/server.key"])
    registry = Registry(tls=folder)
    # Some stops fall into a request, others after it.
    registry.delay = 0.05
    kafka = workshop.kafka()
    maps = workshop.folder / "maps"
    maps.mkdir()
    (maps / "machine.yaml").write_text(yaml.safe_dump(MACHINE, sort_keys=False))
    ends = []

    def stop_again_and_again(name, choose):
        state = workshop.folder / name
        tls = {"ca": str(folder / "ca.pem")}
        configuration = workshop.configuration(
            f"{name}.yaml", gateway=name, state=str(state), maps=str(maps),
            links={"floor": {"mqtt": f"mqtts://localhost:{secure}"} | tls},
            devices={"saw-1": {"map": "machine", "link": "floor", "topic": f"{name}/1"}},
            outputs={"avro": {"kafka": kafka, "topic": f"t-{name}", "format": "avro",
                              "registry": {"url": registry.url} | tls},
                     "up": {"mqtt": f"mqtts://localhost:{secure}", "topic": f"up/{name}"} | tls})
        for _ in range(STOPS // 4):
            (state / "schemas.json").unlink(missing_ok=True)
            before = len(registry.requests)
            gateway = Gateway(workshop, configuration)
            gateway.await_ready()

            def is_asked():
                publish(broker, json.dumps({"speed": choose.randrange(1000)}), topic=f"{name}/1")
                return len(registry.requests) > before
            wait_for(is_asked, what="a request to the registry")
            time.sleep(choose.random() * 0.3)
            ends.append(gateway.peer.stop())
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        for work in [pool.submit(stop_again_and_again, f"g-{number}", random.Random(seed + number)) for number in range(4)]:
            work.result()
    registry.close()
    assert ends == [0] * (STOPS // 4 * 4)
