"""Questions over all intents, drawn by seed: products and carts of two shops, texts, known shoppers, placements."""

import dataclasses
import itertools

from reasons.feed import words

PLACEMENTS = ("pdp-similar", "pdp-upsell", "pdp-cross-sell", "cart", "checkout", "post-purchase", "home", "email")
TEXTS = ("something for a friend who loves baking", "rugged waterproof case", "gift for the garden", "a charger for the car",
         "red christmas decorations", "phone with a large screen", "vintage kitchen", "protector for the screen", "black case black")
KINDS_OF_THINGS = ("case", "screen protector", "charger", "headphone")


@dataclasses.dataclass
class Question:
    """What is asked, and what a reason may speak of."""

    kind: str
    body: dict
    shopper: str = None
    asked_s: float = 0.0

    @property
    def text(self):
        return self.body["context"].get("query")

    @property
    def intent_of_page(self):
        return "product" in self.body["context"]

    @property
    def started(self):
        """Ids of all products that the question names, what is on the page first."""
        context = self.body["context"]
        order = (context.get("order") or {}).get("products") or []
        page = [context["product"]] if "product" in context else []
        return list(dict.fromkeys([*page, *context.get("viewed", []), *(line["id"] for line in context.get("cart", [])), *order]))


class Draw:
    """Draws what questions of one shop are about."""

    def __init__(self, shop, draw):
        self.shop, self.draw = shop, draw
        self.ids = sorted(shop.feed)
        self.orders = [sorted(products) for _, products in sorted(shop.orders.baskets.items()) if 2 <= len(products) <= 100]
        self.shoppers = sorted({name for name in shop.orders.by_shopper if not name.startswith("order ")})
        self.edges = sorted({product.id for product in shop.feed.values() if product.related} | {pair[0] for pair in shop.pairs})
        self.phones = [id for id in self.ids if any("Phone" in part for part in shop.feed[id].category[-1:])
                       and "Cell Phone Cases & Clips" not in shop.feed[id].category]

    def product(self):
        """What orders hold, as often as they do, half of the time; of a shop without orders often a phone."""
        if self.orders and self.draw.random() < 0.5:
            return self.draw.choice(self.draw.choice(self.orders))
        if self.edges and self.draw.random() < 0.25:
            return self.draw.choice(self.edges)
        return self.draw.choice(self.phones if self.phones and self.draw.random() < 0.4 else self.ids)

    def some(self, most):
        """Up to `most` products, half of the time of one order."""
        count = self.draw.randint(1, most)
        if self.orders and self.draw.random() < 0.5:
            order = self.draw.choice(self.orders)
            return self.draw.sample(order, min(count, len(order)))
        return list(dict.fromkeys(self.product() for _ in range(count)))

    def cart(self, most=5):
        return [{"id": id, "quantity": self.draw.randint(1, 2)} for id in self.some(most)]

    def query(self):
        """What people type, or words of a product."""
        if self.draw.random() < 0.4:
            return self.draw.choice(TEXTS)
        said = words(self.shop.feed[self.product()].title)
        return " ".join(self.draw.sample(said, min(len(said), self.draw.randint(1, 3)))) or "gift"

    def free_over(self, cart):
        prices = [self.shop.feed[line["id"]].price for line in cart]
        value = sum(price[0] * line["quantity"] for price, line in zip(prices, cart) if price)
        return f"{(value + self.draw.randint(100, 3000)) / 100:.2f} {prices[0][1]}"

    def context(self, intent):
        """What the shopper looks at, of the kind that the intent starts from."""
        if intent in ("similar", "upsell"):
            return {"product": self.product()}
        if intent == "cross_sell":
            return {"cart": self.cart()}
        if intent == "bundle":
            goal = {"goal": self.draw.sample(KINDS_OF_THINGS, 2)} if self.draw.random() < 0.5 else {}
            return {"product": self.product(), **goal}
        if intent in ("next", "for_you"):
            context = {"viewed": self.some(6)}
            return context if self.draw.random() < 0.5 else {**context, "cart": self.cart(3)}
        return {}

    def of_intent(self, intent):
        return Question(intent, {"intent": intent, "context": self.context(intent)})

    def by_text(self):
        return Question("similar by text", {"intent": "similar", "context": {"query": self.query()}})

    def with_gap(self):
        cart = self.cart(3)
        return Question("cross_sell to free delivery", {"intent": "cross_sell", "context": {"cart": cart, "free_shipping_over": self.free_over(cart)}})

    def of_order(self):
        return Question("cross_sell of an order", {"intent": "cross_sell", "context": {"order": {"products": self.some(5)}}})

    def of_shopper(self, intent):
        shopper = self.draw.choice(self.shoppers)
        context = self.context("for_you") if intent == "for_you" and self.draw.random() < 0.5 else {}
        return Question(f"{intent} to a known shopper", {"intent": intent, "visitor_id": shopper, "context": context}, shopper)

    def placed(self):
        placement = self.draw.choice(PLACEMENTS)
        context = {} if self.draw.random() < 0.2 else self.context("for_you")
        if placement.startswith("pdp") or self.draw.random() < 0.3:
            context["product"] = self.product()
        if placement in ("cart", "checkout", "post-purchase") and "cart" not in context:
            context["cart"] = self.cart()
        return Question(f"placement {placement}", {"placement": placement, "context": context})


def questions(shops, known, draw, count):
    """`count` questions, each kind in turn, of the intents that are `known`."""
    makers = []
    for shop in shops:
        of = Draw(shop, draw)
        makers += [(shop, of.of_intent, (intent,)) for intent in known.intents if intent != "replenish"]
        makers += [(shop, make, ()) for make in (of.by_text, of.with_gap, of.placed)]
        # One in four has something better to show, and what is said of it is the most particular.
        makers += [(shop, of.of_intent, ("upsell",))] * (3 if shop.feed[of.ids[0]].category else 0)
        makers += [(shop, of.of_order, ())] * known.has_order
        makers += [(shop, of.of_shopper, (intent,)) for intent in ("for_you", "replenish") if of.shoppers and intent in known.intents]
    for number, (shop, make, rest) in zip(range(count), itertools.cycle(makers)):
        yield shop, make(*rest)
