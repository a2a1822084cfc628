"""Values of the caption metrics from the public packages (nltk, rouge_score, pycocoevalcap, bert_score): captions.json
and bert_score.safetensors."""

import json
import math
import pathlib
import re
import string
from collections import Counter

import numpy as np
import torch
from bert_score.utils import greedy_cos_idf
from nltk.translate.bleu_score import corpus_bleu
from pycocoevalcap.bleu.bleu_scorer import BleuScorer
from pycocoevalcap.cider.cider_scorer import CiderScorer
from pycocoevalcap.rouge.rouge import Rouge
from rouge_score.rouge_scorer import RougeScorer

from golden import Golden

# (generated, references): inflected and cut-off captions, capitals, punctuation, repeated words, other lengths, none.
ITEMS = [
    ("A person walks forward.", ["a person walk forward", "a man walk straight ahead", "someone walk forward"]),
    ("a man walk in a circle to the left", ["a person walk in a circle", "a man walk counterclockwise in a circle"]),
    ("the the the person person jump", ["a person jump up", "the person jump twice", "a person jump"]),
    ("a person raise both arm and wave", ["a person raise his right arm and wave it", "a man wave"]),
    ("person kick", ["a person kick with the left leg then kick with the right leg", "a man kick twice with both leg"]),
    ("", ["a person stand still"]),
    ("a person sit down, then stand up; it's over!", ["a person sit down then stand up", "the man sit and stand up"]),
    ("a man run forward then turn around and run back to where he start slowly", ["a man run forward and back"]),
    ("A PERSON BEND DOWN AND PICK SOMETHING UP", ["a person bend down and pick something up"]),
    ("a person do 2 jumping-jack", ["a person do 2 jumping jack", "a man do jumping jack", "someone jump"]),
    ("a person throw a ball with the right hand", ["a person throw a ball", "a man throw with the right hand"]),
    ("a person walk forward then stop", ["a person walk forward then stop", "a man walk and stop", "a man walk"]),
]


def plain(text):
    return " ".join(re.sub(f"[{re.escape(string.punctuation)}]", " ", text).split()).lower()


def bleu(captions, references, option):
    scorer = BleuScorer(n=4)
    for caption, refs in zip(captions, references):
        scorer += (plain(caption), [plain(ref) for ref in refs])
    return scorer.compute_score(option=option)[0]


def bleu_nltk(captions, references):
    """Captions of four words and more: below, nltk counts an n-gram that is not there."""
    pairs = [(plain(c).split(), [plain(r).split() for r in refs]) for c, refs in zip(captions, references)]
    words, refs = zip(*[pair for pair in pairs if len(pair[0]) >= 4])
    return [corpus_bleu(refs, words, weights=[1 / n] * n) for n in range(1, 5)]


def cider(captions, references):
    """Without clipping and penalty: cosines of dense tf-idf vectors."""
    grams = lambda text, n: Counter(zip(*(text.split()[i:] for i in range(n))))
    totals = np.zeros(len(captions))
    for n in range(1, 5):
        vocabulary = sorted({g for text in captions + sum(references, []) for g in grams(text, n)})
        df = np.array([max(1, sum(any(g in grams(r, n) for r in refs) for refs in references)) for g in vocabulary])
        vector = lambda text: np.array([grams(text, n)[g] for g in vocabulary]) * (math.log(len(captions)) - np.log(df))
        for i, (caption, refs) in enumerate(zip(captions, references)):
            for ref in refs:
                a, b = vector(caption), vector(ref)
                if a.any() and b.any():
                    totals[i] += a @ b / np.linalg.norm(a) / np.linalg.norm(b) / 4 / len(refs)
    return 10 * totals.mean()


def captions_golden():
    captions, references = [c for c, _ in ITEMS], [r for _, r in ITEMS]
    plain_captions, plain_references = [plain(c) for c in captions], [[plain(r) for r in refs] for refs in references]
    cropped = [" ".join(c.split()[: 1 + len(c.split()) // 2]) for c in captions]  # short: both penalties count
    scorer = CiderScorer()
    for caption, refs in ITEMS:
        scorer += (caption, refs)
    rouge = RougeScorer(["rougeL"])
    values = {
        "bleu": bleu(captions, references, "shortest"),
        "bleu_closest": bleu(captions, references, "closest"),
        "bleu_nltk": bleu_nltk(captions, references),
        "cropped_bleu": bleu(cropped, references, "shortest"),
        "cropped_bleu_closest": bleu(cropped, references, "closest"),
        "cropped_bleu_nltk": bleu_nltk(cropped, references),
        "rouge_l": np.mean([rouge.score_multi(refs, caption)["rougeL"].fmeasure for caption, refs in ITEMS]),
        "rouge_l_beta": np.mean([Rouge().calc_score([c], refs) for c, refs in zip(plain_captions, plain_references)]),
        "cider": cider(plain_captions, plain_references),
        "cider_d": scorer.compute_score()[0],
        "mean_length": np.mean([len(c.split()) for c in plain_captions]),
    }
    golden = {
        "items": [{"caption": c, "cropped": s, "references": r} for (c, r), s in zip(ITEMS, cropped)],
        "values": values,
    }
    path = pathlib.Path(__file__).with_name("captions.json")
    path.write_text(json.dumps(golden, indent=1, default=float) + "\n")
    print(path, values)


def bert_score_golden():
    g = Golden(7)
    candidate, reference = g.normal(5, 8), g.normal(7, 8)
    reference[:3] = (candidate[[4, 1, 0]] + 0.5 * g.normal(3, 8)).float().double()
    weights = [abs(g.normal(5)), abs(g.normal(7))]
    g.put("candidate", candidate), g.put("reference", reference)
    g.put("candidate.weights", weights[0]), g.put("reference.weights", weights[1])
    batch = lambda x: x.clone()[None]
    score = greedy_cos_idf(batch(reference), torch.ones(1, 7), batch(weights[1]), batch(candidate), torch.ones(1, 5),
                           batch(weights[0]))
    g.put("score", torch.stack(score).flatten().double())
    g.save("bert_score.safetensors")


if __name__ == "__main__":
    captions_golden()
    bert_score_golden()
