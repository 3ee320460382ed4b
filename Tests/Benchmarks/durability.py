# Headgate
# SPDX-License-Identifier: Apache-2.0
"""What it costs that nothing is lost: commits beside a bare file, MQTT beside a bare subscriber, the way back after an
outage with a kill in its middle, the start on ten million readings, and polls while these go out."""

import contextlib
import json
import pathlib
import statistics
import subprocess
import sys
import threading
import time

from bench import HERE, Row, STOP_LIMIT, Void, free_port, memory_mb, note, tool, wait_for

sys.path.insert(0, str(HERE.parent / "Integration"))
from proxy import Proxy  # noqa: E402

LEAST_COMMIT_SHARE = 0.5
MOST_BYTES = {1_000: 45, 100: 150}
LEAST_MQTT_SHARE = 0.7
MOST_START_SHARE = 1.5
MOST_GROWTH = 1.05
MOST_SECONDS_BACK = 1.0
LEAST_DRAIN = 5
MOST_JITTER_GROWTH = 1.1
BLOCK_BYTES = 8  # a reading, compressed: what is appended beside

COUNTER_MAP = """\
map: counter
version: 1
title: a counter
source: Tests/Benchmarks/durability.py
mqtt: { payload: number }
points: { n: {} }
examples: [{ payload: "5", expect: { n: 5 } }]
"""


def outbox_benchmark(bench, *words):
    """What the program beside prints."""
    done = subprocess.run(
        [bench.headgate.parent / "OutboxBenchmark", *map(str, words)], check=True, stdout=subprocess.PIPE, text=True)
    return json.loads(done.stdout)


def counting(bench, broker, **parts):
    (bench.folder / "maps" / "counter.yaml").write_text(COUNTER_MAP)
    return {
        "links": {"floor": {"mqtt": f"mqtt://127.0.0.1:{broker}", "client_id": "gateway"}},
        "devices": {"d": {"map": "counter", "link": "floor", "topic": "count"}},
    } | parts


def upstream(port):
    return {"up": {"mqtt": f"mqtt://127.0.0.1:{port}", "topic": "up/{device}"}}


# Commits


def commits_benchmark(bench, windows):
    rows, figures = [], {}
    for readings in (10, 100, 1_000):
        shares, ours, raw, disk, pages = [], [], [], [], []
        for number in range(windows.rounds):
            note(f"commits of {readings} readings: round {number + 1} of {windows.rounds}")
            folder = bench.folder / f"commits-{readings}-{number}"
            fresh = outbox_benchmark(bench, "commits", folder, readings, windows.commits)
            beside = outbox_benchmark(bench, "append", f"{folder}.raw", readings * BLOCK_BYTES, windows.commits)
            written = round(fresh["bytes_per_reading"] * readings)
            pages.append(outbox_benchmark(bench, "append", f"{folder}.pages", written, windows.commits))
            ours.append(fresh["commits_per_second"])
            raw.append(beside["commits_per_second"])
            disk.append(fresh["bytes_per_reading"])
            shares.append(ours[-1] / raw[-1])
        share, bytes_written = statistics.median(shares), statistics.median(disk)
        wanted = LEAST_COMMIT_SHARE if readings == 10 else None
        rows.append(Row(
            f"Durable commits a second, {readings} readings each, sent and deleted too",
            f"{statistics.median(ours):,.0f}", f"{statistics.median(raw):,.0f} raw append + fdatasync", f"{share:.2f}",
            f"≥ {wanted}" if wanted else "", share >= wanted if wanted else None))
        same = statistics.median(beside["commits_per_second"] for beside in pages)
        rows.append(Row(
            "the same beside a raw append of as many bytes as are written", "", f"{same:,.0f}",
            f"{statistics.median(ours) / same:.2f}"))
        most = MOST_BYTES.get(readings)
        rows.append(Row(
            f"Bytes of disk written a reading, {readings} a commit, delete included", f"{bytes_written:.1f}",
            target=f"≤ {most}" if most else "", met=bytes_written <= most if most else None))
        figures[readings] = {"ours": ours, "raw": raw, "bytes": disk}
    return rows, figures


# MQTT in


def mqtt_benchmark(bench, windows):
    """Messages that wait in a session at the broker, handed out as fast as they are acknowledged."""
    shares, rates = [], []
    for number in range(windows.rounds):
        note(f"mqtt: round {number + 1} of {windows.rounds}")
        with bench.mosquitto(max_queued_messages=0, max_inflight_messages=1_000) as broker:
            bare = bare_seconds(bench, broker, windows.messages)
            ours = gateway_seconds(bench, broker, windows.messages)
        rates.append((windows.messages / ours, windows.messages / bare))
        shares.append(bare / ours)
    share = statistics.median(shares)
    ours, bare = (statistics.median(rate) for rate in zip(*rates))
    return [Row(
        "MQTT messages a second at QoS 1, acknowledged after the commit", f"{ours:,.0f}",
        f"{bare:,.0f}, a bare libmosquitto subscriber", f"{share:.2f}", f"≥ {LEAST_MQTT_SHARE}",
        share >= LEAST_MQTT_SHARE)], {"rates": rates}


