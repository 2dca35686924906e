"""What scripts rely on: exit codes, help, order and fields of the output, words of the errors."""

import json
import pathlib
import re
import signal
import sqlite3
import subprocess
import time

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
COMMANDS = ["run", "report", "query", "dump", "files", "parse", "classify", "rules", "doctor"]
OK, FINDINGS, USAGE, INPUT, TRY_AGAIN = 0, 1, 2, 3, 75

LOG = b"""\
Nov  3 08:00:00 mx1 postfix/smtpd[10]: 4HbX1c2DqKz1: client=app[10.0.0.7]
Nov  3 08:00:00 mx1 postfix/cleanup[11]: 4HbX1c2DqKz1: message-id=<1@sender.example>
Nov  3 08:00:00 mx1 postfix/qmgr[12]: 4HbX1c2DqKz1: from=<news@Sender.example>, size=1234, nrcpt=2 (queue active)
Nov  3 08:00:01 mx1 postfix/smtp[13]: 4HbX1c2DqKz1: to=<a@one.example>, relay=mx.one.example[192.0.2.1]:25, delay=1.5, \
delays=0.1/0/0.4/1, dsn=2.0.0, status=sent (250 2.0.0 Ok: queued as 12345)
Nov  3 08:00:02 mx1 postfix/smtp[13]: 4HbX1c2DqKz1: to=<b@two.example>, relay=mx.two.example[192.0.2.2]:25, delay=2, \
delays=0.1/0/0.9/1, dsn=5.1.1, status=bounced (host mx.two.example[192.0.2.2] said: \
550 5.1.1 <b@two.example>: User unknown (in reply to RCPT TO command))
Nov  3 08:00:02 mx1 postfix/qmgr[12]: 4HbX1c2DqKz1: removed
"""


@pytest.fixture
def store(bouncemill, tmp_path):
    (tmp_path / "mail.log").write_bytes(LOG)
    bouncemill.run("run", "--store", tmp_path / "store", tmp_path / "mail.log")
    return tmp_path / "store"


# ---- help and usage -----------------------------------------------------------------------------------------------------------


def test_version_names_program_and_number(bouncemill):
    assert re.fullmatch(rb"bouncemill \d+\.\d+\.\d+\n", bouncemill.run("--version").stdout)


def test_help_lists_every_command(bouncemill):
    text = bouncemill.run("--help").stdout.decode()
    assert [command for command in COMMANDS if not re.search(rf"^\s+{command}\b", text, re.M)] == []


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself_within_132_columns(bouncemill, command):
    text = bouncemill.run(command, "--help").stdout.decode()
    assert text.startswith(f"usage: bouncemill {command}")
    assert "Exit codes:" in text
    assert max(map(len, text.splitlines())) <= 132


# What others rely on; every other option of a command is found by the tests of the tree.
@pytest.mark.parametrize(
    ("command", "options"),
    [
        ("run", ["--config", "--store", "--format", "--until-end", "--threads", "--flush-interval", "-X", "--follow"]),
        ("parse", ["--format"]),
        ("classify", ["--json", "--status"]),
        ("rules", ["--cause", "--provider", "--status", "--lang", "--user-rules"]),
        ("report", ["--unclassified", "--store", "--json", "--since", "--until", "--by", "--top"]),
        ("dump", ["--store", "--format"]),
        ("files", ["--store"]),
    ],
)
def test_help_documents_the_promised_options(bouncemill, command, options):
    text = bouncemill.run(command, "--help").stdout.decode()
    assert [option for option in options if option not in text] == []


@pytest.mark.parametrize("args", [["--nonsense"], ["nonsense"], []])
def test_an_unknown_command_or_none_is_usage(bouncemill, args):
    done = bouncemill.run(*args, code=USAGE)
    assert done.stdout == b"" and done.stderr != b""


@pytest.mark.parametrize("command", COMMANDS)
def test_an_unknown_option_is_usage_and_is_named(bouncemill, command):
    done = bouncemill.run(command, "--no-such-option", code=USAGE)
    assert done.stdout == b""
    assert b"no-such-option" in done.stderr


