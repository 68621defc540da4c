//! What is measured: names, canonical units, plausible ranges, and which way is better.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{Units, material};

/// Which of two values a shopper gets more from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// The higher value is better.
    More,
    /// The lower value is better.
    Less,
    /// Neither: a matter of taste or of fit.
    Neutral,
    /// Better along a ladder that both are on, else neither.
    Ordered,
}

/// How a kind's value is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    /// A number and this unit.
    Unit(&'static str),
    /// Bytes, given in gigabytes.
    Bytes,
    /// A length, given in meters.
    Meters,
    /// Grams.
    Grams,
    /// Milliliters.
    Milliliters,
    /// Pieces of a set.
    Pieces,
    /// Months.
    Months,
    /// Words by number, from 1.
    Words(&'static [&'static str]),
    /// A material by number.
    Material,
    /// Something it has; the value is 1.
    Feature,
    /// Plugs, one a bit.
    Connectors,
}

macro_rules! kinds {
    ($($(#[$doc:meta])* $kind:ident, $name:literal, $label:literal, $direction:ident, $range:expr, $form:expr;)*) => {
        /// What is measured. The order is the one in which a comparison lists kinds that shoppers care about equally.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        pub enum AttributeKind { $($(#[$doc])* $kind,)* }

        impl AttributeKind {
            /// Every kind, by number.
            pub const ALL: [Self; [$(Self::$kind),*].len()] = [$(Self::$kind),*];

            /// The word on the wire and in settings.
            pub fn word(self) -> &'static str {
                match self { $(Self::$kind => $name,)* }
            }

            /// What a shopper calls it, in English.
            pub fn label(self) -> &'static str {
                match self { $(Self::$kind => $label,)* }
            }

            /// Which way is better.
            pub fn direction(self) -> Direction {
                match self { $(Self::$kind => Direction::$direction,)* }
            }

            fn range(self) -> std::ops::RangeInclusive<f32> {
                match self { $(Self::$kind => $range,)* }
            }

            fn form(self) -> Form {
                match self { $(Self::$kind => $form,)* }
            }
        }
    };
}

kinds! {
    /// Storage in gigabytes.
    Storage, "storage", "storage", More, 0.001..=200_000.0, Form::Bytes;
    /// Working memory in gigabytes.
    Memory, "memory", "memory (RAM)", More, 0.001..=4096.0, Form::Bytes;
    /// Diagonal of the screen in inches.
    Screen, "screen", "screen", More, 0.9..=150.0, Form::Unit("\"");
    /// Lines of the screen.
    Resolution, "resolution", "resolution", More, 1.0..=4.0, Form::Words(&["HD (720p)", "Full HD (1080p)", "Quad HD (1440p)", "4K (2160p)"]);
    /// Main camera in megapixels.
    Camera, "camera", "camera", More, 0.1..=300.0, Form::Unit(" MP");
    /// Camera that looks at the shopper, in megapixels.
    FrontCamera, "front_camera", "front camera", More, 0.1..=300.0, Form::Unit(" MP");
    /// Charge in milliampere-hours.
    Battery, "battery", "battery", More, 20.0..=500_000.0, Form::Unit(" mAh");
    /// Hours of talk.
    TalkTime, "talk_time", "talk time", More, 0.5..=1000.0, Form::Unit(" h");
    /// Clock in gigahertz.
    Clock, "clock", "processor clock", More, 0.1..=10.0, Form::Unit(" GHz");
    /// Cores of the processor.
    Cores, "cores", "processor cores", More, 2.0..=256.0, Form::Unit(" cores");
    /// Generation of the mobile network.
    Network, "network", "mobile network", More, 1.0..=4.0, Form::Words(&["2G", "3G", "4G", "5G"]);
    /// Power in watts.
    Power, "power", "power", More, 0.1..=100_000.0, Form::Unit(" W");
    /// Current in amperes.
    Current, "current", "output current", More, 0.1..=200.0, Form::Unit(" A");
    /// Ports.
    Ports, "ports", "ports", More, 1.0..=64.0, Form::Unit(" ports");
    /// Pieces of a set or pack.
    Pieces, "pieces", "pieces", More, 1.0..=10_000.0, Form::Pieces;
    /// Contents in milliliters.
    Volume, "volume", "volume", More, 0.1..=1_000_000.0, Form::Milliliters;
    /// Contents in grams.
    NetWeight, "net_weight", "net weight", More, 0.1..=1_000_000.0, Form::Grams;
    /// Length of a cable, cord, ribbon or hose in meters.
    CableLength, "cable_length", "cable length", More, 0.02..=1000.0, Form::Meters;
    /// Height of a fall that it withstands, in meters.
    DropProtection, "drop_protection", "drop protection", More, 0.3..=100.0, Form::Meters;
    /// Layers that protect.
    Layers, "layers", "protective layers", More, 2.0..=9.0, Form::Unit(" layers");
    /// Protects as armies ask for; few records say that it was tested.
    DropTested, "drop_tested", "military-grade protection", More, 1.0..=1.0, Form::Feature;
    /// What water does to it.
    WaterResistance, "water_resistance", "water resistance", More, 1.0..=2.0, Form::Words(&["water-resistant", "waterproof"]);
    /// What it is made of.
    Material, "material", "material", Ordered, 0.0..=255.0, Form::Material;
    /// Months of warranty.
    Warranty, "warranty", "warranty", More, 1.0..=1200.0, Form::Months;
    /// Whether it is new.
    Condition, "condition", "condition", More, 1.0..=3.0, Form::Words(&["used", "refurbished", "new"]);
    /// Charges without a cable.
    WirelessCharging, "wireless_charging", "wireless charging", More, 1.0..=1.0, Form::Feature;
    /// Charges fast.
    FastCharging, "fast_charging", "fast charging", More, 1.0..=1.0, Form::Feature;
    /// Reads fingerprints.
    FingerprintReader, "fingerprint_reader", "fingerprint reader", More, 1.0..=1.0, Form::Feature;
    /// Takes two SIM cards.
    DualSim, "dual_sim", "dual SIM", More, 1.0..=1.0, Form::Feature;
    /// Keeps noise out.
    NoiseCancelling, "noise_cancelling", "noise cancelling", More, 1.0..=1.0, Form::Feature;
    /// Stands by itself.
    Kickstand, "kickstand", "kickstand", More, 1.0..=1.0, Form::Feature;
    /// Holds cards.
    CardSlots, "card_slots", "card slots", More, 1.0..=1.0, Form::Feature;
    /// Clips to a belt.
    BeltClip, "belt_clip", "belt clip or holster", More, 1.0..=1.0, Form::Feature;
    /// Protects the screen too.
    ScreenCover, "screen_cover", "built-in screen protector", More, 1.0..=1.0, Form::Feature;
    /// Comes in a box to give.
    GiftBox, "gift_box", "gift box", More, 1.0..=1.0, Form::Feature;
    /// Outer size in meters.
    Size, "size", "size", Neutral, 0.001..=1000.0, Form::Meters;
    /// Size that has to fit, in millimeters: of a watch band, a filter, a screw.
    FitSize, "fit_size", "size to fit", Neutral, 0.5..=10_000.0, Form::Unit(" mm");
    /// Plugs and sockets: a cable with another one is of no use.
    Connector, "connector", "connector", Neutral, 1.0..=255.0, Form::Connectors;
    /// Weight in grams.
    Weight, "weight", "weight", Neutral, 0.1..=10_000_000.0, Form::Grams;
}

