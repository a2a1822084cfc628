#!/usr/bin/env python3
"""Writes tokens.npz: ids that the reference tokenizers give, for data/text/{clip_bpe,wordpiece,unigram}.

CLIP: openai-clip's SimpleTokenizer with ftfy, at most 77 ids. BERT: transformers' BertTokenizer, uncased, at most 128.
T5: sentencepiece between the added tokens (100 sentinels, 515 motion tokens), at most 256; the model is a unigram one of
1,200 pieces that sentencepiece trains here, with T5's normalisation and special tokens. transformers' T5Tokenizer gives
the same but where it normalises whole clusters of characters; how often that is the case is printed.
- texts, text_ends: the strings of odd_texts() below as UTF-8, one after another; K_ids, K_ends: their ids.
- clip_merges, clip_rows: the merges that matter for these strings as a file of merges, and what each of its ids is in
  the full vocabulary. bert_vocab, bert_rows: the same for the pieces of these strings and of all captions.
- t5_model: the model file.
- captions_crc: CRC-32 of all captions (each followed by a newline) of humanml3d_captions.jsonl and
  kitml_annotations.jsonl, each caption once, in order; K_crc: of the ids (i32) of each. The captions stay outside.
Needs: openai-clip, ftfy, transformers, sentencepiece, protobuf, numpy; a BERT model's folder, the shared data.
Run: python3 tests/golden/make_token_golden.py BERT_FOLDER [SHARED_DATA]
"""

import importlib.util
import io
import json
import pathlib
import random
import re
import sys
import tempfile
import zlib

import ftfy
import numpy as np
import sentencepiece
import transformers

HERE = pathlib.Path(__file__).parent
# The file alone: the package itself needs torchvision and an old setuptools.
FOUND = importlib.util.find_spec("clip").submodule_search_locations[0]
SPEC = importlib.util.spec_from_file_location("simple_tokenizer", pathlib.Path(FOUND) / "simple_tokenizer.py")
clip = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(clip)
MOTION_TOKENS = 515


