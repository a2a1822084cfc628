#!/usr/bin/env python3
"""Writes motiongpt.safetensors: a toy MotionGPT, its motion tokenizer included, run by PyTorch in float64 from f32 weights;
and archives/motiongpt.tar with archives/motiongpt_spiece.model: the same weights as the authors publish theirs.

The toy has seen four pairs, so that its answers are some, and no choice in them is close.
w.NAME weights of the T5 (f32), vae.NAME those of the tokenizer, mean, std of the motions, spiece: the vocabulary's file.
batch.S.{ids,mask,labels} inputs of step S (0, 1, 2) -> y.encoder, y.logits and g.NAME of step 0, loss.S, and
delta.S.NAME (f32) = NAME after AdamW step S minus w.NAME (lr 2e-4, betas 0.9, 0.99). No dropout.
answer.{prompt,written,codes,features}: greedy, of a sentence; ruled.* (no features): of another, where all but a motion of
at most 5 codes is forbidden; caption.{features,codes,prompt,written}: greedy, of a motion. Texts are in the metadata.
public_rows: a public T5 has as many; a larger one keeps them -> public.logits of batch 0 with its ids below that.
Needs: torch, numpy, safetensors.   Run: python3 tests/golden/make_motiongpt_golden.py
"""

import copy
import pathlib

import numpy as np
import torch

from golden import Golden
from motiongpt_torch import END, IGNORED, PAD, T5, Words
from t2m_gpt_torch import MotionVqVae

FEATURES, CODES, STEPS, LEAD = 263, 8, 3, 0.5
SIZES = {"width": 10, "heads": 2, "head_width": 4, "feedforward": 12, "layers": 2}
VQ_WIDTH, PUBLIC_ROWS = 6, 119  # of them 4 beyond the tokens, as in the public T5
ADAMW = {"lr": 2e-4, "betas": (0.9, 0.99), "weight_decay": 0.0}
words = Words("Generate motion: text: Predict a person walks jumps turns twice slowly".split(), 100, CODES)


def fill(golden, module, gain):
    for name, p in module.named_parameters():
        scale = gain / np.sqrt(p[0].numel()) if p.dim() > 1 else 0.2
        p.data = golden.normal(*p.shape, scale=scale) + (1.0 if name.endswith("layer_norm.weight") else 0.0)


def batch(pairs):
    """Inputs and targets, which end as every text does, padded to the longest."""
    def padded(rows, value):
        length = max(map(len, rows))
        return torch.tensor([row + [value] * (length - len(row)) for row in rows])

    ids = padded([source for source, _ in pairs], PAD)
    return ids, (ids != PAD).long(), padded([target for _, target in pairs], IGNORED)


def t2m(sentence, codes):
    return [*words.text("Generate motion: " + sentence), END], [*words.motion(codes), END]


def m2t(codes, sentence):
    return words.prompt("Generate text:", codes), [*words.text(sentence), END]


def predicted(codes, given):
    return words.prompt("Predict motion:", codes[:given]), [*words.motion(codes[given:]), END]


def corrupted(ids, spans):
    """Spans [begin, end) become sentinels, which tell in the target what they stand for."""
    source, target, at = [], [], 0
    for i, (begin, end) in enumerate(spans):
        source += [*ids[at:begin], words.sentinel(i)]
        target += [words.sentinel(i), *ids[begin:end]]
        at = end
    return [*source, *ids[at:], END], [*target, END]


def batches(rng):
    """What both stages of training read: hidden spans of text and motion, and supervised pairs, one of them long."""
    def codes(n):
        return rng.integers(0, CODES, n).tolist()

    hidden = words.motion(codes(18))
    return [[corrupted(hidden, [(3, 5), (10, 12), (19, 20)]), m2t(codes(30), "a person walks twice")],
            [corrupted(words.text("a person jumps twice slowly"), [(2, 3)]), predicted(codes(9), 2),
             t2m("a person turns", codes(21))],
            [m2t(codes(3), "slowly a person jumps"), corrupted(words.motion(codes(6)), [(7, 8)]),
             predicted(codes(20), 4)]]


