"""The real command against real peers, on free loopback ports. Everything started here is stopped by process id."""

import importlib.resources
import json
import os
import pathlib
import random
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request

import pytest
import yaml

from proxy import Proxy
from schemas import check_configuration

HERE = pathlib.Path(__file__).parent
REPOSITORY = HERE.parent.parent
HEADGATE = os.environ.get("HEADGATE", str(REPOSITORY / ".build/debug/headgate"))
MOSQUITTO = shutil.which("mosquitto") or "/usr/sbin/mosquitto"


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def seeded():
    """A seed and its generator. HEADGATE_SEED repeats a run; the output of a failing test names its seed."""
    seed = int(os.environ.get("HEADGATE_SEED") or random.randrange(1 << 32))
    print(f"HEADGATE_SEED={seed}")
    return seed, random.Random(seed)


def wait_for(condition, seconds=20, what="the condition"):
    """The condition's first true value, or a failure that names it once the time is up."""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            pytest.fail(f"{what} did not come about within {seconds} s")
        time.sleep(0.02)


def accepts(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


class Peer:
    """A process that ends with its test."""

    def __init__(self, command, log, **options):
        self.log = log
        with open(log, "ab") as output:
            self.process = subprocess.Popen(command, stdout=options.pop("stdout", output), stderr=output, **options)

    def stop(self, how=signal.SIGTERM, seconds=10):
        if self.process.poll() is None:
            self.process.send_signal(how)
            try:
                self.process.wait(seconds)
            except subprocess.TimeoutExpired:
                self.log_stacks()
                self.process.kill()
                self.process.wait()
                raise
        return self.process.returncode

    def log_stacks(self):
        """Where each of its threads is, for whoever wants to know why it does not end."""
        if shutil.which("gdb"):
            with open(self.log, "ab") as output:
                subprocess.run(["gdb", "-p", str(self.process.pid), "-batch", "-ex", "thread apply all bt 24"],
                               stdout=output, stderr=output, stdin=subprocess.DEVNULL, timeout=60)


MOCK, SERVER = "mock cluster", "real server"
# For a test that is run against both.
on_each_kafka = pytest.mark.parametrize("workshop", [MOCK, SERVER], indirect=True)


class Workshop:
    """A folder, and the peers a test starts in it."""

    def __init__(self, folder, kafka=MOCK):
        self.folder = folder
        self.kafka_kind = kafka
        self.peers = []
        self.proxies = []

    def start(self, name, command, **options):
        peer = Peer([str(part) for part in command], self.folder / f"{name}.log", **options)
        self.peers.append(peer)
        return peer

    def proxy(self, target, kind=Proxy):
        proxy = kind(target)
        self.proxies.append(proxy)
        return proxy

    def logs(self):
        """The end of what each of its peers has printed, by the name of its file."""
        return {log.name: log.read_text(errors="replace")[-8_000:] for log in sorted(self.folder.glob("*.log"))}

    def close(self):
        for proxy in self.proxies:
            proxy.close()
        for peer in reversed(self.peers):
            if peer.process.poll() is None:
                peer.process.kill()
                peer.process.wait()

    def mosquitto(self, name="broker", port=None, **settings):
        """A broker with persistence in memory only; settings as in mosquitto.conf(5)."""
        port = port or free_port()
        listener = [f"listener {port} 127.0.0.1", *settings.pop("listener_lines", [])]
        options = {"allow_anonymous": "true", "max_queued_messages": 0, "set_tcp_nodelay": "true"} | settings
        # Started by root it would become a user who may not read the test's folder.
        if os.geteuid() == 0:
            options["user"] = "root"
        text = [f"{key} {value}" for key, value in options.items()] + listener
        conf = self.folder / f"{name}.conf"
        conf.write_text("\n".join(text) + "\n")
        peer = self.start(name, [MOSQUITTO, "-c", conf])
        wait_for(lambda: accepts(port), what=f"mosquitto on port {port}")
        return port, peer

    def python(self, name, script, *arguments):
        return self.start(name, [sys.executable, HERE / "peers" / script, *arguments])

    def configuration(self, name="headgate.yaml", **parts):
        base = {
            "gateway": "test-1",
            "state": str(self.folder / "state"),
            "maps": str(REPOSITORY / "Devices"),
            "admin": {"listen": f"127.0.0.1:{free_port()}"},
        }
        path = self.folder / name
        path.write_text(yaml.safe_dump(base | parts, sort_keys=False))
        return path

    def gateway(self, configuration, wait=True, **options):
        gateway = Gateway(self, configuration, **options)
        if wait:
            gateway.await_ready()
        return gateway

    def simulate(self, configuration, *arguments):
        peer = self.start("simulate", [HEADGATE, "simulate", "-c", configuration, *arguments])
        wait_for(lambda: b"simulating" in (self.folder / "simulate.log").read_bytes(), what="the simulator")
        return peer

    def failing_kafka(self, brokers):
        """The same with several brokers, which takes faults from its standard input."""
        address = self.folder / "failing_kafka.address"
        empty = self.configuration("failing_kafka.yaml", admin={"listen": "off"})
        peer = self.start(
            "failing_kafka", [HEADGATE, "simulate", "-c", empty, "--kafka", address, "--kafka-brokers", brokers,
                              "--kafka-faults"], stdin=subprocess.PIPE)
        wait_for(lambda: address.exists() and address.read_text().endswith("\n"), what="Kafka")
        return address.read_text().strip(), peer

    def kafka(self):
        """The address of a Kafka cluster of the kind that the test is run for."""
        return self.kafka_server() if self.kafka_kind == SERVER else self.mock_kafka()

    def kafka_server(self):
        """A Kafka-compatible server with a log on its disk."""
        port = free_port()
        # Not by the script of that name: it starts the server as a child, which outlives it.
        command = importlib.resources.files("noida_db") / "noida-db"
        os.chmod(command, 0o755)
        self.start("kafka", [
            command, "start", "--only", "kafka", "--kafka-port", port, "--data-dir", self.folder / "kafka"])
        wait_for(lambda: accepts(port), what="Kafka")
        return f"127.0.0.1:{port}"

    def mock_kafka(self):
        """librdkafka's mock cluster, run by the simulator for a plant without devices."""
        address = self.folder / "kafka.address"
        empty = self.configuration("kafka.yaml", admin={"listen": "off"})
        self.start("kafka", [HEADGATE, "simulate", "-c", empty, "--kafka", address])
        return wait_for(lambda: address.exists() and address.read_text().strip(), what="the mock cluster")


class Gateway:
    def __init__(self, workshop, configuration, wrapper=(), **options):
        self.configuration = configuration
        listen = yaml.safe_load(pathlib.Path(configuration).read_text())["admin"]["listen"]
        self.address = f"http://{listen}"
        self.peer = workshop.start("gateway", [*wrapper, HEADGATE, "run", "-c", configuration], **options)

    @property
    def pid(self):
        return self.peer.process.pid

    def get(self, path):
        with urllib.request.urlopen(self.address + path, timeout=5) as answer:
            return answer.read().decode()

    def status(self):
        return json.loads(self.get("/api/status"))

    def output(self, name):
        return next(output for output in self.status()["outputs"] if output["output"] == name)

    def device(self, name):
        return next((device for device in self.status()["devices"] if device["device"] == name), None)

    def await_ready(self):
        def ready():
            assert self.peer.process.poll() is None, self.peer.log.read_text()
            try:
                return self.get("/readyz").startswith("ready\n")
            except OSError:
                return False

        wait_for(ready, what="the gateway")
        # What it takes, an editor must not mark.
        check_configuration(pathlib.Path(self.configuration))

    def metric(self, name, **labels):
        for line in self.get("/metrics").splitlines():
            if line.startswith(name) and all(f'{key}="{value}"' in line for key, value in labels.items()):
                return float(line.rsplit(" ", 1)[1])
        return None

    def stop(self):
        return self.peer.stop(signal.SIGTERM)

    def kill(self):
        self.peer.stop(signal.SIGKILL)

    def totals(self):
        """The sums that the gateway logs as it stops."""
        line = [line for line in self.peer.log.read_text().splitlines() if "gateway stopped" in line][-1]
        return {
            key: int(value)
            for key, value in (part.split("=", 1) for part in line.split() if "=" in part)
        }


def headgate(*arguments, **options):
    return subprocess.run(
        [HEADGATE, *map(str, arguments)], capture_output=True, text=True, timeout=options.pop("timeout", 60), **options
    )


def events_in(path):
    path = pathlib.Path(path)
    # The last line may be on its way.
    return [json.loads(line) for line in path.read_text().split("\n")[:-1]] if path.exists() else []


def readings(events):
    return sum(len(event["data"].get("readings", [])) for event in events)


def secret_file(folder, text):
    """A file that only its owner may read, as the gateway wants it."""
    path = folder / "secret"
    path.unlink(missing_ok=True)
    path.touch(0o600)
    path.write_text(text + "\n")
    return path


def certificates(folder):
    """ca.pem, and what it vouches for: server.pem for localhost, client.pem for the gateway, with their .key files.
    expired.pem was the server's until yesterday. other.pem is an authority that vouches for none of them."""
    def openssl(*arguments):
        subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True, cwd=folder)

    for name in ("ca", "other"):
        openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", f"{name}.key", "-out", f"{name}.pem",
                "-days", "2", "-subj", f"/CN=test {name}", "-addext", "basicConstraints=critical,CA:TRUE")
    (folder / "names").write_text("subjectAltName=DNS:localhost,IP:127.0.0.1\n")
    for name, subject in (("server", "localhost"), ("client", "gateway")):
        openssl("req", "-newkey", "rsa:2048", "-nodes", "-keyout", f"{name}.key", "-out", f"{name}.csr",
                "-subj", f"/CN={subject}")
        openssl("x509", "-req", "-in", f"{name}.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial",
                "-out", f"{name}.pem", "-days", "2", "-extfile", "names")
    openssl("x509", "-req", "-in", "server.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial",
            "-out", "expired.pem", "-days", "-1", "-extfile", "names")
    return folder


@pytest.fixture
def workshop(tmp_path, request):
    workshop = Workshop(tmp_path, getattr(request, "param", MOCK))
    yield workshop
    workshop.close()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    """A test that fails shows what its peers have printed."""
    report = yield
    workshop = item.funcargs.get("workshop") if hasattr(item, "funcargs") else None
    if report.when == "call" and report.failed and workshop:
        report.sections += [(f"the end of {name}", text) for name, text in workshop.logs().items() if text]
    return report
