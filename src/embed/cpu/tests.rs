//! Every kernel, on every instruction set that this processor has, against the plain loop; and the whole encoder against
//! Candle's own operators.

use candle_core::{Device, Tensor};
use proptest::prelude::*;

#[cfg(target_arch = "x86_64")]
use super::amx::Amx;
use super::attention::{Attend, AttentionBuffers, Heads};
use super::bert::CpuBert;
use super::byte_product::{ByteProduct, MAX_INPUTS};
use super::bytes::{BytePanels, ByteRows};
use super::functions::{BiasThen, Identity};
use super::lanes::InstructionSet;
use super::linear::Machine;
use super::norm::{AddNorm, Norm};
use super::product::{Panels, Product, Rows};
use crate::embed::Precision;
use crate::embed::bert::BertEncoder;
use crate::embed::encoder::Encoder;
use crate::embed::model_dir::{Activation, EncoderShape, Pooling};
use crate::embed::stages::Stopwatch;
use crate::embed::weights::{Affine, BertWeights, BlockWeights};

/// SplitMix64 (Steele, Lea, Flood 2014), as numbers in [-1, 1).
struct Draw(u64);

impl Draw {
    fn numbers(&mut self, count: usize) -> Vec<f32> {
        (0..count).map(|_| self.next() as f32).collect()
    }

    fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ (z >> 31)) >> 11) as f64 / (1u64 << 52) as f64 - 1.0
    }
}

fn dot(a: &[f32], b: &[f32]) -> f64 {
    a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum()
}

fn product(set: InstructionSet, rows: &[f32], inputs: usize, weight: &[f32], bias: &[f32]) -> (Vec<f32>, usize) {
    let panels = Panels::pack(weight, inputs, set.panel(), 1.0);
    let columns = panels.num_panels * set.panel();
    let mut padded_bias = bias.to_vec();
    padded_bias.resize(columns, 0.0);
    let num_rows = rows.len() / inputs;
    let mut out = vec![f32::NAN; num_rows * columns];
    set.run(Product {
        num_rows,
        rows: Rows { numbers: rows, stride: inputs },
        inputs,
        panels: &panels.numbers,
        out: &mut out,
        out_stride: columns,
        finish: BiasThen::<Identity>::new(&padded_bias),
    });
    (out, columns)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn products_agree_with_the_plain_loop(num_rows in 1usize..40, inputs in 1usize..70, outputs in 1usize..70, seed: u64) {
        let mut draw = Draw(seed);
        let (rows, weight, bias) = (draw.numbers(num_rows * inputs), draw.numbers(outputs * inputs), draw.numbers(outputs));
        for set in InstructionSet::available() {
            let (out, columns) = product(set, &rows, inputs, &weight, &bias);
            for (row, out) in rows.chunks_exact(inputs).zip(out.chunks_exact(columns)) {
                for output in 0..columns {
                    let expected = match weight.get(output * inputs..(output + 1) * inputs) {
                        Some(weight) => dot(row, weight) + f64::from(bias[output]),
                        None => 0.0,
                    };
                    prop_assert!((f64::from(out[output]) - expected).abs() < 1e-4, "{}", set.name());
                }
            }
        }
    }

    #[test]
    fn a_row_of_a_product_does_not_depend_on_the_rows_beside_it(num_rows in 1usize..40, seed: u64) {
        let (inputs, mut draw) = (33, Draw(seed));
        let (rows, weight) = (draw.numbers(num_rows * inputs), draw.numbers(20 * inputs));
        for set in InstructionSet::available() {
            let (together, columns) = product(set, &rows, inputs, &weight, &[0.5; 20]);
            for (row, together) in rows.chunks_exact(inputs).zip(together.chunks_exact(columns)) {
                prop_assert_eq!(&product(set, row, inputs, &weight, &[0.5; 20]).0[..], together);
            }
        }
    }

    #[test]
    fn byte_products_agree_with_the_plain_loop_over_the_same_bytes(
        num_rows in 1usize..70, inputs in 1usize..200, outputs in 1usize..70, seed: u64,
    ) {
        let mut draw = Draw(seed);
        let (rows, weight) = (draw.numbers(num_rows * inputs), draw.numbers(outputs * inputs));
        for set in InstructionSet::available() {
            // Activations are padded to whole vectors.
            let stride = inputs.next_multiple_of(set.panel());
            let mut padded = vec![0.0; num_rows * stride];
            rows.chunks_exact(inputs).zip(padded.chunks_exact_mut(stride)).for_each(|(row, to)| to[..inputs].copy_from_slice(row));
            let mut bytes = ByteRows::default();
            bytes.quantise(set, num_rows, Rows { numbers: &padded, stride }, inputs);
            let panels = BytePanels::pack(&weight, inputs, set.panel(), 1.0);
            let plain = byte_product(set, num_rows, &bytes, &panels, false);
            prop_assert_eq!(&plain, &byte_product(set, num_rows, &bytes, &panels, true), "tiles change nothing");
            for row in 0..num_rows {
                let taken = restored(&bytes, row, inputs);
                let step = f64::from(bytes.scale[row]);
                for (x, taken) in rows[row * inputs..].iter().zip(&taken) {
                    prop_assert!((f64::from(*x) - taken).abs() <= step * 0.51, "{} became {}", x, taken);
                }
                for output in 0..outputs {
                    let expected = restored_dot(&taken, &weight[output * inputs..(output + 1) * inputs]);
                    let found = f64::from(plain[row * panels.num_panels * set.panel() + output]);
                    prop_assert!((found - expected).abs() < 1e-3, "{}: {} and not {}", set.name(), found, expected);
                }
            }
        }
    }

    #[test]
    fn a_row_of_bytes_with_a_number_that_is_none_has_no_result_and_spoils_no_other(
        num_rows in 2usize..40, inputs in 1usize..200, at: prop::sample::Index, seed: u64,
    ) {
        let weight = Draw(seed).numbers(20 * inputs);
        for set in InstructionSet::available() {
            let stride = inputs.next_multiple_of(set.panel());
            let (spoiled, input) = (at.index(num_rows), at.index(inputs));
            for special in [f32::NAN, -f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
                let mut numbers = Draw(seed).numbers(num_rows * stride);
                numbers.chunks_exact_mut(stride).for_each(|row| row[inputs..].fill(0.0));
                numbers[spoiled * stride + input] = special;
                let mut bytes = ByteRows::default();
                bytes.quantise(set, num_rows, Rows { numbers: &numbers, stride }, inputs);
                let panels = BytePanels::pack(&weight, inputs, set.panel(), 1.0);
                let out = byte_product(set, num_rows, &bytes, &panels, true);
                for (row, out) in out.chunks_exact(panels.num_panels * set.panel()).enumerate() {
                    prop_assert!(out[..20].iter().all(|x| x.is_nan() == (row == spoiled)), "{}: {}", set.name(), special);
                }
            }
        }
    }
}

