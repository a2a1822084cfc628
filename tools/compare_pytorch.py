#!/usr/bin/env python3
"""Times PyTorch (eager, f32, CPU) on the benchmarks of `bench`, beside it, and prints the ratios.

    python3 tools/compare_pytorch.py                                 PyTorch alone, on a short list
    python3 tools/compare_pytorch.py --bench build/bin/bench         every benchmark that has a peer here, one after the
                                                                     other, both programs in the same run
    python3 tools/compare_pytorch.py --filter vqvae --tiny           a self-test of the script, at toy sizes
    python3 tools/compare_pytorch.py --device cuda --json FILE       PyTorch on a GPU, eager in f32, TF32 and bf16, and
                                                                     compiled in bf16, under the names of gpu_bench,
                                                                     which reads FILE

A benchmark's name gives its sizes, so both sides do the same: linear/ROWSxINxOUT, vqvae_step/PRESET/BATCH, ...
Training steps are forward, loss, backward and AdamW with the dropout of the recipe, from text features; the batches at
`paper` size are smaller than the recipe's, so that a step fits a small CPU. PyTorch has its fused attention and AdamW.
Generation is one motion that runs to the last position: in PyTorch by the loop of the original program, which runs the
whole prefix again for every token, in kinegrad with its key/value cache. On a GPU PyTorch has a cache as well. Both sides
end with the motion, decoded from the tokens. T5 is transformers', with whichever of its attentions, eager or SDPA, is
faster where the program runs. The peer of retrieval is NumPy, whose threads are those of its BLAS.
Needs: torch, transformers for text encoders and T5, and numpy for retrieval. A time is the median of five repetitions;
ratio = PyTorch / kinegrad: above 1, kinegrad is faster. The ratio of the fastest repetitions stands beside it: where the
two differ, the machine was not idle.
"""

import argparse
import json
import os
import pathlib
import re
import statistics
import subprocess
import sys
import tempfile
import time

# NumPy's BLAS reads it when it is loaded.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "2")

import torch  # noqa: E402
import torch.nn.functional as F

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests" / "golden"))
from t2m_gpt_torch import MotionGpt, MotionVqVae  # noqa: E402

# Sizes of models/t2m_gpt/presets.cpp and models/motiongpt/presets.cpp; --presets FILE replaces them.
PRESETS = {
    "paper": {"vqvae": {"features": 263, "width": 512, "codes": 512},
              "gpt": {"codes": 512, "cond": 512, "width": 1024, "heads": 16, "base_layers": 9, "head_layers": 9,
                      "context": 51, "dropout": 0.1},
              "t5": {"vocab_size": 32615, "d_model": 768, "d_ff": 2048, "num_heads": 12, "d_kv": 64, "num_layers": 12,
                     "dropout_rate": 0.1}, "t5_step": {"betas": (0.9, 0.99), "weight_decay": 0.0, "clip": 0}},
    "small": {"vqvae": {"features": 263, "width": 256, "codes": 512},
              "gpt": {"codes": 512, "cond": 256, "width": 256, "heads": 8, "base_layers": 3, "head_layers": 3,
                      "context": 51, "dropout": 0.1},
              "t5": {"vocab_size": 2115, "d_model": 256, "d_ff": 512, "num_heads": 4, "d_kv": 64, "num_layers": 4,
                     "dropout_rate": 0.1}, "t5_step": {"betas": (0.9, 0.98), "weight_decay": 0.01, "clip": 1}},
    "tiny": {"vqvae": {"features": 263, "width": 128, "codes": 512},
             "gpt": {"codes": 512, "cond": 128, "width": 128, "heads": 4, "base_layers": 2, "head_layers": 2,
                     "context": 51, "dropout": 0.1},
             "t5": {"vocab_size": 1415, "d_model": 128, "d_ff": 256, "num_heads": 4, "d_kv": 32, "num_layers": 2,
                    "dropout_rate": 0.05}, "t5_step": {"betas": (0.9, 0.98), "weight_decay": 0.01, "clip": 1}},
}
WINDOW = 64  # frames
REPETITIONS = 5
DEFAULT = ["vqvae_step/small/64", "vqvae_step/paper/32", "gpt_step/small/64", "gpt_step/paper/8", "generate/small",
           "generate/paper", "generate/paper/bf16", "t5_step/small/32x32x24", "t5_step/paper/4x32x24",
           "t5_generate/small", "t5_generate/paper", "clip_text/1x20", "clip_captions/1000",
           "minilm_captions/1000", "gelu/4194304", "add/4194304", "adamw/4194304",
           "layer_norm/6528x1024", "softmax/6528x513", "cross_entropy/6528x513", "linear/6528x1024x1024",
           "linear/3264x256x1024", "conv1d/256x16x512x512x3x1x1", "conv1d/256x32x512x512x3x1x9",
           "conv1d/256x64x512x512x4x2x1", "attention/128x51x16x64_causal", "attention_backward/128x51x16x64_causal",
           "nearest_code/4096x512x512", "retrieval/1x70000x512x20", "retrieval/1000x70000x512x20"]
