"""The same lines give the same store: whatever brings them, however they are cut, on one thread or two, however often written."""

import gzip
import os
import pathlib
import random
import shutil

import pytest
import zstandard

GENERATED_BYTES = 20_000_000
SEED = int(os.environ.get("BOUNCEMILL_SEED", random.randrange(1 << 32)))

# carrier, threads, flush interval (None: the default)
VARIANTS = [
    ("file", 2, None),
    ("file", 1, 0.02),
    ("file", 2, 0.02),
    ("a-file-a-host", 2, None),
    ("stdin", 1, None),
    ("stdin", 2, 0.02),
    ("gzip", 2, None),
    ("zstd", 1, 0.02),
    ("kafka-a-line", 1, None),
    ("kafka-a-line", 2, 0.02),
    ("kafka-lines", 2, None),
    ("kafka-lines", 1, 0.02),
]


@pytest.fixture(scope="module", params=["generated", "live"])
def log(request, generate) -> tuple[str, bytes]:
    if request.param == "generated":
        return "generated", generate(GENERATED_BYTES, 11).read_bytes()
    return "live", request.getfixturevalue("live_long").log


@pytest.fixture(scope="module")
def undisturbed(bouncemill, log, tmp_path_factory) -> dict:
    dir = tmp_path_factory.mktemp("undisturbed")
    (dir / "mail.log").write_bytes(log[1])
    bouncemill.run("run", "--store", dir / "store", "--threads", 1, dir / "mail.log")
    return bouncemill.contents(dir / "store")


def cut_at_random(lines: list[bytes], numbers: random.Random) -> list[bytes]:
    """Messages of one to 2,000 lines, some without the last newline."""
    messages, at = [], 0
    while at < len(lines):
        count = int(2 ** numbers.uniform(0, 11))
        message = b"".join(lines[at : at + count])
        messages.append(message if numbers.random() < 0.5 else message.removesuffix(b"\n"))
        at += count
    return messages


@pytest.fixture(scope="module")
def topics(kafka, log):
    """Topics of the log's lines, made when first asked for."""
    name, content = log
    made = {}

    def topic(carrier: str) -> str:
        if carrier not in made:
            lines = content.splitlines(keepends=True)
            messages = lines if carrier == "kafka-a-line" else cut_at_random(lines, random.Random(SEED))
            made[carrier] = f"{name}-{carrier}"
            kafka.create_topic(made[carrier])
            kafka.produce(made[carrier], messages)
        return f"kafka://{kafka.brokers}/{made[carrier]}"

    return topic


def by_host(content: bytes) -> dict[str, bytes]:
    parts: dict[bytes, list[bytes]] = {}
    for line in content.splitlines(keepends=True):
        parts.setdefault(line.split(b" ")[-1] if len(line) < 20 else line[16:].split(b" ")[0], []).append(line)
    return {host.decode(): b"".join(lines) for host, lines in parts.items()}


@pytest.mark.parametrize(("carrier", "threads", "flush_s"), VARIANTS)
def test_every_carrier_gives_the_same_store(bouncemill, log, undisturbed, carrier, threads, flush_s, tmp_path, request):
    content, stdin, sources, more = log[1], b"", [tmp_path / "mail.log"], []
    if carrier == "file":
        sources[0].write_bytes(content)
    elif carrier == "gzip":
        sources[0].write_bytes(gzip.compress(content, 1))
    elif carrier == "zstd":
        sources[0].write_bytes(zstandard.compress(content))
    elif carrier == "a-file-a-host":
        sources = [tmp_path / f"{host}.log" for host in by_host(content)]
        for source, part in zip(sources, by_host(content).values(), strict=True):
            source.write_bytes(part)
    elif carrier == "stdin":
        stdin, sources = content, ["-"]
    else:
        sources, more = [request.getfixturevalue("topics")(carrier)], ["--until-end"]
    flush = [] if flush_s is None else ["--flush-interval", flush_s]
    store = tmp_path / "store"
    bouncemill.run("run", "--store", store, "--threads", threads, *flush, *more, *sources, stdin=stdin)
    assert bouncemill.contents(store) == undisturbed, f"seed {SEED}"


def test_a_topic_read_again_adds_nothing(bouncemill, undisturbed, topics, tmp_path):
    for _ in range(2):
        bouncemill.run("run", "--store", tmp_path / "store", "--until-end", topics("kafka-lines"))
    assert bouncemill.contents(tmp_path / "store") == undisturbed


# ---- a file is known again ----------------------------------------------------------------------------------------------------


@pytest.fixture
def read_once(bouncemill, log, tmp_path) -> pathlib.Path:
    """A directory with mail.log, and store, which has all of it."""
    (tmp_path / "mail.log").write_bytes(log[1])
    bouncemill.run("run", "--store", tmp_path / "store", tmp_path / "mail.log")
    return tmp_path


def test_a_file_read_again_adds_nothing(bouncemill, undisturbed, read_once):
    bouncemill.run("run", "--store", read_once / "store", read_once / "mail.log")
    assert bouncemill.contents(read_once / "store") == undisturbed


def test_a_renamed_file_adds_nothing(bouncemill, undisturbed, read_once):
    (read_once / "mail.log").rename(read_once / "mail.log.1")
    bouncemill.run("run", "--store", read_once / "store", read_once / "mail.log.1")
    assert bouncemill.contents(read_once / "store") == undisturbed


def test_a_copied_file_adds_nothing(bouncemill, undisturbed, read_once):
    shutil.copy(read_once / "mail.log", read_once / "copy.log")
    bouncemill.run("run", "--store", read_once / "store", read_once / "copy.log")
    assert bouncemill.contents(read_once / "store") == undisturbed


@pytest.mark.parametrize(("ending", "compress"), [("gz", lambda data: gzip.compress(data, 1)), ("zst", zstandard.compress)])
def test_a_compressed_file_adds_nothing(bouncemill, undisturbed, read_once, ending, compress):
    archive = read_once / f"mail.log.1.{ending}"
    archive.write_bytes(compress((read_once / "mail.log").read_bytes()))
    (read_once / "mail.log").unlink()
    bouncemill.run("run", "--store", read_once / "store", archive)
    assert bouncemill.contents(read_once / "store") == undisturbed


def test_a_grown_file_adds_only_its_new_lines(bouncemill, log, undisturbed, tmp_path):
    content, numbers = log[1], random.Random(SEED)
    store, path = tmp_path / "store", tmp_path / "mail.log"
    # Cuts at the ends of lines, some before the newline: the last line of a file counts, and its newline may follow later.
    ends = [content.index(b"\n", numbers.randrange(len(content))) + numbers.randrange(2) for _ in range(5)]
    for cut in sorted(ends) + [len(content)]:
        path.write_bytes(content[:cut])
        bouncemill.run("run", "--store", store, path)
    assert bouncemill.contents(store) == undisturbed, f"seed {SEED}"


def test_a_file_that_grows_is_read_on_after_rotation(bouncemill, log, undisturbed, tmp_path):
    content, store = log[1], tmp_path / "store"
    early, middle = (content.index(b"\n", len(content) // part) + 1 for part in (4, 2))
    path = tmp_path / "mail.log"
    path.write_bytes(content[:early])
    bouncemill.run("run", "--store", store, path)
    with open(path, "ab") as file:
        file.write(content[early:middle])
    path.rename(tmp_path / "mail.log.1")
    path.write_bytes(content[middle:])
    bouncemill.run("run", "--store", store, tmp_path / "mail.log.1", path)
    assert bouncemill.contents(store) == undisturbed
