"""Writes archives/: small pickles and PyTorch archives, for the tests of data/formats.

pip install torch numpy; python make_archive_golden.py
"""

import collections
import pathlib
import pickle

import numpy as np

out = pathlib.Path(__file__).parent / "archives"
out.mkdir(exist_ok=True)

shared = ["again", 7]
values = [
    None, True, False, 0, 255, 65535, -1, 2**31, -(2**40), 2**62, 0.5, -1e300, "", "caf\u00e9 \u6b69 \U0001f6b6 'x'\n\\",
    b"", b"\x00\xff\x80ab", (), (1,), (1, 2), (1, 2, 3), (1, 2, 3, 4), [], list(range(3)), {}, {"a": 1, 2: "b"}, {3},
    frozenset([4]), shared, shared, collections.OrderedDict([("z", 1), ("y", 2)]), collections.Counter("aa"),
    np.float64(2.5), 2**70,
]
for protocol in range(6):
    (out / f"values_{protocol}.pkl").write_bytes(pickle.dumps(values, protocol))