#[test]
fn the_widest_layer_of_the_greatest_bytes_does_not_overflow() {
    let inputs = MAX_INPUTS;
    for set in InstructionSet::available() {
        let stride = inputs.next_multiple_of(set.panel());
        let mut numbers = vec![0.0; stride];
        numbers[..inputs].fill(1.0);
        let mut bytes = ByteRows::default();
        bytes.quantise(set, 1, Rows { numbers: &numbers, stride }, inputs);
        for weight in [1.0, -1.0] {
            let panels = BytePanels::pack(&vec![weight; inputs], inputs, set.panel(), 1.0);
            for with_tiles in [false, true] {
                let out = byte_product(set, 1, &bytes, &panels, with_tiles)[0];
                let exact = weight * inputs as f32;
                assert!((out / exact - 1.0).abs() < 1e-5, "{}: {out} and not {exact}", set.name());
            }
        }
    }
}

#[cfg_attr(not(target_arch = "x86_64"), expect(unused_variables))]
fn byte_product(
    set: InstructionSet,
    num_rows: usize,
    rows: &ByteRows,
    panels: &BytePanels,
    with_tiles: bool,
) -> Vec<f32> {
    let out_stride = panels.num_panels * set.panel();
    let (mut out, bias) = (vec![f32::NAN; num_rows * out_stride], vec![0.0; out_stride]);
    set.run(ByteProduct {
        num_rows,
        rows,
        panels,
        out: &mut out,
        out_stride,
        finish: BiasThen::<Identity>::new(&bias),
        #[cfg(target_arch = "x86_64")]
        tiles: Amx::detect().filter(|_| with_tiles),
    });
    out
}

/// What the bytes of a row stand for.
fn restored(bytes: &ByteRows, row: usize, inputs: usize) -> Vec<f64> {
    let (scale, zero) = (f64::from(bytes.scale[row]), f64::from(bytes.zero[row]));
    bytes.bytes[row * bytes.stride..][..inputs].iter().map(|&byte| (f64::from(byte) - zero) * scale).collect()
}

/// The dot product with a row of weights rounded to 127 steps either way.
fn restored_dot(row: &[f64], weight: &[f32]) -> f64 {
    let greatest = weight.iter().fold(0f32, |greatest, x| greatest.max(x.abs()));
    let step = greatest / 127.0;
    row.iter().zip(weight).map(|(x, w)| x * f64::from((w / step).round_ties_even()) * f64::from(step)).sum()
}

