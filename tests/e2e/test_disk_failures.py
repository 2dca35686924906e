"""A store that cannot be written stops the run; when it can be written again the run goes on and ends with the same store."""

import contextlib
import errno
import os
import re
import signal
import sqlite3
import subprocess
import time

import pytest

import disk
from listening_run import get, scrape

TRY_AGAIN = 75


@pytest.fixture(scope="module")
def shim(tmp_path_factory):
    return disk.build_shim(tmp_path_factory.mktemp("shim"))


@pytest.fixture(scope="module")
def log(generate):
    return generate(8_000_000, 21)


@pytest.fixture(scope="module")
def undisturbed(bouncemill, log, tmp_path_factory):
    store = tmp_path_factory.mktemp("undisturbed") / "store"
    bouncemill.run("run", "--store", store, log)
    return bouncemill.contents(store)


def arguments(store, log):
    return ["run", "--store", store, "--threads", "2", "--flush-interval", "0.01", "--no-progress", log]


def check(bouncemill, store, undisturbed):
    assert bouncemill.contents(store) == undisturbed
    bad = [line for line in bouncemill.lines("doctor", "--store", store, code=None) if line.startswith("BAD")]
    assert not [line for line in bad if "disk of the store" not in line]
    assert not list((store / "segments").glob("*.tmp"))


# Calls on the store and how they fail, from the second or a later commit on (the first writes make the catalog).
FAILURES = [
    ("open", ".mp.zst.tmp", errno.ENOSPC, 4),
    ("open", ".mp.zst.tmp", errno.EROFS, 5),
    ("write", ".mp.zst.tmp", errno.ENOSPC, 12),
    ("write", ".mp.zst.tmp", errno.EIO, 13),
    ("write", ".mp.zst.tmp", "short", 14),
    ("fsync", ".mp.zst.tmp", errno.EIO, 8),
    ("rename", ".mp.zst.tmp", errno.EIO, 8),
    ("fsync", "/segments", errno.EIO, 14),
    ("write", "catalog.sqlite-wal", errno.ENOSPC, 20),
    ("write", "catalog.sqlite-wal", errno.EIO, 21),
    ("write", "catalog.sqlite-wal", "short", 22),
    ("fsync", "catalog.sqlite-wal", errno.EIO, 4),
]


@pytest.mark.parametrize(("call", "part", "failure", "first"), FAILURES)
def test_a_call_that_fails_for_a_while_changes_nothing(bouncemill, shim, log, undisturbed, tmp_path, call, part, failure, first):
    store = tmp_path / "store"
    environment = disk.environment(shim, store, f"{call},{part},{failure},{first},3")
    done = bouncemill.run(*arguments(store, log), env=environment)
    blocked, again = done.stderr.count(b"event=store_blocked"), done.stderr.count(b"event=store_unblocked")
    assert blocked == again
    # SQLite and the segments write the rest of a short write themselves. A state is told once, not for each of the three tries.
    assert blocked in ((0, 1) if failure == "short" else (1, 2)), done.stderr.decode()
    if failure != "short":
        line = next(line for line in done.stderr.splitlines() if b"event=store_blocked" in line)
        assert str(store).encode() in line
    check(bouncemill, store, undisturbed)


def test_a_failed_fsync_is_answered_by_a_new_file(bouncemill, shim, log, undisturbed, tmp_path):
    store, record = tmp_path / "store", tmp_path / "record"
    bouncemill.run(*arguments(store, log), env=disk.environment(shim, store, f"fsync,.mp.zst.tmp,{errno.EIO},5,1", record))
    calls = disk.read_record(record)
    made = {call.path for call in calls if call.name == "open" and call.path.endswith(".mp.zst.tmp")}
    synced = [call.path for call in calls if call.name == "fsync" and call.path.endswith(".mp.zst.tmp")]
    unlinked = {call.path for call in calls if call.name == "unlink" and call.path.endswith(".mp.zst.tmp")}
    renamed = {call.path for call in calls if call.name == "rename" and call.path.endswith(".mp.zst.tmp")}
    assert len(synced) == len(set(synced)), "no file is synced twice"
    assert made - set(synced) and made - set(synced) <= unlinked, "the file whose fsync failed is deleted"
    assert renamed <= set(synced)
    check(bouncemill, store, undisturbed)


