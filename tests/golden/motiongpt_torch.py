"""MotionGPT's language model in PyTorch, the oracle of the golden files: T5 1.1 (gated GELU, a head of its own), and the
toy vocabulary that its sequences are written in.

Written from the description of the model, apart from the C++; parameters carry the names of the public checkpoint.
Letters: B batch, S source tokens, T target tokens, C width, H heads, D width of a head, V vocabulary.
"""

import math

import torch
import torch.nn.functional as F
from torch import nn

PAD, END, IGNORED = 0, 1, -100


class RMSNorm(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))

    def forward(self, x):
        return self.weight * x * torch.rsqrt(x.square().mean(-1, keepdim=True) + 1e-6)


def bucket(relative, both_ways, buckets=32, far=128):
    """Of key - query: one bucket a distance while near, then growing with its logarithm."""
    index, count = 0, buckets
    if both_ways:
        count = buckets // 2
        index = count if relative > 0 else 0
        distance = abs(relative)
    else:
        distance = max(-relative, 0)
    near = count // 2
    if distance < near:
        return index + distance
    return index + min(count - 1, near + int(math.log(distance / near) / math.log(far / near) * (count - near)))


class Attention(nn.Module):
    """Scores are not divided by the square root of D. `biased`: owns the table of relative positions of its stack."""

    def __init__(self, c, biased=False):
        super().__init__()
        inner = c["heads"] * c["head_width"]
        self.heads = c["heads"]
        self.q, self.k, self.v = (nn.Linear(c["width"], inner, bias=False) for _ in range(3))
        self.o = nn.Linear(inner, c["width"], bias=False)
        if biased:
            self.relative_attention_bias = nn.Embedding(32, c["heads"])

    def positions(self, length, both_ways):  # (H, T, T)
        table = torch.tensor([[bucket(key - query, both_ways) for key in range(length)] for query in range(length)])
        return self.relative_attention_bias(table).permute(2, 0, 1)

    def forward(self, x, memory, bias):  # bias (B or 1, H or 1, Tq, Tk): positions, and -inf where nothing is seen
        def split(y):
            return y.view(*y.shape[:2], self.heads, -1).transpose(1, 2)

        scores = split(self.q(x)) @ split(self.k(memory)).transpose(-1, -2) + bias
        y = scores.softmax(-1) @ split(self.v(memory))
        return self.o(y.transpose(1, 2).flatten(2))


