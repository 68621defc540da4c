//! Real titles and the values that a shopper reads in them, by hand, and laws of any text.

use proptest::prelude::*;

use super::*;

fn product(title: &str, description: &str) -> Product {
    serde_json::from_value(serde_json::json!({"id": "1", "title": title, "description": description})).unwrap()
}

/// `kind value` of each attribute, joined by commas.
fn read(product: &Product) -> String {
    let said = attributes(product).iter().map(|known| format!("{} {known}", known.kind.word())).collect::<Vec<_>>();
    said.join(", ")
}

/// Titles of both sample shops, and what each says.
const TITLES: &str = "\
AT&T GoPhone - Samsung Galaxy Express 3 4G LTE with 8GB Memory Prepaid Cell Phone | storage 8 GB, network 4G
Apple - iPhone 7 32GB - Silver (Sprint) | storage 32 GB
Apple - iPhone SE 64GB - Gold (Sprint) | storage 64 GB
Apple - iPhone 7 256GB - Jet Black (AT&T) | storage 256 GB
Samsung - Galaxy J5 4G LTE with 16 GB Memory Cell Phone (Unlocked) - Black | storage 16 GB, network 4G
Plum - Ram with 64MB Memory Cell Phone (Unlocked) - Orange | storage 64 MB
Huawei - Refurbished Google Nexus 6P 4G with 64GB Memory Cell Phone (Unlocked) - Aluminium | storage 64 GB, network 4G, condition refurbished
Motorola - Refurbished MOTO G (4th Generation) 4G LTE with 16GB Memory Cell Phone | storage 16 GB, network 4G, condition refurbished
LG - G5 with 32GB Memory Cell Phone - Silver (AT&T) | storage 32 GB
Spigen - Slim Armor Case for LG G5 H850 - Champagne gold |
Apple - iPhone® 7 Plus Silicone Case - Ocean Blue | material silicone
Tumi - Leather Co-Mold Case for Apple® iPhone® 7 - Red | material leather
OtterBox - Alpha Glass Series Screen Protector for Apple iPhone 7 - Clear | material glass
Platinum - Holster Case with Kickstand for Samsung Galaxy S6 Cell Phones - Black | kickstand yes, belt_clip yes
LifeProof - Fre Protective Waterproof Case for Apple® iPhone® 7 Plus - Twilights edge purple | water_resistance waterproof
Samsung - Wallet Flip-Cover Case for Samsung Galaxy Note 5 Cell Phones - Gold | card_slots yes
Modal - Apple MFi Certified 3' Lighted Lightning Cable - Purple | cable_length 3 ft, connector Lightning
Belkin - MIXIT 4' Metallic Lightning to USB Cable - Gold | cable_length 4 ft, connector Lightning
Dynex™ - 3' Micro USB-to-USB Cable - Purple/Pink | cable_length 3 ft, connector micro USB
Belkin - MIXIT 6' USB Type A-to-USB Type C Device Cable - White | cable_length 6 ft, connector USB-C
Kanex - 6' 30-Pin Charge-and-Sync Cable - Black | cable_length 6 ft, connector 30-pin
Native Union - NIGHT 9.8' USB-to-Micro USB Cable - Zebra | cable_length 9.8 ft, connector micro USB
Fitbit - 10.2\" Charging Cable - Black | cable_length 10.2\"
Griffin Technology - 3' 3.5mm Stereo Auxiliary Cable - White | cable_length 3 ft, connector 3.5 mm
mophie - Juice Pack 3000 mAh Portable Charger for Most USB-Enabled Devices - Blue | battery 3000 mAh
myCharge - AMPPRONGXTRA 4400 mAh Portable Charger for Most USB-Enabled Devices - Black | battery 4400 mAh
Insignia™ - Apple MFi Certified 15W Vehicle Charger with 30-Pin Cable and USB Port - Black | power 15 W, connector 30-pin
ChargeHub - 7-Port USB Universal Charging Station - White | ports 7 ports
Dynex™ - 1-Port Vehicle Charger - Black | ports 1 ports
Insignia™ - Skins for Tile Mate (4-Pack) - Black and Brown | pieces 4 pieces
Tile - Tile Item Trackers Combo (4-Pack) | pieces 4 pieces
blueLounge - CableDrop Multipurpose Cable Clips (6-Pack) - Black | pieces 6 pieces
Incipio - STOWAWAY Credit Card Case with Integrated Stand for Samsung Galaxy S7 edge - Pink | kickstand yes, card_slots yes
Insignia™ - 20mm Watch Band - Black | fit_size 20 mm
Apple - Woven Nylon for Apple Watch 42mm - Light Pink/Midnight Blue | material nylon, fit_size 42 mm
Platinum - Stainless Steel Watch Strap for Fitbit Blaze - Black | material stainless steel
XSORIES - XSories 19\" Support System - Selfie Stick - Black | size 19\"
Mophie - Power Reserve 1X Portable Charger - Blue |
Sony - Xperia Z5 4G with 32GB Memory Cell Phone (Unlocked) - White | storage 32 GB, network 4G
olloclip - 4-in-1 Photo Lens for Apple® iPhone® 6 and 6 Plus - Gold/White/Navy Blue/Mint Green |
Verizon Prepaid - $10 Prepaid Top-Up Data Add-On Card |
TRACFONE - 120-Minute Prepaid Wireless Airtime Card - Blue/Green |
PoserSnap - 3-in-1 Photo Clip Lens - Multi |
Set of 16 Vintage Pistachio Cutlery | pieces 16 pieces
Set 10 Cards Christmas Tree 16955 | pieces 10 pieces
Set/10 Pink Polkadot Party Candles | pieces 10 pieces
S/4 Pink Flower Candles in Bowl | pieces 4 pieces
Yuletide Images S/6 Paper Boxes | pieces 6 pieces, material paper
Set of 6 Tea Time Baking Cases | pieces 6 pieces
Set/20 Fruit Salad Paper Napkins | pieces 20 pieces, material paper
Pack of 12 Pink Polkadot Tissues | pieces 12 pieces
Clothes Pegs Retrospot Pack 24 | pieces 24 pieces
Diamante Hair Grip Pack/2 Peridot | pieces 2 pieces
Balloon Water Bomb Pack of 35 | pieces 35 pieces
Pack 3 Boxes Christmas Pannetone | pieces 3 pieces
Food Container Set 3 Love Heart | pieces 3 pieces
Bundle of 3 School Exercise Books | pieces 3 pieces
6pc Wood Plate Set Disposable | pieces 6 pieces
Eight Piece Creepy Crawlie Set | pieces 8 pieces
Eight Piece Dinosaur Set | pieces 8 pieces
Pair of Enamel Butterfly Hairclip | pieces 2 pieces, material enamel
Pair Butterfly Hair Clips | pieces 2 pieces
12 Pencils Tall Tube Red Retrospot | pieces 12 pieces
36 Pencils Tube Skulls | pieces 36 pieces
60 Gold and Silver Fairy Cake Cases | pieces 60 pieces
75 Green Petit Four Cases | pieces 75 pieces
6 Ribbons Rustic Charm | pieces 6 pieces
200 Bendy Skull Straws | pieces 200 pieces
4 Wildflower Botanical Candles | pieces 4 pieces
3 Tier Cake Tin Red and Cream |
3 Hook Hanger Magic Garden |
Amethyst 3 Bead Drop Earrings |
Gardenia 3 Wick Morris Boxed Candle |
Number Tile Cottage Garden 4 |
Paper Lantern 9 Point Snow Star | material paper
World War 2 Gliders Asstd Designs |
Roll Wrap 50's Christmas |
3D Sheet of Cat Stickers |
Shelf with 4 Hooks Home Sweet Home |
Blackchristmas Tree 30cm | size 30 cm
Pink/White Christmas Tree 60cm | size 60 cm
Silver Lariat 40cm | size 40 cm
Pearl & Shell 42\"Neckl. Green | size 42\"
Polyester Filler Pad 45x30cm | material polyester
Rose Flower Candle+Incense 16x16cm |
The King Gift Bag 25x24x12cm |
Silicon Cube 25w, Blue | power 25 W
Tea Time Teapot in Gift Box | gift_box yes
Sweetheart Ceramic Trinket Box | material ceramic
Retro Plastic 70's Tray | material plastic
Red Acrylic Faceted Bangle | material acrylic
Laundry 15c Metal Sign |
Teatime Funky Flower Backpack for 2 |
Cake Stand Lovebird 2 Tier Pink |
Maxwell 2 Tone Blue 60 Page Photo a |";

