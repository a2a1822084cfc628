#!/usr/bin/env python3
"""Times PyTorch (eager, f32, CPU) beside `bench` on the same steps and shapes, and prints the ratios.

    python3 tools/compare_pytorch.py                                 PyTorch alone
    python3 tools/compare_pytorch.py --bench build/bin/bench         both, one case after the other in the same run
    python3 tools/compare_pytorch.py --filter vqvae --tiny           only names with "vqvae", at toy sizes (a self-test)

Cases have the names of the benchmarks of `bench`. Training steps are forward, loss, backward and AdamW, with the dropout
of the recipe; the VQ-VAE at `paper` size takes batches of 32 and the GPT batches of 8, so that a step fits a small CPU.
PyTorch gets its fused attention. Generation is one motion of 50 tokens that does not end early: in PyTorch by the loop
of the original program, which runs the whole prefix again for every token, in kinegrad with its key/value cache.
Needs: torch. Times are medians; ratio = PyTorch / kinegrad, above 1 means that kinegrad is faster.
"""

import argparse
import json
import pathlib
import re
import statistics
import subprocess
import sys
import time

import torch
import torch.nn.functional as F

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests" / "golden"))
from t2m_gpt_torch import MotionGpt, MotionVqVae  # noqa: E402

# Sizes of the presets of models/t2m_gpt; --presets FILE replaces them.
PRESETS = {
    "small": {"vqvae": {"features": 263, "width": 256, "codes": 256},
              "gpt": {"codes": 256, "cond": 256, "width": 256, "heads": 8, "base_layers": 4, "head_layers": 4,
                      "context": 51, "dropout": 0.1},
              "vqvae_batch": 32, "gpt_batch": 32},
    "paper": {"vqvae": {"features": 263, "width": 512, "codes": 512},
              "gpt": {"codes": 512, "cond": 512, "width": 1024, "heads": 16, "base_layers": 9, "head_layers": 9,
                      "context": 51, "dropout": 0.1},
              "vqvae_batch": 32, "gpt_batch": 8},
}
TINY = {"vqvae": {"features": 23, "width": 16, "codes": 16},
        "gpt": {"codes": 16, "cond": 8, "width": 16, "heads": 2, "base_layers": 1, "head_layers": 1, "context": 9,
                "dropout": 0.1},
        "vqvae_batch": 8, "gpt_batch": 2}
FRAMES = 64


# ---- models: each returns the function to time
def vqvae_step(preset):
    model = MotionVqVae(**preset["vqvae"]).train()
    optimiser = torch.optim.AdamW(model.parameters(), lr=2e-4, betas=(0.9, 0.99), weight_decay=0.0)
    x = torch.randn(preset["vqvae_batch"], FRAMES, preset["vqvae"]["features"])

    def step():
        optimiser.zero_grad(set_to_none=True)
        model(x)["loss"].backward()
        optimiser.step()

    return step


def gpt_step(preset):
    options, batch = preset["gpt"], preset["gpt_batch"]
    model = MotionGpt(**options).train()
    parameters = [p for p in model.parameters() if p.requires_grad]
    optimiser = torch.optim.AdamW(parameters, lr=1e-4, betas=(0.5, 0.9), weight_decay=1e-6)
    context, codes = options["context"], options["codes"]
    length = torch.full((batch,), context - 2)
    target = torch.randint(0, codes, (batch, context))
    target[:, context - 2], target[:, context - 1] = codes, codes + 1
    cond = torch.randn(batch, options["cond"])

    def step():
        optimiser.zero_grad(set_to_none=True)
        keep = torch.rand(batch, context - 1) < 0.5
        tokens = torch.where(keep, target[:, :-1], torch.randint(0, codes, keep.shape))
        model.loss(model(tokens, cond), target, length).backward()
        optimiser.step()

    return step


def generation(preset):
    model = MotionGpt(**preset["gpt"]).eval()
    decoder = MotionVqVae(**preset["vqvae"]).eval().vqvae
    cond = torch.randn(1, preset["gpt"]["cond"])

    @torch.no_grad()
    def run():
        tokens = model.generate(cond, stop_at_end=False)
        decoder.decoder(decoder.quantizer.codebook[tokens.clamp(max=preset["gpt"]["codes"] - 1)][None])

    return run


