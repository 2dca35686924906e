"""Killed at any instant and started again, a run ends with the same store as one that nobody disturbed.

Fifty kills each over a file and over Kafka. When a run gets through in spite of them, its store is compared and the next one
begins, until there were enough. The instants come from a seed that is printed on failure and can be set by $BOUNCEMILL_SEED.
"""

import os
import random
import subprocess
import time

import pytest

KILLS = 50
LIMIT_S = 150
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
        assert bouncemill.contents(killer.store) == undisturbed, f"after {kills} kills, round {rounds}; seed {SEED}"
        assert b"BAD" not in bouncemill.run("doctor", "--store", killer.store).stdout
        known = {
            os.path.basename(path)
            for dataset in ("traffic", "relays", "replies")
            for path in bouncemill.lines("files", dataset, "--store", killer.store)
        }
        assert {path.name for path in (killer.store / "segments").iterdir()} == known, "files are left behind"
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


def test_fifty_kills_over_a_topic_change_nothing(bouncemill, kafka, log, idle_s, tmp_path):
    lines = log.read_bytes()[:40_000_000].splitlines(keepends=True)[:-1]
    numbers, parts = random.Random(SEED), [[], []]
    # By host, as shippers key it: the lines of one message are in one partition. Several lines a message.
    for line in lines:
        parts[line[16:].split(b" ")[0] in (b"mta1", b"mta2")].append(line)
    kafka.create_topic("kill", partitions=2)
    for partition, part in enumerate(parts):
        at, messages = 0, []
        while at < len(part):
            count = numbers.randrange(1, 200)
            messages.append(b"".join(part[at : at + count]))
            at += count
        kafka.produce("kill", messages, partition=partition)
    source = ["--until-end", f"kafka://{kafka.brokers}/kill"]
    store = tmp_path / "undisturbed"
    duration_s = timed(bouncemill, "run", "--store", store, "--threads", 2, "--flush-interval", 0.02, *source)
    kill_until_enough(bouncemill, tmp_path, source, bouncemill.contents(store), duration_s, idle_s)
