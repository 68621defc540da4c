"""Whether a record states a comparable value: `64 GB`, `5.5"`, `waterproof`, read anew with plain patterns.

A number counts with any unit of its dimension that gives the same amount; where a number alone may mean something else, a word that says what is
measured has to stand in the same sentence. What stands behind `no`, `not` or `without` is not stated.
"""

import re

GAP = r"[\s\-]*"
UNITS = {
    "gb": ("bytes", 1.0), "gigabytes": ("bytes", 1.0), "mb": ("bytes", 0.001), "tb": ("bytes", 1000.0),
    '"': ("meters", 0.0254), "inch": ("meters", 0.0254), "inches": ("meters", 0.0254), "'": ("meters", 0.3048),
    "ft": ("meters", 0.3048), "foot": ("meters", 0.3048), "feet": ("meters", 0.3048), "cm": ("meters", 0.01), "mm": ("meters", 0.001),
    "m": ("meters", 1.0), "meter": ("meters", 1.0), "meters": ("meters", 1.0), "metre": ("meters", 1.0), "metres": ("meters", 1.0),
    "mp": ("pixels", 1.0), "megapixel": ("pixels", 1.0), "megapixels": ("pixels", 1.0),
    "mah": ("charge", 1.0), "ah": ("charge", 1000.0), "ghz": ("clock", 1.0),
    "h": ("hours", 1.0), "hour": ("hours", 1.0), "hours": ("hours", 1.0), "hrs": ("hours", 1.0),
    "w": ("watts", 1.0), "watt": ("watts", 1.0), "watts": ("watts", 1.0),
    "a": ("amperes", 1.0), "amp": ("amperes", 1.0), "amps": ("amperes", 1.0), "ampere": ("amperes", 1.0),
    "g": ("grams", 1.0), "gram": ("grams", 1.0), "grams": ("grams", 1.0), "kg": ("grams", 1000.0), "oz": ("grams", 28.35),
    "ounce": ("grams", 28.35), "ounces": ("grams", 28.35), "lb": ("grams", 453.6), "lbs": ("grams", 453.6), "pound": ("grams", 453.6),
    "pounds": ("grams", 453.6), "kilo": ("grams", 1000.0),
    "ml": ("liters", 0.001), "cl": ("liters", 0.01), "l": ("liters", 1.0), "liter": ("liters", 1.0), "liters": ("liters", 1.0),
    "litre": ("liters", 1.0), "litres": ("liters", 1.0),
    "month": ("months", 1.0), "months": ("months", 1.0), "year": ("months", 12.0), "years": ("months", 12.0),
}
NUMBER_WORDS = {"pair": 2, "dual": 2, "double": 2, "twin": 2, "two": 2, "triple": 3, "three": 3, "four": 4, "quad": 4, "five": 5, "six": 6,
                "hexa": 6, "seven": 7, "eight": 8, "octa": 8, "nine": 9, "ten": 10, "twelve": 12, "dozen": 12}
COUNTED = {
    "pieces": r"(sets?|packs?|packet|box|bundle|lot|pk|pcs?|pieces?|count|ct|pairs?|s/|x|sheets|[a-z]{3,}s)",
    "piece": r"(pieces?|pcs?)", "ports": r"(ports?|usb)", "cores": r"(core)", "layers": r"(layers?|layered)",
}
# What has to be said in the sentence for a number to measure this.
MEASURED = {
    "memory": r"\bram\b", "camera": r"camera|megapixel|\bmp\b|lens|sensor", "front_camera": r"front|selfie|facing",
    "talk_time": r"talk", "drop_protection": r"\bdrops?\b|\bfalls?\b", "screen": r"display|screen|touch|lcd|\btv\b|monitor|laptop|tablet",
    "cable_length": r"cable|cord|charger|lead|hose|rope|ribbon|garland|bunting|tape|twine",
}
WORDS = {
    "resolution": {"HD (720p)": r"720p", "Full HD (1080p)": r"1080p", "Quad HD (1440p)": r"1440p", "4K (2160p)": r"2160p|4k|ultra hd"},
    "water_resistance": {"waterproof": r"waterproof|submersible", "water-resistant": r"water[\s-]*resist\w*|splash[\s-]*proof|ip6[78]"},
    "condition": {"used": r"used|pre-?owned", "refurbished": r"refurbished|renewed|reconditioned", "new": r""},
    "network": {name: rf"{name}\b" for name in ("2G", "3G", "4G", "5G")},
}
FEATURES = {
    "drop_tested": r"military[\s-]*(grade|standards?)|mil-std-810g", "wireless_charging": r"wireless charging",
    "fast_charging": r"(fast|quick|rapid)[\s-]*charg(e|ing)|quickcharge", "fingerprint_reader": r"fingerprint (sensor|reader|scanner)|touch id",
    "dual_sim": r"dual[\s-]*sim", "noise_cancelling": r"noise[\s-]*cancell?(ing|ation)", "kickstand": r"kickstand|(integrated|built[\s-]*in|folding) stand",
    "card_slots": r"card (slots?|case|holder)|wallet", "belt_clip": r"belt[\s-]*clip|holster",
    "screen_cover": r"built[\s-]*in (touch[\s-]*)?screen[\s-]*(protector|cover)", "gift_box": r"(gift|presentation)[\s-]*box",
}
MATERIALS = {"aluminum": r"aluminium|aluminum", "faux leather": r"(faux|vegan|imitation|synthetic|pu) leather|leatherette",
             "sapphire glass": r"sapphire (glass|crystal)", "MDF": r"mdf|particleboard|chipboard"}
