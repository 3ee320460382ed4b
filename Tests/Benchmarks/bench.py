# Headgate
# SPDX-License-Identifier: Apache-2.0
"""What the benchmarks share: the folder they work in, the processes at work there, and the table."""

import contextlib
import json
import os
import pathlib
import shutil
import socket
import subprocess
import sys
import time
import urllib.request

HERE = pathlib.Path(__file__).resolve().parent
REPOSITORY = HERE.parent.parent
DEVICE_MAPS = REPOSITORY / "Devices"

MQTT_MAPS = ["aqara-weather", "shelly-plus-plug-s", "tasmota-energy-plug", "ecowitt-ws90-rtl433"]
START_LIMIT = 20  # seconds a process may take to come up
STOP_LIMIT = 10
CLOCK_TICKS = os.sysconf("SC_CLK_TCK")


class Void(Exception):
    """A measurement that says nothing: something did not run as it has to."""


def note(text):
    print(text, file=sys.stderr, flush=True)


# Processes


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def accepts(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def wait_for(condition, what, seconds=START_LIMIT):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        value = condition()
        if value:
            return value
        time.sleep(0.05)
    raise Void(f"{what} did not come about within {seconds} s")


def stop(process):
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(STOP_LIMIT)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def pin(cpus):
    """What a process does before it starts, to run on these cores only; on any where there are none."""
    return (lambda: os.sched_setaffinity(0, cpus)) if cpus else None


class Bench:
    """A folder, the processes at work in it, and the binary under test."""

    def __init__(self, folder, headgate):
        self.folder = folder
        self.headgate = headgate
        self.starts = 0
        (folder / "maps").mkdir()
        for name in MQTT_MAPS:
            shutil.copy(DEVICE_MAPS / f"{name}.yaml", folder / "maps")

    @contextlib.contextmanager
    def process(self, name, command, cpus=None):
        """Runs a command for as long as the block; its output goes to a log of its own."""
        self.starts += 1
        log = self.folder / f"{self.starts}-{name}.log"
        with open(log, "wb") as output:
            process = subprocess.Popen(
                [str(part) for part in command], stdout=output, stderr=output, stdin=subprocess.DEVNULL,
                preexec_fn=pin(cpus))
        process.log = log
        process.may_end = False
        try:
            yield process
            if process.poll() is not None and not process.may_end:
                raise Void(f"{name} ended by itself:\n{log.read_text()[-2000:]}")
        finally:
            stop(process)

    def compile(self, name):
        flags = subprocess.run(
            ["pkg-config", "--cflags", "--libs", "libmodbus", "libmosquitto"], check=True, capture_output=True, text=True).stdout
        program = self.folder / name
        subprocess.run(["gcc", "-O2", "-Wall", "-o", program, HERE / f"{name}.c", *flags.split()], check=True)
        return program

    @contextlib.contextmanager
    def modbus_server(self, cpus=None, arrivals=None):
        """A server whose registers wander; gives its `port`, and afterwards the `requests` it answered. The file
        `arrivals` has afterwards the unit of each and when it came, in microseconds."""
        command = [self.folder / "modbus_server", *([arrivals] if arrivals else [])]
        with self.process("modbus-server", command, cpus) as server:
            server.port = int(wait_for(server.log.read_text, "the Modbus server's port"))
            yield server
        server.requests = int(server.log.read_text().split()[1])

    @contextlib.contextmanager
    def kafka(self):
        """Gives the address of librdkafka's mock cluster, in a process of its own."""
        configuration = self.configuration(admin={"listen": "off"})
        address = self.folder / f"kafka-{self.starts}.address"
        with self.process("kafka", [self.headgate, "simulate", "-c", configuration, "--kafka", address]):
            yield wait_for(lambda: address.exists() and address.read_text().strip(), "the mock cluster")

    @contextlib.contextmanager
    def mosquitto(self, **settings):
        port = free_port()
        lines = [f"listener {port} 127.0.0.1", "allow_anonymous true"]
        lines += [f"{name} {value}" for name, value in settings.items()]
        if os.geteuid() == 0:
            lines.append("user root")  # any other may not read the folder
        self.starts += 1
        path = self.folder / f"{self.starts}-mosquitto.conf"
        path.write_text("\n".join(lines) + "\n")
        with self.process("mosquitto", [tool("mosquitto"), "-c", path]):
            wait_for(lambda: accepts(port), "mosquitto")
            yield port

    def configuration(self, **parts):
        """A configuration of its own state; JSON is YAML too."""
        self.starts += 1
        base = {
            "gateway": "bench",
            "state": str(self.folder / f"{self.starts}-state"),
            "maps": str(self.folder / "maps"),
            "admin": {"listen": f"127.0.0.1:{free_port()}"},
        }
        path = self.folder / f"{self.starts}-headgate.yaml"
        path.write_text(json.dumps(base | parts, indent=2))
        return path

    def gateway(self, cpus=None, **parts):
        return self.gateway_of(self.configuration(**parts), cpus)

    @contextlib.contextmanager
    def gateway_of(self, configuration, cpus=None, survives_kill=False):
        """A gateway of a configuration; one that `survives_kill` may have ended by the end of the block."""
        listen = json.loads(configuration.read_text())["admin"]["listen"]
        with self.process("gateway", [self.headgate, "run", "-c", configuration], cpus) as process:
            process.may_end = survives_kill
            gateway = Gateway(process, f"http://{listen}")
            wait_for(gateway.is_ready, "the gateway")
            yield gateway


class Gateway:
    """A running gateway, asked over its admin address."""

    def __init__(self, process, address):
        self.process = process
        self.address = address

    @property
    def pid(self):
        return self.process.pid

    def get(self, path):
        with urllib.request.urlopen(self.address + path, timeout=STOP_LIMIT) as answer:
            return answer.read().decode()

    def is_ready(self):
        if self.process.poll() is not None:
            raise Void(f"the gateway ended by itself:\n{self.process.log.read_text()[-2000:]}")
        with contextlib.suppress(OSError):
            return self.get("/readyz") == "ready\n"
        return False

    def metrics(self):
        """Every metric, summed over its labels, with the moment it was read."""
        asked = time.monotonic()
        text = self.get("/metrics")
        sums = {"at": (asked + time.monotonic()) / 2}
        for line in text.splitlines():
            if not line.startswith("#"):
                series, value = line.rsplit(" ", 1)
                name = series.split("{", 1)[0]
                sums[name] = sums.get(name, 0) + float(value)
        return sums

    def over(self, seconds):
        """What the metrics gained in a window; `at` is its length."""
        before = self.metrics()
        time.sleep(seconds)
        return gain(before, self.metrics())


def gain(before, after):
    return {name: value - before.get(name, 0) for name, value in after.items()}


def cpu_seconds(pid):
    """User and system time of a process: proc(5), fields 14 and 15, counted behind the name in brackets."""
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / CLOCK_TICKS


def memory_mb(pid, key="VmRSS"):
    for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(key + ":"):
            return int(line.split()[1]) * 1024 / 1e6
    raise Void(f"no {key} in /proc/{pid}/status")


def tool(name):
    """Where a command is; daemons are in /usr/sbin, which is not in everyone's PATH."""
    return shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin")


# The report


class Row:
    """A line of the table. `met` is None where there is no target."""

    def __init__(self, metric, headgate, rival="", ratio="", target="", met=None):
        self.cells = [metric, headgate, rival, ratio, target, {None: "", True: "yes", False: "**no**"}[met]]
        self.met = met


HEADINGS = ["Metric", "Headgate", "Beside it", "Ratio", "Target", "Met"]


def table(rows):
    lines = ["| " + " | ".join(cells) + " |" for cells in [HEADINGS, *(row.cells for row in rows)]]
    lines.insert(1, "|---" * len(HEADINGS) + "|")
    return "\n".join(lines)
