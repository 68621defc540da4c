#!/usr/bin/env python3
"""Makes the two sample shops under data/ from the public data sets they come from.

    scripts/make_sample_shops.py SOURCE_DIR

SOURCE_DIR holds
    online_retail/products_derived.csv.zst    one line a product: stock code, name, median price
    online_retail/online_retail_all.csv.zst   every line of the UCI Online Retail data set
    bestbuy_phones/bestbuy_phones.jsonl.zst   phones and accessories from Best Buy's open data

It writes
    data/giftshop/products.csv.zst    Merchant Center columns
    data/giftshop/orders.csv.zst      order lines, cancellations and refunds included
    data/phones/products.jsonl.zst    Merchant Center names, one JSON object a line

The project carries the results, so this script is needed only to change how they are made. Every rule
it applies is told in data/README.md. The same input gives the same bytes with the same release of zstd.
Needs Python 3.9 and the zstd command; writes a file only once it is complete.
"""

import collections
import csv
import html
import io
import json
import os
import re
import subprocess
import sys
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path

DATA = Path(__file__).resolve().parent.parent / "data"

# Stock codes that name a service: a 100 pound gift voucher, a delivery fee, a picture file.
SERVICES = {"22016", "23444", "23702"}

# Words that tell one variant of an article from another. Phrases come first, so that "rose pink" is a
# colour while "rose" alone stays the name of a flower.
COLOUR_PHRASES = (
    "DUSTY PINK", "HOT PINK", "LIGHT PINK", "SOFT PINK", "PASTEL PINK", "ROSE PINK", "PASTEL BLUE", "SKY BLUE",
    "LIGHT BLUE", "DARK BLUE", "LT BLUE", "MID BLUE", "MIDNIGHT BLUE", "MINT GREEN", "LIGHT GREEN", "LIME GREEN",
    "OLIVE GREEN", "COAL BLACK", "JET BLACK", "BURGUNDY WINE", "EAU DE NILE", "EAU DE NIL", "OPAL WHITE",
)
COLOURS = (
    "AMBER", "AMETHYST", "AQUA", "BLACK", "BLUE", "BRONZE", "BROWN", "CLEAR", "COLOURED", "CREAM", "CRYSTAL", "FUSCHIA",
    "GOLD", "GREEN", "GREY", "IVORY", "JADE", "LILAC", "LIME", "MONTANA", "MULTICOLOUR", "NATURAL", "ORANGE", "PINK", "PISTACHIO",
    "PURPLE", "RASPBERRY", "RED", "SILVER", "TURQ", "TURQUOIS", "TURQUOISE", "WHITE", "WHT", "YELLOW",
)
COLOUR = re.compile(r"\b(?:%s)\b" % "|".join(COLOUR_PHRASES + COLOURS))
SIZE = re.compile(r"\b(?:SMALL|MEDIUM|LARGE|\d+(?:CM)?(?:X\d+(?:CM)?)+)\b")
LETTER = re.compile(r'"[A-Z]"')

# Words of a shouted name that keep their capitals, and those that are small inside a title.
ACRONYMS = {"ABC", "CD", "DCGS", "II", "LED", "MDF", "TV", "UBO", "USB", "VIP", "WC"}
SMALL_WORDS = {"A", "AN", "AND", "AT", "DE", "DU", "FOR", "IN", "OF", "ON", "OR", "THE", "TO", "W", "WITH"}
UNIT = re.compile(r"(\d)(CM|G|KG|ML|PC|M)\b", re.IGNORECASE)

# What is left in Best Buy's texts of bytes that were decoded with the wrong table.
MISREAD = {"\x99": "™", "â€™": "’", "Â²": "²", "Â¹": "¹"}


def main(arguments):
    """Makes the three files and prints what went in and what stayed out."""
    if len(arguments) != 1 or arguments[0] in ("-h", "--help"):
        print(__doc__)
        return 0 if arguments and arguments[0] in ("-h", "--help") else 2
    source = Path(arguments[0])
    try:
        make_giftshop(source / "online_retail")
        make_phones(source / "bestbuy_phones")
    except (OSError, subprocess.CalledProcessError, KeyError, ValueError) as error:
        print(f"make_sample_shops: {error}", file=sys.stderr)
        return 1
    return 0


# ---- giftshop ---------------------------------------------------------------------------------------