def odd_texts():
    texts = ["", " ", "\n\t ", ".", "a", "A", "'", "''", "\u2019", "0", "12345", "a" * 99, "a" * 100, "a" * 101, "b" * 5000]
    texts += ["a person walks forward.", "A PERSON WALKS  FORWARD", "the man's arm isn't raised; they'll, we've, I'd, I'm, you're",
              "THE MAN'S ARM ISN'T RAISED; THEY'LL, WE'VE, I'D, I'M, YOU'RE", "it\u2019s he\u2019ll don\u2018t", "'s's's", "'sword 'tis 'l 'v 'r",
              "rock'n'roll o'clock", "it'\u017f a \u017fword", "\u212aelvin \u212b", "side-step, counter-clockwise", "180\u00b0 turn", "180\u2070 turn",
              "x\u00b2 + \u00bd = \u2167 \u2460 \u0663\u0664 \u4e8c", "1,000.50 $5 5% #1 @home", "a_b__c", "C++ & C# / F#", "(he) [she] {it} <they>",
              "!!! ??? ... \u2026 ,,, ;;; :::", "!'s", "a!b?c.d,e", "~`^|\\", "---", "\u2014 \u2013 \u2012 \u00ad", "\"quoted\" \u201ccurly\u201d \u00abguillemets\u00bb"]
    texts += ["caf\u00e9", "cafe\u0301", "na\u00efve r\u00e9sum\u00e9 \u00fcber \u00c5ngstr\u00f6m", "\u0130stanbul I\u0307", "\u00dfta\u00dfe STRASSE \u1e9e",
              "\u03a3\u0391\u03a3 \u03a3 \u039f\u0394\u039f\u03a3. \u03a3\u03a3", "\u0391\u03a3\u0391 \u0391.\u03a3. \u0391\u03a3\u0301b", "\u0414\u043e\u0431\u0440\u043e \u0419 \u0451 \u0401",
              "\u05e9\u05dc\u05d5\u05dd \u05e9\u05b8\u05dc\u05d5\u05b9\u05dd", "\u0645\u0631\u062d\u0628\u0627 \u0627\u0644\u0633\u064e\u0651\u0644\u0627\u0645", "\u0939\u093f\u0928\u094d\u0926\u0940 \u0915\u094d\u0937",
              "\u4eba\u304c\u6b69\u304f", "\u4f60\u597d\uff0c\u4e16\u754c\uff01", "\uc0ac\ub78c\uc774 \uac77\ub294\ub2e4", "\u1112\u1161\u11ab\u1100\u1173\u11af", "\u0e04\u0e19\u0e40\u0e14\u0e34\u0e19",
              "\uff2c\uff2f\uff35\uff24\u3000\uff2e\uff2f\uff29\uff33\uff25\uff33 \uff11\uff12", "\uff76\uff9e\uff76\uff80\uff76\uff85 \uffe5", "\ufb02u\ufb03e\ufb06 \ufb05 \u0133 \u01c5 \u0149", "e\u0323\u0301 e\u0301\u0323 \u1eb9\u0301",
              "a\u0301\u0302\u0303\u0304 Z\u0351\u036b\u0343\u036a", "\u01d5 \u1ed9 \u1e69", "\u2126 \u2160 \u00b5 \u2460 \u3392 \ufdfa", "\U0001d5d4\U0001d4b7 \U0001d7d9", "\U00020000\U0002b740 \U0002f800 \ufa0e"]
    texts += ["\U0001f600", "walk \U0001f6b6\u200d\u2642\ufe0f run \U0001f3c3\U0001f3fd", "\U0001f1e9\U0001f1ea \U0001f468\u200d\U0001f469\u200d\U0001f467", "\u2665\ufe0f \u2764 \u263a", "hi\U0001f44bthere",
              "\u2192 \u21d2 \u00d7 \u2260 \u221e", "\u20ac5 \u00a35 \u00a5 \u00a2", "\u00a9\u00ae\u2122", "\u25a0\u2588\u2591", "\u0ca0_\u0ca0"]
    texts += ["a&amp;b", "a &amp;amp; b", "a &amp;amp;amp;lt; b", "&lt;b&gt;bold&lt;/b&gt;", "<b>bold &amp; &eacute;</b>", "<a>\n&eacute;&amp;amp;", "&eacute;&Eacute;&EACUTE;&NTILDE;&SZLIG;", "&nbsp;&nbsp;x&nbsp;",
              "&hellip;&mdash;&rsquo;s", "&#233;&#xe9;&#XE9;", "&#x2019;s &#8217;t", "&#0; &#128; &#x85; &#150; &#xd800; &#x110000; &#1; &#xfffe;", "&#99999999999999999999;", "&#; &#x; &; & &&", "&notanentity; &notit &not",
              "&copy2024 &ampamp; &lt&gt", "&CounterClockwiseContourIntegral; &NotEqualTilde; &fjlig;", "this&not that AT&T R&D", "&am&amp;p;", "&apos;s &quot;q&quot;", "&Tab;x&NewLine;y", "&frac12; &sup2; &deg;"]
    texts += ["\x00a\x01b\x1fc\x7fd", "a\u200bb\u200cc\u200dd\ufeffe", "a\u2028b\u2029c\u0085d", "a\x0bb\x0cc\x1cd", "a\r\nb\rc", "x\x80y\x93z\x99", "\x1b[36;44mblue\x1b[0m \x1b[x", "\u202eabc\u202c", "\ufffdx\ufffc \ufff9",
              "\ue000 \U000f0000 \U0010ffff", "\ufdd0 \uffff", "\u00a0a\u2003b\u3000c\u1680d\u202fe", "\u180e\u2060", "tab\tnewline\nend\n", "   leading and trailing   ", "a\u0007\u0008b"]
    texts += ["<|endoftext|>", "a <|startoftext|>b<|ENDOFTEXT|>", "<|\u017ftartoftext|>", "<|endoftext", "[CLS] a [SEP] b [MASK][PAD][UNK]", "[cls] [Sep]", "a[SEP]b", "</s> a </s>b <pad><unk>", "<extra_id_0> walks <extra_id_1>.<extra_id_99>",
              "<extra_id_100> <extra_id_>", "<motion_id_512><motion_id_0><motion_id_5><motion_id_51><motion_id_511><motion_id_513>", "Describe: <motion_id_512> <motion_id_7> <motion_id_513> please", "<motion_id_514>x <motion_id_515> <motion_id_1", "x<motion_id_12>y",
              " <motion_id_1>  <motion_id_2> ", "\u2581a \u2581", "##ing ing", "a</w> b"]
    texts += ["supercalifragilisticexpialidocious antidisestablishmentarianism", "pneumonoultramicroscopicsilicovolcanoconiosis", "qzxjkvbp wwwwww zzz", "http://example.com/a?b=c&d=e#f", "name@example.org", "3.14e-10", "2024-01-31T12:00:00Z",
              "ABCdefGHI camelCase snake_case", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "abcabcabcabcabcabcabcabcabc", "the " * 200, "walk, " * 100, "\u4eba" * 150, "\U0001f600" * 60, "a " * 74 + "bc", "a " * 75, "a " * 76, "a " * 126, "a " * 127,
              "don't" * 40, "!" * 300, "1" * 300, "a\u0301" * 90, "\u0301" * 120, "x" * 300 + " y"]
    rng = random.Random(1)
    words = "person walks forward quickly then turns 180 degrees left, jumps! won't it's caf\u00e9 \u4eba \U0001f600 &amp; \u201cup\u201d 2x-3 Stra\u00dfe".split()
    texts += [rng.choice([" ", "", "  ", ", "]).join(rng.choices(words, k=rng.randint(1, 14))) for _ in range(40)]
    pools = [range(0x20, 0x7F), range(0xA0, 0x250), range(0x370, 0x400), range(0x2010, 0x2070), range(0x3040, 0x30FF), range(0x4E00, 0x4E80)]
    texts += ["".join(chr(rng.choice(rng.choice(pools[: i % 6 + 1]))) for _ in range(rng.randint(1, 40))) for i in range(40)]
    # data/text/fix_text.h does not guess that text was decoded with a wrong encoding: random Latin can look like that.
    return [t for t in dict.fromkeys(texts) if ftfy.fix_text(t) == ftfy.fix_text(t, fix_encoding=False)]


