//! Placements and traces over HTTP: what a slot's settings fill in, what is kept of a question, and for how long.

mod shop;

use kindred::server::ServerConfig;
use serde_json::{Value, json};
use shop::{Reply, Running};

fn recommend(running: &Running, request: &Value) -> Value {
    let reply = running.post("/v1/shop/recommend", request);
    assert_eq!(reply.status, 200, "{request}: {}", reply.text());
    reply.json()
}

fn trace(running: &Running, answer: &Value, question: &str) -> Reply {
    let id = answer["recommendation_id"].as_str().unwrap();
    running.get(&format!("/v1/shop/recommendations/{id}/trace{question}"))
}

fn ids(list: &Value) -> Vec<&str> {
    list.as_array().unwrap().iter().map(|result| result["id"].as_str().unwrap()).collect()
}

#[test]
fn a_placement_fills_in_what_a_request_leaves_out() {
    let root = shop::index();
    let running = Running::start(root.path(), shop::config());
    let answer = recommend(&running, &json!({"placement": "pdp-similar", "context": {"product": "000"}}));
    assert_eq!((&answer["intent"], &answer["stage"]), (&json!("similar"), &json!("discovery")));
    assert!(ids(&answer["results"]).len() <= 6);
    let results = answer["results"].as_array().unwrap();
    assert!(results.iter().all(|result| result["score"].as_f64().unwrap() >= 0.35), "{answer}");
    let asked = json!({"placement": "pdp-similar", "context": {"product": "000"}, "limit": 2, "min_score": 0});
    assert_eq!(ids(&recommend(&running, &asked)["results"]).len(), 2);
    // The same products as without a slot: the product on the page comes first, whatever was viewed before.
    let viewed = json!({"product": "000", "viewed": ["111", "222"]});
    let plain = json!({"intent": "similar", "context": viewed, "limit": 6, "min_score": 0.35});
    let placed = recommend(&running, &json!({"placement": "pdp-similar", "context": viewed}));
    assert_eq!(ids(&placed["results"]), ids(&recommend(&running, &plain)["results"]));
    let stage = json!({"placement": "home", "context": {"stage": "checkout", "cart": [{"id": "000"}]}});
    assert_eq!(recommend(&running, &stage)["stage"], "checkout");
    let (code, field) = running.post("/v1/shop/recommend", &json!({"placement": "crat"})).problem();
    assert_eq!((code.as_str(), field), ("placement_not_found", json!("placement")));
    let hint = running.post("/v1/shop/recommend", &json!({"placement": "crat"})).json()["hint"].to_string();
    assert!(hint.contains("post-purchase") && hint.contains("did you mean `cart`"), "{hint}");
}

#[test]
fn an_answer_can_be_explained_for_a_while_unless_the_shopper_refuses() {
    let root = shop::index();
    let running = Running::start(root.path(), shop::config());
    let request = json!({"placement": "pdp-similar", "context": {"product": "000"}, "include": ["trace"]});
    let answer = recommend(&running, &request);
    let shown = ids(&answer["results"]);
    assert_eq!(ids(&answer["trace"]["list"]["results"]), shown);
    let told = trace(&running, &answer, &format!("?why_not={}", shown[0])).json();
    assert_eq!(
        (&told["is_same"], &told["changed"], &told["why_not"]["step"]),
        (&json!(true), &json!([]), &json!("shown"))
    );
    assert_eq!((&told["trace"], &told["shown"]), (&answer["trace"], &json!(shown)));
    // What was shown first is sold out: the question is asked again, and says so.
    let patch = json!({"id": shown[0], "availability": "out_of_stock"});
    assert_eq!(running.patch("/v1/shop/products", &patch).status, 200);
    let told = trace(&running, &answer, &format!("?why_not={}", shown[0])).json();
    assert_eq!((&told["is_same"], &told["changed"]), (&json!(false), &json!(["products"])));
    let why_not = &told["why_not"];
    assert_eq!((&why_not["step"], &why_not["by"]), (&json!("kept_out"), &json!("out_of_stock")));
    let refused = json!({"placement": "pdp-similar", "context": {"product": "000"}, "consent": false});
    assert_eq!(trace(&running, &recommend(&running, &refused), "").problem().0, "recommendation_not_found");
    assert_eq!(running.send("DELETE", "/v1/shop/visitors/nobody", &[], b"").status, 200);
    assert_eq!(trace(&running, &answer, "").status, 404);
}

#[test]
fn nothing_is_kept_where_the_settings_say_so() {
    let root = shop::index();
    let running = Running::start(root.path(), ServerConfig { trace_keep_seconds: 0, ..shop::config() });
    let answer = recommend(&running, &json!({"context": {"product": "000"}}));
    assert_eq!(trace(&running, &answer, "").status, 404);
}
