#!/usr/bin/env python3
"""Writes ops.safetensors: forward values and gradients of PyTorch, in float64, for the operations of tensor/ops.h.

A case NAME holds its inputs NAME.x, NAME.weight, ..., the result NAME.y, a random output gradient NAME.gy, and the input
gradients NAME.g.x, NAME.g.weight, ... Layouts are those of ops.h: convolutions (B, T, C), attention (B, T, H, D).
The options of each case stand in the metadata and, again, in tests/autograd/test_golden_ops.cpp.
Needs: torch, numpy, safetensors.   Run: python3 tests/golden/make_op_golden.py
"""

import math

import torch
import torch.nn.functional as F

from golden import Golden

golden = Golden(20240611)
normal, put, options = golden.normal, golden.put, {}


def case(name, fn, inputs, constants=None, **opts):
    """Runs fn(**inputs), stores everything and the gradients of sum(y * gy)."""
    leaves = {k: v.clone().requires_grad_() for k, v in inputs.items()}
    y = fn(**leaves)
    gy = normal(*y.shape)
    (y * gy).sum().backward()
    for k, leaf in leaves.items():
        put(f"{name}.{k}", leaf)
        put(f"{name}.g.{k}", leaf.grad)
    for k, v in (constants or {}).items():
        put(f"{name}.{k}", v)
    put(f"{name}.y", y)
    put(f"{name}.gy", gy)
    options[name] = opts


def pointwise():
    x = torch.cat([normal(1, 16, scale=2.0), torch.linspace(-6, 6, 16)[None].float().double()])
    case("gelu", lambda x: F.gelu(x), {"x": x})
    case("gelu_tanh", lambda x: F.gelu(x, approximate="tanh"), {"x": x})
    case("quick_gelu", lambda x: x * torch.sigmoid(1.702 * x), {"x": x})
    case("silu", lambda x: F.silu(x), {"x": x})
    case("tanh", torch.tanh, {"x": x})
    case("sigmoid", torch.sigmoid, {"x": x})
    case("leaky_relu", lambda x: F.leaky_relu(x, 0.2), {"x": x}, slope=0.2)
    case("pow", lambda x: x.pow(2.5), {"x": x.abs() + 0.1}, exponent=2.5)
    case("clamp", lambda x: x.clamp(-1.5, 2.25), {"x": x}, low=-1.5, high=2.25)
    for name, beta in (("smooth_l1", 1.0), ("smooth_l1_half", 0.5)):
        case(name, lambda x, beta=beta: F.smooth_l1_loss(x, torch.zeros_like(x), beta=beta, reduction="none"),
             {"x": x}, beta=beta)
    case("broadcast_div", lambda x, z: x / z, {"x": normal(3, 1, 5), "z": normal(4, 1).abs() + 0.5})


def rows():
    x = normal(5, 19, scale=3.0)
    case("softmax", lambda x: x.softmax(-1), {"x": x})
    case("log_softmax", lambda x: x.log_softmax(-1), {"x": x})
    case("layer_norm", lambda x, weight, bias: F.layer_norm(x, (19,), weight, bias, 1e-5),
         {"x": x + 2.0, "weight": normal(19), "bias": normal(19)}, eps=1e-5)
    case("rms_norm", lambda x, weight: F.rms_norm(x, (19,), weight, 1e-6), {"x": x, "weight": normal(19)}, eps=1e-6)

    target = torch.tensor([3, 18, -1, 0, 7])
    for name, smoothing in (("cross_entropy", 0.0), ("cross_entropy_smooth", 0.1)):
        case(name, lambda x, s=smoothing: F.cross_entropy(x, target, ignore_index=-1, label_smoothing=s,
                                                          reduction="none"),
             {"x": x}, {"target": target}, ignore_index=-1, smoothing=smoothing)

    case("cumsum", lambda x: x.cumsum(1), {"x": normal(2, 6, 3)}, axis=1)
    topk = normal(4, 11)
    put("topk.ids", topk.topk(3).indices)
    case("topk", lambda x: x.topk(3).values, {"x": topk}, k=3)
    ids = torch.tensor([[4, 0, 4], [6, 1, 4]])  # repeated rows: gradients add up
    case("embedding", lambda weight: F.embedding(ids, weight), {"weight": normal(7, 5)}, {"ids": ids})


