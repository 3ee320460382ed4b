"""The admin address and strangers: web pages of other sites, floods of connections, a gateway that is stopped, SIGHUP."""

import contextlib
import http.client
import resource
import signal
import socket
import time

import pytest

from conftest import headgate, wait_for
from test_modbus_peer import serve
from test_writing import PLANT, plant


def place(gateway):
    host, port = gateway.address.removeprefix("http://").split(":")
    return host, int(port)


def ask(gateway, path="/healthz", method="GET", **headers):
    """The status and the body; a header of None is left out."""
    connection = http.client.HTTPConnection(*place(gateway), timeout=10)
    with contextlib.closing(connection):
        connection.putrequest(method, path, skip_host=True)
        given = {"Host": gateway.address.removeprefix("http://")} | {
            name.replace("_", "-"): value for name, value in headers.items()}
        for name, values in given.items():
            for value in values if isinstance(values, list) else [values]:
                if value is not None:
                    connection.putheader(name, value)
        connection.endheaders()
        answer = connection.getresponse()
        return answer.status, answer.read().decode()


def admin(workshop, **parts):
    configuration = workshop.configuration()
    address = configuration.read_text().split("listen: ")[1].split("\n")[0]
    return workshop.gateway(workshop.configuration(admin={"listen": address} | parts))


FOREIGN = [
    {"Host": "evil.example"}, {"Host": "evil.example:9464"}, {"Host": "127.0.0.1.evil.example"}, {"Host": "10.0.0.7"},
    {"Host": "localhost.evil.example"}, {"Host": ""}, {"Host": "[::2]"}, {"Host": ["127.0.0.1", "evil.example"]}, {"Host": None},
    {"Origin": "http://evil.example"}, {"Origin": "null"}, {"Origin": "http://localhost:1"}, {"Origin": "https://127.0.0.1"},
    {"Origin": "file://"}, {"Sec_Fetch_Site": "cross-site"}, {"Sec_Fetch_Site": "same-site"},
]


def test_a_web_page_of_another_site_can_read_and_write_nothing(workshop):
    configuration = plant(workshop, {"tcp": f"127.0.0.1:{serve(workshop, PLANT)}"})
    gateway = workshop.gateway(configuration)
    wait_for(lambda: (gateway.device("heater") or {}).get("state") == "online", what="the device")
    write = "/api/write?device=heater&point=setpoint&value=45.5"
    for headers in FOREIGN:
        for method, path in [("POST", write), ("GET", "/api/status"), ("GET", "/"), ("GET", "/nowhere")]:
            status, text = ask(gateway, path, method, X_Headgate="1", **headers)
            assert status in (400, 403), (headers, path)
            assert "heater" not in text

    def setpoint():
        points = gateway.device("heater")["points"]
        return next(point["value"] for point in points if point["point"] == "setpoint")

    assert setpoint() == 20
    # The page itself may, and commands, which send neither.
    own = gateway.address.removeprefix("http://")
    status, text = ask(gateway, write, "POST", X_Headgate="1", Origin=gateway.address, Sec_Fetch_Site="same-origin")
    assert status == 200 and '"done"' in text
    wait_for(lambda: setpoint() == 45.5, what="the setpoint")
    for headers in ({}, {"Host": "localhost"}, {"Host": "LOCALHOST:8080"}, {"Host": "[::1]:9464"}, {"Sec_Fetch_Site": "none"},
                    {"Host": own.upper(), "Origin": f"http://{own}"}):
        assert ask(gateway, **headers) == (200, "ok\n"), headers
    warning = next(one for one in gateway.status()["warnings"] if one["warning"] == "admin_request_refused")
    assert warning["count"] >= len(FOREIGN) and "\n" not in warning["text"]
    assert gateway.metric("headgate_warnings", warning="admin_request_refused") == 1
    lines = [line for line in gateway.peer.log.read_text().splitlines() if "a request was refused" in line]
    assert len(lines) == 1, lines


def test_a_proxy_forwards_under_the_names_that_the_configuration_has(workshop):
    gateway = admin(workshop, hosts=["headgate.example"])
    assert ask(gateway, Host="Headgate.example")[0] == 200
    assert ask(gateway, Host="headgate.example:443", Origin="https://headgate.example:443")[0] == 200
    # One that puts its own name for the gateway into the request.
    assert ask(gateway, Origin="https://headgate.example")[0] == 200
    assert ask(gateway, Host="other.example")[0] == 403
    assert ask(gateway, Host="headgate.example", Origin="https://other.example")[0] == 403


