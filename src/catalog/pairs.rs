//! The shop's own pairs of products, made by hand: what belongs together and what never stands together.
//!
//! A file has the columns `product`, `with` and `relation`, as CSV, TSV or JSON Lines. Neither a row nor a file that cannot be used ever
//! stops the others, or the catalog: it becomes a [`PairFault`]. An empty file holds no pairs.

use std::collections::HashMap;
use std::fmt;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::error::FeedError;
use super::header::canonical_name;
use super::json::{Json, parse_object};
use super::product::{ProductId, Relationship};
use super::record_file::{FileRecord, RecordFile};

/// Longest row in bytes.
const MAX_ROW_BYTES: usize = 4096;
/// The columns of a file.
const COLUMNS: [&str; 3] = ["product", "with", "relation"];

/// How one product stands to another, by the feed's `related_product` or by a pair of the shop's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Tie {
    /// It does not work without the other.
    RequiredPart,
    /// Both belong together, either way.
    AlwaysTogether,
    /// The other is an accessory of it.
    Accessory,
    /// The shop says that both are often bought together.
    OftenBoughtWith,
    /// Both belong to one set, either way.
    PartOfSet,
    /// One does instead of the other.
    Substitute,
    /// The same of another brand.
    DifferentBrand,
    /// Both never stand together, either way.
    NeverTogether,
}

impl Tie {
    /// Every tie, the strongest first.
    pub const ALL: [Self; 8] = [
        Self::RequiredPart,
        Self::AlwaysTogether,
        Self::Accessory,
        Self::OftenBoughtWith,
        Self::PartOfSet,
        Self::Substitute,
        Self::DifferentBrand,
        Self::NeverTogether,
    ];

    /// The word in files and in evidence.
    pub fn word(self) -> &'static str {
        match self {
            Self::RequiredPart => "required_part",
            Self::AlwaysTogether => "always_together",
            Self::Accessory => "accessory",
            Self::OftenBoughtWith => "often_bought_with",
            Self::PartOfSet => "part_of_set",
            Self::Substitute => "substitute",
            Self::DifferentBrand => "different_brand",
            Self::NeverTogether => "never_together",
        }
    }

    /// How much it speaks for showing the other product beside the first, 0 to 1; `None` where it speaks against.
    pub fn strength(self) -> Option<f32> {
        match self {
            Self::RequiredPart => Some(1.0),
            Self::AlwaysTogether => Some(0.95),
            Self::Accessory => Some(0.9),
            Self::OftenBoughtWith => Some(0.85),
            Self::PartOfSet => Some(0.8),
            Self::Substitute | Self::DifferentBrand | Self::NeverTogether => None,
        }
    }

    /// Whether it says of the second product what it says of the first.
    fn is_mutual(self) -> bool {
        !matches!(self, Self::RequiredPart | Self::Accessory)
    }
}

impl From<Relationship> for Tie {
    fn from(relationship: Relationship) -> Self {
        match relationship {
            Relationship::PartOfSet => Self::PartOfSet,
            Relationship::RequiredPart => Self::RequiredPart,
            Relationship::OftenBoughtWith => Self::OftenBoughtWith,
            Relationship::Substitute => Self::Substitute,
            Relationship::DifferentBrand => Self::DifferentBrand,
            Relationship::Accessory => Self::Accessory,
        }
    }
}

/// A row of a file of pairs, or a whole file, that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PairFault {
    /// The file.
    pub path: PathBuf,
    /// Its line, from 1; `None` where it is the file that cannot be read, or not to its end.
    pub line: Option<u64>,
    /// The column at fault; `record` where it is the whole row, `file` where it is the file.
    pub field: String,
    /// What is wrong and what to write instead.
    pub message: String,
}

impl PairFault {
    fn of_file(path: PathBuf, error: &FeedError) -> Self {
        let message = match error {
            FeedError::IsDirectory { .. } => "is a folder; put a file of pairs in its place".to_owned(),
            FeedError::NotAFeed { what, .. } => format!("is {what}; save it as CSV or JSON Lines in UTF-8"),
            error => {
                std::error::Error::source(error).map_or(error.to_string(), |cause| format!("cannot be read: {cause}"))
            }
        };
        Self { message: format!("{} {message}", path.display()), path, line: None, field: "file".to_owned() }
    }

