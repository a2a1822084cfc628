#!/usr/bin/env python3
"""Writes clip, clip_original, bert, distilbert, t5 and t5_gated .safetensors: tiny text encoders by the reference packages
in float64 from f32 weights.

In all: w.NAME weights (f32), ids, mask (1: a token, 0: a pad), y.* forward values, r.* random tensors and loss = the sum of
y * r (T5: its own cross-entropy), g.NAME gradients of the loss. clip_original: a CLIP of the original package under its
own names. t5*: greedy.E and beams.N.E: what generate() writes with the end token E and N beams, rows padded with
0; buckets.*: of key - query = -400 ... 400.
Needs: torch, transformers, openai-clip, numpy, safetensors.   Run: python3 tests/golden/make_text_encoder_golden.py
"""

import importlib.util
import pathlib

import numpy as np
import torch
import transformers as hf
from transformers.models.t5.modeling_t5 import T5LayerNorm

from golden import Golden


def original_clip():
    """The module clip/model.py alone: the package's own imports need an old setuptools."""
    path = pathlib.Path(importlib.util.find_spec("clip").origin).with_name("model.py")
    spec = importlib.util.spec_from_file_location("clip_model", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.LayerNorm.forward = torch.nn.LayerNorm.forward  # theirs computes in f32
    return module.CLIP


def rms_norm(self, x):
    return self.weight * (x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + self.variance_epsilon))


T5LayerNorm.forward = rms_norm  # theirs computes the variance in f32


class EncoderGolden(Golden):
    def fill(self, model, gain=1.0):
        """Weights N(0, gain^2 / fan_in), norms near 1, embeddings and biases of their own size: nothing is near zero."""
        for name, p in model.named_parameters():
            if p.dim() == 0:
                continue  # CLIP's logit_scale, which text features do not use
            lower = name.lower()
            norm = ("norm" in lower or ".ln" in lower or lower.startswith("ln")) and name.endswith("weight")
            table = "embedding" in lower or lower.startswith("shared") or "attention_bias" in lower
            if ".q.weight" in name:
                p.data = self.normal(*p.shape, scale=1.0 / np.sqrt(p.numel() / 3))  # T5: scores without a scale
                continue
            scale = 0.2 if p.dim() < 2 else 0.5 if table else gain / np.sqrt(p.shape[1])
            p.data = (self.normal(*p.shape, scale=scale) + (1.0 if norm else 0.0)).float().double()

    def weights(self, model, keep=lambda name: True):
        for name, p in model.named_parameters():
            if keep(name) and p.dim() > 0:
                self.put(f"w.{name}", p)

    def finish(self, model, loss, file, config, keep=lambda name: True):
        loss.backward()
        self.put("loss", loss[None])
        for name, p in model.named_parameters():
            if p.grad is not None and keep(name):
                self.put(f"g.{name}", p.grad)
        self.save(file, config)

    def batch(self, lengths, vocabulary, first=3):
        """ids (B, L) with zeros after each row's length, and the mask."""
        ids = self.rng.integers(first, vocabulary, (len(lengths), max(lengths)))
        mask = np.arange(max(lengths))[None] < np.array(lengths)[:, None]
        return torch.from_numpy(ids * mask), torch.from_numpy(mask.astype(np.int64))

    def scored(self, name, value, where=1):
        self.put(f"y.{name}", value)
        weights = self.normal(*value.shape) * where
        self.put(f"r.{name}", weights)
        return (value * weights).sum()


def clip_batch(golden, vocabulary, lengths=(5, 9, 3)):
    ids, mask = golden.batch(lengths, vocabulary - 2)
    for row, n in enumerate(lengths):
        ids[row, 0], ids[row, n - 1] = vocabulary - 2, vocabulary - 1
    golden.put("ids", ids)
    return ids


def make_clip():
    golden = EncoderGolden(51)
    config = hf.CLIPTextConfig(vocab_size=40, hidden_size=16, intermediate_size=24, num_hidden_layers=3, projection_dim=12,
                               num_attention_heads=2, max_position_embeddings=10, hidden_act="quick_gelu",
                               bos_token_id=38, eos_token_id=39, pad_token_id=0, attn_implementation="sdpa")
    model = hf.CLIPTextModelWithProjection(config).double()
    golden.fill(model)
    golden.weights(model)
    out = model(clip_batch(golden, 40))
    loss = golden.scored("hidden", out.last_hidden_state) + golden.scored("feature", out.text_embeds)
    golden.finish(model, loss, "clip.safetensors", {"transformers": hf.__version__})


def make_clip_original():
    golden = EncoderGolden(52)
    model = original_clip()(12, 32, 1, 64, 32, context_length=9, vocab_size=40, transformer_width=16,
                            transformer_heads=2, transformer_layers=2).double()
    golden.fill(model)
    keep = lambda name: not name.startswith("visual.") or name == "visual.proj"
    golden.weights(model, keep)
    features = model.encode_text(clip_batch(golden, 40))
    golden.put("y.feature", features)
    golden.save("clip_original.safetensors", {"torch": torch.__version__})


