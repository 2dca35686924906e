"""Segments are plain MessagePack in zstd: other programs read them, and find what the report says."""

import collections
import io
import json
import math
import pathlib
import re
import shutil
import subprocess

import msgpack
import pytest
import zstandard

ROOT = pathlib.Path(__file__).resolve().parents[2]
CLICKHOUSE_TYPES = {"u32": "UInt32", "u64": "UInt64", "str": "LowCardinality(String)", "hist": "Array(UInt64)", "hll": "Array(UInt8)"}
COUNTS = ("delivered", "deferred", "bounced", "expired", "rejected")


def columns_of(dataset: str) -> list[tuple[str, str, str]]:
    """(name, type, kind) of each column, from the list that the program is built from."""
    text = (ROOT / "schemas" / f"{dataset}.def").read_text()
    return re.findall(r"^COLUMN\((\w+),\s*(\w+),\s*(\w+),", text, re.M)


@pytest.fixture(scope="module")
def store(bouncemill, generate, tmp_path_factory):
    path = tmp_path_factory.mktemp("segments") / "store"
    # Several segments of each dataset: many flushes, two writers.
    bouncemill.run("run", "--store", path, "--threads", 2, "--flush-interval", 0.02, generate(40_000_000, 13))
    return path


def read_rows(path, columns) -> list[dict]:
    with open(path, "rb") as file:
        data = zstandard.ZstdDecompressor().stream_reader(file, read_across_frames=True).read()
    values = list(msgpack.Unpacker(io.BytesIO(data), raw=False, max_buffer_size=len(data) + 1))
    names = [name for name, _, _ in columns]
    assert len(values) % len(names) == 0, f"{path} does not hold whole rows"
    return [dict(zip(names, values[at : at + len(names)], strict=True)) for at in range(0, len(values), len(names))]


def all_rows(bouncemill, dataset, store) -> list[dict]:
    columns, paths = columns_of(dataset), bouncemill.lines("files", dataset, "--store", store)
    assert len(paths) > 1, "the store was to have several segments"
    return [row for path in paths for row in read_rows(path, columns)]


def merged(rows: list[dict], dataset: str) -> list[dict]:
    """One row for each key, in the order of the keys; strings by their bytes."""
    columns = columns_of(dataset)
    keys = [name for name, _, kind in columns if kind == "key"]
    found: dict[tuple, dict] = {}
    for row in rows:
        key = tuple(value.encode() if isinstance(value := row[name], str) else value for name in keys)
        into = found.get(key)
        if into is None:
            found[key] = dict(row)
            continue
        for name, type, kind in columns:
            if type == "hll":
                longer, shorter = sorted((into[name], row[name]), key=len, reverse=True)
                into[name] = [max(a, b) for a, b in zip(longer, shorter + [0] * (len(longer) - len(shorter)), strict=True)]
            elif type == "hist":
                length = max(len(into[name]), len(row[name]))
                padded = [values + [0] * (length - len(values)) for values in (into[name], row[name])]
                into[name] = [a + b for a, b in zip(*padded, strict=True)]
            elif kind == "sum":
                into[name] += row[name]
            elif kind == "min":
                into[name] = min(into[name], row[name])
            elif kind == "max":
                into[name] = max(into[name], row[name])
            elif kind == "least":
                into[name] = min(into[name], row[name], key=str.encode)
    return [found[key] for key in sorted(found)]


def estimate(ranks: list[int]) -> float:
    """Of a HyperLogLog with 256 registers: the estimator of 2007 with linear counting below 2.5 registers' worth."""
    zeros = 256 - len(ranks) + ranks.count(0)
    raw = 0.7213 / (1 + 1.079 / 256) * 256 * 256 / (sum(2.0**-rank for rank in ranks) + 256 - len(ranks))
    return 256 * math.log(256 / zeros) if raw <= 2.5 * 256 and zeros else raw


def test_sketches_estimate_what_parse_counts(bouncemill, store, generate):
    """The dump's estimates against those of another estimator, and the report's against the recipients themselves."""
    for row, line in zip(merged(all_rows(bouncemill, "senders", store), "senders"), bouncemill.dump("senders", store), strict=True):
        dumped = json.loads(line)
        assert dumped["recipients"] == pytest.approx(estimate(row.pop("recipients")), rel=0.12, abs=1)
        assert row == {name: value for name, value in dumped.items() if name != "recipients"}
    recipients = collections.defaultdict(set)
    for line in bouncemill.lines("parse", generate(40_000_000, 13)):
        delivery = json.loads(line)
        if delivery["direction"] == "out":
            recipients[(delivery["sender"] or "").rpartition("@")[2].lower()].add(delivery["recipient"].lower())
    report = bouncemill.report(store)
    assert report["totals"]["recipients"] == pytest.approx(len(set().union(*recipients.values())), rel=4 * 0.065)
    entries = {entry["key"]: entry for entry in report["sender_domain"]}
    errors = [entries[domain]["recipients"] / len(addresses) - 1 for domain, addresses in recipients.items() if len(addresses) > 100]
    assert len(errors) > 20 and math.sqrt(sum(error**2 for error in errors) / len(errors)) < 0.065 * 1.5
    assert all(entry["hard_recipients"] <= entry["recipients"] + 2 for entry in entries.values())
    assert any(entry["hard_recipients"] for entry in entries.values())


