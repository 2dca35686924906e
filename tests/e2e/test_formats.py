"""Whose log it is: told by a file's first lines, or line by line, and said."""

import itertools
import json
import pathlib
import re

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
LOGS = {
    "postfix": ROOT / "samples/postfix.log",
    "exim": ROOT / "tests/data/exim/live/busy/mail.log",
    "sendmail": ROOT / "tests/data/sendmail/live/mail.log",
    "opensmtpd": ROOT / "tests/data/opensmtpd/live/mail.log",
    "kumomta": ROOT / "tests/data/kumomta/records.log",
    "powermta": ROOT / "tests/data/powermta/delivery.log",
    "halon": ROOT / "tests/data/halon/elastic.log",
    "qmail": ROOT / "tests/data/qmail/multilog.log",
    "haraka": ROOT / "tests/data/haraka/live/mail.log",
}
CHOSEN = {name: "mixed" if name in ("postfix", "sendmail", "opensmtpd") else name for name in LOGS}
# Whose columns or stamps need nothing but the line.
TOLD_BY_LINE = ["postfix", "exim", "sendmail", "opensmtpd", "kumomta", "halon", "qmail", "haraka"]


def formats_said(done) -> list[tuple[str, str]]:
    """(input, format) of each choice that the log tells."""
    return re.findall(r"event=format input=(\S+) format=(\S+)", done.stderr.decode())


def deliveries(done, without=()) -> list[dict]:
    read = [json.loads(line) for line in done.stdout.splitlines()]
    return [{key: value for key, value in delivery.items() if key not in without} for delivery in read]


def in_turn(names) -> bytes:
    """A line of each log after the other, until all are said."""
    logs = [LOGS[name].read_bytes().splitlines(keepends=True) for name in names]
    return b"".join(line for lines in itertools.zip_longest(*logs, fillvalue=b"") for line in lines)


@pytest.mark.parametrize("name", LOGS)
def test_first_lines_tell_whose_log_it_is(bouncemill, name):
    expected = bouncemill.run("parse", "--format", name, LOGS[name])
    done = bouncemill.run("parse", LOGS[name])
    assert formats_said(done) == [(str(LOGS[name]), CHOSEN[name])]
    assert deliveries(done) == deliveries(expected) != []
    assert formats_said(expected) == []


def test_each_file_is_chosen_for_alone(bouncemill):
    done = bouncemill.run("parse", *LOGS.values())
    assert formats_said(done) == [(str(path), CHOSEN[name]) for name, path in LOGS.items()]


@pytest.mark.parametrize("arguments", [["--format", "mixed"], ["--format", "auto"], []])
def test_lines_of_several_servers_say_what_each_log_says(bouncemill, arguments):
    mixed = bouncemill.run("parse", *arguments, stdin=in_turn(TOLD_BY_LINE))
    places = ("line", "time")  # stamps without a year are read by the file's time
    expected = []
    for name in TOLD_BY_LINE:
        expected += deliveries(bouncemill.run("parse", "--format", name, LOGS[name]), places)
    key = json.dumps
    assert sorted(map(key, deliveries(mixed, places))) == sorted(map(key, expected))


def test_a_delivery_names_its_line_in_a_mixed_stream(bouncemill):
    log = in_turn(["postfix", "exim", "kumomta"])
    lines = log.splitlines()
    found = deliveries(bouncemill.run("parse", stdin=log))
    assert len(found) > 100
    assert all(d["recipient"].encode() in lines[d["line"] - 1] for d in found if d["recipient"] and d["status"] != "expired")


@pytest.mark.parametrize("threads", [1, 2])
def test_a_mixed_log_gives_the_store_of_its_parts(bouncemill, tmp_path, threads):
    (tmp_path / "mixed.log").write_bytes(in_turn(TOLD_BY_LINE))
    done = bouncemill.run("run", "--store", tmp_path / "mixed", "--threads", threads, tmp_path / "mixed.log")
    assert formats_said(done) == [(str(tmp_path / "mixed.log"), "mixed")]
    for name in TOLD_BY_LINE:
        (tmp_path / name).write_bytes(LOGS[name].read_bytes())
        bouncemill.run("run", "--store", tmp_path / "parts", "--format", name, tmp_path / name)
    assert bouncemill.contents(tmp_path / "mixed") == bouncemill.contents(tmp_path / "parts")


def test_a_file_that_grew_is_still_whose_it_was(bouncemill, tmp_path):
    """What comes later in it does not tell: a mainlog's line that begins with a blank."""
    lines = LOGS["exim"].read_bytes().splitlines(keepends=True)
    log, half = tmp_path / "mainlog", len(lines) // 2
    log.write_bytes(b"".join(lines[:half]))
    first = bouncemill.run("run", "--store", tmp_path / "store", log)
    log.write_bytes(b"".join(lines[:half]) + b" of one of its warnings\n" + b"".join(lines[half:]))
    second = bouncemill.run("run", "--store", tmp_path / "store", log)
    assert formats_said(first) == formats_said(second) == [(str(log), "exim")]
    assert b"unparsed_lines=0" in second.stderr
    bouncemill.run("run", "--store", tmp_path / "once", "--format", "exim", log)
    assert bouncemill.contents(tmp_path / "store") == bouncemill.contents(tmp_path / "once")


def test_what_nobody_knows_is_counted(bouncemill):
    done = bouncemill.run("parse", stdin=b"what is this?\n{}\nNov 24 08:15:07 mx1 dovecot: x\n")
    assert formats_said(done) == [("-", "mixed")]
    assert b"noise_other_program=1" in done.stderr and b"unparsed_header=2" in done.stderr