# ---- single operations, forward
def op_cases(tiny):
    n = 16 if tiny else 1
    normal = torch.randn

    def pointwise(fn, inputs=1):
        xs = [normal(2**22 // n**3) for _ in range(inputs)]
        return lambda: fn(*xs)

    def linear(rows, i, o):
        x, w, b = normal(rows // n, i // n), normal(o // n, i // n), normal(o // n)
        return lambda: F.linear(x, w, b)

    def conv(b, t, c, k, stride, padding, dilation):
        x, w, bias = normal(b // min(b, n), c // n, t), normal(c // n, c // n, k), normal(c // n)
        return lambda: F.conv1d(x, w, bias, stride, padding, dilation)

    def attention(b, h, t, d):
        q, k, v = (normal(max(b // n, 1), h, t, d) for _ in range(3))
        return lambda: F.scaled_dot_product_attention(q, k, v, is_causal=True)

    def rows(fn, m, c):
        x, w, b = normal(m // n, c // n), normal(c // n), normal(c // n)
        return lambda: fn(x, w, b)

    def nearest(m, k, c):
        x, book = normal(m // n, c // n), normal(k // n, c // n)
        return lambda: (book.square().sum(1) - 2 * x @ book.T).argmin(1)

    def matmul(m):
        a, b = normal(m // n, m // n), normal(m // n, m // n)
        return lambda: a @ b

    return {
        "add": lambda: pointwise(torch.add, 2),
        "gelu": lambda: pointwise(F.gelu),
        "relu": lambda: pointwise(F.relu),
        "layer_norm/4096x1024": lambda: rows(lambda x, w, b: F.layer_norm(x, w.shape, w, b), 4096, 1024),
        "softmax/4096x512": lambda: rows(lambda x, w, b: x.softmax(-1), 4096, 512),
        "matmul/512": lambda: matmul(512),
        "matmul/1024": lambda: matmul(1024),
        "linear/408x1024x4096": lambda: linear(408, 1024, 4096),
        "linear/1632x256x1024": lambda: linear(1632, 256, 1024),
        "conv1d/k3": lambda: conv(32, 64, 512, 3, 1, 1, 1),
        "conv1d/k3d9": lambda: conv(32, 64, 512, 3, 1, 9, 9),
        "conv1d/k4s2": lambda: conv(32, 64, 512, 4, 2, 1, 1),
        "attention/8x16x51x64": lambda: attention(8, 16, 51, 64),
        "attention/32x8x51x32": lambda: attention(32, 8, 51, 32),
        "nearest_code/4096x512x512": lambda: nearest(4096, 512, 512),
    }


def all_cases(args):
    presets = json.loads(pathlib.Path(args.presets).read_text()) if args.presets else PRESETS
    cases = {}
    for name in args.preset.split(","):
        preset = TINY if args.tiny else presets[name]
        cases[f"vqvae_step/{name}"] = lambda p=preset: vqvae_step(p)
        cases[f"gpt_step/{name}"] = lambda p=preset: gpt_step(p)
        cases[f"generate/{name}"] = lambda p=preset: generation(p)
    cases.update(op_cases(args.tiny))
    return {k: v for k, v in cases.items() if re.search(args.filter, k)}


# ---- timing
def time_pytorch(make, seconds):
    """Median seconds of a call, after a warm-up, over `seconds` or three calls, whichever is longer."""
    torch.manual_seed(0)
    run = make()
    for _ in range(2):
        run()
    times, end = [], time.perf_counter() + seconds
    while len(times) < 3 or time.perf_counter() < end:
        start = time.perf_counter()
        run()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def time_kinegrad(bench, name, seconds):
    """Median of five repetitions of the benchmark of this name; None if `bench` has none."""
    unit = {"ns": 1e-9, "us": 1e-6, "ms": 1e-3, "s": 1.0}
    command = [bench, f"--benchmark_filter=^{re.escape(name)}(/|$)", "--benchmark_format=json",
               "--benchmark_repetitions=5", f"--benchmark_min_time={seconds / 5}"]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        raise SystemExit(f"{bench} failed at {name} (exit code {done.returncode}):\n{done.stderr[-2000:]}")
    if not done.stdout.strip():
        return None
    runs = json.loads(done.stdout)["benchmarks"]
    for run in runs:
        if run.get("error_occurred"):
            raise SystemExit(f"{bench}: {run['name']}: {run.get('error_message')}")
    times = [r["real_time"] * unit[r["time_unit"]] for r in runs if r["run_type"] == "iteration"]
    return statistics.median(times) if times else None


def show(seconds):
    if seconds is None:
        return "-"
    return f"{seconds:.3f} s" if seconds >= 1 else f"{seconds * 1e3:.3f} ms" if seconds >= 1e-3 else f"{seconds * 1e6:.1f} us"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bench", help="the benchmark program (cmake -DKG_BENCH=ON), run beside PyTorch")
    parser.add_argument("--filter", default="", help="regular expression on the names of the cases")
    parser.add_argument("--preset", default="small,paper", help="presets, with commas (default: small,paper)")
    parser.add_argument("--presets", help="JSON file with the sizes, instead of those in this script")
    parser.add_argument("--threads", type=int, default=2, help="of both (default: 2)")
    parser.add_argument("--seconds", type=float, default=2.0, help="of timing for each case and side (default: 2)")
    parser.add_argument("--json", help="write the figures to this file as well")
    parser.add_argument("--tiny", action="store_true", help="toy sizes, to try the script; times mean nothing")
    args = parser.parse_args()
    if args.tiny and args.bench:
        parser.error("--tiny changes only the sizes of PyTorch: no --bench with it")
    torch.set_num_threads(args.threads)

    print(f"PyTorch {torch.__version__}, {args.threads} threads, f32\n")
    print("| case | PyTorch | kinegrad | ratio |\n|---|---:|---:|---:|")
    results = {}
    for name, make in all_cases(args).items():
        theirs = time_pytorch(make, args.seconds)
        ours = time_kinegrad(args.bench, name, args.seconds) if args.bench else None
        ratio = theirs / ours if ours else None
        results[name] = {"pytorch_s": theirs, "kinegrad_s": ours, "ratio": ratio}
        print(f"| {name} | {show(theirs)} | {show(ours)} | {f'{ratio:.2f}' if ratio else '-'} |", flush=True)
    report = {"torch": torch.__version__, "threads": args.threads, "cases": results}
    print("\n" + json.dumps(report))
    if args.json:
        pathlib.Path(args.json).write_text(json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    main()
