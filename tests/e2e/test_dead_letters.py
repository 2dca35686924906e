"""Lines that cannot be parsed: none vanishes, whatever the source, and whatever happens to the run."""

import base64
import gzip
import json
import re
import subprocess
import time

import pytest

DELIVERY = (b"Nov 24 08:15:07 mx1 postfix/smtp[9]: 3F2A1B4C%02d: to=<c@d.example>, relay=mx.d.example[192.0.2.1]:25, delay=1, "
            b"delays=1/0/0/0, dsn=2.0.0, status=sent (250 ok)")
RUN = ("run", "--format", "postfix")
GOOD = b"Nov 24 08:15:07 mx1 postfix/qmgr[9]: 3F2A1B4C5D: removed"
BAD = [b"nonsense", b"gr\xfc\xdfe \xff\x00 of eight bits", "grüße".encode(),
       b"Nov 24 08:15:07 mx1 postfix/smtp[9]: 3F2A1B4C5D: to=<a@b.example>, relay=none, status=",
       b"1999-01-01T00:00:00Z mx1 postfix/qmgr[9]: 3F2A1B4C5D: removed", b"x" * 70000]


def line_of(record: dict) -> bytes:
    return base64.b64decode(record["bytes"]) if "bytes" in record else record["line"].encode()


def log_and_places() -> tuple[bytes, dict[int, bytes]]:
    log, places = b"", {}
    for bad in BAD * 20:
        log += GOOD + b"\n"
        places[len(log)] = bad
        log += bad + b"\n"
    return log, places


def counts(stderr: bytes) -> dict[str, dict[str, int]]:
    """{"done": {"lines": 240, ...}, "noise": {...}, "unparsed": {...}}"""
    found = {}
    for event, rest in re.findall(r"event=(\w+) (.*)", stderr.decode(errors="replace")):
        found[event] = {key: int(value) for key, value in re.findall(r"(\w+)=(\d+)(?= |$)", rest)}
    return found


def test_every_unparsed_line_is_in_the_file_with_its_place(bouncemill, tmp_path):
    log, places = log_and_places()
    (tmp_path / "mail.log").write_bytes(log)
    letters = tmp_path / "letters.ndjson"
    done = bouncemill.run(*RUN, "--store", tmp_path / "store", "--threads", 3, "--dead-letter", letters, tmp_path / "mail.log")
    records = [json.loads(line) for line in letters.read_text("utf-8").splitlines()]
    assert {record["position"]: line_of(record) for record in records} == {at: bad[:65536] for at, bad in places.items()}
    assert len(records) == len(places)
    assert {record["input"] for record in records} == {str(tmp_path / "mail.log")}
    reasons = [record["reason"] for record in records]
    assert {reason: reasons.count(reason) for reason in set(reasons)} == {"header": 60, "body": 20, "time": 20, "too_long": 20}
    assert len(re.findall(rb"event=unparsed_line ", done.stderr)) == 5
    # Nothing is read twice, and so nothing is written twice.
    bouncemill.run(*RUN, "--store", tmp_path / "store", "--dead-letter", letters, tmp_path / "mail.log")
    assert len(letters.read_text("utf-8").splitlines()) == len(places)


def test_each_line_ends_in_one_count_and_they_are_told(bouncemill, tmp_path):
    log, places = log_and_places()
    log += b"\nNov 24 08:15:07 mx1 cron[9]: other program\n"
    done = bouncemill.run(*RUN, "--store", tmp_path / "store", "-", stdin=log)
    told = counts(done.stderr)
    assert told["done"]["lines"] == log.count(b"\n")
    assert told["done"]["lines"] == sum(told["done"][f"{kind}_lines"] for kind in ["delivery", "info", "noise", "unparsed"])
    assert told["done"]["noise_lines"] == sum(told["noise"].values())
    assert told["done"]["unparsed_lines"] == sum(told["unparsed"].values()) == len(places)
    assert told["noise"]["empty"] == told["noise"]["other_program"] == 1


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("max_line", [1024, 65536, 262144])
@pytest.mark.parametrize("kind", ["file", "gz", "stdin", "followed"])
def test_a_line_of_any_length_is_counted_once_and_the_next_is_read(bouncemill, tmp_path, kind, max_line, threads):
    lengths = [max_line, max_line + 1, 3_000_000, 524_287, 524_288, 5]
    log = b"".join(DELIVERY % number + b"\n" + b"x" * length + b"\n" for number, length in enumerate(lengths))
    path = tmp_path / "mail.log"
    path.write_bytes(gzip.compress(log, 1) if kind == "gz" else log)
    letters = tmp_path / "letters.ndjson"
    args = [*RUN, "--store", tmp_path / "store", "--threads", threads, "--max-line", max_line,
            "--dead-letter", letters]
    if kind == "followed":
        run = bouncemill.start(*args, "--follow", "--flush-interval", "0.1", path, stderr=subprocess.PIPE)
        deadline = time.monotonic() + 30
        while len(letters.read_bytes().splitlines() if letters.exists() else []) < len(lengths) and time.monotonic() < deadline:
            time.sleep(0.1)
        run.terminate()
        stderr = run.communicate(timeout=30)[1]
    else:
        stderr = bouncemill.run(*args, "-" if kind == "stdin" else path, stdin=log if kind == "stdin" else b"").stderr
    check_long_lines(stderr, letters.read_text().splitlines(), lengths, max_line)
    begins = [log.index(b"\nx", log.index(DELIVERY % number)) + 1 for number in range(len(lengths))]
    assert sorted(json.loads(line)["position"] for line in letters.read_text().splitlines()) == begins


