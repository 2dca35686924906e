"""What happens to a topic while it is read, or while nobody reads: the store has every message once, or the run says what is lost."""

import re
import signal
import subprocess
import time

import pytest
from confluent_kafka import TopicPartition
from confluent_kafka.admin import NewPartitions

from test_metrics import message_lines
from test_summaries import make_store, sink_args, wait_until_read


@pytest.fixture(scope="module")
def broker():
    """A broker of our own: other tests would mind that it is killed."""
    from kafka_cluster import KafkaCluster

    with KafkaCluster() as cluster:
        yield cluster


def one_message_each(numbers) -> list[bytes]:
    return [b"\n".join(message_lines(number)) for number in numbers]


def delivered(bouncemill, store) -> int:
    return sum(int(re.search(r'"count":(\d+)', row)[1]) for row in bouncemill.dump("traffic", store))


class Reader:
    """A run that reads on and on, for as long as the `with`."""

    def __init__(self, bouncemill, store, *args):
        self.bouncemill, self.store = bouncemill, store
        self.process = bouncemill.start("run", "--store", store, "--flush-interval", "0.05", "--format", "postfix", "--threads", 1, *args,
                                        stderr=subprocess.PIPE)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.communicate()

    def wait_for(self, count, seconds=40):
        deadline = time.monotonic() + seconds
        have = -1
        while time.monotonic() < deadline:
            assert self.process.poll() is None, f"has ended: {self.process.stderr.read().decode()}"
            if (self.store / "catalog.sqlite").exists() and (have := delivered(self.bouncemill, self.store)) >= count:
                break
            time.sleep(0.1)
        assert have == count

    def ends(self, code=3, seconds=40) -> str:
        stderr = self.process.communicate(timeout=seconds)[1].decode()
        assert self.process.returncode == code, stderr
        return stderr

    def stop(self) -> str:
        self.process.send_signal(signal.SIGTERM)
        return self.ends(0)


@pytest.fixture
def read(bouncemill, tmp_path):
    def reader(*args):
        return Reader(bouncemill, tmp_path / "store", *args)

    return reader


@pytest.fixture
def run(bouncemill, broker, tmp_path):
    def run_to_end(topic, *args, code=0) -> str:
        return bouncemill.run("run", "--store", tmp_path / "store", "--until-end", "--format", "postfix", *args,
                              f"kafka://{broker.brokers}/{topic}", code=code).stderr.decode()

    return run_to_end


def delete_before(broker, topic, offset):
    admin = broker.admin()
    for done in admin.delete_records([TopicPartition(topic, 0, offset)]).values():
        done.result(30)


def make_anew(broker, topic, messages):
    """As quickly as can be: nobody sees that the topic was away."""
    admin = broker.admin()
    admin.delete_topics([topic])[topic].result(30)
    deadline = time.monotonic() + 30
    while True:
        try:
            broker.create_topic(topic)
            break
        except Exception:  # the name is still taken
            assert time.monotonic() < deadline
            time.sleep(0.02)
    broker.produce(topic, messages)


def test_a_broker_that_is_stopped_or_killed_and_comes_again_is_read_on(broker, read, bouncemill, tmp_path):
    broker.create_topic("restarted")
    broker.produce("restarted", one_message_each(range(100)))
    with read(f"kafka://{broker.brokers}/restarted") as reader:
        reader.wait_for(100)
        for number, how in enumerate((signal.SIGTERM, signal.SIGKILL)):
            broker.stop(how)
            time.sleep(0.5)
            broker.start()
            broker.produce("restarted", one_message_each(range(100 + number * 100, 200 + number * 100)))
            reader.wait_for(200 + number * 100)
        reader.stop()
    assert delivered(bouncemill, tmp_path / "store") == 300


def test_a_partition_that_is_added_is_read_from_its_first_message(broker, read):
    broker.create_topic("grows")
    broker.produce("grows", one_message_each(range(10)))
    with read(f"kafka://{broker.brokers}/grows") as reader:
        reader.wait_for(10)
        admin = broker.admin()
        admin.create_partitions([NewPartitions("grows", 3)])["grows"].result(30)
        deadline = time.monotonic() + 30
        while len(admin.list_topics("grows", timeout=5).topics["grows"].partitions) < 3:
            assert time.monotonic() < deadline
        for partition in range(3):
            broker.produce("grows", one_message_each(range(10)), partition=partition)
        reader.wait_for(40)
        assert "event=partitions_added topic=grows from=1 to=2" in reader.stop()


def test_listed_partitions_alone_are_read(broker, run, bouncemill, tmp_path):
    broker.create_topic("listed", partitions=5)
    for partition in range(5):
        broker.produce("listed", one_message_each(range(10**partition % 7919)), partition=partition)
    run("listed/0,2-3")
    assert delivered(bouncemill, tmp_path / "store") == 1 + 100 + 1000
    assert "has 5 partitions" in run("listed/5", code=3)
    run("listed")
    assert delivered(bouncemill, tmp_path / "store") == 1 + 10 + 100 + 1000 + 10000 % 7919
    for wrong in ("", "1,", "3-2", "a", "-1", "1,,2", "123456789"):
        assert "is not kafka://" in run(f"listed/{wrong}", code=2)