def teach(model, pairs):
    optimiser = torch.optim.Adam(model.parameters(), lr=4e-3)
    source = batch(pairs)
    for _ in range(250):
        optimiser.zero_grad()
        model.loss(model(*source), source[2]).backward()
        optimiser.step()
    for p in model.parameters():
        p.data = p.data.float().double()


def toy_tokenizer(golden):
    model = MotionVqVae(FEATURES, VQ_WIDTH, CODES).eval()
    fill(golden, model, 1.5)
    clip = golden.normal(1, 20, FEATURES, scale=2.0)
    with torch.no_grad():
        rows = model.vqvae.encoder(clip)[0]  # its five tokens get codes of their own, and three are far from them
    far = golden.normal(CODES - len(rows), VQ_WIDTH, scale=9.0)
    near = (rows + golden.normal(*rows.shape, scale=0.02)).float().double()
    model.vqvae.quantizer.codebook.copy_(torch.cat([near, far])[torch.tensor([5, 2, 0, 6, 4, 1, 7, 3])])
    distance = torch.cdist(rows, model.vqvae.quantizer.codebook).topk(2, largest=False).values
    assert (distance[:, 1] - distance[:, 0]).min() > 0.05, "a code is assigned by a hair"
    return model, clip


def put_answer(golden, name, model, vqvae, sentence, allowed=None):
    prompt, _ = t2m(sentence, [])
    written, lead = model.greedy(prompt, 12, allowed)
    _, codes = words.read(written)
    assert lead > LEAD and len(codes) > 1, (name, written, lead)
    with torch.no_grad():
        decoded = vqvae.vqvae.decoder(vqvae.vqvae.quantizer.codebook[torch.tensor(codes)][None])[0]
    features = decoded * torch.from_numpy(golden.tensors["std"]) + torch.from_numpy(golden.tensors["mean"])
    for part, value in (("prompt", prompt), ("written", written), ("codes", codes)):
        golden.put(f"{name}.{part}", np.array(value))
    if name == "answer":
        golden.put("answer.features", features, np.float32)


def only_motion(most):
    start, end = words.motion([])

    def allowed(written):
        if not written:
            return [start]
        if written[-1] == end:
            return [END]
        codes = len(written) - 1
        return [*(range(words.first_motion, start) if codes < most else []), *([end] if codes > 0 else [])]

    return allowed


def put_caption(golden, model, vqvae, clip):
    with torch.no_grad():
        codes = vqvae(clip)["ids"].tolist()
    prompt, _ = m2t(codes, "")
    written, lead = model.greedy(prompt, 12)
    text, _ = words.read(written)
    assert lead > LEAD and text, (written, lead)
    mean, std = (torch.from_numpy(golden.tensors[name]) for name in ("mean", "std"))
    golden.put("caption.features", clip[0] * std + mean, np.float32)
    for part, value in (("codes", codes), ("prompt", prompt), ("written", written)):
        golden.put(f"caption.{part}", np.array(value))
    return text


def put_training(golden, model):
    optimiser = torch.optim.AdamW(model.parameters(), **ADAMW)
    for step, pairs in enumerate(batches(golden.rng)):
        ids, mask, labels = batch(pairs)
        for name, value in (("ids", ids), ("mask", mask.bool()), ("labels", labels)):
            golden.put(f"batch.{step}.{name}", value)
        logits = model(ids, mask, labels)
        loss = model.loss(logits, labels)
        optimiser.zero_grad()
        loss.backward()
        golden.put(f"loss.{step}", loss[None])
        if step == 0:
            golden.put("y.encoder", model.encode(ids, mask)[0])
            golden.put("y.logits", logits)
            for name, p in model.named_parameters():
                golden.put(f"g.{name}", p.grad)
        optimiser.step()
        for name, p in model.named_parameters():
            golden.put(f"delta.{step}.{name}", p.detach().numpy() - golden.tensors[f"w.{name}"], np.float32)


