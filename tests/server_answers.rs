//! What the server answers over real HTTP, checked against the products themselves.

mod shop;

use std::collections::{BTreeSet, HashMap};
use std::sync::LazyLock;

use serde_json::{Value, json};
use shop::Running;

/// One server for all tests of this file; none of them changes its catalogs.
static SERVER: LazyLock<(tempfile::TempDir, Running)> = LazyLock::new(|| {
    let root = shop::index();
    let running = Running::start(root.path(), shop::config());
    (root, running)
});

fn server() -> &'static Running {
    &SERVER.1
}

/// Product records by id.
fn records() -> HashMap<String, Value> {
    shop::records().into_iter().map(|record| (record["id"].as_str().unwrap().to_owned(), record)).collect()
}

fn family(record: &Value) -> &str {
    record["item_group_id"].as_str().unwrap_or(record["id"].as_str().unwrap())
}

fn keys(value: &Value) -> BTreeSet<String> {
    value.as_object().unwrap().keys().cloned().collect()
}

#[test]
fn an_answer_has_the_contract_s_shape_and_carries_the_records_as_they_are() {
    let request = json!({"placement": "pdp-similar", "context": {"product": "000"}, "limit": 5, "include": ["product"],
                         "visitor_id": "v", "session_id": "s", "user_id": "u", "consent": false});
    let answer = server().post("/v1/shop/recommend", &request).json();
    let names = [
        "recommendation_id",
        "placement",
        "intent",
        "stage",
        "generation",
        "title",
        "experiment",
        "results",
        "fallback",
        "fewer_because",
        "fewer_because_rule",
        "bundle",
        "rules_version",
        "rules",
        "missing_ids",
        "took_ms",
    ];
    assert_eq!(keys(&answer), names.map(String::from).into());
    assert_eq!(answer["recommendation_id"].as_str().unwrap().len(), 26);
    assert_eq!(
        (&answer["placement"], &answer["intent"], &answer["generation"]),
        (&json!("pdp-similar"), &json!("similar"), &json!("gen-000001"))
    );
    assert_eq!(
        (&answer["experiment"], &answer["fallback"], &answer["fewer_because"]),
        (&Value::Null, &Value::Null, &Value::Null)
    );
    let results = answer["results"].as_array().unwrap();
    assert_eq!(results.len(), 5);
    let records = records();
    let mut last = 1.0;
    for (at, result) in results.iter().enumerate() {
        let score = result["score"].as_f64().unwrap();
        assert_eq!((&result["rank"], &result["sources"]["similar"]), (&json!(at + 1), &result["score"]));
        assert!((0.0..=last).contains(&score), "{result}");
        assert_eq!(result["product"], records[result["id"].as_str().unwrap()]);
        last = score;
    }
    let plain = server().post("/v1/shop/recommend", &json!({"context": {"product": "000"}})).json();
    assert_eq!(keys(&plain["results"][0]), ["id", "rank", "score", "sources"].map(String::from).into());
}

#[test]
fn similar_products_are_the_same_kind_of_thing() {
    let records = records();
    for (product, thing) in [("000", "retrospot bag"), ("110", "phone case"), ("330", "tea mug")] {
        for id in server().recommended(&json!({"context": {"product": product}, "limit": 3})) {
            assert!(records[&id]["title"].as_str().unwrap().ends_with(thing), "{product} → {id}");
        }
    }
}

#[test]
fn one_a_family_and_never_itself_the_cart_or_the_excluded() {
    let records = records();
    for product in ["000", "121", "500", "a/b"] {
        let request = json!({"context": {"product": product, "cart": [{"id": "010"}, {"id": "210", "quantity": 3}]},
                             "exclude": ["200", "201"], "limit": 100});
        let ids = server().recommended(&request);
        let families: BTreeSet<&str> = ids.iter().map(|id| family(&records[id])).collect();
        assert_eq!(families.len(), ids.len(), "{product}: {ids:?}");
        assert!(!families.contains(family(&records[product])), "{product}: {ids:?}");
        for never in [product, "010", "210", "200", "201"] {
            assert!(!ids.iter().any(|id| id == never), "{never}: {ids:?}");
        }
    }
}

