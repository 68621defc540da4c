"""One check for each code of a reason: what the sentence claims, looked up in the feed and the order file.

A check raises `Falsehood` where the claim does not hold. Nothing here asks the server.
"""

import math
import re

from reasons import stated
from reasons.feed import goes_by, minor_units, names_model, words
from reasons.orders import DAY_S, MAX_BOUGHT_LINES

RELATIONS = {"required_part", "always_together", "accessory", "often_bought_with", "part_of_set"}
# Below this cosine two texts are not alike in the eyes of anybody: the floor of the placement that shows what is similar.
LEAST_LIKENESS = 0.35
# The same of a text that was asked, which is short.
LEAST_LIKENESS_TO_TEXT = 0.3
# Words that a text needs, whatever it is about: a reason made of them alone says nothing.
FILLERS = {"and", "the", "for", "with", "from", "that", "this", "your", "you", "who", "its", "are", "not", "but", "has", "have", "a", "of", "in", "to"}


class Falsehood(Exception):
    """A reason that does not hold, and why."""


def require(holds, why):
    if not holds:
        raise Falsehood(why)


class Claim:
    """A reason of one hit, with what was asked and the shop that was asked."""

    def __init__(self, shop, question, hit):
        self.shop, self.question = shop, question
        self.code, self.text, self.evidence = (hit["reason"][name] for name in ("code", "text", "evidence"))
        require(hit["id"] in shop.feed, "the product is not in the feed")
        self.product = shop.feed[hit["id"]]

    def says(self, *parts):
        """The sentence has to say these, letters' case aside."""
        for part in parts:
            require(str(part).lower() in self.text.lower(), f"the sentence does not say `{part}`")

    def start(self, is_named=True):
        """The product that the evidence names, which the question has to be about, and the sentence to name."""
        id = self.evidence["product"]
        require(id in self.shop.feed, f"{id} is not in the feed")
        require(id in self.question.started or self.question.shopper and self.shop.orders.orders_by(self.question.shopper, id) > 0,
                f"{id} is neither in the question nor of the shopper's orders")
        require(id != self.product.id, "it is the product itself")
        if is_named:
            self.says(self.shop.feed[id].title)
        return self.shop.feed[id]

    def anchors(self):
        """The products that the reason may compare with: what is on the page, else what the session holds."""
        return [self.shop.feed[id] for id in self.question.started if id in self.shop.feed]


def bought_together(claim):
    orders = claim.shop.orders.together(claim.start().id, claim.product.id)
    claim.says(f"{claim.evidence['orders']} orders")
    require(claim.evidence["orders"] == orders, f"{orders} orders hold both, not {claim.evidence['orders']}")


def seen_together(claim):
    visits = claim.shop.orders.met(claim.start().id, claim.product.id)
    claim.says(f"{claim.evidence['sessions']} recent visits")
    require(claim.evidence["sessions"] == visits, f"{visits} visits hold both, not {claim.evidence['sessions']}")


def bought_before(claim):
    shopper, told = claim.question.shopper, claim.evidence["orders"]
    require(shopper is not None, "nobody was named")
    orders = claim.shop.orders.orders_by(shopper, claim.product.id)
    claim.says(f"{told} of your earlier orders")
    is_cut = claim.shop.orders.num_lines(shopper) > MAX_BOUGHT_LINES
    require(1 <= told <= orders if is_cut else told == orders, f"{orders} orders of {shopper} hold it, not {told}")


def popular(claim):
    lines = claim.shop.orders.lines_of[claim.product.id]
    claim.says(f"{claim.evidence['actions']} times")
    require(claim.evidence["actions"] == lines, f"{lines} lines of orders hold it, not {claim.evidence['actions']}")


def due_again(claim):
    """Times, intervals and the blend of both; what all shoppers do is taken as told."""
    shopper, told = claim.question.shopper, claim.evidence
    require(shopper is not None, "nobody was named")
    times, last = claim.shop.orders.times_of(shopper, claim.product.id)
    require(told["times"] == len(times), f"bought {len(times)} times, not {told['times']}")
    ago = (claim.question.asked_s - last[0]) / DAY_S
    require(abs(told["last_days_ago"] - ago) < 0.2, f"last bought {ago:.1f} days ago, not {told['last_days_ago']}")
    gaps = [(b - a) / DAY_S for a, b in zip(times, times[1:])]
    own = sum(gaps) / len(gaps) if gaps else None
    require((own is None) == (told["own_interval_days"] is None), "an interval of their own")
    if own is not None:
        require(abs(told["own_interval_days"] - own) < 0.11, f"{own:.1f} days between purchases, not {told['own_interval_days']}")
        claim.says(f"{len(times)} times")
    # The sentence rounds the days themselves, not their tenths.
    days = {math.floor(told["last_days_ago"] + 0.5 + off) for off in (-0.06, 0.06)}
    require(any(f" {day} days ago" in claim.text for day in days), f"the sentence says none of {days} days ago")