def products():
    case("matmul", lambda x, z: x @ z, {"x": normal(2, 1, 4, 6), "z": normal(3, 6, 5)})
    case("linear", lambda x, weight, bias: F.linear(x, weight, bias), {"x": normal(2, 3, 7), "weight": normal(4, 7), "bias": normal(4)})

    def conv(stride, padding, dilation):
        return lambda x, weight, bias: F.conv1d(x.transpose(1, 2), weight, bias, stride, padding,
                                                dilation).transpose(1, 2)

    for name, kernel, stride, padding, dilation in (("conv1d", 3, 1, 1, 1), ("conv1d_down", 4, 2, 1, 1),
                                                    ("conv1d_dilated", 3, 1, 9, 9), ("conv1d_point", 1, 1, 0, 1),
                                                    ("conv1d_odd", 3, 2, 2, 2)):
        case(name, conv(stride, padding, dilation),
             {"x": normal(2, 12, 5), "weight": normal(6, 5, kernel), "bias": normal(6)},
             stride=stride, padding=padding, dilation=dilation)
    case("upsample", lambda x: F.interpolate(x.transpose(1, 2), scale_factor=2, mode="nearest").transpose(1, 2),
         {"x": normal(2, 5, 3)}, factor=2)

    x, codebook = normal(9, 6), normal(7, 6)
    put("nearest_code.x", x)
    put("nearest_code.codebook", codebook)
    put("nearest_code.ids", torch.cdist(x, codebook).argmin(1))


def attention():
    def attend(mask=None, causal=False):
        def fn(q, k, v, bias=None):
            q, k, v = (t.transpose(1, 2) for t in (q, k, v))  # (B, H, T, D)
            scores = torch.zeros(q.shape[0], q.shape[1], q.shape[2], k.shape[2])
            if bias is not None:
                scores = scores + bias
            if mask is not None:
                scores = scores.masked_fill(~mask[:, None, None, :], -math.inf)
            if causal:
                hidden = torch.ones(q.shape[2], k.shape[2], dtype=torch.bool).tril(k.shape[2] - q.shape[2])
                scores = scores.masked_fill(~hidden, -math.inf)
            return F.scaled_dot_product_attention(q, k, v, attn_mask=scores).transpose(1, 2)

        return fn

    def qkv(tq, tk):
        return {"q": normal(2, tq, 3, 4), "k": normal(2, tk, 3, 4), "v": normal(2, tk, 3, 4)}

    mask = torch.tensor([[True] * 7, [True, True, False, True, True, False, False]])
    case("attention", attend(), qkv(5, 7))
    case("attention_causal", attend(causal=True), qkv(7, 7), causal=True)
    case("attention_full", attend(mask, True), {**qkv(7, 7), "bias": normal(1, 3, 7, 7)}, {"key_mask": mask},
         causal=True)
    case("attention_suffix", attend(causal=True), {**qkv(3, 7), "bias": normal(2, 1, 3, 7)}, causal=True)


def optimisers():
    p0, grads = normal(17), normal(3, 17)
    for name, cls, decay in (("adamw", torch.optim.AdamW, 0.01), ("adam", torch.optim.Adam, 0.1)):
        p = p0.clone().requires_grad_()
        opts = {"lr": 1e-3, "betas": (0.9, 0.99), "eps": 1e-8, "weight_decay": decay}
        optimiser = cls([p], **opts)
        put(f"{name}.p", p0)
        put(f"{name}.gradients", grads)
        for step in range(3):
            p.grad = grads[step].clone()
            optimiser.step()
            put(f"{name}.p.{step + 1}", p)
        put(f"{name}.m", optimiser.state[p]["exp_avg"])
        put(f"{name}.v", optimiser.state[p]["exp_avg_sq"])
        options[name] = opts

    parts = [normal(3, 4).requires_grad_(), normal(5).requires_grad_()]
    for i, part in enumerate(parts):
        part.grad = normal(*part.shape)
        put(f"clip.gradient.{i}", part.grad)
    put("clip.norm", torch.nn.utils.clip_grad_norm_(parts, 1.0))
    for i, part in enumerate(parts):
        put(f"clip.clipped.{i}", part.grad)
    options["clip"] = {"max_norm": 1.0}


def transposed_convolutions():
    for name, kernel, stride, padding in (("conv_transpose1d", 4, 2, 1), ("conv_transpose1d_wide", 5, 3, 0)):
        case(name, lambda x, weight, bias, s=stride, p=padding:
             F.conv_transpose1d(x.transpose(1, 2), weight, bias, s, p).transpose(1, 2),
             {"x": normal(2, 6, 5), "weight": normal(5, 3, kernel), "bias": normal(3)}, stride=stride, padding=padding)


pointwise()
rows()
products()
attention()
optimisers()
transposed_convolutions()
golden.save("ops.safetensors", {"options": options})