def put_public(golden, model):
    """The rows that a public T5 has stay as they are when motion tokens are added."""
    small = T5(vocabulary=PUBLIC_ROWS, **SIZES)
    small.load_state_dict({name: value[:PUBLIC_ROWS] for name, value in model.state_dict().items()})
    ids, mask, labels = (golden.tensors[f"batch.0.{name}"].astype(np.int64) for name in ("ids", "mask", "labels"))
    ids, labels = (torch.from_numpy(np.where(x < PUBLIC_ROWS, x, x % PUBLIC_ROWS)) for x in (ids, labels))
    with torch.no_grad():
        logits = small(ids, torch.from_numpy(mask), labels)
    for name, value in (("ids", ids), ("labels", labels), ("logits", logits)):
        golden.put(f"public.{name}", value)


def write_published(folder, model, vqvae):
    """As PyTorch Lightning saves training: everything that the module holds, the evaluators of its metrics too."""
    def floats(module, prefix):
        return {prefix + name: value for name, value in copy.deepcopy(module).float().state_dict().items()}

    state = {"metrics.TM2TMetrics.t2m_textencoder.pos_emb.weight": torch.zeros(3, 2).float(),
             "metrics.TM2TMetrics.t2m_moveencoder.out_net.bias": torch.zeros(4).float(),
             **{name.replace("vae.vqvae.", "vae."): value for name, value in floats(vqvae, "vae.").items()},
             **floats(model, "lm.language_model."), "_losses.losses_train.total": torch.zeros(()).float(),
             "_losses.losses_train.count": torch.zeros(()).float()}
    torch.save({"epoch": 7, "global_step": 11, "pytorch-lightning_version": "2.0.4", "state_dict": state,
                "optimizer_states": [{"state": {0: {"step": torch.tensor(11.0), "exp_avg": torch.zeros(2)}}}],
                "hyper_parameters": {"stage": "lm_instruct", "codebook_size": CODES}}, folder / "motiongpt.tar")
    (folder / "motiongpt_spiece.model").write_bytes(words.spiece())


golden = Golden(31)
torch.manual_seed(31)
vqvae, clip = toy_tokenizer(golden)
for name, value in vqvae.state_dict().items():
    golden.put(f"vae.{name}", value)
golden.put("mean", golden.normal(FEATURES))
golden.put("std", (golden.normal(FEATURES, scale=0.2).abs() + 0.5).float().double())
golden.put("spiece", np.frombuffer(words.spiece(), np.uint8))
model = T5(vocabulary=len(words), **SIZES)
fill(golden, model, 1.0)
with torch.no_grad():
    clip_codes = vqvae(clip)["ids"].tolist()
taught = {"answer": "a person walks", "ruled": "a person jumps", "caption": "a person turns twice"}
teach(model, [t2m(taught["answer"], [1, 5, 3]), t2m(taught["ruled"], [0, 2, 2, 7, 4, 6]),
              m2t(clip_codes, taught["caption"]), m2t([6, 6, 1], "a person walks slowly")])
for name, value in model.named_parameters():
    golden.put(f"w.{name}", value)
put_answer(golden, "answer", model, vqvae, taught["answer"])
put_answer(golden, "ruled", model, vqvae, taught["ruled"], only_motion(5))
caption = put_caption(golden, model, vqvae, clip)
put_training(golden, model)
golden.put("public_rows", np.array([PUBLIC_ROWS]))
model.load_state_dict({name: torch.from_numpy(golden.tensors["w." + name]) for name in dict(model.named_parameters())},
                      strict=False)
put_public(golden, model)
golden.save("motiongpt.safetensors", {**taught, "caption": caption, "codes": CODES, **SIZES})
write_published(pathlib.Path(__file__).parent / "archives", model, vqvae)
