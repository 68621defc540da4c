//! Which column of a file of orders or interactions says what.

use std::str::FromStr;

/// What a column can say. The words are those of `--map`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    Order,
    Product,
    Quantity,
    Time,
    Price,
    Value,
    Visitor,
    User,
    Session,
    Event,
    EventId,
    Currency,
    Recommendation,
    Consent,
}

/// Number of [`Role`]s.
const NUM_ROLES: usize = 14;

/// Each role, its word, and names of columns that are known to say it, in lower case, letters and digits alone.
const ROLES: [(Role, &str, &[&str]); NUM_ROLES] = [
    (
        Role::Order,
        "order",
        &["orderid", "order", "ordernumber", "orderno", "invoice", "invoiceno", "invoicenumber", "transactionid"],
    ),
    (Role::Product, "product", &["productid", "product", "itemid", "stockcode", "sku", "articleid", "lineitemsku"]),
    (Role::Quantity, "quantity", &["quantity", "qty", "lineitemquantity"]),
    (
        Role::Time,
        "time",
        &["timestamp", "time", "datetime", "date", "invoicedate", "orderdate", "eventtime", "createdat"],
    ),
    (Role::Price, "price", &["unitprice", "price", "itemprice", "lineitemprice"]),
    (Role::Value, "value", &["eventvalue"]),
    (Role::Visitor, "visitor", &["visitorid", "visitor", "customerid", "customer", "clientid", "email"]),
    (Role::User, "user", &["userid", "user"]),
    (Role::Session, "session", &["sessionid", "session"]),
    (Role::Event, "event", &["eventtype", "event", "action", "eventname"]),
    (Role::EventId, "event_id", &["eventid"]),
    (Role::Currency, "currency", &["currency", "currencycode"]),
    (Role::Recommendation, "recommendation_id", &["recommendationid"]),
    (Role::Consent, "consent", &["consent", "userconsent"]),
];

/// Names of columns by what they say, as a person gives them: `order=InvoiceNo,product=StockCode`. What is left out is found by usual names.
///
/// ```
/// use kindred::events::ColumnMap;
///
/// assert!("order=InvoiceNo,product=StockCode".parse::<ColumnMap>().is_ok());
/// assert!("oder=InvoiceNo".parse::<ColumnMap>().unwrap_err().contains("order, product"));
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ColumnMap(Vec<(usize, String)>);

impl FromStr for ColumnMap {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let pairs = text.split(',').map(str::trim).filter(|pair| !pair.is_empty());
        let named = pairs.map(|pair| {
            let (word, column) =
                pair.split_once('=').ok_or_else(|| format!("`{pair}` is no pair such as order=InvoiceNo"))?;
            let known = ROLES.iter().position(|(_, known, _)| *known == word.trim());
            let words: Vec<&str> = ROLES.iter().map(|(_, word, _)| *word).collect();
            let role = known.ok_or_else(|| format!("`{word}` is none of {}", words.join(", ")))?;
            Ok((role, column.trim().to_owned()))
        });
        let named: Vec<(usize, String)> = named.collect::<Result<_, String>>()?;
        let twofold = (1..named.len()).find(|at| named[..*at].iter().any(|(role, _)| *role == named[*at].0));
        match twofold {
            Some(at) => Err(format!("`{}` is named twice; name one column for it", ROLES[named[at].0].1)),
            None => Ok(Self(named)),
        }
    }
}

/// Places of the columns by role.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Columns([Option<usize>; NUM_ROLES]);

impl Columns {
    /// Finds the columns of `header`, those of `map` by the names given there.
    ///
    /// Returns in words what is missing.
    pub(super) fn find(header: &[String], map: &ColumnMap) -> Result<Self, String> {
        let mut places = [None; NUM_ROLES];
        for (role, (_, _, names)) in ROLES.iter().enumerate() {
            let is_named = |name: &&str| header.iter().position(|column| plain(column) == **name);
            places[role] = names.iter().find_map(is_named);
        }
        // Shopify's export of orders writes the order's number under `Name`.
        let find = |name: &str| header.iter().position(|column| plain(column) == name);
        if find("lineitemquantity").is_some() {
            places[Role::Order as usize] = places[Role::Order as usize].or_else(|| find("name"));
        }
        for (role, name) in &map.0 {
            let place = header.iter().position(|column| column == name);
            places[*role] = Some(place.ok_or_else(|| format!("there is no column `{name}`"))?);
        }
        let columns = Self(places);
        for role in [Role::Product, Role::Time] {
            if columns.0[role as usize].is_none() {
                return Err(format!("no column is known to say the {}", ROLES[role as usize].1));
            }
        }
        Ok(columns)
    }

    /// Whether a column says `role`.
    pub(super) fn has(&self, role: Role) -> bool {
        self.0[role as usize].is_some()
    }

    /// What the record's cell says; `None` when there is no such column or the cell is empty.
    pub(super) fn cell<'a>(&self, role: Role, cells: &'a [String]) -> Option<&'a str> {
        let cell = cells.get(self.0[role as usize]?)?;
        (!cell.is_empty()).then_some(cell.as_str())
    }
}

/// The word of a role, as faults name it.
pub(super) fn word(role: Role) -> &'static str {
    ROLES[role as usize].1
}

fn plain(name: &str) -> String {
    name.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(header: &[&str], map: &str) -> Result<Vec<(&'static str, usize)>, String> {
        let header: Vec<String> = header.iter().map(|name| (*name).to_owned()).collect();
        let columns = Columns::find(&header, &map.parse().unwrap())?;
        Ok(ROLES.iter().zip(columns.0).filter_map(|((_, word, _), place)| Some((*word, place?))).collect())
    }

    #[test]
    fn roles_stand_at_their_numbers() {
        ROLES.iter().enumerate().for_each(|(place, (role, _, _))| assert_eq!(*role as usize, place));
    }

    #[test]
    fn usual_headers_are_known_and_a_map_rules_over_them() {
        let shop =
            ["InvoiceNo", "StockCode", "Description", "Quantity", "InvoiceDate", "UnitPrice", "CustomerID", "Country"];
        let expected = [("order", 0), ("product", 1), ("quantity", 3), ("time", 4), ("price", 5), ("visitor", 6)];
        assert_eq!(found(&shop, "").unwrap(), expected);
        let personalize = ["USER_ID", "ITEM_ID", "TIMESTAMP", "EVENT_TYPE", "EVENT_VALUE"];
        assert_eq!(
            found(&personalize, "").unwrap(),
            [("product", 1), ("time", 2), ("value", 4), ("user", 0), ("event", 3)]
        );
        let shopify =
            ["Name", "Email", "Currency", "Created at", "Lineitem quantity", "Lineitem price", "Lineitem sku", "Id"];
        assert_eq!(
            found(&shopify, "").unwrap(),
            [("order", 0), ("product", 6), ("quantity", 4), ("time", 3), ("price", 5), ("visitor", 1), ("currency", 2)]
        );
        assert_eq!(found(&["Name", "sku", "date"], "").unwrap(), [("product", 1), ("time", 2)]);
        assert_eq!(found(&["when", "Was", "id"], "time=when,product=Was").unwrap(), [("product", 1), ("time", 0)]);
        assert!(found(&["when", "sku"], "").unwrap_err().contains("time"));
        assert!(found(&shop, "time=When").unwrap_err().contains("`When`"));
        let twice = "order=InvoiceNo,time=InvoiceDate,order=Country".parse::<ColumnMap>().unwrap_err();
        assert!(twice.contains("`order` is named twice"), "{twice}");
    }
}
