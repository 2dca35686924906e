"""A catalog that is lost or damaged is made anew, and the store is the same, now and after the next run."""

import shutil

import pytest

FINDINGS, USAGE, INPUT = 1, 2, 3


@pytest.fixture(scope="module")
def log(generate):
    return generate(4_000_000, 31)


@pytest.fixture(scope="module")
def undisturbed(bouncemill, log, tmp_path_factory):
    store = tmp_path_factory.mktemp("undisturbed") / "store"
    bouncemill.run("run", "--store", store, log)
    return bouncemill.contents(store)


class Grown:
    """A store of the first half of a log, in some segments."""

    def __init__(self, bouncemill, log, directory):
        self.bouncemill, self.data = bouncemill, log.read_bytes()
        self.store, self.log = directory / "store", directory / "mail.log"
        self.log.write_bytes(self.data[: self.data.index(b"\n", len(self.data) // 2) + 1])
        self.run()
        self.contents = bouncemill.contents(self.store)

    def run(self):
        self.bouncemill.run("run", "--store", self.store, "--threads", "2", "--flush-interval", "0.01", self.log)

    def grow(self):
        self.log.write_bytes(self.data)
        self.run()

    def segments(self) -> list:
        return sorted((self.store / "segments").glob("*.mp.zst"))


@pytest.fixture
def grown(bouncemill, log, tmp_path):
    return Grown(bouncemill, log, tmp_path)


def lose(store):
    for path in store.glob("catalog.sqlite*"):
        path.unlink()


def overwrite(store):
    (store / "catalog.sqlite").write_bytes(b"not a database" * 1000)


def cut_short(store):
    """The journal stays, and must not be played into the new catalog."""
    with open(store / "catalog.sqlite", "r+b") as catalog:
        catalog.truncate(9000)


@pytest.mark.parametrize("damage", [lose, overwrite, cut_short])
def test_a_rebuilt_catalog_says_the_same_and_the_next_run_goes_on(bouncemill, grown, undisturbed, damage):
    damage(grown.store)
    bouncemill.run("run", "--store", grown.store, grown.log, code=None)
    done = bouncemill.run("doctor", "--store", grown.store, "--rebuild-catalog", code=None)
    assert b"ok   catalog: made anew of" in done.stdout, done.stdout + done.stderr
    assert b"BAD" not in done.stdout
    assert bouncemill.contents(grown.store) == grown.contents
    grown.grow()
    assert bouncemill.contents(grown.store) == undisturbed
    assert b"BAD" not in bouncemill.run("doctor", "--store", grown.store, "--verify").stdout


def test_a_whole_catalog_is_not_touched(bouncemill, grown):
    done = bouncemill.run("doctor", "--store", grown.store, "--rebuild-catalog", code=USAGE)
    assert b"is whole" in done.stderr
    assert bouncemill.contents(grown.store) == grown.contents


def test_a_manifest_of_the_commit_before_counts_nothing_twice(bouncemill, grown, undisturbed):
    shutil.copy(grown.store / "manifest", grown.store / "old")
    grown.grow()
    (grown.store / "old").rename(grown.store / "manifest")
    lose(grown.store)
    done = bouncemill.run("doctor", "--store", grown.store, "--rebuild-catalog", code=FINDINGS)
    assert b"is not in the manifest" in done.stdout
    assert bouncemill.contents(grown.store) == grown.contents
    grown.run()
    assert bouncemill.contents(grown.store) == undisturbed


def test_a_damaged_segment_is_left_out_and_kept(bouncemill, grown):
    damaged = grown.segments()[-1]
    data = bytearray(damaged.read_bytes())
    data[len(data) // 2] ^= 1
    damaged.write_bytes(data)
    lose(grown.store)
    done = bouncemill.run("doctor", "--store", grown.store, "--rebuild-catalog", code=FINDINGS)
    assert [line for line in done.stdout.splitlines() if line.startswith(b"BAD") and str(damaged).encode() in line]
    grown.run()
    assert damaged.with_name(damaged.name + ".left-out").read_bytes() == data


@pytest.mark.parametrize("damage", ["missing", "flipped"])
def test_without_a_manifest_nothing_is_guessed(bouncemill, grown, damage):
    manifest = grown.store / "manifest"
    if damage == "missing":
        manifest.unlink()
    else:
        data = bytearray(manifest.read_bytes())
        data[len(data) // 2] ^= 1
        manifest.write_bytes(data)
    lose(grown.store)
    segments = grown.segments()
    done = bouncemill.run("doctor", "--store", grown.store, "--rebuild-catalog", code=INPUT)
    assert b"manifest" in done.stderr and grown.segments() == segments


def test_a_compacted_store_is_rebuilt_as_compacted(bouncemill, grown, log, tmp_path):
    other = tmp_path / "other"
    bouncemill.run("run", "--store", other, log)
    bouncemill.run("compact", "--store", other)
    bouncemill.run("compact", "--store", grown.store)
    compacted = bouncemill.contents(grown.store)
    lose(grown.store)
    bouncemill.run("doctor", "--store", grown.store, "--rebuild-catalog")
    assert bouncemill.contents(grown.store) == compacted
    grown.grow()
    bouncemill.run("compact", "--store", grown.store)
    assert bouncemill.contents(grown.store) == bouncemill.contents(other)
    assert not list((grown.store / "segments").glob("*.left-out"))
