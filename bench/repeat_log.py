#!/usr/bin/env python3
"""Makes a long log of a short one: repeats it with fresh queue ids, so that no message is met twice.

    bench/repeat_log.py exim 64M tests/data/exim/live/default/mail.log > exim.log
"""

import itertools
import re
import sys

# Of each format: a queue id, whose first group is what is made anew.
IDS = {"exim": rb"\b([0-9A-Za-z]{6})(?=-(?:[0-9A-Za-z]{6}-[0-9A-Za-z]{2}|[0-9A-Za-z]{11}-[0-9A-Za-z]{4})\b)"}
DIGITS = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
UNITS = {"K": 1 << 10, "M": 1 << 20, "G": 1 << 30}


def in_base_62(number: int, length: int) -> bytes:
    digits = []
    for _ in range(length):
        number, digit = divmod(number, 62)
        digits.append(DIGITS[digit])
    return bytes(reversed(digits))


def main():
    name, size, path = sys.argv[1:]
    wanted = int(size[:-1]) * UNITS[size[-1]] if size[-1] in UNITS else int(size)
    with open(path, "rb") as log:
        # Texts and ids take turns.
        parts = re.split(IDS[name], log.read())
    ids = {id: number for number, id in enumerate(dict.fromkeys(parts[1::2]))}
    written = 0
    for turn in itertools.count():
        if written >= wanted:
            break
        fresh = {id: in_base_62(turn * len(ids) + number, len(id)) for id, number in ids.items()}
        copy = b"".join(fresh[part] if i % 2 else part for i, part in enumerate(parts))
        written += sys.stdout.buffer.write(copy)


main()