def make_giftshop(source):
    """Writes the gift shop's feed and orders."""
    products = [row for row in read_csv(source / "products_derived.csv.zst") if row["StockCode"] not in SERVICES]
    families = giftshop_families(products)
    shop_titles = {row["StockCode"]: title_case(row["description"]) for row in products}
    rows = []
    for row in sorted(products, key=lambda row: row["StockCode"]):
        code = row["StockCode"]
        family, colour, size = families.get(code, ("", "", ""))
        price = f"{pence(row['median_price'])} GBP"
        rows.append((code, shop_titles[code], "in_stock", price, family, colour, size))
    header = ("id", "title", "availability", "price", "item_group_id", "color", "size")
    write(DATA / "giftshop" / "products.csv.zst", csv_text(header, rows))
    sizes = collections.Counter(family for family, _, _ in families.values())
    print(f"giftshop: {len(rows)} products, {len(SERVICES)} services left out, "
          f"{sum(sizes.values())} products in {len(sizes)} families, largest {max(sizes.values())}")
    make_orders(source, {row[0] for row in rows})


def make_orders(source, catalog):
    """Writes every order line: sales, free gifts, cancellations and refunds, in the shop's own order."""
    rows, left_out, unknown, refunds = [], collections.Counter(), collections.Counter(), 0
    for row in read_csv(source / "online_retail_all.csv.zst"):
        if row["InvoiceNo"].startswith("A"):
            left_out["bad debt"] += 1
            continue
        if Decimal(row["UnitPrice"]) == 0 and not row["CustomerID"]:
            left_out["stock entry without price and customer"] += 1
            continue
        if row["StockCode"] not in catalog:
            unknown[row["StockCode"]] += 1
        refunds += row["InvoiceNo"].startswith("C")
        when = row["InvoiceDate"].replace(" ", "T") + "Z"
        rows.append((row["InvoiceNo"], row["StockCode"], row["Quantity"], when, pence(row["UnitPrice"]),
                     row["CustomerID"], row["Country"]))
    header = ("order_id", "product_id", "quantity", "timestamp", "unit_price", "customer_id", "country")
    write(DATA / "giftshop" / "orders.csv.zst", csv_text(header, rows))
    orders = len({row[0] for row in rows})
    customers = len({row[5] for row in rows if row[5]})
    print(f"giftshop: {len(rows)} order lines of {orders} orders by {customers} known customers, "
          f"{refunds} of them cancelled or refunded; left out: {dict(left_out)}")
    print(f"giftshop: {sum(unknown.values())} order lines name no product of the feed: "
          + ", ".join(f"{code} {count}" for code, count in unknown.most_common()))


def giftshop_families(products):
    """Maps a stock code to (family, colour, size) for every product that has at least one variant.

    Variants share the digits of their code, and their names are alike once colour, size and a quoted
    letter are taken out. A code in small letters is the same article as the code in capitals.
    """
    names = {}
    for row in products:
        code = row["StockCode"]
        if code == code.upper() or code.upper() not in names:
            names[code.upper()] = row["description"]
    groups = collections.defaultdict(list)
    for row in products:
        article = row["StockCode"].upper()
        name = " ".join(re.sub(r"[/+&,.]", " ", names[article].upper()).split())
        bare = " ".join(LETTER.sub(" ", SIZE.sub(" ", COLOUR.sub(" ", name))).replace(" AND ", " ").split())
        digits = re.match(r"\d{5}", article)
        groups[(digits.group() if digits else article, bare)].append((row["StockCode"], name))
    families = {}
    for members in groups.values():
        if len(members) > 1:
            family = min(code.upper() for code, _ in members)
            for code, name in members:
                colour = "/".join(COLOUR.findall(name)).title()
                size = "/".join(SIZE.findall(name)).lower()
                families[code] = (family, colour, size)
    return families


def title_case(name):
    """The shop's words in a readable case: "SET/4 RED MINI ROSE CANDLE IN BOWL" is "Set/4 Red Mini Rose Candle in Bowl".

    A word that already has a small letter was typed with care and stays as it is.
    """
    words = name.lstrip("*").split()
    return " ".join(word_case(word, place == 0) for place, word in enumerate(words))


def word_case(word, first):
    """One word of a title; see `title_case`."""
    if any(letter.islower() for letter in word):
        return word
    if word in SMALL_WORDS and not first:
        return word.lower()
    parts = re.split(r"([A-Z0-9']+)", word)
    cased = "".join(part if part in ACRONYMS or re.fullmatch(r"A\d|\d+D", part) else capital(part) for part in parts)
    return UNIT.sub(lambda unit: unit.group(1) + unit.group(2).lower(), cased)


