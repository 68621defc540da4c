#!/usr/bin/env python3
"""Makes the list of product names that `bench_ann` is run on, and of wishes in people's words, from public data sets of products.

    scripts/make_names.py FOLDER NAMES [WISHES]

FOLDER holds the data sets' folders as `SOURCES` names them; those that are missing are named and left out. NAMES gets each different name
once, a line each, in the order of the sources. WISHES gets the intents that people wrote for bundles of electronics (BundleRec), each
once. The data sets may be evaluated on, not all passed on. Needs the program `zstd`.
"""

import csv
import io
import json
import pathlib
import subprocess
import sys

# File, and the field that holds a product's name.
SOURCES = [
    ("bestbuy_phones/bestbuy_phones.jsonl.zst", "name"),
    ("bundlerec/electronic_items.jsonl.zst", "title"),
    ("flipkart/flipkart_20k_names_prices.csv.zst", "product_name"),
    ("flipkart/flipkart_1k_with_descriptions.csv.zst", "product_name"),
    ("instacart_10k/products.csv.zst", "product_name"),
    ("online_retail/products_derived.csv.zst", "description"),
    ("toys_amazon_uk/toys_10k.csv.zst", "product_name"),
    ("toys_amazon_uk/toys_863_with_descriptions.csv.zst", "product_name"),
]
INTENTS = ("bundlerec/electronic_bundle_intent.csv", "intent")


def column(path, field):
    """The texts of a field, white space made single spaces."""
    data = path.read_bytes()
    if path.suffix == ".zst":
        data = subprocess.run(["zstd", "-dcq", path], check=True, capture_output=True).stdout
    text = data.decode("utf-8-sig")
    if ".jsonl" in path.name:
        records = (json.loads(line) for line in text.split("\n") if line)
    else:
        records = csv.DictReader(io.StringIO(text, newline=""))
    return [" ".join((record[field] or "").split()) for record in records]


def write(path, texts):
    """Writes each different text once; returns how many."""
    different = [text for text in dict.fromkeys(texts) if text]
    pathlib.Path(path).write_text("".join(f"{text}\n" for text in different), encoding="utf-8")
    return len(different)


def main():
    if len(sys.argv) not in (3, 4):
        sys.exit(__doc__)
    folder = pathlib.Path(sys.argv[1])
    if len(sys.argv) == 4 and not (folder / INTENTS[0]).exists():
        sys.exit(f"make_names: {folder / INTENTS[0]} is missing: leave WISHES out")
    names = []
    for file, field in SOURCES:
        if not (folder / file).exists():
            print(f"make_names: {folder / file} is missing: left out", file=sys.stderr)
            continue
        found = column(folder / file, field)
        print(f"{len(found):>7} names from {file}")
        names += found
    print(f"{write(sys.argv[2], names):>7} different names in {sys.argv[2]}")
    if len(sys.argv) == 4:
        print(f"{write(sys.argv[3], column(folder / INTENTS[0], INTENTS[1])):>7} wishes in {sys.argv[3]}")


if __name__ == "__main__":
    main()
