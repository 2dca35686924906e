"""Runs that count into a topic, and the run that makes a store of it: exact, whoever is killed, stopped or shut out."""

import json
import os
import pathlib
import random
import re
import signal
import subprocess
import time

import pytest
from confluent_kafka import Consumer, KafkaError, TopicPartition

LOG_BYTES = 6_000_000
KILLS = int(os.environ.get("BOUNCEMILL_KILLS", 12))  # 200 and more for a long form
PARTITIONS = 3


@pytest.fixture(scope="module")
def lines(generate) -> list[bytes]:
    return generate(LOG_BYTES, 31).read_bytes().splitlines(keepends=True)


@pytest.fixture(scope="module")
def undisturbed(bouncemill, lines, tmp_path_factory) -> dict:
    dir = tmp_path_factory.mktemp("undisturbed")
    (dir / "mail.log").write_bytes(b"".join(lines))
    bouncemill.run("run", "--store", dir / "store", dir / "mail.log")
    return bouncemill.contents(dir / "store")


@pytest.fixture(scope="module")
def log_topic(kafka, lines):
    """All lines of a host in one partition, some hundred in a message."""
    hosts: dict[bytes, list[bytes]] = {}
    for line in lines:
        hosts.setdefault(line[16:].split(b" ")[0], []).append(line)
    kafka.create_topic("counted", partitions=PARTITIONS)
    for number, host in enumerate(sorted(hosts)):
        own = hosts[host]
        kafka.produce("counted", [b"".join(own[at : at + 200]) for at in range(0, len(own), 200)], partition=number % PARTITIONS)
    return f"kafka://{kafka.brokers}/counted"


@pytest.fixture
def sink(kafka, request):
    """Makes the topics of a sink, named after the test."""
    name = f"sum-{abs(hash(request.node.name)) % 10**9}"
    kafka.create_topic(name, partitions=2)
    kafka.create_topic(f"{name}-open", partitions=2, config={"cleanup.policy": "compact"})
    return f"kafka://{kafka.brokers}/{name}"


def sink_args(sink, *more):
    return ["run", "--sink", sink, "--group", sink.rsplit("/")[-1], "--flush-interval", "0.05", *more]


def count_into(bouncemill, sink, source, *more, **limits):
    return bouncemill.run(*sink_args(sink, "--until-end", *more, source), **limits)


def make_store(bouncemill, sink, store, *more):
    bouncemill.run("run", "--source", "summaries", "--store", store, "--until-end", *more, sink)
    return bouncemill.contents(store)


def kill_again_and_again(bouncemill, args, seed, count, longest_s):
    numbers, done = random.Random(seed), 0
    for _ in range(count):
        process = bouncemill.start(*args)
        try:
            done += process.wait(timeout=numbers.uniform(0.02, longest_s)) == 0
        except Exception:
            process.kill()
            process.wait()
    return done


def read_rows(kafka, topic) -> list[dict]:
    """As any consumer that reads committed messages."""
    consumer = Consumer({"bootstrap.servers": kafka.brokers, "group.id": "test", "enable.partition.eof": True,
                         "isolation.level": "read_committed", "enable.auto.commit": False})
    consumer.assign([TopicPartition(topic, partition, 0) for partition in range(2)])
    rows, left = [], 2
    while left:
        message = consumer.poll(30)
        assert message is not None
        if message.error():
            assert message.error().code() == KafkaError._PARTITION_EOF
            left -= 1
            continue
        rows += [json.loads(line) for line in message.value().splitlines()]
    consumer.close()
    return rows


def wait_for_rows(kafka, sink):
    consumer = Consumer({"bootstrap.servers": kafka.brokers, "group.id": "test"})
    topic, deadline = sink.rsplit("/")[-1], time.monotonic() + 30
    while not any(consumer.get_watermark_offsets(TopicPartition(topic, partition), timeout=10)[1] for partition in range(2)):
        assert time.monotonic() < deadline
    consumer.close()


def test_a_store_made_of_a_topic_is_that_of_the_logs(bouncemill, kafka, log_topic, sink, undisturbed, tmp_path):
    count_into(bouncemill, sink, log_topic)
    count_into(bouncemill, sink, log_topic)  # nothing is new
    assert make_store(bouncemill, sink, tmp_path / "store") == undisturbed
    assert make_store(bouncemill, sink, tmp_path / "store") == undisturbed
    assert make_store(bouncemill, sink, tmp_path / "two", "--threads", 1, "--flush-interval", "0.02") == undisturbed
    rows = read_rows(kafka, sink.rsplit("/")[-1])
    assert len({(row["writer"], row["sequence"]) for row in rows}) == len(rows)
    total = sum(int(row["count"]) for row in rows if row["dataset"] == "traffic")
    assert total == sum(json.loads(row)["count"] for row in undisturbed["traffic"])