    /// Whether a whole file cannot be read, or not to its end.
    pub fn is_of_file(&self) -> bool {
        self.line.is_none()
    }
}

impl fmt::Display for PairFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { path, line, field, message } = self;
        match line {
            Some(line) => write!(f, "{}, line {line}, {field}: {message}", path.display()),
            None => f.write_str(message),
        }
    }
}

/// The pairs of one shop.
#[derive(Debug, Clone, Default)]
pub struct Pairs {
    ties: HashMap<String, Vec<(String, Tie)>>,
    faults: Vec<PairFault>,
    num_pairs: usize,
}

impl Pairs {
    /// The names under which a catalog's folder may hold pairs; all that are there are read.
    pub const FILES: [&str; 2] = ["pairs.csv", "pairs.jsonl"];

    /// Reads the pairs in a catalog's folder; none where it holds no such file. What cannot be used is in [`Pairs::faults`].
    pub fn of_folder(folder: &Path) -> Self {
        let mut pairs = Self::default();
        for path in Self::FILES.iter().map(|name| folder.join(name)).filter(|path| path.exists()) {
            match pairs.read(&path) {
                Ok(()) | Err(FeedError::Empty { .. }) => {}
                Err(error) => pairs.faults.push(PairFault::of_file(path, &error)),
            }
        }
        pairs
    }

    /// Adds the pairs of `path`, up to where it can be read; rows that cannot be used become faults.
    fn read(&mut self, path: &Path) -> Result<(), FeedError> {
        let mut file = RecordFile::open(path, MAX_ROW_BYTES)?;
        let columns: Vec<String> = file.columns().unwrap_or_default().iter().map(|name| canonical_name(name)).collect();
        while let Some(record) = file.next_record()? {
            let fault = |line, field: &str, message: String| PairFault {
                path: path.to_owned(),
                line: Some(line),
                field: field.to_owned(),
                message,
            };
            let read = match record {
                Err(reject) => Err(fault(reject.row, "record", reject.message)),
                Ok(FileRecord::Cells { line, cells }) => {
                    let cell =
                        |name: &str| columns.iter().position(|column| column == name).and_then(|at| cells.get(at));
                    pair(COLUMNS.map(|name| cell(name).cloned().unwrap_or_default()))
                        .map_err(|(field, message)| fault(line, field, message))
                }
                Ok(FileRecord::Json { line, text }) => {
                    object(&text).and_then(pair).map_err(|(field, message)| fault(line, field, message))
                }
            };
            match read {
                Ok((product, with, tie)) => self.add(product, with, tie),
                Err(fault) => self.faults.push(fault),
            }
        }
        Ok(())
    }

    /// Adds one pair.
    pub fn add(&mut self, product: ProductId, with: ProductId, tie: Tie) {
        let (product, with) = (String::from(product), String::from(with));
        self.num_pairs += 1;
        if tie.is_mutual() {
            self.ties.entry(with.clone()).or_default().push((product.clone(), tie));
        }
        self.ties.entry(product).or_default().push((with, tie));
    }

    /// What the shop says of `product`: ids with how they stand to it.
    pub fn of(&self, product: &str) -> &[(String, Tie)] {
        self.ties.get(product).map_or(&[], Vec::as_slice)
    }

    /// Rows and files that cannot be used.
    pub fn faults(&self) -> &[PairFault] {
        &self.faults
    }

    /// How many pairs were read.
    pub fn len(&self) -> usize {
        self.num_pairs
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.num_pairs == 0
    }
}

/// The cells of a line of JSON.
fn object(text: &str) -> Result<[String; 3], (&'static str, String)> {
    let object =
        parse_object(text).map_err(|message| ("record", format!("{message}; write one JSON object a line")))?;
    Ok(COLUMNS.map(|name| object.get(name).map(Json::text).unwrap_or_default()))
}