def check_long_lines(stderr, letters, lengths, max_line):
    told = counts(stderr)
    assert told["done"]["lines"] == 2 * len(lengths) and told["done"]["deliveries"] == len(lengths)
    too_long = sum(length > max_line for length in lengths)
    assert told["unparsed"] == {"header": len(lengths) - too_long, "body": 0, "time": 0, "too_long": too_long}
    assert sorted(len(json.loads(line)["line"]) for line in letters) == sorted(min(length, max_line) for length in lengths)


def test_a_message_of_any_length_is_counted_once_and_the_next_is_read(bouncemill, kafka, tmp_path):
    kafka.create_topic("long")
    lengths = [65536, 65537, 524_287, 524_288, 900_000, 5]
    kafka.produce("long", [message for number, length in enumerate(lengths) for message in (DELIVERY % number, b"x" * length)])
    letters = tmp_path / "letters.ndjson"
    done = bouncemill.run(*RUN, "--store", tmp_path / "store", "--threads", 1, "--until-end",
                          "--dead-letter", letters, f"kafka://{kafka.brokers}/long")
    check_long_lines(done.stderr, letters.read_text().splitlines(), lengths, 65536)


def test_a_full_disk_ends_the_run_and_commits_nothing_behind_it(bouncemill, tmp_path):
    log, places = log_and_places()
    (tmp_path / "mail.log").write_bytes(log)
    done = bouncemill.run(*RUN, "--store", tmp_path / "store", "--dead-letter", "/dev/full", tmp_path / "mail.log", code=3)
    assert b"/dev/full" in done.stderr and b"No space left on device" in done.stderr
    letters = tmp_path / "letters.ndjson"
    bouncemill.run(*RUN, "--store", tmp_path / "store", "--dead-letter", letters, tmp_path / "mail.log")
    assert len(letters.read_text("utf-8").splitlines()) == len(places)


def test_kills_lose_no_line(bouncemill, tmp_path):
    log, places = b"", set()
    pieces = []
    for number in range(100_000):
        pieces += [GOOD + b"\n", b"nonsense %06d\n" % number]
    at = 0
    for piece in pieces:
        if piece.startswith(b"nonsense"):
            places.add(at)
        at += len(piece)
    log = b"".join(pieces)
    (tmp_path / "mail.log").write_bytes(log)
    letters = tmp_path / "letters.ndjson"
    args = [*RUN, "--store", tmp_path / "store", "--flush-interval", "0.01", "--dead-letter", letters,
            tmp_path / "mail.log"]
    kills = 0
    for _ in range(6):
        before = letters.stat().st_size if letters.exists() else 0
        run = bouncemill.start(*args, stderr=subprocess.DEVNULL)
        while run.poll() is None and (not letters.exists() or letters.stat().st_size <= before):
            time.sleep(0.001)
        kills += run.poll() is None
        run.kill()
        run.wait()
    bouncemill.run(*args)
    found, torn = set(), 0
    for line in letters.read_bytes().splitlines():
        try:
            record = json.loads(line)
            found.add(record["position"])
            assert record["line"].startswith("nonsense ")
        except json.JSONDecodeError:
            torn += 1
    assert kills >= 1 and torn <= kills
    assert found == places


def test_a_target_that_cannot_be_written_is_said_before_anything_is_read(bouncemill, tmp_path):
    (tmp_path / "mail.log").write_bytes(GOOD + b"\n")
    done = bouncemill.run(*RUN, "--store", tmp_path / "store", "--dead-letter", tmp_path / "no/dir", tmp_path / "mail.log", code=3)
    assert b"no/dir" in done.stderr


def test_a_topic_takes_one_message_a_line_with_the_offset_of_its_source(bouncemill, kafka, tmp_path):
    from confluent_kafka import Consumer, TopicPartition

    kafka.create_topic("dead-in")
    kafka.create_topic("dead-out")
    messages = [message for bad in BAD * 20 for message in (GOOD, bad)]
    kafka.produce("dead-in", messages)
    url = f"kafka://{kafka.brokers}"
    bouncemill.run(*RUN, "--store", tmp_path / "store", "--until-end", "--dead-letter", f"{url}/dead-out", f"{url}/dead-in")
    consumer = Consumer({"bootstrap.servers": kafka.brokers, "group.id": "test", "enable.auto.commit": False})
    consumer.assign([TopicPartition("dead-out", 0, 0)])
    found = {}
    while len(found) < len(messages) // 2:
        message = consumer.poll(30)
        assert message is not None and not message.error()
        record = json.loads(message.value())
        assert record["input"] == "dead-in/0"
        found[record["position"]] = line_of(record)
    assert consumer.poll(1) is None
    consumer.close()
    assert found == {offset: message[:65536] for offset, message in enumerate(messages) if offset % 2}


def test_a_topic_that_is_not_there_is_said(bouncemill, kafka, tmp_path):
    done = bouncemill.run(*RUN, "--store", tmp_path / "store", "--dead-letter", f"kafka://{kafka.brokers}/nowhere", "-", code=3)
    assert b"has no topic 'nowhere'" in done.stderr
