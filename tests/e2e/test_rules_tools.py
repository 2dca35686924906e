"""What people who write rules rely on: list, test, lint, explain, suggest, and rules of their own laid over ours."""

import json
import pathlib
import re
import shutil

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
TABLES = sorted((ROOT / "tests/data/replies").glob("*.tsv"))
OK, FINDINGS, USAGE = 0, 1, 2


def rules(bouncemill, *args, **more) -> list[dict]:
    return [json.loads(line) for line in bouncemill.lines("rules", "list", "--json", *args, **more)]


@pytest.fixture
def copied(tmp_path):
    """All our rules as files of a user, to be broken."""
    shutil.copytree(ROOT / "classify/rules", tmp_path / "rules")
    return tmp_path / "rules"


def write_rule(directory, rule_id="user.blorp", cause="rate_limited", text="blorp grumble", extra="", file="own.yaml") -> pathlib.Path:
    directory.mkdir(exist_ok=True)
    path = directory / file
    head = "" if path.exists() else "rules:\n"
    with path.open("a") as out:
        out.write(
            f'{head}  - id: {rule_id}\n    cause: {cause}\n    any: ["{text}"]\n{extra}'
            f'    examples: ["451 {text}", "550 {text} again"]\n    not: ["550 something else"]\n'
        )
    return path


# ---- list ---------------------------------------------------------------------------------------------------------------------


def test_list_is_a_table_with_file_and_line(bouncemill):
    head, *rows = bouncemill.lines("rules", "list", "--cause", "greylisted")
    assert head.split() == ["ID", "CAUSE", "PROVIDER", "STEP", "EXAMPLES", "NOT", "WHERE"]
    assert rows and all(row.split()[1] == "greylisted" for row in rows)
    assert all(re.search(r" rules/[\w-]+\.yaml:\d+$", row) for row in rows)


def test_filters_must_all_fit(bouncemill):
    everything = rules(bouncemill)
    some = rules(bouncemill, "--group", "reputation", "--fault", "sender", "--cause", "low_reputation")
    assert some == [r for r in everything if r["group"] == "reputation" and r["cause"] == "low_reputation"]
    assert {r["fault"] for r in some} == {"sender"} and some
    assert rules(bouncemill, "--cause", "low_reputation", "--fault", "recipient") == []


@pytest.mark.parametrize(
    ("provider", "expected"),
    [("google", "google.user-unknown"), ("microsoft-365", "microsoft.user-unknown"), ("microsoft", "microsoft.user-unknown")]
    + [("comcast", "usa.comcast-ptr"), ("t-online", "germany.t-online-dialup"), ("aliyun", "sina-aliyun.busy"), ("sina", "china.user-unknown")],
)
def test_rules_of_a_provider_are_those_limited_to_it_or_written_for_it(bouncemill, provider, expected):
    found = {r["id"] for r in rules(bouncemill, "--provider", provider)}
    assert expected in found
    assert not any(rule_id.startswith(("prose.", "recipient.", "blocklist.")) for rule_id in found)


@pytest.mark.parametrize(
    ("option", "some_valid"),
    [("--cause", b"user_unknown"), ("--provider", b"google, microsoft-consumer"), ("--group", b"reputation"), ("--fault", b"sender")],
)
def test_an_unknown_filter_is_answered_with_those_that_are_known(bouncemill, option, some_valid):
    done = bouncemill.run("rules", "list", option, "nobody", code=USAGE)
    assert b"'nobody'" in done.stderr and some_valid in done.stderr and done.stdout == b""


# ---- lint ---------------------------------------------------------------------------------------------------------------------


def test_our_own_rules_are_clean(bouncemill):
    done = bouncemill.run("rules", "lint", code=None)
    assert done.returncode == OK, done.stdout.decode()
    assert b"nothing found" in done.stdout


def change(path, old, new):
    text = path.read_text()
    assert text.count(old) >= 1, old
    path.write_text(text.replace(old, new, 1))


WIDE = "(" + "|".join(f"w{i}.{{1,40}}moon{i}" for i in range(120)) + ")"
BROKEN = {
    "stolen-example": lambda d: write_rule(d, "user.thief", text="tried to reach is over quota", file="00-user.yaml"),
    "unreachable-rule": lambda d: write_rule(d, "user.late", text="xx that you tried to reach is disabled", file="zz-user.yaml"),
    "overlapping-text": lambda d: change(d / "15-google.yaml", 'any: ["p=inactiveuser",', 'any: ["p=inactiveuser", "x p=inactiveuser",'),
    "missing-negative": lambda d: re_change(d / "15-google.yaml", r"\n    not:\n      - .*", ""),
    "missing-example": lambda d: re_change(d / "15-google.yaml", r"(\n    examples:\n      - .*)\n      - .*", r"\1"),
    "slow-pattern": lambda d: write_rule(d, "user.slow", text="w1 blorp moon1", extra=f'    regex: "{WIDE}"\n', file="zz-user.yaml"),
}


