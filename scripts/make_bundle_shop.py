#!/usr/bin/env python3
"""Makes a shop of products and orders from the bundles of electronics that people put together (BundleRec, electronics).

    scripts/make_bundle_shop.py FOLDER OUT

FOLDER holds the data set's files electronic_items.jsonl.zst, electronic_bundle_item.csv and electronic_user_bundle.csv; OUT gets
products.jsonl and orders.csv, in which each bundle is an order at the time at which its user made it. The data set may be evaluated on,
not passed on. Needs the program `zstd`.
"""

import csv
import json
import pathlib
import subprocess
import sys


def products(folder):
    """The items as Merchant Center records."""
    text = subprocess.run(
        ["zstd", "-dcq", folder / "electronic_items.jsonl.zst"], check=True, capture_output=True
    ).stdout.decode()
    for line in text.splitlines():
        item = json.loads(line)
        names = item["categories"].replace("[", "").replace("]", "").split(",")
        path = " > ".join(name.strip() for name in names if name.strip())
        record = {"id": str(item["id"]), "title": item["title"], "product_type": path}
        if record["title"]:
            yield {key: value for key, value in record.items() if value}


def orders(folder):
    """Lines of (order, product, user, time), by time."""
    made = {}
    with open(folder / "electronic_user_bundle.csv", newline="") as file:
        for row in csv.DictReader(file):
            made[row["bundle ID"]] = (int(row["timestamp"]), row["user ID"])
    with open(folder / "electronic_bundle_item.csv", newline="") as file:
        lines = [(made[row["bundle ID"]], row["bundle ID"], row["item ID"]) for row in csv.DictReader(file)
                 if row["bundle ID"] in made]
    for (time, user), bundle, item in sorted(lines):
        yield bundle, item, user, time


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    folder, out = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
    out.mkdir(parents=True, exist_ok=True)
    with open(out / "products.jsonl", "w") as file:
        for record in products(folder):
            file.write(json.dumps(record) + "\n")
    with open(out / "orders.csv", "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["order_id", "product_id", "quantity", "timestamp", "unit_price", "customer_id"])
        for bundle, item, user, time in orders(folder):
            writer.writerow([bundle, item, 1, time, "", user])


if __name__ == "__main__":
    main()
