"""What is asked how often is said before anything is opened, and it is what happens then."""

import json

from conftest import free_port, headgate, wait_for
from test_modbus_peer import serve, write_map

POINTS = {
    "a": "{ address: 0, every: 200ms }", "b": "{ address: 4, every: 200ms }", "c": "{ address: 20, every: 1s }",
    "d": "{ address: 90, every: 400ms }",
}


def configuration(workshop, link):
    maps = write_map(workshop, "plan", POINTS, defaults="{ table: holding, type: uint16 }")
    return workshop.configuration(
        maps=maps, links={"bus": link}, devices={"one": {"map": "plan", "link": "bus", "unit": 1}},
        outputs={"f": {"file": str(workshop.folder / "events.jsonl")}})


def test_a_line_that_cannot_carry_its_polls_is_refused_with_what_costs_most(workshop):
    path = configuration(workshop, {"rtu": "/dev/none", "baud": 1200})
    result = headgate("check", "-c", path)
    assert result.returncode == 78
    assert "cannot carry its polls" in result.stderr and "one a" in result.stderr
    assert headgate("run", "-c", path).returncode == 78
    result = headgate("plan", "-c", path)
    assert result.returncode == 1 and "what costs most: one a" in result.stdout
    path = configuration(workshop, {"rtu": "/dev/none", "baud": 19200})
    assert headgate("check", "-c", path).returncode == 0
    result = headgate("plan", "-c", path, "--json")
    assert result.returncode == 0
    (link,) = json.loads(result.stdout)["links"]
    assert 0 < link["load"] < 1 and link["isTimed"]
    assert headgate("plan", "nowhere", "-c", path).returncode == 64


def test_what_the_plan_says_is_what_is_asked(workshop):
    port = serve(workshop, {"1": {"holding": list(range(100))}})
    path = configuration(workshop, {"tcp": f"127.0.0.1:{port}"})
    (link,) = json.loads(headgate("plan", "-c", path, "--json").stdout)["links"]
    # a and b together, c with them where it falls due with them, d by itself.
    assert {tuple(request["points"]) for request in link["requests"]} == {("a", "b"), ("c",), ("d",)}
    gateway = workshop.gateway(path)

    def counts():
        return gateway.metric("headgate_modbus_requests_total"), gateway.metric("headgate_modbus_polls_total")

    # From one poll that has everything in it to another, a second each.
    wait_for(lambda: counts()[1] >= 5, what="a second")
    requests, polls = counts()
    wait_for(lambda: counts()[1] >= polls + 25, what="five seconds")
    asked = (counts()[0] - requests) / (counts()[1] - polls) * 5
    assert abs(asked - link["requestsPerSecond"]) < 0.15 * link["requestsPerSecond"]
    assert gateway.metric("headgate_modbus_polls_missed_total") in (0, None)
    assert gateway.stop() == 0