def re_change(path, pattern, new):
    path.write_text(re.sub(pattern, new, path.read_text(), count=1))


@pytest.mark.parametrize("kind", BROKEN)
def test_lint_names_what_is_broken_in_a_copy_of_our_rules(bouncemill, copied, kind):
    BROKEN[kind](copied)
    done = bouncemill.run("rules", "lint", "--rules", copied, code=FINDINGS)
    found = [line for line in done.stdout.decode().splitlines() if f": {kind}: " in line]
    assert found and all(re.match(rf"{re.escape(str(copied))}/[\w-]+\.yaml:\d+: rule [\w.-]+: {kind}: ", line) for line in found)
    as_json = bouncemill.run("rules", "lint", "--json", "--rules", copied, code=FINDINGS).stdout.decode().splitlines()
    assert kind in {json.loads(line)["kind"] for line in as_json}


def test_a_rule_that_does_not_load_is_usage(bouncemill, copied):
    (copied / "zz.yaml").write_text("rules:\n  - id: user.x\n    cause: nonsense\n")
    assert b"zz.yaml:3: rule user.x" in bouncemill.run("rules", "lint", "--rules", copied, code=USAGE).stderr


# ---- test ---------------------------------------------------------------------------------------------------------------------


@pytest.fixture
def table(tmp_path):
    path = tmp_path / "labelled.tsv"
    rows = [
        ("user_unknown", "hard", "550 5.1.1 User unknown"),
        ("user_unknown", "hard", "550 5.1.1 No such user here"),
        ("policy", "soft", "550 5.1.1 Unknown user"),  # labelled wrongly
    ]
    path.write_text("cause\tbounce_class\treply\n" + "".join("\t".join(row) + "\n" for row in rows))
    return path


def test_labelled_replies_give_a_confusion_table(bouncemill, table):
    text = bouncemill.run("rules", "test", table, code=FINDINGS).stdout.decode()
    assert f"{table}:4: user_unknown, not policy\t" in text
    assert re.search(r"^policy +1 +0 +0 +0\.0 % +- +user_unknown 1$", text, re.M), text
    assert re.search(r"^user_unknown +2 +3 +2 +100\.0 % +66\.7 %", text, re.M)
    assert re.search(r"^soft +0 +0 +1 +0 +0$", text, re.M)
    assert re.search(r"^cause right +2 of 3 \(66.67 %\)$", text, re.M)
    told = json.loads(bouncemill.run("rules", "test", "--json", table, code=FINDINGS).stdout)
    assert told["rows"] == 3 and told["right_causes"] == 2 and told["false_hard"] == 1
    assert told["causes"] == {"user_unknown": {"user_unknown": 2}, "policy": {"user_unknown": 1}}
    assert told["bounce_classes"] == {"hard": {"hard": 2}, "soft": {"hard": 1}}
    assert [(row["line"], row["cause"], row["given"]) for row in told["wrong"]] == [(4, "policy", "user_unknown")]


@pytest.mark.parametrize(
    ("limits", "code"),
    [(["--min-cause", "66"], OK), (["--min-cause", "67"], FINDINGS), (["--min-class", "90"], FINDINGS)]
    + [(["--max-false-hard", "33"], FINDINGS), (["--max-false-hard", "34", "--max-unclassified", "0"], OK)],
)
def test_shares_that_are_asked_for_decide_the_exit_code(bouncemill, table, limits, code):
    done = bouncemill.run("rules", "test", *limits, table, code=code)
    assert (b"were asked for" in done.stderr) == (code == FINDINGS)


def test_a_label_that_is_none_is_named_with_its_line(bouncemill, table):
    table.write_text(table.read_text().replace("policy", "plicy"))
    assert f"{table}:4: cause: 'plicy'".encode() in bouncemill.run("rules", "test", table, code=USAGE).stderr


def test_all_labelled_replies_keep_the_shares(bouncemill):
    bouncemill.run("rules", "test", "--min-cause", "96", "--min-class", "98.5", "--max-false-hard", "0.3", "--max-unclassified", "2", *TABLES)


