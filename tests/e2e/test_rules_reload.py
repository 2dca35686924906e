"""Rules that change while a run goes on: by `bouncemill rules reload` and by SIGHUP."""

import signal
import subprocess
import time

import pytest

from listening_run import Run

STAMP = "2026-11-24T08:15:07Z mx1 postfix"
RULES = """rules:
  - id: mine.moon
    cause: {cause}
    any: ["{text}"]
    examples: ["550 5.9.9 blue moon tonight", "550 5.9.9 the blue moon again"]
    not: ["550 5.9.9 a red moon"]
"""


def refusal(number: int) -> bytes:
    line = (f"{STAMP}/smtp[9]: 4bXyZ{number:06d}: to=<c@d.example>, relay=mx.d.example[192.0.2.1]:25, delay=1, delays=1/0/0/0, "
            "dsn=5.9.9, status=bounced (host mx.d.example[192.0.2.1] said: 550 5.9.9 Blue moon tonight (in reply to RCPT TO command))")
    return line.encode() + b"\n"


class Moon:
    """A run that follows a log of refusals, with a directory of one rule."""

    def __init__(self, bouncemill, directory):
        self.bouncemill, self.store, self.log, self.rules = bouncemill, directory / "store", directory / "mail.log", directory / "rules"
        self.rules.mkdir()
        self.write_rule("policy")
        self.log.write_bytes(b"")
        self.refusals = 0
        self.run = Run(bouncemill, "--store", self.store, "--follow", "--flush-interval", "0.2", "--threads", "2", "--rules", self.rules,
                       self.log)
        self.run.wait_for(lambda found: found.one("bouncemill_rules") > 0)

    def write_rule(self, cause, text="blue moon"):
        (self.rules / "mine.yaml").write_text(RULES.format(cause=cause, text=text))

    def refuse(self, count=1):
        """Refusals that are counted, by the rules in force, before this returns."""
        with open(self.log, "ab") as out:
            for _ in range(count):
                self.refusals += 1
                out.write(refusal(self.refusals))
        self.run.wait_for(lambda found: found.one("bouncemill_replies_total") == self.refusals)

    def reload(self, code):
        return self.bouncemill.run("rules", "reload", "--store", self.store, code=code)

    def reloads(self, result):
        return lambda found: found.one("bouncemill_rules_reloads_total", f'result="{result}"')

    def causes(self):
        """Ends the run; {cause: refusals}."""
        self.stderr = self.run.end().decode()
        by = self.bouncemill.lines("query", "--store", self.store, "--by", "cause", "--format", "csv")
        columns = by[0].split(",")
        rows = [dict(zip(columns, line.split(","))) for line in by[1:]]
        return {row["cause"]: int(row["bounced"]) for row in rows}


@pytest.fixture
def moon(bouncemill, tmp_path):
    moon = Moon(bouncemill, tmp_path)
    yield moon
    moon.run.process.kill()
    moon.run.process.wait()


def test_new_rules_decide_from_the_reload_on_and_the_counts_go_on(moon):
    began = moon.run.wait_for(lambda found: True).one("bouncemill_rules_loaded_timestamp_seconds")
    moon.refuse(3)
    moon.write_rule("mailbox_full")
    moon.refuse(2)  # nobody has read it yet
    time.sleep(1)  # the timestamp has whole seconds
    assert b"rules are in force" in moon.reload(code=0).stdout
    moon.refuse(4)
    found = moon.run.wait_for(lambda found: moon.reloads("loaded")(found) == 1)
    assert moon.reloads("kept")(found) == 0
    assert found.one("bouncemill_rules_loaded_timestamp_seconds") > began
    assert found.one("bouncemill_replies_total") == 9
    assert moon.causes() == {"policy": 5, "mailbox_full": 4}
    assert "event=rules_reloaded" in moon.stderr


@pytest.mark.parametrize("broken, told", [
    (RULES.format(cause="policy", text="green moon"), "mine.yaml:5: rule mine.moon: example"),
    (RULES.format(cause="nonsense", text="blue moon"), "mine.yaml:3: rule mine.moon: cause: 'nonsense'"),
    ("rules: [", "mine.yaml"),
    (None, "no .yaml file of rules in it"),
])
def test_wrong_rules_change_nothing_and_are_named(moon, broken, told):
    if broken is None:
        (moon.rules / "mine.yaml").unlink()
    else:
        (moon.rules / "mine.yaml").write_text(broken)
    stderr = moon.reload(code=2).stderr.decode()
    assert told in stderr and "stay in force" in stderr
    moon.refuse()
    found = moon.run.wait_for(lambda found: moon.reloads("kept")(found) == 1)
    assert moon.reloads("loaded")(found) == 0
    moon.write_rule("mailbox_full")
    moon.reload(code=0)
    moon.refuse()
    assert moon.causes() == {"policy": 1, "mailbox_full": 1}
    problem = next(line for line in moon.stderr.splitlines() if "event=rule_problem" in line)
    assert "level=error" in problem and told in problem.replace('\\"', '"')
    assert "event=rules_kept" in moon.stderr


def test_hangup_reloads_as_often_as_it_comes(moon):
    for number in range(5):
        moon.write_rule("mailbox_full" if number % 2 else "policy")
        moon.run.process.send_signal(signal.SIGHUP)
        moon.run.process.send_signal(signal.SIGHUP)
        moon.refuse(20)
    moon.write_rule("dmarc_fail")
    moon.reload(code=0)
    moon.refuse(7)
    causes = moon.causes()
    assert causes["dmarc_fail"] == 7 and sum(causes.values()) == 107
    assert set(causes) <= {"policy", "mailbox_full", "dmarc_fail"}


def test_reload_needs_a_run_that_answers(bouncemill, moon, tmp_path):
    assert b"no bouncemill writes it" in bouncemill.run("rules", "reload", "--store", tmp_path / "nowhere", code=3).stderr
    moon.run.process.send_signal(signal.SIGSTOP)
    assert b"has not answered" in bouncemill.run("rules", "reload", "--store", moon.store, "--timeout", "0.1", code=75).stderr
    reload = bouncemill.start("rules", "reload", "--store", moon.store, stderr=subprocess.PIPE)
    time.sleep(1)  # it has signalled, and waits
    moon.run.process.kill()
    moon.run.process.wait()
    assert b"has ended" in reload.communicate(timeout=30)[1] and reload.returncode == 3
    assert b"no bouncemill writes it" in bouncemill.run("rules", "reload", "--store", moon.store, code=3).stderr
    assert bouncemill.run("rules", "reload", "--timeout", "soon", code=2).stdout == b""
