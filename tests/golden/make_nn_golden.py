#!/usr/bin/env python3
"""Writes nn.safetensors: PyTorch's values, in float64, for the layers, optimizers and losses of nn/.

A layer CASE holds its parameters CASE.p.NAME, inputs CASE.x and CASE.memory, masks CASE.key_mask (u8, 1: visible) and
CASE.bias, the result CASE.y, its random gradient CASE.gy, and the gradients CASE.g.NAME and CASE.gx, CASE.gmemory.
An optimizer CASE holds parameters CASE.p.NAME, gradients CASE.g.STEP.NAME and the parameters after it, CASE.STEP.NAME.
The options stand in tests/nn/test_nn_golden.cpp again.
Needs: torch, numpy, safetensors.   Run: python3 tests/golden/make_nn_golden.py
"""

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from golden import Golden

golden = Golden(20240714)
rng, normal, put = golden.rng, golden.normal, golden.put
B, T, S, C, H = 2, 5, 4, 8, 2


def randomise(module):
    with torch.no_grad():
        for p in module.parameters():
            p.copy_(normal(*p.shape, scale=0.5))


def layer(name, module, call, memory=False, masks=None):
    """call(module, x, memory) -> y; the gradients are those of sum(y * gy)."""
    randomise(module)
    x = normal(B, T, C).requires_grad_()
    m = normal(B, S, C).requires_grad_() if memory else None
    y = call(module, x, m)
    gy = normal(*y.shape)
    (y * gy).sum().backward()
    for key, p in module.named_parameters():
        put(f"{name}.p.{key}", p)
        put(f"{name}.g.{key}", p.grad)
    for key, value in (masks or {}).items():
        put(f"{name}.{key}", value)
    put(f"{name}.x", x), put(f"{name}.gx", x.grad)
    if memory:
        put(f"{name}.memory", m), put(f"{name}.gmemory", m.grad)
    put(f"{name}.y", y), put(f"{name}.gy", gy)


def layers():
    visible = torch.ones(B, T, dtype=torch.bool)
    visible[1, 3:] = False
    causal = torch.triu(torch.ones(T, T, dtype=torch.bool), 1)
    bias = normal(B, H, T, S)
    layer("self", nn.MultiheadAttention(C, H, batch_first=True),
          lambda f, x, m: f(x, x, x, key_padding_mask=~visible, attn_mask=causal, need_weights=False)[0],
          masks={"key_mask": visible})
    layer("cross", nn.MultiheadAttention(C, H, batch_first=True),
          lambda f, x, m: f(x, m, m, attn_mask=bias.reshape(B * H, T, S), need_weights=False)[0],
          memory=True, masks={"bias": bias})
    layer("no_bias", nn.MultiheadAttention(C, H, bias=False, batch_first=True),
          lambda f, x, m: f(x, x, x, need_weights=False)[0])
    for norm_first, activation in ((False, "relu"), (True, "gelu")):
        style = "pre" if norm_first else "post"
        options = dict(dim_feedforward=12, dropout=0.0, activation=activation, batch_first=True, norm_first=norm_first)
        layer(f"encoder_{style}", nn.TransformerEncoderLayer(C, H, **options),
              lambda f, x, m: f(x, src_key_padding_mask=~visible), masks={"key_mask": visible})
        layer(f"decoder_{style}", nn.TransformerDecoderLayer(C, H, **options),
              lambda f, x, m: f(x, m, tgt_mask=causal), memory=True)
    layer("rms_norm", nn.RMSNorm(C, eps=1e-6), lambda f, x, m: f(x))


def recurrent():
    """Packed and bidirectional; memory holds the initial states, y has the last ones as one time more."""
    def call(f, x, m):
        packed = nn.utils.rnn.pack_padded_sequence(x, torch.tensor([3, T]), batch_first=True, enforce_sorted=False)
        h, last = f(packed, m.transpose(0, 1)[:2, :, :6].contiguous())
        h, _ = nn.utils.rnn.pad_packed_sequence(h, batch_first=True, total_length=T)
        return torch.cat([h, last.transpose(0, 1).reshape(B, 1, 12)], 1)

    layer("gru", nn.GRU(C, 6, batch_first=True, bidirectional=True), call, memory=True)


