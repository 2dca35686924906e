"""The peer of the whole job: ClickHouse (chdb) answers the same question of the same log by regular expressions, in one SQL statement on
one thread, and writes the answer as bouncemill does, as MessagePack in zstd: the rows of traffic, relays and replies (GROUPING SETS), from
deliveries with their senders, what expired, and what smtpd refused; each refusal is matched against all patterns of the rules and of the
blocklists, its variable parts are masked, and the provider comes from the tables. Prints the seconds of the statement and the totals
that must agree."""

import glob
import json
import os
import re
import sys
import tempfile
import time

import chdb.session
import yaml

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))

STATEMENT = r"""
INSERT INTO FUNCTION file('{answer}', 'MsgPack', 'dataset UInt64, {columns}', 'zstd')
WITH
  lines AS (SELECT line FROM file('{log}', 'LineAsString', 'line String')),
  senders AS (
    SELECT extractGroups(line, '^\\w{{3}} +\\d+ [\\d:]{{8}} (\\S+) [^ ]+/qmgr\\[\\d+\\]: (\\w+): from=<([^>]*)>, size=(\\d+)') AS s,
           s[1] AS host, s[2] AS queue_id, s[3] AS sender, toUInt64OrZero(s[4]) AS size
    FROM lines WHERE line LIKE '%/qmgr[%: from=<%' AND notEmpty(s)),
  attempts AS (
    SELECT extractGroups(line, '^(\\w{{3}} +\\d+ [\\d:]{{8}}) (\\S+) [^ ]+/\\w+\\[\\d+\\]: (\\w+): to=<([^>]*)>, .*?relay=([^,\\[]*)\\[?([^,\\]]*)[^ ]*,(?: conn_use=\\d+,)? delay=([\\d.]+), delays=[^ ]* dsn=[^ ]* status=(\\w+) \\((.*)\\)$') AS d,
           d[1] AS stamp, d[2] AS host, d[3] AS queue_id, d[4] AS recipient, d[5] AS relay_host, d[6] AS relay_ip,
           toFloat64OrZero(d[7]) AS delay, d[8] AS status, d[9] AS reply
    FROM lines WHERE line LIKE '%: to=<%status=%' AND notEmpty(d)),
  expiries AS (
    SELECT extractGroups(line, '^(\\w{{3}} +\\d+ [\\d:]{{8}}) (\\S+) [^ ]+/qmgr\\[\\d+\\]: (\\w+): from=<[^>]*>, status=expired') AS e,
           e[1] AS stamp, e[2] AS host, e[3] AS queue_id
    FROM lines WHERE line LIKE '%/qmgr[%status=expired%' AND notEmpty(e)),
  deferrals AS (
    SELECT extractGroups(line, '^\\w{{3}} +\\d+ [\\d:]{{8}} (\\S+) [^ ]+/\\w+\\[\\d+\\]: (\\w+): to=<([^>]*)>.* relay=([^,\\[]*)\\[?([^,\\]]*).* status=deferred \\((.*)\\)$') AS d,
           d[1] AS host, d[2] AS queue_id, d[3] AS recipient, d[4] AS relay_host, d[5] AS relay_ip, d[6] AS reply
    FROM lines WHERE line LIKE '%: to=<%status=deferred%' AND notEmpty(d)),
  deliveries AS (
    SELECT 'out' AS direction, stamp, host, queue_id, recipient, relay_host, relay_ip, delay, status, reply FROM attempts
    UNION ALL
    SELECT 'out', any(stamp), host, queue_id, recipient, any(relay_host), any(relay_ip), -1, 'expired', any(reply)
    FROM deferrals INNER JOIN expiries USING (host, queue_id) GROUP BY host, queue_id, recipient),
  joined AS (
    SELECT direction, stamp, sender, size, recipient, relay_host, relay_ip, delay, status, reply
    FROM deliveries ANY LEFT JOIN senders USING (host, queue_id)
    UNION ALL
    SELECT 'in', r[1], r[3], 0, r[4], '', '', -1, 'rejected', r[2] FROM (
      SELECT extractGroups(line, '^(\\w{{3}} +\\d+ [\\d:]{{8}}) .*/smtpd\\[\\d+\\]: NOQUEUE: reject: \\w+ from [^:]*: (.*); from=<([^>]*)> to=<([^>]*)>') AS r
      FROM lines WHERE line LIKE '%/smtpd[%: NOQUEUE: reject: %' AND notEmpty(r))),
  judged AS (
    SELECT direction, stamp, substring(stamp, 1, 12) AS minute, substring(stamp, 1, 9) AS hour, relay_host, relay_ip, status, size,
           lower(extract(sender, '@([^@]*)$')) AS sender_domain, lower(extract(recipient, '@([^@]*)$')) AS recipient_domain,
           multiMatchAnyIndex(lower(relay_host), {mx_patterns}) AS mx,
           if(mx != 0, toString(mx), transform(recipient_domain, {domains}, {domain_providers}, cutToFirstSignificantSubdomain(relay_host))) AS provider,
           if(status = 'sent', 0, arrayMin(multiMatchAllIndices(lower(reply), {rule_patterns}))) AS rule,
           if(status = 'sent', 0, arrayMin(multiMatchAllIndices(lower(reply), {list_patterns}))) AS blocklist,
           if(status = 'sent', '', replaceRegexpAll(replaceRegexpAll(reply, '[^ <>@]+@[^ <>@]+', '<addr>'),
              '\\d+\\.\\d+\\.\\d+\\.\\d+', '<ip>')) AS example,
           if(status = 'sent', '', replaceRegexpAll(lower(example), '\\d{{5,}}|[0-9a-z]*\\d[0-9a-z-]{{8,}}', '<id>')) AS template,
           if(delay < 0, 24, toUInt8(greatest(0, least(23, floor(log2(delay * 8)) + 1)))) AS bucket
    FROM joined)
SELECT GROUPING(relay_host) + 2 * GROUPING(template) AS dataset,
       minute, hour, direction, sender_domain, recipient_domain, provider, status, rule, blocklist, relay_host, relay_ip, template,
       count() AS count, sum(size) AS bytes, sumMap([bucket], [toUInt64(1)]).2 AS delay, min(stamp) AS first, max(stamp) AS last,
       min(example) AS example
FROM judged
GROUP BY GROUPING SETS (
  (minute, direction, sender_domain, recipient_domain, provider, status, rule, blocklist),
  (minute, provider, relay_host, relay_ip, status, rule),
  (hour, provider, rule, template))
"""
COLUMNS = ("minute String, hour String, direction String, sender_domain String, recipient_domain String, provider String, status String, "
           "rule UInt64, blocklist UInt64, relay_host String, relay_ip String, template String, count UInt64, bytes UInt64, "
           "delay Array(UInt64), first String, last String, example String")