def test_clickhouse_merges_the_sketches(bouncemill, store):
    sql = "SELECT outcome, arrayMap(x -> toUInt32(x), maxForEach(recipients)) AS ranks FROM {segments} GROUP BY outcome ORDER BY outcome"
    want = collections.defaultdict(list)
    for row in all_rows(bouncemill, "senders", store):
        longer, shorter = sorted((want[row["outcome"]], row["recipients"]), key=len, reverse=True)
        want[row["outcome"]] = [max(a, b) for a, b in zip(longer, shorter + [0] * (len(longer) - len(shorter)), strict=True)]
    got = {row["outcome"]: row["ranks"] for row in from_clickhouse(bouncemill, store, "senders", sql)}
    assert got == want


@pytest.mark.parametrize("dataset", ["traffic", "relays", "replies"])
def test_dump_is_the_rows_of_the_segments_merged(bouncemill, store, dataset):
    dumped = [json.loads(line) for line in bouncemill.dump(dataset, store)]
    assert dumped == merged(all_rows(bouncemill, dataset, store), dataset)
    assert [list(row) for row in dumped[:1]] == [[name for name, _, _ in columns_of(dataset)]]


def reported(bouncemill, store, key) -> dict:
    return {entry["key"]: {name: entry[name] for name in COUNTS} for entry in bouncemill.report(store)[key]}


def nonzero(sums: dict) -> dict:
    return {key: {name: counts.get(name, 0) for name in COUNTS} for key, counts in sums.items()}


@pytest.mark.parametrize("key", ["recipient_domain", "sender_domain", "provider", "cause"])
def test_plain_python_finds_the_totals_of_the_report(bouncemill, store, key):
    sums = collections.defaultdict(collections.Counter)
    for row in all_rows(bouncemill, "traffic", store):
        sums[row[key]][row["status"]] += row["count"]
    assert nonzero(sums) == reported(bouncemill, store, key)


def from_clickhouse(bouncemill, store, dataset, sql):
    """Runs a query over the live segments; {segments} stands for them."""
    import chdb

    paths = bouncemill.lines("files", dataset, "--store", store)
    structure = ", ".join(f"`{name}` {CLICKHOUSE_TYPES[type]}" for name, type, _ in columns_of(dataset))
    # Alternatives in braces may not hold slashes.
    names = ",".join(path.rpartition("/")[2] for path in paths)
    table = f"file('{store}/segments/{{{names}}}', 'MsgPack', '{structure}', 'zstd')"
    answer = chdb.query("SET allow_suspicious_low_cardinality_types = 1; " + sql.format(segments=table), "JSONEachRow")
    return [json.loads(line) for line in answer.bytes().decode().splitlines()]


@pytest.mark.parametrize("key", ["recipient_domain", "provider", "cause"])
def test_clickhouse_finds_the_totals_of_the_report(bouncemill, store, key):
    sums = ", ".join(f"toUInt32(sumIf(count, status = '{name}')) AS {name}" for name in COUNTS)
    rows = from_clickhouse(bouncemill, store, "traffic", f"SELECT {key} AS key, {sums} FROM {{segments}} GROUP BY key")
    assert {row.pop("key"): row for row in rows} == reported(bouncemill, store, key)


def test_clickhouse_adds_up_the_histograms(bouncemill, store):
    sql = "SELECT arrayMap(x -> toUInt32(x), sumForEach(delay)) AS delay, toUInt32(sum(count)) AS count FROM {segments}"
    [row] = from_clickhouse(bouncemill, store, "traffic", sql)
    dumped = [json.loads(line) for line in bouncemill.dump("traffic", store)]
    expected = [sum(values) for values in zip(*(line["delay"] + [0] * (24 - len(line["delay"])) for line in dumped), strict=True)]
    assert row["delay"] + [0] * (24 - len(row["delay"])) == expected
    assert row["count"] == sum(line["count"] for line in dumped)


@pytest.mark.skipif(shutil.which("zstd") is None, reason="needs the zstd program")
def test_zstd_alone_gives_the_rows(bouncemill, store):
    path = bouncemill.lines("files", "traffic", "--store", store)[0]
    data = subprocess.run(["zstd", "-dc", path], check=True, capture_output=True).stdout
    values = list(msgpack.Unpacker(io.BytesIO(data), raw=False))
    columns = columns_of("traffic")
    assert values[: len(columns)] == list(read_rows(path, columns)[0].values())


def test_csv_has_the_same_rows_as_ndjson(bouncemill, store):
    import csv

    for dataset in ("traffic", "relays", "replies"):
        rows = list(
            csv.reader(
                bouncemill.run("dump", dataset, "--store", store, "--format", "csv").stdout.decode().splitlines(keepends=True)
            )
        )
        lines = [json.loads(line) for line in bouncemill.dump(dataset, store)]
        assert rows[0] == [name for name, _, _ in columns_of(dataset)]
        assert len(rows) - 1 == len(lines)
        for row, line in zip(rows[1:], lines, strict=True):
            assert [value for value, (_, type, _) in zip(row, columns_of(dataset), strict=True) if type != "hist"] == [
                str(line[name]) for name, type, _ in columns_of(dataset) if type != "hist"
            ]