# ---- explain ------------------------------------------------------------------------------------------------------------------


def explain(bouncemill, *args, code=OK) -> dict:
    return json.loads(bouncemill.run("rules", "explain", "--json", *args, code=code).stdout)


def test_explain_tells_every_candidate_and_why_one_decides(bouncemill):
    told = explain(bouncemill, "554 5.7.1 Service unavailable; Client host [192.0.2.7] blocked using zen.spamhaus.org")
    assert told["rule"] == "blocklist.spamhaus-zen" and told["cause"] == "ip_blocklisted"
    assert told["compared"].startswith("554 5.7.1 service unavailable; client host [<ip>] blocked")
    assert told["blocklist"] == "spamhaus-zen" and told["blocklist_lookup"].startswith("http")
    decides = [c for c in told["candidates"] if c["decides"]]
    assert [c["rule"] for c in decides] == ["blocklist.spamhaus-zen"] and decides[0]["step"] == "blocklist"
    assert all(c["file"] and c["line"] for c in told["candidates"])
    after = told["candidates"][told["candidates"].index(decides[0]) + 1 :]
    assert any(c["fits"] and c["rule"] == "reputation.blocked-using" for c in after)
    assert {c["misses"] for c in told["candidates"] if not c["fits"]} <= {"status", "service", "provider", "smtp", "dsn", "all", "any", "none", "regex"}
    assert all((c["misses"] is None) == c["fits"] for c in told["candidates"])


def test_explain_agrees_with_classify(bouncemill):
    for table in TABLES[:3]:
        reply = table.read_text().splitlines()[1].split("\t")[3]
        verdict = json.loads(bouncemill.run("classify", "--json", stdin=reply.encode()).stdout)
        told = explain(bouncemill, "--", reply)
        assert {k: told[k] for k in ("cause", "rule", "via", "outcome")} == {k: verdict[k] for k in ("cause", "rule", "via", "outcome")}


def test_explain_tells_what_the_codes_alone_say(bouncemill):
    told = explain(bouncemill, "550 5.1.1 blorp")
    assert told["rule"] is None and told["via"] == "code" and told["code_cause"] == told["cause"] == "user_unknown"
    assert "codes decide" in told["because"]
    assert explain(bouncemill, "550 5.0.0 blorp", code=FINDINGS)["code_cause"] is None


def test_explain_reads_a_reply_as_a_providers(bouncemill):
    reply = "550 user not exist"
    assert explain(bouncemill, "--provider", "aliyun", reply)["provider"] == "aliyun"
    assert explain(bouncemill, "--mx", "aspmx.l.google.com", reply)["provider"] == "google"
    assert explain(bouncemill, "--status", "deferred", reply)["outcome"] == "deferred"
    assert b"'nobody'" in bouncemill.run("rules", "explain", "--provider", "nobody", reply, code=USAGE).stderr
    bouncemill.run("rules", "explain", code=USAGE)
    bouncemill.run("rules", "explain", "--lang", "fr", reply, code=USAGE)


def test_explain_is_also_told_as_text_in_two_languages(bouncemill):
    reply = "550 5.1.1 User unknown"
    english = bouncemill.run("rules", "explain", reply).stdout.decode()
    assert re.search(r"^ +\* \S+  \(user_unknown, before blocklists, rules/[\w-]+\.yaml:\d+\)  decides: the first that fits$", english, re.M)
    assert "There is no mailbox" in english and "codes say  user_unknown" in english
    assert "对方没有这个邮箱" in bouncemill.run("rules", "explain", "--lang", "zh-CN", reply).stdout.decode()


# ---- what no rule knows --------------------------------------------------------------------------------------------------------

UNKNOWN = ["451 blorp grumble at mx1.example.com", "451 blorp grumble, come back", "451 zorch widget on fire", "550 5.1.1 User unknown"]


@pytest.fixture
def store_of_unknown(bouncemill, tmp_path):
    lines = []
    for number, reply in enumerate([*UNKNOWN, UNKNOWN[1]]):
        status = "deferred" if reply[0] == "4" else "bounced"
        lines.append(
            f"2026-11-24T08:15:{number:02}Z mx1 postfix/smtp[9]: 4bXyZ00000{number}: to=<c@d.example>, relay=mx.d.example[192.0.2.1]:25, delay=1, "
            f"delays=1/0/0/0, dsn={reply[0]}.0.0, status={status} (host mx.d.example[192.0.2.1] said: {reply} (in reply to RCPT TO command))\n"
        )
    (tmp_path / "mail.log").write_text("".join(lines))
    bouncemill.run("run", "--store", tmp_path / "store", "--format", "postfix", tmp_path / "mail.log")
    return tmp_path / "store"