def capital(part):
    """A run of letters with its first letter large: "DAD'S" is "Dad's" and "70'S" is "70's"."""
    return part[:1] + part[1:].lower()


def pence(price):
    """A price with two decimals; half a penny, which a median may have, goes up."""
    clean = Decimal(price).quantize(Decimal("0.0001"), ROUND_HALF_UP)
    return str(clean.quantize(Decimal("0.01"), ROUND_HALF_UP))


# ---- phones -----------------------------------------------------------------------------------------


def make_phones(source):
    """Writes the phone shop's feed in the order of its source, the most popular product first."""
    records = [json.loads(line) for line in unpacked(source / "bestbuy_phones.jsonl.zst").splitlines()]
    families = phone_families(records)
    lines = []
    for record in records:
        family, colour = families.get(record["id"], (None, None))
        product = {
            "id": record["id"],
            "title": clean_text(record["name"]),
            "description": clean_text(record["description"]),
            "brand": clean_text(record["brand"]),
            "product_type": " > ".join(clean_text(part) for part in record["categories"]),
            "price": f"{Decimal(str(record['price'])).quantize(Decimal('0.01'))} USD",
            "availability": "in_stock",
            "image_link": record["image"],
            "popularity": record["popularity"],
        }
        if family:
            product["item_group_id"] = family
            product["color"] = colour
        lines.append(json.dumps(product, ensure_ascii=False, separators=(",", ":")) + "\n")
    write(DATA / "phones" / "products.jsonl.zst", "".join(lines))
    sizes = collections.Counter(family for family, _ in families.values())
    print(f"phones: {len(lines)} products, {sum(sizes.values())} products in {len(sizes)} families, "
          f"largest {max(sizes.values())}")


def phone_families(records):
    """Maps an id to (family, colour) for products whose names differ only in the colour at their end.

    When a colour comes twice under one name, two models bear the same name and nothing tells which
    colours belong together, so that name makes no family.
    """
    groups = collections.defaultdict(list)
    for record in records:
        stem, _, colour = clean_text(record["name"]).rpartition(" - ")
        if " - " in stem and re.fullmatch(r"[A-Za-z][A-Za-z/&, -]*", colour):
            groups[(stem, record["brand"], tuple(record["categories"]))].append((record["id"], colour))
    families = {}
    for members in groups.values():
        colours = {colour for _, colour in members}
        if len(members) > 1 and len(colours) == len(members):
            family = min((identifier for identifier, _ in members), key=lambda identifier: (len(identifier), identifier))
            families.update((identifier, (family, colour)) for identifier, colour in members)
    return families


def clean_text(text):
    """Text without HTML entities, misread bytes and double spaces; the words stay."""
    text = html.unescape(text)
    for wrong, right in MISREAD.items():
        text = text.replace(wrong, right)
    return " ".join(text.split())


# ---- files ------------------------------------------------------------------------------------------


def unpacked(path):
    """The text of a .zst file."""
    if not path.is_file():
        raise FileNotFoundError(f"{path} is missing; give the folder that holds online_retail/ and bestbuy_phones/")
    return subprocess.run(["zstd", "-dcq", str(path)], stdout=subprocess.PIPE, check=True).stdout.decode("utf-8")


def read_csv(path):
    """The rows of a .csv.zst file by column name."""
    return csv.DictReader(io.StringIO(unpacked(path), newline=""))


def csv_text(header, rows):
    """Rows as CSV with a header and Unix line ends."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return text.getvalue()


def write(path, text):
    """Packs `text` into `path`, by way of a .part file so that a half-written file never bears the name.

    One thread, one level: zstd keeps no time stamp, so the bytes depend on the text and the release of zstd alone.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    packed = subprocess.run(["zstd", "-q", "-c", "--ultra", "-22", "--long=26", "--single-thread", "--check"],
                            input=text.encode("utf-8"), stdout=subprocess.PIPE, check=True).stdout
    part = path.with_name(path.name + ".part")
    part.write_bytes(packed)
    os.replace(part, path)
    print(f"wrote {path.relative_to(DATA.parent)}: {len(text.encode('utf-8'))} bytes of text, {len(packed)} bytes packed")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