def publish_numbers(broker, count):
    lines = "".join(f"{number}\n" for number in range(1, count + 1))
    subprocess.run(
        ["mosquitto_pub", "-p", str(broker), "-q", "1", "-t", "count", "-l"], input=lines, text=True, check=True)


def bare_seconds(bench, broker, count):
    program = bench.folder / "mqtt_subscriber"
    subprocess.run([program, str(broker), "bare", "count", "0"], check=True, stdout=subprocess.DEVNULL)
    publish_numbers(broker, count)
    done = subprocess.run(
        [program, str(broker), "bare", "count", str(count)], check=True, stdout=subprocess.PIPE, text=True)
    return float(done.stdout)


def gateway_seconds(bench, broker, count):
    parts = counting(bench, broker, outputs={"f": {"file": str(bench.folder / "numbers.jsonl")}})
    configuration = bench.configuration(**parts)
    with bench.gateway_of(configuration) as gateway:
        wait_for(lambda: "subscribed" in gateway.process.log.read_text(), "the subscription")
    publish_numbers(broker, count)
    with bench.gateway_of(configuration) as gateway:
        def committed():
            return gateway.metrics().get("headgate_outbox_committed_readings_total", 0)

        curve = []
        limit = time.monotonic() + 120
        while not curve or curve[-1][1] < count:
            if time.monotonic() > limit:
                raise Void(f"{count:,} messages did not come in")
            curve.append((time.monotonic(), committed()))
            time.sleep(0.02)
    # From the first that were seen to the last, scaled to all of them.
    begun = next(index for index, (_, seen) in enumerate(curve) if seen > 0)
    seconds = curve[-1][0] - curve[begun][0]
    return seconds * count / max(1, curve[-1][1] - curve[begun][1])


# An outage with a kill in its middle


def outage_benchmark(bench, windows):
    """A thousand messages a second; the upstream is away for a while, and half-way the gateway is killed."""
    with contextlib.ExitStack() as stack:
        inside = stack.enter_context(bench.mosquitto(max_queued_messages=0))
        outside = stack.enter_context(bench.mosquitto(max_queued_messages=0))
        proxy = Proxy(outside)
        stack.callback(proxy.close)
        heard = Heard(outside)
        stack.callback(heard.close)
        configuration = bench.configuration(**counting(bench, inside, outputs=upstream(proxy.port)))
        with bench.gateway_of(configuration, survives_kill=True) as gateway:
            wait_for(lambda: "subscribed" in gateway.process.log.read_text(), "the subscription")
            steady = Steady(inside, 1_000)
            note(f"outage: {windows.outage} s away at 1,000 messages a second, a kill half-way")
            time.sleep(windows.outage / 4)
            proxy.refuse()
            time.sleep(windows.outage / 2)
            gateway.process.kill()
        with bench.gateway_of(configuration) as gateway:
            time.sleep(windows.outage / 2)
            back = time.monotonic()
            proxy.mend()
            wait_for(lambda: heard.first_after(back), "the first message after the outage", seconds=60)
            time.sleep(windows.outage / 4)
            sent = steady.stop()
            wait_for(lambda: len(heard.numbers()) >= sent, "every message", seconds=120)
    seconds = heard.first_after(back) - back
    lost = sent - len(heard.numbers() & set(range(1, sent + 1)))
    return [
        Row(f"Of {sent:,} acknowledged messages lost over an outage with a kill", f"{lost}", target="0", met=lost == 0),
        Row("Seconds from the link's return to the first message", f"{seconds:.2f}", target=f"≤ {MOST_SECONDS_BACK}",
            met=seconds <= MOST_SECONDS_BACK),
    ], {"sent": sent, "lost": lost, "seconds": seconds}


class Steady:
    """Publishes numbers at a rate; what it has sent at its end, the broker has acknowledged."""

    def __init__(self, broker, rate):
        self.process = subprocess.Popen(
            ["mosquitto_pub", "-p", str(broker), "-q", "1", "-t", "count", "-l"], stdin=subprocess.PIPE, text=True)
        self.rate = rate
        self.sent = 0
        self.running = True
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def run(self):
        start = time.monotonic()
        while self.running:
            due = int((time.monotonic() - start) * self.rate)
            self.process.stdin.write("".join(f"{number}\n" for number in range(self.sent + 1, due + 1)))
            self.process.stdin.flush()
            self.sent = due
            time.sleep(0.01)

    def stop(self):
        self.running = False
        self.thread.join()
        self.process.stdin.close()
        if self.process.wait(60) != 0:
            raise Void("the publisher ended before its messages were acknowledged")
        return self.sent


