//! Titles as words, and the words that give them their shape: what opens, parts and ends what a product is for.

/// Words after which a title names what the product fits.
pub(super) const OPENERS: [&str; 7] =
    ["for", "fits", "fit", "compatible with", "works with", "work with", "designed for"];
/// Words that end what is named.
pub(super) const ENDS: [&str; 4] = ["with", "w", "without", "but"];
/// Words between two models.
pub(super) const SEPARATORS: [&str; 2] = ["and", "or"];
/// Words that belong to the number before them.
pub(super) const SUFFIXES: [&str; 15] =
    ["plus", "pro", "max", "mini", "edge", "ultra", "lite", "active", "prime", "se", "xl", "air", "fe", "play", "duo"];

/// Number of words of the opener that `words` starts with.
pub(super) fn opener(words: &[String]) -> Option<usize> {
    let starts_with =
        |opener: &&str| opener.split(' ').eq(words.iter().take(opener.split(' ').count()).map(String::as_str));
    OPENERS.iter().filter(|opener| starts_with(opener)).map(|opener| opener.split(' ').count()).max()
}

/// Lower-case words; `,` `/` `&` `;` stand as separators, `+` as `plus`, `%` as `percent`, decimals stay whole, and a letter apart from
/// its number is joined: `S 5` is `s5`.
pub(super) fn words(text: &str) -> Vec<String> {
    let mut spaced = String::with_capacity(text.len() + 8);
    let mut chars = text.chars().flat_map(char::to_lowercase).peekable();
    while let Some(c) = chars.next() {
        let is_digit = |c: char| c.is_ascii_digit();
        match c {
            '.' if spaced.ends_with(is_digit) && chars.peek().copied().is_some_and(is_digit) => spaced.push(c),
            '%' => spaced.push_str(" percent "),
            ',' | '/' | '&' | ';' => spaced.push_str(" and "),
            '+' => spaced.push_str(" plus "),
            '®' | '™' | '©' => {}
            c if c.is_alphanumeric() => spaced.push(c),
            _ => spaced.push(' '),
        }
    }
    let mut words: Vec<String> = Vec::new();
    for word in spaced.split_whitespace() {
        match words.last_mut() {
            Some(last) if is_letter(last) && word.starts_with(|c: char| c.is_ascii_digit()) => last.push_str(word),
            _ => words.push(word.to_owned()),
        }
    }
    words
}

fn is_letter(word: &str) -> bool {
    word.len() == 1 && word.starts_with(|c: char| c.is_ascii_lowercase())
}

pub(super) fn has_digit(word: &str) -> bool {
    word.chars().any(|c| c.is_ascii_digit())
}
