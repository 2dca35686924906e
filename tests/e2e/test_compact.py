"""Compaction: the same log gives the same segment files whatever happened on the way; kills and readers beside it change nothing."""

import collections
import contextlib
import hashlib
import os
import pathlib
import random
import shutil
import subprocess
import threading
import time

import pytest
from conftest import DATASETS

SEED = int(os.environ.get("BOUNCEMILL_SEED", random.randrange(1 << 32)))
NOW = "2026-11-24T12:00:00Z"
DAYS = [b"Jul  2", b"Jul 31", b"Oct 14", b"Nov 20", b"Nov 23", b"Nov 24"]
KILLS = 15


def by_day(content: bytes) -> list[bytes]:
    """The lines of one day spread over DAYS: months of days, days of hours and days of minutes."""
    lines = content.splitlines(keepends=True)
    size = len(lines) // len(DAYS) + 1
    return [b"".join(day + line[6:] for line in lines[at * size : (at + 1) * size]) for at, day in enumerate(DAYS)]


@pytest.fixture(scope="module")
def days(generate) -> list[bytes]:
    return by_day(generate(12_000_000, 21).read_bytes())


def write_log(path: pathlib.Path, content: bytes):
    path.write_bytes(content)
    os.utime(path, (1795521600, 1795521600))  # 2026-11-24T12:00:00Z: the year of its stamps


def segments(store) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in (store / "segments").iterdir()}


def compact(bouncemill, store, now=NOW, **more):
    return bouncemill.run("compact", "--store", store, "--now", now, **more)


@pytest.fixture(scope="module")
def undisturbed(bouncemill, days, tmp_path_factory) -> dict:
    dir = tmp_path_factory.mktemp("compacted")
    write_log(dir / "mail.log", b"".join(days))
    bouncemill.run("run", "--store", dir / "store", "--threads", 1, dir / "mail.log")
    before = bouncemill.report(dir / "store")
    compact(bouncemill, dir / "store")
    found = segments(dir / "store")
    # Of each dataset the month of July, and four days.
    assert sorted(name.count("-") for name in found) == [4] * len(DATASETS) + [5] * 4 * len(DATASETS), found
    after = bouncemill.report(dir / "store")
    assert {**before, "from": None, "to": None} == {**after, "from": None, "to": None}
    return found


# ---- the same bytes -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("threads", "flush_s"), [(1, 0.02), (2, None), (2, 0.02)])
def test_threads_and_flushes_leave_no_trace(bouncemill, days, undisturbed, threads, flush_s, tmp_path):
    write_log(tmp_path / "mail.log", b"".join(days))
    flush = [] if flush_s is None else ["--flush-interval", flush_s]
    bouncemill.run("run", "--store", tmp_path / "store", "--threads", threads, *flush, tmp_path / "mail.log")
    compact(bouncemill, tmp_path / "store")
    assert segments(tmp_path / "store") == undisturbed


def test_kills_of_the_run_leave_no_trace(bouncemill, days, undisturbed, tmp_path):
    write_log(tmp_path / "mail.log", b"".join(days))
    numbers, args = random.Random(SEED), ["run", "--store", tmp_path / "store", "--flush-interval", 0.01, tmp_path / "mail.log"]
    for _ in range(5):
        process = bouncemill.start(*args, stderr=subprocess.DEVNULL)
        time.sleep(numbers.uniform(0.05, 0.3))
        process.kill()
        process.wait()
    bouncemill.run(*args)
    compact(bouncemill, tmp_path / "store")
    assert segments(tmp_path / "store") == undisturbed, f"seed {SEED}"


@pytest.mark.parametrize("history", range(3))
def test_every_history_of_compactions_ends_the_same(bouncemill, days, undisturbed, history, tmp_path):
    numbers = random.Random(SEED + history)
    write_log(tmp_path / "mail.log", b"")
    content = b"".join(days)
    cuts = sorted(content.index(b"\n", numbers.randrange(len(content) - 1000)) + 1 for _ in range(4)) + [len(content)]
    for cut in cuts:
        write_log(tmp_path / "mail.log", content[:cut])
        bouncemill.run("run", "--store", tmp_path / "store", "--flush-interval", 0.05, tmp_path / "mail.log")
        compact(bouncemill, tmp_path / "store", numbers.choice(["2026-08-05", "2026-10-15", "2026-11-24", NOW]))
    compact(bouncemill, tmp_path / "store")
    assert segments(tmp_path / "store") == undisturbed, f"seed {SEED}"


# ---- kills and readers --------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def loose(bouncemill, days, tmp_path_factory) -> pathlib.Path:
    """A store of many segments."""
    dir = tmp_path_factory.mktemp("loose")
    write_log(dir / "mail.log", b"".join(days))
    bouncemill.run("run", "--store", dir / "store", "--threads", 2, "--flush-interval", 0.01, dir / "mail.log")
    assert len(segments(dir / "store")) > 20
    return dir / "store"


def test_kills_of_a_compaction_lose_and_double_nothing(bouncemill, loose, undisturbed, tmp_path):
    numbers = random.Random(SEED)
    shutil.copytree(loose, tmp_path / "timed")
    begun = time.monotonic()
    compact(bouncemill, tmp_path / "timed")
    duration_s = time.monotonic() - begun
    totals = bouncemill.report(loose)["totals"]
    kills = rounds = 0
    while kills < KILLS:
        store = tmp_path / f"store-{rounds}"
        shutil.copytree(loose, store)
        while True:
            process = bouncemill.start("compact", "--store", store, "--now", NOW, stdout=subprocess.DEVNULL)
            try:
                assert process.wait(timeout=numbers.uniform(0, duration_s)) == 0
                break
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
                kills += 1
            assert bouncemill.report(store)["totals"] == totals, f"seed {SEED}"
            if kills >= KILLS:
                compact(bouncemill, store)
                break
        assert segments(store) == undisturbed, f"after {kills} kills; seed {SEED}"
        assert b"BAD" not in bouncemill.run("doctor", "--store", store).stdout
        rounds += 1


