"""Messages as topics really hold them: compressed, with headers, empty, huge, in transactions that were aborted; and a store that does not take
what was read. All is counted once, and the positions are right."""

import pathlib
import random
import sqlite3
import time

import pytest
from confluent_kafka import Producer

from test_kafka_events import Reader, delivered, one_message_each
from test_metrics import Run, message_lines


@pytest.fixture
def run(bouncemill, kafka, tmp_path):
    def run_to_end(topic, *args) -> str:
        return bouncemill.run("run", "--store", tmp_path / "store", "--until-end", "--format", "postfix", *args,
                              f"kafka://{kafka.brokers}/{topic}").stderr.decode()

    return run_to_end


def position(store, name) -> int:
    with sqlite3.connect(store / "catalog.sqlite") as catalog:
        return catalog.execute("SELECT committed FROM input WHERE name = ?", (name,)).fetchone()[0]


def test_batches_of_every_codec_are_read(kafka, run, bouncemill, tmp_path):
    kafka.create_topic("codecs")
    codecs = ["gzip", "snappy", "lz4", "zstd", "none"]
    for number, codec in enumerate(codecs):
        kafka.produce("codecs", one_message_each(range(number * 500, number * 500 + 500)), **{"compression.type": codec, "linger.ms": 50})
    run("codecs")
    assert delivered(bouncemill, tmp_path / "store") == 500 * len(codecs) == position(tmp_path / "store", "codecs/0")


def test_headers_keys_tombstones_and_empty_messages_are_no_lines_and_move_the_position(kafka, run, bouncemill, tmp_path):
    kafka.create_topic("odd")
    producer = Producer({"bootstrap.servers": kafka.brokers, "linger.ms": 5})
    lines = one_message_each(range(3))
    producer.produce("odd", None)
    producer.produce("odd", lines[0], headers=[("host", b"mx1"), ("empty", None), ("x" * 2000, bytes(range(256)))])
    producer.produce("odd", None, key=b"tombstone")
    producer.produce("odd", b"", key=b"empty")
    producer.produce("odd", lines[1], key=b"\x00\xff", headers={"n%d" % n: b"v" for n in range(300)})
    producer.produce("odd", b"\n\n")
    producer.produce("odd", lines[2], timestamp=1)
    producer.produce("odd", None, key=b"last")
    producer.flush(30)
    assert b"lines=15 " in run("odd").encode()  # 3 x 4, an empty message, two empty lines
    assert delivered(bouncemill, tmp_path / "store") == 3 and position(tmp_path / "store", "odd/0") == 8
    run("odd")
    assert delivered(bouncemill, tmp_path / "store") == 3


def test_aborted_and_unfinished_transactions_are_not_read_and_what_stands_between_them_is(kafka, run, bouncemill, tmp_path):
    kafka.create_topic("transactions")
    store = tmp_path / "store"
    producer = Producer({"bootstrap.servers": kafka.brokers, "transactional.id": "writer"})
    producer.init_transactions(30)
    number = 0

    def transaction(count, is_committed):
        nonlocal number
        producer.begin_transaction()
        for message in one_message_each(range(number, number + count)):
            producer.produce("transactions", message)
        number += count
        producer.flush(30)
        (producer.commit_transaction if is_committed else producer.abort_transaction)(30)

    for count, is_committed in [(7, False), (10, True), (1, False), (100, False), (3, True), (5, False)]:
        transaction(count, is_committed)
    run("transactions")
    assert delivered(bouncemill, store) == 13 and position(store, "transactions/0") == 7 + 10 + 1 + 100 + 3 + 5 + 6
    transaction(20, True)
    kafka.produce("transactions", one_message_each(range(5)))
    producer.begin_transaction()
    producer.produce("transactions", one_message_each([9])[0])
    producer.flush(30)
    kafka.produce("transactions", one_message_each(range(1000)))  # behind one that is not decided: not readable yet
    run("transactions")
    assert delivered(bouncemill, store) == 13 + 25
    producer.abort_transaction(30)
    run("transactions")
    assert delivered(bouncemill, store) == 13 + 25 + 1000
    run("transactions")
    assert delivered(bouncemill, store) == 13 + 25 + 1000


def test_messages_larger_than_a_fetch_are_read_whole(kafka, run, bouncemill, tmp_path):
    kafka.create_topic("huge", config={"max.message.bytes": str(9 << 20)})
    lines = b"\n".join(one_message_each(range(20_000)))
    assert len(lines) > 6 << 20
    kafka.produce("huge", [*one_message_each(range(5)), lines, *one_message_each(range(5))], **{"message.max.bytes": 9 << 20})
    run("huge", "-X", "fetch.message.max.bytes=1000")
    assert delivered(bouncemill, tmp_path / "store") == 20_010 and position(tmp_path / "store", "huge/0") == 11


def test_a_store_that_does_not_take_what_was_read_stops_the_reading_in_bounded_memory(bouncemill, kafka, tmp_path):
    kafka.create_topic("backlog", partitions=2)
    # As compressible as logs are: a batch of a megabyte that unpacks to a hundred is a hundred in memory.
    numbers = random.Random(1)
    fillers = [b"\n".join(message_lines(7)[0].replace(b"a@b", numbers.randbytes(12).hex().encode() + b"@b") for _ in range(500))
               for _ in range(60)]
    for partition in range(2):
        kafka.produce("backlog", fillers * 13, partition=partition, **{"compression.type": "zstd", "linger.ms": 50})
    total = sum(map(len, fillers)) * 26
    assert total > 64 << 20
    store = tmp_path / "store"
    (tmp_path / "empty").write_bytes(b"")
    bouncemill.run("run", "--store", store, tmp_path / "empty")
    run = Run(bouncemill, "--store", store, "--flush-interval", "0.01", "--threads", "1", "-X", "queued.max.messages.kbytes=2048",
              f"kafka://{kafka.brokers}/backlog")
    with sqlite3.connect(store / "catalog.sqlite", isolation_level=None) as catalog:
        catalog.execute("BEGIN IMMEDIATE")  # nobody else can commit for some seconds
        time.sleep(3)
        status = pathlib.Path(f"/proc/{run.process.pid}/status").read_text()
        rss_kib = next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM"))
        catalog.execute("ROLLBACK")
    try:
        found = run.wait_for(lambda found: sum(found.get("bouncemill_input_committed_position", {}).values()) == 1560, 60)
        run.wait_for(lambda found: list(found["bouncemill_input_lag_messages"].values()) == [0, 0])
        assert found.one("bouncemill_bytes_read_total") == total + 1560
    finally:
        run.process.kill()
        run.process.communicate()
    assert rss_kib < 110 << 10, f"{rss_kib} KiB"
