"""Killed at any instant and started again, a run ends with the same store as one that nobody disturbed.

Fifty kills each over a file and over Kafka at random times, as many at random calls on the store's directory, and one before or
after each step of a commit. When a run gets through in spite of them, its store is compared and the next one begins, until there
were enough. The numbers come from a seed that is printed on failure and can be set by $BOUNCEMILL_SEED; $BOUNCEMILL_KILLS asks for
more than fifty.
"""

import os
import random
import subprocess
import time

import pytest

import disk
from conftest import DATASETS

KILLS = int(os.environ.get("BOUNCEMILL_KILLS", 50))
LIMIT_S = 3 * KILLS
SEED = int(os.environ.get("BOUNCEMILL_SEED", random.randrange(1 << 32)))


class Killer:
    """Starts a run again and again, kills it at random instants, and watches what the kills hit."""

    def __init__(self, bouncemill, store, args, numbers, duration_s, idle_s):
        self.bouncemill, self.store, self.numbers = bouncemill, store, numbers
        self.args = ["run", "--store", store, "--threads", "2", "--flush-interval", "0.02", *args]
        self.duration_s, self.idle_s = duration_s, idle_s
        self.partial_stores = 0

    def instant_s(self) -> float:
        # One in five falls into the start, where only rules are compiled and the catalog is opened; the rest into the work.
        if self.numbers.random() < 0.2:
            return self.numbers.uniform(0, self.idle_s)
        return self.numbers.uniform(self.idle_s * 0.8, self.duration_s)

    def kill_once(self) -> bool:
        """False when the run was done before it could be killed."""
        process = self.bouncemill.start(*self.args, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        try:
            _, errors = process.communicate(timeout=self.instant_s())
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            self.partial_stores += self.has_segments()
            return True
        assert process.returncode == 0, errors.decode(errors="replace")
        return False

    def has_segments(self) -> bool:
        return any((self.store / "segments").glob("traffic-*.zst")) if (self.store / "segments").exists() else False


def timed(bouncemill, *args) -> float:
    start = time.monotonic()
    bouncemill.run(*args)
    return time.monotonic() - start


def check(bouncemill, store, undisturbed, when):
    assert bouncemill.contents(store) == undisturbed, when
    assert b"BAD" not in bouncemill.run("doctor", "--store", store).stdout, when
    known = {
        os.path.basename(path) for dataset in DATASETS for path in bouncemill.lines("files", dataset, "--store", store)
    }
    assert {path.name for path in (store / "segments").iterdir()} == known, f"files are left behind {when}"


def kill_until_enough(bouncemill, tmp_path, args, undisturbed, duration_s, idle_s):
    numbers, deadline = random.Random(SEED), time.monotonic() + LIMIT_S
    kills = rounds = partial_stores = 0
    # On a busy machine a run takes its time to begin: some kills must fall into the work, however many that takes.
    while kills < KILLS or partial_stores < KILLS // 5:
        killer = Killer(bouncemill, tmp_path / f"store-{rounds}", args, numbers, duration_s, idle_s)
        assert time.monotonic() < deadline, f"{kills} kills, {partial_stores} in the work, in {LIMIT_S} s; seed {SEED}"
        while killer.kill_once():
            kills += 1
            assert time.monotonic() < deadline, f"{kills} kills in {LIMIT_S} s; seed {SEED}"
            if kills >= KILLS and partial_stores + killer.partial_stores >= KILLS // 5:
                bouncemill.run(*killer.args)
                break
        check(bouncemill, killer.store, undisturbed, f"after {kills} kills, round {rounds}; seed {SEED}")
        partial_stores += killer.partial_stores
        rounds += 1


@pytest.fixture(scope="module")
def log(generate):
    return generate(100_000_000, 12)


@pytest.fixture(scope="module")
def idle_s(bouncemill, tmp_path_factory) -> float:
    """What a run takes that has nothing to do."""
    dir = tmp_path_factory.mktemp("idle")
    (dir / "empty.log").touch()
    return min(timed(bouncemill, "run", "--store", dir / "store", dir / "empty.log") for _ in range(3))


def test_fifty_kills_over_a_file_change_nothing(bouncemill, log, idle_s, tmp_path):
    store = tmp_path / "undisturbed"
    duration_s = timed(bouncemill, "run", "--store", store, "--threads", 2, "--flush-interval", 0.02, log)
    kill_until_enough(bouncemill, tmp_path, [log], bouncemill.contents(store), duration_s, idle_s)


@pytest.fixture(scope="module")
def topic(kafka, log) -> list[str]:
    """The source of a topic with the beginning of the log."""
    lines = log.read_bytes()[:40_000_000].splitlines(keepends=True)[:-1]
    produce_by_host(kafka, "kill", lines)
    return ["--until-end", f"kafka://{kafka.brokers}/kill"]


def produce_by_host(kafka, name, lines):
    """By host, as shippers key it: the lines of one message are in one partition. Several lines a message."""
    numbers, parts = random.Random(SEED), [[], []]
    for line in lines:
        parts[line[16:].split(b" ")[0] in (b"mta1", b"mta2")].append(line)
    kafka.create_topic(name, partitions=2)
    for partition, part in enumerate(parts):
        at, messages = 0, []
        while at < len(part):
            count = numbers.randrange(1, 200)
            messages.append(b"".join(part[at : at + count]))
            at += count
        kafka.produce(name, messages, partition=partition)


def test_fifty_kills_over_a_topic_change_nothing(bouncemill, topic, idle_s, tmp_path):
    store = tmp_path / "undisturbed"
    duration_s = timed(bouncemill, "run", "--store", store, "--threads", 2, "--flush-interval", 0.02, *topic)
    kill_until_enough(bouncemill, tmp_path, topic, bouncemill.contents(store), duration_s, idle_s)


# ---- at chosen calls ------------------------------------------------------------------------------------------------------------

# Name, call, what its path ends with or contains, before or after it. SQLite's journal is written and synced by COMMIT alone.
STEPS = [
    ("a segment is made", "open", ".mp.zst.tmp", "kill_after"),
    ("a frame is written", "write", ".mp.zst.tmp", "kill_after"),
    ("a segment is to be synced", "fsync", ".mp.zst.tmp", "kill_before"),
    ("a segment is synced", "fsync", ".mp.zst.tmp", "kill_after"),
    ("a segment is renamed", "rename", ".mp.zst.tmp", "kill_after"),
    ("the directory is to be synced", "fsync", "/segments", "kill_before"),
    ("the directory is synced", "fsync", "/store/segments", "kill_after"),
    ("the catalog is to be written", "write", "catalog.sqlite-wal", "kill_before"),
    ("the catalog is written", "write", "catalog.sqlite-wal", "kill_after"),
    ("COMMIT is to be synced", "fsync", "catalog.sqlite-wal", "kill_before"),
    ("COMMIT is synced", "fsync", "catalog.sqlite-wal", "kill_after"),
]
SWEEP = [("a file is to be swept", "unlink", ".mp.zst", "kill_before"), ("a file is swept", "unlink", ".mp.zst", "kill_after")]
KILLED = -9


@pytest.fixture(scope="module")
def shim(tmp_path_factory):
    return disk.build_shim(tmp_path_factory.mktemp("shim"))


@pytest.fixture(scope="module")
def short_log(generate):
    return generate(3_000_000, 13)


@pytest.fixture(scope="module")
def short_topic(kafka, short_log) -> list[str]:
    produce_by_host(kafka, "kill-short", short_log.read_bytes().splitlines(keepends=True))
    return ["--until-end", f"kafka://{kafka.brokers}/kill-short"]


class Victim:
    """Runs of one short source, with kills by the shim."""

    def __init__(self, bouncemill, shim, tmp_path, source):
        self.bouncemill, self.shim, self.tmp_path, self.source = bouncemill, shim, tmp_path, source
        store = tmp_path / "undisturbed"
        self.run(store)
        self.undisturbed = bouncemill.contents(store)

    def run(self, store, plan="") -> bool:
        """False when the plan killed it."""
        environment = disk.environment(self.shim, store, plan)
        done = self.bouncemill.run(
            "run", "--store", store, "--threads", "2", "--flush-interval", "0.01", *self.source, code=None, env=environment
        )
        assert done.returncode in ((0, KILLED) if plan else (0,)), done.stderr.decode(errors="replace")
        return done.returncode == 0

    def kill_at_steps(self):
        for number, (step, call, part, action) in enumerate(STEPS):
            # The first is in the first commit; later ones find a store with something in it.
            for first in (1, 5):
                store = self.tmp_path / f"{number}-{first}" / "store"
                assert not self.run(store, f"{call},{part},{action},{first},1"), f"{step}: the run never came to it"
                self.run(store)
                check(self.bouncemill, store, self.undisturbed, f"{step}, for the {first}. time")
        for number, (step, call, part, action) in enumerate(SWEEP):
            store = self.tmp_path / f"sweep-{number}" / "store"
            assert not self.run(store, "fsync,/segments,kill_before,7,1")
            assert not self.run(store, f"{call},{part},{action},1,1"), f"{step}: nothing was left to sweep"
            self.run(store)
            check(self.bouncemill, store, self.undisturbed, step)

    def random_plan(self, numbers) -> str:
        return f"any,/,{numbers.choice(['kill_before', 'kill_after'])},{numbers.randrange(1, 120)},1"

    def kill_at_random_calls(self, kills):
        numbers, rounds = random.Random(SEED), 0
        while kills > 0:
            store = self.tmp_path / f"random-{rounds}"
            while kills > 0 and not self.run(store, self.random_plan(numbers)):
                kills -= 1
            self.run(store)
            check(self.bouncemill, store, self.undisturbed, f"round {rounds}; seed {SEED}")
            rounds += 1


def test_a_kill_at_each_step_of_a_commit_over_a_file_changes_nothing(bouncemill, shim, short_log, tmp_path):
    Victim(bouncemill, shim, tmp_path, [short_log]).kill_at_steps()


def test_a_kill_at_each_step_of_a_commit_over_a_topic_changes_nothing(bouncemill, shim, short_topic, tmp_path):
    Victim(bouncemill, shim, tmp_path, short_topic).kill_at_steps()


def test_kills_at_random_calls_over_a_file_change_nothing(bouncemill, shim, short_log, tmp_path):
    Victim(bouncemill, shim, tmp_path, [short_log]).kill_at_random_calls(KILLS)


def test_kills_at_random_calls_over_a_topic_change_nothing(bouncemill, shim, short_topic, tmp_path):
    Victim(bouncemill, shim, tmp_path, short_topic).kill_at_random_calls(KILLS)