/// A pair from its cells; the column at fault and what is wrong where it is none.
fn pair([product, with, relation]: [String; 3]) -> Result<(ProductId, ProductId, Tie), (&'static str, String)> {
    let id =
        |field, text: String| ProductId::new(text).map_err(|error| (field, format!("{error}; give a product's id")));
    let (product, with) = (id(COLUMNS[0], product)?, id(COLUMNS[1], with)?);
    if product == with {
        return Err((COLUMNS[1], format!("`{}` is paired with itself; name another product", with.as_str())));
    }
    let tie = Tie::ALL.into_iter().find(|tie| tie.word().eq_ignore_ascii_case(relation.trim()));
    let known = || Tie::ALL.map(Tie::word).join(", ");
    let tie = tie.ok_or_else(|| (COLUMNS[2], format!("`{relation}` is no relation; write one of {}", known())))?;
    Ok((product, with, tie))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(name: &str, text: &str) -> Pairs {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join(name), text).unwrap();
        Pairs::of_folder(folder.path())
    }

    #[test]
    fn both_forms_say_the_same_and_a_bad_row_is_named_with_its_line_and_column() {
        let csv = "product,with,relation\na,b,always_together\na,c,required_part\n,b,accessory\na,a,accessory\na,d,sometimes\nd,e,never_together\n";
        let pairs = read("pairs.csv", csv);
        let json = "{\"product\":\"a\",\"with\":\"b\",\"relation\":\"always_together\"}\n{\"product\":\"a\",\"with\":\"c\",\"relation\":\"Required_Part\"}\n{\n{\"product\":\"d\",\"with\":\"e\",\"relation\":\"never_together\"}\n";
        let same = read("pairs.jsonl", json);
        for pairs in [&pairs, &same] {
            assert_eq!(pairs.len(), 3);
            assert_eq!(pairs.of("a"), [("b".to_owned(), Tie::AlwaysTogether), ("c".to_owned(), Tie::RequiredPart)]);
            assert_eq!(pairs.of("b"), [("a".to_owned(), Tie::AlwaysTogether)]);
            // What is needed does not need what needs it.
            assert!(pairs.of("c").is_empty());
            assert_eq!(pairs.of("e"), [("d".to_owned(), Tie::NeverTogether)]);
        }
        let faults: Vec<(u64, &str)> =
            pairs.faults().iter().map(|fault| (fault.line.unwrap(), fault.field.as_str())).collect();
        assert_eq!(faults, [(4, "product"), (5, "with"), (6, "relation")]);
        assert!(pairs.faults()[2].message.contains("`sometimes`") && pairs.faults()[2].message.contains("accessory"));
        assert_eq!((same.faults()[0].line, same.faults()[0].field.as_str()), (Some(3), "record"));
    }

    #[test]
    fn a_folder_without_pairs_has_none() {
        for (name, text) in
            [("other.csv", "product,with,relation\na,b,accessory\n"), ("pairs.csv", ""), ("pairs.jsonl", "\n\n")]
        {
            let pairs = read(name, text);
            assert!(pairs.is_empty() && pairs.of("a").is_empty() && pairs.faults().is_empty(), "{name}");
        }
    }

    #[test]
    fn a_file_that_cannot_be_read_is_named_and_stops_no_other() {
        let folder = tempfile::tempdir().unwrap();
        let (csv, jsonl) = (folder.path().join("pairs.csv"), folder.path().join("pairs.jsonl"));
        std::fs::write(&jsonl, "{\"product\":\"a\",\"with\":\"b\",\"relation\":\"accessory\"}\n").unwrap();
        let utf16: Vec<u8> = "\u{feff}product,with,relation\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
        let cut_gzip = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3, 1];
        for (bytes, word) in [(&utf16[..], "UTF-16"), (b"%PDF-1.4", "PDF"), (&cut_gzip, "cannot be read")] {
            std::fs::write(&csv, bytes).unwrap();
            let pairs = Pairs::of_folder(folder.path());
            let [fault] = pairs.faults() else { panic!("{word}: {:?}", pairs.faults()) };
            assert!(fault.is_of_file() && fault.path == csv, "{fault:?}");
            assert!(fault.to_string().contains(word) && fault.to_string().contains("pairs.csv"), "{fault}");
            assert_eq!(pairs.of("a"), [("b".to_owned(), Tie::Accessory)]);
        }
        std::fs::remove_file(&csv).unwrap();
        std::fs::create_dir(&csv).unwrap();
        let pairs = Pairs::of_folder(folder.path());
        assert!(pairs.len() == 1 && pairs.faults()[0].to_string().contains("is a folder"));
    }
}
