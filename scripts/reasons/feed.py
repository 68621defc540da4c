"""A shop's feed, read for checking: records as they stand, and the plain reading of words, models and prices in them."""

import csv
import dataclasses
import decimal
import io
import json
import re
import subprocess

KNOWN = {"id", "title", "description", "brand", "product_type", "price", "sale_price", "availability", "image_link", "link",
         "item_group_id", "related_product", "cost_of_goods_sold"}
MODEL_SUFFIXES = {"plus", "pro", "max", "mini", "edge", "ultra", "lite", "active", "prime", "se", "xl", "air", "fe", "play", "duo"}
SYNONYMS = {"cellphone": "cell phone", "cellular phone": "cell phone", "mobile phone": "cell phone", "smartphone": "cell phone",
            "smart phone": "cell phone"}


def text_of(path):
    """The text of a file that is plain or packed by zstd."""
    if str(path).endswith(".zst"):
        return subprocess.run(["zstd", "-dcq", str(path)], check=True, stdout=subprocess.PIPE).stdout.decode()
    return path.read_text(encoding="utf-8")


def minor_units(price):
    """`49.99 USD` as (4999, "USD"); nothing where there is no price."""
    if not price:
        return None
    amount, currency = price.split()
    return int(decimal.Decimal(amount) * 100), currency


@dataclasses.dataclass(frozen=True)
class Product:
    """A record of the feed."""

    id: str
    title: str
    description: str
    brand: str
    category: tuple
    price: tuple
    fields: dict
    related: tuple

    @classmethod
    def of(cls, record):
        path = record.get("product_type") or ""
        edges = record.get("related_product") or []
        return cls(
            id=record["id"],
            title=record["title"],
            description=record.get("description") or "",
            brand=record.get("brand") or "",
            category=tuple(part.strip() for part in path.split(">") if part.strip()),
            price=minor_units(record.get("sale_price") or record.get("price")),
            fields={name: str(value) for name, value in record.items() if name not in KNOWN and value},
            related=tuple((edge["relationship_type"], edge["identifier"]) for edge in edges),
        )

    def text(self):
        """Everything that the record says in words."""
        return " . ".join([self.title, self.description, *self.fields.values()])


def read_feed(path):
    """Products by id."""
    text = text_of(path)
    if ".csv" in path.name:
        records = csv.DictReader(io.StringIO(text))
    else:
        records = (json.loads(line) for line in text.splitlines())
    return {record["id"]: Product.of(record) for record in records}


def read_pairs(path):
    """The shop's own pairs: (product, with, relation)."""
    if not path.exists():
        return set()
    rows = csv.DictReader(io.StringIO(path.read_text(encoding="utf-8")))
    return {(row["product"], row["with"], row["relation"]) for row in rows}


def words(text):
    """Lower-case words; `+` is `plus`, and a letter apart from its number is joined: `S 5` is `s5`."""
    plain = re.sub(r"[®™©]", "", text.lower()).replace("+", " plus ")
    found = re.findall(r"\d+\.\d+|[^\W_]+", plain)
    joined = []
    for word in found:
        if joined and len(joined[-1]) == 1 and joined[-1].isalpha() and word[0].isdigit():
            joined[-1] += word
        else:
            joined.append(word)
    return joined


def names_model(text, model):
    """Whether `text` names the model: its last words, from the number on, stand in one place and are no longer model's start (`7` of `7
    Plus`), and its first words stand before them."""
    wanted, said = model.split(), words(text)
    at = next((at for at, word in enumerate(wanted) if any(c.isdigit() for c in word)), len(wanted) - 1)
    base, end = wanted[:at], wanted[at:]
    for start in range(len(said) - len(end) + 1):
        behind = said[start + len(end):start + len(end) + 1]
        is_whole = not behind or behind[0] not in MODEL_SUFFIXES
        if said[start:start + len(end)] == end and is_whole and set(base) <= set(said[:start]):
            return True
    return False


def singular(word):
    """`batteries` as `battery`, `cases` as `case`."""
    if len(word) > 4 and word.endswith("ies"):
        return word[:-3] + "y"
    if word.endswith(("sses", "xes", "ches", "shes")):
        return word[:-2]
    if len(word) > 3 and word.endswith("s") and not word.endswith(("ss", "us", "is")):
        return word[:-1]
    return word


def goes_by(texts, name):
    """Whether one of `texts` holds the name, plurals and usual other names aside."""
    def plain(text):
        return " " + " ".join(singular(word) for word in words(text)) + " "

    others = [other for other, usual in SYNONYMS.items() if usual == name]
    return any(plain(one) in plain(text) for text in texts for one in [name, *others])