#[test]
fn real_titles_are_read_as_a_shopper_reads_them() {
    let lines: Vec<(&str, &str)> = TITLES.lines().map(|line| line.split_once(" |").unwrap()).collect();
    assert!(lines.len() >= 80);
    let wrong: Vec<String> = lines
        .iter()
        .map(|(title, wanted)| (title, wanted.trim(), read(&product(title, ""))))
        .filter(|(_, wanted, said)| wanted != said)
        .map(|(title, wanted, said)| format!("{title}\n  wanted {wanted}\n  read   {said}"))
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn titles_of_other_shops_are_read_in_their_units() {
    let cases = [
        ("Coffee beans 1kg", "net_weight 1 kg"),
        ("Coffee beans 500 g", "net_weight 500 g"),
        ("Water 6 x 330 ml", "pieces 6 pieces, volume 330 ml"),
        ("Lemonade 1.0 l", "volume 1 l"),
        ("Kettle 1.7 L 2200W", "power 2200 W, volume 1.7 l"),
        ("Shampoo 12 fl oz", "volume 354.88 ml"),
        ("Gloves pack of 3 L", "pieces 3 pieces"),
        ("Phone 4 G", ""),
        ("Drill 18 V with 2-year warranty", "warranty 2 years"),
        ("Drill with 2 years manufacturer's warranty", "warranty 2 years"),
        ("Pipe 1/2 inch", ""),
        ("Kettle not 1.7 l", ""),
        ("Phone 64 GB (not the 128 GB version)", "storage 64 GB"),
        ("Phone 64 GB microSD slot (max 512 GB)", "storage 64 GB"),
        ("Phone 64 GB microSDXC 1 TB", "storage 64 GB"),
        ("Hair dryer without 2-year warranty", ""),
        ("Hair dryer, 2 years warranty not included", ""),
        ("Lamp 7 W (60 W equivalent)", "power 7 W"),
        ("Kettle less than 1.7 l", ""),
        ("Kettle 1.0 l instead of 1.7 l", "volume 1 l"),
        ("Kettle 1 l for cups up to 2 l", "volume 1 l"),
        ("Kettle 1 l fits 3 l jug", "volume 1 l"),
        ("Tablet 64GB without 128 GB card", "storage 64 GB"),
        ("Tablet 64GB up to 512 GB", "storage 64 GB"),
        ("Tablet 64GB + 128 GB microSD", "storage 64 GB"),
        ("128GB microSD card", "storage 128 GB"),
        ("Band for 42mm Watch", "fit_size 42 mm"),
        ("Adapter 10/20 W", ""),
        ("Sparkling water 6 x 330ml", "pieces 6 pieces, volume 330 ml"),
        ("SSD 1TB", "storage 1 TB"),
        ("Laptop 15.6\" 16GB RAM 512GB", "storage 512 GB, memory 16 GB, screen 15.6\""),
        ("55\" TV 2160p", "screen 55\", resolution 4K (2160p)"),
        ("Olivenöl 0,75l", "volume 750 ml"),
        ("Power bank 20,000 mAh", "battery 20000 mAh"),
        ("Faux leather wallet", "material faux leather, card_slots yes"),
        ("Leather and stainless steel watch", ""),
        ("Headphones noise cancelling", "noise_cancelling yes"),
        ("Case without kickstand", ""),
    ];
    cases.iter().for_each(|(title, wanted)| assert_eq!(read(&product(title, "")), *wanted, "{title}"));
}

#[test]
fn a_description_says_what_is_measured_and_no_more() {
    let cases = [
        ("A 12MP camera and a 5.5-inch HD display.", "screen 5.5\", camera 12 MP"),
        ("A microSD slot lets you add up to 128GB storage.", ""),
        ("It has 64GB of internal storage and 3GB of RAM.", "storage 64 GB, memory 3 GB"),
        ("A 13-megapixel rear camera and an 8-megapixel front camera.", "camera 13 MP, front_camera 8 MP"),
        ("Withstands drops of up to 10 feet.", "drop_protection 10 ft"),
        ("Waterproof to 6.6 feet.", "water_resistance waterproof"),
        ("Keep your iPhone 7's good looks.", ""),
        ("Not waterproof.", ""),
        ("Material: Leather. Warranty: 2 years", "material leather, warranty 2 years"),
        ("Weight: 2 kg; Storage: 2 bananas", "weight 2 kg"),
        ("Storage: -3 GB", ""),
        ("A 1200 W motor. Comes with a 24 month guarantee.", "power 1200 W, warranty 2 years"),
        ("Guaranteed for 5 years.", "warranty 5 years"),
        ("Charges laptops up to 60 W and replaces a 75 W bulb.", ""),
        ("A bulb of 9 W, a 60 W equivalent.", "power 9 W"),
        ("Ten years of experience, for 3 years and older.", ""),
        ("Made of stainless steel with silicone construction.", ""),
        ("Up to 17 hours of additional talk time.", ""),
        ("Up to 16 hours of talk time.", "talk_time 16 h"),
    ];
    cases.iter().for_each(|(text, wanted)| assert_eq!(read(&product("Thing", text)), *wanted, "{text}"));
}

#[test]
fn a_field_is_believed_before_a_title_and_nonsense_is_no_attribute() {
    let with = |name: &str, value: &str| -> String {
        let record = serde_json::json!({"id": "1", "title": "Phone 32GB", "attributes": {name: [value]}});
        read(&serde_json::from_value(record).unwrap())
    };
    assert_eq!(with("storage", "64 GB"), "storage 64 GB");
    assert_eq!(with("internal_memory", "128GB"), "storage 128 GB");
    for nonsense in [
        "64 bananas",
        "-",
        "64",
        "-64 GB",
        "\u{2212}64 GB",
        "64/128 GB",
        "64-128 GB",
        "900000000 TB",
        "64 GB or 128 GB",
        "",
        "٣ GB",
        "1e40 GB",
        "NaN GB",
        "12 kg",
    ] {
        assert_eq!(with("storage", nonsense), "storage 32 GB", "{nonsense}");
    }
    assert_eq!(with("multipack", "6"), "storage 32 GB, pieces 6 pieces");
    assert_eq!(with("condition", "refurbished"), "storage 32 GB, condition refurbished");
    assert_eq!(with("warranty", "24-month"), "storage 32 GB, warranty 2 years");
    assert_eq!(with("screen_size", "13 cm"), "storage 32 GB, screen 5.12\"");
    for (name, value, said) in [
        ("volume", "1 l", "volume 1 l"),
        ("capacity", "1.0 l", "volume 1 l"),
        ("unit_pricing_measure", "1.5 l", "volume 1.5 l"),
        ("unit_pricing_measure", "500 g", "net_weight 500 g"),
        ("power", "1200 W", "power 1200 W"),
        ("talk_time", "17 hours", "talk_time 17 h"),
    ] {
        let mut wanted = ["storage 32 GB", said];
        wanted.sort_by_key(|said| {
            ["storage", "talk_time", "power", "volume", "net_weight"].iter().position(|kind| said.starts_with(kind))
        });
        assert_eq!(with(name, value), wanted.join(", "), "{name} {value}");
    }
    assert_eq!(with("power", "10/20 W"), "storage 32 GB");
}

#[test]
fn better_worse_and_neither_are_told_apart() {
    let verdict = |from: &str, to: &str| -> String {
        let (from, to) = (attributes(&product(from, "")), attributes(&product(to, "")));
        let said = compare(&from, &to, AttributeKind::direction);
        said.iter().map(|one| format!("{} {:?}", one.kind.word(), one.verdict)).collect::<Vec<_>>().join(", ")
    };
    let cases = [
        ("Phone 32GB", "Phone 64GB", "storage Better"),
        ("Phone 64GB", "Phone 32GB", "storage Worse"),
        ("Phone 64GB", "Phone", "storage Worse"),
        ("Phone", "Phone 64GB", ""),
        ("Phone 64GB", "Phone 64GB", ""),
        ("Case", "Waterproof case", "water_resistance Better"),
        ("Waterproof case", "Case", "water_resistance Worse"),
        ("Plastic tray", "Leather tray", "material Better"),
        ("Leather strap", "Stainless steel strap", "material Neutral"),
        ("Phone", "Refurbished phone", "condition Worse"),
        ("Tree 30cm", "Tree 60cm", "size Neutral"),
        ("20mm band", "22mm band", "fit_size Neutral"),
        ("3' Lightning cable", "6' Micro USB cable", "cable_length Better, connector Neutral"),
        ("3' Lightning cable", "6' Lightning and Micro USB cable", "cable_length Better"),
        ("3' cable", "6' Lightning cable", "cable_length Better, connector Neutral"),
        ("Set of 4 mugs", "Set of 6 mugs", "pieces Better"),
    ];
    cases.iter().for_each(|(from, to, wanted)| assert_eq!(verdict(from, to), *wanted, "{from} to {to}"));
    let few = compare(
        &attributes(&product("3' cable", "")),
        &attributes(&product("3.2' cable", "")),
        AttributeKind::direction,
    );
    assert!(few[0].verdict == Verdict::Better && !few[0].is_noticeable());
}

#[test]
fn kinds_are_numbered_by_their_order() {
    for (number, kind) in (0..).zip(AttributeKind::ALL) {
        assert_eq!((kind as u8, AttributeKind::from_number(number)), (number, Some(kind)));
        assert_eq!(serde_json::to_value(kind).unwrap(), kind.word());
    }
}

proptest! {
    #[test]
    fn any_text_is_read_without_panic_into_plausible_values_one_a_kind(title in ".{1,60}", text in ".{0,120}") {
        check(&attributes(&product(&title, &text)))?;
    }

    #[test]
    fn text_full_of_units_is_too(
        words in prop::collection::vec("([0-9]{1,9}[.,]?[0-9]{0,3})|gb|GB|\"|'|mm|mah|set|of|pack|/|x|-|:|kg|g|G|inch|ports|mp|ram|camera|cable", 0..24),
        gap in "[ -]?",
    ) {
        let text = words.join(&gap);
        check(&attributes(&product(&format!("t {text}"), &text)))?;
    }

    #[test]
    fn a_storage_comes_back_whatever_stands_around(gigabytes in 1u32..2000, before in "[A-Za-z]{2,8}", after in "[A-Z][a-z]{2,8}") {
        let found = attributes(&product(&format!("{before} {gigabytes}GB {after}"), ""));
        let storage = found.iter().find(|known| known.kind == AttributeKind::Storage).map(|known| known.value);
        prop_assert_eq!(storage, Some(gigabytes as f32));
    }

    #[test]
    fn what_is_better_one_way_is_worse_the_other(a in 1u32..5000, b in 1u32..5000) {
        let of = |gigabytes: u32| attributes(&product(&format!("Phone {gigabytes}GB"), ""));
        let verdict = |from, to| compare(&of(from), &of(to), AttributeKind::direction).first().map(|one| one.verdict);
        let other = |verdict| match verdict { Verdict::Better => Verdict::Worse, Verdict::Worse => Verdict::Better, Verdict::Neutral => Verdict::Neutral };
        prop_assert_eq!(verdict(a, b), verdict(b, a).map(other));
        prop_assert_eq!(verdict(a, a), None);
    }
}

fn check(found: &[Attribute]) -> Result<(), TestCaseError> {
    for pair in found.windows(2) {
        prop_assert!(pair[0].kind < pair[1].kind);
    }
    for known in found {
        prop_assert!(known.value.is_finite() && known.kind.is_plausible(known.value) && !known.to_string().is_empty());
    }
    Ok(())
}