@contextlib.contextmanager
def started(bouncemill, args, **more):
    process = bouncemill.start(*args, stderr=subprocess.PIPE, **more)
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def wait_for_line(process, pattern: bytes) -> re.Match:
    for line in process.stderr:
        if match := re.search(pattern, line):
            return match
    raise AssertionError(f"no line with {pattern}")


def test_a_signal_ends_a_blocked_run_at_once_and_the_next_goes_on(bouncemill, shim, log, undisturbed, tmp_path):
    store = tmp_path / "store"
    environment = disk.environment(shim, store, f"fsync,.mp.zst.tmp,{errno.EIO},7,1000000")
    with started(bouncemill, arguments(store, log), env=environment) as process:
        wait_for_line(process, rb"event=store_blocked")
        asked = time.monotonic()
        process.send_signal(signal.SIGTERM)
        errors = process.communicate(timeout=30)[1]
        assert time.monotonic() - asked < 5
        assert process.returncode == TRY_AGAIN
        assert b"stopped while the store could not be written" in errors and b"Input/output error" in errors
    bouncemill.run(*arguments(store, log))
    check(bouncemill, store, undisturbed)


def test_a_locked_catalog_is_waited_for_and_named(bouncemill, log, undisturbed, tmp_path):
    store = tmp_path / "store"
    (tmp_path / "empty.log").touch()
    bouncemill.run("run", "--store", store, tmp_path / "empty.log")
    other = sqlite3.connect(store / "catalog.sqlite", isolation_level=None)
    with started(bouncemill, [*arguments(store, log), "--listen", "0"]) as process:
        port = int(wait_for_line(process, rb"event=listening .* port=(\d+)")[1])
        other.execute("BEGIN IMMEDIATE")
        assert b"catalog.sqlite" in wait_for_line(process, rb"event=store_blocked.*another program has locked it.*").group()
        deadline = time.monotonic() + 10
        while get(port, "/readyz")[0] == 200 and time.monotonic() < deadline:
            time.sleep(0.1)
        code, reason = get(port, "/readyz")
        assert code == 503 and "locked" in reason
        assert get(port, "/healthz")[0] == 200
        other.execute("ROLLBACK")
        other.close()
        process.communicate(timeout=60)
        assert process.returncode == 0
    check(bouncemill, store, undisturbed)


@pytest.fixture
def small_disk(tmp_path):
    where = tmp_path / "small"
    where.mkdir()
    if os.geteuid() or subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "none", where], capture_output=True).returncode:
        pytest.skip("needs the right to mount a tmpfs")
    yield where
    subprocess.run(["umount", "-l", where], check=True)


def processor_s(process) -> float:
    fields = open(f"/proc/{process.pid}/stat").read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def test_a_full_disk_stops_the_reading_until_there_is_room(bouncemill, log, undisturbed, small_disk):
    store, ballast = small_disk / "store", small_disk / "ballast"
    (small_disk / "empty.log").touch()
    bouncemill.run("run", "--store", store, small_disk / "empty.log")
    free = os.statvfs(small_disk)
    ballast.write_bytes(bytes(free.f_bavail * free.f_frsize - 300_000))
    with started(bouncemill, [*arguments(store, log), "--listen", "0"]) as process:
        port = int(wait_for_line(process, rb"event=listening .* port=(\d+)")[1])
        assert b"store" in wait_for_line(process, rb"event=store_blocked.*(No space left|disk is full).*").group()
        deadline = time.monotonic() + 10
        while get(port, "/readyz")[0] == 200 and time.monotonic() < deadline:
            time.sleep(0.1)
        code, reason = get(port, "/readyz")
        assert code == 503 and str(store) in reason
        time.sleep(1.1)
        before, spent = scrape(port), processor_s(process)
        assert before.one("bouncemill_store_blocked") == 1
        time.sleep(2.5)
        after = scrape(port)
        assert processor_s(process) - spent < 0.5, "waiting costs nothing"
        assert after.one("bouncemill_lines_read_total") == before.one("bouncemill_lines_read_total"), "nothing is read meanwhile"
        assert 1 <= after.one("bouncemill_store_failed_tries_total") <= 12
        ballast.unlink()
        errors = process.communicate(timeout=60)[1]
        assert process.returncode == 0, errors
        assert b"event=store_unblocked" in errors
    check(bouncemill, store, undisturbed)
