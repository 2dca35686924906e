"""The dataset `recipients`: what the deliveries say of each recipient, under the names that were asked for, and nothing unasked."""

import collections
import datetime
import hashlib
import hmac
import json

import pytest

USAGE, INPUT = 2, 3
KEY = b"0123456789abcdef0123456789abcdef"
LOG_BYTES = 3_000_000


@pytest.fixture(scope="module")
def log(generate):
    return generate(LOG_BYTES, 21)


@pytest.fixture
def key(tmp_path):
    path = tmp_path / "recipients.key"
    path.write_bytes(KEY + b"\n")
    path.chmod(0o600)
    return path


def recipients(bouncemill, store):
    return [json.loads(line) for line in bouncemill.lines("dump", "recipients", "--store", store)]


def test_rows_are_what_the_deliveries_say(bouncemill, log, tmp_path):
    bouncemill.run("run", "--store", tmp_path / "store", "--recipients", "plain", "--threads", 2, "--flush-interval", 0.05, log)
    rows = recipients(bouncemill, tmp_path / "store")
    want = collections.defaultdict(lambda: [0, 1 << 62, 0])
    for line in bouncemill.lines("parse", log):
        delivery = json.loads(line)
        if delivery["direction"] != "out":
            continue
        second = int(datetime.datetime.fromisoformat(delivery["time"].replace("Z", "+00:00")).timestamp())
        entry = want[second // 86400, delivery["recipient"].lower()]
        entry[0] += 1
        entry[1], entry[2] = min(entry[1], second), max(entry[2], second)
    got = collections.defaultdict(lambda: [0, 1 << 62, 0])
    for row in rows:
        entry = got[row["day"], row["recipient"]]
        entry[0] += row["count"]
        entry[1], entry[2] = min(entry[1], row["first_time"]), max(entry[2], row["last_time"])
    assert len(want) > 1000 and got == want
    totals = collections.Counter()
    for row in rows:
        totals[row["outcome"]] += row["count"]
    report = json.loads(bouncemill.run("report", "--store", tmp_path / "store", "--json").stdout)["totals"]
    assert {name: totals[name] for name in ("delivered", "hard", "soft", "silent")} == {
        name: report[name] for name in ("delivered", "hard", "soft", "silent")
    }


def test_hashed_names_are_the_plain_ones_under_the_key(bouncemill, log, key, tmp_path):
    bouncemill.run("run", "--store", tmp_path / "plain", "--recipients", "plain", log)
    bouncemill.run("run", "--store", tmp_path / "hashed", "--recipients", "hashed", "--recipients-key", key, log)
    plain, hashed = recipients(bouncemill, tmp_path / "plain"), recipients(bouncemill, tmp_path / "hashed")
    for row in plain:
        row["recipient"] = hmac.new(KEY, row["recipient"].encode(), hashlib.sha256).hexdigest()[:32]

    def order(row):
        return row["day"], row["recipient"], row["outcome"], row["cause"]

    assert sorted(plain, key=order) == sorted(hashed, key=order)


def test_without_being_asked_nobody_is_kept(bouncemill, log, tmp_path):
    bouncemill.run("run", "--store", tmp_path / "store", log)
    assert recipients(bouncemill, tmp_path / "store") == []
    assert bouncemill.lines("files", "recipients", "--store", tmp_path / "store") == []


@pytest.mark.parametrize(
    "options, content, code, words",
    [
        (["--recipients", "some"], None, USAGE, b"off, hashed or plain"),
        (["--recipients", "hashed"], None, USAGE, b"need a key file"),
        (["--recipients", "plain", "--recipients-key", "k"], KEY, USAGE, b"only when they are hashed"),
        (["--recipients", "hashed", "--recipients-key", "missing"], None, INPUT, b"missing"),
        (["--recipients", "hashed", "--recipients-key", "k"], b"short\n", INPUT, b"less than 16"),
        (["--recipients", "hashed", "--recipients-key", "k"], b"x" * 5000, INPUT, b"more than 4096"),
    ],
)
def test_a_key_that_cannot_be_used_is_said_before_anything_is_made(bouncemill, options, content, code, words, tmp_path):
    if content is not None:
        (tmp_path / "k").write_bytes(content)
    before = sorted(tmp_path.iterdir())
    done = bouncemill.run("run", "--store", "store", *options, "-", stdin=b"", code=code, cwd=tmp_path)
    assert words in done.stderr
    assert sorted(tmp_path.iterdir()) == before
