"""What the rules make of replies that were labelled by what they mean, and of the blocklists that receivers name."""

import json
import pathlib
import re

ROOT = pathlib.Path(__file__).resolve().parents[2]
TABLES = sorted((ROOT / "tests/data/replies").glob("*.tsv"))
COLUMNS = ["cause", "bounce_class", "receiver", "reply", "seen"]
BLOCKLISTS = ROOT / "classify/data/blocklists.yaml"


def rows():
    for table in TABLES:
        lines = table.read_text().splitlines()
        assert lines[0].split("\t") == COLUMNS, table
        for line in lines[1:]:
            yield dict(zip(COLUMNS, line.split("\t"), strict=True))


def measure(bouncemill, table):
    """Rows, and how many of them have the right cause, the right class, are hard by mistake, unclassified."""
    out = bouncemill.run("rules", "test", table, code=None).stdout.decode()
    counts = dict(re.findall(r"^(cause right|bounce class right|false hard|unclassified) +(\d+) of", out, re.M))
    total = int(re.search(r"^cause right +\d+ of (\d+)", out, re.M).group(1))
    return [total, *(int(counts[k]) for k in ("cause right", "bounce class right", "false hard", "unclassified"))]


# ---- labelled replies ---------------------------------------------------------------------------------------------------------


def test_enough_replies_are_labelled_and_say_where_they_were_seen():
    seen = list(rows())
    assert len({(r["receiver"], r["reply"]) for r in seen}) >= 1500
    assert all(r["cause"] and r["bounce_class"] and r["reply"] and r["seen"] for r in seen)
    assert len({r["cause"] for r in seen} - {"unclassified"}) == 40, "some cause has no reply"


def test_verdicts_agree_with_the_labels(bouncemill):
    total, cause, bounce_class, false_hard, unclassified = map(sum, zip(*(measure(bouncemill, t) for t in TABLES)))
    assert cause / total >= 0.96
    assert bounce_class / total >= 0.985
    assert false_hard / total <= 0.003
    assert unclassified / total <= 0.02


def test_no_trap_is_fallen_into(bouncemill):
    """5.1.1 for a bad reputation, 5.7.1 for anything, the sender's quota, lists that could not be asked, and the like."""
    total, cause, bounce_class, false_hard, unclassified = measure(bouncemill, ROOT / "tests/data/replies/traps.tsv")
    assert total >= 100
    assert (cause, bounce_class, false_hard, unclassified) == (total, total, 0, 0)


# ---- blocklists ---------------------------------------------------------------------------------------------------------------


def blocklists():
    """The entries of blocklists.yaml: each a mapping within braces, whose strings are written as in JSON."""
    for text in re.findall(r"^  - \{(.*?)\}$", BLOCKLISTS.read_text(), re.M | re.S):
        fields = dict(re.findall(r'\b(id|kind): ([\w-]+)', text))
        fields |= {k: json.loads(v) for k, v in re.findall(r'\b(name|operator|lookup|delist|lists): ("[^"]*"|null)', text)}
        fields["match"] = json.loads(re.search(r"match: (\[.*?\]),", text, re.S).group(1))
        yield fields


def named(bouncemill, replies):
    """Which blocklist each reply names, or None."""
    lines = "".join(r + "\n" for r in replies).encode()
    out = bouncemill.run("classify", "--json", stdin=lines).stdout.decode().splitlines()
    return [json.loads(line)["blocklist"] for line in out]


def test_blocklists_are_complete():
    lists = list(blocklists())
    assert len(lists) >= 60
    assert len({b["id"] for b in lists}) == len(lists)
    for b in lists:
        assert all(b[k] for k in ("id", "name", "operator", "kind", "lookup", "lists", "match")), b["id"]
        assert b["kind"] in ("ip", "domain", "url")
        assert "delist" in b, b["id"]
        assert b["lookup"].startswith("http") and (b["delist"] is None or b["delist"].startswith("http")), b["id"]


def test_sixty_blocklists_are_named_by_zone_by_link_and_in_prose(bouncemill):
    lists = list(blocklists())
    zones = [(b["id"], z) for b in lists for z in b["match"] if re.fullmatch(r"[\w-]+(\.[\w-]+)+", z)]
    prose = [(b["id"], b["name"]) for b in lists]
    forms = {
        "Client host [192.0.2.7] blocked using %s": zones,
        "Your message was refused, see https://%s/lookup?ip=192.0.2.7": zones,
        "Your IP 192.0.2.7 was found on the blacklist of %s": prose,
    }
    for form, cases in forms.items():
        found = named(bouncemill, ["554 5.7.1 " + form % text for _, text in cases])
        assert len({want for (want, _), got in zip(cases, found) if got == want}) >= 60, form


def test_texts_that_stand_for_a_blocklist_name_it(bouncemill):
    cases = [(b["id"], m.replace("<ip>", "192.0.2.7")) for b in blocklists() for m in b["match"]]
    found = named(bouncemill, ["550 5.7.1 Rejected: " + text for _, text in cases])
    wrong = [(want, text, got) for (want, text), got in zip(cases, found) if got != want]
    assert not wrong