def test_messages_deleted_before_they_were_read_are_named_and_can_be_accepted(broker, run, bouncemill, tmp_path):
    broker.create_topic("expires")
    broker.produce("expires", one_message_each(range(10)))
    run("expires")
    broker.produce("expires", one_message_each(range(10, 30)))
    delete_before(broker, "expires", 10)
    run("expires")  # all that is gone was read
    assert delivered(bouncemill, tmp_path / "store") == 30
    broker.produce("expires", one_message_each(range(30, 60)))
    delete_before(broker, "expires", 45)
    stderr = run("expires", code=3)
    assert "expires/0: messages 30 to 44 were deleted before they were read" in stderr and "--accept-loss expires" in stderr
    run("expires", "--accept-loss", "another", code=3)
    assert delivered(bouncemill, tmp_path / "store") == 30
    assert "event=loss topic=expires partition=0 from=30 to=44 go_on_at=45" in run("expires", "--accept-loss", "expires")
    assert delivered(bouncemill, tmp_path / "store") == 45
    run("expires")
    assert delivered(bouncemill, tmp_path / "store") == 45


@pytest.mark.parametrize("count", [20, 50, 80])
def test_a_topic_made_anew_is_told_whatever_its_length(broker, run, bouncemill, tmp_path, count):
    topic = f"anew-{count}"
    broker.create_topic(topic)
    broker.produce(topic, one_message_each(range(50)))
    run(topic)
    make_anew(broker, topic, one_message_each(range(1000, 1000 + count)))
    stderr = run(topic, code=3)
    assert f"{topic}/0: " in stderr and "made anew" in stderr and "from 50 on is lost" in stderr and f"--accept-loss {topic}" in stderr
    assert delivered(bouncemill, tmp_path / "store") == 50
    assert f"event=loss topic={topic} partition=0 from=50" in run(topic, "--accept-loss", topic)
    assert delivered(bouncemill, tmp_path / "store") == 50 + count
    run(topic)
    assert delivered(bouncemill, tmp_path / "store") == 50 + count


@pytest.mark.parametrize("count", [5, 60])
def test_a_topic_made_anew_under_a_run_ends_it_with_the_loss(broker, read, count):
    topic = f"anew-under-{count}"
    broker.create_topic(topic)
    broker.produce(topic, one_message_each(range(30)))
    with read(f"kafka://{broker.brokers}/{topic}") as reader:
        reader.wait_for(30)
        time.sleep(2.5)  # until the watch has a mark
        make_anew(broker, topic, one_message_each(range(1000, 1000 + count)))
        stderr = reader.ends()
        assert f"--accept-loss {topic}" in stderr or "Unknown topic" in stderr


def test_a_topic_made_anew_under_a_run_that_accepts_it_is_read(broker, read):
    topic = "anew-accepted"
    broker.create_topic(topic)
    broker.produce(topic, one_message_each(range(30)))
    with read("--accept-loss", topic, f"kafka://{broker.brokers}/{topic}") as reader:
        reader.wait_for(30)
        make_anew(broker, topic, one_message_each(range(1000, 1010)))
        reader.wait_for(40)
        assert f"event=loss topic={topic} partition=0 from=30" in reader.stop()


def test_retention_that_passes_a_run_that_was_stopped_is_told_by_it(broker, read, tmp_path, bouncemill):
    topic = "passed"
    broker.create_topic(topic)
    broker.produce(topic, one_message_each(range(10)))
    with read(f"kafka://{broker.brokers}/{topic}", "-X", "fetch.wait.max.ms=10") as reader:
        reader.wait_for(10)
        reader.process.send_signal(signal.SIGSTOP)
        time.sleep(0.3)
        broker.produce(topic, one_message_each(range(10, 40)))
        delete_before(broker, topic, 30)
        reader.process.send_signal(signal.SIGCONT)
        stderr = reader.ends()
        assert re.search(rf"{topic}/0: messages \d+ to 29 were deleted before they were read", stderr), stderr


def test_a_broker_that_is_killed_under_a_run_that_counts_into_a_topic_loses_and_doubles_nothing(broker, bouncemill, tmp_path):
    topic, sink, more = "sunk", f"kafka://{broker.brokers}/sums", ["--member", "one"]
    for name, config in [(topic, {}), ("sums", {}), ("sums-open", {"cleanup.policy": "compact"})]:
        broker.create_topic(name, config=config)
    broker.produce(topic, one_message_each(range(300)))
    run = bouncemill.start(*sink_args(sink, "--format", "postfix", *more, f"kafka://{broker.brokers}/{topic}"), stderr=subprocess.PIPE)
    try:
        wait_until_read(broker, sink, topic, 1)
        broker.produce(topic, one_message_each(range(300, 600)))
        broker.stop()
        broker.start()
        broker.produce(topic, one_message_each(range(600, 700)))
        wait_until_read(broker, sink, topic, 1)
        run.send_signal(signal.SIGTERM)
        stderr = run.communicate(timeout=60)[1].decode()
        assert run.returncode == 0, stderr
    finally:
        run.kill()
    make_store(bouncemill, sink, tmp_path / "store")
    assert delivered(bouncemill, tmp_path / "store") == 700