impl AttributeKind {
    /// The kind with this number, as [`AttributeKind::ALL`] has it.
    pub fn from_number(number: u8) -> Option<Self> {
        Self::ALL.get(usize::from(number)).copied()
    }

    /// Whether it is something that a product has or does not have.
    pub fn is_feature(self) -> bool {
        matches!(self.form(), Form::Feature)
    }

    /// Whether a product that states it is richer than one that is silent: what nobody leaves out who has it.
    pub fn is_worth_stating(self) -> bool {
        self.is_feature() || matches!(self, Self::WaterResistance | Self::DropProtection)
    }

    /// Whether two products of one use must agree on it.
    pub fn must_agree(self) -> bool {
        matches!(self, Self::FitSize | Self::Connector)
    }

    pub(super) fn is_plausible(self, value: f32) -> bool {
        self.range().contains(&value)
    }

    pub(super) fn write_value(self, value: f32, units: Units, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.form() {
            Form::Unit(unit) => write!(f, "{}{unit}", short(value)),
            Form::Bytes if value < 1.0 => write!(f, "{} MB", short((value * 1000.0).round())),
            Form::Bytes if value >= 1000.0 => write!(f, "{} TB", short(value / 1000.0)),
            Form::Bytes => write!(f, "{} GB", short(value)),
            Form::Meters if units == Units::InchesAndOunces => write!(f, "{}\"", short(value / 0.0254)),
            Form::Meters if units == Units::FeetAndPounds => write!(f, "{} ft", short(value / 0.3048)),
            Form::Grams if units == Units::InchesAndOunces => write!(f, "{} oz", short(value / 28.35)),
            Form::Grams if units == Units::FeetAndPounds => write!(f, "{} lb", short(value / 453.6)),
            Form::Meters if value < 1.0 => write!(f, "{} cm", short(value * 100.0)),
            Form::Meters => write!(f, "{} m", short(value)),
            Form::Grams if value >= 1000.0 => write!(f, "{} kg", short(value / 1000.0)),
            Form::Grams => write!(f, "{} g", short(value)),
            Form::Milliliters if value >= 1000.0 => write!(f, "{} l", short(value / 1000.0)),
            Form::Milliliters => write!(f, "{} ml", short(value)),
            Form::Pieces if value == 1.0 => f.write_str("1 piece"),
            Form::Pieces => write!(f, "{} pieces", short(value)),
            Form::Months if value % 12.0 == 0.0 && value > 12.0 => write!(f, "{} years", short(value / 12.0)),
            Form::Months if value == 12.0 => f.write_str("1 year"),
            Form::Months => write!(f, "{} months", short(value)),
            Form::Words(words) => f.write_str(words.get(value as usize - 1).unwrap_or(&"")),
            Form::Material => f.write_str(material::name(value)),
            Form::Feature => f.write_str("yes"),
            Form::Connectors => {
                let names = (0..8).filter(|bit| value as u32 >> bit & 1 == 1).map(|bit| CONNECTORS[bit].0);
                f.write_str(&names.collect::<Vec<_>>().join(", "))
            }
        }
    }
}

/// Plugs by bit: the name, and how titles write it.
pub(super) const CONNECTORS: [(&str, &[&str]); 8] = [
    ("Lightning", &["lightning"]),
    ("micro USB", &["micro usb", "microusb"]),
    ("USB-C", &["usb c", "type c", "usbc"]),
    ("30-pin", &["30 pin"]),
    ("HDMI", &["hdmi", "mini hdmi", "micro hdmi"]),
    ("DisplayPort", &["displayport"]),
    ("mini USB", &["mini usb"]),
    ("3.5 mm", &["3.5 mm"]),
];

/// At most two decimals, none that say nothing.
fn short(value: f32) -> String {
    let text = format!("{value:.2}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}
