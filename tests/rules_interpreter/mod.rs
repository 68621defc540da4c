//! A slow reading of rules: one product, one rule, one condition at a time, on the JSON that people write. It shares no code with the
//! program and keeps nothing between two questions.

use serde_json::{Map, Value};

/// Everything that a question depends on.
pub struct World<'a> {
    /// Every product as it is now.
    pub products: &'a [Value],
    pub document: &'a Value,
    /// Every product's id with its score, best first: the exhaustive ranking.
    pub ranking: &'a [(String, f32)],
    pub page: &'a [String],
    pub cart: &'a [String],
    /// Values of labels by their words; `segment` may have several.
    pub labels: &'a Map<String, Value>,
    /// `(product, kind, seconds)`, oldest first.
    pub marks: &'a [(String, String, i64)],
    pub now_s: i64,
    pub filter: &'a Value,
    pub exclude: &'a [String],
    pub min_score: Option<f32>,
    pub limit: usize,
}

const DAY_S: i64 = 86_400;

fn fold(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase()
}

fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

fn list(value: &Value) -> Vec<Value> {
    value.as_array().cloned().unwrap_or_default()
}

fn one_or_many(value: &Value) -> Vec<String> {
    if value.is_array() { list(value).iter().map(text).collect() } else { vec![text(value)] }
}

fn id(product: &Value) -> &str {
    product["id"].as_str().unwrap()
}

fn family(product: &Value) -> &str {
    product["item_group_id"].as_str().unwrap_or_else(|| id(product))
}

/// Cents, and the currency.
fn money(text: &str) -> (i64, String) {
    let (amount, currency) = text.split_once(' ').unwrap();
    let (whole, part) = amount.split_once('.').unwrap();
    (whole.parse::<i64>().unwrap() * 100 + part.parse::<i64>().unwrap(), currency.to_owned())
}

fn price(product: &Value) -> Option<(i64, String)> {
    product["sale_price"].as_str().or(product["price"].as_str()).map(money)
}

/// One amount by another above 0 of the same currency.
fn share(part: Option<(i64, String)>, whole: Option<(i64, String)>) -> Option<f64> {
    let ((part, currency), (whole, other)) = part.zip(whole)?;
    (currency == other && whole > 0).then(|| part as f64 / whole as f64)
}

fn margin(product: &Value) -> Option<f64> {
    let (price, (cost, currency)) = (price(product)?, money(product["cost_of_goods_sold"].as_str()?));
    share(Some((price.0 - cost, currency)), Some(price))
}

fn attribute(product: &Value, name: &str) -> Vec<String> {
    list(&product["attributes"][name]).iter().map(text).collect()
}

fn number(product: &Value, name: &str) -> Option<f64> {
    attribute(product, name).first().and_then(|value| value.parse().ok())
}

/// The values that `match` and `exists` see.
fn values(product: &Value, key: &str) -> Vec<String> {
    let plain = match key {
        "id" => vec![id(product).to_owned()],
        "family" => vec![family(product).to_owned()],
        "brand" => product["brand"].as_str().map(str::to_owned).into_iter().collect(),
        "availability" => vec![product["availability"].as_str().unwrap().to_owned()],
        "category" => {
            let path: Vec<String> = list(&product["product_type"][0]).iter().map(text).collect();
            (0..path.len()).flat_map(|i| [path[i].clone(), path[..=i].join(" > ")]).collect()
        }
        _ => attribute(product, key),
    };
    plain.iter().map(|value| fold(value)).collect()
}

/// The values that `same`, `different` and caps compare.
fn compared(product: &Value, key: &str) -> Vec<String> {
    if ["product_type", "category"].contains(&key) {
        let path: Vec<String> = list(&product["product_type"][0]).iter().map(text).collect();
        return if path.is_empty() { Vec::new() } else { vec![fold(&path.join(" > "))] };
    }
    values(product, key)
}

