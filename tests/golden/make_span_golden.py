#!/usr/bin/env python3
"""Writes spans.json: span corruption and the parts of motions, for models/motiongpt/sequences.

Computed from the definitions with masks and lists, not as the library does; random compositions are drawn here and
handed over. Ids are those of a vocabulary of 1,000 pieces with 100 sentinels: <extra_id_i> is 1099 - i, </s> is 1.
- counts: for lengths 2, 3, ...: [ids dropped, spans]. Python's round() takes halves to the even number.
- cases: ids, lengths of the spans that are kept and dropped; input and target.
- parts: for motions of 0, 1, 2, ... tokens, when a token is four frames and when it is taken for one frame: [codes in the
  beginning, codes before the mask, masked codes].
Needs nothing but Python. Run: python3 tests/golden/make_span_golden.py
"""

import json
import pathlib
import random

PIECES, SENTINELS, END = 1000, 100, 1


def counts(length, density=0.15, mean_span=3.0):
    dropped = min(max(round(length * density), 1), length - 1)
    return [dropped, max(1, round(dropped / mean_span))]


def composition(rng, total, parts):
    """Marks on the places where a part begins, shuffled; the first part begins at 0."""
    marks = [1] * (parts - 1) + [0] * (total - parts)
    rng.shuffle(marks)
    lengths = [1]
    for mark in marks:
        if mark:
            lengths.append(1)
        else:
            lengths[-1] += 1
    return lengths


def replaced(ids, mask):
    """Each run of ids where the mask holds becomes one sentinel."""
    out, sentinel, before = [], PIECES + SENTINELS, False
    for value, hidden in zip(ids, mask):
        if hidden and not before:
            sentinel -= 1
            out.append(sentinel)
        if not hidden:
            out.append(value)
        before = hidden
    return out + [END]


def case(rng, length):
    dropped, spans = counts(length)
    noise, clean = composition(rng, dropped, spans), composition(rng, length - dropped, spans)
    mask = [hidden for pair in zip(clean, noise) for hidden in [False] * pair[0] + [True] * pair[1]]
    ids = [rng.randrange(3, PIECES) for _ in range(length)]
    return {"ids": ids, "kept": clean, "dropped": noise, "input": replaced(ids, mask),
            "target": replaced(ids, [not hidden for hidden in mask])}


def parts(tokens, length):
    """By the strings: pieces of start, codes, end; `length` is what is taken for the number of frames."""
    pieces = ["start", *range(tokens), "end"]
    t = length / 4
    beginning = list(range(tokens))[: int(0.2 * t)]
    head, tail = pieces[: int(0.25 * t + 1)], pieces[int(0.75 * t + 1):]
    return [len(beginning), len(head) - 1, len(pieces) - len(head) - len(tail)]


def main():
    rng = random.Random(7)
    golden = {"counts": [counts(n) for n in range(2, 301)],
              "cases": [case(rng, n) for n in [2, 3, 5, 10, 17, 30, 50, 70, 120, 256]],
              "parts": {"frames": [parts(n, 4 * n) for n in range(60)], "tokens": [parts(n, n) for n in range(60)]}}
    assert len(golden["cases"][-1]["input"]) == 232 and len(golden["cases"][-1]["target"]) == 52
    path = pathlib.Path(__file__).with_name("spans.json")
    path.write_text(json.dumps(golden, separators=(",", ":")) + "\n")
    print(f"{path}: {path.stat().st_size} bytes")


if __name__ == "__main__":
    main()
