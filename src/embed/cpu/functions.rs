//! exp, GELU and the other functions of one number, on lanes; and finishing a sum with a bias and one of them.

use super::lanes::Lanes;
use super::product::Finish;

/// Coefficients of 2^x on [-1/2, 1/2], constant first: a minimax fit, relative error below 2⁻²⁸.
const EXP2: [f32; 7] =
    [1.0, std::f32::consts::LN_2, 0.240_226_46, 0.055_503_286, 0.009_618_489, 0.001_339_993_1, 0.000_153_457_95];

/// Where the fit of [`LOG2_TAIL`] ends; the normal distribution's tail beyond it is below 10⁻¹⁵.
const TAIL_END: f32 = 8.0;

/// Coefficients of log₂ Φ(-x) on [0, [`TAIL_END`]], constant first, Φ being the normal distribution function: a minimax fit of
/// x · Φ(-x).
const LOG2_TAIL: [f32; 12] = [
    -1.0,
    -1.151_104_5,
    -0.459_221_18,
    -0.052_429_717,
    0.006_909_06,
    5.423_857_5e-5,
    -0.000_321_652_36,
    9.547_44e-5,
    -1.614_228_1e-5,
    1.690_405_4e-6,
    -1.015_028_6e-7,
    2.663_115e-9,
];

/// 2 to the power of each lane; below 2⁻¹²⁶ and above 2¹²⁶ it stays at these. NaN stays NaN.
#[inline(always)]
pub(in crate::embed) fn exp2<L: Lanes>(lanes: L, x: L::F) -> L::F {
    let x = lanes.max(lanes.splat(-126.0), lanes.min(lanes.splat(126.0), x));
    let whole = lanes.round(x);
    let rest = lanes.sub(x, lanes.to_f32(whole));
    lanes.mul(polynomial(lanes, &EXP2, rest), lanes.power_of_2(whole))
}

#[inline(always)]
fn polynomial<L: Lanes, const N: usize>(lanes: L, coefficients: &[f32; N], x: L::F) -> L::F {
    let mut sum = lanes.splat(coefficients[N - 1]);
    for power in (0..N - 1).rev() {
        sum = lanes.mul_add(sum, x, lanes.splat(coefficients[power]));
    }
    sum
}

/// A function of one number.
pub(in crate::embed) trait Function {
    /// Must be `#[inline(always)]`, 0 at 0, so that padding stays zero, and NaN at NaN, so that no damage is hidden.
    fn of<L: Lanes>(lanes: L, x: L::F) -> L::F;
}

/// The number itself.
pub(in crate::embed) struct Identity;

impl Function for Identity {
    #[inline(always)]
    fn of<L: Lanes>(_lanes: L, x: L::F) -> L::F {
        x
    }
}

/// `x · Φ(x) = x/2 · (1 + erf(x/√2))`, as `max(x, 0) - |x| · Φ(-|x|)`: no cancellation anywhere, so the error is that of f32
/// rounding, where adding 1 to an erf loses the negative tail.
pub(in crate::embed) struct GeluErf;

impl Function for GeluErf {
    #[inline(always)]
    fn of<L: Lanes>(lanes: L, x: L::F) -> L::F {
        let distance = lanes.abs(x);
        let tail = exp2(lanes, polynomial(lanes, &LOG2_TAIL, lanes.min(distance, lanes.splat(TAIL_END))));
        let zero = lanes.splat(0.0);
        lanes.mul_add(lanes.sub(zero, distance), tail, lanes.max(x, zero))
    }
}

/// The tanh approximation of GELU, written as `x / (1 + exp(-2u))` with `u = √(2/π) · (x + 0.044715 x³)`.
pub(in crate::embed) struct GeluTanh;

impl Function for GeluTanh {
    #[inline(always)]
    fn of<L: Lanes>(lanes: L, x: L::F) -> L::F {
        const SCALE: f32 = -2.0 * 0.797_884_6 * std::f32::consts::LOG2_E;
        let cubic = lanes.mul_add(lanes.mul(x, x), lanes.splat(0.044_715), lanes.splat(1.0));
        let exponent = lanes.mul(lanes.mul(x, cubic), lanes.splat(SCALE));
        lanes.div(x, lanes.add(lanes.splat(1.0), exp2(lanes, exponent)))
    }
}

/// `max(x, 0)`.
pub(in crate::embed) struct Relu;

impl Function for Relu {
    #[inline(always)]
    fn of<L: Lanes>(lanes: L, x: L::F) -> L::F {
        // In this order, so that NaN stays NaN.
        lanes.max(lanes.splat(0.0), x)
    }
}

/// Adds a number for each column, then applies a function.
pub(in crate::embed) struct BiasThen<'a, F> {
    bias: &'a [f32],
    function: std::marker::PhantomData<F>,
}

impl<'a, F> BiasThen<'a, F> {
    pub(in crate::embed) fn new(bias: &'a [f32]) -> Self {
        Self { bias, function: std::marker::PhantomData }
    }
}

impl<F: Function> Finish for BiasThen<'_, F> {
    #[inline(always)]
    fn finish<L: Lanes>(&self, lanes: L, sums: L::F, _row: usize, column: usize) -> L::F {
        F::of(lanes, lanes.add(sums, lanes.load(&self.bias[column..])))
    }
}
