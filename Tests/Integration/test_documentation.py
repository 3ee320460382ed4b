"""The documentation: what is generated is up to date, and no link is dead."""

import pathlib
import re
import subprocess
import sys

import pytest

from conftest import HEADGATE, REPOSITORY, headgate

PAGES = sorted(path for path in REPOSITORY.rglob("*.md")
               if not any(part.startswith(".") for part in path.relative_to(REPOSITORY).parts))


def anchor(heading):
    """As code hosts make it from a heading."""
    return re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")


def anchors(path):
    return {anchor(line.lstrip("#")) for line in path.read_text().splitlines() if line.startswith("#")}


def links(path):
    text = re.sub(r"```.*?```", "", path.read_text(), flags=re.S)
    return [link for link in re.findall(r"\]\(([^)\s]+)\)", text) if not re.match(r"[a-z]+:", link)]


@pytest.mark.parametrize("page", PAGES, ids=lambda path: str(path.relative_to(REPOSITORY)))
def test_no_link_of_a_page_is_dead(page):
    for link in links(page):
        name, _, place = link.partition("#")
        target = (page.parent / name).resolve() if name else page
        assert target.exists(), f"{page}: {link}"
        if place and target.suffix == ".md":
            assert place in anchors(target), f"{page}: {link}"


def test_the_readme_has_at_most_150_lines():
    assert len((REPOSITORY / "README.md").read_text().splitlines()) <= 150


def test_the_generated_reference_pages_are_up_to_date(tmp_path):
    subprocess.run([HEADGATE, "reference", "docs", tmp_path], check=True)
    subprocess.run([sys.executable, REPOSITORY / "deploy/key-reference", tmp_path], check=True)
    made = {path.name: path.read_text() for path in tmp_path.iterdir()}
    assert {"cli.md", "codes.md", "metrics.md", "configuration.md", "device-maps.md"} == set(made)
    stale = [name for name, text in made.items() if text != (REPOSITORY / "docs/reference" / name).read_text()]
    assert not stale, "run: headgate reference docs docs/reference; deploy/key-reference"


def test_every_command_has_a_manual_page_that_man_can_show(tmp_path):
    subprocess.run([HEADGATE, "reference", "man", tmp_path], check=True)
    pages = {path.name for path in tmp_path.iterdir()}
    assert {"headgate.1", "headgate-run.1", "headgate-outbox-show.1"} <= pages
    for page in tmp_path.iterdir():
        assert page.read_text().startswith(".TH "), page


@pytest.mark.parametrize("words, suggestion", [
    (["statsu"], "did you mean `headgate status`?"), (["outbox", "shwo"], "did you mean `headgate outbox show`?"),
    (["outbox", "dead", "shwo"], "did you mean `headgate outbox dead show`?"),
    (["replay", "x"], "it is now named `headgate dry-run`"), (["zzzzzzzz"], "the commands are run, check")])
def test_an_unknown_command_gets_a_suggestion(words, suggestion):
    result = headgate(*words)
    assert result.returncode == 64 and "HG3001" in result.stderr and suggestion in result.stderr


def test_a_code_and_a_word_of_an_event_are_explained():
    assert "A key is missing" in headgate("explain", "HG0110").stdout
    assert "A key is missing" in headgate("explain", "110").stdout
    assert "HG2001" in headgate("explain", "timeout").stdout
    # A word can be the reason of a reading and of a write.
    assert all(code in headgate("explain", "retained").stdout for code in ("HG2019", "HG2320"))
    assert "`+ - * / ^" in headgate("explain", "HG0601").stdout
    unknown = headgate("explain", "HG9999")
    assert unknown.returncode == 64 and "HG3001" in unknown.stderr
    assert len(headgate("explain").stdout.splitlines()) > 200


OLD_NAMES = {
    "at_least": "max_interval", "at_most": "min_interval", "swing": "swinging_door", "report": "output_unit",
    "gives": "expect", "pause": "turnaround_delay", "silent_after": "offline_after", "unit": "unit_id",
    "give": "functions", "wait": "max_delay", "answers_as": "response_unit_id", "minimise": "privacy",
    "token": "pseudonymise", "names": "device_ids",
}


def test_a_former_name_of_a_key_is_a_mistake_that_names_the_new_one(workshop):
    maps = workshop.folder / "maps"
    maps.mkdir()
    (maps / "bus.yaml").write_text("""\
map: bus
version: 1
title: former names
source: this test
modbus: { limits: { pause: 10ms } }
points:
  t: { address: 0, table: holding, type: int16, unit: Cel, report: K, at_least: 1h, at_most: 1s }
  u: { address: 1, table: holding, type: int16, unit: Cel, swing: 1 }
examples: [{ registers: { holding: { 0: [1] } }, gives: { t: 1 } }]
""")
    (maps / "news.yaml").write_text("""\
map: news
version: 1
title: former names
source: this test
mqtt: { payload: json, silent_after: 1h, id: { level: 2 } }
points: { p: { path: p } }
examples: [{ payload: '{"p": 1}', expect: { p: 1 } }]
""")
    configuration = workshop.configuration(
        maps=str(maps), links={"a": {"tcp": "127.0.0.1:502", "answers_as": 1}, "b": {"mqtt": "mqtt://h"}},
        devices={"d": {"map": "bus", "link": "a", "unit": 1}, "n": {"map": "news", "link": "b", "topic": "n/+"}},
        windows={"w": {"every": "1s", "give": "max"}},
        minimise={"keys": {"file": "k"}, "points": [{"points": "p", "token": "x"}], "names": [{"token": "x"}]},
        outputs={"o": {"kafka": "h", "topic": "t", "format": "block", "wait": "1s"}})
    result = headgate("check", "--no-environment", "--config", configuration)
    assert result.returncode == 78
    for old, new in OLD_NAMES.items():
        assert f"HG0113: " in result.stderr and f"`{old}` is now named `{new}`" in result.stderr, (old, result.stderr)