def test_kills_at_any_instant_count_nothing_twice_and_lose_nothing(bouncemill, log_topic, sink, undisturbed, tmp_path):
    seed = random.randrange(1 << 32)
    kill_again_and_again(bouncemill, sink_args(sink, log_topic), seed, KILLS, 1.5)
    count_into(bouncemill, sink, log_topic)
    store = tmp_path / "store"
    kill_again_and_again(bouncemill, ["run", "--source", "summaries", "--store", store, "--flush-interval", "0.02", sink], seed, KILLS // 2, 0.8)
    assert make_store(bouncemill, sink, store) == undisturbed, f"seed {seed}"


def test_a_run_that_wakes_up_after_another_has_taken_over_commits_nothing(bouncemill, kafka, log_topic, sink, undisturbed, tmp_path):
    zombie = bouncemill.start(*sink_args(sink, log_topic, "-X", "fetch.message.max.bytes=20000", "-X", "queued.min.messages=1"),
                              stderr=subprocess.PIPE)
    wait_for_rows(kafka, sink)
    zombie.send_signal(signal.SIGSTOP)
    try:
        count_into(bouncemill, sink, log_topic)
    finally:
        zombie.send_signal(signal.SIGCONT)
        time.sleep(0.2)
        zombie.send_signal(signal.SIGTERM)
    stderr = zombie.communicate(timeout=60)[1].decode()
    assert zombie.returncode == 3 and "has taken over" in stderr, stderr
    assert make_store(bouncemill, sink, tmp_path / "store") == undisturbed


def test_two_runs_that_share_the_partitions_count_everything_once(bouncemill, log_topic, sink, undisturbed, tmp_path):
    runs = [bouncemill.start(*sink_args(sink, "--until-end", f"{log_topic}/{part}")) for part in ("0-1", "2")]
    assert [run.wait(60) for run in runs] == [0, 0]
    count_into(bouncemill, sink, log_topic)  # the group has the positions of all
    assert make_store(bouncemill, sink, tmp_path / "store") == undisturbed


def test_rows_loaded_twice_into_clickhouse_count_once(bouncemill, kafka, log_topic, sink, undisturbed, tmp_path):
    import chdb.session

    count_into(bouncemill, sink, log_topic)
    rows = read_rows(kafka, sink.rsplit("/")[-1])
    (tmp_path / "rows.ndjson").write_text("".join(json.dumps(row) + "\n" for row in rows))
    session = chdb.session.Session(str(tmp_path / "clickhouse"))
    session.query("SET allow_suspicious_low_cardinality_types = 1")
    ddl = (pathlib.Path(__file__).parents[2] / "schemas/clickhouse.sql").read_text()
    for statement in re.sub(r"^\s*--.*$", "", ddl, flags=re.M).split(";\n"):
        if statement.strip():
            session.query(statement)

    def ask(sql) -> list[dict]:
        return [json.loads(line) for line in session.query(sql, "JSONEachRow").bytes().decode().splitlines()]

    def answers():
        totals = "SELECT status, cause, toUInt32(sum(count)) AS n, arrayMap(x -> toUInt32(x), sumForEach(delay)) AS delay"
        return (ask(f"{totals} FROM bouncemill.traffic_of_summaries GROUP BY status, cause ORDER BY status, cause"),
                ask("SELECT toUInt32(sum(count)) AS n FROM bouncemill.relays_of_summaries"),
                ask("SELECT template, toUInt32(sum(count)) AS n FROM bouncemill.replies_of_summaries GROUP BY template ORDER BY template"),
                ask("SELECT * FROM bouncemill.rates_of_summaries ORDER BY day, provider"))

    load = f"INSERT INTO bouncemill.summaries_load SELECT json FROM file('{tmp_path}/rows.ndjson', 'JSONAsString', 'json String')"
    session.query(load)
    once = answers()
    session.query(load)
    assert answers() == once
    counts: dict = {}
    for row in map(json.loads, undisturbed["traffic"]):
        key = row["status"], row["cause"]
        counts[key] = counts.get(key, 0) + row["count"]
    assert {(row["status"], row["cause"]): row["n"] for row in once[0]} == counts
    for name, numerator, denominator in [("deferral_rate", "deferred", "attempts"), ("bounce_rate", "bounced_or_expired", "finals"),
                                         ("hard_rate", "hard", "finals"), ("block_rate", "blocked", "attempts")]:
        total = sum(int(row[numerator]) for row in once[3]), sum(int(row[denominator]) for row in once[3])
        assert undisturbed["report"]["totals"][name] == pytest.approx(total[0] / total[1], abs=1e-6), name
    session.close()


def test_what_a_sink_cannot_be_is_said(bouncemill, log_topic, sink, kafka, tmp_path):
    (tmp_path / "mail.log").write_bytes(b"")
    for args, code, text in [
        (["--sink", sink, tmp_path / "mail.log"], 2, "all sources are topics"),
        (["--sink", sink, "--store", tmp_path / "store", log_topic], 2, "instead of --store"),
        (["--sink", "x", log_topic], 2, "needs kafka://"),
        (["--sink", sink + "/0", log_topic], 2, "not a partition"),
        (["--sink", sink, "--source", "summaries", log_topic], 2, "takes logs"),
        (["--source", "else", log_topic], 2, "logs or summaries"),
        (["--group", "g", log_topic], 2, "is of --sink"),
        (["--sink", f"kafka://{kafka.brokers}/counted", log_topic], 3, "has no topic 'counted-open'"),
    ]:
        assert text in bouncemill.run("run", *args, code=code).stderr.decode()


def test_lines_that_are_no_rows_are_unparsed(bouncemill, tmp_path):
    row = {"dataset": "relays", "version": 1, "provider": "p", "relay_host": "", "relay_ip": "", "status": "delivered", "cause": "none",
           "minute": 5, "count": 3, "writer": "w", "sequence": 1}
    odd = [{"version": 2}, {"dataset": "else"}, {"dataset": 5}, {"count": -1}, {"count": "3"}, {"count": 1 << 64}, {"minute": 1 << 32},
           {"provider": 1}, {"provider": None}]
    texts = [json.dumps({**row, **change}) for change in odd] + ["", "{", "[]", json.dumps(row)[:-1], "\x00", "{}"]
    texts += [json.dumps({key: value for key, value in row.items() if key != missing}) for missing in ("count", "minute", "version")]
    (tmp_path / "rows").write_text("\n".join([json.dumps(row), *texts, json.dumps(row)]) + "\n")
    stderr = bouncemill.run("run", "--source", "summaries", "--store", tmp_path / "store", tmp_path / "rows").stderr.decode()
    assert f"body={len(texts)} " in stderr
    assert [json.loads(line)["count"] for line in bouncemill.dump("relays", tmp_path / "store")] == [6]


class Member:
    """A run that has its partitions from the brokers."""

    def __init__(self, bouncemill, sink, source, name):
        self.process = bouncemill.start(*sink_args(sink, "--member", name, "-X", "session.timeout.ms=6000", "-X", "heartbeat.interval.ms=500",
                                                   # One that is killed while it joins is waited for so long by the others:
                                                   "-X", "max.poll.interval.ms=10000",
                                                   "-X", "fetch.message.max.bytes=20000", "-X", "queued.min.messages=1", source),
                                        stderr=subprocess.PIPE)

    def end(self, with_signal=signal.SIGTERM) -> tuple[int, str]:
        self.process.send_signal(with_signal)
        stderr = self.process.communicate(timeout=60)[1].decode()
        return self.process.returncode, stderr


def lag(kafka, sink, topic="counted", partition_count=PARTITIONS) -> int:
    """Of the group, over all partitions."""
    consumer = Consumer({"bootstrap.servers": kafka.brokers, "group.id": sink.rsplit("/")[-1]})
    partitions = [TopicPartition(topic, partition) for partition in range(partition_count)]
    left = 0
    for committed in consumer.committed(partitions, timeout=30):
        left += consumer.get_watermark_offsets(committed, timeout=10)[1] - max(committed.offset, 0)
    consumer.close()
    return left


def wait_until_read(kafka, sink, *topic, seconds=60):
    deadline = time.monotonic() + seconds
    while lag(kafka, sink, *topic):
        assert time.monotonic() < deadline, "not read to the end"
        time.sleep(0.2)


def test_members_that_join_leave_die_and_come_again_count_everything_once(bouncemill, kafka, log_topic, sink, undisturbed, tmp_path):
    first = Member(bouncemill, sink, log_topic, "first")
    wait_for_rows(kafka, sink)
    second = Member(bouncemill, sink, log_topic, "second")
    time.sleep(1.5)
    code, stderr = second.end()
    assert code == 0, stderr
    second = Member(bouncemill, sink, log_topic, "second")  # as a restart
    time.sleep(1)
    second.end(signal.SIGKILL)
    wait_until_read(kafka, sink, seconds=120)  # its partitions, when its session has ended
    code, stderr = first.end()
    assert code == 0, stderr
    assert "what=assigned" in stderr and "what=revoked" in stderr
    assert make_store(bouncemill, sink, tmp_path / "store") == undisturbed


def test_a_member_that_wakes_up_after_its_session_has_ended_commits_nothing(bouncemill, kafka, log_topic, sink, undisturbed, tmp_path):
    zombie = Member(bouncemill, sink, log_topic, "zombie")
    wait_for_rows(kafka, sink)
    zombie.process.send_signal(signal.SIGSTOP)
    other = Member(bouncemill, sink, log_topic, "other")
    try:
        wait_until_read(kafka, sink)
    finally:
        zombie.process.send_signal(signal.SIGCONT)
    time.sleep(1.5)
    zombie.end()
    code, stderr = other.end()
    assert code == 0, stderr
    assert make_store(bouncemill, sink, tmp_path / "store") == undisturbed
