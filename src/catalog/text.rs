//! Plain text from what shops put into text fields: HTML stripped, entities decoded, white space collapsed.

use html5gum::{DefaultEmitter, Token, Tokenizer};

/// Tags that stand inside a word or a sentence; every other tag separates words.
const INLINE_TAGS: [&[u8]; 18] = [
    b"a", b"abbr", b"b", b"bdi", b"bdo", b"big", b"cite", b"em", b"font", b"i", b"mark", b"s", b"small", b"span",
    b"strong", b"sub", b"sup", b"u",
];

/// Tags whose content is not for readers.
const HIDDEN_TAGS: [&[u8]; 2] = [b"script", b"style"];

/// One line of plain text: no tags, no control characters, single spaces between words, none at the ends.
pub(super) fn plain_text(raw: &str) -> String {
    if !raw.contains(['<', '&']) {
        return single_spaced(raw);
    }
    let once = strip_html(raw);
    // Feeds made by templates often escape their HTML twice: `&lt;p&gt;Red&lt;/p&gt;`.
    let is_still_html = once.contains("</") || once.to_ascii_lowercase().contains("<br");
    single_spaced(&if is_still_html { strip_html(&once) } else { once })
}

/// White space and control characters become single spaces; none stay at the ends.
pub(super) fn single_spaced(raw: &str) -> String {
    let is_space = |c: char| c.is_whitespace() || c.is_control() || c == '\u{feff}';
    let mut text = String::with_capacity(raw.len());
    for word in raw.split(is_space).filter(|word| !word.is_empty()) {
        if !text.is_empty() {
            text.push(' ');
        }
        text.push_str(word);
    }
    text
}

fn strip_html(raw: &str) -> String {
    let mut emitter = DefaultEmitter::default();
    emitter.naively_switch_states(true);
    let mut text = Vec::with_capacity(raw.len());
    let mut is_hidden = false;
    // Reading from memory has no error type: every item is `Ok`.
    for Ok(token) in Tokenizer::new_with_emitter(raw, emitter) {
        let name = match token {
            Token::String(part) if !is_hidden => {
                text.extend_from_slice(&part);
                continue;
            }
            Token::StartTag(tag) => {
                is_hidden |= HIDDEN_TAGS.contains(&tag.name.as_slice());
                tag.name
            }
            Token::EndTag(tag) => {
                is_hidden &= !HIDDEN_TAGS.contains(&tag.name.as_slice());
                tag.name.clone()
            }
            _ => continue,
        };
        if !INLINE_TAGS.contains(&name.as_slice()) {
            text.push(b' ');
        }
    }
    String::from_utf8_lossy(&text).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn html_becomes_the_text_a_reader_sees() {
        let cases = [
            ("<p>Soft <b>cot</b>ton</p><p>Red &amp; blue</p>", "Soft cotton Red & blue"),
            ("a<br>b<br/>c", "a b c"),
            ("<ul><li>One</li><li>Two</li></ul>", "One Two"),
            ("x<script>if (a < b) alert('</p>')</script>y<style>p{}</style>z", "x y z"),
            ("5 &euro; &#8211; &#x41; &nbsp;ok", "5 € – A ok"),
            ("Cables < 1 m, I <3 you & me", "Cables < 1 m, I <3 you & me"),
            ("<!-- hidden -->seen", "seen"),
            ("&lt;p&gt;Twice&lt;br&gt;escaped&lt;/p&gt;", "Twice escaped"),
            ("  tabs\tand\r\nlines\u{a0}and\0nul ", "tabs and lines and nul"),
            ("مرحبا 👩‍👩‍👧 שלום", "مرحبا 👩‍👩‍👧 שלום"),
        ];
        for (raw, expected) in cases {
            assert_eq!(plain_text(raw), expected, "from {raw:?}");
        }
    }

    proptest! {
        #[test]
        fn text_without_markup_keeps_its_words(words in prop::collection::vec("[^<&\\s\\p{Cc}\u{feff}]{1,8}", 0..12)) {
            prop_assert_eq!(plain_text(&words.join(" \t\r\n")), words.join(" "));
        }

        #[test]
        fn any_text_becomes_one_line_without_control_characters(raw in "(\\PC|[<>&;/\\s\0]|</?[a-z]{1,6}>){0,60}") {
            let text = plain_text(&raw);
            prop_assert!(!text.chars().any(char::is_control));
            prop_assert!(!text.contains("  ") && text.trim() == text);
        }
    }
}
