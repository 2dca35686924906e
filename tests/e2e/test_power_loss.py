"""What a power cut leaves of a store, at every point of a recorded run: the next run ends with the same store.

Every call that changes the store's directory is recorded (disk_shim.c), SQLite's own too, and played into a disk that forgets what
was not synced (disk.py). The same is done with one kind of fsync left out, which must be found.
"""

import hashlib
import os
import random
import shutil

import pytest

import disk

SEED = int(os.environ.get("BOUNCEMILL_SEED", random.randrange(1 << 32)))
TORN_STATES = int(os.environ.get("BOUNCEMILL_POWER_CUTS", 25))


@pytest.fixture(scope="module")
def log(generate):
    return generate(3_000_000, 22)


@pytest.fixture(scope="module")
def undisturbed(bouncemill, log, tmp_path_factory):
    store = tmp_path_factory.mktemp("undisturbed") / "store"
    bouncemill.run("run", "--store", store, log)
    return bouncemill.contents(store)


@pytest.fixture(scope="module")
def recorded(bouncemill, log, undisturbed, tmp_path_factory):
    """The calls of a run with some commits, stopped and started again once; and the directory that they were made in."""
    root = tmp_path_factory.mktemp("recorded")
    shim = disk.build_shim(tmp_path_factory.mktemp("shim"))
    disk_dir, half = root / "disk", root / "half.log"
    disk_dir.mkdir()
    data = log.read_bytes()
    environment = disk.environment(shim, disk_dir, record=root / "record")
    arguments = ["run", "--store", disk_dir / "var" / "store", "--threads", "1", "--flush-interval", "0.02", "--no-progress"]
    # The log grows between the runs, as it does between a stop and a start.
    half.write_bytes(data[: data.index(b"\n", len(data) // 2) + 1])
    bouncemill.run(*arguments, half, env=environment)
    half.write_bytes(data)
    bouncemill.run(*arguments, half, env=environment)
    assert bouncemill.contents(disk_dir / "var" / "store") == undisturbed
    calls = disk.read_record(root / "record")
    commits = [call for call in calls if call.name == "fsync" and call.path.endswith("-wal")]
    assert len(commits) >= 4, "a record with some commits"
    return calls, disk_dir, half


class PowerCuts:
    def __init__(self, bouncemill, recorded, undisturbed, tmp_path):
        self.bouncemill, self.undisturbed, self.tmp_path = bouncemill, undisturbed, tmp_path
        self.calls, self.root, self.log = recorded
        self.seen = set()

    def fingerprint(self, directory) -> str:
        digest = hashlib.sha256()
        for path in sorted(directory.rglob("*")):
            digest.update(str(path.relative_to(directory)).encode() + b"\0")
            if path.is_file():
                digest.update(hashlib.sha256(path.read_bytes()).digest())
        return digest.hexdigest()

    def finding(self, drive, numbers=None) -> str | None:
        """What is wrong after a power cut now and a new run; None: nothing."""
        found = self.tmp_path / "found"
        shutil.rmtree(found, ignore_errors=True)
        drive.after_power_cut(found, numbers)
        if (name := self.fingerprint(found)) in self.seen:
            return None
        self.seen.add(name)
        store = found / "var" / "store"
        done = self.bouncemill.run("run", "--store", store, "--threads", "1", "--no-progress", self.log, code=None)
        if done.returncode:
            return f"the next run exits with {done.returncode}: {done.stderr.decode()}"
        verified = self.bouncemill.run("doctor", "--store", store, code=None)
        if verified.returncode:
            return verified.stdout.decode() + verified.stderr.decode()
        return None if self.bouncemill.contents(store) == self.undisturbed else "the counts differ"

    def at_every_sync(self, is_left_out=lambda call: False) -> list[str]:
        """A cut before each fsync that is done, and at the end, with all that was not synced gone."""
        drive, findings = disk.Disk(self.root), []
        for number, call in enumerate(self.calls):
            if call.name == "fsync" and is_left_out(call):
                continue
            if call.name == "fsync" and (finding := self.finding(drive)):
                findings.append(f"cut before call {number} ({call.name} {call.path}): {finding}")
            drive.apply(call)
        if finding := self.finding(drive):
            findings.append(f"cut at the end: {finding}")
        return findings


@pytest.fixture
def cuts(bouncemill, recorded, undisturbed, tmp_path):
    return PowerCuts(bouncemill, recorded, undisturbed, tmp_path)


def test_nothing_is_lost_when_all_that_was_not_synced_is_gone(cuts):
    assert cuts.at_every_sync() == []
    assert len(cuts.seen) > 15


def test_nothing_is_lost_when_a_part_of_what_was_not_synced_is_there(cuts):
    numbers = random.Random(SEED)
    points = sorted(numbers.choices(range(len(cuts.calls)), k=TORN_STATES))
    drive = disk.Disk(cuts.root)
    for number, call in enumerate(cuts.calls):
        for _ in range(points.count(number)):
            finding = cuts.finding(drive, numbers)
            assert not finding, f"cut before call {number} ({call.name} {call.path}), seed {SEED}: {finding}"
        drive.apply(call)


def test_a_left_out_fsync_of_the_segments_is_found(cuts):
    findings = cuts.at_every_sync(lambda call: call.path.endswith(".mp.zst.tmp"))
    assert [finding for finding in findings if "BAD" in finding]


def test_a_left_out_fsync_of_their_directory_is_found(cuts):
    findings = cuts.at_every_sync(lambda call: call.path.endswith("/segments"))
    assert [finding for finding in findings if "No such file" in finding]


def test_a_left_out_fsync_of_the_directory_above_the_store_is_found(cuts):
    """Without it the whole store is gone; the run begins again from nothing, which is seen when the logs are gone, too."""
    for is_left_out in (False, True):
        drive = disk.Disk(cuts.root)
        for call in cuts.calls:
            if not (is_left_out and call.name == "fsync" and call.path == str(cuts.root / "var")):
                drive.apply(call)
        found = cuts.tmp_path / f"left-out-{is_left_out}"
        drive.after_power_cut(found)
        assert (found / "var" / "store").exists() != is_left_out