#[test]
fn norm_agrees_with_the_formula() {
    let (size, mut draw) = (45, Draw(1));
    let (weight, bias) = (draw.numbers(size), draw.numbers(size));
    let (first, second) = (draw.numbers(size), draw.numbers(size));
    let sum: Vec<f64> = first.iter().zip(&second).map(|(a, b)| f64::from(*a) + f64::from(*b)).collect();
    let mean = sum.iter().sum::<f64>() / size as f64;
    let variance = sum.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / size as f64;
    for set in InstructionSet::available() {
        let stride = size.next_multiple_of(set.panel());
        let padded = |numbers: &[f32]| [numbers, &vec![0.0; stride - size]].concat();
        let (mut hidden, added) = (padded(&first), padded(&second));
        let norm = Norm::new(&weight, &bias, stride, 1e-5);
        set.run(AddNorm { norm: &norm, hidden: &mut hidden, added: Rows { numbers: &added, stride } });
        for at in 0..size {
            let exact = (sum[at] - mean) / (variance + 1e-5).sqrt() * f64::from(weight[at]) + f64::from(bias[at]);
            assert!((f64::from(hidden[at]) - exact).abs() < 1e-5, "{}", set.name());
        }
        assert!(hidden[size..].iter().all(|x| *x == 0.0), "padding stays zero");
    }
}

#[test]
fn attention_agrees_with_the_formula() {
    let mut draw = Draw(2);
    for (num_tokens, num_heads, head_dim) in [(1, 2, 32), (7, 3, 4), (40, 2, 32), (65, 1, 48)] {
        let width = num_heads * head_dim;
        let parts = draw.numbers(num_tokens * 3 * width);
        let part = |part: usize, head: usize, token: usize| {
            &parts[token * 3 * width + part * width + head * head_dim..][..head_dim]
        };
        for set in InstructionSet::available() {
            let mut out = vec![f32::NAN; num_tokens * width];
            set.run(Attend {
                heads: Heads { num_heads, head_dim, part_stride: width },
                num_tokens,
                parts: Rows { numbers: &parts, stride: 3 * width },
                out: &mut out,
                out_stride: width,
                buffers: &mut AttentionBuffers::default(),
            });
            for (head, token) in (0..num_heads).flat_map(|head| (0..num_tokens).map(move |token| (head, token))) {
                let powers: Vec<f64> =
                    (0..num_tokens).map(|to| dot(part(0, head, token), part(1, head, to)).exp2()).collect();
                let total: f64 = powers.iter().sum();
                for dimension in 0..head_dim {
                    let mixed = |to: usize| powers[to] * f64::from(part(2, head, to)[dimension]);
                    let exact = (0..num_tokens).map(mixed).sum::<f64>() / total;
                    let found = f64::from(out[token * width + head * head_dim + dimension]);
                    assert!((found - exact).abs() < 1e-5, "{}: {found} and not {exact}", set.name());
                }
            }
        }
    }
}

/// One head's attention among so many tokens whose parts are all 1, but for one part (query, key or value) of one token.
fn attend_with(set: InstructionSet, num_tokens: usize, (token, part): (usize, usize), special: f32) -> Vec<f32> {
    let head_dim = 4;
    let mut parts = vec![1.0; num_tokens * 3 * head_dim];
    parts[token * 3 * head_dim + part * head_dim..][..head_dim].fill(special);
    let mut out = vec![0.0; num_tokens * head_dim];
    set.run(Attend {
        heads: Heads { num_heads: 1, head_dim, part_stride: head_dim },
        num_tokens,
        parts: Rows { numbers: &parts, stride: 3 * head_dim },
        out: &mut out,
        out_stride: head_dim,
        buffers: &mut AttentionBuffers::default(),
    });
    out
}

#[test]
fn attention_to_scores_that_are_none_is_none() {
    let num_tokens = 37;
    for set in InstructionSet::available() {
        // A key is seen by every token, a query by its own alone.
        for token in [0, 1, 20, 36] {
            for special in [f32::NAN, f32::INFINITY] {
                let out = attend_with(set, num_tokens, (token, 1), special);
                assert!(out.iter().all(|x| x.is_nan()), "{}: key {token} = {special}", set.name());
            }
            for special in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
                let out = attend_with(set, num_tokens, (token, 0), special);
                let is_right = |(row, numbers): (usize, &[f32])| numbers.iter().all(|x| x.is_nan() == (row == token));
                assert!(out.chunks(4).enumerate().all(is_right), "{}: query {token} = {special}", set.name());
            }
        }
    }
}

