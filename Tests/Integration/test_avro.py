"""Events as Avro: decoded by fastavro from bytes and schemas alone, with a registry that may be slow, refusing or gone."""

import datetime
import io
import json
import re
import struct
import subprocess

import fastavro
import jsonschema
import pytest
import yaml
from asyncapi3.models import AsyncAPI3

from conftest import REPOSITORY, certificates, events_in, free_port, headgate, on_each_kafka, secret_file, wait_for
from registry import Registry
from test_mqtt_in import listening, publish

MACHINE = {
    "map": "machine", "version": 3, "title": "a machine", "source": "this test", "mqtt": {"payload": "json"},
    "points": {
        "speed": {"path": "speed", "unit": "/min", "range": [0, 5000]},
        "parts": {"path": "parts", "type": "int64", "kind": "counter"},
        "running": {"path": "running", "type": "bool"},
        "program": {"path": "program", "type": "string"},
        "state": {"path": "state", "labels": {0: "idle", 1: "cutting"}},
        "oil": {"path": "oil", "unit": "Cel", "output_unit": "[degF]"},
        "late": {"path": "late", "type": "int64", "lane": "bulk"},
    },
    "examples": [{"payload": '{"speed": 70}', "expect": {"speed": 70}}],
}
MESSAGES = [
    {"speed": 1200.5, "parts": 7, "running": True, "program": "é", "state": 1, "oil": 20, "late": 1 << 40},
    {"speed": 9000, "parts": "many", "running": False, "state": 9, "oil": None},
    {"speed": 1201, "parts": 8, "program": "", "late": -5},
]


@pytest.fixture
def registries():
    made = []

    def start(**options):
        made.append(Registry(**options))
        return made[-1]
    yield start
    for one in made:
        one.close()


@pytest.fixture
def shop(workshop):
    broker, _ = workshop.mosquitto()
    maps = workshop.folder / "maps"
    maps.mkdir()
    (maps / "machine.yaml").write_text(yaml.safe_dump(MACHINE, sort_keys=False))
    out = workshop.folder / "events.jsonl"

    def configure(output, **more):
        return workshop.configuration(
            maps=str(maps), links={"floor": {"mqtt": f"mqtt://127.0.0.1:{broker}"}},
            devices={"saw-1": {"map": "machine", "link": "floor", "topic": "saw/1", "tags": {"hall": "é 3"}}},
            rules={"fast": {"when": "speed > 1200 '/min'", "priority": "high", "text": "Fast"}},
            windows={"w": {"every": "1s", "lateness": "100ms", "points": ["speed", "parts"], "raw": "keep",
                           "functions": ["count", "max", "last", "delta", "p50"]}},
            outputs={"avro": output, "local": {"file": str(out)}}, **more)
    return workshop, configure, broker, out


def values(kafka, topic):
    """The bytes of each message of a topic, oldest first."""
    raw = subprocess.run(["kcat", "-b", kafka, "-C", "-t", topic, "-o", "beginning", "-e", "-q", "-f", "%R%s"],
                         capture_output=True, timeout=60).stdout
    found = []
    while raw:
        length = struct.unpack(">i", raw[:4])[0]
        found.append(raw[4:4 + length])
        raw = raw[4 + length:]
    return found


def decode(value, schema_of):
    """A record and its name, from Confluent's wire format."""
    assert value[0] == 0
    schema = fastavro.parse_schema(schema_of(struct.unpack(">I", value[1:5])[0]))
    stream = io.BytesIO(value[5:])
    record = fastavro.schemaless_reader(stream, schema)
    assert not stream.read(), "more bytes than the schema says"
    return schema["name"], record