def better(claim):
    """`more_KIND`, `has_KIND`: both values stated, and the second is the better one."""
    kind, shown_from, shown_to = claim.evidence["attribute"], claim.evidence["from"], claim.evidence["to"]
    require(claim.code == ("has_" if shown_from is None else "more_") + kind, "the code is not that of the evidence")
    anchor = claim.anchors()[0] if claim.question.intent_of_page else claim.anchors()[-1]
    require(stated.states(claim.product, kind, shown_to), f"`{claim.product.title}` does not state {kind} {shown_to}")
    is_tested = stated.states_drop_test(claim.product) or "drop test" not in claim.text
    require(is_tested, f"`{claim.product.title}` states no drop test")
    if shown_from is None:
        require(not says_feature(anchor, kind, shown_to), f"`{anchor.title}` states {kind} too")
        return
    require(stated.states(anchor, kind, shown_from), f"`{anchor.title}` does not state {kind} {shown_from}")
    require(stated.is_more(kind, shown_from, shown_to), f"{shown_to} is no more than {shown_from}")
    claim.says(shown_from, shown_to)


def says_feature(product, kind, shown):
    """Whether a record states what it is said to lack."""
    if kind in stated.FEATURES or kind in stated.WORDS:
        return stated.states(product, kind, shown)
    return any(re.search(stated.MEASURED[kind], said) and dimension == stated.amount_of(shown)[0]
               for dimension, _, said in stated.amounts(product.text()))


def fits_same(claim):
    model = claim.evidence["model"]
    claim.says(model)
    require(says_model(claim.product, model), f"`{claim.product.title}` does not name {model}")
    require(any(says_model(anchor, model) for anchor in claim.anchors()), f"nothing that was asked about names {model}")


def says_model(product, model):
    return any(names_model(text, model) for text in [product.title, *product.fields.values()])


def fits(claim):
    start, model = claim.start(is_named=False), claim.evidence["model"]
    require(says_model(claim.product, model), f"`{claim.product.title}` does not name {model}")
    require(says_model(start, model), f"`{start.title}` neither is nor fits {model}")
    require(set(words(claim.text)) >= set(model.split()), f"the sentence does not say `{model}`")


def made_for(claim):
    start, name = claim.start(is_named=False), claim.evidence["made_for"]
    claim.says(name)
    texts = [claim.product.title] if claim.evidence["origin"] == "title" else [claim.product.description]
    require(goes_by(texts, name), f"the {claim.evidence['origin']} of `{claim.product.title}` does not say {name}")
    is_select = any(f"select {name}" in " ".join(words(text)) for text in texts)
    require(is_select <= ("select" in claim.text), "the sentence does not say that it is for select ones alone")
    called = [start.title, *start.category, *(f"{start.brand} {part}" for part in start.category)]
    require(goes_by(called, name), f"`{start.title}` does not go by the name {name}")


def same_brand(claim):
    brand, category = claim.evidence["brand"], claim.evidence.get("category")
    claim.says(brand, *filter(None, [category]))
    alike = [anchor for anchor in claim.anchors() if anchor.brand == claim.product.brand == brand]
    require(alike, f"`{claim.product.brand}` and the brand of what was asked about are not both {brand}")
    if category:
        require(any(is_same_category(claim, anchor, category) for anchor in alike), f"not both are in {category}")


def same_category(claim):
    category = claim.evidence["category"]
    claim.says(category)
    require(any(is_same_category(claim, anchor, category) for anchor in claim.anchors()), f"not both are in {category}")


def is_same_category(claim, anchor, category):
    return anchor.category == claim.product.category and category == anchor.category[-1]