@pytest.mark.parametrize("host", ["https://headgate.example", "headgate.example:443", "a b", "", "headgate.example/x"])
def test_a_name_that_is_not_a_host_is_a_mistake(workshop, host):
    configuration = workshop.configuration(admin={"listen": "127.0.0.1:9464", "hosts": [host]})
    result = headgate("check", "-c", configuration)
    assert result.returncode == 78 and "HG0209" in result.stderr


def test_health_is_answered_within_a_second_whoever_else_is_connected(workshop):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(hard, 4_096)), hard))
    gateway = admin(workshop)
    own = gateway.address.removeprefix("http://").encode()
    begun = b"POST /api/write HTTP/1.1\r\nHost: " + own + b"\r\nX-Headgate: 1\r\nContent-Length: 100000\r\n\r\n"

    def prompt():
        start = time.monotonic()
        status, _ = ask(gateway)
        return status == 200 and time.monotonic() - start < 1

    with contextlib.ExitStack() as stack:
        def connect(text):
            one = stack.enter_context(socket.create_connection(place(gateway), timeout=10))
            one.sendall(text)
            return one

        streams = [connect(b"GET /api/events HTTP/1.1\r\nHost: " + own + b"\r\n\r\n") for _ in range(64)]
        for one in streams:
            assert one.recv(1_000).startswith(b"HTTP/1.1 200")
        assert prompt()
        # A byte of a body now and then, and a head that never ends.
        dripping = [connect(begun) for _ in range(64)] + [connect(b"GET / HTTP/1.1\r\nX: ") for _ in range(64)]
        for _ in range(3):
            for one in dripping:
                with contextlib.suppress(OSError):
                    one.sendall(b"x")
            assert prompt()
        for _ in range(2_000):
            connect(b"")
        for _ in range(5):
            assert prompt()
        # Who listens has a place all the while, and a command has one, too.
        for one in streams:
            one.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                assert one.recv(1_000) != b""
        assert headgate("status", "-c", gateway.configuration).returncode == 0
        assert gateway.metric("headgate_admin_connections_closed_total") > 1_000
        assert any(one["warning"] == "admin_connections_closed" for one in gateway.status()["warnings"])


def test_more_listeners_than_there_are_places_for_are_refused_until_one_leaves(workshop):
    gateway = admin(workshop)
    own = gateway.address.removeprefix("http://").encode()

    def listen():
        one = socket.create_connection(place(gateway), timeout=10)
        one.sendall(b"GET /api/events HTTP/1.1\r\nHost: " + own + b"\r\n\r\n")
        return one, one.recv(1_000).split(b" ")[1]

    listeners = [listen() for _ in range(96)]
    assert {status for _, status in listeners} == {b"200"}
    last, status = listen()
    assert status == b"503"
    last.close()
    listeners.pop()[0].close()

    def is_let_in():
        one, status = listen()
        listeners.append((one, status))
        return status == b"200"

    wait_for(is_let_in, what="a place")
    for one, _ in listeners:
        one.close()


@pytest.mark.parametrize("command, code, text", [
    (["status"], 69, "HG3004"), (["status", "--json"], 69, "HG3004"),
    (["tail"], 69, "HG3004"), (["write", "heater", "setpoint", "45.5"], 69, "HG3004"),
    # These work without a running gateway, too, unless it has the outbox.
    (["outbox", "verify"], 75, "HG3013"), (["outbox", "dead", "list"], 75, "HG3013"),
])
def test_a_command_gives_up_on_a_gateway_that_is_stopped(workshop, command, code, text):
    gateway = workshop.gateway(plant(workshop, {"tcp": f"127.0.0.1:{serve(workshop, PLANT)}"}))
    gateway.peer.process.send_signal(signal.SIGSTOP)
    try:
        start = time.monotonic()
        result = headgate(*command, "-c", gateway.configuration, timeout=30)
        assert time.monotonic() - start < 12
        assert result.returncode == code and text in result.stderr, result
    finally:
        gateway.peer.process.send_signal(signal.SIGCONT)


def test_a_hangup_checks_the_configuration_and_stops_nothing(workshop):
    gateway = workshop.gateway(workshop.configuration())

    def logged(text):
        return wait_for(lambda: text in gateway.peer.log.read_text(), what=text)

    gateway.peer.process.send_signal(signal.SIGHUP)
    logged("SIGHUP: the configuration has no mistake")
    with open(gateway.configuration, "a") as file:
        file.write("linx: {}\n")
    gateway.peer.process.send_signal(signal.SIGHUP)
    logged("SIGHUP: the configuration has mistakes")
    assert "linx" in gateway.peer.log.read_text()
    assert ask(gateway) == (200, "ok\n")
    assert gateway.stop() == 0