def captions(shared):
    found = {}
    for name in ("humanml3d_captions", "kitml_annotations"):
        for line in (shared / "texts" / f"{name}.jsonl").read_text(encoding="utf-8").splitlines():
            found.update(dict.fromkeys(json.loads(line)["captions"]))
    return list(found)


class Clip:
    def __init__(self):
        self.reference = clip.SimpleTokenizer()
        self.pairs = set()  # every pair of neighbours that the merging of some word ever met

    def encode(self, text):
        ids = [49406] + self.reference.encode(text) + [49407]
        return ids if len(ids) <= 77 else ids[:76] + [49407]

    def watch(self):
        pairs, ranks = self.pairs, self.reference.bpe_ranks

        class Ranks(dict):
            def get(self, pair, default=None):
                pairs.add(pair)
                return ranks.get(pair, default)

        self.reference.bpe_ranks = Ranks(ranks)

    def subset(self):
        ranks = dict(self.reference.bpe_ranks)
        kept = sorted((p for p in self.pairs if p in ranks), key=ranks.get)
        parts = clip.bytes_to_unicode().values()
        pieces = [*parts, *(p + "</w>" for p in parts), *("".join(p) for p in kept), "<|startoftext|>", "<|endoftext|>"]
        lines = ["#version: 0.2"] + [" ".join(p) for p in kept]
        return "\n".join(lines) + "\n", [self.reference.encoder[p] for p in pieces]


