# Headgate
# SPDX-License-Identifier: Apache-2.0
"""What the gateway thinks of readings: the pipeline alone on one core, and rules over a large plant."""

import json
import statistics
import subprocess

from bench import Row, note
from plant import gateway_figures

LEAST_READINGS = 5_000_000  # a second
MOST_RULES_COST = 1.5
RULES = 100


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
    ], figures


def rules_benchmark(bench, windows):
    """Each rule looks at two points of each device; none comes true."""
    rules = {
        f"rule-{number}": {"when": f"r{number % 30:02} > {70_000 + number} and r{(number * 7 + 1) % 30:02} < 5"}
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