#[test]
fn graph_search_agrees_with_scoring_every_product() {
    for product in ["000", "130", "521"] {
        let exact = server().recommended(&json!({"context": {"product": product}, "exact": true}));
        assert_eq!(server().recommended(&json!({"context": {"product": product}})), exact);
    }
}

/// A slow reading of one condition over one product record.
fn holds(condition: &Value, record: &Value) -> bool {
    let key = condition["key"].as_str().unwrap();
    if let Some(range) = condition.get("range") {
        let price = record.get("sale_price").or(record.get("price")).and_then(Value::as_str).unwrap_or_default();
        let Some((amount, currency)) = price.split_once(' ') else { return false };
        let amount: f64 = amount.parse().unwrap();
        return range.as_object().unwrap().iter().all(|(name, bound)| {
            let bound = match bound.as_str().and_then(|text| text.split_once(' ')) {
                Some((_, of)) if of != currency => return false,
                Some((bound, _)) => bound.parse().unwrap(),
                None => bound.as_f64().unwrap(),
            };
            match name.as_str() {
                "gt" => amount > bound,
                "gte" => amount >= bound,
                "lt" => amount < bound,
                _ => amount <= bound,
            }
        });
    }
    let wanted: Vec<String> = match &condition["match"] {
        Value::Array(values) => values.iter().map(|value| value.as_str().unwrap().to_lowercase()).collect(),
        value => vec![value.as_str().unwrap().to_lowercase()],
    };
    let values: Vec<String> = match key {
        "category" => {
            let path: Vec<&str> = record["product_type"][0]
                .as_array()
                .map_or(vec![], |path| path.iter().map(|name| name.as_str().unwrap()).collect());
            (1..=path.len()).flat_map(|depth| [path[depth - 1].to_owned(), path[..depth].join(" > ")]).collect()
        }
        "family" => vec![family(record).to_owned()],
        "brand" | "availability" | "id" => record[key].as_str().map(str::to_owned).into_iter().collect(),
        _ => record["attributes"][key]
            .as_array()
            .map_or(vec![], |values| values.iter().map(|value| value.as_str().unwrap().to_owned()).collect()),
    };
    values.iter().any(|value| wanted.contains(&value.to_lowercase()))
}

#[test]
fn a_filter_lets_through_what_a_slow_reading_of_the_records_does() {
    let filters = [
        json!({"must": [{"key": "brand", "match": "ACME"}]}),
        json!({"must": [{"key": "category", "match": "Carry"}], "must_not": [{"key": "color", "match": "red"}]}),
        json!({"must": [{"key": "category", "match": "home > live > tea mug"}]}),
        json!({"must": [{"key": "price", "range": {"gte": 10, "lt": 21}}]}),
        json!({"must": [{"key": "price", "range": {"gt": "8.25 USD"}}]}),
        json!({"should": [{"key": "size", "match": ["mini", "jumbo"]}, {"key": "category", "match": "wool scarf"}]}),
        json!({"must": [{"key": "availability", "match": "out_of_stock"}]}),
        json!({"must": [{"key": "brand", "match": "Nobody"}]}),
        json!({"must_not": [{"key": "family", "match": "family-01"}, {"key": "id", "match": ["a/b", "020"]}]}),
    ];
    let records = records();
    let list = |filter: &Value, name: &str| filter[name].as_array().cloned().unwrap_or_default();
    for filter in &filters {
        let names_stock = filter.to_string().contains("availability");
        let allowed = |record: &&Value| {
            let should = list(filter, "should");
            list(filter, "must").iter().all(|condition| holds(condition, record))
                && (should.is_empty() || should.iter().any(|condition| holds(condition, record)))
                && !list(filter, "must_not").iter().any(|condition| holds(condition, record))
                && (names_stock || record["availability"] != "out_of_stock")
                && family(record) != "family-00"
        };
        let expected: BTreeSet<&str> = records.values().filter(allowed).map(family).collect();
        let ids = server().recommended(&json!({"context": {"product": "000"}, "limit": 100, "filter": filter}));
        assert!(ids.iter().all(|id| allowed(&&records[id])), "{filter}: {ids:?}");
        let found: BTreeSet<&str> = ids.iter().map(|id| family(&records[id])).collect();
        assert_eq!(found, expected, "{filter}");
    }
}