DEFAULT_TINY = ["vqvae_step/tiny/2", "gpt_step/tiny/2", "generate/tiny", "t5_step/tiny/2x9x5", "t5_generate/tiny",
                "gelu/64", "relu/64", "add/64", "adamw/64", "layer_norm/3x8", "layer_norm_backward/3x8", "softmax/3x8",
                "cross_entropy/3x8", "linear/3x4x5", "linear_gx/3x4x5", "linear_gw/3x4x5", "conv1d/2x8x4x5x3x1x9",
                "conv1d_gx/2x8x4x5x4x2x1", "conv1d_gw/2x8x4x5x3x1x1", "attention/2x5x2x4_causal_dropout",
                "attention_backward/2x5x2x4_causal", "attention/2x5x2x4", "attention_decode/1x5x2x4",
                "nearest_code/9x8x4", "retrieval/1x50x8x3", "retrieval/9x50x8x70"]
presets = PRESETS
PEERS = []  # (regular expression of names, function of its groups that returns the function to time)


def peer(pattern):
    def add(fn):
        PEERS.append((re.compile(pattern + r"(/real_time)?$"), fn))
        return fn

    return add


def normal(*shape):
    return torch.randn(*shape) * 0.1


# ---- models
def gradient_norm(parameters):
    return torch.nn.utils.get_total_norm([p.grad for p in parameters if p.grad is not None])


@peer(r"vqvae_step/(\w+)/(\d+)")
def vqvae_step(preset, batch, read=False):
    options = presets[preset]["vqvae"]
    model = MotionVqVae(**options).train()
    optimiser = torch.optim.AdamW(model.parameters(), lr=2e-4, betas=(0.9, 0.99), weight_decay=0.0, fused=True)
    x = torch.randn(batch, WINDOW, options["features"])

    def step():
        optimiser.zero_grad(set_to_none=True)
        loss = model(x)["loss"]
        loss.backward()
        norm = gradient_norm(model.parameters()) if read else None
        optimiser.step()
        return loss, norm

    return step


@peer(r"gpt_step/(\w+)/(\d+)")
def gpt_step(preset, batch, read=False):
    options = presets[preset]["gpt"]
    model = MotionGpt(**options).train()
    parameters = [p for p in model.parameters() if p.requires_grad]
    optimiser = torch.optim.AdamW(parameters, lr=1e-4, betas=(0.5, 0.9), weight_decay=1e-6, fused=True)
    context, codes = options["context"], options["codes"]
    length = torch.full((batch,), context - 2)  # tokens, end, one padding
    target = torch.randint(0, codes, (batch, context))
    target[:, context - 2], target[:, context - 1] = codes, codes + 1
    # The same mean as in MotionGpt.loss, without its loop over samples, which would be slower.
    weight = (torch.arange(context) <= length[:, None]) / ((length + 1)[:, None] * batch)
    scored = torch.where(weight > 0, target, 0)
    cond = torch.randn(batch, options["cond"])

    def step():
        optimiser.zero_grad(set_to_none=True)
        keep = torch.rand(batch, context - 1) < 0.5
        tokens = torch.where(keep, target[:, :-1], torch.randint(0, codes, keep.shape))
        logits = model(tokens, cond)
        loss = (F.cross_entropy(logits.flatten(0, 1), scored.flatten(), reduction="none") * weight.flatten()).sum()
        loss.backward()
        norm = gradient_norm(parameters) if read else None
        optimiser.step()
        return loss, norm

    return step


