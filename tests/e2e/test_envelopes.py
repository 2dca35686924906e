"""Lines in what shippers wrap around them give the store that the plain lines give: through the real rsyslog, syslog-ng and journal, and in the
shapes that Filebeat, Fluent Bit, Vector, Docker and Kubernetes write, from files and through a real Kafka. None of these five comes in
a package that could be had here, so their shapes are made by their documentation.
"""

import json
import re
import struct
import time

import msgpack
import pytest
from confluent_kafka import Consumer, TopicPartition

import shippers

ARRIVE_SECONDS = 60
HEADER = re.compile(rb"^(\S+) (\S+) ([^\s\[:]+)(?:\[(\d+)\])?: (.*)$")


@pytest.fixture(scope="module")
def lines(generate) -> list[bytes]:
    """Lines with RFC 3339 stamps of a day in the past, all with a header that can be taken apart."""
    stamp = re.compile(rb"^Nov ([ \d]\d) (\d\d:\d\d:\d\d) ")
    made = []
    for line in generate(1_500_000, 5).read_bytes().split(b"\n"):
        match = stamp.match(line)
        if not match:
            continue
        day = int(match[1])
        line = b"2024-11-%02dT%s.250000+00:00 %s" % (day, match[2], line[match.end() :])
        if HEADER.match(line):
            made.append(line)
    assert len(made) > 5000
    return made


@pytest.fixture(scope="module")
def expected(bouncemill, lines, tmp_path_factory) -> dict:
    dir = tmp_path_factory.mktemp("plain")
    (dir / "mail.log").write_bytes(b"\n".join(lines) + b"\n")
    bouncemill.run("run", "--store", dir / "store", dir / "mail.log")
    contents = bouncemill.contents(dir / "store")
    assert contents["report"]["totals"]["attempts"] > 500
    return contents


def say(done):
    """The words of a run's last events: {"done": {...}, "unwrapped": {...}}."""
    events = {}
    for line in done.stderr.decode().splitlines():
        words = dict(re.findall(r"(\w+)=(\S+)", line))
        events[words.get("event")] = words
    return events


def check_run(bouncemill, tmp_path, expected, source, *options):
    done = bouncemill.run("run", "--store", tmp_path / "store", *options, source)
    assert bouncemill.contents(tmp_path / "store") == expected
    return done


# ---- real shippers ------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def have_shippers():
    try:
        return shippers.unpacked()
    except shippers.Unavailable as reason:
        pytest.skip(str(reason))


def create_topic(kafka, topic):
    # Shippers send the time of the line with a message, and Kafka deletes what is older than its retention.
    kafka.create_topic(topic, config={"retention.ms": "-1"})


def wait_for(kafka, topic, count):
    consumer = Consumer({"bootstrap.servers": kafka.brokers, "group.id": "watch"})
    deadline = time.monotonic() + ARRIVE_SECONDS
    high = 0
    while time.monotonic() < deadline:
        _, high = consumer.get_watermark_offsets(TopicPartition(topic, 0), timeout=10, cached=False)
        if high >= count:
            break
        time.sleep(0.2)
    consumer.close()
    assert high == count, f"{high} of {count} messages have come to {topic}"


# As in rsyslog's documentation of JSON for other systems.
RSYSLOG_TEMPLATE = """
  constant(value="{\\"timestamp\\":\\"") property(name="timereported" dateFormat="rfc3339")
  constant(value="\\",\\"message\\":\\"") property(name="msg" format="json")
  constant(value="\\",\\"host\\":\\"") property(name="hostname")
  constant(value="\\",\\"severity\\":\\"") property(name="syslogseverity-text")
  constant(value="\\",\\"facility\\":\\"") property(name="syslogfacility-text")
  constant(value="\\",\\"syslog-tag\\":\\"") property(name="syslogtag") constant(value="\\"}")
"""
RSYSLOG_TOPICS = {"rsyslog-jsonmesg": 'property(name="jsonmesg")', "rsyslog-template": RSYSLOG_TEMPLATE, "rsyslog-default": None}


@pytest.fixture(scope="module")
def through_rsyslog(have_shippers, kafka, lines, tmp_path_factory):
    for topic in RSYSLOG_TOPICS:
        create_topic(kafka, topic)
    with shippers.Rsyslog(tmp_path_factory.mktemp("rsyslog"), kafka.brokers, RSYSLOG_TOPICS) as shipper:
        shipper.send(lines)
        for topic in RSYSLOG_TOPICS:
            wait_for(kafka, topic, len(lines))


