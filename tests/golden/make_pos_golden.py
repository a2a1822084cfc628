"""spaCy's tags for every fourth caption of texts/humanml3d_captions.jsonl, in the form of HumanML3D's texts, one letter a
word and one line a caption -> pos_tags.txt. Arguments: that file. The package en_core_web_sm must be installed, under
its own name or that of a mirror."""

import importlib
import json
import pathlib
import pkgutil
import sys

# The rest (CCONJ, SCONJ, PART, INTJ, ...) is OTHER for the evaluator.
LETTERS = {"VERB": "V", "NOUN": "N", "PROPN": "N", "DET": "D", "ADP": "P", "NUM": "#", "AUX": "X", "PRON": "R", "ADJ": "J",
           "ADV": "A"}


def letters(document):
    for token in document:
        if token.text.isalpha():
            # spaCy 2, which tagged the published texts, calls possessives determiners.
            yield "D" if token.tag_ == "PRP$" else LETTERS.get(token.pos_, "-")


def main():
    name = next(m.name for m in pkgutil.iter_modules() if m.name.startswith("en_core_web_sm"))
    tagger = importlib.import_module(name).load(disable=["ner", "parser", "lemmatizer"])
    captions = [c for line in open(sys.argv[1]) for c in json.loads(line)["captions"]][::4]
    documents = tagger.pipe([c.replace("-", "").lower() for c in captions])
    text = "".join("".join(letters(d)) + "\n" for d in documents)
    path = pathlib.Path(__file__).with_name("pos_tags.txt")
    path.write_text(text)
    print(f"{path}: {len(captions)} captions, {len(text)} bytes")


main()
