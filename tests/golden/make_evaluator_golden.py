#!/usr/bin/env python3
"""Writes evaluator.safetensors: the evaluator networks of Guo et al. 2022, small, by PyTorch in float64 from f32
weights, without dropout.

match.*: w.NAME weights; motion (3, 40, 23) with frames (3), words and classes (3, 22) ids with length (3), partner (3);
y.motion and y.text the embeddings, loss = (total, positive, negative), g.NAME the gradients of the total.
movement.*: w.NAME of the autoencoder, x, y the reconstruction, loss = (total, reconstruction, sparsity, smoothness),
g.NAME. Motions are padded to 196 frames, as the published evaluators see them.
Needs: torch, numpy, safetensors.   Run: python3 tests/golden/make_evaluator_golden.py
"""

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence

from golden import Golden

FEATURES, MOVEMENT, MOTION, TEXT, EMBEDDING, WORDS, CLASSES, VOCABULARY = 23, 8, 6, 5, 7, 4, 15, 9
golden = Golden(20250301)


def activation():
    return nn.LeakyReLU(0.2)


class Movement(nn.Module):
    def __init__(self, convolution, into, between, out):
        super().__init__()
        # Places are those of the public modules: the encoder has a dropout before each activation.
        if convolution is nn.Conv1d:
            layers = [nn.Conv1d(into, between, 4, 2, 1), nn.Identity(), activation(),
                      nn.Conv1d(between, out, 4, 2, 1), nn.Identity(), activation()]
        else:
            layers = [nn.ConvTranspose1d(into, between, 4, 2, 1), activation(),
                      nn.ConvTranspose1d(between, out, 4, 2, 1), activation()]
        self.main, self.out_net = nn.Sequential(*layers), nn.Linear(out, out)

    def forward(self, x):
        return self.out_net(self.main(x.transpose(1, 2)).transpose(1, 2))


class Recurrent(nn.Module):
    def __init__(self, into, width):
        super().__init__()
        self.hidden = nn.Parameter(torch.zeros(2, 1, width))
        self.input_emb = nn.Linear(into, width)
        self.gru = nn.GRU(width, width, batch_first=True, bidirectional=True)
        self.output_net = nn.Sequential(nn.Linear(2 * width, width), nn.LayerNorm(width), activation(),
                                        nn.Linear(width, EMBEDDING))

    def forward(self, x, lengths):
        packed = pack_padded_sequence(self.input_emb(x), lengths, batch_first=True, enforce_sorted=False)
        _, last = self.gru(packed, self.hidden.expand(-1, len(x), -1).contiguous())
        return self.output_net(torch.cat([last[0], last[1]], 1))


class Text(Recurrent):
    def __init__(self):
        super().__init__(WORDS, TEXT)
        self.pos_emb = nn.Linear(CLASSES, WORDS)

    def forward(self, words, classes, lengths):
        return super().forward(words + self.pos_emb(F.one_hot(classes, CLASSES).double()), lengths)


def fill(model, prefix):
    for name, p in model.named_parameters():
        p.data = golden.normal(*p.shape, scale=1.2 / np.sqrt(p[0].numel()) if p.dim() > 1 else 0.3)
        golden.put(f"{prefix}.w.{name}", p)


def gradients(model, prefix):
    for name, p in model.named_parameters():
        golden.put(f"{prefix}.g.{name}", p.grad)


def match():
    model = nn.ModuleDict({"movement_encoder": Movement(nn.Conv1d, FEATURES - 4, MOVEMENT, MOVEMENT),
                           "motion_encoder": Recurrent(MOVEMENT, MOTION), "text_encoder": Text(),
                           "word_vectors": nn.Embedding(VOCABULARY, WORDS)})
    fill(model, "match")
    frames, length = torch.tensor([29, 40, 12]), torch.tensor([22, 5, 9])
    motion = golden.normal(3, 40, FEATURES)
    for b, n in enumerate(frames):
        motion[b, n:] = 0
    words = torch.from_numpy(golden.rng.integers(0, VOCABULARY, (3, 22)))
    classes = torch.from_numpy(golden.rng.integers(0, CLASSES, (3, 22)))
    partner = torch.tensor([2, 0, 1])
    for name, value in (("motion", motion), ("frames", frames), ("words", words), ("classes", classes),
                        ("length", length), ("partner", partner)):
        golden.put(f"match.{name}", value)
    padded = F.pad(motion, (0, 0, 0, 196 - 40))
    y = model["motion_encoder"](model["movement_encoder"](padded[..., :-4]), frames // 4)
    text = model["text_encoder"](model["word_vectors"](words), classes, length)
    positive = F.pairwise_distance(text, y).square().mean()
    # All distances are below the margin, so that no gradient hangs on it.
    negative = (10 - F.pairwise_distance(text, y[partner])).clamp(min=0).square().mean()
    (positive + negative).backward()
    golden.put("match.y.motion", y), golden.put("match.y.text", text)
    golden.put("match.loss", torch.stack([positive + negative, positive, negative]))
    gradients(model, "match")


def movement():
    model = nn.ModuleDict({"movement_encoder": Movement(nn.Conv1d, FEATURES - 4, MOVEMENT, MOVEMENT),
                           "movement_decoder": Movement(nn.ConvTranspose1d, MOVEMENT, MOVEMENT, FEATURES)})
    fill(model, "movement")
    x = golden.normal(3, 24, FEATURES)
    z = model["movement_encoder"](x[..., :-4])
    y = model["movement_decoder"](z)
    parts = [F.l1_loss(y, x), z.abs().mean(), F.l1_loss(z[:, 1:], z[:, :-1])]
    loss = parts[0] + 0.001 * parts[1] + 0.001 * parts[2]
    loss.backward()
    golden.put("movement.x", x), golden.put("movement.y", y)
    golden.put("movement.loss", torch.stack([loss, *parts]))
    gradients(model, "movement")


match()
movement()
golden.save("evaluator.safetensors")
