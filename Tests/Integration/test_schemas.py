"""The schemas that editors complete by: what the gateway takes they take, and a mistake they show."""

import copy

import jsonschema
import pytest
import yaml

from conftest import REPOSITORY, headgate
from schemas import FILES, check_configuration, check_map, load

MAPS = sorted((REPOSITORY / "Devices").glob("*.yaml"))
CONFIGURATIONS = [REPOSITORY / "Config" / name for name in ("full.yaml", "minimal.yaml")]


@pytest.mark.parametrize("path", MAPS, ids=lambda path: path.stem)
def test_every_map_fits_and_names_its_schema(path):
    check_map(path)
    assert path.read_text().startswith("# yaml-language-server: $schema=../deploy/schemas/device-map.json\n")


@pytest.mark.parametrize("path", CONFIGURATIONS, ids=lambda path: path.stem)
def test_the_configurations_fit_and_name_their_schema(path):
    check_configuration(path)
    assert path.read_text().startswith("# yaml-language-server: $schema=../deploy/schemas/headgate.json\n")


def test_every_key_of_a_schema_is_known_to_the_gateway(workshop):
    """A key that the gateway does not know is a mistake of its own kind, whatever its value."""
    maps = workshop.folder / "maps"
    maps.mkdir()
    for form in ("modbus", "mqtt"):
        points = FILES["device-map"]["$defs"][f"{form}_point"]["properties"]
        known = FILES["device-map"]["properties"][form]["properties"]
        derived = FILES["device-map"]["properties"]["derived"]["additionalProperties"]["properties"]
        text = {"map": form, "version": 1, "title": "t", "source": "s", form: {key: None for key in known},
                "derived": {key: {key: None} for key in derived},
                "points": {key: {key: None} for key in points}, "examples": [{"expect": {}}]}
        (maps / f"{form}.yaml").write_text(yaml.safe_dump(text))
        result = headgate("check", str(maps / f"{form}.yaml"), "--json")
        assert "HG0111" not in result.stdout and result.returncode == 78, result.stdout


def test_every_key_of_the_configurations_schema_is_known_to_the_gateway(workshop):
    top = FILES["headgate"]["properties"]
    ways = {name: FILES["headgate"]["$defs"][name]["oneOf"] for name in ("link", "output")}
    empty = lambda schema: {key: None for key in schema["properties"]}
    for at, way in enumerate(ways["link"] + ways["output"]):
        part = "links" if at < len(ways["link"]) else "outputs"
        text = {key: None for key in top} | {
            "gateway": "g", "state": "s", "outbox": empty(top["outbox"]), "admin": empty(top["admin"]),
            "filters": [empty(top["filters"]["items"])], "rules": {"r": empty(top["rules"]["additionalProperties"])},
            "windows": {"w": empty(top["windows"]["additionalProperties"])},
            "derived": {"p": empty(top["derived"]["additionalProperties"]) | {"points": {"x": empty(
                top["derived"]["additionalProperties"]["properties"]["points"]["additionalProperties"])}}},
            "devices": {"d": empty(FILES["headgate"]["$defs"]["device"])}, part: {"one": empty(way)}}
        path = workshop.folder / "keys.yaml"
        path.write_text(yaml.safe_dump(text))
        result = headgate("check", "-c", path, "--json")
        assert "HG0111" not in result.stdout and result.returncode == 78, result.stdout


def test_mistakes_are_shown(workshop):
    good = load(MAPS[0])
    for spoil in (lambda map: map.pop("version"), lambda map: map.update(vresion=1),
                  lambda map: next(iter(map["points"].values())).update(unti="V"),
                  lambda map: next(iter(map["points"].values())).update(lane="urgent")):
        bad = copy.deepcopy(good)
        spoil(bad)
        with pytest.raises(jsonschema.ValidationError):
            check_map(bad)
    path = workshop.configuration(links={"a": {"tcp": "127.0.0.1:502", "timout": "1s"}})
    with pytest.raises(jsonschema.ValidationError):
        check_configuration(path)