#[test]
fn unknown_products_are_named_and_the_rest_answers() {
    let answer = |context: Value| server().post("/v1/shop/recommend", &json!({"context": context, "limit": 3})).json();
    let some = answer(json!({"products": ["nope", "000", "nope"]}));
    assert_eq!((&some["missing_ids"], some["results"].as_array().unwrap().len()), (&json!(["nope"]), 3));
    let none = answer(json!({"product": "nope"}));
    assert_eq!(
        (&none["missing_ids"], &none["results"], &none["fewer_because"]),
        (&json!(["nope"]), &json!([]), &json!("unknown_products"))
    );
}

#[test]
fn text_finds_products_by_post_and_by_address() {
    let posted = server()
        .post("/v1/shop/search", &json!({"query": "a lamp with glass", "limit": 4, "include": ["product"]}))
        .json();
    let fetched = server().get("/v1/shop/search?q=a+lamp%20with+glass&limit=4").json();
    assert_eq!(posted["results"], fetched["results"]);
    assert!(posted["results"][0]["product"]["title"].as_str().unwrap().ends_with("glass lantern"), "{posted}");
    let ids = server().recommended(&json!({"context": {"query": "a lamp with glass"}, "limit": 4}));
    let found: Vec<&str> =
        posted["results"].as_array().unwrap().iter().map(|result| result["id"].as_str().unwrap()).collect();
    assert_eq!(ids, found);
}

#[test]
fn every_product_is_found_under_its_percent_encoded_id() {
    let encode = |id: &str| id.bytes().map(|byte| format!("%{byte:02X}")).collect::<String>();
    for (id, record) in records() {
        let reply = server().get(&format!("/v1/shop/products/{}", encode(&id)));
        assert_eq!(reply.status, 200, "{id}: {}", reply.text());
        let answer = reply.json();
        assert_eq!((&answer["product"], &answer["id"], &answer["catalog"]), (&record, &json!(id), &json!("shop")));
        let price = record.get("sale_price").or(record.get("price")).unwrap();
        assert_eq!(&answer["effective_price"], price);
    }
    for path in ["a/b", "/lead"] {
        assert_eq!(server().get(&format!("/v1/shop/products/{path}")).status, 200, "{path}");
    }
}

#[test]
fn shopify_s_call_answers_in_shopify_s_shape() {
    let answer = server().get("/v1/shop/recommendations/products.json?product_id=000&limit=4&intent=related").json();
    let products = answer["products"].as_array().unwrap();
    let ids: Vec<&str> = products.iter().map(|product| product["id"].as_str().unwrap()).collect();
    assert_eq!(ids, server().recommended(&json!({"context": {"product": "000"}, "limit": 4})));
    let records = records();
    for product in products {
        let record = &records[product["id"].as_str().unwrap()];
        let minor = |field: &str| {
            record[field].as_str().map(|price| price.replace(" USD", "").replace('.', "").parse::<i64>().unwrap())
        };
        assert_eq!(
            (&product["title"], &product["handle"], &product["vendor"]),
            (&record["title"], &record["item_group_id"], &record["brand"])
        );
        assert_eq!(product["price"].as_i64(), minor("sale_price").or(minor("price")));
        assert_eq!(product["compare_at_price"].as_i64(), minor("sale_price").and(minor("price")));
    }
    assert_eq!(
        server().get("/v1/shop/recommendations/products.json?product_id=a%2Fb").json()["products"]
            .as_array()
            .unwrap()
            .len(),
        10
    );
}

#[test]
fn head_and_options_say_what_there_is() {
    let head = server().send("HEAD", "/v1/catalogs", &[], b"");
    assert_eq!((head.status, head.body.len()), (200, 0));
    let options = server().send("OPTIONS", "/v1/shop/search", &[], b"");
    assert_eq!(options.status, 204);
    let allow: BTreeSet<&str> = options.header("allow").unwrap().split(',').map(str::trim).collect();
    assert_eq!(allow, ["get", "head", "post"].into());
    assert_eq!(options.header("access-control-allow-origin"), None);
}

