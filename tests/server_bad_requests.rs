//! Every way of asking wrongly gets a problem document that names what is wrong, and leaves the server as it was.

mod shop;

use std::io::{Read, Write};
use std::net::Shutdown;
use std::sync::LazyLock;

use serde_json::{Value, json};
use shop::{Reply, Running};

static SERVER: LazyLock<(tempfile::TempDir, Running)> = LazyLock::new(|| {
    let root = shop::index();
    let running = Running::start(root.path(), shop::config());
    (root, running)
});

fn server() -> &'static Running {
    &SERVER.1
}

fn check(reply: &Reply, status: u16, code: &str, field: Value, request: &str) {
    let shown: String = request.chars().take(200).collect();
    assert_eq!((reply.status, reply.problem()), (status, (code.to_owned(), field)), "{shown}: {}", reply.text());
}

#[test]
fn a_wrong_field_is_named() {
    let many: Vec<String> = (0..1001).map(|id| id.to_string()).collect();
    let cases = [
        (json!({}), 400, "invalid_field", "context"),
        (json!({"context": {"product": "000"}, "limit": 0}), 400, "invalid_field", "limit"),
        (json!({"context": {"product": "000"}, "limit": 101}), 400, "invalid_field", "limit"),
        (json!({"context": {"product": "000"}, "limit": -1}), 400, "invalid_field", "limit"),
        (json!({"context": {"product": "000"}, "limit": 1.5}), 400, "invalid_field", "limit"),
        (json!({"context": {"product": 5}}), 400, "invalid_field", "context.product"),
        (json!({"context": {"products": many}}), 400, "invalid_field", "context.products"),
        (json!({"context": {"viewed": many}}), 400, "invalid_field", "context.viewed"),
        (json!({"context": {"product": "000"}, "exclude": many}), 400, "invalid_field", "exclude"),
        (json!({"context": {"query": " "}}), 400, "invalid_field", "context.query"),
        (json!({"context": {"query": "x".repeat(2001)}}), 400, "invalid_field", "context.query"),
        (
            json!({"context": {"cart": [{"id": "000"}, {"id": "1", "quantity": 0}]}}),
            400,
            "invalid_field",
            "context.cart[1].quantity",
        ),
        (json!({"context": {"cart": [{"quantity": 1}]}}), 400, "invalid_field", "context.cart[0].id"),
        (json!({"context": {"product": "000"}, "min_score": 1.5}), 400, "invalid_field", "min_score"),
        (json!({"context": {"product": "000"}, "price": {"relative_min": -1}}), 400, "invalid_field", "price"),
        (json!({"context": {"product": "000"}, "placement": "p".repeat(65)}), 400, "invalid_field", "placement"),
        (json!({"context": {"product": "000"}, "placement": ""}), 400, "invalid_field", "placement"),
        (json!({"context": {"product": "000"}, "placement": "pdp"}), 404, "placement_not_found", "placement"),
        (json!({"placement": "home", "context": {"stage": "late"}}), 400, "invalid_field", "context.stage"),
        (json!({"context": {"product": "000"}, "session_id": "s".repeat(257)}), 400, "invalid_field", "session_id"),
        (json!({"context": {"product": "000"}, "include": ["product", "traces"]}), 400, "invalid_field", "include[1]"),
        (json!({"context": {"product": "000"}, "intent": "sell"}), 400, "invalid_field", "intent"),
        (json!({"intent": "bundle"}), 400, "invalid_field", "context"),
        (json!({"intent": "cross_sell"}), 400, "invalid_field", "context"),
        (
            json!({"context": {"product": "000", "free_shipping_over": "fifty"}, "intent": "cross_sell"}),
            400,
            "invalid_field",
            "context.free_shipping_over",
        ),
        (json!({"intent": "upsell"}), 400, "invalid_field", "context"),
        (
            json!({"context": {"product": "000", "looked_s": -1}, "intent": "upsell"}),
            400,
            "invalid_field",
            "context.looked_s",
        ),
        (json!({"context": {"product": "000"}, "language": ""}), 400, "invalid_field", "language"),
        (json!({"context": {"product": "000"}, "colour": 1}), 400, "unknown_field", "colour"),
        (json!({"context": {"products": ["000"], "item": 1}}), 400, "unknown_field", "context.item"),
        (
            json!({"context": {"product": "000"}, "filter": {"must": [{"key": "brand"}]}}),
            400,
            "invalid_filter",
            "filter.must[0]",
        ),
        (
            json!({"context": {"product": "000"}, "filter": {"must": [{"key": "shape", "match": "x"}]}}),
            400,
            "invalid_filter",
            "filter.must[0].key",
        ),
        (
            json!({"context": {"product": "000"}, "filter": {"must": [{"key": "price", "range": {"gte": "5 ZZZ"}}]}}),
            400,
            "invalid_filter",
            "filter.must[0].range.gte",
        ),
    ];
    for (request, status, code, field) in cases {
        check(&server().post("/v1/shop/recommend", &request), status, code, json!(field), &request.to_string());
    }
    let searches = [
        (json!({"query": ""}), "invalid_field", "query"),
        (json!({}), "invalid_field", "query"),
        (json!({"query": "bag", "limit": 0}), "invalid_field", "limit"),
        (json!({"query": "bag", "text": "bag"}), "unknown_field", "text"),
    ];
    for (request, code, field) in searches {
        check(&server().post("/v1/shop/search", &request), 400, code, json!(field), &request.to_string());
    }
}