class Heard:
    """What comes to the broker upstream, and when."""

    def __init__(self, broker):
        self.process = subprocess.Popen(
            ["mosquitto_sub", "-p", str(broker), "-q", "1", "-t", "up/#"], stdout=subprocess.PIPE, text=True)
        self.lines = []
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        for line in self.process.stdout:
            self.lines.append((time.monotonic(), line))

    def first_after(self, moment):
        return next((at for at, _ in list(self.lines) if at > moment), None)

    def numbers(self):
        return {one["value"] for _, line in list(self.lines) for one in json.loads(line)["data"].get("readings", [])
                if one["quality"] == "good"}

    def close(self):
        self.process.kill()
        self.process.wait()


# Starting on a backlog


def start_benchmark(bench, windows):
    """From the start of the process to the first message upstream; and memory while the upstream is away."""
    note(f"start: filling an outbox with {windows.backlog_blocks * 1_000:,} readings")
    full = bench.folder / "full-state"
    outbox_benchmark(bench, "fill", full, windows.backlog_blocks, 1_000)
    empty = bench.folder / "empty-state"
    seconds = {full: [], empty: []}
    anonymous = {full: [], empty: []}
    with bench.modbus_server() as server, bench.mosquitto() as broker:
        for number in range(windows.rounds + 2):
            note(f"start: round {number + 1} of {windows.rounds + 2}")
            for state in (empty, full):
                seconds[state].append(first_forward(bench, server.port, broker, state))
        for state in (empty, full):
            configuration = waiting_configuration(bench, server.port, free_port(), state)
            with bench.gateway_of(configuration) as gateway:
                time.sleep(windows.settling)
                for _ in range(5):
                    anonymous[state].append(memory_mb(gateway.pid, "RssAnon"))
                    time.sleep(0.2)
    with_full, with_empty = statistics.median(seconds[full]), statistics.median(seconds[empty])
    full_mb, empty_mb = statistics.median(anonymous[full]), statistics.median(anonymous[empty])
    count = f"{windows.backlog_blocks * 1_000:,}"
    return [
        Row(f"Milliseconds from the start to the first message upstream, {count} readings waiting",
            f"{with_full * 1_000:.0f}", f"{with_empty * 1_000:.0f} with none", f"{with_full / with_empty:.2f}",
            f"≤ {MOST_START_SHARE}", with_full / with_empty <= MOST_START_SHARE),
        Row(f"Anonymous MB with {count} readings waiting for an upstream that is away", f"{full_mb:.1f}",
            f"{empty_mb:.1f} with an empty outbox at the start", f"{full_mb / empty_mb:.2f}", f"≤ {MOST_GROWTH}",
            full_mb / empty_mb <= MOST_GROWTH),
    ], {"seconds": [seconds[full], seconds[empty]], "anonymous_mb": [full_mb, empty_mb]}


def waiting_configuration(bench, modbus, up, state):
    text = """map: one
version: 1
title: one register
source: Tests/Benchmarks/durability.py
modbus: { defaults: { table: holding, type: uint16, every: 1s } }
points: { a: { address: 0 } }
examples: [{ registers: { holding: { 0: [7] } }, expect: { a: 7 } }]
"""
    (bench.folder / "maps" / "one.yaml").write_text(text)
    return bench.configuration(
        state=str(state), outbox={"max_size": "8GiB"}, links={"line": {"tcp": f"127.0.0.1:{modbus}"}},
        devices={"unit": {"map": "one", "link": "line", "unit_id": 1}}, outputs=upstream(up))


def first_forward(bench, modbus, broker, state):
    configuration = waiting_configuration(bench, modbus, broker, state)
    with subprocess.Popen(
            ["mosquitto_sub", "-p", str(broker), "-q", "1", "-t", "up/#", "-C", "1"], stdout=subprocess.DEVNULL) as first:
        time.sleep(0.3)  # for its subscription
        start = time.monotonic()
        with bench.process("gateway", [bench.headgate, "run", "-c", configuration]):
            first.wait(STOP_LIMIT)
            return time.monotonic() - start


# Polls while a backlog goes out

