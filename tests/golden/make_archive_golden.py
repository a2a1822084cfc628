"""Writes archives/: small pickles and PyTorch archives, for the tests of data/formats.

pip install torch numpy safetensors omegaconf; python make_archive_golden.py
"""

import argparse
import collections
import os
import pathlib
import pickle
import zipfile

import numpy as np
import torch
from omegaconf import OmegaConf
from safetensors.torch import save_file

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

# One state dict in both formats of torch.save: every element type, views, shared storages, what stands beside weights.
torch.manual_seed(1)
base = torch.arange(24, dtype=torch.float32).reshape(4, 6) / 8
state = collections.OrderedDict(
    [
        ("a.f32", torch.randn(3, 4)),
        ("a.f64", torch.randn(2, dtype=torch.float64)),
        ("a.f16", torch.tensor([1.5, -2.0, 65504.0, 2.0**-24, float("inf")], dtype=torch.float16)),
        ("a.bf16", torch.tensor([1.5, -3.25, 1e30], dtype=torch.bfloat16)),
        ("b.i64", torch.tensor([[2**31 - 1, -5]])),
        ("b.i32", torch.tensor([7, -8], dtype=torch.int32)),
        ("b.i16", torch.tensor([300, -300], dtype=torch.int16)),
        ("b.i8", torch.tensor([-128, 127], dtype=torch.int8)),
        ("b.u8", torch.tensor([0, 255], dtype=torch.uint8)),
        ("b.bool", torch.tensor([True, False, True])),
        ("c.whole", base),
        ("c.row", base[2]),
        ("c.column", base[:, 1]),
        ("c.transposed", base.t()),
        ("c.every_second", base[1::2, ::3]),
        ("c.expanded", base[0, :3].expand(4, 3)),
        ("c.scalar", torch.tensor(0.25)),
        ("c.empty", torch.zeros(0, 5)),
        ("c.four_axes", torch.arange(16.0).reshape(2, 2, 2, 2).permute(3, 1, 0, 2)),
        ("d.parameter", torch.nn.Parameter(torch.tensor([1.0, 2.0]))),
    ]
)
state._metadata = {"": {"version": 1}}
weight = torch.nn.Parameter(torch.ones(2))
optimizer = torch.optim.Adam([weight], lr=0.25)
weight.sum().backward()
optimizer.step()
checkpoint = {
    "net": state,
    "optimizer": optimizer.state_dict(),
    "epoch": 3,
    "best": {"loss": 0.5, "name": "caf\u00e9", "when": None},
    "args": argparse.Namespace(width=8, lr=0.125),
    "fid": np.float64(2.5),
    "sizes": torch.Size([2, 3]),
}
torch.save(checkpoint, out / "zip.pt")
torch.save(checkpoint, out / "legacy.pt", _use_new_zipfile_serialization=False)
torch.save({**checkpoint, "mean": np.arange(6.0, dtype=np.float32).reshape(2, 3)}, out / "numpy.pt")
settings = OmegaConf.create({"a": 1, "b": [1, 2.5, "x", None], "c": {"d": True}, "e": "${a}"})
torch.save({"state_dict": {"w": base}, "hyper_parameters": {"cfg": settings}}, out / "settings.ckpt")
torch.save(collections.OrderedDict(list(state.items())[:2]), out / "plain.pt")
torch.save({"net": {"w": base}, "ema": {"w": base}, "opt_net": {"w": base}}, out / "sections.pt")
with zipfile.ZipFile(out / "zip.pt") as source, zipfile.ZipFile(out / "deflated.pt", "w", zipfile.ZIP_DEFLATED) as target:
    for member in source.infolist():
        target.writestr(zipfile.ZipInfo(member.filename), source.read(member), zipfile.ZIP_DEFLATED)


class Tower(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.proj = torch.nn.Linear(3, 2).half()
        self.register_buffer("context_length", torch.tensor(77))
        self.scale = torch.nn.Parameter(torch.tensor(2.5))
        self.layers = torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.ReLU())

    def forward(self, x):
        return self.layers(self.proj(x).float()) * self.scale


tower = Tower()
torch.jit.script(tower).save(out / "jit.pt")

# What the tensors of all of them are: f16 as f32, whole numbers as i32, booleans as u8, no views.
as_read = {torch.float16: torch.float32, torch.bool: torch.uint8}
as_read |= {t: torch.int32 for t in (torch.int64, torch.int16, torch.int8)}
expected = {f"net.{name}": t for name, t in state.items()} | {f"jit.{name}": t for name, t in tower.state_dict().items()}
save_file(
    {name: t.detach().to(as_read.get(t.dtype, t.dtype)).contiguous().clone() for name, t in expected.items()},
    out / "expected.safetensors",
)

# Sum, sum of squares, first and last element of every tensor of two published archives, where they are at hand.
real = pathlib.Path(os.environ.get("KINEGRAD_SHARED_DATA", pathlib.Path(__file__).parents[3] / "shared/data")) / "weights"
sums = {}
for path in sorted(real.glob("*.tar")):
    archive = torch.load(path, map_location="cpu", weights_only=True)
    named = {f"model.{name}": t for name, t in archive["model"].items()}
    for key, moments in archive["optimizer"]["state"].items():
        named |= {f"optimizer.state.{key}.{n}": t for n, t in moments.items() if torch.is_tensor(t)}
    for name, t in named.items():
        t = t.double().flatten()
        sums[f"{path.name}:{name}"] = torch.stack([t.sum(), t.square().sum(), t[0], t[-1]])
if sums:
    save_file(sums, out / "published_sums.safetensors")
else:
    print(f"no archives in {real}: published_sums.safetensors stays as it is")
