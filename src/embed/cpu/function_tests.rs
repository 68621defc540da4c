//! The functions of single numbers against their formulas in f64.

use super::functions::{Function, GeluErf, GeluTanh, Identity, Relu, exp2};
use super::lanes::{InstructionSet, Lanes, Task};

/// A function of single numbers, over a slice of whole vectors.
struct Apply<'a, F>(&'a mut [f32], std::marker::PhantomData<F>);

impl<F: Function> Task for Apply<'_, F> {
    #[inline(always)]
    fn run<L: Lanes>(self, lanes: L) {
        for numbers in self.0.chunks_exact_mut(L::WIDTH) {
            lanes.store(numbers, F::of(lanes, lanes.load(numbers)));
        }
    }
}

struct PowerOf2;

impl Function for PowerOf2 {
    #[inline(always)]
    fn of<L: Lanes>(lanes: L, x: L::F) -> L::F {
        exp2(lanes, x)
    }
}

fn apply<F: Function>(set: InstructionSet, numbers: &[f32]) -> Vec<f32> {
    let mut numbers = numbers.to_vec();
    set.run(Apply::<F>(&mut numbers, std::marker::PhantomData));
    numbers
}

/// Numbers from -`end` to `end`, evenly spaced, a multiple of every vector's width.
fn grid(end: f32) -> Vec<f32> {
    let steps = 1 << 20;
    (0..steps).map(|step| (step as f32 / (steps / 2) as f32 - 1.0) * end).collect()
}

#[test]
fn exp2_is_right_to_two_roundings_everywhere() {
    let numbers = grid(126.0);
    for set in InstructionSet::available() {
        for (x, ours) in numbers.iter().zip(apply::<PowerOf2>(set, &numbers)) {
            let exact = f64::from(*x).exp2();
            assert!(
                (f64::from(ours) / exact - 1.0).abs() < 2.0 * f64::from(f32::EPSILON),
                "{}: 2^{x} = {ours}",
                set.name()
            );
        }
    }
}

/// The bar is what f32 arithmetic on the exact erf itself loses: adding 1 to it rounds to 2⁻²⁴, and x scales that.
#[test]
fn gelu_is_the_erf_formula_to_f32_rounding() {
    for end in [12.0, 1.0, 1e-3] {
        let numbers = grid(end);
        for set in InstructionSet::available() {
            for (x, ours) in numbers.iter().zip(apply::<GeluErf>(set, &numbers)) {
                let wide = f64::from(*x);
                let exact = wide / 2.0 * (1.0 + candle_core::cpu::erf::erf_f64(wide / std::f64::consts::SQRT_2));
                let bar = wide.abs() * f64::from(f32::EPSILON);
                assert!((f64::from(ours) - exact).abs() <= bar, "{}: gelu({x}) = {ours} and not {exact}", set.name());
            }
        }
    }
}

#[test]
fn tanh_gelu_is_the_tanh_formula_to_f32_rounding() {
    let numbers = grid(12.0);
    for set in InstructionSet::available() {
        for (x, ours) in numbers.iter().zip(apply::<GeluTanh>(set, &numbers)) {
            let wide = f64::from(*x);
            let inner = (2.0 / std::f64::consts::PI).sqrt() * (wide + 0.044715 * wide.powi(3));
            let exact = wide / 2.0 * (1.0 + inner.tanh());
            let bar = 8.0 * wide.abs() * f64::from(f32::EPSILON);
            assert!((f64::from(ours) - exact).abs() <= bar, "{}: {x} gave {ours} and not {exact}", set.name());
        }
    }
}

#[test]
fn huge_numbers_go_through_every_function() {
    let numbers = [f32::MAX, f32::MIN, 1e30, -1e30, 0.0, -0.0, 1e-40, -1e-40].repeat(4);
    for set in InstructionSet::available() {
        for (x, ours) in numbers.iter().zip(apply::<GeluErf>(set, &numbers)) {
            assert!((ours - x.max(0.0)).abs() <= x.abs() * 1e-14 + 1e-38, "{}: gelu({x}) = {ours}", set.name());
        }
        assert!(apply::<PowerOf2>(set, &numbers).iter().all(|power| power.is_finite()));
    }
}

#[test]
fn a_number_that_is_none_stays_none_through_every_function() {
    let numbers = [f32::NAN, -f32::NAN, 1.0, -1.0].repeat(8);
    for set in InstructionSet::available() {
        let results = [
            apply::<Identity>(set, &numbers),
            apply::<GeluErf>(set, &numbers),
            apply::<GeluTanh>(set, &numbers),
            apply::<Relu>(set, &numbers),
            apply::<PowerOf2>(set, &numbers),
        ];
        for (function, results) in results.iter().enumerate() {
            for (x, ours) in numbers.iter().zip(results) {
                assert_eq!(x.is_nan(), ours.is_nan(), "{}: function {function} of {x} is {ours}", set.name());
            }
        }
    }
}
