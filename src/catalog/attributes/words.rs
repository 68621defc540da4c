//! Text to words and numbers: `4.7-inch`, `16GB`, `3'`, `1,000 mAh` are a number and a unit, `A9` and `89856N` are words.

/// A word or number of a text, in lower case.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Token {
    /// The word, or the unit that is written with the number: `gb` of `16GB`, `"` of `5.7"`; empty for a bare number.
    pub word: String,
    /// The number; `None` for a word.
    pub number: Option<f32>,
    /// What stands between the token before and this one: a space, a hyphen, or nothing.
    pub joint: Joint,
    /// Whether the word is written with a capital at its end: `G` of `4G`.
    pub is_capital: bool,
}

/// What stands before a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Joint {
    /// White space.
    Space,
    /// A hyphen without spaces.
    Hyphen,
    /// A slash.
    Slash,
    /// Something else: the end of a phrase.
    Break,
}

impl Token {
    /// Whether it is this word and no number.
    pub(super) fn is(&self, word: &str) -> bool {
        self.number.is_none() && self.word == word
    }
}

/// The tokens of `text`.
pub(super) fn tokens(text: &str) -> Vec<Token> {
    let chars: Vec<char> = text.chars().map(plain).collect();
    let mut tokens = Vec::new();
    let (mut at, mut joint) = (0, Joint::Break);
    while at < chars.len() {
        let c = chars[at];
        if c.is_alphanumeric() {
            let start = at;
            at = if c.is_ascii_digit() { end_of_number(&chars, at) } else { end_of_word(&chars, at) };
            tokens.push(token(&chars, start, &mut at, joint));
            joint = Joint::Space;
        } else {
            let is_inner =
                at > 0 && chars[at - 1].is_alphanumeric() && chars.get(at + 1).is_some_and(|c| c.is_alphanumeric());
            joint = match c {
                c if c.is_whitespace() && joint == Joint::Break => Joint::Break,
                c if c.is_whitespace() => Joint::Space,
                '-' if is_inner => Joint::Hyphen,
                '/' => Joint::Slash,
                '®' | '™' | '©' => joint,
                _ => Joint::Break,
            };
            at += 1;
        }
    }
    tokens
}

/// Typographic quotes and dashes as plain ones.
fn plain(c: char) -> char {
    match c {
        '”' | '“' | '″' => '"',
        '’' | '‘' | '′' => '\'',
        '‑' | '–' => '-',
        c => c,
    }
}

fn end_of_word(chars: &[char], start: usize) -> usize {
    (start..chars.len()).find(|&at| !chars[at].is_alphanumeric()).unwrap_or(chars.len())
}

/// The end of the digits that start at `start`, with a decimal point or thousands.
fn end_of_number(chars: &[char], start: usize) -> usize {
    let digit = |at: usize| chars.get(at).is_some_and(char::is_ascii_digit);
    let mut at = start;
    while digit(at) || (at > start && matches!(chars.get(at), Some('.' | ',')) && digit(at - 1) && digit(at + 1)) {
        at += 1;
    }
    at
}

/// The token that starts at `start` and whose digits or letters end at `at`, which moves behind the unit written with a number.
fn token(chars: &[char], start: usize, at: &mut usize, joint: Joint) -> Token {
    let lower = |range: std::ops::Range<usize>| chars[range].iter().flat_map(|c| c.to_lowercase()).collect::<String>();
    if !chars[start].is_ascii_digit() {
        let is_capital = chars[*at - 1].is_uppercase();
        return Token { word: lower(start..*at), number: None, joint, is_capital };
    }
    let digits = *at;
    let unit_end = end_of_word(chars, digits);
    let is_capital = unit_end > digits && chars[unit_end - 1].is_uppercase();
    *at = unit_end;
    // Digits behind the letters make it the code of a model.
    if chars[digits..unit_end].iter().any(char::is_ascii_digit) {
        return Token { word: lower(start..unit_end), number: None, joint, is_capital };
    }
    let number = number(&lower(start..digits));
    let mut unit = lower(digits..unit_end);
    let is_followed = chars.get(unit_end + 1).is_some_and(|c| c.is_alphanumeric());
    match chars.get(unit_end) {
        Some('"') if unit.is_empty() => unit.push('"'),
        // `50's` and `iphone 7's` are no feet.
        Some('\'') if unit.is_empty() && !is_followed => unit.push('\''),
        _ => return Token { word: unit, number, joint, is_capital },
    }
    *at = unit_end + 1;
    Token { word: unit, number, joint, is_capital }
}

/// `1,000` is a thousand, `1,5` one and a half; what is neither is no number.
fn number(digits: &str) -> Option<f32> {
    let groups: Vec<&str> = digits.split(',').collect();
    let is_grouped =
        groups.len() > 1 && groups[1..].iter().all(|group| group.split('.').next().is_some_and(|g| g.len() == 3));
    let plain = if is_grouped { groups.concat() } else { digits.replace(',', ".") };
    plain.parse().ok().filter(|number: &f32| number.is_finite())
}