#[test]
fn a_body_that_is_no_json_is_refused() {
    let deep = "[".repeat(100_000);
    let deep_filter = format!(r#"{{"filter":{}"#, r#"{"must":["#.repeat(50_000));
    let bodies: [(&[u8], &str); 9] = [
        (b"", "invalid_json"),
        (b" \n ", "invalid_json"),
        (br#"{"context":{"product":"000"#, "invalid_json"),
        (br#"{"limit":NaN}"#, "invalid_json"),
        (br#"{"min_score":1e400}"#, "invalid_json"),
        (b"{\"context\":{\"product\":\"\xff\xfe\"}}", "invalid_json"),
        (b"[]", "invalid_field"),
        (deep.as_bytes(), "invalid_field"),
        // Filters may stand in filters, but not as deep as no reader goes.
        (deep_filter.as_bytes(), "invalid_json"),
    ];
    for path in ["/v1/shop/recommend", "/v1/shop/search"] {
        for (body, code) in bodies {
            let reply = server().send("POST", path, &[("content-type", "application/json; charset=utf-8")], body);
            let shown = String::from_utf8_lossy(&body[..body.len().min(60)]).into_owned();
            let (found, _) = reply.problem();
            let is_json_fault = found == "invalid_json" || found == code || found == "unknown_field";
            assert!(reply.status == 400 && is_json_fault, "{shown}: {}", reply.text());
        }
    }
}

#[test]
fn a_wrong_content_type_is_refused() {
    let body = br#"{"context":{"product":"000"}}"#;
    for headers in
        [&[][..], &[("content-type", "text/plain")], &[("content-type", "application/x-www-form-urlencoded")]]
    {
        let reply = server().send("POST", "/v1/shop/recommend", headers, body);
        check(&reply, 415, "unsupported_media_type", json!("Content-Type"), &format!("{headers:?}"));
    }
    let vendor = server().send("POST", "/v1/shop/recommend", &[("content-type", "Application/vnd.shop+JSON")], body);
    assert_eq!(vendor.status, 200);
}

#[test]
fn a_body_over_the_limit_is_refused_and_the_client_gets_to_read_it() {
    let body = vec![b' '; 10 << 20];
    let reply = server().send("POST", "/v1/shop/recommend", &[("content-type", "application/json")], &body);
    check(&reply, 413, "body_too_large", Value::Null, "10 MiB");
    let expects = [("content-type", "application/json"), ("expect", "100-continue"), ("content-length", "99999999")];
    let mut connection = server().connect();
    let head = expects.map(|(name, value)| format!("{name}: {value}\r\n")).concat();
    connection.write_all(format!("POST /v1/shop/search HTTP/1.1\r\nhost: shop\r\n{head}\r\n").as_bytes()).unwrap();
    let mut bytes = Vec::new();
    connection.read_to_end(&mut bytes).unwrap();
    check(&Reply::parse(&bytes), 413, "body_too_large", Value::Null, "expect");
}

#[test]
fn a_wrong_address_is_refused() {
    let products = "/v1/shop/recommendations/products.json";
    let get = [
        ("/".to_owned(), 404, "route_not_found", Value::Null),
        ("/v1/shop".to_owned(), 404, "route_not_found", Value::Null),
        ("/v1/shop/products/".to_owned(), 404, "route_not_found", Value::Null),
        ("/v1/none/products/000".to_owned(), 404, "catalog_not_found", json!("catalog")),
        ("/v1/..%2Fshop/products/000".to_owned(), 404, "catalog_not_found", json!("catalog")),
        ("/v1/shop/products/nope".to_owned(), 404, "product_not_found", json!("id")),
        ("/v1/shop/products/%FF".to_owned(), 400, "invalid_address", json!("id")),
        ("/v1/%FF/search?q=a".to_owned(), 400, "invalid_address", json!("catalog")),
        ("/v1/shop/recommend".to_owned(), 405, "method_not_allowed", Value::Null),
        ("/v1/shop/search".to_owned(), 400, "invalid_field", json!("q")),
        ("/v1/shop/search?q=%FF".to_owned(), 400, "invalid_address", json!("q")),
        ("/v1/shop/search?q=++".to_owned(), 400, "invalid_field", json!("q")),
        ("/v1/shop/search?q=a&q=b".to_owned(), 400, "invalid_field", json!("q")),
        (products.to_owned(), 400, "invalid_field", json!("product_id")),
        (format!("{products}?product_id=nope"), 404, "product_not_found", json!("product_id")),
        (format!("{products}?product_id=000&limit=11"), 400, "invalid_field", json!("limit")),
        (format!("{products}?product_id=000&limit=NaN"), 400, "invalid_field", json!("limit")),
        (format!("{products}?product_id=000&limit=4&limit=5"), 400, "invalid_field", json!("limit")),
        (
            "/v1/shop/recommendations/01JD5Q4G3X1M6Z8T0V9K2B7R5C/trace".into(),
            404,
            "recommendation_not_found",
            json!("recommendation_id"),
        ),
        ("/v1/shop/recommendations/x/trace?why=1".into(), 400, "unknown_field", json!("why")),
        (format!("{products}?product_id=000&intent=alike"), 400, "invalid_field", json!("intent")),
        (format!("{products}?product_id=000&size=3"), 400, "unknown_field", json!("size")),
    ];
    for (path, status, code, field) in get {
        check(&server().get(&path), status, code, field, &path);
    }
    let posted = server().post("/v1/none/recommend", &json!({"context": {"product": "000"}}));
    check(&posted, 404, "catalog_not_found", json!("catalog"), "post");
    for (method, path) in [("PUT", "/v1/shop/products/000"), ("PUT", "/healthz/live"), ("PATCH", "/v1/shop/search")] {
        let reply = server().send(method, path, &[], b"");
        check(&reply, 405, "method_not_allowed", Value::Null, path);
        assert!(reply.header("allow").is_some());
    }
}

#[test]
fn bytes_that_are_no_request_do_no_harm() {
    let long = format!("GET /{} HTTP/1.1\r\n\r\n", "x".repeat(1 << 20));
    let garbage: [&[u8]; 5] =
        [b"\0\xff\r\n\r\n", b"GET\r\n\r\n", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", long.as_bytes(), b""];
    for bytes in garbage {
        let mut connection = server().connect();
        // The server may close before it has all of it.
        let _ = connection.write_all(bytes);
        let _ = connection.shutdown(Shutdown::Write);
        let mut answer = Vec::new();
        let _ = connection.read_to_end(&mut answer);
        assert!(answer.is_empty() || answer.starts_with(b"HTTP/1.1 4"), "{:?}", String::from_utf8_lossy(&answer));
    }
    assert_eq!(server().get("/healthz/live").status, 200);
}