def test_report_tells_what_is_unclassified_most_frequent_first(bouncemill, store_of_unknown):
    told = json.loads(bouncemill.run("report", "--unclassified", "--json", "--store", store_of_unknown).stdout)
    assert (told["refusals"], told["unclassified"], told["share"]) == (5, 4, 0.8)
    assert [row["count"] for row in told["replies"]] == [2, 1, 1]
    first = told["replies"][0]
    assert "blorp grumble, come back" in first["template"] and "blorp grumble, come back" in first["example"]
    assert (first["first_time"], first["last_time"]) == ("2026-11-24T08:15:01Z", "2026-11-24T08:15:04Z")
    assert first["share"] == 0.4 and first["provider"] == "d.example"
    text = bouncemill.run("report", "--unclassified", "--store", store_of_unknown, "--top", "1").stdout.decode()
    assert text.startswith("UNCLASSIFIED  4 of 5 refusals (80.0 %), in 3 forms\n") and "and 2 more" in text
    assert "zorch" not in text and re.search(r"^ +2 +40\.0 %  2026-11-24 08:15 to 2026-11-24 08:15  d\.example$", text, re.M)
    assert max(map(len, text.splitlines())) <= 80


def finish(skeleton: str) -> str:
    """As a person would: another example and a counter-example where a comment asks for them."""
    text = re.search(r'any: \["(.*?)"\]', skeleton)
    assert text
    out, literal = [], ""
    for line in skeleton.splitlines():
        if match := re.search(r'any: \["(.*?)"\]', line):
            literal = match[1]
        line = line.replace("# add another reply that means the same", f'- "451 {literal} and so on"')
        out.append(line.replace("# add a reply that is alike and means something else", '- "451 something else"'))
    return "\n".join(out) + "\n"


@pytest.mark.parametrize("source", ["store", "file"])
def test_suggestions_load_once_examples_are_in(bouncemill, tmp_path, store_of_unknown, source):
    args = ["--store", store_of_unknown] if source == "store" else ["-"]
    skeleton = bouncemill.run("rules", "suggest", *args, stdin="\n".join(UNKNOWN).encode()).stdout.decode()
    literals = re.findall(r'any: \["(.*?)"\]', skeleton)
    assert literals[0] == "blorp grumble" and len(literals) == 2 and "zorch widget on fire" in literals[1]
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "own.yaml").write_text(skeleton)
    assert b"own.yaml:" in bouncemill.run("rules", "test", "--user-rules", tmp_path / "own", code=USAGE).stderr
    (tmp_path / "own" / "own.yaml").write_text(finish(skeleton))
    bouncemill.run("rules", "test", "--user-rules", tmp_path / "own")
    decided = causes(bouncemill, UNKNOWN, "--user-rules", tmp_path / "own")
    assert [rule and rule.split("-")[0] for _, rule in decided[:3]] == ["suggested.1", "suggested.1", "suggested.2"]


def test_nothing_unknown_gives_an_empty_file_of_rules(bouncemill, tmp_path):
    skeleton = bouncemill.run("rules", "suggest", "-", stdin=b"550 5.1.1 User unknown\n").stdout
    (tmp_path / "own.yaml").write_bytes(skeleton)
    bouncemill.run("rules", "test", "--user-rules", tmp_path)


# ---- rules of one's own -------------------------------------------------------------------------------------------------------


DISABLED = "550 5.2.1 The email account that you tried to reach is disabled. - gsmtp"


def causes(bouncemill, replies, *args) -> list[tuple[str, str | None]]:
    out = bouncemill.lines("classify", "--json", *args, stdin="\n".join(replies).encode())
    return [(v["cause"], v["rule"]) for v in map(json.loads, out)]


def test_a_users_rule_extends_ours(bouncemill, tmp_path):
    write_rule(tmp_path / "own")
    replies = ["451 blorp grumble", "550 5.1.1 User unknown"]
    assert causes(bouncemill, replies)[0] == ("unclassified", None)
    own = causes(bouncemill, replies, "--user-rules", tmp_path / "own")
    assert own[0] == ("rate_limited", "user.blorp") and own[1] == causes(bouncemill, replies)[1]
    listed = rules(bouncemill, "--user-rules", tmp_path / "own")
    assert [r["id"] for r in listed if r["is_users"]] == ["user.blorp"]
    assert len(listed) == len(rules(bouncemill)) + 1


