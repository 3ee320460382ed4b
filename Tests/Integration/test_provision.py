"""The topics that outputs need, made before anything is sent."""

import json

import pytest
import yaml

from conftest import free_port, headgate, wait_for
from kafka_admin import KafkaAdmin

MONITOR = {"map": "monitor", "version": 1, "title": "t", "source": "this test", "mqtt": {"payload": "number"}, "points": {"hr": {}},
           "examples": [{"payload": "70", "expect": {"hr": 70}}]}
TOPICS = ["headgate.monitor.normal", "headgate.monitor.critical", "headgate.none.critical"]


@pytest.fixture
def brokers():
    made = []

    def start(**options):
        made.append(KafkaAdmin(**options))
        return made[-1]
    yield start
    for broker in made:
        if broker.server.fileno() >= 0:
            broker.close()


@pytest.fixture
def ward(workshop):
    maps = workshop.folder / "maps"
    maps.mkdir()
    (maps / "monitor.yaml").write_text(yaml.safe_dump(MONITOR, sort_keys=False))
    (maps / "many.yaml").write_text(yaml.safe_dump(MONITOR | {"map": "many", "mqtt": {"payload": "number", "id": {"level": 2}}},
                                                   sort_keys=False))

    def configure(broker, topic="headgate.{map}.{lane}", many=False, **output):
        device = {"map": "many", "topic": "ward/+"} if many else {"map": "monitor", "topic": "ward/1"}
        return workshop.configuration(
            maps=str(maps), links={"floor": {"mqtt": f"mqtt://127.0.0.1:{free_port()}"}},
            devices={"bed": device | {"link": "floor"}},
            outputs={"central": {"kafka": broker.address, "topic": topic} | output})
    return configure


def provision(how, path, *arguments):
    result = headgate("provision", how, "-c", path, *arguments)
    return result.returncode, result.stdout, result.stderr


def test_what_is_missing_is_created_once(ward, brokers):
    broker = brokers()
    path = ward(broker, topics={"partitions": 6, "replication": 3, "retention": "12h"})
    code, out, _ = provision("--dry-run", path)
    assert code == 0 and out.count("missing") == 3 and not broker.topics and broker.trials == [True], out
    code, out, _ = provision("--apply", path)
    assert code == 0 and out.count("created") == 3, out
    assert set(broker.topics) == set(TOPICS)
    assert all(topic == {"partitions": 6, "replicas": 3, "settings": {"retention.ms": "43200000", "cleanup.policy": "delete"}}
               for topic in broker.topics.values())
    before = json.dumps(broker.topics)
    for how in ("--apply", "--dry-run"):
        code, out, _ = provision(how, path)
        assert code == 0 and out.count("exists") == 3, out
    assert json.dumps(broker.topics) == before and broker.trials == [True, False], "nothing was asked for again"


def test_what_nothing_is_said_of_the_brokers_decide(ward, brokers):
    broker = brokers()
    code, _, _ = provision("--apply", ward(broker))
    assert code == 0 and {(topic["partitions"], topic["replicas"]) for topic in broker.topics.values()} == {(2, 1)}


def test_what_is_other_than_it_should_be_is_told_and_stays(ward, brokers):
    there = {"partitions": 2, "replicas": 1, "settings": {"retention.ms": "1000"}}
    broker = brokers(topics={TOPICS[0]: dict(there)})
    path = ward(broker, topics={"partitions": 6, "replication": 3, "retention": "forever"})
    code, out, _ = provision("--apply", path)
    assert code == 1 and "2 partitions, not 6, 1 replicas, not 3, retention.ms 1000, not -1" in out, out
    assert broker.topics[TOPICS[0]] == there and len(broker.topics) == 3
    code, out, _ = provision("--dry-run", path, "--json")
    states = {topic["topic"]: (topic["state"], len(topic["remarks"])) for topic in json.loads(out)["topics"]}
    assert code == 1 and states == {TOPICS[0]: ("existing", 3), TOPICS[1]: ("existing", 0), TOPICS[2]: ("existing", 0)}


@pytest.mark.parametrize("how", ["--dry-run", "--apply"])
def test_what_the_brokers_refuse_is_told(ward, brokers, how):
    broker = brokers(refused=[TOPICS[1]])
    code, out, _ = provision(how, ward(broker))
    assert code == 1 and "refused" in out and "uthorization failed" in out, out
    code, out, _ = provision(how, ward(broker, topics={"replication": 5}, topic="other"))
    assert code == 1 and "larger than available brokers: 3" in out, out


def test_topics_of_devices_that_nobody_knows_yet_are_told(ward, brokers):
    broker = brokers()
    code, out, _ = provision("--apply", ward(broker, topic="t.{device}", many=True))
    assert code == 0 and "unknown" in out and "t.bed.*" in out and set(broker.topics) == {"t.none"}, out


def test_a_cluster_that_does_not_answer_is_told(ward, brokers):
    broker = brokers()
    broker.close()
    code, _, err = provision("--apply", ward(broker))
    assert code == 69 and "central: " in err


def test_usage_and_mistakes(ward, brokers):
    broker = brokers()
    assert headgate("provision", "-c", ward(broker)).returncode == 64
    result = headgate("check", "-c", ward(broker, topics={"partitions": 0, "retention": "soon", "size": 1}))
    assert result.returncode == 78 and all(word in result.stdout + result.stderr for word in ("partitions", "duration", "size"))