def make_bert(distil):
    golden = EncoderGolden(54 if distil else 53)
    if distil:
        config = hf.DistilBertConfig(vocab_size=40, dim=16, hidden_dim=24, n_layers=3, n_heads=4, max_position_embeddings=12,
                                     attn_implementation="sdpa")
        model = hf.DistilBertModel(config)
    else:
        config = hf.BertConfig(vocab_size=40, hidden_size=16, intermediate_size=24, num_hidden_layers=3,
                               num_attention_heads=4, max_position_embeddings=12, attn_implementation="sdpa")
        model = hf.BertModel(config)
    model = model.double().eval()
    golden.fill(model)
    golden.weights(model)
    ids, mask = golden.batch([9, 4, 6], 40)
    golden.put("ids", ids)
    golden.put("mask", mask.bool())
    extra = {}
    if not distil:
        types = torch.from_numpy(golden.rng.integers(0, 2, tuple(ids.shape)))
        golden.put("types", types)
        extra = {"token_type_ids": types}
    out = model(input_ids=ids, attention_mask=mask, **extra)
    weights = mask.double()[..., None]
    loss = golden.scored("hidden", out.last_hidden_state, weights)
    sentence = torch.nn.functional.normalize((out.last_hidden_state * weights).sum(1) / weights.sum(1))
    loss = loss + golden.scored("sentence", sentence)
    if not distil:
        loss = loss + golden.scored("pooled", out.pooler_output)
    golden.finish(model, loss, "distilbert.safetensors" if distil else "bert.safetensors",
                  {"transformers": hf.__version__})


class ByAHair(Exception):
    """A choice that f32 and f64 make differently, or nearly so."""


def generated(model, ids, mask, **options):
    found = model.double().generate(input_ids=ids, attention_mask=mask, **options)
    for scale in (1 - 1e-5, 1 + 1e-5):  # of the logits
        model.config.scale_decoder_outputs, kept = False, model.config.scale_decoder_outputs
        head = model.lm_head.weight
        size = scale * (model.config.d_model**-0.5 if kept else 1)
        old = model.lm_head.forward
        model.lm_head.forward = lambda x: torch.nn.functional.linear(x * size, head)
        other = model.generate(input_ids=ids, attention_mask=mask, **options)
        model.lm_head.forward, model.config.scale_decoder_outputs = old, kept
        if not torch.equal(found, other):
            raise ByAHair
    if not torch.equal(found, model.float().generate(input_ids=ids, attention_mask=mask, **options)):
        raise ByAHair
    model.double()
    return found


def make_t5(gated, seed):
    golden = EncoderGolden(seed)
    config = hf.T5Config(vocab_size=44, d_model=16, d_kv=6, d_ff=20, num_layers=2, num_decoder_layers=2, num_heads=3,
                         feed_forward_proj="gated-gelu" if gated else "relu", tie_word_embeddings=not gated,
                         decoder_start_token_id=0, pad_token_id=0, eos_token_id=1, attn_implementation="eager")
    config.tie_word_embeddings = not gated  # its constructor only drops the scale of the tied head
    model = hf.T5ForConditionalGeneration(config).double().eval()
    model.encoder.embed_tokens = model.decoder.embed_tokens = model.shared
    golden.fill(model)
    golden.weights(model)
    # 40 tokens reach the buckets of far positions
    ids, mask = golden.batch([40, 7, 23], 44)
    labels, label_mask = golden.batch([9, 30, 5], 44, first=1)
    labels = torch.where(label_mask == 1, labels, -100)
    golden.put("ids", ids)
    golden.put("mask", mask.bool())
    golden.put("labels", labels)
    with torch.no_grad():
        # Random weights seldom end a sequence by id 1: other ids play the end token as well.
        common = generated(model, ids, mask, num_beams=2, do_sample=False, max_length=25).flatten().tolist()
        ends = [1, *sorted(set(common) - {0, 1}, key=common.count)[-4::3]]
        for end in ends:
            options = {"do_sample": False, "max_length": 25, "eos_token_id": end}
            golden.put(f"greedy.{end}", generated(model, ids, mask, **options))
            for beams in (2, 4):
                golden.put(f"beams.{beams}.{end}", generated(model, ids, mask, num_beams=beams, **options))
    out = model(input_ids=ids, attention_mask=mask, labels=labels)
    far = torch.arange(-400, 401)
    bucket = model.encoder.block[0].layer[0].SelfAttention._relative_position_bucket
    for name, both in (("encoder", True), ("decoder", False)):
        golden.put(f"buckets.{name}", bucket(far, bidirectional=both, num_buckets=32, max_distance=128))
    golden.put("y.encoder", out.encoder_last_hidden_state)
    golden.put("y.logits", out.logits)
    golden.finish(model, out.loss, "t5_gated.safetensors" if gated else "t5.safetensors",
                  {"transformers": hf.__version__})


make_clip()
make_clip_original()
make_bert(distil=False)
make_bert(distil=True)
for gated in (False, True):
    for seed in range(60, 1000):
        try:
            make_t5(gated, seed)
            break
        except ByAHair:
            continue
