//! What conditions are refused, and what the rest of them test.

use super::*;
use crate::rules::MatchValue;

fn check(json: &str) -> Result<(), String> {
    let filter: Filter = serde_json::from_str(json).map_err(|e| e.to_string())?;
    filter.check("filter").map_err(|e| e.path)
}

#[test]
fn errors_point_at_the_condition() {
    let good = [
        r#"{"must":[{"key":"brand","match":"Sony"},{"key":"price","range":{"gte":1}}]}"#,
        r#"{"must":[{"should":[{"same":"brand"},{"in_cart":false}]},{"price_ratio":{"gte":1.05,"lte":1.6}}]}"#,
        r#"{"must":[{"context":"time","range":{"gte":"22:00","lt":"06:00"}},{"context":"weekday","match":["Sat","sun"]}]}"#,
        r#"{"must":[{"page":{"must":[{"key":"brand","exists":true}]}},{"key":"inches","range":{"gte":5.5}}]}"#,
    ];
    good.iter().for_each(|json| assert_eq!(check(json), Ok(()), "{json}"));
    let bad = [
        (r#"{"must":[{"key":"brand"}]}"#, "filter.must[0]"),
        (r#"{"must":[{}]}"#, "filter.must[0]"),
        (r#"{"must":[{"key":"a","match":"b","same":"brand"}]}"#, "filter.must[0]"),
        (r#"{"must":[{"same":"brand","match":"b"}]}"#, "filter.must[0].match"),
        (r#"{"should":[{"key":"a","match":"b"},{"key":"a","match":[]}]}"#, "filter.should[1].match"),
        (r#"{"must_not":[{"key":"price","match":"5"}]}"#, "filter.must_not[0].match"),
        (r#"{"must":[{"key":"brand","range":{"gt":5}}]}"#, "filter.must[0].range"),
        (r#"{"must":[{"key":"price","range":{}}]}"#, "filter.must[0].range"),
        (r#"{"must":[{"key":"price","range":{"gt":5,"gte":5}}]}"#, "filter.must[0].range"),
        (r#"{"must":[{"key":"price","range":{"gt":5,"lte":5}}]}"#, "filter.must[0].range"),
        (r#"{"must":[{"key":"price","range":{"gt":"5 USD","lte":"9 EUR"}}]}"#, "filter.must[0].range"),
        (r#"{"must":[{"margin":{"gte":0.5,"lte":0.2}}]}"#, "filter.must[0].margin"),
        (r#"{"must":[{"context":"moon","match":"full"}]}"#, "filter.must[0].context"),
        (r#"{"must":[{"context":"weekday","match":"someday"}]}"#, "filter.must[0].match"),
        (r#"{"must":[{"context":"time","range":{"gte":"8"}}]}"#, "filter.must[0].range.gte"),
        (r#"{"must":[{"cart":{"should":[{"key":"x"}]}}]}"#, "filter.must[0].cart.should[0]"),
        (r#"{"must":[{"must":[{"must":[{"key":"x"}]}]}]}"#, "filter.must[0].must[0].must[0]"),
    ];
    for (json, place) in bad {
        assert_eq!(check(json), Err(place.to_owned()), "{json}");
    }
    assert!(check(r#"{"must":[{"key":"a","equals":"b"}]}"#).unwrap_err().contains("equals"));
}

#[test]
fn size_and_depth_are_limited() {
    let nested = |depth: usize| {
        let inner = (1..depth)
            .fold(Condition::matching("a", &["b"]), |inner, _| Condition { must: vec![inner], ..Condition::default() });
        Filter { must: vec![inner], ..Filter::default() }.check("f").is_ok()
    };
    assert!(nested(MAX_DEPTH) && !nested(MAX_DEPTH + 1));
    let many =
        |n: usize| Filter { should: vec![Condition::matching("a", &["b"]); n], ..Filter::default() }.check("f").is_ok();
    assert!(many(MAX_CONDITIONS) && !many(MAX_CONDITIONS + 1));
}

#[test]
fn values_may_be_texts_numbers_and_booleans() {
    let values = |json| serde_json::from_str::<MatchValue>(json).map(|matches| matches.values().to_vec());
    assert_eq!(values("5").unwrap(), ["5"]);
    assert_eq!(values(r#"["a", 1.5, true]"#).unwrap(), ["a", "1.5", "true"]);
    assert!(values(r#"[["a"]]"#).unwrap_err().to_string().contains("takes a text"));
}

#[test]
fn a_span_of_the_day_may_go_over_midnight() {
    let range = |gte: &str, lt: &str| Range {
        gte: Some(Bound::Money(gte.into())),
        lt: Some(Bound::Money(lt.into())),
        ..Range::default()
    };
    let contains = |gte, lt, minute| TimeSpan::of(&range(gte, lt), "r").unwrap().contains(minute);
    assert!(contains("08:00", "20:00", 480) && !contains("08:00", "20:00", 1200));
    assert!(contains("22:00", "06:00", 0) && contains("22:00", "06:00", 1320) && !contains("22:00", "06:00", 360));
}