@pytest.mark.parametrize(
    "args",
    [
        ["run"],
        ["run", "--threads", "0", "-"],
        ["run", "--threads", "many", "-"],
        ["run", "--flush-interval", "-1", "-"],
        ["run", "--format", "no-such-format", "-"],
        ["run", "-X", "novalue", "-"],
        ["run", "--zone", "Nowhere/Land", "-"],
        ["run", "--listen", "everywhere", "-"],
        ["run", "--max-line", "1023", "-"],
        ["run", "--max-line", "262145", "-"],
        ["run", "--listen", "::1:80", "-"],
        ["run", "--listen", "127.0.0.1:70000", "-"],
        ["report", "--since", "the other day"],
        ["report", "--by", "weather"],
        ["report", "--top", "-3"],
        ["dump"],
        ["dump", "nonsense"],
        ["dump", "traffic", "--format", "xml"],
        ["files", "nonsense"],
        ["parse", "--format", "no-such-format"],
        ["classify", "--status", "perhaps"],
        ["query", "--by", "weather"],
        ["query", "--by", "provider,provider"],
        ["query", "--by", "provider", "--by", "provider"],
        ["query", "--where", "status"],
        ["query", "--where", "status=nope"],
        ["query", "--where", "cause="],
        ["query", "--where", "last_cause=nope"],
        ["query", "--step", "fortnight"],
        ["rules", "nonsense"],
        ["rules", "list", "--provider", "nobody"],
    ],
)
def test_a_wrong_value_is_usage(bouncemill, args, tmp_path):
    done = bouncemill.run(*args, code=USAGE, cwd=tmp_path)
    assert done.stdout == b""
    assert done.stderr.startswith(b"bouncemill"), done.stderr
    assert list(tmp_path.iterdir()) == [], "nothing may be made before the command line is understood"


def test_a_word_that_no_row_can_have_is_answered_with_those_that_it_can(bouncemill, store):
    done = bouncemill.run("query", "--store", store, "--where", "status=nope", code=USAGE)
    assert b"delivered, deferred, bounced, expired, rejected" in done.stderr
    assert bouncemill.lines("query", "--store", store, "--where", "status=bounced", "--where", "last_cause=", "--format", "csv")[1:]
    assert b"aliyun" in bouncemill.run("rules", "list", "--provider", "aliyum", code=USAGE).stderr
    assert bouncemill.lines("rules", "list", "--provider", "aliyun")


def test_an_unknown_key_of_the_configuration_is_named_with_its_line(bouncemill, tmp_path):
    config = tmp_path / "bouncemill.yaml"
    config.write_text("store: /nonexistent\nthraeds: 2\n")
    done = bouncemill.run("run", "--config", config, "-", code=USAGE)
    assert b"bouncemill.yaml:2" in done.stderr and b"thraeds" in done.stderr


# ---- input and output ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("args", [["run", "--store", "s", "missing.log"], ["parse", "missing.log"], ["classify", "missing.txt"]])
def test_a_missing_file_is_an_input_error_that_names_it(bouncemill, args, tmp_path):
    done = bouncemill.run(*args, code=INPUT, cwd=tmp_path)
    assert b"missing." in done.stderr
    assert list(tmp_path.iterdir()) == [], "an empty store would look like one without mail"


