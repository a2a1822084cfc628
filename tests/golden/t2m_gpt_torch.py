"""T2M-GPT in PyTorch: the oracle of the golden files and the peer of the benchmarks.

Written from the description of the model, apart from the C++; parameters carry the names of the public checkpoint.
Shapes: motions (B, T, D), codes (B, T / 4, W), tokens (B, n), GPT activations (B, 1 + n, C).
"""

import math

import torch
import torch.nn.functional as F
from torch import nn


# ---- motion VQ-VAE: all convolutions run on (B, channels, time)
class ResBlock(nn.Module):
    def __init__(self, width, dilation):
        super().__init__()
        self.conv1 = nn.Conv1d(width, width, 3, padding=dilation, dilation=dilation)
        self.conv2 = nn.Conv1d(width, width, 1)

    def forward(self, x):
        return x + self.conv2(F.relu(self.conv1(F.relu(x))))


class ResStack(nn.Module):
    def __init__(self, width, depth=3, growth=3):
        super().__init__()
        self.model = nn.Sequential(*(ResBlock(width, growth**i) for i in reversed(range(depth))))

    def forward(self, x):
        return self.model(x)


class Encoder(nn.Module):
    def __init__(self, features, width, stages=2):
        super().__init__()
        down = [nn.Sequential(nn.Conv1d(width, width, 4, stride=2, padding=1), ResStack(width)) for _ in range(stages)]
        self.model = nn.Sequential(nn.Conv1d(features, width, 3, padding=1), nn.ReLU(), *down,
                                   nn.Conv1d(width, width, 3, padding=1))

    def forward(self, x):  # (B, T, D) -> (B, T / 4, W)
        return self.model(x.transpose(1, 2)).transpose(1, 2)


class Decoder(nn.Module):
    def __init__(self, features, width, stages=2):
        super().__init__()
        up = [nn.Sequential(ResStack(width), nn.Upsample(scale_factor=2, mode="nearest"),
                            nn.Conv1d(width, width, 3, padding=1)) for _ in range(stages)]
        self.model = nn.Sequential(nn.Conv1d(width, width, 3, padding=1), nn.ReLU(), *up,
                                   nn.Conv1d(width, width, 3, padding=1), nn.ReLU(),
                                   nn.Conv1d(width, features, 3, padding=1))

    def forward(self, z):  # (B, T / 4, W) -> (B, T, D)
        return self.model(z.transpose(1, 2)).transpose(1, 2)


