"""An order file, read for checking: what was bought together, met in one visit, sent back.

Counted as the README says: a negative quantity, or an order of `C` and digits, is a refund; one that names a known order takes pieces of
that order back, any other the shopper's latest purchases of the product; what was sent back whole was never bought. Who names no customer
is a shopper of that order alone. A visit ends after 30 minutes without an event. What is no product of the feed counts for nothing, and
orders of more than `behavior.max_order_products` different products tell nothing of pairs.
"""

import collections
import csv
import datetime
import io
import re

from reasons.feed import text_of

MAX_ORDER_PRODUCTS = 100
IDLE_S = 30 * 60
MAX_BOUGHT_LINES = 500
DAY_S = 86_400

Line = collections.namedtuple("Line", "shopper time_s is_refund order product pieces")


def read_lines(path):
    """The lines of the file as (shopper, time, whether sent back, order, product, pieces)."""
    times, lines = {}, []
    for row in csv.DictReader(io.StringIO(text_of(path))):
        stamp, order, pieces = row["timestamp"], row["order_id"], int(row["quantity"])
        if stamp not in times:
            times[stamp] = int(datetime.datetime.fromisoformat(stamp.replace("Z", "+00:00")).timestamp())
        is_refund = pieces < 0 or re.fullmatch(r"C\d+", order) is not None
        shopper = row["customer_id"] or f"order {order}"
        lines.append(Line(shopper, times[stamp], is_refund, order, row["product_id"], abs(pieces)))
    return lines


class Orders:
    """What a shop's orders say of the products of `feed`."""

    def __init__(self, lines, feed):
        self.by_shopper = collections.defaultdict(list)
        for line in lines:
            self.by_shopper[line.shopper].append(line)
        for own in self.by_shopper.values():
            own.sort(key=lambda line: (line.time_s, line.is_refund))
        self._take_back(lines)
        self._count(feed)

    def _take_back(self, lines):
        """Pieces bought and sent back by order and product."""
        self.bought, self.returned = collections.Counter(), collections.Counter()
        for line in lines:
            if not line.is_refund:
                self.bought[line.order, line.product] += line.pieces
        known = {order for order, _ in self.bought}
        for line in lines:
            if line.is_refund and line.order in known:
                self.returned[line.order, line.product] += line.pieces
        for own in self.by_shopper.values():
            self._take_back_latest(own, known)

    def _take_back_latest(self, own, known):
        latest = collections.defaultdict(list)
        for line in own:
            if not line.is_refund:
                latest[line.product].append([line.order, line.pieces])
                continue
            wanted = 0 if line.order in known else line.pieces
            sold = latest[line.product]
            while wanted and sold:
                taken = min(wanted, sold[-1][1])
                self.returned[sold[-1][0], line.product] += taken
                wanted, sold[-1][1] = wanted - taken, sold[-1][1] - taken
                if not sold[-1][1]:
                    sold.pop()

    def is_kept(self, order, product):
        """Whether anything of the line was kept."""
        return self.returned[order, product] < self.bought[order, product]

    def _count(self, feed):
        self.orders_of, self.visits_of = collections.defaultdict(set), collections.defaultdict(set)
        self.baskets, self.lines_of = collections.defaultdict(set), collections.Counter()
        num_visits = 0
        for own in self.by_shopper.values():
            last_s = None
            for line in own:
                num_visits += last_s is None or line.time_s - last_s > IDLE_S
                last_s = line.time_s
                if line.is_refund or line.product not in feed or not self.is_kept(line.order, line.product):
                    continue
                self.visits_of[line.product].add(num_visits)
                self.baskets[line.order].add(line.product)
                self.lines_of[line.product] += 1
        for order, products in self.baskets.items():
            if len(products) <= MAX_ORDER_PRODUCTS:
                for product in products:
                    self.orders_of[product].add(order)

    def together(self, a, b):
        """Orders with both."""
        return len(self.orders_of[a] & self.orders_of[b])

    def met(self, a, b):
        """Visits with both."""
        return len(self.visits_of[a] & self.visits_of[b])

    def orders_by(self, shopper, product):
        """How many of the shopper's orders hold the product."""
        own = (line.order for line in self.by_shopper.get(shopper, ()) if not line.is_refund and line.product == product)
        return len({order for order in own if self.is_kept(order, product)})

    def num_lines(self, shopper):
        """Lines of the shopper's purchases."""
        return sum(not line.is_refund for line in self.by_shopper.get(shopper, ()))

    def times_of(self, shopper, product):
        """When the shopper bought what was kept of the product, each time once: orders within a day of the first are one."""
        kept = [line.time_s for line in self.by_shopper.get(shopper, ())
                if not line.is_refund and line.product == product and self.is_kept(line.order, product)]
        times = []
        for time_s in kept:
            if not times or time_s - times[-1] >= DAY_S:
                times.append(time_s)
        return times, kept[-1:]
