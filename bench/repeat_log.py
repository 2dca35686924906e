#!/usr/bin/env python3
"""Makes a long log of a short one, of the bytes that are asked for.

    bench/repeat_log.py exim 64M tests/data/exim/live/default/mail.log > exim.log

Lines are drawn at random (always the same), each with a fresh queue id and a stamp a little later than the one before. A log that is only
said again and again is no measure: a processor learns where its lines end, which halves what looking for newlines costs.
Records of CSV get other people and other domains, too, since there are few of them; the first line, their header, stays.
"""

import random
import re
import sys
import time

DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
UNITS = {"K": 1 << 10, "M": 1 << 20, "G": 1 << 30}
BEGIN = 1795510800  # 2026-11-24
LINES_A_SECOND = 50

# Of each format: its stamps, how they are written, and what in its lines is made anew: a queue id's beginning, a person, a domain.
FORMATS = {
    "exim": (rb"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", "%Y-%m-%d %H:%M:%S",
             {rb"\b[0-9A-Za-z]{6}(?=-(?:[0-9A-Za-z]{6}-[0-9A-Za-z]{2}|[0-9A-Za-z]{11}-[0-9A-Za-z]{4})\b)": "id"}),
    "sendmail": (rb"^[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d", "%b %e %H:%M:%S", {rb"(?<=\]: )[0-9A-Za-z]{8}(?=[0-9A-Za-z]{6}: )": "id"}),
    "powermta": (rb"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\+0\d00", "%Y-%m-%d %H:%M:%S+0000",
                 {rb"\b(?:ann|bob|cid|dan|eve|sales)(?=@)": "person", rb"\b[bc](?=\.example)": "domain"}),
}
# The records of CSV: how many of each kind there are for one of the rarest.
WEIGHTS = {b"d,": 12, b"t,": 3}


def drawn(kind: str, length: int, draw: random.Random) -> bytes:
    if kind != "id":
        length = draw.randint(3, 15)
    return "".join(draw.choices(DIGITS[10:] if kind == "id" else DIGITS[36:], k=length)).encode()


class Line:
    """Its text between what is made anew."""

    def __init__(self, line: bytes, stamp: bytes, anew: dict):
        pieces = [(match.start(), match.end(), kind)
                  for expression, kind in [(stamp, "stamp"), *anew.items()] for match in re.finditer(expression, line)]
        self.parts, at = [], 0
        for begin, end, kind in sorted(pieces):
            self.parts += [line[at:begin], (kind, end - begin)]
            at = end
        self.parts.append(line[at:])

    def again(self, stamp: bytes, draw: random.Random) -> bytes:
        return b"".join(part if isinstance(part, bytes) else stamp if part[0] == "stamp" else drawn(*part, draw) for part in self.parts)


def main():
    name, size, path = sys.argv[1:]
    wanted = int(size[:-1]) * UNITS[size[-1]] if size[-1] in UNITS else int(size)
    stamp, written_as, anew = FORMATS[name]
    with open(path, "rb") as log:
        texts = log.readlines()
    draw = random.Random(1)
    written = sys.stdout.buffer.write(texts.pop(0)) if name == "powermta" else 0
    lines = [Line(text, stamp, anew) for text in texts]
    weights = [WEIGHTS.get(text[:2], 1) for text in texts] if name == "powermta" else None
    second = BEGIN
    while written < wanted:
        now = time.strftime(written_as, time.gmtime(second)).encode()
        chosen = draw.choices(lines, weights, k=LINES_A_SECOND)
        written += sys.stdout.buffer.write(b"".join(line.again(now, draw) for line in chosen))
        second += 1


main()