#[test]
fn an_allowed_origin_may_call_from_the_browser() {
    let config =
        kindred::server::ServerConfig { cors_allow_origins: vec!["https://shop.example".into()], ..shop::config() };
    let running = Running::start(SERVER.0.path(), config);
    let ask = |origin| {
        let headers = [
            ("origin", origin),
            ("access-control-request-method", "POST"),
            ("access-control-request-headers", "content-type"),
        ];
        running.send("OPTIONS", "/v1/shop/recommend", &headers, b"")
    };
    assert_eq!(ask("https://shop.example").header("access-control-allow-origin"), Some("https://shop.example"));
    assert_eq!(ask("https://other.example").header("access-control-allow-origin"), None);
}

/// Looks a `$ref` up in the document.
fn resolve<'a>(api: &'a Value, schema: &'a Value) -> &'a Value {
    match schema["$ref"].as_str() {
        Some(place) => {
            api.pointer(place.trim_start_matches('#')).unwrap_or_else(|| panic!("{place} is not in the document"))
        }
        None => schema,
    }
}

/// The fields that a schema describes, those of its parts included; none when it describes no fields.
fn fields(api: &Value, schema: &Value) -> BTreeSet<String> {
    let schema = resolve(api, schema);
    let parts = schema["allOf"].as_array().into_iter().flatten();
    let own = schema.get("properties").map(keys).unwrap_or_default();
    parts.flat_map(|part| fields(api, part)).chain(own).collect()
}

#[test]
fn the_openapi_document_lists_every_route_and_describes_the_real_answers() {
    let api = server().get("/openapi.json").json();
    let kept = server().post("/v1/shop/recommend", &json!({"context": {"product": "000"}})).json();
    let id = kept["recommendation_id"].as_str().unwrap();
    let kept = format!("/v1/shop/recommendations/{id}/trace?why_not=001");
    let calls = [
        (
            "post",
            "/v1/{catalog}/recommend",
            server().post("/v1/shop/recommend", &json!({"context": {"product": "000"}, "include": ["trace"]})),
        ),
        ("get", "/v1/{catalog}/recommendations/{recommendation_id}/trace", server().get(&kept)),
        ("post", "/v1/{catalog}/search", server().post("/v1/shop/search", &json!({"query": "bag"}))),
        ("get", "/v1/{catalog}/search", server().get("/v1/shop/search?q=bag")),
        (
            "get",
            "/v1/{catalog}/recommendations/products.json",
            server().get("/v1/shop/recommendations/products.json?product_id=000"),
        ),
        ("get", "/v1/{catalog}/products/{id}", server().get("/v1/shop/products/000")),
        ("patch", "/v1/{catalog}/products", server().patch("/v1/shop/products", &json!([]))),
        ("post", "/v1/{catalog}/products", server().post("/v1/shop/products", &json!([]))),
        ("delete", "/v1/{catalog}/products", server().delete("/v1/shop/products", &json!({"ids": []}))),
        ("delete", "/v1/{catalog}/products/{id}", server().send("DELETE", "/v1/shop/products/nobody", &[], b"")),
        ("post", "/v1/{catalog}/events", server().post("/v1/shop/events", &json!([]))),
        ("get", "/v1/{catalog}/visitors/{id}", server().get("/v1/shop/visitors/nobody")),
        ("delete", "/v1/{catalog}/visitors/{id}", server().send("DELETE", "/v1/shop/visitors/nobody", &[], b"")),
        ("get", "/v1/{catalog}/rules", server().get("/v1/shop/rules")),
        (
            "put",
            "/v1/{catalog}/rules",
            server().send("PUT", "/v1/shop/rules", &[("content-type", "application/json"), ("if-match", "*")], b"{}"),
        ),
        ("post", "/v1/{catalog}/rules/dry-run", server().post("/v1/shop/rules/dry-run?questions=5", &json!({}))),
        ("get", "/v1/{catalog}/rules/history", server().get("/v1/shop/rules/history")),
        ("get", "/v1/{catalog}/rules/report", server().get("/v1/shop/rules/report")),
        ("get", "/v1/catalogs", server().get("/v1/catalogs")),
        ("get", "/healthz/live", server().get("/healthz/live")),
        ("get", "/healthz/ready", server().get("/healthz/ready")),
        ("get", "/metrics", server().get("/metrics")),
        ("get", "/openapi.json", server().get("/openapi.json")),
    ];
    let mut listed = BTreeSet::new();
    for (path, item) in api["paths"].as_object().unwrap() {
        listed.extend(keys(item).into_iter().map(|method| (method, path.clone())));
    }
    let called: BTreeSet<(String, String)> =
        calls.iter().map(|(method, path, _)| (method.to_string(), path.to_string())).collect();
    assert_eq!(listed, called);
    for (method, path, reply) in &calls {
        assert_eq!(reply.status, 200, "{path}");
        let responses = &api["paths"][path][method]["responses"];
        let described = fields(&api, &responses["200"]["content"]["application/json"]["schema"]);
        if described.is_empty() {
            assert!(["/metrics", "/openapi.json"].contains(path), "{path} has no described fields");
        } else {
            assert_eq!(described, keys(&reply.json()), "{method} {path}");
        }
    }
    let wrong = server().post("/v1/shop/recommend", &json!({"limit": 0}));
    let problem = &api["paths"]["/v1/{catalog}/recommend"]["post"]["responses"]["4XX"]["content"]["application/problem+json"]
        ["schema"];
    assert_eq!(keys(&resolve(&api, problem)["properties"]), keys(&wrong.json()));
    let text = api.to_string();
    for part in text.split("\"$ref\":\"").skip(1) {
        let place = part.split('"').next().unwrap();
        assert!(api.pointer(place.trim_start_matches('#')).is_some(), "{place} is missing");
    }
    let names = |name: &str| keys(&api["components"]["schemas"][name]["properties"]);
    assert!(
        names("RecommendRequest")
            .is_superset(&["placement", "intent", "context", "filter", "price", "consent"].map(String::from).into())
    );
}