def test_a_users_rule_comes_before_ours_even_when_it_takes_their_examples(bouncemill, tmp_path):
    write_rule(tmp_path / "own", text="that you tried to reach is disabled", cause="policy")
    assert causes(bouncemill, [DISABLED], "--user-rules", tmp_path / "own") == [("policy", "user.blorp")]
    assert causes(bouncemill, [DISABLED]) == [("mailbox_disabled", "google.account-disabled")]


def test_a_users_rule_with_the_id_of_ours_stands_in_its_place(bouncemill, tmp_path):
    rule = "google.account-disabled"
    write_rule(tmp_path / "own", rule_id=rule, cause="recipient_filter", text="blorp grumble")
    [(_, old), (_, new)] = causes(bouncemill, [DISABLED, "451 blorp grumble"], "--user-rules", tmp_path / "own")
    assert old != rule and new == rule
    before, after = rules(bouncemill), rules(bouncemill, "--user-rules", tmp_path / "own")
    assert [r["id"] for r in before] == [r["id"] for r in after]
    assert [r["id"] for r in after if r["is_users"]] == [rule]


def test_a_run_takes_a_users_rules_from_option_and_configuration(bouncemill, tmp_path):
    write_rule(tmp_path / "own")
    stamp = "2026-11-24T08:15:07Z mx1 postfix/smtp[9]: 4bXyZ000001:"
    (tmp_path / "mail.log").write_text(
        f"{stamp} to=<c@d.example>, relay=mx.d.example[192.0.2.1]:25, delay=1, delays=1/0/0/0, dsn=4.0.0, status=deferred "
        "(host mx.d.example[192.0.2.1] said: 451 blorp grumble (in reply to RCPT TO command))\n"
    )
    (tmp_path / "config.yaml").write_text(f"user_rules: {tmp_path / 'own'}\n")
    for number, args in enumerate([["--user-rules", tmp_path / "own"], ["--config", tmp_path / "config.yaml"]]):
        store = tmp_path / f"store{number}"
        bouncemill.run("run", *args, "--store", store, "--format", "postfix", tmp_path / "mail.log")
        assert [json.loads(line)["rule"] for line in bouncemill.dump("replies", store)] == ["user.blorp"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("rules:\n  - id: user.x\n    cause: nonsense\n    any: [blorp]\n", "own.yaml:3: rule user.x: cause: 'nonsense'"),
        ("rules: 3\n", "own.yaml:1"),
        (
            'rules:\n  - id: user.x\n    cause: policy\n    any: [blorp]\n    examples: ["550 blorp", "550 grumble"]\n    not: ["550 x"]\n',
            "own.yaml:5: rule user.x: example '550 grumble' gives no rule",
        ),
    ],
)
def test_what_is_wrong_with_a_users_rule_is_named_with_file_and_line(bouncemill, tmp_path, text, expected):
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "own.yaml").write_text(text)
    for command in (["rules", "test"], ["classify"], ["rules", "list"]):
        assert expected in bouncemill.run(*command, "--user-rules", tmp_path / "own", code=USAGE).stderr.decode()


# ---- advice -------------------------------------------------------------------------------------------------------------------


def advice(language) -> list[tuple[str, str]]:
    """(key, text) of every piece of advice, in the order of the file."""
    return re.findall(r'^    (\w+): "(.*)"$', (ROOT / f"classify/data/advice.{language}.yaml").read_text(), re.M)


def test_advice_is_whole_in_both_languages_and_names_only_commands_that_exist(bouncemill):
    english, chinese = advice("en"), advice("zh-CN")
    assert [key for key, _ in english] == [key for key, _ in chinese] == ["meaning", "check", "remedy", "prevention"] * 41
    for _, text in english + chinese:
        for command, word in re.findall(r"bouncemill ([a-z]+)(?: ([a-z]+))?", text):
            shown = bouncemill.run(command, *([word] if command == "rules" else []), "--help").stdout.decode()
            assert shown.startswith(f"usage: bouncemill {command}"), text


def test_chinese_advice_is_punctuated_as_chinese():
    wrong = [text for _, text in advice("zh-CN") if re.search(r"[\u4e00-\u9fff][,;:?!]|[,;?!][\u4e00-\u9fff]|[A-Za-z0-9],[A-Z]", text)]
    assert wrong == []
    assert all(text.endswith(("。", ".txt")) for _, text in advice("zh-CN"))
