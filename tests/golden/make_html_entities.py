#!/usr/bin/env python3
"""Writes data/text/html_entity_table.cpp: the named character references of HTML 5, as Python's html.entities has them.

A row is NAME=VALUE; NAME*VALUE stands for a name that also counts without its semicolon. VALUE is one or two code
points in hexadecimal, joined by +.   Run: python3 tests/golden/make_html_entities.py
"""

import html.entities
import pathlib

HEAD = """// Made by tests/golden/make_html_entities.py: the named character references of HTML 5 (its section 13.5), sorted.
// NAME=VALUE, or NAME*VALUE where the name also counts without its semicolon; VALUE is code points in hexadecimal.
#include "data/text/html_entities.h"

namespace kg {

// clang-format off
const std::string_view kHtmlEntityTable =
"""

names = html.entities.html5
rows = []
for name in sorted(n[:-1] for n in names if n.endswith(";")):
    value = "+".join(f"{ord(c):x}" for c in names[name + ";"])
    rows.append(f"{name}{'*' if name in names else '='}{value} ")
assert all(n.endswith(";") or names[n] == names[n + ";"] for n in names)

lines, line = [], ""
for row in rows:
    if len(line) + len(row) > 112:
        lines.append(line)
        line = ""
    line += row
lines.append(line)
text = HEAD + "\n".join(f'    "{line}"' for line in lines) + ";\n// clang-format on\n\n}  // namespace kg\n"
path = pathlib.Path(__file__).parents[2] / "data" / "text" / "html_entity_table.cpp"
path.write_text(text)
print(f"{path}: {len(rows)} names, {len(text.splitlines())} lines")
