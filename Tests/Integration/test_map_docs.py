"""Maps as people read them."""

import yaml

from conftest import REPOSITORY, headgate

MAPS = sorted((REPOSITORY / "Devices").glob("*.yaml"))


def test_each_map_is_a_page_with_a_row_for_each_point():
    result = headgate("map", "docs", *map(str, MAPS))
    assert result.returncode == 0, result.stderr
    pages = ("\n" + result.stdout).split("\n# ")[1:]
    assert len(pages) == len(MAPS)
    for path, page in zip(MAPS, pages):
        written = yaml.safe_load(path.read_text())
        points = [*written["points"], *written.get("derived", {})]
        rows = [line for line in page.splitlines() if line.startswith("| `")]
        assert [row.split("`")[1] for row in rows] == [str(point) for point in points]
        columns = page.split("| --- ", 1)[1].splitlines()[0].count("---") + 1
        # A bar within a cell is marked.
        assert all(row.replace("\\|", "").count("|") == columns + 1 for row in rows)


def test_a_map_with_a_mistake_is_not_shown(tmp_path):
    path = tmp_path / "wrong.yaml"
    path.write_text("map: wrong\n")
    result = headgate("map", "docs", path)
    assert result.returncode == 78 and "HG0110" in result.stderr and not result.stdout
