#!/usr/bin/env python3
"""Writes retrieval.safetensors: PL-TMR, BMM and TMR, small, by PyTorch in float64 from f32 weights, without dropout.

Motions are on a skeleton of six joints, a root and five limbs of one bone, 71 features a frame: motion (3, 5, 71) with
zeros behind frames (3) of them; texts are ids (3, 5) with mask (3, 5), or states (3, 5, 6).
pltmr.*, bmm.*: w.NAME (w.text.NAME: of a DistilBERT), y.motion and y.text (features, not normalised), and for each
way M of training M.loss = (total, text to motion, motion to text) and M.g. pltmr ways: plain, masked (pairs are no
negatives by mask.pairs), hidden (the padding is hidden, means of the texts' states). bmm ways: plain, normalized, same
(keys of one id are no negatives), with queue.motion, queue.text (7, 3), queue.ids (7) and ids (3).
tmr.*: w.NAME, states, noise (2, 3, 4), vectors (3, 2) of sentences, y.motion and y.text (means), loss = (total,
reconstruction, kl, latent, contrast), g.
g: the gradients, flat, one parameter behind the other in the alphabetical order of their names. delta.S, in that form:
parameters after step S + 1 of AdamW less their start (plain; pltmr with s); bmm also copy, the slow copies less their
start, and after.motion, after.text and after.ids, the queue, after three steps.
Needs: torch, numpy, safetensors.   Run: python3 tests/golden/make_retrieval_golden.py
"""

import copy

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from golden import Golden

B, T, D, WIDTH, HEADS, FEEDFORWARD, LAYERS, COMMON = 3, 5, 71, 4, 2, 6, 2, 3
VOCABULARY, TOKENS, TEXT = 9, 5, 6
QUEUE, MOMENTUM, TEMPERATURE, RATE, TEXT_RATE = 7, 0.9, 0.07, 0.02, 0.1
golden = Golden(20260711)


def limb(joint, contacts):
    """Position, rotation and velocity of a joint among the features of six."""
    j = joint
    return ([*range(4 + 3 * (j - 1), 4 + 3 * j), *range(19 + 6 * (j - 1), 19 + 6 * j), *range(49 + 3 * j, 52 + 3 * j)]
            + contacts)


PARTS = [[0, 1, 2, 3, 49, 50, 51], limb(2, [69, 70]), limb(1, [67, 68]), limb(3, []), limb(4, []), limb(5, [])]


def positions(length, width):
    angle = torch.arange(length)[:, None] * torch.exp(-torch.arange(0, width, 2) * np.log(10000.0) / width)
    return torch.stack([torch.sin(angle), torch.cos(angle)], -1).reshape(length, width).float().double()


class SequenceEncoder(nn.Module):
    def __init__(self, features, count):
        super().__init__()
        self.projection, self.tokens = nn.Linear(features, WIDTH), nn.Parameter(torch.zeros(count, WIDTH))
        layer = nn.TransformerEncoderLayer(WIDTH, HEADS, FEEDFORWARD, 0.0, "gelu", batch_first=True)
        self.seqTransEncoder = nn.TransformerEncoder(layer, LAYERS, enable_nested_tensor=False)

    def forward(self, x, mask=None):
        count = len(self.tokens)
        x = torch.cat([self.tokens.expand(len(x), -1, -1), self.projection(x)], 1)
        hidden = None if mask is None else torch.cat([torch.zeros(len(x), count, dtype=torch.bool), ~mask], 1)
        x = x + positions(x.shape[1], WIDTH)
        return self.seqTransEncoder(x, src_key_padding_mask=hidden)[:, :count]


class Head(nn.Module):
    def __init__(self, features):
        super().__init__()
        self.projection, self.fc = nn.Linear(features, COMMON), nn.Linear(COMMON, COMMON)
        self.layer_norm = nn.LayerNorm(COMMON)

    def forward(self, x):
        p = self.projection(x)
        return self.layer_norm(self.fc(F.gelu(p)) + p)


