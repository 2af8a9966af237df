#!/usr/bin/env python3
"""What Python makes of names of encodings and of bytes in them.

encodings.py names         every name of a text encoding, a space, the codec that it means
encodings.py decode FILE   FILE has lines of an encoding, a space and bytes in hexadecimal; for each a
                           line: the text in UTF-8, in hexadecimal, or `-` if the bytes are refused
"""

import codecs
import encodings
import encodings.aliases
import io
import pkgutil
import sys


def names():
    modules = [module.name for module in pkgutil.iter_modules(encodings.__path__)]
    for name in modules + list(encodings.aliases.aliases):
        try:
            codec = codecs.lookup(name)
        except LookupError:
            continue
        if codec._is_text_encoding:
            print(name, codec.name)


def decode(path):
    with open(path, encoding="ascii") as lines:
        for line in lines:
            name, raw = line.rstrip("\n").split(" ")
            # As the tutorial's programs read a content.
            with io.TextIOWrapper(io.BytesIO(bytes.fromhex(raw)), encoding=name, newline="") as text:
                try:
                    print(text.read().encode("utf-8").hex())
                except UnicodeError:
                    print("-")


if __name__ == "__main__":
    names() if sys.argv[1] == "names" else decode(sys.argv[2])
