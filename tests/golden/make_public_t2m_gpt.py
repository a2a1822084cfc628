#!/usr/bin/env python3
"""Writes archives/t2m_gpt_*: tiny T2M-GPT checkpoints as the authors' scripts save them, and what the models give.

vqvae.pth: {"net": ...}, gpt.pth: {"trans": ...} with the causal masks of every block and the table of positions, in the
zip format; gpt_legacy.pth is the same in the older one. features -> ids, ids -> decoded; condition, tokens ->
logits, in t2m_gpt_public.safetensors. f32.   Needs: torch, numpy, safetensors.
"""

import pathlib

import torch

from golden import Golden
from t2m_gpt_torch import MotionGpt, MotionVqVae

torch.set_default_dtype(torch.float32)
torch.manual_seed(5)
out = pathlib.Path(__file__).parent / "archives"
golden = Golden(5)


class Masked(MotionGpt):
    """With the buffers of the authors' attention."""

    def __init__(self, context, **sizes):
        super().__init__(context=context, **sizes)
        for block in [*self.trans_base.blocks, *self.trans_head.blocks]:
            block.attn.register_buffer("mask", torch.tril(torch.ones(context, context)).view(1, 1, context, context))


vqvae = MotionVqVae(features=263, width=8, codes=16).eval()
vqvae.vqvae.quantizer.codebook.copy_(torch.randn(16, 8))
gpt = Masked(8, codes=16, cond=12, width=8, heads=2, base_layers=2, head_layers=2, dropout=0.1).eval()
torch.save({"net": vqvae.state_dict()}, out / "t2m_gpt_vqvae.pth")
torch.save({"trans": gpt.state_dict()}, out / "t2m_gpt_gpt.pth")
torch.save({"trans": gpt.state_dict()}, out / "t2m_gpt_gpt_legacy.pth", _use_new_zipfile_serialization=False)

features = golden.normal(1, 24, 263).float()
with torch.no_grad():
    result = vqvae(features)
    tokens = torch.tensor([[3, 0, 15, 16]])
    condition = golden.normal(1, 12).float()
    logits = gpt(tokens, condition)
for name, value in dict(features=features, ids=result["ids"].view(1, -1), decoded=result["decoded"], condition=condition,
                        tokens=tokens, logits=logits).items():
    golden.put(name, value)
golden.save("t2m_gpt_public.safetensors")