@peer(r"generate/(\w+)(?:/bf16)?")
def generate(preset):
    gpt, vqvae = MotionGpt(**presets[preset]["gpt"]).eval(), MotionVqVae(**presets[preset]["vqvae"]).eval().vqvae
    cond = torch.randn(1, presets[preset]["gpt"]["cond"])

    @torch.no_grad()
    def run():
        tokens = gpt.generate(cond, stop_at_end=False).clamp(max=gpt.codes - 1)
        vqvae.decoder(vqvae.quantizer.codebook[tokens][None])

    return run


def generate_cached(preset, batch):
    """The work of kinegrad's generation: one position at a time over stored keys and values, then the decoder."""
    gpt, vqvae = MotionGpt(**presets[preset]["gpt"]).eval(), MotionVqVae(**presets[preset]["vqvae"]).eval().vqvae
    blocks = [*gpt.trans_base.blocks, *gpt.trans_head.blocks]
    cond = torch.randn(batch, presets[preset]["gpt"]["cond"])
    heads, width = blocks[0].attn.heads, presets[preset]["gpt"]["width"]
    caches = [torch.zeros(2, batch, heads, gpt.context, width // heads) for _ in blocks]

    def step(x, position):  # (B, 1, C)
        for block, (keys, values) in zip(blocks, caches):
            attn, h = block.attn, block.ln1(x)
            q, keys[:, :, position], values[:, :, position] = (
                p(h).view(batch, heads, -1) for p in (attn.query, attn.key, attn.value))
            y = F.scaled_dot_product_attention(q.unsqueeze(2), keys[:, :, :position + 1], values[:, :, :position + 1])
            x = x + attn.proj(y.reshape(batch, 1, width))
            x = x + block.mlp(block.ln2(x))
        return gpt.trans_head.head(gpt.trans_head.ln_f(x))[:, 0]

    @torch.no_grad()
    def run():
        x, tokens = gpt.trans_base.cond_emb(cond), []
        for position in range(gpt.context - 1):
            logits = step((x + gpt.trans_base.pos_embed.embed[position]).unsqueeze(1), position)
            tokens.append(torch.multinomial(logits[:, :gpt.codes].softmax(-1), 1))
            x = gpt.trans_base.tok_emb(tokens[-1][:, 0])
        return vqvae.decoder(vqvae.quantizer.codebook[torch.cat(tokens, 1)])

    return run


# ---- MotionGPT's T5 (needs transformers), at the shapes of tools/common/bench/models.cpp
PROMPT, CODES = 24, 49  # tokens that are read, and codes of the motion; with start, end and the text's end it writes 52


def fastest(runs):
    """Of functions that do the same, which are made one after the other, the one that is faster here."""
    best, least = None, float("inf")
    for run in runs:
        run()
        start = time.perf_counter()
        run()
        seconds = time.perf_counter() - start
        if seconds < least:
            best, least = run, seconds
        del run  # a large model: the slower one goes before the next is made
    return best


def t5_models(preset):
    """The same model with each of the attentions that this transformers has for T5."""
    import transformers
    for attention in ("eager", "sdpa"):
        config = transformers.T5Config(**presets[preset]["t5"], feed_forward_proj="gated-gelu",
                                       tie_word_embeddings=False, decoder_start_token_id=0)
        try:
            model = transformers.T5ForConditionalGeneration._from_config(config, attn_implementation=attention)
        except ValueError:  # no SDPA for T5 in this version
            if attention == "eager":
                raise
            continue
        # A head of its own: from version 5 on the library ties it to the embedding all the same.
        model.lm_head.weight = torch.nn.Parameter(torch.randn_like(model.lm_head.weight) * config.d_model ** -0.5)
        yield model


@peer(r"t5_step/(\w+)/(\d+)x(\d+)x(\d+)")
def t5_step(preset, batch, source, target):
    recipe, codes = presets[preset]["t5_step"], presets[preset]["t5"]["vocab_size"]
    ids, labels = torch.randint(3, codes, (batch, source)), torch.randint(3, codes, (batch, target))
    mask = torch.ones_like(ids)

    def step_of(model):
        model.train()
        optimiser = torch.optim.AdamW(model.parameters(), lr=1e-4, betas=tuple(recipe["betas"]),
                                      weight_decay=recipe["weight_decay"], fused=True)

        def step():
            optimiser.zero_grad(set_to_none=True)
            loss = model(input_ids=ids, attention_mask=mask, labels=labels).loss
            loss.backward()
            if recipe["clip"]:
                torch.nn.utils.clip_grad_norm_(model.parameters(), recipe["clip"])
            optimiser.step()
            return loss

        return step

    return fastest(step_of(model) for model in t5_models(preset))


@peer(r"t5_generate/(\w+)")
def t5_generate(preset):
    vqvae = MotionVqVae(**presets[preset]["vqvae"]).eval().vqvae
    ids = torch.randint(3, 100, (1, PROMPT))

    def run_of(model):
        model.eval()

        @torch.no_grad()
        def run():
            tokens = model.generate(input_ids=ids, attention_mask=torch.ones_like(ids), do_sample=True, top_k=50,
                                    use_cache=True, min_new_tokens=CODES + 3, max_new_tokens=CODES + 3)
            codes = tokens[:, 1:CODES + 1] % presets[preset]["vqvae"]["codes"]
            vqvae.decoder(vqvae.quantizer.codebook[codes])

        return run

    return fastest(run_of(model) for model in t5_models(preset))


# ---- text encoders (these need transformers), at the sizes and lengths of tools/common/bench/models.cpp
def text_batches(count, size=64):
    lengths = sorted(8 + (i * 7919 % 1000) ** 2 * 30 // 1000000 for i in range(count))
    for first in range(0, count, size):
        some = torch.tensor(lengths[first:first + size])
        mask = (torch.arange(int(some[-1])) < some[:, None]).long()
        yield torch.randint(1, 30000, mask.shape), mask


def clip_tower():
    import transformers
    config = transformers.CLIPTextConfig(attn_implementation="sdpa")  # ViT-B/32 and B/16
    return transformers.CLIPTextModelWithProjection(config).eval()


@peer(r"clip_text/(\d+)x(\d+)")
def clip_text(texts, tokens):
    model, ids = clip_tower(), torch.randint(1, 30000, (texts, tokens))
    return torch.no_grad()(lambda: model(ids).text_embeds)


@peer(r"clip_captions/(\d+)")
def clip_captions(count):
    model, batches = clip_tower(), list(text_batches(count))
    return torch.no_grad()(lambda: [model(ids).text_embeds for ids, _ in batches])


@peer(r"minilm_captions/(\d+)")
def minilm_captions(count):
    import transformers
    config = transformers.BertConfig(hidden_size=384, num_hidden_layers=6, num_attention_heads=12, intermediate_size=1536,
                                     attn_implementation="sdpa")
    model, batches = transformers.BertModel(config, add_pooling_layer=False).eval(), list(text_batches(count))

    @torch.no_grad()
    def run():
        for ids, mask in batches:
            states = model(input_ids=ids, attention_mask=mask).last_hidden_state
            F.normalize((states * mask[..., None]).sum(1) / mask.sum(1, keepdim=True))

    return run


# ---- single operations
@peer(r"(add|mul|gelu|relu|silu|exp|tanh|sigmoid)/(\d+)")
def pointwise(name, n):
    fn = getattr(torch, name, None) or getattr(F, name)
    xs = [normal(n) for _ in range(2 if name in ("add", "mul") else 1)]
    return lambda: fn(*xs)


@peer(r"adamw/(\d+)")
def adamw(n):
    p = normal(n).requires_grad_()
    p.grad = normal(n)
    return torch.optim.AdamW([p], fused=True, capturable=p.is_cuda).step


@peer(r"layer_norm/(\d+)x(\d+)")
def layer_norm(n, c):
    x, w, b = normal(n, c), normal(c), normal(c)
    return lambda: F.layer_norm(x, (c,), w, b)


@peer(r"layer_norm_backward/(\d+)x(\d+)")
def layer_norm_backward(n, c):
    x, w, b, gy = normal(n, c), normal(c), normal(c), normal(n, c)
    _, mean, rstd = torch.ops.aten.native_layer_norm(x, [c], w, b, 1e-5)
    return lambda: torch.ops.aten.native_layer_norm_backward(gy, x, [c], mean, rstd, w, b, [True, True, True])


@peer(r"softmax/(\d+)x(\d+)")
def softmax(n, c):
    x = normal(n, c)
    return lambda: x.softmax(-1)


@peer(r"cross_entropy/(\d+)x(\d+)")
def cross_entropy(n, c):
    x, target = normal(n, c), torch.randint(0, c, (n,))
    return lambda: F.cross_entropy(x, target, reduction="none")


@peer(r"linear/(\d+)x(\d+)x(\d+)")
def linear(n, i, o):
    x, w, b = normal(n, i), normal(o, i), normal(o)
    return lambda: F.linear(x, w, b)


@peer(r"linear_gx/(\d+)x(\d+)x(\d+)")
def linear_gx(n, i, o):
    gy, w = normal(n, o), normal(o, i)
    return lambda: gy @ w


@peer(r"linear_gw/(\d+)x(\d+)x(\d+)")
def linear_gw(n, i, o):
    gy, x, gw = normal(n, o), normal(n, i), torch.zeros(o, i)
    return lambda: gw.addmm_(gy.T, x)


@peer(r"conv1d(|_gx|_gw)/(\d+)x(\d+)x(\d+)x(\d+)x(\d+)x(\d+)x(\d+)")
def conv1d(part, batch, frames, i, o, taps, stride, dilation):
    padding = 1 if stride == 2 else dilation * (taps - 1) // 2
    x, w, b = normal(batch, i, frames), normal(o, i, taps), normal(o)
    if part == "":
        return lambda: F.conv1d(x, w, b, stride, padding, dilation)
    gy = torch.randn_like(F.conv1d(x, w, b, stride, padding, dilation))
    return lambda: torch.ops.aten.convolution_backward(gy, x, w, [o], [stride], [padding], [dilation], False, [0], 1,
                                                       [part == "_gx", part == "_gw", False])


@peer(r"attention(|_backward)/(\d+)x(\d+)x(\d+)x(\d+)(_causal|)(_dropout|)")
def attention(part, batch, frames, heads, width, causal, dropout):
    grad = part == "_backward"
    q, k, v = (normal(batch, frames, heads, width).transpose(1, 2).requires_grad_(grad) for _ in range(3))

    def forward():
        return F.scaled_dot_product_attention(q, k, v, is_causal=bool(causal), dropout_p=0.1 if dropout else 0.0)

    if not grad:
        return forward
    y = forward()
    gy = torch.randn_like(y)
    return lambda: torch.autograd.grad(y, (q, k, v), gy, retain_graph=True)


@peer(r"attention_decode/(\d+)x(\d+)x(\d+)x(\d+)")
def attention_decode(batch, frames, heads, width):
    q, k, v = (normal(batch, heads, t, width) for t in (1, frames, frames))
    return lambda: F.scaled_dot_product_attention(q, k, v)


@peer(r"nearest_code/(\d+)x(\d+)x(\d+)")
def nearest_code(n, codes, c):
    x, book = normal(n, c), normal(codes, c)
    return lambda: (book.square().sum(1) - 2 * x @ book.T).argmin(1)


@peer(r"retrieval(?:_bf16)?/(\d+)x(\d+)x(\d+)x(\d+)")
def retrieval(queries, rows, width, k):
    """NumPy: blocks of scores, of each the k largest by a partial sort, the best of them all kept."""
    import numpy as np

    def unit(n):
        x = np.random.default_rng(n).standard_normal((n, width), dtype=np.float32)
        x /= np.linalg.norm(x, axis=1, keepdims=True)
        return x

    def best(scores, ids):
        if scores.shape[1] > k:
            keep = np.argpartition(scores, -k, axis=1)[:, -k:]
            scores, ids = np.take_along_axis(scores, keep, 1), np.take_along_axis(ids, keep, 1)
        return scores, ids

    q, keys = unit(queries), unit(rows)
    block = max(k, min(rows, (1 << 24) // queries))  # of 64 MB

    def run():
        parts = []
        for first in range(0, rows, block):
            scores = q @ keys[first:first + block].T
            parts.append(best(scores, np.broadcast_to(np.arange(first, first + scores.shape[1]), scores.shape)))
        scores, ids = best(*(np.concatenate(part, axis=1) for part in zip(*parts)))
        order = np.argsort(-scores, axis=1, kind="stable")
        return np.take_along_axis(ids, order, 1)

    return run


def find_peer(name):
    """The function that makes the PyTorch side of benchmark `name`, or None."""
    for pattern, make in PEERS:
        match = pattern.match(name)
        if match:
            groups = match.groups()[:-1]
            return lambda: make(*(int(g) if g.isdigit() else g for g in groups))
    return None


# ---- timing
def time_pytorch(make, seconds):
    """Seconds a call in each of five repetitions, which share `seconds`; a call at least in each, after a warm-up."""
    torch.manual_seed(0)
    run = make()
    for _ in range(2):
        run()
    times = []
    for _ in range(REPETITIONS):
        calls, start = 0, time.perf_counter()
        while calls == 0 or time.perf_counter() - start < seconds / REPETITIONS:
            run()
            calls += 1
        times.append((time.perf_counter() - start) / calls)
    return times


def run_bench(bench, threads, *options):
    environment = {**os.environ, "OMP_NUM_THREADS": str(threads)}
    done = subprocess.run([bench, *options], capture_output=True, text=True, env=environment)
    if done.returncode != 0:
        raise SystemExit(f"{bench} {' '.join(options)} failed, exit code {done.returncode}:\n{done.stderr[-2000:]}")
    return done.stdout


def bench_names(bench, threads):
    lines = run_bench(bench, threads, "--benchmark_list_tests=true").splitlines()
    return [line.strip() for line in lines if find_peer(line.strip())]


def time_kinegrad(bench, name, seconds, threads):
    """The same of the benchmark of this name."""
    unit = {"ns": 1e-9, "us": 1e-6, "ms": 1e-3, "s": 1.0}
    with tempfile.TemporaryDirectory() as folder:
        out = pathlib.Path(folder) / "bench.json"
        run_bench(bench, threads, f"--benchmark_filter=^{re.escape(name)}$", f"--benchmark_out={out}",
                  "--benchmark_out_format=json", f"--benchmark_repetitions={REPETITIONS}",
                  f"--benchmark_min_time={seconds / REPETITIONS}")
        runs = json.loads(out.read_text())["benchmarks"]
    for run in runs:
        if run.get("error_occurred"):
            raise SystemExit(f"{bench}: {run['name']}: {run.get('error_message')}")
    return [r["real_time"] * unit[r["time_unit"]] for r in runs if r["run_type"] == "iteration"]


def compare(theirs, ours):
    """One row of figures from the repetitions of both sides; `ours` may be None."""
    row = {"pytorch_s": statistics.median(theirs), "pytorch_best_s": min(theirs)}
    if ours:
        row |= {"kinegrad_s": statistics.median(ours), "kinegrad_best_s": min(ours)}
        row |= {"ratio": row["pytorch_s"] / row["kinegrad_s"], "best_ratio": min(theirs) / min(ours)}
    return row


def table_row(name, row):
    def time_of(side):
        seconds = row.get(side)
        return "-" if seconds is None else f"{seconds:.3f} s" if seconds >= 1 else f"{seconds * 1e3:.3f} ms"

    def ratio(key):
        return f"{row[key]:.2f}" if key in row else "-"

    return f"| {name} | {time_of('pytorch_s')} | {time_of('kinegrad_s')} | {ratio('ratio')} | {ratio('best_ratio')} |"


# ---- a GPU: the names of gpu_benchmarks() (tools/common/bench/list.cpp), at its sizes
OPS = {"copy": ("copy", 1 << 26), "gelu": ("gelu", 6528 * 1024), "add": ("add", 6528 * 1024),
       "adamw": ("adamw", 6528 * 1024), "layer_norm": ("layer_norm", 6528, 1024),
       "layer_norm_backward": ("layer_norm_backward", 6528, 1024), "softmax": ("softmax", 6528, 513),
       "cross_entropy": ("cross_entropy", 6528, 513),
       "attention": ("attention", "", 128, 51, 16, 64, "_causal", "_dropout"),
       "attention_backward": ("attention", "_backward", 128, 51, 16, 64, "_causal", "_dropout"),
       "linear": ("linear", 6528, 1024, 4096), "nearest_code": ("nearest_code", 4096, 512, 512)}
WHOLE = {"vqvae_step": ("vqvae_step", "paper", 256), "gpt_step": ("gpt_step", "paper", 128),
         "vqvae_step_read": ("vqvae_step", "paper", 256, True), "gpt_step_read": ("gpt_step", "paper", 128, True),
         "generate_1": ("generate_cached", "paper", 1), "generate_64": ("generate_cached", "paper", 64)}
F32_ONLY = ("copy", "adamw", "nearest_code")
WITH_PRODUCTS = ("attention", "attention_backward", "linear", *WHOLE)  # TF32 changes nothing in the others
SETS, CALLS_IN_GRAPH = 8, 16  # as in tools/common/bench/gpu_table.cpp


def copy(n):
    source, target = torch.zeros(n), torch.zeros(n)
    return lambda: target.copy_(source)


def set_arithmetic(arithmetic):
    """TF32 is PyTorch's default in convolutions: f32 here has none."""
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = arithmetic == "tf32"


def repeated(seconds, time_some):
    """The median of five repetitions; time_some(n) gives the seconds of n rounds."""
    rounds = max(2, round(seconds / REPETITIONS / max(time_some(1), 1e-6)))
    return statistics.median(time_some(rounds) / rounds for _ in range(REPETITIONS))


def time_op(make, seconds):
    """Many calls over several sets of inputs in one graph, by events: without launches and without a warm cache."""
    stream = torch.cuda.Stream()
    with torch.cuda.stream(stream):
        runs = [make() for _ in range(SETS)]
        for _ in range(3):
            for run in runs:
                run()
    stream.synchronize()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph, stream=stream):
        kept = [runs[i % SETS]() for i in range(CALLS_IN_GRAPH)]
    begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))

    def time_some(rounds):
        begin.record()
        for _ in range(rounds):
            graph.replay()
        end.record()
        end.synchronize()
        return begin.elapsed_time(end) * 1e-3

    round_seconds = repeated(seconds, time_some)
    del kept
    return round_seconds / CALLS_IN_GRAPH


def time_calls(run, seconds):
    """As a program calls it, by the clock."""
    for _ in range(5):
        run()
    torch.cuda.synchronize()

    def time_some(rounds):
        start = time.perf_counter()
        for _ in range(rounds):
            run()
        torch.cuda.synchronize()
        return time.perf_counter() - start

    return repeated(seconds, time_some)


def reading(step):
    """The step with its figures read by the host after it, in one transfer."""
    return lambda: torch.stack([value.float() for value in step()]).tolist()


def time_on_gpu(name, arithmetic, compiled, seconds):
    def compile_it(function):
        return torch.compile(function) if compiled else function

    set_arithmetic(arithmetic)
    torch.manual_seed(0)
    half = arithmetic == "bf16"
    function, *sizes = {**OPS, **WHOLE}[name]
    try:
        # ops and generation compute in bf16 on bf16; a step keeps f32 weights and rounds what it computes
        torch.set_default_dtype(torch.bfloat16 if half and "_step" not in name else torch.float32)
        if name in OPS:
            return time_op(lambda: compile_it(globals()[function](*sizes)), seconds)
        run = globals()[function](*sizes)
        if "_step" in name:
            plain = run

            def run():
                with torch.autocast("cuda", torch.bfloat16, enabled=half):
                    return plain()

            run = compile_it(run)
        if name.endswith("_read"):
            run = reading(run)
        return time_calls(run, seconds)
    finally:
        torch.set_default_dtype(torch.float32)


def compare_on_gpu(args):
    torch.set_default_device("cuda")
    torch._dynamo.config.cache_size_limit = 64  # the sets of inputs are closures of one function
    results = {"eager": {}, "compiled": {}}
    for name in {**OPS, **WHOLE}:
        if not re.search(args.filter, name):
            continue
        for side, arithmetic in (("eager", "f32"), ("eager", "tf32"), ("eager", "bf16"), ("compiled", "bf16")):
            if arithmetic != "f32" and name in F32_ONLY or arithmetic == "tf32" and name not in WITH_PRODUCTS:
                continue
            if side == "compiled" and name.startswith("generate"):
                continue  # each position would be compiled anew
            row = name if name == "copy" else f"{name}/{arithmetic}"
            try:
                seconds = results[side][row] = time_on_gpu(name, arithmetic, side == "compiled", args.seconds)
            except Exception as error:  # one that does not run here must not cost the others
                print(f"{row} {side}: {type(error).__name__}: {error}", file=sys.stderr)
                continue
            print(f"{row} {side}: {seconds * 1e3:.4f} ms", flush=True)
    if args.json:
        pathlib.Path(args.json).write_text(json.dumps(results))


def main():
    global presets
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bench", help="the benchmark program (cmake -DKG_BENCH=ON)")
    parser.add_argument("--filter", default="", help="regular expression on the names")
    parser.add_argument("--presets", help="JSON file with the presets' sizes, instead of those in this script")
    parser.add_argument("--threads", type=int, default=2, help="of both programs (default: 2)")
    parser.add_argument("--seconds", type=float, default=2.0, help="for each benchmark and program (default: 2)")
    parser.add_argument("--json", help="write the figures to this file as well")
    parser.add_argument("--tiny", action="store_true", help="toy sizes, to try the script")
    parser.add_argument("--device", default="cpu", choices=["cpu", "cuda"], help="where PyTorch computes")
    args = parser.parse_args()
    if args.device == "cuda":
        return compare_on_gpu(args)
    if args.presets:
        presets = json.loads(pathlib.Path(args.presets).read_text())
    torch.set_num_threads(args.threads)

    names = DEFAULT_TINY if args.tiny else bench_names(args.bench, args.threads) if args.bench else DEFAULT
    print(f"PyTorch {torch.__version__}, {args.threads} threads, f32\n")
    print("| benchmark | PyTorch | kinegrad | ratio | of the fastest |\n|---|---:|---:|---:|---:|")
    results = {}
    for name in names:
        if not re.search(args.filter, name):
            continue
        theirs = time_pytorch(find_peer(name), args.seconds)
        ours = time_kinegrad(args.bench, name, args.seconds, args.threads) if args.bench and not args.tiny else None
        name = name.removesuffix("/real_time")
        results[name] = compare(theirs, ours)
        print(table_row(name, results[name]), flush=True)
    report = {"torch": torch.__version__, "threads": args.threads, "benchmarks": results}
    print("\n" + json.dumps(report))
    if args.json:
        pathlib.Path(args.json).write_text(json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    main()