def test_a_signal_ends_the_wait_for_a_broker(bouncemill, tmp_path):
    arguments = ["run", "--store", tmp_path / "store", "kafka://127.0.0.1:1/mail"]
    process = bouncemill.start(*arguments, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    time.sleep(1.5)
    assert process.poll() is None, "a broker is waited for"
    process.send_signal(signal.SIGTERM)
    errors = process.communicate(timeout=10)[1]
    assert process.returncode == OK, errors
    assert b"stopped" in errors
    assert not (tmp_path / "store").exists()


@pytest.mark.parametrize("args", [["report"], ["query"], ["dump", "traffic"], ["files", "traffic"], ["doctor"]])
def test_a_store_that_is_not_there_is_an_input_error_and_is_not_made(bouncemill, args, tmp_path):
    done = bouncemill.run(*args, "--store", "nowhere", code=None, cwd=tmp_path)
    assert done.returncode in (INPUT, FINDINGS if args == ["doctor"] else INPUT)
    assert b"nowhere" in done.stderr + done.stdout
    assert not (tmp_path / "nowhere").exists()


def test_a_damaged_segment_is_left_out_and_said(bouncemill, store):
    [path] = bouncemill.lines("files", "traffic", "--store", store)
    with open(path, "r+b") as file:
        data = bytearray(file.read())
        data[len(data) // 2] ^= 0x10
        file.seek(0)
        file.write(data)
    # The rest is still told: a second segment.
    (store.parent / "more.log").write_bytes(LOG.replace(b"4HbX1c2DqKz1", b"4HbX1c2DqKz2"))
    bouncemill.run("run", "--store", store, store.parent / "more.log")
    for args in (["report"], ["report", "--json"], ["query"], ["dump", "traffic"], ["files", "traffic"]):
        done = bouncemill.run(*args, "--store", store, code=FINDINGS)
        assert path.rpartition("/")[2].encode() in done.stderr
        assert done.stdout
    assert path.encode() not in done.stdout.splitlines() and len(done.stdout.splitlines()) == 1
    assert json.loads(bouncemill.run("report", "--json", "--store", store, code=FINDINGS).stdout)["totals"]["attempts"] == 2
    done = bouncemill.run("doctor", "--store", store, "--verify", code=FINDINGS)
    findings = done.stdout.splitlines()
    assert not [line for line in findings if b"rules" in line or b"zones" in line]
    assert [line for line in findings if line.startswith(b"BAD") and path.rpartition("/")[2].encode() in line]
    assert [line for line in findings if line.startswith(b"BAD  traffic: 2 segments") and line.endswith(b"1 damaged")]
    assert [line for line in findings if line.startswith(b"ok   relays: 2 segments")]
    assert bouncemill.dump("relays", store) != []


# An empty one may be about to be made by a first run.
@pytest.mark.parametrize(("damage", "code"), [("not a database", INPUT), ("", TRY_AGAIN)])
def test_a_catalog_that_is_none_is_said(bouncemill, store, damage, code):
    for extra in ("-wal", "-shm"):
        (store / f"catalog.sqlite{extra}").unlink(missing_ok=True)
    (store / "catalog.sqlite").write_text(damage * 100)
    for args in (["report"], ["dump", "traffic"], ["files", "traffic"]):
        done = bouncemill.run(*args, "--store", store, code=code)
        assert done.stdout == b"" and b"catalog" in done.stderr


def test_a_second_writer_is_told_to_try_again(bouncemill, store):
    first = bouncemill.start(
        "run", "--store", store, "--follow", store.parent / "mail.log", stderr=subprocess.PIPE, stdout=subprocess.DEVNULL
    )
    try:
        for _ in range(300):
            if (store / "lock").read_text().strip() == str(first.pid):
                break
            time.sleep(0.1)
        done = bouncemill.run("run", "--store", store, store.parent / "mail.log", code=TRY_AGAIN)
        assert str(store).encode() in done.stderr
        bouncemill.run("report", "--store", store)  # readers are not kept out
    finally:
        first.send_signal(signal.SIGTERM)
        assert first.wait(30) == 0
        first.stderr.close()


def test_a_catalog_read_by_others_stays_readable(bouncemill, store):
    with sqlite3.connect(f"file:{store}/catalog.sqlite?mode=ro", uri=True) as catalog:
        catalog.execute("SELECT count(*) FROM sqlite_master").fetchone()
        assert bouncemill.dump("traffic", store) != []


def test_a_closed_pipe_ends_a_dump_without_a_crash(bouncemill, store):
    process = bouncemill.start("dump", "traffic", "--store", store, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    process.stdout.close()
    process.stderr.read()
    assert process.wait(30) in (OK, INPUT, -signal.SIGPIPE)
    process.stderr.close()


def test_a_full_disk_is_an_output_error(bouncemill, store):
    with open("/dev/full", "wb") as full:
        process = bouncemill.start("dump", "traffic", "--store", store, stdout=full, stderr=subprocess.PIPE)
        errors = process.communicate(timeout=30)[1]
    assert process.returncode == INPUT and errors


# ---- parse --------------------------------------------------------------------------------------------------------------------


def test_parse_gives_the_promised_fields(bouncemill):
    first, second = bouncemill.parse(LOG)
    wanted = {
        "line": 4, "host": "mx1", "queue_id": "4HbX1c2DqKz1", "direction": "out", "sender": "news@Sender.example",
        "recipient": "a@one.example",
        "relay_host": "mx.one.example", "relay_ip": "192.0.2.1", "source_ip": None,
        "status": "delivered", "dsn": "2.0.0", "smtp_code": 250,
        "reply": "250 2.0.0 Ok: queued as 12345", "delay_s": 1.5, "size": 1234,
    }  # fmt: skip
    assert {key: first[key] for key in wanted} == wanted
    assert re.fullmatch(r"\d{4}-11-03T08:00:01Z", first["time"])
    assert (second["line"], second["status"], second["smtp_code"], second["dsn"]) == (5, "bounced", 550, "5.1.1")
    assert second["reply"] == "550 5.1.1 <b@two.example>: User unknown"


def test_parse_survives_any_bytes_and_counts_them(bouncemill):
    rubbish = bytes(range(256)) * 40 + b"\n" + LOG + b"\0" * 100_000 + b"\n\n" + b"x" * 3_000_000
    done = bouncemill.run("parse", stdin=rubbish)
    assert len(done.stdout.splitlines()) == 2
    counts = dict(pair.split("=") for pair in done.stderr.decode(errors="replace").split() if pair.count("=") == 1)
    assert int(counts["unparsed_too_long"]) >= 1 and int(counts["noise_empty"]) >= 1


# ---- classify -----------------------------------------------------------------------------------------------------------------

VERDICT_FIELDS = [
    "reply", "smtp_code", "dsn", "cause", "group", "outcome", "bounce_class", "fault", "provider", "blocklist", "rule", "via",
]  # fmt: skip


def test_classify_keeps_order_and_count(bouncemill):
    replies = [f"550 5.1.1 <user{i}@example.com>: User unknown, number {i}" for i in range(3000)] + [
        "",
        "nonsense",
        "421 busy",
        "250 ok",
    ]
    text = "".join(reply + "\n" for reply in replies).encode()
    verdicts = [json.loads(line) for line in bouncemill.lines("classify", "--json", stdin=text)]
    assert [verdict["reply"] or "" for verdict in verdicts] == replies
    assert [field for field in VERDICT_FIELDS if field not in verdicts[0]] == []
    assert len(bouncemill.lines("classify", stdin=text)) == len(replies)


def test_classify_takes_a_last_line_without_its_end(bouncemill):
    assert len(bouncemill.lines("classify", "--json", stdin=b"550 no\n450 later")) == 2


def test_classify_outcome_follows_the_status_and_class_the_cause(bouncemill):
    reply = b"452 4.2.2 The email account that you tried to reach is over quota\n"
    for status, outcome in (("deferred", "deferred"), ("bounced", "soft")):
        [verdict] = [json.loads(line) for line in bouncemill.lines("classify", "--json", "--status", status, stdin=reply)]
        assert (verdict["cause"], verdict["outcome"], verdict["bounce_class"]) == ("mailbox_full", outcome, "soft")


# ---- reports ------------------------------------------------------------------------------------------------------------------


def test_report_json_has_totals_lists_and_lower_case_domains(bouncemill, store):
    report = bouncemill.report(store)
    assert set(report) >= {"from", "to", "totals", "recipient_domain", "sender_domain", "source", "provider", "cause"}
    assert [entry["key"] for entry in report["sender_domain"]] == ["sender.example"]
    totals = report["totals"]
    wanted = {
        "attempts": 2, "delivered": 1, "deferred": 0, "bounced": 1, "expired": 0, "rejected": 0, "hard": 1, "soft": 0, "silent": 0,
    }  # fmt: skip
    assert {name: totals[name] for name in wanted} == wanted
    assert (totals["bounce_rate"], totals["hard_rate"], totals["deferral_rate"], totals["block_rate"]) == (0.5, 0.5, 0, 0)


def test_report_lists_are_whole_unless_top_is_given(bouncemill, tmp_path):
    # One log line for each of 40 domains.
    line = LOG.splitlines(keepends=True)[3]
    log = b"".join(line.replace(b"one.example", b"d%d.example" % i) for i in range(40))
    bouncemill.run("run", "--store", tmp_path / "store", "-", stdin=log)
    assert len(bouncemill.report(tmp_path / "store")["recipient_domain"]) == 40
    top = json.loads(bouncemill.run("report", "--store", tmp_path / "store", "--json", "--top", 3).stdout)
    assert len(top["recipient_domain"]) == 3


def test_report_text_fits_80_columns_and_says_what_to_do(bouncemill, store):
    text = bouncemill.run("report", "--store", store.name, cwd=store.parent).stdout.decode()
    assert max(map(len, text.splitlines())) <= 80
    assert "user_unknown" in text and "User unknown" in text


def said_in_report(bouncemill, store, reply):
    """The reply as the text report shows it, on one line."""
    line = LOG.splitlines(keepends=True)[4].replace(b"550 5.1.1 <b@two.example>: User unknown", reply)
    bouncemill.run("run", "--store", store, "-", stdin=line)
    text = bouncemill.run("report", "--store", store).stdout.decode()
    return " ".join(re.search(r"   said(.*?)\n   means", text, re.S).group(1).split())


def test_sample_of_a_reply_of_several_lines_has_its_codes_once(bouncemill, tmp_path):
    said = said_in_report(bouncemill, tmp_path / "a", b"550-5.1.1 No such user. Try 550-5.1.1 another spelling: 550 5.1.1 5501 Main St")
    assert said.endswith("550 5.1.1 No such user. Try another spelling: 5501 Main St")
    said = said_in_report(bouncemill, tmp_path / "b", b"550 5.1.1 No such user 550 here")
    assert said.endswith("550 5.1.1 No such user 550 here")


def test_sample_of_a_reply_that_was_cut_says_so(bouncemill, tmp_path):
    said = said_in_report(bouncemill, tmp_path / "c", b"550 5.1.1 User unknown" + b" because" * 60)
    assert said.endswith("...") and len(said) < 300


def test_since_and_until_cut_by_event_time(bouncemill, store):
    minute = json.loads(bouncemill.dump("traffic", store)[0])["minute"]
    report = bouncemill.report(store)
    for option, count in (("--since", 2), ("--until", 0)):
        text = bouncemill.run("report", "--store", store, "--json", option, report["from"]).stdout
        assert json.loads(text)["totals"]["attempts"] == count, minute


def test_what_expired_has_the_causes_of_its_last_attempts(bouncemill, tmp_path):
    bouncemill.run("run", "--store", tmp_path / "store", ROOT / "samples/postfix.log")
    report = json.loads(bouncemill.run("report", "--store", tmp_path / "store", "--json").stdout)
    [expired] = [entry for entry in report["cause"] if entry["key"] == "expired"]
    assert sum(expired["last_causes"].values()) == report["totals"]["expired"] > 0
    assert "last " in bouncemill.run("report", "--store", tmp_path / "store").stdout.decode()


def test_doctor_tells_the_share_of_deliveries_without_a_source(bouncemill, tmp_path):
    line = ("2026-11-24T08:15:07Z {} postfix/smtp[9]: 3F2A1B4C{:02d}: to=<c@d.example>, relay=none, delay=1, delays=1/0/0/0, "
            "dsn=4.4.1, status=deferred (x)")
    refused = ("2026-11-24T08:15:07Z mx9 postfix/smtpd[9]: NOQUEUE: reject: RCPT from h[192.0.2.1]: 550 5.1.1 <x@y.example>: no; "
               "from=<a@b.example> to=<x@y.example>")
    lines = [line.format("mx1", number) for number in range(3)] + [line.format("mx2", 9), refused]
    (tmp_path / "bm.yaml").write_text("format: postfix\nsources:\n  - {host: mx2, source: 192.0.2.7}\n")
    bouncemill.run("run", "--config", tmp_path / "bm.yaml", "--store", tmp_path / "store", "-", stdin="\n".join(lines).encode() + b"\n")
    told = bouncemill.run("doctor", "--store", tmp_path / "store", code=None).stdout.decode()
    assert "75.0 % of outgoing deliveries have no source address" in told
