//! Texts a second in both precisions on every core, and a single short text on one. Needs the model: `scripts/fetch_model`.

use std::hint::black_box;
use std::path::Path;
use std::time::Duration;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use kindred::embed::{EmbedConfig, Embedder, Precision};

const TEXT: &str = "AT&T GoPhone - Samsung Galaxy Express 3 4G LTE with 8GB Memory Prepaid Cell Phone. Grab your data and your \
    minutes as you go with this Samsung Galaxy 3 Express smartphone. The 4.5-inch Super AMOLED screen offers a dazzling \
    display for texting, gaming or scrolling the Internet. A microSD slot lets you add up to 128GB storage, and this \
    smartphone has a 5-megapixel camera for taking and sharing pictures.";
const NUM_TEXTS: usize = 100;

fn embed(criterion: &mut Criterion) {
    let model = Path::new(env!("CARGO_MANIFEST_DIR")).join("models/all-MiniLM-L6-v2");
    for precision in [Precision::F32, Precision::Fast] {
        let config = EmbedConfig { model: model.clone(), precision, ..EmbedConfig::default() };
        let embedder = Embedder::load(&config).expect("run scripts/fetch_model first");
        let texts: Vec<String> = (0..NUM_TEXTS).map(|text| format!("{text} {TEXT}")).collect();
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        let mut group = criterion.benchmark_group(format!("embed/{}", precision.name()));
        group.sample_size(10).measurement_time(Duration::from_secs(15));
        group.throughput(Throughput::Elements(NUM_TEXTS as u64));
        group.bench_function("bulk", |b| b.iter(|| embedder.embed(black_box(&texts), &|_| {})));
        group.throughput(Throughput::Elements(1));
        group.bench_function("one short text", |b| {
            b.iter(|| embedder.embed_one(black_box("red lunch bag for a kids birthday party")))
        });
        group.finish();
    }
}

criterion_group!(benches, embed);
criterion_main!(benches);