class DistilBert(nn.Module):
    """One layer, under the names of Hugging Face's DistilBertModel."""

    def __init__(self):
        super().__init__()
        embeddings = {"word_embeddings": nn.Embedding(VOCABULARY, TEXT), "position_embeddings": nn.Embedding(7, TEXT),
                      "LayerNorm": nn.LayerNorm(TEXT, 1e-12)}
        layer = {"attention": nn.ModuleDict({n: nn.Linear(TEXT, TEXT) for n in ("q_lin", "k_lin", "v_lin", "out_lin")}),
                 "sa_layer_norm": nn.LayerNorm(TEXT, 1e-12),
                 "ffn": nn.ModuleDict({"lin1": nn.Linear(TEXT, 8), "lin2": nn.Linear(8, TEXT)}),
                 "output_layer_norm": nn.LayerNorm(TEXT, 1e-12)}
        self.embeddings = nn.ModuleDict(embeddings)
        self.transformer = nn.ModuleDict({"layer": nn.ModuleList([nn.ModuleDict(layer)])})

    def forward(self, ids, mask):
        e, layer = self.embeddings, self.transformer["layer"][0]
        x = e["LayerNorm"](e["word_embeddings"](ids) + e["position_embeddings"].weight[:ids.shape[1]])
        q, k, v = (layer["attention"][n](x).unflatten(-1, (2, -1)).transpose(1, 2) for n in ("q_lin", "k_lin", "v_lin"))
        scores = (q @ k.transpose(-1, -2) / np.sqrt(TEXT / 2)).masked_fill(~mask[:, None, None], -torch.inf)
        seen = layer["attention"]["out_lin"]((scores.softmax(-1) @ v).transpose(1, 2).flatten(2))
        x = layer["sa_layer_norm"](x + seen)
        return layer["output_layer_norm"](x + layer["ffn"]["lin2"](F.gelu(layer["ffn"]["lin1"](x))))


class PartNetwork(nn.Module):
    def __init__(self):
        super().__init__()
        self.motion_encoder = nn.ModuleDict({"parts": nn.ModuleList([SequenceEncoder(len(p), 1) for p in PARTS])})
        self.motion_projection, self.text_projection = Head(len(PARTS) * WIDTH), Head(TEXT)
        self.text = DistilBert()

    def embed_motion(self, x, mask=None):
        parts = zip(PARTS, self.motion_encoder["parts"])
        return self.motion_projection(torch.cat([encoder(x[..., p], mask)[:, 0] for p, encoder in parts], 1))

    def embed_text(self, ids, mask, mean=False):
        states = self.text(ids, mask)
        if mean:
            return self.text_projection((states * mask[..., None]).sum(1) / mask.sum(1, keepdim=True))
        return self.text_projection(states[:, 0])


def fill(model, prefix):
    for name, p in model.named_parameters():
        if name == "logit_scale":
            continue
        norm = "norm" in name.lower() and name.endswith("weight")
        scale = 0.5 if "embed" in name or "tokens" in name else 1.2 / np.sqrt(p[0].numel()) if p.dim() > 1 else 0.2
        p.data = (golden.normal(*p.shape, scale=scale) + norm).float().double()
        golden.put(f"{prefix}.w.{name}", p)


def flat(model, value):
    return torch.cat([value(name, p).flatten() for name, p in sorted(model.named_parameters())])


def gradients(model, loss, prefix):
    model.zero_grad()
    loss.backward()
    golden.put(f"{prefix}.g", flat(model, lambda name, p: torch.zeros_like(p) if p.grad is None else p.grad))


def text_apart(model):
    own = [p for name, p in model.named_parameters() if not name.startswith("text.")]
    return [{"params": own, "lr": RATE}, {"params": model.text.parameters(), "lr": RATE * TEXT_RATE}]


def deltas(model, start, prefix):
    golden.put(prefix, flat(model, lambda name, p: p - start[name]), np.float32)


def snapshot(model):
    return {name: p.detach().clone() for name, p in model.named_parameters()}


