"""The peer of the whole job: ClickHouse (chdb) answers the same question of the same log by regular expressions, in one SQL statement on
one thread: deliveries with their senders, each deferral and bounce matched against all patterns of the rules, counted by minute, domains,
status and cause. Prints the seconds of the statement and the totals that must agree."""

import glob
import json
import os
import re
import sys
import time

import chdb.session
import yaml

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))

STATEMENT = r"""
WITH
  lines AS (SELECT line FROM file('{log}', 'LineAsString', 'line String')),
  senders AS (
    SELECT extractGroups(line, '^\\w{{3}} +\\d+ [\\d:]{{8}} (\\S+) [^ ]+/qmgr\\[\\d+\\]: (\\w+): from=<([^>]*)>, size=(\\d+)') AS s,
           s[1] AS host, s[2] AS queue_id, s[3] AS sender, toUInt64OrZero(s[4]) AS size
    FROM lines WHERE line LIKE '%/qmgr[%: from=<%' AND notEmpty(s)),
  deliveries AS (
    SELECT extractGroups(line, '^(\\w{{3}} +\\d+ \\d+:\\d+):\\d+ (\\S+) [^ ]+/\\w+\\[\\d+\\]: (\\w+): to=<([^>]*)>.* dsn=([\\d.]+), status=(\\w+) \\((.*)\\)$') AS d,
           d[1] AS minute, d[2] AS host, d[3] AS queue_id, d[4] AS recipient, d[6] AS status, d[7] AS reply
    FROM lines WHERE line LIKE '%: to=<%status=%' AND notEmpty(d))
SELECT minute, extract(sender, '@([^@]*)$') AS sender_domain, lower(extract(recipient, '@([^@]*)$')) AS recipient_domain, status,
       if(status = 'sent', 0, arrayMin(multiMatchAllIndices(lower(reply), {patterns}))) AS cause,
       count() AS count, sum(size) AS bytes
FROM deliveries ANY LEFT JOIN senders USING (host, queue_id)
GROUP BY ALL
"""


def patterns():
    """One regular expression a rule: its literals in order, or one of them."""
    out = []
    for path in sorted(glob.glob(os.path.join(ROOT, "classify", "rules", "*.yaml"))):
        with open(path, encoding="utf-8") as rules:
            for rule in yaml.safe_load(rules)["rules"]:
                every = [re.escape(text.lower()) for text in rule.get("all", [])]
                some = [re.escape(text.lower()) for text in rule.get("any", [])]
                out.append(".*".join(every) if every else "|".join(some))
    return "[" + ",".join("'" + text.replace("\\ ", " ").replace("\\", "\\\\").replace("'", "\\'") + "'" for text in out) + "]"


def main():
    statement = STATEMENT.format(log=sys.argv[1], patterns=patterns())
    session = chdb.session.Session()
    for setting in ("max_threads = 1", "max_memory_usage = 0", "short_circuit_function_evaluation = 'force_enable'",
                    "max_hyperscan_regexp_length = 0", "max_hyperscan_regexp_total_length = 0", "reject_expensive_hyperscan_regexps = 0"):
        session.query(f"SET {setting}")
    begun = time.perf_counter()
    session.query(f"CREATE TABLE answer ENGINE = Memory AS {statement}")
    seconds = time.perf_counter() - begun
    totals = json.loads(session.query("SELECT sumIf(count, status = 'sent') AS delivered, sumIf(count, status = 'deferred') AS deferred, "
                                      "sumIf(count, status = 'bounced') AS bounced FROM answer", "JSONEachRow").data())
    print(json.dumps({"seconds": seconds, **{name: int(value) for name, value in totals.items()}}))


main()
