#!/usr/bin/env python3
"""Lists the text encodings of this Python, and JSON texts in each: encodings.py

A line for every text that an encoding has characters for: the name, a tab, the text in it in
hexadecimal, a tab, its value in UTF-8 in hexadecimal.
"""

import codecs
import encodings
import json
import pkgutil

VALUES = (
    "Grüße, Жук, 東京, €, 🐶",
    "東京の犬",
    "東京",
    "개와 고양이",
    "Жук и кот",
    "Γάτα",
    "חתול",
    "قطة",
    "แมว",
    "Ağaç, kuş",
    "Žluťoučký kůň",
    "Grüße, café",
    "ring",
)


def names():
    for module in pkgutil.iter_modules(encodings.__path__):
        try:
            codec = codecs.lookup(module.name)
        except LookupError:
            continue
        if codec._is_text_encoding:
            yield module.name


def main():
    for name in names():
        for value in VALUES:
            text = json.dumps({"action": "search", "value": value}, ensure_ascii=False)
            try:
                raw = text.encode(name)
                if raw.decode(name) != text:
                    continue
            except (UnicodeError, LookupError):
                continue
            print(name, raw.hex(), value.encode("utf-8").hex(), sep="\t")


if __name__ == "__main__":
    main()
