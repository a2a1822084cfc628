#!/usr/bin/env python3
"""Writes vqvae.safetensors and gpt.safetensors: tiny T2M-GPT models run by PyTorch in float64 from f32 weights.

In both files: w.NAME weights (f32), batch.S... inputs of step S (0, 1, 2), y.* forward values of step 0, g.NAME the
gradients of step 0, loss.S, and delta.S.NAME (f32) = NAME after AdamW step S minus w.NAME. No dropout.
vqvae: codebook, code_sum, code_count are the quantiser's state at the start, q.S.* after step S; init.* is the same
three steps from an empty codebook; eval.* one clip of another length through the network w in evaluation.
gpt: sample.I.cond -> sample.I.tokens, greedy: without an end, with one, and with the end as the first token, for which
the single code 1 stands. positions: the fixed table. trans_base.pos_embedding is not used: no gradient, no steps.
Needs: torch, numpy, safetensors.   Run: python3 tests/golden/make_t2m_gpt_golden.py
"""

import numpy as np
import torch

from golden import Golden
from t2m_gpt_torch import MotionGpt, MotionVqVae

STEPS = 3


class ModelGolden(Golden):
    def fill(self, model, gain):
        """Weights N(0, gain^2 / fan_in), norm weights near 1, biases and the rest small but not zero."""
        for name, p in model.named_parameters():
            if not p.requires_grad:
                continue
            scale = gain / np.sqrt(p[0].numel()) if p.dim() > 1 else 0.2
            p.data = self.normal(*p.shape, scale=scale) + (1.0 if ".ln" in name and name.endswith("weight") else 0.0)
            self.put(f"w.{name}", p)

    def gradients(self, model):
        for name, p in model.named_parameters():
            if p.grad is not None:
                self.put(f"g.{name}", p.grad)

    def deltas(self, model, step):
        for name, p in model.named_parameters():
            if p.grad is not None:
                self.put(f"delta.{step}.{name}", p.detach().numpy() - self.tensors[f"w.{name}"], np.float32)


@torch.no_grad()
def clear_margins(quantizer, rows):
    """No assignment and no reset may hang on the last bits: the f32 run must decide as the f64 one."""
    codebook = quantizer.codebook if quantizer.ready else quantizer.candidates(rows)
    two = torch.cdist(rows, codebook).square().topk(2, largest=False).values
    assert (two[:, 1] - two[:, 0]).min() > 1e-3, "a code is assigned by a hair"


def train_vqvae(golden, model, batches, prefix, full):
    betas, lr = (0.9, 0.99), 2e-4
    optimiser = torch.optim.AdamW(model.parameters(), lr=lr, betas=betas, weight_decay=0.0)
    quantizer = model.vqvae.quantizer
    for step, x in enumerate(batches):
        clear_margins(quantizer, model.vqvae.encoder(x).flatten(0, 1))
        out = model(x)
        optimiser.zero_grad()
        out["loss"].backward()
        if full and step == 0:
            for name in ("encoded", "ids", "dequantized", "decoded"):
                golden.put(f"y.{name}", out[name])
            golden.gradients(model)
        optimiser.step()
        golden.put(f"{prefix}loss.{step}", torch.stack([out[k] for k in ("loss", "recon", "commit", "ric")]))
        golden.put(f"{prefix}perplexity.{step}", out["perplexity"][None])
        golden.put(f"{prefix}ids.{step}", out["ids"])
        for name in ("codebook", "code_sum", "code_count"):
            golden.put(f"{prefix}q.{step}.{name}", getattr(quantizer, name))
        if full:
            golden.deltas(model, step)
        # 1 exactly (a code of the first batch that was used once) is exact in f32 too
        assert ((quantizer.code_count == 1) | ((quantizer.code_count - 1).abs() > 5e-5)).all()