def optimizer(name, make, steps=4, clip=None):
    """One convolution and one linear layer; gradients are given."""
    model = nn.ModuleDict({"conv": nn.Conv1d(3, 2, 3), "linear": nn.Linear(2, 4)})
    randomise(model)
    for key, p in model.named_parameters():
        put(f"{name}.p.{key}", p)
    opt = make(model)
    for step in range(steps):
        for key, p in model.named_parameters():
            p.grad = normal(*p.shape, scale=0.1 * (step + 1))
            put(f"{name}.g.{step}.{key}", p.grad)
        if clip:
            put(f"{name}.norm.{step}", nn.utils.clip_grad_norm_(model.parameters(), clip))
        opt.step()
        for key, p in model.named_parameters():
            put(f"{name}.{step}.{key}", p)


def optimizers():
    optimizer("adamw", lambda m: torch.optim.AdamW(m.parameters(), lr=1e-2, betas=(0.9, 0.99), weight_decay=0.1))
    optimizer("adam", lambda m: torch.optim.Adam(m.parameters(), lr=1e-2, betas=(0.5, 0.9), weight_decay=0.1))
    optimizer("clipped", lambda m: torch.optim.AdamW(m.parameters(), lr=1e-2, weight_decay=0.0), clip=1.0)
    optimizer("groups", lambda m: torch.optim.AdamW([
        {"params": [m["conv"].weight, m["linear"].weight], "weight_decay": 0.2},
        {"params": [m["conv"].bias, m["linear"].bias], "weight_decay": 0.0, "lr": 5e-3}], lr=1e-2))


def loss(name, fn, x, **constants):
    x = x.requires_grad_()
    y = fn(x)
    y.backward()
    put(f"{name}.x", x), put(f"{name}.y", y), put(f"{name}.gx", x.grad)
    for key, value in constants.items():
        put(f"{name}.{key}", value)


def losses():
    target = normal(3, 4)
    loss("mse", lambda x: F.mse_loss(x, target), normal(3, 4), target=target)
    loss("l1", lambda x: F.l1_loss(x, target), normal(3, 4), target=target)
    loss("smooth_l1", lambda x: F.smooth_l1_loss(x, target, beta=0.7), normal(3, 4), target=target)
    ids = torch.from_numpy(rng.integers(0, 6, (3, 4)))
    ids[0, 2:] = -100
    loss("cross_entropy", lambda x: F.cross_entropy(x.transpose(1, 2), ids, label_smoothing=0.1), normal(3, 4, 6),
         target=ids)
    counts, padded = [4, 1, 2], torch.from_numpy(rng.integers(0, 6, (3, 4)))
    for b, count in enumerate(counts):
        padded[b, count:] = 99  # a padding id that has no logit
    loss("sample_mean", lambda x: sum(F.cross_entropy(x[b, :n], padded[b, :n]) for b, n in enumerate(counts)) / 3,
         normal(3, 4, 6), target=padded)


def schedules():
    p = nn.Parameter(torch.zeros(1))
    for name, make in (
        ("multi_step", lambda o: torch.optim.lr_scheduler.MultiStepLR(o, [3, 6], gamma=0.05)),
        ("cosine", lambda o: torch.optim.lr_scheduler.CosineAnnealingLR(o, 10, eta_min=1e-5)),
    ):
        opt = torch.optim.SGD([p], lr=2e-4)
        scheduler = make(opt)
        rates = []
        for _ in range(11):
            rates.append(scheduler.get_last_lr()[0])
            opt.step(), scheduler.step()
        put(f"{name}.lr", np.array(rates))


layers()
optimizers()
losses()
schedules()
recurrent()
golden.save("nn.safetensors")