TAKEN_BACK = r"\b(no|not|without|non|isn|lacks|excluding)\b(\W+\w+){0,2}\W*$"
OF_ANOTHER = r"\b(for|compatible|supports|works|in)\b(\W+\w+)?\W*$"


def plain(text):
    """Typographic quotes and dashes as plain ones."""
    return text.translate(str.maketrans({"”": '"', "“": '"', "″": '"', "’": "'", "‘": "'", "′": "'", "‑": "-", "–": "-"}))


def amounts(text):
    """Every (dimension, amount, sentence around it) of a number with a unit."""
    text = plain(text)
    for match in re.finditer(r"(?<![\w.])(\d[\d,]*(?:\.\d+)?)" + GAP + r"([A-Za-z]+|[\"'])", text):
        known = UNITS.get(match[2].lower())
        if known:
            number = match[1].replace(",", "") if re.fullmatch(r"\d{1,3}(,\d{3})+(\.\d+)?", match[1]) else match[1].replace(",", ".", 1)
            yield known[0], float(number.replace(",", "")) * known[1], sentence(text, match)


def sentence(text, match):
    """The sentence around a match; a point inside a number ends none."""
    start = max((end.end() for end in re.finditer(r"[.!?;](?=\s)", text[:match.start()])), default=0)
    end = re.search(r"[.!?;](\s|$)", text[match.end():])
    return text[start:match.end() + (end.start() if end else len(text))].lower()


def amount_of(shown):
    """`5.5"` or `256 GB` as (dimension, amount)."""
    found = [(dimension, amount) for dimension, amount, _ in amounts(shown)]
    return found[0] if len(found) == 1 else None


def says(text, pattern, of_another=True):
    """Whether the pattern stands in `text` and is neither taken back nor, unless `of_another`, said of what goes with it."""
    for match in re.finditer(rf"(?<![\w])({pattern})(?![\w])", plain(text).lower()):
        before = plain(text).lower()[:match.start()]
        if not re.search(TAKEN_BACK, before) and (of_another or not re.search(OF_ANOTHER, before)):
            return True
    return False


def states_count(text, shown):
    """`4 ports`, `8 cores`, `6 pieces`: the number, in digits or as a word, near what is counted."""
    number, noun = shown.split(" ", 1)
    spelled = [word for word, value in NUMBER_WORDS.items() if str(value) == number]
    one = "|".join([re.escape(number), *spelled])
    counted, low = COUNTED[noun], plain(text).lower()
    return bool(re.search(rf"(?<![\d.])({one})(?![\d.])[\W_]*(\w+\W+){{0,5}}?{counted}", low)
                or re.search(rf"{counted}\W*(of\W*)?({one})(?!\d)", low))


def states(product, kind, shown):
    """Whether the record says the value that is shown for the kind."""
    text = product.text()
    if kind in FEATURES:
        return says(product.title, FEATURES[kind]) or says(text, FEATURES[kind], of_another=False)
    if kind in WORDS:
        pattern = WORDS[kind].get(shown)
        return pattern is not None and (not pattern or says(text, pattern.lower()))
    if kind == "material":
        return says(text, MATERIALS.get(shown, re.escape(shown.lower())))
    if kind in ("pieces", "ports", "cores", "layers"):
        return states_count(text, shown)
    wanted = amount_of(shown)
    return wanted is not None and any(is_amount(wanted, found, kind) for found in amounts(text))


def states_drop_test(product):
    """Whether what is of military grade is said of falls, of a test or of a standard."""
    text = plain(product.text())
    found = re.finditer(r"(?i)military|mil-std", text)
    return any(re.search(r"drop|fall|test|standard|mil-std", sentence(text, match)) for match in found)


def is_amount(wanted, found, kind):
    """Whether what is found is the wanted amount, said of the kind; amounts are shown with two decimals."""
    dimension, amount, said = found
    is_same = dimension == wanted[0] and abs(amount - wanted[1]) <= 0.011 * max(abs(amount), 1e-9)
    return is_same and (kind not in MEASURED or re.search(MEASURED[kind], said) is not None)


def is_more(kind, shown_from, shown_to):
    """Whether the second value is a tenth more than the first, or further up its ladder; nothing is said of materials."""
    if kind in WORDS:
        ladder = list(WORDS[kind]) if kind != "water_resistance" else ["water-resistant", "waterproof"]
        return ladder.index(shown_to) > ladder.index(shown_from)
    if kind == "material":
        return shown_from != shown_to
    if kind in ("pieces", "ports", "cores", "layers"):
        return float(shown_to.split()[0]) >= 1.09 * float(shown_from.split()[0])
    return amount_of(shown_to)[1] >= 1.09 * amount_of(shown_from)[1]