frames = torch.tensor([5, 3, 4])
seen = torch.arange(T)[None] < frames[:, None]
motion = golden.normal(B, T, D) * seen[..., None]
ids = torch.from_numpy(golden.rng.integers(1, VOCABULARY, (B, TOKENS)))
lengths = torch.tensor([5, 3, 4])
mask = torch.arange(TOKENS)[None] < lengths[:, None]
ids = ids * mask
pairs = torch.tensor([[0, 0, 1], [0, 0, 0], [1, 0, 0]], dtype=torch.bool)
for key, value in (("motion", motion), ("frames", frames), ("ids", ids), ("mask", mask), ("mask.pairs", pairs)):
    golden.put(key, value)
targets = torch.arange(B)


def both_ways(logits):
    ways = F.cross_entropy(logits, targets), F.cross_entropy(logits.T, targets)
    return [(ways[0] + ways[1]) / 2, *ways]


def pltmr():
    model = PartNetwork()
    model.logit_scale = nn.Parameter(torch.tensor([np.log(1 / 0.07)]).float().double())
    fill(model, "pltmr")
    golden.put("pltmr.y.motion", model.embed_motion(motion)), golden.put("pltmr.y.text", model.embed_text(ids, mask))

    def loss(hidden=False, no_negatives=None):
        m = F.normalize(model.embed_motion(motion, seen if hidden else None))
        t = F.normalize(model.embed_text(ids, mask, hidden))
        logits = model.logit_scale.exp() * t @ m.T
        return both_ways(logits if no_negatives is None else logits.masked_fill(no_negatives, -torch.inf))

    for way, arguments in (("plain", {}), ("masked", {"no_negatives": pairs}), ("hidden", {"hidden": True})):
        terms = loss(**arguments)
        golden.put(f"pltmr.{way}.loss", torch.stack(terms))
        gradients(model, terms[0], f"pltmr.{way}")
    start, optimizer = snapshot(model), torch.optim.AdamW(text_apart(model), weight_decay=0)
    for step in range(3):
        optimizer.zero_grad()
        loss()[0].backward()
        optimizer.step()
        deltas(model, start, f"pltmr.delta.{step}")


def bmm():
    model = PartNetwork()
    fill(model, "bmm")
    slow = copy.deepcopy(model)
    queue = {side: F.normalize(golden.normal(QUEUE, COMMON)).float().double() for side in ("motion", "text")}
    items, queued = torch.tensor([4, 9, 4]), torch.tensor([-1, 4, -1, 9, 9, -1, 5])
    for name, value in (("ids", items), ("queue.ids", queued), ("queue.motion", queue["motion"]),
                        ("queue.text", queue["text"])):
        golden.put(f"bmm.{name}", value)

    def loss(normalized=False, same=False):
        m, t = model.embed_motion(motion), model.embed_text(ids, mask)
        with torch.no_grad():
            keys = {"motion": slow.embed_motion(motion), "text": slow.embed_text(ids, mask)}
        if normalized:
            m, t, keys = F.normalize(m), F.normalize(t), {side: F.normalize(key) for side, key in keys.items()}
        terms = []
        for query, side in ((t, "motion"), (m, "text")):
            logits = query @ torch.cat([keys[side], queue[side]]).T / TEMPERATURE
            if same:
                hidden = items[:, None] == torch.cat([items, queued])[None]
                hidden[targets, targets] = False
                logits = logits.masked_fill(hidden, -torch.inf)
            terms.append(F.cross_entropy(logits, targets))
        return [(terms[0] + terms[1]) / 2, *terms], keys

    for way, arguments in (("plain", {}), ("normalized", {"normalized": True}), ("same", {"same": True})):
        terms, _ = loss(**arguments)
        golden.put(f"bmm.{way}.loss", torch.stack(terms))
        gradients(model, terms[0], f"bmm.{way}")
    start, place = snapshot(model), 0
    optimizer = torch.optim.AdamW(text_apart(model), weight_decay=0)
    for step in range(3):
        with torch.no_grad():
            for theirs, own in zip(slow.parameters(), model.parameters()):
                theirs.copy_(MOMENTUM * theirs + (1 - MOMENTUM) * own)
        optimizer.zero_grad()
        terms, keys = loss()
        terms[0].backward()
        optimizer.step()
        for b in range(B):
            for side, key in keys.items():
                queue[side][place] = key[b]
            queued[place] = items[b]
            place = (place + 1) % QUEUE
        deltas(model, start, f"bmm.delta.{step}")
    deltas(slow, start, "bmm.copy")
    golden.put("bmm.after.motion", queue["motion"]), golden.put("bmm.after.text", queue["text"])
    golden.put("bmm.after.ids", queued)


