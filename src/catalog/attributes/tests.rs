use super::*;
#[test]
fn dump() {
    let text = std::fs::read_to_string("/tmp/phones.jsonl").unwrap();
    let mut out = String::new();
    for line in text.lines() {
        let mut v: serde_json::Value = serde_json::from_str(line).unwrap();
        let cat: Vec<String> = v["product_type"].as_str().unwrap().split(" > ").map(str::to_owned).collect();
        v["product_type"] = serde_json::json!([cat]);
        for k in ["popularity", "color"] {
            v.as_object_mut().unwrap().remove(k);
        }
        let p: Product = serde_json::from_value(v).unwrap();
        let a: Vec<String> = attributes(&p)
            .iter()
            .map(|a| format!("{}={}{}", a.kind.word(), a, ["F", "T", "D"][a.origin as usize]))
            .collect();
        out += &format!("{} | {} | {}\n", p.title, p.effective_price().unwrap(), a.join("; "));
    }
    std::fs::write("/tmp/dump_phones.txt", out).unwrap();
    let text = std::fs::read_to_string("/tmp/gift_titles.txt").unwrap();
    let mut out = String::new();
    for line in text.lines() {
        let p: Product = serde_json::from_value(serde_json::json!({"id":"1","title":line})).unwrap();
        let a: Vec<String> = attributes(&p)
            .iter()
            .map(|a| format!("{}={}{}", a.kind.word(), a, ["F", "T", "D"][a.origin as usize]))
            .collect();
        out += &format!("{} | {}\n", p.title, a.join("; "));
    }
    std::fs::write("/tmp/dump_gift.txt", out).unwrap();
}