/// The value of the one line that starts with `series`.
fn figure(metrics: &str, series: &str) -> f64 {
    let line = metrics.lines().find(|line| line.strip_prefix(series).is_some_and(|rest| rest.starts_with(' ')));
    line.and_then(|line| line.rsplit(' ').next()?.parse().ok()).unwrap_or_else(|| panic!("no {series} in\n{metrics}"))
}

#[test]
fn the_figures_count_what_was_asked() {
    let running = Running::start(SERVER.0.path(), shop::config());
    for _ in 0..3 {
        running.recommended(&json!({"context": {"product": "000"}}));
    }
    running.post("/v1/shop/recommend", &json!({"limit": 0}));
    running.get("/nowhere");
    let reply = running.get("/metrics");
    assert_eq!(reply.header("content-type"), Some("text/plain; version=0.0.4; charset=utf-8"));
    let metrics = reply.text();
    let route = "/v1/{catalog}/recommend";
    assert_eq!(figure(&metrics, &format!("kindred_http_requests_total{{route=\"{route}\",status=\"200\"}}")), 3.0);
    assert_eq!(figure(&metrics, &format!("kindred_http_requests_total{{route=\"{route}\",status=\"400\"}}")), 1.0);
    assert_eq!(figure(&metrics, "kindred_http_requests_total{route=\"none\",status=\"404\"}"), 1.0);
    assert_eq!(figure(&metrics, &format!("kindred_http_request_duration_seconds_count{{route=\"{route}\"}}")), 4.0);
    assert_eq!(figure(&metrics, "kindred_http_requests_in_flight"), 1.0);
    assert_eq!(figure(&metrics, "kindred_catalog_products{catalog=\"shop\"}"), 52.0);
    assert_eq!(figure(&metrics, "kindred_generation_info{catalog=\"shop\",generation=\"gen-000001\"}"), 1.0);
    assert_eq!(figure(&metrics, "kindred_reloads_total{catalog=\"shop\",result=\"ok\"}"), 1.0);
    assert!(figure(&metrics, "kindred_http_connections") >= 1.0);
}