def alike(claim):
    """That two texts are near can be no surprise to a reader: the figure is not next to nothing, and 1 where both say the same alone."""
    start, likeness = claim.start(), claim.evidence["similarity"]
    require(likeness >= LEAST_LIKENESS, f"a similarity of {likeness:.2f} to `{start.title}` is none")
    is_one_text = set(words(start.title)) == set(words(claim.product.title))
    require(likeness < 0.9999 or is_one_text, f"a similarity of {likeness:.4f} to another text, `{start.title}`")


def matches_words(claim):
    told = claim.evidence["words"]
    claim.says(*told)
    require(told and len(set(told)) == len(told), "a word is told twice, or none is")
    title, asked = (re.findall(r"[^\W_]+", text.lower()) for text in (claim.product.title, claim.question.text or ""))
    for word in told:
        require(word in title and word in asked, f"`{word}` is not both in the title and in the question")
    require(set(told) - FILLERS, f"`{', '.join(told)}` says nothing")


def matches_text(claim):
    require(claim.question.text is not None, "no text was asked")
    likeness = claim.evidence["similarity"]
    require(likeness >= LEAST_LIKENESS_TO_TEXT, f"a similarity of {likeness:.2f} of `{claim.product.title}` to what was asked for is none")


def relation(claim):
    """The feed's edge, or the shop's own pair, from what was asked about to the product."""
    start, told = claim.start(), claim.evidence
    require(told["relation"] == claim.code, "the code is not that of the evidence")
    edge = (claim.code, claim.product.id)
    if told["origin"] == "related_product":
        require(edge in start.related, f"the feed tells no {claim.code} of {start.id}")
        return
    is_told = (start.id, claim.product.id, claim.code) in claim.shop.pairs
    goes_back = claim.code not in ("required_part", "accessory") and (claim.product.id, start.id, claim.code) in claim.shop.pairs
    require(is_told or goes_back, f"no pair tells {claim.code} of {start.id}")


def free_shipping(claim):
    """What is missing, and that the product brings it without costing more than twice that."""
    over = minor_units(claim.question.body["context"]["free_shipping_over"])
    prices = [(claim.shop.feed[line["id"]].price, line.get("quantity", 1)) for line in claim.question.body["context"]["cart"]]
    gap = over[0] - sum(price[0] * pieces for price, pieces in prices if price and price[1] == over[1])
    require(minor_units(claim.evidence["gap"]) == (gap, over[1]), f"{gap} are missing in minor units, not {claim.evidence['gap']}")
    require(minor_units(claim.evidence["over"]) == over, "the question's amount is another")
    require(gap <= claim.product.price[0] <= 2 * gap, f"a price of {claim.product.price[0]} does not close a gap of {gap}")
    claim.says(claim.evidence["gap"])


def in_shop(claim):
    require(not claim.evidence, "evidence for what claims nothing")


CHECKS = {
    "alike": alike, "related": alike, "bought_before": bought_before, "bought_together": bought_together, "due_again": due_again,
    "fits": fits, "fits_same": fits_same, "free_shipping": free_shipping, "in_shop": in_shop, "made_for": made_for,
    "matches_text": matches_text, "matches_words": matches_words, "popular": popular, "same_brand": same_brand,
    "same_category": same_category, "seen_together": seen_together, **dict.fromkeys(RELATIONS, relation),
}


def check_title(shop, question, title):
    """Why the list's title does not hold: it names what was asked about, or nothing."""
    start = re.match(r"(Similar to|A step up from|Goes with) (.+)", title)
    about = {"your cart", "your order", *(shop.feed[id].title for id in question.started if id in shop.feed)}
    if start and start[2] not in about:
        orders = shop.orders.by_shopper.get(question.shopper, ())
        if not any(line.product in shop.feed and shop.feed[line.product].title == start[2] for line in orders):
            return "it names what was not asked about"
    return None


def check(shop, question, hit):
    """Why the hit's reason does not hold; nothing where it does."""
    try:
        require(hit.get("reason"), "it has no reason")
        claim = Claim(shop, question, hit)
        known = better if re.match(r"(more|has)_", claim.code) else CHECKS.get(claim.code)
        require(known, "nobody knows how to check this code")
        if claim.evidence.pop("order", False):
            claim.says("for your order")
        known(claim)
    except Falsehood as why:
        return str(why)
    except (KeyError, IndexError, TypeError) as missing:
        return f"the evidence cannot be read: {missing!r}"
    return None