class Quantizer(nn.Module):
    """Codebook as a moving average of what it is assigned; a code whose count falls below 1 takes a row of the batch."""

    def __init__(self, codes, width, decay=0.99):
        super().__init__()
        self.decay, self.ready = decay, False
        self.register_buffer("codebook", torch.zeros(codes, width))
        self.code_sum, self.code_count = None, None

    def nearest(self, rows):  # (N, W) -> (N)
        distance = rows.square().sum(1, keepdim=True) - 2 * rows @ self.codebook.T + self.codebook.square().sum(1)
        return distance.argmin(1)

    def candidates(self, rows):  # K rows of the batch, repeated with a little noise if there are too few
        codes, width = self.codebook.shape
        if len(rows) < codes:
            rows = rows.repeat(-(-codes // len(rows)), 1)
            rows = rows + torch.randn_like(rows) * (0.01 / math.sqrt(width))
        return rows[:codes]

    @torch.no_grad()
    def start(self, rows):
        self.codebook.copy_(self.candidates(rows))
        self.code_sum, self.code_count, self.ready = self.codebook.clone(), torch.ones_like(self.codebook[:, 0]), True

    @torch.no_grad()
    def update(self, rows, ids):
        one_hot = F.one_hot(ids, len(self.codebook)).to(rows.dtype)  # (N, K)
        self.code_sum = self.decay * self.code_sum + (1 - self.decay) * (one_hot.T @ rows)
        self.code_count = self.decay * self.code_count + (1 - self.decay) * one_hot.sum(0)
        used = (self.code_count >= 1).unsqueeze(1)
        self.codebook.copy_(torch.where(used, self.code_sum / self.code_count.unsqueeze(1), self.candidates(rows)))

    def forward(self, z):
        rows = z.reshape(-1, z.shape[-1])
        if self.training and not self.ready:
            self.start(rows.detach())
        ids = self.nearest(rows.detach())
        code = self.codebook[ids]
        share = torch.bincount(ids, minlength=len(self.codebook)).to(rows.dtype) / len(ids)
        perplexity = torch.exp(-(share * torch.log(share + 1e-7)).sum())
        commit = F.mse_loss(rows, code)
        if self.training:
            self.update(rows.detach(), ids)
        return (rows + (code - rows).detach()).view_as(z), ids, code, commit, perplexity


class VqVaeNet(nn.Module):
    def __init__(self, features, width, codes):
        super().__init__()
        self.encoder, self.decoder = Encoder(features, width), Decoder(features, width)
        self.quantizer = Quantizer(codes, width)


class MotionVqVae(nn.Module):
    """Loss: smooth L1 over all features + 0.02 commitment + 0.5 smooth L1 over the rotation-invariant positions."""

    def __init__(self, features=263, width=512, codes=512):
        super().__init__()
        self.vqvae = VqVaeNet(features, width, codes)
        self.ric = slice(4, 4 + 3 * ((features + 1) // 12 - 1))  # features = 12 joints - 1

    def forward(self, x):
        z = self.vqvae.encoder(x)
        quantised, ids, code, commit, perplexity = self.vqvae.quantizer(z)
        y = self.vqvae.decoder(quantised)
        recon = F.smooth_l1_loss(y, x)
        ric = F.smooth_l1_loss(y[..., self.ric], x[..., self.ric])
        return {"encoded": z, "ids": ids, "dequantized": code.view_as(z), "decoded": y, "recon": recon,
                "commit": commit, "ric": ric, "loss": recon + 0.02 * commit + 0.5 * ric, "perplexity": perplexity}


# ---- GPT
def sinusoid(length, width):
    rate = torch.exp(torch.arange(0, width, 2, dtype=torch.float64) * (-math.log(10000.0) / width))
    angle = torch.arange(length, dtype=torch.float64)[:, None] * rate
    table = torch.stack([angle.sin(), angle.cos()], -1).view(length, 1, width)
    return table.float().to(torch.get_default_dtype())  # f32 values in every dtype, as a checkpoint would hold


class Attention(nn.Module):
    def __init__(self, width, heads, dropout):
        super().__init__()
        self.heads, self.dropout = heads, dropout
        self.key, self.query, self.value = (nn.Linear(width, width) for _ in range(3))
        self.proj = nn.Linear(width, width)

    def forward(self, x):
        b, t, c = x.shape
        q, k, v = (p(x).view(b, t, self.heads, c // self.heads).transpose(1, 2)
                   for p in (self.query, self.key, self.value))
        y = F.scaled_dot_product_attention(q, k, v, is_causal=True, dropout_p=self.dropout if self.training else 0.0)
        return F.dropout(self.proj(y.transpose(1, 2).reshape(b, t, c)), self.dropout, self.training)


class Block(nn.Module):
    def __init__(self, width, heads, dropout):
        super().__init__()
        self.ln1, self.ln2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attn = Attention(width, heads, dropout)
        self.mlp = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width),
                                 nn.Dropout(dropout))

    def forward(self, x):
        x = x + self.attn(self.ln1(x))
        return x + self.mlp(self.ln2(x))


class Positions(nn.Module):
    def __init__(self, context, width):
        super().__init__()
        self.embed = nn.Parameter(sinusoid(context, width), requires_grad=False)  # (context, 1, C)

    def forward(self, x):
        return x + self.embed[:x.shape[1], 0]


class Base(nn.Module):
    def __init__(self, codes, cond, width, heads, layers, context, dropout):
        super().__init__()
        self.tok_emb = nn.Embedding(codes + 2, width)  # codes, end, padding
        self.cond_emb = nn.Linear(cond, width)
        self.pos_embedding = nn.Embedding(context, width)  # in the checkpoint, but not used
        self.blocks = nn.Sequential(*(Block(width, heads, dropout) for _ in range(layers)))
        self.pos_embed = Positions(context, width)

    def forward(self, tokens, cond):
        x = self.cond_emb(cond).unsqueeze(1)
        if tokens is not None and tokens.shape[1] > 0:
            x = torch.cat([x, self.tok_emb(tokens)], 1)
        return self.blocks(self.pos_embed(x))


class Head(nn.Module):
    def __init__(self, codes, width, heads, layers, dropout):
        super().__init__()
        self.blocks = nn.Sequential(*(Block(width, heads, dropout) for _ in range(layers)))
        self.ln_f = nn.LayerNorm(width)
        self.head = nn.Linear(width, codes + 1, bias=False)

    def forward(self, x):
        return self.head(self.ln_f(self.blocks(x)))


class MotionGpt(nn.Module):
    def __init__(self, codes=512, cond=512, width=1024, heads=16, base_layers=9, head_layers=9, context=51,
                 dropout=0.1):
        super().__init__()
        self.codes, self.context = codes, context
        self.trans_base = Base(codes, cond, width, heads, base_layers, context, dropout)
        self.trans_head = Head(codes, width, heads, head_layers, dropout)

    def forward(self, tokens, cond):  # logits (B, 1 + n, codes + 1); position i predicts token i
        return self.trans_head(self.trans_base(tokens, cond))

    @staticmethod
    def loss(logits, target, length):
        """Mean over the tokens and the end of each sample, then over the samples."""
        per_sample = [F.cross_entropy(logits[b, :n + 1], target[b, :n + 1]) for b, n in enumerate(length.tolist())]
        return torch.stack(per_sample).mean()

    @torch.no_grad()
    def generate(self, cond, greedy=False, stop_at_end=True):
        """One sample, cond (1, cond). The loop of the original: the whole prefix again for every token."""
        tokens = torch.zeros(1, 0, dtype=torch.long, device=cond.device)
        for _ in range(self.context):
            p = self(tokens, cond)[0, -1].softmax(-1)
            token = p.argmax() if greedy else torch.multinomial(p, 1)[0]
            if stop_at_end and token == self.codes:
                return tokens[0] if tokens.shape[1] else torch.ones(1, dtype=torch.long)
            tokens = torch.cat([tokens, token.view(1, 1)], 1)
        return tokens[0, :-1]
