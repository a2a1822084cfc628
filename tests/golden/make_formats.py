"""Writes formats/: small arrays as NumPy and the safetensors package store them, for the tests of data/formats.

pip install numpy safetensors; python make_formats.py
"""

import pathlib
import struct
import zlib

import numpy as np
from numpy.lib import format as npy_format
from safetensors.numpy import save_file

out = pathlib.Path(__file__).parent / "formats"
out.mkdir(exist_ok=True)


def save(name, array, version=(1, 0)):
    with open(out / f"{name}.npy", "wb") as file:
        npy_format.write_array(file, array, version=version)


matrix = np.array([[0.5, -1.25, 3.0], [1e-30, 2.0**20, -0.0]])
save("f4_v1", matrix.astype("<f4"))
save("f8_v2", matrix, (2, 0))
save("f4_v3", matrix.astype("<f4"), (3, 0))
save("i4", np.array([1, -2, 2**31 - 1, -(2**31)], "<i4"))
save("i8", np.array([[1, -2], [2**31 - 1, -(2**31)]], "<i8"))
save("i8_wide", np.array([7, 2**31], "<i8"))
save("u1", np.arange(6, dtype="u1").reshape(1, 2, 3))
save("b1", np.array([True, False, True]))
save("scalar", np.array(2.5, "<f8"))
save("empty", np.zeros((0, 3), "<f4"))
save("fortran", np.asfortranarray(matrix))
save("big_endian", matrix.astype(">f4"))
save("complex", matrix.astype("<c8"))
save("half", (matrix * 0.5)[:1].astype("<f2"))
save("structured", np.zeros(2, [("x", "<f4"), ("y", "<i4")]))
np.save(out / "object.npy", np.array([{"a": 1}, None]), allow_pickle=True)

arrays = {"matrix": matrix.astype("<f4"), "count": np.array([3, 1, 2], "<i8"), "long": np.zeros(60, "<f8")}
np.savez(out / "stored.npz", **arrays)
np.savez_compressed(out / "deflated.npz", **arrays)

save_file(
    {
        "a.f64": matrix,
        "b.f32": matrix.astype("<f4"),
        "c.f16": np.array([1.5, -2.0, 65504.0, 2.0**-24, np.inf, -0.0, 2.0**-14], "<f2"),
        "d.i64": np.array([2**31 - 1, -5], "<i8"),
        "e.i32": np.array([[4]], "<i4"),
        "f.u8": np.arange(5, dtype="u1"),
        "g.bool": np.array([True, False]),
        "h.empty": np.zeros((2, 0), "<f4"),
        "i.scalar": np.array(0.25, "<f4"),
    },
    out / "mixed.safetensors",
    {"note": "caf\u00e9 \"quoted\""},
)

# What only archives beyond 4 GiB need, in a small one: sizes and offset in the zip64 extra field, zip64 end record.
content = (out / "f4_v1.npy").read_bytes()
packed = zlib.compress(content)[2:-4]  # raw deflate
name, ones, sizes = b"matrix.npy", 2**32 - 1, (len(content), len(packed))
common = struct.pack("<HHHHHIIIHH", 45, 0, 8, 0, 33, zlib.crc32(content), ones, ones, len(name), 28)
extra = struct.pack("<HHQQQ", 1, 24, *sizes, 0)
local = b"PK\3\4" + common + name + extra + packed
entry = b"PK\1\2" + struct.pack("<H", 45) + common + struct.pack("<HHHII", 0, 0, 0, 0, ones) + name + extra
end64 = b"PK\6\6" + struct.pack("<QHHIIQQQQ", 44, 45, 45, 0, 0, 1, 1, len(entry), len(local))
locator = b"PK\6\7" + struct.pack("<IQI", 0, len(local + entry), 1)
end = b"PK\5\6" + struct.pack("<HHHHIIH", 0, 0, 2**16 - 1, 2**16 - 1, ones, ones, 0)
(out / "zip64.npz").write_bytes(local + entry + end64 + locator + end)
assert np.array_equal(np.load(out / "zip64.npz")["matrix"], matrix.astype("<f4"))