def quoted(texts):
    return "[" + ",".join("'" + text.replace("\\ ", " ").replace("\\", "\\\\").replace("'", "\\'") + "'" for text in texts) + "]"


def rule_patterns():
    """One regular expression a rule: its literals in order, or one of them."""
    out = []
    for path in sorted(glob.glob(os.path.join(ROOT, "classify", "rules", "*.yaml"))):
        with open(path, encoding="utf-8") as rules:
            for rule in yaml.safe_load(rules)["rules"]:
                every = [re.escape(text.lower()) for text in rule.get("all", [])]
                some = [re.escape(text.lower()) for text in rule.get("any", [])]
                out.append(".*".join(every) if every else "|".join(some))
    return quoted(out)


def table(name):
    with open(os.path.join(ROOT, "classify", "data", name + ".yaml"), encoding="utf-8") as data:
        return yaml.safe_load(data)[name]


def main():
    answer = os.path.join(tempfile.mkdtemp(), "answer.msgpack.zst")
    providers = table("providers")
    domains = {domain: provider["id"] for provider in providers for domain in provider.get("domains", [])}
    statement = STATEMENT.format(
        log=sys.argv[1], answer=answer, columns=COLUMNS, rule_patterns=rule_patterns(),
        list_patterns=quoted("|".join(re.escape(text) for text in entry["match"]) for entry in table("blocklists")),
        mx_patterns=quoted(rf"(^|\.)({'|'.join(re.escape(mx) for mx in provider['mx'])})$" for provider in providers if provider.get("mx")),
        domains=quoted(domains), domain_providers=quoted(domains.values()))
    session = chdb.session.Session()
    for setting in ("max_threads = 1", "max_memory_usage = 0", "short_circuit_function_evaluation = 'force_enable'",
                    "max_hyperscan_regexp_length = 0", "max_hyperscan_regexp_total_length = 0", "reject_expensive_hyperscan_regexps = 0"):
        session.query(f"SET {setting}")
    begun = time.perf_counter()
    session.query(statement)
    seconds = time.perf_counter() - begun
    rows = session.query(f"SELECT sumIf(count, status = 'sent') AS delivered, sumIf(count, status = 'deferred') AS deferred, "
                         f"sumIf(count, status = 'bounced') AS bounced, sumIf(count, status = 'expired') AS expired, "
                         f"sumIf(count, status = 'rejected') AS rejected FROM file('{answer}', 'MsgPack', 'dataset UInt64, {COLUMNS}', 'zstd') "
                         "WHERE dataset = 3", "JSONEachRow").data()
    print(json.dumps({"seconds": seconds, **{name: int(value) for name, value in json.loads(rows).items()}}))


main()