fn within(range: &Value, number: Option<f64>) -> bool {
    let Some(number) = number else { return false };
    let bound = |name: &str| range[name].as_f64();
    bound("gt").is_none_or(|b| number > b)
        && bound("gte").is_none_or(|b| number >= b)
        && bound("lt").is_none_or(|b| number < b)
        && bound("lte").is_none_or(|b| number <= b)
}

/// A bound that names a currency is for prices in it alone.
fn is_priced_within(range: &Value, price: Option<(i64, String)>) -> bool {
    let Some((cents, currency)) = price else { return false };
    let holds = |name: &str, test: &dyn Fn(f64) -> bool| match &range[name] {
        Value::Null => true,
        Value::String(text) => {
            let (bound, of) = money(text);
            of == currency && test((cents - bound) as f64)
        }
        bound => test(cents as f64 - 100.0 * bound.as_f64().unwrap()),
    };
    holds("gt", &|above| above > 0.0)
        && holds("gte", &|above| above >= 0.0)
        && holds("lt", &|above| above < 0.0)
        && holds("lte", &|above| above <= 0.0)
}

impl World<'_> {
    fn product(&self, wanted: &str) -> Option<&Value> {
        self.products.iter().find(|product| id(product) == wanted)
    }

    fn known(&self, ids: &[String]) -> Vec<&Value> {
        ids.iter().filter_map(|id| self.product(id)).collect()
    }

    /// Seconds of the clock in the document's time zone.
    fn local_s(&self) -> i64 {
        let ahead_h = if self.document["time_zone"] == "Asia/Tokyo" { 9 } else { 0 };
        self.now_s + ahead_h * 3600
    }

    fn minute(&self) -> i64 {
        self.local_s().rem_euclid(DAY_S) / 60
    }

    fn weekday(&self) -> &'static str {
        // The first of January 1970 was a Thursday.
        ["thu", "fri", "sat", "sun", "mon", "tue", "wed"][(self.local_s().div_euclid(DAY_S)).rem_euclid(7) as usize]
    }

    fn label(&self, word: &str) -> Vec<String> {
        match word {
            "weekday" => vec![self.weekday().to_owned()],
            _ => self.labels.get(word).map(one_or_many).unwrap_or_default().iter().map(|value| fold(value)).collect(),
        }
    }

    fn passes(&self, filter: &Value, product: Option<&Value>) -> bool {
        let must = list(&filter["must"]).iter().all(|condition| self.holds(condition, product));
        let should = list(&filter["should"]);
        let must_not = list(&filter["must_not"]).iter().any(|condition| self.holds(condition, product));
        must && !must_not && (should.is_empty() || should.iter().any(|condition| self.holds(condition, product)))
    }

    fn holds(&self, condition: &Value, product: Option<&Value>) -> bool {
        let has = |name: &str| condition.get(name).is_some();
        if has("context") {
            let word = condition["context"].as_str().unwrap();
            if has("range") {
                return self.time_is_in(&condition["range"]);
            }
            let label = self.label(word);
            return match condition["exists"].as_bool() {
                Some(wanted) => wanted != label.is_empty(),
                None => one_or_many(&condition["match"]).iter().any(|value| label.contains(&fold(value))),
            };
        }
        if has("page") {
            return self.known(self.page).into_iter().any(|page| self.passes(&condition["page"], Some(page)));
        }
        if has("cart") {
            return self.known(self.cart).into_iter().any(|line| self.passes(&condition["cart"], Some(line)));
        }
        if has("must") || has("should") || has("must_not") {
            return self.passes(condition, product);
        }
        // What is asked of a product with its opposite said.
        let wanted = condition["in_cart"].as_bool().or(condition["exists"].as_bool()).unwrap_or(true);
        match product {
            Some(product) => self.holds_for(condition, product),
            None => !wanted,
        }
    }

    fn holds_for(&self, condition: &Value, product: &Value) -> bool {
        let page = self.known(self.page);
        let get = |name: &str| condition.get(name);
        if let Some(field) = get("same").and_then(Value::as_str) {
            let own = compared(product, field);
            return page.iter().any(|page| compared(page, field).iter().any(|value| own.contains(value)));
        }
        if let Some(field) = get("different").and_then(Value::as_str) {
            let own = compared(product, field);
            return !page.is_empty() && !page.iter().any(|page| compared(page, field).iter().any(|v| own.contains(v)));
        }
        if let Some(range) = get("price_ratio") {
            return within(range, share(price(product), page.iter().find_map(|page| price(page))));
        }
        if let Some(range) = get("margin") {
            return within(range, margin(product));
        }
        if let Some(range) = get("age_days") {
            // Dates of the made-up shops are days of November 2026.
            let day = attribute(product, "created_at").first().map(|date| date[8..].parse::<i64>().unwrap());
            let age = day.map(|day| (self.now_s - (FIRST_OF_NOVEMBER_S + (day - 1) * DAY_S)) as f64 / DAY_S as f64);
            return within(range, age);
        }
        if let Some(range) = get("stock") {
            let is_sold_out = product["availability"] == "out_of_stock";
            return within(range, if is_sold_out { Some(0.0) } else { number(product, "quantity") });
        }
        if let Some(wanted) = get("in_cart").and_then(Value::as_bool) {
            return wanted == self.known(self.cart).iter().any(|line| family(line) == family(product));
        }
        let key = condition["key"].as_str().unwrap();
        if let Some(wanted) = get("exists").and_then(Value::as_bool) {
            let is_there = if key == "price" { price(product).is_some() } else { !values(product, key).is_empty() };
            return wanted == is_there;
        }
        if let Some(range) = get("range") {
            if key == "price" {
                return is_priced_within(range, price(product));
            }
            return values(product, key).iter().any(|value| within(range, value.parse().ok()));
        }
        let wanted = match get("match_context") {
            Some(label) => self.label(label.as_str().unwrap()),
            None => one_or_many(&condition["match"]).iter().map(|value| fold(value)).collect(),
        };
        values(product, key).iter().any(|value| wanted.contains(value))
    }

    fn time_is_in(&self, range: &Value) -> bool {
        let minute = |text: &Value| {
            text.as_str().map(|text| text[..2].parse::<i64>().unwrap() * 60 + text[3..].parse::<i64>().unwrap())
        };
        let (from, until) = (minute(&range["gte"]).unwrap_or(0), minute(&range["lt"]).unwrap_or(24 * 60));
        let now = self.minute();
        if from <= until { from <= now && now < until } else { now >= from || now < until }
    }

    fn counts(&self, rule: &Value) -> bool {
        let seconds = |name: &str| rule[name].as_str().map(|text| text.parse::<jiff::Timestamp>().unwrap().as_second());
        let days = list(&rule["weekdays"]);
        let about = &rule["then"];
        let target = ["include", "exclude"].iter().find_map(|word| about.get(word));
        let target = target.or_else(|| ["boost", "bury", "cap"].iter().find_map(|word| about.get(word)?.get("filter")));
        let page = self.known(self.page);
        rule["on"] != false
            && seconds("from").is_none_or(|from| from <= self.now_s)
            && seconds("until").is_none_or(|until| self.now_s < until)
            && (days.is_empty() || days.contains(&Value::from(self.weekday())))
            && !(page.is_empty() && target.is_some_and(is_relative))
            && match page.is_empty() {
                true => self.passes(&rule["when"], None),
                false => page.into_iter().any(|page| self.passes(&rule["when"], Some(page))),
            }
    }

    /// The rules that count, those of higher priority first.
    fn rules(&self) -> Vec<Value> {
        let mut rules = list(&self.document["rules"]);
        // Stable: of equal ones the first in the document.
        rules.sort_by_key(|rule| -rule["priority"].as_i64().unwrap_or(0));
        rules.into_iter().filter(|rule| self.counts(rule)).collect()
    }

    fn is_hidden(&self, product: &Value, rules: &[Value]) -> bool {
        let shop = &self.document["shop"];
        let page = self.known(self.page);
        let cart = self.known(self.cart);
        let is_on = |name: &str| shop[name] == true;
        let adult = |product: &Value| {
            attribute(product, "adult").iter().any(|value| ["true", "yes", "1"].contains(&fold(value).as_str()))
        };
        let ages = |product: &Value| values(product, "age_group");
        let by_shop = (is_on("in_stock_only") && product["availability"] == "out_of_stock")
            || shop["margin_floor"].as_f64().is_some_and(|floor| margin(product).is_some_and(|margin| margin < floor))
            || (is_on("adult") && adult(product) && !page.iter().any(|page| adult(page)))
            || (is_on("age_group")
                && !ages(product).is_empty()
                && page.iter().any(|page| !ages(page).is_empty())
                && !page.iter().any(|page| ages(page).iter().any(|age| ages(product).contains(age))))
            || (is_on("region")
                && !values(product, "region").is_empty()
                && !values(product, "region").iter().any(|region| self.label("region").contains(region)))
            || list(&shop["never_with"]).iter().any(|never| {
                page.iter().chain(&cart).any(|other| self.passes(&never["page"], Some(other)))
                    && self.passes(&never["hide"], Some(product))
            });
        let by_rule = rules.iter().any(|rule| {
            let then = &rule["then"];
            then.get("exclude").is_some_and(|filter| self.passes(filter, Some(product)))
                || then.get("include").is_some_and(|filter| !self.passes(filter, Some(product)))
        });
        by_shop || by_rule || self.is_bought(product) || self.is_worn_out(product)
    }

    fn is_bought(&self, product: &Value) -> bool {
        let Some(days) = self.document["shop"]["repurchase_days"].as_i64() else { return false };
        self.marks.iter().any(|(id, kind, at)| {
            let bought = self.product(id);
            kind == "purchase"
                && self.now_s - days * DAY_S <= *at
                && *at <= self.now_s
                && bought.is_some_and(|bought| family(bought) == family(product))
        })
    }

    fn times_in_vain(&self, product: &Value, days: i64) -> i64 {
        let mut times = 0;
        for (_, kind, _) in self
            .marks
            .iter()
            .filter(|(of, _, at)| of == id(product) && self.now_s - days * DAY_S <= *at && *at <= self.now_s)
        {
            times = if kind == "view_item_list" { times + 1 } else { 0 };
        }
        times
    }

    fn is_worn_out(&self, product: &Value) -> bool {
        let cap = &self.document["shop"]["frequency_cap"];
        let Some((most, days)) = cap["impressions"].as_i64().zip(cap["days"].as_i64()) else { return false };
        self.times_in_vain(product, days) >= most
    }

    fn factor(&self, product: &Value, rules: &[Value]) -> f64 {
        let clearance = &self.document["shop"]["clearance"];
        let scales = rules.iter().flat_map(|rule| [&rule["then"]["boost"], &rule["then"]["bury"]]).chain([clearance]);
        let factors = scales
            .filter(|scale| !scale.is_null() && self.passes(&scale["filter"], Some(product)))
            .map(|scale| scale["factor"].as_f64().unwrap().ln());
        let bounded = factors.sum::<f64>().clamp(-(2f64.ln()), 2f64.ln()).exp();
        let fatigue = &self.document["shop"]["fatigue"];
        let tired = fatigue["strength"].as_f64().zip(fatigue["days"].as_i64());
        bounded * tired.map_or(1.0, |(by, days)| (-by * self.times_in_vain(product, days) as f64).exp())
    }

    /// Whether the question lets the product appear.
    fn is_allowed(&self, product: &Value) -> bool {
        let names_stock = self.filter.to_string().contains("\"availability\"");
        let page = self.known(self.page);
        self.passes(self.filter, Some(product))
            && (names_stock || product["availability"] != "out_of_stock")
            && !self.exclude.iter().any(|other| other == id(product))
            && !page.iter().any(|page| family(page) == family(product))
    }

    fn may_appear(&self, product: &Value, rules: &[Value]) -> bool {
        self.is_allowed(product) && !self.is_hidden(product, rules)
    }

    /// What appears in the product's place.
    fn replaced(&self, product: &str, rules: &[Value]) -> String {
        for rule in rules {
            let replace = &rule["then"]["replace"];
            let with = replace["with"].as_str().and_then(|with| self.product(with));
            if replace["product"] == product
                && let Some(with) = with.filter(|with| self.may_appear(with, rules))
            {
                return self.replaced(id(with), rules);
            }
        }
        product.to_owned()
    }

    /// Whether the product may stand beside those that are there.
    fn fits_beside(&self, product: &Value, there: &[Option<String>], rules: &[Value]) -> bool {
        let there: Vec<&Value> = there.iter().flatten().filter_map(|id| self.product(id)).collect();
        let shop = &self.document["shop"];
        let is_double = there.iter().any(|other| {
            id(other) == id(product) || (shop["one_per_family"] != false && family(other) == family(product))
        });
        let reached = |most: usize, per: Option<&str>, filter: &Value| {
            if !self.passes(filter, Some(product)) {
                return false;
            }
            let counted: Vec<&&Value> = there.iter().filter(|other| self.passes(filter, Some(other))).collect();
            match per {
                None => counted.len() >= most,
                Some(field) => compared(product, field)
                    .iter()
                    .any(|value| counted.iter().filter(|other| compared(other, field).contains(value)).count() >= most),
            }
        };
        let by_brand =
            shop["max_per_brand"].as_u64().is_some_and(|most| reached(most as usize, Some("brand"), &Value::Null));
        let by_rule = rules.iter().any(|rule| {
            let cap = &rule["then"]["cap"];
            cap["at_most"].as_u64().is_some_and(|most| reached(most as usize, cap["per"].as_str(), &cap["filter"]))
        });
        !is_double && !by_brand && !by_rule
    }

    /// The ids that are shown, in order.
    pub fn answer(&self) -> Vec<String> {
        let rules = self.rules();
        let mut slots: Vec<Option<String>> = vec![None; self.limit];
        for rule in &rules {
            let pin = &rule["then"]["pin"];
            for (at, pinned) in list(&pin["products"]).iter().enumerate() {
                let first = pin["position"].as_u64().map_or(0, |place| place as usize - 1 + at);
                let Some(free) = (first..self.limit).find(|slot| slots[*slot].is_none()) else { continue };
                let Some(pinned) = self.product(pinned.as_str().unwrap()) else { continue };
                if !self.may_appear(pinned, &rules) {
                    continue;
                }
                let shown = self.replaced(id(pinned), &rules);
                if self.fits_beside(self.product(&shown).unwrap(), &slots, &rules) {
                    slots[free] = Some(shown);
                }
            }
        }
        let mut ranked: Vec<(f64, usize, &Value)> = Vec::new();
        for (place, (id, score)) in self.ranking.iter().enumerate() {
            let Some(product) = self.product(id) else { continue };
            if self.is_allowed(product) && self.min_score.is_none_or(|floor| *score >= floor) {
                ranked.push((f64::from(*score) * self.factor(product, &rules), place, product));
            }
        }
        ranked.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
        for (_, _, product) in ranked {
            let Some(free) = slots.iter().position(Option::is_none) else { break };
            if self.is_hidden(product, &rules) {
                continue;
            }
            let shown = self.replaced(id(product), &rules);
            if self.fits_beside(self.product(&shown).unwrap(), &slots, &rules) {
                slots[free] = Some(shown);
            }
        }
        slots.into_iter().flatten().collect()
    }
}

/// Midnight of 2026-11-01, UTC.
pub const FIRST_OF_NOVEMBER_S: i64 = 1_793_491_200;

fn is_relative(filter: &Value) -> bool {
    ["must", "should", "must_not"].iter().any(|name| {
        list(&filter[*name]).iter().any(|condition| {
            ["same", "different", "price_ratio"].iter().any(|word| condition.get(word).is_some())
                || is_relative(condition)
        })
    })
}