@pytest.mark.parametrize("topic", RSYSLOG_TOPICS)
def test_lines_through_rsyslog_give_the_same_store(bouncemill, kafka, through_rsyslog, expected, lines, tmp_path, topic):
    done = check_run(bouncemill, tmp_path, expected, f"kafka://{kafka.brokers}/{topic}", "--until-end")
    assert say(done).get("unwrapped", {}).get("lines") == (None if topic == "rsyslog-default" else str(len(lines)))


SYSLOG_NG_TOPICS = {
    "syslog-ng-rfc5424": "$(format-json --scope rfc5424 --exclude DATE --key ISODATE)",
    "syslog-ng-nv-pairs": "$(format-json --scope rfc3164,nv-pairs --key ISODATE --key LEGACY_MSGHDR)",
    "syslog-ng-plain": "$ISODATE $HOST $MSGHDR$MSG",
}


@pytest.fixture(scope="module")
def through_syslog_ng(have_shippers, kafka, lines, tmp_path_factory):
    for topic in SYSLOG_NG_TOPICS:
        create_topic(kafka, topic)
    with shippers.SyslogNg(tmp_path_factory.mktemp("syslog-ng"), kafka.brokers, SYSLOG_NG_TOPICS) as shipper:
        shipper.send(lines)
        for topic in SYSLOG_NG_TOPICS:
            wait_for(kafka, topic, len(lines))


@pytest.mark.parametrize("topic", SYSLOG_NG_TOPICS)
def test_lines_through_syslog_ng_give_the_same_store(bouncemill, kafka, through_syslog_ng, expected, lines, tmp_path, topic):
    source = f"kafka://{kafka.brokers}/{topic}"
    done = check_run(bouncemill, tmp_path, expected, source, "--until-end")
    assert say(done).get("unwrapped", {}).get("lines") == (None if topic == "syslog-ng-plain" else str(len(lines)))


def test_lines_through_the_journal_give_the_same_store(bouncemill, have_shippers, expected, lines, tmp_path):
    entries = []
    for number, line in enumerate(lines):
        stamp, host, program, pid, text = HEADER.match(line).groups()
        seconds = time.mktime(time.strptime(stamp[:19].decode(), "%Y-%m-%dT%H:%M:%S")) - time.timezone
        entries.append({
            "__REALTIME_TIMESTAMP": int(seconds * 1_000_000) + 250_000, "__MONOTONIC_TIMESTAMP": number + 1,
            "_BOOT_ID": "6f3f4ff3a9b94e7f8d6b8b8e4b0c7c11", "_MACHINE_ID": "6f3f4ff3a9b94e7f8d6b8b8e4b0c7c12",
            "_HOSTNAME": host.decode(), "SYSLOG_IDENTIFIER": program.decode(), "SYSLOG_PID": (pid or b"1").decode(),
            "PRIORITY": 6, "MESSAGE": text.decode(),
        })  # fmt: skip
    try:
        (tmp_path / "journal.json").write_bytes(shippers.through_journal(tmp_path, entries))
    except shippers.Unavailable as reason:
        pytest.skip(str(reason))
    check_run(bouncemill, tmp_path, expected, tmp_path / "journal.json")


# ---- shapes by documentation --------------------------------------------------------------------------------------------------


def filebeat(line):
    return {
        "@timestamp": "2024-12-01T00:00:00.000Z",
        "@metadata": {"beat": "filebeat", "type": "_doc", "version": "8.15.0"},
        "log": {"offset": 0, "file": {"path": "/var/log/mail.log"}},
        "message": line.decode(),
        "input": {"type": "filestream"},
        "host": {"name": "shipper"},
        "agent": {"type": "filebeat", "version": "8.15.0", "name": "shipper"},
        "ecs": {"version": "8.0.0"},
    }


def vector_syslog(line):
    stamp, host, program, pid, text = (part and part.decode() for part in HEADER.match(line).groups())
    return {
        "appname": program, "facility": "mail", "host": host, "hostname": host, "message": text, "procid": int(pid or 1),
        "severity": "info", "source_ip": "192.0.2.1", "source_type": "syslog", "timestamp": stamp.replace("+00:00", "Z"),
    }  # fmt: skip


def fluent_bit(line):
    return {"@timestamp": 1733011200.5, "log": line.decode()}


