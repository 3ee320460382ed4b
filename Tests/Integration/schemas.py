"""The schemas of the two files that people write, and of events."""

import json
import pathlib
import re

import jsonschema
import yaml

FOLDER = pathlib.Path(__file__).parent.parent.parent / "deploy/schemas"
FILES = {path.name.removesuffix(".json"): json.loads(path.read_text()) for path in FOLDER.glob("*.json")}
VALIDATORS = {name: jsonschema.Draft202012Validator(schema) for name, schema in FILES.items()}


class Loader(yaml.SafeLoader):
    """As editors and the gateway read it: of YAML 1.2, where on and off are texts."""


Loader.yaml_implicit_resolvers = {
    first: [(tag, form) for tag, form in forms if tag != "tag:yaml.org,2002:bool"]
    for first, forms in yaml.SafeLoader.yaml_implicit_resolvers.items()}
Loader.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile("^(true|false)$"), list("tf"))


def load(path):
    return as_json(yaml.load(path.read_text(), Loader))


def as_json(value):
    """With the keys as texts, as JSON has them."""
    return json.loads(json.dumps(value))


def check_map(map):
    """A path, or what a map says."""
    VALIDATORS["device-map"].validate(map if isinstance(map, dict) else load(map))


def check_configuration(path):
    """Also its maps."""
    configuration = load(path)
    VALIDATORS["headgate"].validate(configuration)
    for device in (configuration.get("devices") or {}).values():
        # Those bring their own.
        if device.get("map", "sunspec") == "sunspec":
            continue
        check_map(path.parent / configuration.get("maps", "/usr/share/headgate/devices") / f"{device['map']}.yaml")


def check_event(event):
    """One of the gateway's own, by its type."""
    VALIDATORS[event["type"]].validate(event)