def moment(time):
    return time.astimezone(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def as_event(name, record, columns):
    """What the event would be as JSON, but for the order of its readings."""
    data = {key: record[key] for key in ("gateway", "device", "map", "map_version", "tags") if record.get(key)}
    if record["replayed"]:
        data["replayed"] = True
    if record["clock"] != "good":
        data["clock"] = record["clock"]
    if record["redelivered"]:
        data["redelivered"] = True
    if record["device_time_refused"]:
        data["device_time"] = "refused"

    def reading(one, time):
        said = {"point": one["point"], "value": one["value"], "quality": one["quality"]}
        for key in ("unit", "reason", "device"):
            if one[key] is not None:
                said[key] = one[key]
        if one["time"] is not None:
            said["time"] = moment(one["time"])
        return said
    kind = "telemetry" if ".telemetry." in name else name.rsplit(".", 1)[1]
    if kind in ("telemetry", "alarm"):
        data["readings"] = [reading(one, record["time"]) for one in record["readings"]]
    for point, value in (record.get("points") or {}).items() if kind == "telemetry" else []:
        if value is not None:
            unit = columns[point].get("unit")
            data["readings"].append({"point": point, "value": value, "quality": "good"} | ({"unit": unit} if unit else {}))
    if kind == "status":
        data |= {"state": record["state"], "since": moment(record["since"])}
    if kind == "alarm":
        data |= {key: record[key] for key in ("alarm", "rule", "phase", "priority")} | {"since": moment(record["since"])}
        data |= {key: record[key] for key in ("reason", "code", "text") if record[key]}
    if kind == "aggregate":
        data |= {"window": record["window"], "from": moment(record["from"]), "to": moment(record["to"])}
        if record["partial"]:
            data["partial"] = True
        data["points"] = [
            {"point": one["point"]} | ({"unit": one["unit"]} if one["unit"] else {})
            | {figure: value for figure, value in one["figures"].items()
               if value is not None or figure not in ("late", "unusable")}
            for one in record["points"]]
    if kind == "status" and record["reason"]:
        data |= {"reason": record["reason"], "code": record["code"]}
    return {"id": record["id"], "time": moment(record["time"]), "data": data}


def in_order(event):
    event["data"]["readings"] = sorted(event["data"].get("readings", []), key=lambda one: (one["point"], str(one)))
    return event


def same(event):
    """Of an event as JSON, what Avro has."""
    event["data"].pop("time_uncertainty_us", None)
    return in_order({key: event[key] for key in ("id", "time", "data")})


def say_all(workshop, gateway, broker, out):
    listening(gateway)
    before = summed(out)
    for message in MESSAGES:
        publish(broker, json.dumps(message), topic="saw/1")
    # No window is open any more, which would be closed while the gateway stops.
    wait_for(lambda: summed(out) == before + len(MESSAGES), what="the windows")
    kinds = lambda: {event["type"].split(".")[1] for event in events_in(out)}
    wait_for(lambda: kinds() >= {"telemetry", "status", "alarm", "aggregate"}, what="events of every kind")


def summed(out):
    """Of how many readings of the speed windows have told."""
    return sum(point["count"] + point.get("unusable", 0) + point.get("late", 0)
               for event in events_in(out) for point in event["data"].get("points", []) if point["point"] == "speed")


def columns(schema):
    points = next((field for field in schema["fields"] if field["name"] == "points"), None)
    return {field["name"]: field for field in points["type"].get("fields", [])} if points else {}


def decoded(values, registry):
    events = {}
    for value in values:
        name, record = decode(value, registry.schema)
        events[record["id"]] = in_order(as_event(name, record, columns(registry.schema(struct.unpack(">I", value[1:5])[0]))))
    return events


@on_each_kafka
@pytest.mark.parametrize("compression", ["none", "zstd"])
def test_fastavro_reads_every_event_from_bytes_and_schema_alone(shop, registries, compression):
    workshop, configure, broker, out = shop
    registry, kafka = registries(), workshop.kafka()
    gateway = workshop.gateway(configure({
        "kafka": kafka, "topic": "events", "format": "avro", "compression": compression,
        "registry": {"url": registry.url}}))
    say_all(workshop, gateway, broker, out)
    assert gateway.stop() == 0
    written = {event["id"]: same(event) for event in events_in(out)}
    assert decoded(values(kafka, "events"), registry) == written
    # Under the strategy that is the default, each record has a subject of its own.
    assert set(registry.subjects) == {
        "events-headgate.telemetry.machine", "events-headgate.events.status", "events-headgate.events.alarm",
        "events-headgate.events.aggregate"}
    exported = json.loads(headgate("schema", "export", "--avro", "-c", gateway.configuration).stdout)
    for subject, (schema,) in registry.subjects.items():
        assert exported[subject.removeprefix("events-")] == json.loads(schema)
    # What is good and of the event's time is in its field, and nothing else is.
    records = [decode(value, registry.schema) for value in values(kafka, "events")]
    first, second, third = [record for name, record in records if name == "headgate.telemetry.machine" and
                            record["points"]["late"] is None]
    assert first["points"] == {"speed": 1200.5, "parts": 7, "running": True, "program": "é", "state": "cutting",
                               "oil": 68.0, "late": None}
    assert {one["point"]: one["quality"] for one in second["readings"]} == {
        "speed": "out_of_range", "parts": "bad", "state": "uncertain", "oil": "absent"}
    assert second["points"]["speed"] is None and second["points"]["running"] is False
    assert third["points"]["program"] == "" and third["readings"] == []


@on_each_kafka
def test_confluents_own_reader_reads_every_event(shop, registries):
    from confluent_kafka.schema_registry import SchemaRegistryClient
    from confluent_kafka.schema_registry.avro import AvroDeserializer

    workshop, configure, broker, out = shop
    registry, kafka = registries(), workshop.kafka()
    gateway = workshop.gateway(configure({
        "kafka": kafka, "topic": "events", "format": "avro", "registry": {"url": registry.url}}))
    # Whole numbers at the ends of what 64 bits hold, with a sign and without.
    listening(gateway)
    for number in (-1 << 63, (1 << 63) - 1, 1 << 63, (1 << 64) - 1):
        publish(broker, json.dumps({"parts": number}), topic="saw/1")
    say_all(workshop, gateway, broker, out)
    assert gateway.stop() == 0
    written = {event["id"]: same(event) for event in events_in(out)}
    read = AvroDeserializer(SchemaRegistryClient({"url": registry.url}))
    found = {}
    for value in values(kafka, "events"):
        schema = registry.schema(struct.unpack(">I", value[1:5])[0])
        record = read(value, None)
        found[record["id"]] = in_order(as_event(f"{schema['namespace']}.{schema['name']}" if "namespace" in schema
                                                else schema["name"], record, columns(schema)))
    assert found == written
    told = [one["value"] for event in written.values() for one in event["data"]["readings"]
            if one["point"] == "parts" and one["quality"] == "good"]
    assert {-1 << 63, (1 << 63) - 1, 1 << 63, (1 << 64) - 1} <= set(told)


def test_an_mqtt_output_sends_avro_too(shop, registries):
    workshop, configure, broker, out = shop
    registry = registries()
    heard = workshop.folder / "heard"
    workshop.start("sub", ["mosquitto_sub", "-p", broker, "-q", "1", "-t", "out/#", "-F", "%x"],
                   stdout=open(heard, "wb"))
    gateway = workshop.gateway(configure({
        "mqtt": f"mqtt://127.0.0.1:{broker}", "topic": "out/{kind}/{map}", "format": "avro",
        "registry": {"url": registry.url + "/", "subject": "topic_name"}}))
    say_all(workshop, gateway, broker, out)
    assert gateway.stop() == 0
    written = {event["id"]: same(event) for event in events_in(out)}
    wait_for(lambda: heard.read_bytes().count(b"\n") >= len(written), what="the subscriber")
    assert decoded([bytes.fromhex(line) for line in heard.read_text().split()], registry) == written
    assert "out/telemetry/machine-value" in registry.subjects


@on_each_kafka
def test_while_the_registry_is_gone_everything_waits_and_what_it_knew_before_is_sent(shop, registries):
    workshop, configure, broker, out = shop
    port, kafka = free_port(), workshop.kafka()
    path = configure({"kafka": kafka, "topic": "events", "format": "avro",
                      "registry": {"url": f"http://127.0.0.1:{port}"}})
    gateway = workshop.gateway(path)
    say_all(workshop, gateway, broker, out)
    down = wait_for(lambda: gateway.output("avro").get("last_error"), what="the outage")
    assert f"the schema registry http://127.0.0.1:{port} does not respond" in down
    assert not gateway.output("avro")["up"] and gateway.output("local")["up"]
    assert gateway.output("avro")["acknowledged_events"] == 0 and values(kafka, "events") == []
    registry = registries(port=port)
    wait_for(lambda: gateway.output("avro")["up"] and not gateway.output("avro")["lanes"][1]["waiting_events"],
             what="the backlog")
    assert gateway.stop() == 0
    # It goes again, and with it what had to be asked; the gateway starts and sends without it.
    registry.close()
    asked = len(registry.requests)
    gateway = workshop.gateway(path)
    say_all(workshop, gateway, broker, out)
    assert gateway.stop() == 0
    written = {event["id"]: same(event) for event in events_in(out)}
    events = decoded(values(kafka, "events"), registry)
    for event in [*written.values(), *events.values()]:
        event["data"].pop("replayed", None)
    assert events == written and len(registry.requests) == asked


def test_a_registry_that_refuses_is_named_and_loses_nothing(shop, registries):
    workshop, configure, broker, out = shop
    registry, kafka = registries(), workshop.kafka()
    registry.refusal = (409, 409, "Schema being registered is incompatible with an earlier schema")
    gateway = workshop.gateway(configure({
        "kafka": kafka, "topic": "events", "format": "avro", "registry": {"url": registry.url}}))
    say_all(workshop, gateway, broker, out)
    error = wait_for(lambda: gateway.output("avro").get("last_error"), what="the refusal")
    assert "rejects the schema of events-headgate" in error and "is incompatible with an earlier schema" in error
    registry.refusal = None
    registry.delay = 0.3  # and slow
    written = {event["id"]: same(event) for event in events_in(out)}
    wait_for(lambda: len(values(kafka, "events")) >= len(written), what="everything")
    assert gateway.output("avro")["dead_letters"] == 0
    gateway.stop()


def test_a_lane_whose_schema_is_refused_holds_up_no_other(shop, registries):
    workshop, configure, broker, out = shop
    registry, kafka = registries(), workshop.kafka()
    registry.refusal, registry.refused = (409, 409, "incompatible"), '"name":"status"'
    gateway = workshop.gateway(configure({
        "kafka": kafka, "topic": "events", "format": "avro", "registry": {"url": registry.url}}))
    say_all(workshop, gateway, broker, out)
    # The alarm is behind the status of its device; what is not critical goes on.
    events = sorted(events_in(out), key=lambda event: int(event["id"].rsplit("/", 1)[1]))
    critical = [event for event in events if "/critical/" in event["id"]]
    first = next(place for place, event in enumerate(critical) if event["type"] == "headgate.status.v1")
    others = [event for event in events if event not in critical[first:]]
    wait_for(lambda: len(values(kafka, "events")) >= len(others), what="the other lanes")
    assert set(decoded(values(kafka, "events"), registry)) == {event["id"] for event in others}
    assert not gateway.output("avro")["up"] and "headgate.events.status" in gateway.output("avro")["last_error"]
    registry.refusal = None
    wait_for(lambda: len(values(kafka, "events")) >= len(events_in(out)), what="the critical lane")
    wait_for(lambda: gateway.output("avro")["up"], what="the end of it")
    gateway.stop()


def test_names_that_avro_cannot_tell_apart_are_a_mistake(shop):
    workshop, configure, *_ = shop
    for name in ("saw-a", "saw_a"):
        (workshop.folder / f"maps/{name}.yaml").write_text(yaml.safe_dump(MACHINE | {"map": name}, sort_keys=False))
    for output, code in (({"kafka": "k:9092", "topic": "t", "format": "avro", "registry": {"url": "http://r"}}, 78),
                         ({"kafka": "k:9092", "topic": "t"}, 0)):
        path = configure(output)
        path.write_text(path.read_text().replace(
            "devices:\n", "devices:\n  a: { map: saw-a, link: floor, topic: a }\n"
            "  b: { map: saw_a, link: floor, topic: b }\n", 1))
        result = headgate("check", "-c", path)
        assert result.returncode == code and ("the maps saw-a and saw_a" in result.stderr) == (code == 78)


@pytest.mark.parametrize("name", ["reading", "clock", "span", "provenance", "quality", "points"])
def test_a_map_may_have_any_name(shop, name):
    workshop, configure, *_ = shop
    path = workshop.folder / f"maps/{name}.yaml"
    path.write_text(yaml.safe_dump(MACHINE | {"map": name}, sort_keys=False))
    fastavro.parse_schema(json.loads(headgate("schema", "export", "--avro", path).stdout))


def test_who_may_only_look_up_registers_nothing(shop, registries):
    workshop, configure, broker, out = shop
    registry, kafka = registries(), workshop.kafka()
    path = configure({"kafka": kafka, "topic": "events", "format": "avro",
                      "registry": {"url": registry.url, "register": False, "subject": "record_name"}})
    gateway = workshop.gateway(path)
    say_all(workshop, gateway, broker, out)
    error = wait_for(lambda: gateway.output("avro").get("last_error"), what="what is not known")
    assert "does not know the schema of headgate." in error and registry.subjects == {}
    for name, schema in json.loads(headgate("schema", "export", "--avro", "-c", path).stdout).items():
        text = json.dumps(schema, separators=(",", ":"), ensure_ascii=False)
        registry.subjects[name] = [text]
        registry.ids[text] = len(registry.ids) + 40
    written = {event["id"]: same(event) for event in events_in(out)}
    wait_for(lambda: len(values(kafka, "events")) >= len(written), what="everything")
    assert not any(path.endswith("/versions") for _, path in registry.requests)
    gateway.stop()


def test_a_registry_behind_a_password_and_a_certificate(shop, registries):
    workshop, configure, broker, out = shop
    folder = certificates(workshop.folder)
    registry, kafka = registries(tls=folder, user=("gateway", "s3cret")), workshop.kafka()
    settings = {"url": registry.url, "username": "gateway", "ca": str(folder / "ca.pem"),
                "password": {"file": str(secret_file(workshop.folder, "s3cret"))}}
    output = {"kafka": kafka, "topic": "events", "format": "avro"}
    gateway = workshop.gateway(configure(output | {"registry": settings}))
    say_all(workshop, gateway, broker, out)
    wait_for(lambda: values(kafka, "events"), what="events")
    gateway.stop()
    for wrong, why in (({"username": "other"}, "rejects the user (401)"),
                       ({"ca": str(folder / "other.pem")}, "does not respond: SSL certificate problem")):
        (workshop.folder / "state/schemas.json").unlink(missing_ok=True)
        gateway = workshop.gateway(configure(output | {"registry": settings | wrong}))
        listening(gateway)
        publish(broker, json.dumps(MESSAGES[0]), topic="saw/1")
        error = wait_for(lambda: gateway.output("avro").get("last_error"), what="the refusal")
        assert why in error and "s3cret" not in error
        assert "s3cret" not in gateway.peer.log.read_text()
        gateway.stop()


def test_the_json_schema_of_a_map_holds_for_its_events(shop):
    workshop, configure, broker, out = shop
    path = configure({"file": str(workshop.folder / "second.jsonl")})
    gateway = workshop.gateway(path)
    say_all(workshop, gateway, broker, out)
    gateway.stop()
    schema = json.loads(headgate("schema", "export", "--json-schema", workshop.folder / "maps/machine.yaml").stdout)
    jsonschema.Draft202012Validator.check_schema(schema)
    validator = jsonschema.Draft202012Validator(schema)
    told = [event["data"] for event in events_in(out) if event["type"] == "headgate.telemetry.v1"]
    assert len(told) >= 3
    for data in told:
        validator.validate(data)
    for wrong in ({"point": "speed", "value": 1, "unit": "Hz", "quality": "good"},
                  {"point": "speed", "value": 9000, "unit": "/min", "quality": "good"},
                  {"point": "state", "value": "broken", "quality": "good"},
                  {"point": "spede", "value": 1, "unit": "/min", "quality": "good"}):
        with pytest.raises(jsonschema.ValidationError):
            validator.validate(told[0] | {"readings": [wrong]})


def test_the_topics_of_a_configuration_are_an_asyncapi_document(shop):
    workshop, configure, *_ = shop
    path = configure({"kafka": ["k-1:9092", "k-2:9092"], "topic": "t.{map}.{kind}"})
    text = path.read_text()
    path.write_text(text.replace("outputs:\n", """outputs:
  avro-out: { mqtt: "mqtts://h", topic: "x/{device}", format: avro, registry: { url: "http://r" } }
  mqtt-out: { mqtt: "mqtt://h", topic: "y/{tag:hall}/{lane}", units: { "/min": Hz } }
  node: { mqtt: "mqtt://h", format: sparkplug, sparkplug: { group: g, node: n } }
""", 1))
    result = headgate("schema", "asyncapi", "-c", path)
    assert result.returncode == 0, result.stderr
    document = json.loads(result.stdout)
    spec = AsyncAPI3.model_validate(document)
    assert set(spec.servers.root) == {"avro", "avro-out", "mqtt-out", "node"}
    addresses = {channel["address"] for channel in document["channels"].values()}
    edge = {address for address in addresses if address.startswith("spBv1.0/")}
    assert edge == {*(f"spBv1.0/g/{kind}/n" for kind in ("NBIRTH", "NDEATH", "NDATA")),
                    *(f"spBv1.0/g/{kind}/n/{{id}}" for kind in ("DBIRTH", "DDEATH", "DDATA"))}
    assert {"t.machine.telemetry", "t.machine.alarm", "t.machine.aggregate", "t.none.gap", "x/saw-1", "x/none",
            "y/---3/normal", "y/---3/bulk", "y/---3/critical", "y/none/critical"} == addresses - edge - {"t.machine.status"}
    full = headgate("schema", "asyncapi", "-c", REPOSITORY / "Config/full.yaml")
    AsyncAPI3.model_validate(json.loads(full.stdout))
    # Whatever it refers to is there.
    for reference in re.findall(r'"\$ref": ?"#/([^"]*)"', result.stdout):
        part = document
        for step in reference.split("/"):
            part = part[step]
    # And the schemas are those of the messages.
    for name, message in document["components"]["messages"].items():
        if name.startswith("avro-out_"):
            fastavro.parse_schema(message["payload"]["schema"])
        elif name.startswith("node_"):
            assert message["contentType"] == "application/x-protobuf"
        else:
            jsonschema.Draft7Validator.check_schema(message["payload"])
    speed = json.dumps(document["components"]["messages"]["mqtt-out_headgate_telemetry_machine"])
    assert '"Hz"' in speed and '"/min"' not in speed


CHANGES = [
    ({"speed": {"path": "speed", "unit": "Hz"}}, "points.speed is in Hz, where /min is read", 2),
    ({"program": {"path": "program", "type": "int64"}}, "points.program is long, where string is read", 2),
    # An integer is read as a number, and a number is not as an integer.
    ({"parts": {"path": "parts", "type": "float64", "kind": "counter"}}, "points.parts is double, where long is read", 1),
    ({"new": {"path": "new"}}, None, 0),
    ({"oil": None}, None, 0),
]


@pytest.mark.parametrize("change, message, breaches", CHANGES, ids=[str(change[0]) for change in CHANGES])
def test_a_changed_map_is_compared_with_what_consumers_have(shop, change, message, breaches):
    workshop, configure, *_ = shop
    old, new = workshop.folder / "maps/machine.yaml", workshop.folder / "machine.yaml"
    points = {name: keys for name, keys in (MACHINE["points"] | change).items() if keys}
    new.write_text(yaml.safe_dump(MACHINE | {"version": 4, "points": points}, sort_keys=False))
    released = workshop.folder / "machine.avsc"
    released.write_text(headgate("schema", "export", "--avro", old).stdout)
    for against in (old, released):
        result = headgate("schema", "check", new, "--against", against)
        assert result.returncode == (1 if breaches else 0), result.stdout + result.stderr
        assert (message or "ok: machine") in result.stdout
        comparison, = json.loads(headgate("schema", "check", new, "--against", against, "--json").stdout)
        assert len(comparison["breaches"]) == breaches
    if breaches == 1:
        assert headgate("schema", "check", new, "--against", old, "--compatibility", "backward").returncode == 0


def test_a_registry_says_what_was_sent_before(shop, registries):
    workshop, configure, *_ = shop
    registry = registries()
    path = configure({"kafka": f"127.0.0.1:{free_port()}", "topic": "events", "format": "avro",
                      "registry": {"url": registry.url}})
    result = headgate("schema", "check", "-c", path)
    assert result.returncode == 0 and "headgate.telemetry.machine has not been sent before" in result.stdout
    old = json.loads(headgate("schema", "export", "--avro", workshop.folder / "maps/machine.yaml").stdout)
    columns(old)["speed"]["type"] = ["null", "string"]
    text = json.dumps(old)
    registry.subjects["events-headgate.telemetry.machine"] = [text]
    registry.ids[text] = 1
    result = headgate("schema", "check", "-c", path)
    assert result.returncode == 1 and "points.speed is double, where string is read" in result.stdout
    registry.close()
    result = headgate("schema", "check", "-c", path)
    assert result.returncode == 69 and "does not respond" in result.stderr


MISTAKES = [
    ({"file": "x", "format": "avro"}, "HG0407"),
    ({"format": "avro", "registry": None}, "HG0412"),
    ({"format": "json"}, "HG0112"),
    ({"registry": {"url": "registry:8081"}}, "HG0411"),
    ({"registry": {"url": "http://me:secret@registry"}}, "HG0411"),
    ({"registry": {"url": "http://r", "ca": "x"}}, "HG0220"),
    ({"registry": {"url": "http://r", "subject": "topic_name"}}, "HG0408"),
    ({"registry": {"url": "http://r", "password": "x", "username": "u"}}, "HG0219"),
]


@pytest.mark.parametrize("change, message", MISTAKES, ids=[mistake[1] for mistake in MISTAKES])
def test_a_mistake_in_a_registry_has_its_place(shop, change, message):
    workshop, configure, *_ = shop
    output = {"kafka": "broker:9092", "topic": "events", "format": "avro", "registry": {"url": "http://r:8081"}} | change
    if "file" in change:
        output = {key: value for key, value in output.items() if key not in ("kafka", "topic")}
    result = headgate("check", "-c", configure({key: value for key, value in output.items() if value is not None}))
    assert result.returncode == 78 and message in result.stderr, result.stderr