class Bert:
    def __init__(self, folder):
        self.reference = transformers.BertTokenizer.from_pretrained(folder)
        self.used = {self.reference.convert_tokens_to_ids(f"[{name}]") for name in ("PAD", "UNK", "CLS", "SEP", "MASK")}

    def encode(self, text):
        self.used.update(self.reference(text).input_ids)
        return self.reference(text, truncation=True, max_length=128).input_ids

    def subset(self):
        rows = sorted(self.used)
        return "".join(self.reference.convert_ids_to_tokens(r) + "\n" for r in rows), rows


class T5:
    def __init__(self, sentences):
        model = io.BytesIO()
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(sentences), model_writer=model, vocab_size=1200, model_type="unigram", pad_id=0, eos_id=1,
            unk_id=2, bos_id=-1, normalization_rule_name="nmt_nfkc", character_coverage=0.9995, num_threads=1, minloglevel=2)
        self.model = model.getvalue()
        with tempfile.TemporaryDirectory() as folder:
            (pathlib.Path(folder) / "spiece.model").write_bytes(self.model)
            self.reference = transformers.T5Tokenizer.from_pretrained(folder)
        self.reference.add_tokens([f"<motion_id_{i}>" for i in range(MOTION_TOKENS)])
        self.pieces = sentencepiece.SentencePieceProcessor(model_proto=self.model)
        self.added = {t: i for t, i in self.reference.get_vocab().items() if i >= len(self.pieces) or i < 3}
        self.split = re.compile("(" + "|".join(sorted(self.added, key=len, reverse=True)) + ")")
        self.different = []

    def encode(self, text):
        ids = []
        for part in self.split.split(text):
            ids += [self.added[part]] if part in self.added else self.pieces.encode(part)
        ids = ids[:255] + [1]
        if ids != self.reference(text, truncation=True, max_length=256).input_ids:
            self.different.append(text)
        return ids


def crc(ids):
    return zlib.crc32(np.asarray(ids, "<i4").tobytes())


def main():
    shared = pathlib.Path(sys.argv[2]) if len(sys.argv) > 2 else HERE / "../../../shared/data"
    texts, all_captions = odd_texts(), captions(shared)
    arrays = {"captions_crc": np.array([zlib.crc32("".join(c + "\n" for c in all_captions).encode())], "<u4").view("<i4")}
    blob = [t.encode() for t in texts]
    arrays["texts"] = np.frombuffer(b"".join(blob), "u1")
    arrays["text_ends"] = np.cumsum([len(b) for b in blob]).astype("<i4")
    tokenizers = {"clip": Clip(), "bert": Bert(sys.argv[1]), "t5": T5(all_captions)}
    for name, tokenizer in tokenizers.items():
        arrays[f"{name}_crc"] = np.array([crc(tokenizer.encode(c)) for c in all_captions], "<u4").view("<i4")
        if name == "clip":
            tokenizer.reference.cache = {k: k for k in ("<|startoftext|>", "<|endoftext|>")}
            tokenizer.watch()
        ids = [tokenizer.encode(t) for t in texts]
        arrays[f"{name}_ids"] = np.concatenate([np.asarray(i, "<i4") for i in ids])
        arrays[f"{name}_ends"] = np.cumsum([len(i) for i in ids]).astype("<i4")
    for name, label in (("clip", "merges"), ("bert", "vocab")):
        text, rows = tokenizers[name].subset()
        arrays[f"{name}_{label}"] = np.frombuffer(text.encode(), "u1")
        arrays[f"{name}_rows"] = np.array(rows, "<i4")
    arrays["t5_model"] = np.frombuffer(tokenizers["t5"].model, "u1")
    path = HERE / "tokens.npz"
    np.savez_compressed(path, **arrays)
    print(f"{path}: {len(texts)} strings, {len(all_captions)} captions, {path.stat().st_size} bytes")
    print(f"transformers' T5Tokenizer differs on: {tokenizers['t5'].different}")
    for name, array in arrays.items():
        print(f"  {name}: {array.size} {array.dtype}")


main()