def make_vqvae():
    config = {"features": 23, "width": 6, "codes": 8, "batch": 3, "frames": 16}
    golden = ModelGolden(41)
    model = MotionVqVae(config["features"], config["width"], config["codes"])
    golden.fill(model, 1.0)
    initial = {k: v.clone() for k, v in model.state_dict().items()}
    batches = [golden.normal(config["batch"], config["frames"], config["features"]) for _ in range(STEPS)]
    for step, x in enumerate(batches):
        golden.put(f"batch.{step}", x)

    quantizer = model.vqvae.quantizer
    with torch.no_grad():
        rows = model.vqvae.encoder(batches[0]).reshape(-1, config["width"])
    picked = torch.tensor([0, 2, 3, 5, 6, 8, 9, 11])
    codebook = (rows[picked] + golden.normal(8, config["width"], scale=0.2)).float().double()
    count = torch.tensor([3.0, 0.5, 1.25, 6.0, 0.75, 1.005, 2.5, 1.0078125]).float().double()
    quantizer.codebook.copy_(codebook)
    quantizer.code_count, quantizer.code_sum = count, (codebook * count[:, None]).float().double()
    quantizer.ready = True
    for name in ("codebook", "code_sum", "code_count"):
        golden.put(name, getattr(quantizer, name))

    model.eval()
    clip = golden.normal(1, 20, config["features"])
    with torch.no_grad():
        out = model(clip)
    golden.put("eval.x", clip)
    golden.put("eval.ids", out["ids"])
    golden.put("eval.decoded", out["decoded"])

    model.train()
    train_vqvae(golden, model, batches, "", full=True)
    assert any((golden.tensors[f"q.{s}.code_count"] < 1).any() for s in range(STEPS)), "no code was reset"
    model.load_state_dict(initial)
    quantizer.ready = False
    train_vqvae(golden, model, batches, "init.", full=False)
    golden.save("vqvae.safetensors", {**config, "lr": 2e-4, "betas": [0.9, 0.99], "weight_decay": 0.0})


def gpt_batch(golden, config, lengths):
    """Rows of `length` codes, the end, padding; the input has about half of its tokens replaced by random codes."""
    codes, context = config["codes"], config["context"]
    target = golden.rng.integers(0, codes, (len(lengths), context))
    for row, n in zip(target, lengths):
        row[n], row[n + 1:] = codes, codes + 1
    keep = golden.rng.random((len(lengths), context - 1)) < 0.5
    tokens = np.where(keep, target[:, :-1], golden.rng.integers(0, codes, keep.shape))
    return torch.from_numpy(tokens), torch.from_numpy(target), torch.tensor(lengths)


def greedy_margin(model, cond, tokens):
    logits = model(tokens[None], cond)[0]
    two = logits.topk(2).values
    return (two[:, 0] - two[:, 1]).min()


def put_samples(golden, model, config):
    """The first conditions drawn that give each of the three endings, with clear decisions."""
    wanted = {"no end": None, "end": None, "end first": None}
    while not all(v is not None for v in wanted.values()):
        cond = golden.normal(1, config["cond"], scale=4.0)
        tokens = model.generate(cond, greedy=True)
        with torch.no_grad():
            first = int(model(None, cond)[0, -1].argmax())
            margin = greedy_margin(model, cond, tokens)
        kind = "end first" if first == config["codes"] else "no end" if len(tokens) == config["context"] - 1 else "end"
        if wanted[kind] is None and margin > 1e-2 and (kind == "end first" or len(tokens) > 2):
            wanted[kind] = (cond, tokens)
    for i, (cond, tokens) in enumerate(wanted.values()):
        golden.put(f"sample.{i}.cond", cond)
        golden.put(f"sample.{i}.tokens", tokens)


def make_gpt():
    config = {"codes": 16, "cond": 6, "width": 8, "heads": 2, "base_layers": 2, "head_layers": 2, "context": 8}
    golden = ModelGolden(12)
    model = MotionGpt(**config, dropout=0.0)
    golden.fill(model, 1.5)
    golden.put("positions", model.trans_base.pos_embed.embed[:, 0])
    model.eval()
    put_samples(golden, model, config)
    model.train()
    optimiser = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=1e-4, betas=(0.5, 0.9),
                                  weight_decay=1e-6)
    for step in range(STEPS):
        tokens, target, length = gpt_batch(golden, config, [6, 2, 4] if step != 1 else [1, 6, 5])
        cond = golden.normal(len(length), config["cond"])
        for name, value in (("tokens", tokens), ("target", target), ("length", length), ("cond", cond)):
            golden.put(f"batch.{step}.{name}", value)
        logits = model(tokens, cond)
        loss = model.loss(logits, target, length)
        optimiser.zero_grad()
        loss.backward()
        golden.put(f"loss.{step}", loss[None])
        if step == 0:
            golden.put("y.base", model.trans_base(tokens, cond))
            golden.put("y.logits", logits)
            golden.gradients(model)
        optimiser.step()
        golden.deltas(model, step)
    golden.save("gpt.safetensors", {**config, "lr": 1e-4, "betas": [0.5, 0.9], "weight_decay": 1e-6})


make_vqvae()
make_gpt()