class Feedforward(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.wi_0, self.wi_1 = (nn.Linear(c["width"], c["feedforward"], bias=False) for _ in range(2))
        self.wo = nn.Linear(c["feedforward"], c["width"], bias=False)

    def forward(self, x):
        h = self.wi_0(x)
        gate = 0.5 * h * (1 + torch.tanh(math.sqrt(2 / math.pi) * (h + 0.044715 * h**3)))
        return self.wo(gate * self.wi_1(x))


class Sublayer(nn.Module):
    """What it holds, by its public name, on normed input; the sum with the input is the block's."""

    def __init__(self, c, name, part):
        super().__init__()
        self.add_module(name, part)
        self.layer_norm = RMSNorm(c["width"])
        self.name = name

    def forward(self, x, *arguments):
        part, normed = getattr(self, self.name), self.layer_norm(x)
        if self.name == "SelfAttention":
            return x + part(normed, normed, *arguments)
        return x + part(normed, *arguments)


class Block(nn.Module):
    def __init__(self, c, decoder, first):
        super().__init__()
        parts = [Sublayer(c, "SelfAttention", Attention(c, biased=first))]
        if decoder:
            parts.append(Sublayer(c, "EncDecAttention", Attention(c)))
        self.layer = nn.ModuleList([*parts, Sublayer(c, "DenseReluDense", Feedforward(c))])

    def forward(self, x, bias, *memory):
        x = self.layer[0](x, bias)
        if memory:
            x = self.layer[1](x, *memory)
        return self.layer[-1](x)


class Stack(nn.Module):
    def __init__(self, c, shared, decoder):
        super().__init__()
        self.decoder, self.embed_tokens = decoder, shared
        self.block = nn.ModuleList([Block(c, decoder, i == 0) for i in range(c["layers"])])
        self.final_layer_norm = RMSNorm(c["width"])

    def forward(self, ids, hidden, *memory):
        """hidden (B or 1, 1, T or 1, T): -inf where a position is not seen."""
        x = self.embed_tokens(ids)
        own = self.block[0].layer[0].SelfAttention.positions(ids.shape[1], not self.decoder)
        for block in self.block:
            x = block(x, own + hidden, *memory)
        return self.final_layer_norm(x)


class T5(nn.Module):
    def __init__(self, **c):
        super().__init__()
        self.shared = nn.Embedding(c["vocabulary"], c["width"])
        self.encoder, self.decoder = Stack(c, self.shared, False), Stack(c, self.shared, True)
        self.lm_head = nn.Linear(c["width"], c["vocabulary"], bias=False)

    def encode(self, ids, mask):
        unseen = torch.zeros(len(ids), 1, 1, ids.shape[1]).masked_fill(mask[:, None, None] == 0, -math.inf)
        return self.encoder(ids, unseen), unseen

    def decode(self, ids, memory, unseen):
        length = ids.shape[1]
        later = torch.full((length, length), -math.inf).triu(1)[None, None]
        return self.lm_head(self.decoder(ids, later, memory, unseen))

    def forward(self, ids, mask, labels):  # -> logits (B, T, V)
        """The decoder reads the labels moved right behind a pad; what does not count is read as a pad."""
        before = torch.cat([torch.full((len(labels), 1), PAD), labels[:, :-1]], 1)
        return self.decode(before.masked_fill(before == IGNORED, PAD), *self.encode(ids, mask))

    @staticmethod
    def loss(logits, labels):
        """Mean over all tokens of the batch that count."""
        counts = labels != IGNORED
        return F.cross_entropy(logits[counts], labels[counts])

    @torch.no_grad()
    def greedy(self, prompt, most, allowed=None):
        """Ids up to the end token, which is left out, or `most` of them, and the smallest lead of a choice in logits.
        allowed(written): the ids that may follow; None: all."""
        memory = self.encode(torch.tensor([prompt]), torch.ones(1, len(prompt)))
        written, lead = [], math.inf
        for _ in range(most):
            logits = self.decode(torch.tensor([[PAD, *written]]), *memory)[0, -1]
            if allowed:
                others = torch.ones_like(logits, dtype=torch.bool)
                others[allowed(written)] = False
                logits = logits.masked_fill(others, -math.inf)
            two = logits.topk(2).values
            lead = min(lead, float(two[0] - two[1]))
            written.append(int(logits.argmax()))
            if written[-1] == END:
                return written[:-1], lead
        return written, lead


# ---- the toy vocabulary
class Words:
    """SentencePiece's layout with whole words as pieces, so that a text has one reading: pieces, sentinels from the last
    to the first, motion tokens. A motion token is one id; white space before one is the lone space piece."""

    SPACE = "\u2581"

    def __init__(self, words, sentinels, codes):
        self.pieces = ["<pad>", "</s>", "<unk>", self.SPACE, *(self.SPACE + w for w in words)]
        self.codes, self.first_motion = codes, len(self.pieces) + sentinels
        self.sentinels = sentinels

    def __len__(self):
        return self.first_motion + self.codes + 3

    def sentinel(self, i):
        return len(self.pieces) + self.sentinels - 1 - i

    def motion(self, codes):
        """Ids of start, codes, end."""
        return [self.first_motion + n for n in (self.codes, *codes, self.codes + 1)]

    def text(self, words):
        return [self.pieces.index(self.SPACE + w) for w in words.split()]

    def prompt(self, words, codes):
        """Words, a space and a motion."""
        return [*self.text(words), self.pieces.index(self.SPACE), *self.motion(codes), END]

    def read(self, ids):
        """The words of the pieces, and the codes between start and end."""
        start, end = self.motion([])
        codes = [i - self.first_motion for i in ids[ids.index(start) + 1:ids.index(end)]] if start in ids else []
        text = "".join(self.pieces[i] for i in ids if 2 < i < len(self.pieces))
        return text.replace(self.SPACE, " ").strip(), codes

    def spiece(self):
        """The vocabulary as a SentencePiece model (protocol buffers): pieces with score and type, unigram."""
        def field(number, payload):
            assert len(payload) < 128
            return bytes([number << 3 | 2, len(payload)]) + payload

        def piece(text, kind):  # 1 normal, 2 unknown, 3 control
            score = torch.tensor([-float(len(text))], dtype=torch.float32).numpy().tobytes()
            return field(1, field(1, text.encode()) + b"\x15" + score + b"\x18" + bytes([kind]))

        kinds = [3, 3, 2] + [1] * (len(self.pieces) - 3)
        model = b"".join(piece(text, kind) for text, kind in zip(self.pieces, kinds))
        return model + field(2, b"\x18\x01") + field(3, b"")  # trainer: unigram; normalizer: none