def docker(line):
    return {"log": line.decode() + "\n", "stream": "stdout", "time": "2024-12-01T00:00:00.123456789Z"}


def cri(line):
    cut = len(line) // 2
    head = b"2024-12-01T00:00:00.123456789Z stdout "
    return head + b"P " + line[:cut] + b"\n" + head + b"F " + line[cut:]


def compact(shape):
    return lambda line: json.dumps(shape(line), separators=(",", ":")).encode()


FILES = {"filebeat": compact(filebeat), "vector": compact(vector_syslog), "fluent-bit": compact(fluent_bit), "docker": compact(docker), "cri": cri}


@pytest.mark.parametrize("envelope", FILES)
@pytest.mark.parametrize("named", [False, True], ids=["auto", "named"])
def test_lines_of_a_file_give_the_same_store(bouncemill, expected, lines, tmp_path, envelope, named):
    (tmp_path / "wrapped").write_bytes(b"\n".join(FILES[envelope](line) for line in lines) + b"\n")
    options = ["--envelope", envelope] if named else []
    check_run(bouncemill, tmp_path, expected, tmp_path / "wrapped", "--threads", "2", *options)


def event_time(line):
    return msgpack.packb([msgpack.ExtType(0, struct.pack(">II", 1733011200, 500_000_000)), {"log": line.decode()}])


def pretty(line):
    return json.dumps(filebeat(line), indent=2).encode()


def plain_or_wrapped(line):
    return line if len(line) % 3 else compact(vector_syslog)(line)


MESSAGES = {
    "msgpack-event-time": event_time,
    "msgpack-map": lambda line: msgpack.packb(fluent_bit(line)),
    "json-pretty": pretty,
    "mixed": plain_or_wrapped,
}


@pytest.mark.parametrize("shape", MESSAGES)
def test_messages_of_kafka_give_the_same_store(bouncemill, kafka, expected, lines, tmp_path, shape):
    kafka.create_topic(shape)
    kafka.produce(shape, [MESSAGES[shape](line) for line in lines])
    check_run(bouncemill, tmp_path, expected, f"kafka://{kafka.brokers}/{shape}", "--until-end")


def test_batches_of_records_in_one_message_give_the_same_store(bouncemill, kafka, expected, lines, tmp_path):
    kafka.create_topic("batches")
    messages = []
    for at in range(0, len(lines), 700):
        some = lines[at : at + 700]
        if at // 700 % 2:
            messages.append(json.dumps([filebeat(line) for line in some]).encode())
        else:
            messages.append(b"\n".join(compact(fluent_bit)(line) for line in some))
    kafka.produce("batches", messages)
    check_run(bouncemill, tmp_path, expected, f"kafka://{kafka.brokers}/batches", "--until-end")


def test_what_was_unwrapped_is_counted_once_however_often_a_run_is_started(bouncemill, expected, lines, tmp_path):
    whole = b"\n".join(compact(filebeat)(line) for line in lines) + b"\n"
    for part in range(1, 8):
        (tmp_path / "wrapped.json").write_bytes(whole[: len(whole) * part // 7])
        # A file that is still written: what has no line end yet is left for the next time.
        (tmp_path / "wrapped.json").write_bytes(whole[: whole.rfind(b"\n", 0, len(whole) * part // 7) + 1])
        bouncemill.run("run", "--store", tmp_path / "store", "--flush-interval", "0.02", tmp_path / "wrapped.json")
    assert bouncemill.contents(tmp_path / "store") == expected


def test_a_named_envelope_reads_no_other(bouncemill, tmp_path):
    line = compact(docker)(b"2024-11-01T00:00:00Z mx1 postfix/smtp[1]: 4AAA11111: to=<a@b.example>, relay=none, delay=1, "
                           b"delays=0/0/0/1, dsn=4.4.1, status=deferred (x)")  # fmt: skip
    assert len(bouncemill.lines("parse", stdin=line)) == 1
    assert len(bouncemill.lines("parse", "--envelope", "docker", stdin=line)) == 1
    assert len(bouncemill.lines("parse", "--envelope", "filebeat", stdin=line)) == 0
    assert len(bouncemill.lines("parse", "--envelope", "plain", stdin=line)) == 0
    done = bouncemill.run("parse", "--envelope", "gelf", stdin=line, code=2)
    assert b"unknown envelope 'gelf'" in done.stderr
