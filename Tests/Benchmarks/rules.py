# Headgate
# SPDX-License-Identifier: Apache-2.0
"""What the gateway thinks of readings: the pipeline alone on one core, and rules over a large plant."""

import contextlib
import json
import statistics
import subprocess
import threading
import time
import urllib.request

from bench import STOP_LIMIT, Row, Void, free_port, note, wait_for
from durability import outbox_benchmark, upstream
from plant import gateway_figures

LEAST_READINGS = 5_000_000  # a second
LEAST_ENCODED = 4_000_000  # a second
MOST_AVRO_BYTES = 0.15  # of those as JSON
MOST_OF_ENTROPY = 1.5
MOST_RULES_COST = 1.5
RULES = 100
MOST_ALARM_DELAY = 50  # ms
ALARMS = 100

MONITOR = """map: monitor
version: 1
title: one number
source: Tests/Benchmarks/rules.py
mqtt: { payload: number }
points: { hr: {} }
examples: [{ payload: "70", expect: { hr: 70 } }]
"""


def pipeline_benchmark(bench, windows):
    note("pipeline")
    result = subprocess.run(
        [bench.headgate.parent / "PipelineBenchmark", str(windows.pipeline)], check=True, stdout=subprocess.PIPE, text=True)
    figures = json.loads(result.stdout)
    return [
        Row("Readings/s a core through range and deadband", f"{figures['filtered']:,.0f}"),
        Row("… and windows", f"{figures['windowed']:,.0f}"),
        Row("… and a rule a device", f"{figures['watched']:,.0f}", "", "", f"≥ {LEAST_READINGS:,}",
            figures["watched"] >= LEAST_READINGS),
        *(Row(f"Readings/s a core as {name}", f"{figures[key]:,.0f}", "", "", f"≥ {LEAST_ENCODED:,}",
              figures[key] >= LEAST_ENCODED) for name, key in (("JSON", "json"), ("Avro", "avro"), ("blocks", "block"))),
        Row("Bytes a reading as Avro with zstd", f"{figures['avro_compressed']:.1f}",
            f"{figures['json_bytes']:.1f} as JSON, {figures['json_compressed']:.1f} with zstd",
            f"{figures['avro_compressed'] / figures['json_bytes']:.2f}", f"≤ {MOST_AVRO_BYTES}",
            figures["avro_compressed"] / figures["json_bytes"] <= MOST_AVRO_BYTES),
        Row("Bytes a reading in blocks", f"{figures['block_compressed']:.2f}", f"{figures['avro_compressed']:.1f} as Avro with zstd",
            f"{figures['block_compressed'] / figures['avro_compressed']:.2f}"),
        *(Row(f"Bytes a reading in blocks, {signal}", f"{bytes:.2f}", f"{bound:.2f}, the entropy", f"{bytes / bound:.2f}",
              f"≤ {MOST_OF_ENTROPY}", bytes / bound <= MOST_OF_ENTROPY) for signal, (bytes, bound) in figures["signals"].items()),
    ], figures


def rules_benchmark(bench, windows):
    """Each rule looks at two points of each device; none comes true."""
    rules = {
        f"rule-{number}": {"when": f"r{number % 30:02} > {65_000 + number} and r{(number * 7 + 1) % 30:02} < 5"}
        for number in range(RULES)}
    figures = {"none": [], "all": []}
    with bench.kafka() as kafka:
        for number in range(windows.cpu_rounds):
            for name, more in (("none", {}), ("all", {"rules": rules})):
                note(f"rules: {name}, round {number + 1} of {windows.cpu_rounds}")
                figures[name].append(gateway_figures(bench, kafka, windows, **more))
    none, all = (statistics.median(one["microseconds"] for one in figures[name]) for name in ("none", "all"))
    return [Row(
        f"CPU µs a reading with {RULES} rules over 500 devices", f"{all:.2f}", f"{none:.2f} without", f"{all / none:.2f}",
        f"≤ {MOST_RULES_COST}", all / none <= MOST_RULES_COST)], figures


def alarm_benchmark(bench, windows):
    """From a message that raises or ends an alarm until the alarm is committed, while a backlog waits for an upstream."""
    waiting = windows.alarm_blocks * 1_000
    note(f"alarms: filling an outbox with {waiting:,} readings")
    state = bench.folder / "alarm-state"
    outbox_benchmark(bench, "fill", state, windows.alarm_blocks, 1_000)
    (bench.folder / "maps" / "monitor.yaml").write_text(MONITOR)
    took = []
    with bench.mosquitto() as broker, bench.gateway(
        state=str(state), outbox={"max_size": "8GiB"}, links={"ward": {"mqtt": f"mqtt://127.0.0.1:{broker}"}},
        devices={"bed-1": {"map": "monitor", "link": "ward", "topic": "bed/1"}}, rules={"fast": {"when": "hr > 120"}},
        outputs=upstream(free_port())
    ) as gateway, subprocess.Popen(
        ["mosquitto_pub", "-p", str(broker), "-q", "1", "-t", "bed/1", "-l"], stdin=subprocess.PIPE, text=True
    ) as publisher, alarms_of(gateway) as heard:
        # The first is heard once the gateway has subscribed.
        wait_for(lambda: say(publisher, 100) or gateway.metrics().get("headgate_readings_total", 0), "the first reading")
        for number in range(ALARMS):
            known, start = len(heard), time.monotonic()
            say(publisher, 100 if number % 2 else 130)
            wait_for(lambda: len(heard) > known, "the alarm")
            took.append((heard[known] - start) * 1_000)
        publisher.stdin.close()
    return [Row(
        f"Milliseconds from a message to its alarm's COMMIT, {waiting:,} readings waiting", f"{statistics.median(took):.0f}",
        f"{max(took):.0f} the slowest of {ALARMS}", "", f"≤ {MOST_ALARM_DELAY}", max(took) <= MOST_ALARM_DELAY)], took


def say(publisher, number):
    publisher.stdin.write(f"{number}\n")
    publisher.stdin.flush()


@contextlib.contextmanager
def alarms_of(gateway):
    """When each event of an alarm was committed: the gateway's live events are told by the commits."""
    heard, answer = [], urllib.request.urlopen(gateway.address + "/api/events", timeout=STOP_LIMIT)

    def listen():
        with contextlib.suppress(OSError, ValueError, AttributeError):
            for line in answer:
                if b"headgate.alarm.v1" in line:
                    heard.append(time.monotonic())

    thread = threading.Thread(target=listen, daemon=True)
    thread.start()
    yield heard
    if not heard:
        raise Void("no alarm was heard")
