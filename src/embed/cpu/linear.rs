//! A linear layer, packed once for the instruction set and precision that will run it.

#[cfg(target_arch = "x86_64")]
use super::amx::{self, Amx};
use super::byte_product::ByteProduct;
use super::bytes::{BytePanels, ByteRows};
use super::functions::{BiasThen, Function, GeluErf, GeluTanh, Identity, Relu};
use super::lanes::InstructionSet;
use super::product::{Panels, Product, Rows};
use crate::embed::Precision;
use crate::embed::model_dir::Activation;

/// Numbers in a cache line.
const LINE_NUMBERS: usize = 16;

/// A weight of `[outputs, inputs]` and a bias of `[outputs]`, both times `factor` when packed.
#[derive(Clone, Copy)]
pub(in crate::embed) struct Source<'a> {
    pub(in crate::embed) weight: &'a [f32],
    pub(in crate::embed) bias: &'a [f32],
    pub(in crate::embed) factor: f32,
}

/// A packed linear layer.
pub(in crate::embed) struct Linear {
    inputs: usize,
    panels: Packed,
    bias: Vec<f32>,
}

enum Packed {
    Numbers(Panels),
    Bytes(BytePanels),
}

/// Where and how layers run.
#[derive(Debug, Clone, Copy)]
pub(in crate::embed) struct Machine {
    pub(in crate::embed) set: InstructionSet,
    #[cfg(target_arch = "x86_64")]
    pub(in crate::embed) tiles: Option<Amx>,
}

impl Machine {
    /// The fastest way on this processor.
    pub(in crate::embed) fn best() -> Self {
        Self::with(InstructionSet::best())
    }

    /// The fastest way with this instruction set: with tiles too where its panels are theirs.
    pub(in crate::embed) fn with(set: InstructionSet) -> Self {
        Self {
            set,
            #[cfg(target_arch = "x86_64")]
            tiles: Amx::detect().filter(|_| set.panel() == amx::PANEL),
        }
    }

    /// What a forward pass of this precision runs on, for reports.
    pub(in crate::embed) fn describe(
        self,
        #[cfg_attr(not(target_arch = "x86_64"), expect(unused_variables))] precision: Precision,
    ) -> String {
        #[cfg(target_arch = "x86_64")]
        if precision == Precision::Fast && self.tiles.is_some() {
            return format!("{} + AMX", self.set.name());
        }
        self.set.name().to_owned()
    }
}

impl Linear {
    /// Packs layers of the same inputs side by side: the outputs of each start at a whole panel.
    pub(in crate::embed) fn pack(machine: Machine, precision: Precision, layers: &[Source<'_>]) -> Self {
        let panel = machine.set.panel();
        let inputs = layers[0].weight.len() / layers[0].bias.len();
        let mut bias = Vec::new();
        for layer in layers {
            bias.extend(layer.bias.iter().map(|x| x * layer.factor));
            bias.resize(bias.len().next_multiple_of(panel), 0.0);
        }
        let numbers = |layer: &Source<'_>| Panels::pack(layer.weight, inputs, panel, layer.factor);
        let bytes = |layer: &Source<'_>| BytePanels::pack(layer.weight, inputs, panel, layer.factor);
        let panels = match precision {
            Precision::F32 => {
                let mut packed = numbers(&layers[0]);
                layers[1..].iter().for_each(|layer| packed.append(numbers(layer)));
                Packed::Numbers(packed)
            }
            Precision::Fast => {
                let mut packed = bytes(&layers[0]);
                layers[1..].iter().for_each(|layer| packed.append(bytes(layer)));
                Packed::Bytes(packed)
            }
        };
        Self { inputs, panels, bias }
    }

    /// Numbers from a row of outputs to the next: the outputs padded to whole panels, then to an odd number of cache lines, as
    /// rows an even number apart would share a few sets of the cache and drive each other out.
    pub(in crate::embed) fn out_stride(&self) -> usize {
        (self.bias.len().div_ceil(LINE_NUMBERS) | 1) * LINE_NUMBERS
    }

    /// Brings rows to the form in which this layer takes them: with bytes, fills `bytes`; else leaves it alone.
    pub(in crate::embed) fn prepare(&self, machine: Machine, num_rows: usize, rows: Rows<'_>, bytes: &mut ByteRows) {
        if let Packed::Bytes(_) = self.panels {
            bytes.quantise(machine.set, num_rows, rows, self.inputs);
        }
    }

    /// Writes `function(rows · weightᵀ + bias)` to `out`, [`Linear::out_stride`] numbers a row and as many rows as fit. `bytes`
    /// must be prepared from the same rows.
    pub(in crate::embed) fn apply(
        &self,
        machine: Machine,
        rows: Rows<'_>,
        bytes: &ByteRows,
        function: Option<Activation>,
        out: &mut [f32],
    ) {
        match function {
            None => self.apply_function::<Identity>(machine, rows, bytes, out),
            Some(Activation::GeluErf) => self.apply_function::<GeluErf>(machine, rows, bytes, out),
            Some(Activation::GeluTanh) => self.apply_function::<GeluTanh>(machine, rows, bytes, out),
            Some(Activation::Relu) => self.apply_function::<Relu>(machine, rows, bytes, out),
        }
    }

    fn apply_function<F: Function>(&self, machine: Machine, rows: Rows<'_>, bytes: &ByteRows, out: &mut [f32]) {
        let (out_stride, finish) = (self.out_stride(), BiasThen::<F>::new(&self.bias));
        let num_rows = out.len() / out_stride;
        match &self.panels {
            Packed::Numbers(panels) => {
                let (inputs, panels) = (panels.inputs, &panels.numbers);
                machine.set.run(Product { num_rows, rows, inputs, panels, out, out_stride, finish });
            }
            Packed::Bytes(panels) => machine.set.run(ByteProduct {
                num_rows,
                rows: bytes,
                panels,
                out,
                out_stride,
                finish,
                #[cfg(target_arch = "x86_64")]
                tiles: machine.tiles,
            }),
        }
    }
}
