#!/usr/bin/env python3
"""Makes a directory of rules for measuring: those of the program and as many again of words that replies are made of.

    bench/generate_rules.py PROGRAM COUNT DIR TABLE.tsv...

The rules of the program come first, so each reply is decided as ever, and the others are looked for in vain or are candidates that fit
less. One in five has a regular expression too, one in three needs two texts. Those of which an example would be taken by another rule
are left out; the same arguments give the same files.
"""

import json
import pathlib
import random
import re
import shutil
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent


def count_rules(program, directory):
    return len(subprocess.run([program, "rules", "list", "--rules", directory], check=True, stdout=subprocess.PIPE).stdout.splitlines())


def vocabulary(tables):
    words = set()
    for table in tables:
        lines = pathlib.Path(table).read_text().splitlines()
        column = lines[0].split("\t").index("reply")
        for line in lines[1:]:
            words.update(re.findall(r"\b[a-z]{4,10}\b", line.split("\t")[column].lower()))
    return sorted(words)


def make_rule(number, words, chance):
    first, second = (" ".join(chance.sample(words, 2)) for _ in range(2))
    rule = {"id": f"generated.{number}", "cause": "policy"}
    if number % 3 == 0:
        rule["all"] = [first, second]
    else:
        rule["any"] = [first, second]
    if number % 5 == 0:
        rule["regex"] = first.split()[0] + r"\s+" + first.split()[1]
    rule["examples"] = [f"550 5.9.9 {first} zq {second}", f"550 5.9.9 {first} zq {second} zq"]
    rule["not"] = ["550 5.9.9 zq"]
    return rule


def write(path, rules):
    path.write_text("rules:\n" + "".join("  - " + json.dumps(rule) + "\n" for rule in rules))


def main():
    program, count, directory = sys.argv[1], int(sys.argv[2]), pathlib.Path(sys.argv[3])
    chance, words = random.Random(20261124), vocabulary(sys.argv[4:])
    shutil.rmtree(directory, ignore_errors=True)
    shutil.copytree(ROOT / "classify" / "rules", directory)
    wanted = count - count_rules(program, directory)
    rules = [make_rule(number, words, chance) for number in range(wanted * 3 // 2)]
    while True:
        write(directory / "zz-generated.yaml", rules)
        tested = subprocess.run([program, "rules", "test", "--rules", directory], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        wrong = set(re.findall(r"rule (generated\.\d+): example", tested.stderr.decode()))
        if not wrong:
            break
        rules = [rule for rule in rules if rule["id"] not in wrong]
    if tested.returncode != 0 or len(rules) < wanted:
        sys.exit(f"generate_rules: {len(rules)} of {wanted} rules are right\n{tested.stderr.decode()[:2000]}")
    write(directory / "zz-generated.yaml", rules[:wanted])


main()