LIVE_UNITS = 10
LIVE_INTERVAL = 100_000  # microseconds
SHAPED_RATE = 500  # events a second; a hundred are live
LIVE_MAP = """map: live
version: 1
title: twenty registers
source: Tests/Benchmarks/durability.py
modbus: {{ defaults: {{ table: holding, type: uint16, every: 100ms }} }}
points:
{points}
examples: [{{ registers: {{ holding: {{ 0: [7] }} }}, expect: {{ r0: 7 }} }}]
"""


def drain_benchmark(bench, windows):
    """Ten units are polled ten times a second, with nothing else to do and while a backlog goes to a broker: as fast as it
    takes it, and shaped."""
    points = "\n".join(f"  r{address}: {{ address: {address} }}" for address in range(20))
    (bench.folder / "maps" / "live.yaml").write_text(LIVE_MAP.format(points=points))
    figures = {"alone": [], "drained": [], "shaped": []}
    for number in range(windows.rounds):
        note(f"drain: round {number + 1} of {windows.rounds}")
        full = bench.folder / f"drain-state-{number}"
        outbox_benchmark(bench, "fill", full, windows.drain_blocks, 1_000)
        with bench.mosquitto() as broker:
            figures["alone"].append(polls_over(bench, broker, bench.folder / f"empty-{number}", windows.drain))
            # The shaped one first: it leaves a backlog for the other.
            figures["shaped"].append(polls_over(bench, broker, full, windows.drain, max_rate=SHAPED_RATE))
            figures["drained"].append(polls_over(bench, broker, full, windows.drain))
    rows = []
    for name, words in (("drained", "as fast as the broker takes them"), ("shaped", f"`max_rate: {SHAPED_RATE}`")):
        shares = [one["rate"] / own["rate"] - 1 for one, own in zip(figures[name], figures["alone"])]
        rate = statistics.median(one["rate"] - own["rate"] for one, own in zip(figures[name], figures["alone"]))
        live = statistics.median(own["rate"] for own in figures["alone"])
        rows.append(Row(
            f"Readings a second of a backlog that go out, {words}", f"{rate:,.0f}", f"{live:,.0f} live ones, polled meanwhile",
            f"{statistics.median(shares):.1f}", f"≥ {LEAST_DRAIN}", statistics.median(shares) >= LEAST_DRAIN))
        for place, part in enumerate(("median", "99th percentile")):
            busy = statistics.median(one["jitter"][place] for one in figures[name])
            idle = statistics.median(one["jitter"][place] for one in figures["alone"])
            has_target = name == "shaped" and place == 1
            rows.append(Row(
                f"Jitter of polls meanwhile, ms of {LIVE_INTERVAL / 1_000:.0f}, {part}", f"{busy / 1_000:.2f}",
                f"{idle / 1_000:.2f} without a backlog", f"{busy / idle:.2f}",
                f"≤ {MOST_JITTER_GROWTH}" if has_target else "", busy <= MOST_JITTER_GROWTH * idle if has_target else None))
    return rows, figures


def polls_over(bench, broker, state, seconds, max_rate=None):
    """The jitter of the polls in a window, and how many readings a second were acknowledged."""
    arrivals = bench.folder / "arrivals"
    with bench.modbus_server(arrivals=arrivals) as server:
        configuration = bench.configuration(
            state=str(state), outbox={"max_size": "8GiB"}, links={"line": {"tcp": f"127.0.0.1:{server.port}"}},
            devices={f"unit-{unit}": {"map": "live", "link": "line", "unit_id": unit}
                     for unit in range(1, LIVE_UNITS + 1)},
            outputs={"up": upstream(broker)["up"] | ({"max_rate": max_rate} if max_rate else {})})
        with bench.gateway_of(configuration) as gateway:
            time.sleep(1)
            begin = time.monotonic()
            gained = gateway.over(seconds)
            end = time.monotonic()
            if gained.get("headgate_modbus_polls_missed_total", 0) > 0:
                raise Void("polls were missed")
            waiting = json.loads(gateway.get("/api/status"))["outputs"][0]["lanes"][1]["waiting_events"]
            if "drain" in state.name and waiting == 0:
                raise Void("the backlog was gone before the window's end")
    rate = gained["headgate_output_acknowledged_readings_total"] / gained["at"]
    return {"jitter": jitter_of(arrivals, begin * 1e6, end * 1e6), "rate": rate}


def jitter_of(arrivals, begin, end):
    """How far the time between two polls of a unit is from the interval, microseconds: the median, the 99th percentile."""
    last, deviations = {}, []
    for line in arrivals.read_text().splitlines():
        unit, at = map(int, line.split())
        if begin <= at <= end and unit in last:
            deviations.append(abs(at - last[unit] - LIVE_INTERVAL))
        last[unit] = at
    deviations.sort()
    if len(deviations) < 100:
        raise Void("too few polls")
    return statistics.median(deviations), deviations[len(deviations) * 99 // 100]
