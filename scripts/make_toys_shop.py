#!/usr/bin/env python3
"""Makes a shop of toys from 10,000 products of Amazon UK (PromptCloud's sample, CC BY-SA 4.0), to look at upsell with.

    scripts/make_toys_shop.py FOLDER OUT

FOLDER holds the data set's files toys_10k.csv.zst and toys_863_with_descriptions.csv.zst; OUT gets products.jsonl. Products without a price
or a category are left out; descriptions are there for the few that the second file has. Needs the program `zstd`.
"""

import csv
import io
import json
import pathlib
import subprocess
import sys


def rows(path):
    text = subprocess.run(["zstd", "-dcq", path], check=True, capture_output=True).stdout.decode()
    return csv.DictReader(io.StringIO(text))


def products(folder):
    """The toys as Merchant Center records."""
    described = {row["product_id"]: row["product_description"] for row in rows(folder / "toys_863_with_descriptions.csv.zst")}
    for row in rows(folder / "toys_10k.csv.zst"):
        record = {
            "id": row["uniq_id"],
            "title": row["product_name"],
            "description": described.get(row["uniq_id"]),
            "brand": row["manufacturer"],
            "product_type": row["category_path"],
            "price": row["price_gbp"] and f"{float(row['price_gbp']):.2f} GBP",
            "availability": "in_stock",
        }
        if record["title"] and record["price"] and record["product_type"]:
            yield {key: value for key, value in record.items() if value}


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    folder, out = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
    out.mkdir(parents=True, exist_ok=True)
    with open(out / "products.jsonl", "w", encoding="utf-8") as file:
        for record in products(folder):
            file.write(json.dumps(record, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
