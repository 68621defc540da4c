//! Names of events as other systems write them: GA4, Google Retail, Amazon Personalize, and common shorthand.

use super::kind::EventKind;

/// What a name stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Named {
    /// An event that is kept.
    Kind(EventKind),
    /// An event that storefronts emit and of which nothing is learned.
    Unused,
}

/// Names in lower case without `-`, `_` and spaces.
const NAMES: &[(&str, EventKind)] = &[
    ("viewitem", EventKind::ViewItem),
    ("detailpageview", EventKind::ViewItem),
    ("view", EventKind::ViewItem),
    ("itemview", EventKind::ViewItem),
    ("productview", EventKind::ViewItem),
    ("productviewed", EventKind::ViewItem),
    ("viewcontent", EventKind::ViewItem),
    ("viewitemlist", EventKind::ViewItemList),
    ("categorypageview", EventKind::ViewItemList),
    ("impression", EventKind::ViewItemList),
    ("selectitem", EventKind::SelectItem),
    ("click", EventKind::SelectItem),
    ("productclicked", EventKind::SelectItem),
    ("addtocart", EventKind::AddToCart),
    ("cart", EventKind::AddToCart),
    ("productadded", EventKind::AddToCart),
    ("removefromcart", EventKind::RemoveFromCart),
    ("productremoved", EventKind::RemoveFromCart),
    ("addtowishlist", EventKind::AddToWishlist),
    ("wishlist", EventKind::AddToWishlist),
    ("begincheckout", EventKind::BeginCheckout),
    ("initiatecheckout", EventKind::BeginCheckout),
    ("startcheckout", EventKind::BeginCheckout),
    ("checkoutstarted", EventKind::BeginCheckout),
    ("purchase", EventKind::Purchase),
    ("purchasecomplete", EventKind::Purchase),
    ("buy", EventKind::Purchase),
    ("order", EventKind::Purchase),
    ("ordercompleted", EventKind::Purchase),
    ("transaction", EventKind::Purchase),
    ("refund", EventKind::Refund),
    ("return", EventKind::Refund),
    ("orderrefunded", EventKind::Refund),
    ("search", EventKind::Search),
    ("viewsearchresults", EventKind::Search),
];

/// What the names of the tag manager's own events begin with, such as `gtm.timer`; in lower case.
const TAG_MANAGER: &str = "gtm.";

/// Names of what GA4 and Google Retail emit beside.
const UNUSED: &[&str] = &[
    "addpaymentinfo",
    "addshippinginfo",
    "exception",
    "filedownload",
    "firstvisit",
    "formstart",
    "formsubmit",
    "generatelead",
    "homepageview",
    "login",
    "pageview",
    "scroll",
    "selectcontent",
    "selectpromotion",
    "sessionstart",
    "share",
    "shoppingcartpageview",
    "signup",
    "userengagement",
    "viewcart",
    "viewpromotion",
];

/// What `name` stands for; `None` for a name that is not known.
pub(super) fn named(name: &str) -> Option<Named> {
    let plain: String =
        name.chars().filter(|c| !matches!(c, '-' | '_' | ' ')).map(|c| c.to_ascii_lowercase()).collect();
    let kind = NAMES.iter().find(|(known, _)| *known == plain).map(|(_, kind)| Named::Kind(*kind));
    let is_unused = plain.starts_with(TAG_MANAGER) || UNUSED.contains(&plain.as_str());
    kind.or_else(|| is_unused.then_some(Named::Unused))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_is_found_by_its_own_word_and_by_those_of_others() {
        for kind in EventKind::ALL {
            assert_eq!(named(kind.word()), Some(Named::Kind(kind)));
        }
        for (name, kind) in [
            ("detail-page-view", EventKind::ViewItem),
            ("purchase-complete", EventKind::Purchase),
            ("View", EventKind::ViewItem),
            ("Add To Cart", EventKind::AddToCart),
        ] {
            assert_eq!(named(name), Some(Named::Kind(kind)));
        }
        assert_eq!(named("home-page-view"), Some(Named::Unused));
        assert_eq!(named("page_view"), Some(Named::Unused));
        for name in ["gtm.js", "gtm.timer", "gtm.formSubmit", "gtm.historyChange-v2", "gtm.init_consent", "GTM.video"] {
            assert_eq!(named(name), Some(Named::Unused), "{name}");
        }
        assert_eq!(named("gtm"), None);
        assert_eq!(named("sneeze"), None);
    }
}