fn shape(hidden: usize, num_heads: usize, intermediate: usize, activation: Activation) -> EncoderShape {
    EncoderShape {
        hidden,
        num_heads,
        num_blocks: 2,
        intermediate,
        num_positions: 700,
        first_position: 0,
        num_token_types: 2,
        layer_norm_eps: 1e-12,
        activation,
    }
}

fn weights(shape: &EncoderShape) -> BertWeights {
    let mut draw = Draw(3);
    let (hidden, wide) = (shape.hidden, shape.intermediate);
    let mut tensor = |dims: &[usize], scale: f32| {
        let numbers: Vec<f32> = draw.numbers(dims.iter().product()).iter().map(|x| x * scale).collect();
        Tensor::from_vec(numbers, dims, &Device::Cpu).unwrap()
    };
    let mut affine = |out: usize, from: Option<usize>| {
        let weight = match from {
            Some(from) => tensor(&[out, from], 2.0 / (from as f32).sqrt()),
            None => tensor(&[out], 1.0),
        };
        Affine { weight, bias: tensor(&[out], 0.5) }
    };
    let blocks = (0..shape.num_blocks).map(|_| BlockWeights {
        query: affine(hidden, Some(hidden)),
        key: affine(hidden, Some(hidden)),
        value: affine(hidden, Some(hidden)),
        attention_output: affine(hidden, Some(hidden)),
        attention_norm: affine(hidden, None),
        up: affine(wide, Some(hidden)),
        down: affine(hidden, Some(wide)),
        output_norm: affine(hidden, None),
    });
    let blocks = blocks.collect();
    let norm = affine(hidden, None);
    BertWeights {
        blocks,
        norm,
        words: tensor(&[50, hidden], 1.0),
        positions: tensor(&[shape.num_positions, hidden], 1.0),
        token_types: tensor(&[shape.num_token_types, hidden], 1.0),
    }
}

fn encode(encoder: &dyn Encoder, rows: &[&[u32]], hidden: usize) -> Vec<f32> {
    let mut out = vec![f32::NAN; rows.len() * hidden];
    encoder.encode(rows, &mut out, &mut Stopwatch::start()).unwrap();
    out
}

/// Texts of many lengths, one longer than a pass, so that blocks and passes end in the middle of everything.
fn texts() -> Vec<Vec<u32>> {
    [1usize, 600, 3, 17, 130, 64, 2, 255].map(|length| (0..length as u32).map(|at| at * 7 % 50).collect()).to_vec()
}

#[test]
fn every_instruction_set_agrees_with_candles_own_operators() {
    let texts = texts();
    let rows: Vec<&[u32]> = texts.iter().map(Vec::as_slice).collect();
    for shape in [
        shape(64, 2, 128, Activation::GeluErf),
        shape(45, 5, 70, Activation::GeluTanh),
        shape(96, 1, 33, Activation::Relu),
    ] {
        for pooling in [Pooling::Mean, Pooling::Cls] {
            let expected = BertEncoder::new(shape.clone(), pooling, &weights(&shape), Device::Cpu).unwrap();
            let expected = encode(&expected, &rows, shape.hidden);
            for set in InstructionSet::available() {
                let machine = Machine::with(set);
                let ours = CpuBert::new(shape.clone(), pooling, weights(&shape), Precision::F32, machine).unwrap();
                for (ours, expected) in encode(&ours, &rows, shape.hidden).iter().zip(&expected) {
                    assert!((ours - expected).abs() < 2e-4, "{}: {ours} and not {expected}", set.name());
                }
            }
        }
    }
}

#[test]
fn a_text_gets_the_same_bits_in_any_batch() {
    let texts = texts();
    let rows: Vec<&[u32]> = texts.iter().map(Vec::as_slice).collect();
    let reversed: Vec<&[u32]> = rows.iter().rev().copied().collect();
    let shape = shape(64, 2, 128, Activation::GeluErf);
    for precision in [Precision::F32, Precision::Fast] {
        for set in InstructionSet::available() {
            let machine = Machine::with(set);
            let encoder = CpuBert::new(shape.clone(), Pooling::Mean, weights(&shape), precision, machine).unwrap();
            let together = encode(&encoder, &rows, shape.hidden);
            let backwards = encode(&encoder, &reversed, shape.hidden);
            for (row, together) in rows.iter().zip(together.chunks_exact(shape.hidden)) {
                assert_eq!(encode(&encoder, &[row], shape.hidden), together, "{}", set.name());
                assert!(backwards.chunks_exact(shape.hidden).any(|other| other == together), "{}", set.name());
            }
        }
    }
}