class Decoder(nn.Module):
    def __init__(self):
        super().__init__()
        layer = nn.TransformerDecoderLayer(WIDTH, HEADS, FEEDFORWARD, 0.0, "gelu", batch_first=True)
        self.seqTransDecoder, self.final_layer = nn.TransformerDecoder(layer, LAYERS), nn.Linear(WIDTH, D)

    def forward(self, latent):
        queries = positions(T, WIDTH).expand(B, -1, -1)
        y = self.final_layer(self.seqTransDecoder(queries, latent[:, None], tgt_key_padding_mask=~seen))
        return y.masked_fill(~seen[..., None], 0)


def divergence(q, p):
    """Element by element, by PyTorch's own formula."""
    q, p = (torch.distributions.Normal(mean, (variance / 2).exp()) for mean, variance in (q, p))
    return torch.distributions.kl_divergence(q, p).mean()


def tmr():
    model = nn.Module()
    model.motion_encoder, model.text_encoder = SequenceEncoder(D, 2), SequenceEncoder(TEXT, 2)
    model.motion_decoder = Decoder()
    fill(model, "tmr")
    states, noise = golden.normal(B, TOKENS, TEXT), golden.normal(2, B, WIDTH)
    vectors = torch.tensor([[1.0, 0.0], [0.0, 2.0], [3.0, 3.0]])  # cosines 0, 0.71 and 0.71
    for name, value in (("states", states), ("noise", noise), ("vectors", vectors)):
        golden.put(f"tmr.{name}", value)

    def loss():
        text, own = model.text_encoder(states, mask), model.motion_encoder(motion, seen)
        text, own = (text[:, 0], text[:, 1]), (own[:, 0], own[:, 1])
        t, m = (mean + n * (variance / 2).exp() for (mean, variance), n in zip((text, own), noise))
        reconstruction = F.smooth_l1_loss(model.motion_decoder(t), motion) + F.smooth_l1_loss(model.motion_decoder(m),
                                                                                              motion)
        standard = torch.zeros(B, WIDTH), torch.zeros(B, WIDTH)
        kl = (divergence(text, own) + divergence(own, text) + divergence(own, standard) + divergence(text, standard))
        latent = F.smooth_l1_loss(t, m)
        logits = F.normalize(t) @ F.normalize(m).T / 0.1
        near = (1 + F.normalize(vectors) @ F.normalize(vectors).T) / 2 > 0.8
        contrast = both_ways(logits.masked_fill(near & ~torch.eye(B, dtype=torch.bool), -torch.inf))[0]
        total = 1.5 * reconstruction + 0.02 * kl + 0.03 * latent + 0.1 * contrast
        return [total, reconstruction, kl, latent, contrast], text[0], own[0]

    terms, text, own = loss()
    golden.put("tmr.y.text", text), golden.put("tmr.y.motion", own)
    golden.put("tmr.loss", torch.stack(terms))
    gradients(model, terms[0], "tmr")
    start, optimizer = snapshot(model), torch.optim.AdamW(model.parameters(), lr=RATE, weight_decay=0.01)
    for step in range(3):
        optimizer.zero_grad()
        loss()[0][0].backward()
        optimizer.step()
        deltas(model, start, f"tmr.delta.{step}")


pltmr()
bmm()
tmr()
golden.save("retrieval.safetensors")