@contextlib.contextmanager
def readers(count: int, read):
    """`count` threads that call `read` again and again; fails when one of them does."""
    is_over, errors, calls = threading.Event(), [], collections.Counter()

    def loop(number: int):
        while not is_over.is_set() and not errors:
            try:
                read()
                calls[number] += 1
            except Exception as error:  # noqa: BLE001
                errors.append(error)

    threads = [threading.Thread(target=loop, args=[number]) for number in range(count)]
    for thread in threads:
        thread.start()
    yield
    is_over.set()
    for thread in threads:
        thread.join()
    assert not errors, errors[0]
    assert all(calls[number] for number in range(count)), "a reader never came to its end"


def test_readers_beside_compactions_always_see_everything(bouncemill, loose, undisturbed, tmp_path):
    totals, store = bouncemill.report(loose)["totals"], tmp_path / "store"

    def read():
        assert bouncemill.report(store)["totals"] == totals

    shutil.copytree(loose, store)
    with readers(2, read):
        for now in ["2026-07-03", "2026-08-02", "2026-10-15", "2026-11-20", "2026-11-24", NOW]:
            compact(bouncemill, store, now)
    compact(bouncemill, store)
    assert segments(store) == undisturbed


def test_a_run_compacts_beside_its_work_and_leaves_no_trace(bouncemill, days, undisturbed, tmp_path):
    log, store = tmp_path / "mail.log", tmp_path / "store"
    write_log(log, b"")
    options = ["--store", store, "--flush-interval", 0.01, "--compact-interval", 0.05]
    run = bouncemill.start("run", "--follow", *options, log, stderr=subprocess.PIPE)
    os.set_blocking(run.stderr.fileno(), False)
    said, content = b"", b"".join(days)
    try:
        with open(log, "ab") as file:
            for at in range(0, len(content), 400_000):
                file.write(content[at : at + 400_000])
                file.flush()
                time.sleep(0.05)
        deadline = time.monotonic() + 60
        while said.count(b"event=compacted dataset=traffic") < 2:
            assert time.monotonic() < deadline, said.decode()
            time.sleep(0.05)
            said += run.stderr.read() or b""
        with readers(2, lambda: bouncemill.report(store)):
            time.sleep(0.5)
    finally:
        run.terminate()
        assert run.wait(timeout=60) == 0
    assert b"level=warning" not in said + (run.stderr.read() or b"")
    bouncemill.run("run", "--store", store, log)
    compact(bouncemill, store)
    assert segments(store) == undisturbed


# ---- the command --------------------------------------------------------------------------------------------------------------


def pieces(store, dataset) -> list[str]:
    return sorted(name.removeprefix(dataset + "-").rpartition("-")[0] for name in segments(store) if name.startswith(dataset))


def test_retention_is_taken_from_options_and_configuration(bouncemill, loose, tmp_path):
    config, store = tmp_path / "config.yaml", tmp_path / "store"
    config.write_text(f"store: {store}\nretention:\n  traffic: {{keep_days: 30, hour_days: 10}}\n")
    shutil.copytree(loose, store)
    bouncemill.run("compact", "--config", config, "--now", NOW)
    assert pieces(store, "traffic") == ["2026-10-0", "2026-11-20-0", "2026-11-23-0", "2026-11-24-0"]
    assert pieces(store, "relays") == ["2026-07-0", "2026-10-14-0", "2026-11-20-0", "2026-11-23-0", "2026-11-24-0"]
    bouncemill.run("compact", "--store", store, "--now", NOW, "--retain", "1,1,2", "--retain", "relays:1,1,0")
    assert pieces(store, "traffic") == pieces(store, "replies") == ["2026-11-23-0", "2026-11-24-0"]
    assert pieces(store, "relays") == ["2026-07-0", "2026-10-0", "2026-11-20-0", "2026-11-23-0", "2026-11-24-0"]


@pytest.mark.parametrize("retain", ["", "1", "1,2", "1,2,3,4", "2,1,9", "traffic:1,2", "nothing:1,2,3", "1,2,x", "1,2,99999"])
def test_a_retention_that_is_none_is_refused(bouncemill, retain, tmp_path):
    assert b"--retain" in bouncemill.run("compact", "--store", tmp_path, "--retain", retain, code=2).stderr


def test_a_wrong_retention_in_the_configuration_is_told_with_its_line(bouncemill, tmp_path):
    for wrong in ["mail: {keep_days: 1}", "traffic: {minute_days: 9, hour_days: 1}", "traffic: {years: 1}", "traffic: 3"]:
        (tmp_path / "config.yaml").write_text(f"retention:\n  {wrong}\n")
        assert b"config.yaml:2:" in bouncemill.run("compact", "--config", tmp_path / "config.yaml", code=2).stderr


def test_no_store_is_made_and_none_that_a_run_writes_is_touched(bouncemill, loose, tmp_path):
    bouncemill.run("compact", "--store", tmp_path / "none", code=3)
    assert not (tmp_path / "none").exists()
    shutil.copytree(loose, tmp_path / "store")
    (tmp_path / "more.log").touch()
    run = bouncemill.start("run", "--follow", "--store", tmp_path / "store", tmp_path / "more.log", stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 60
        while (tmp_path / "store" / "lock").read_text().strip() != str(run.pid):
            assert time.monotonic() < deadline and run.poll() is None
            time.sleep(0.02)
        bouncemill.run("compact", "--store", tmp_path / "store", code=75)
    finally:
        run.kill()
        run.wait()
