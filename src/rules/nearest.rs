//! The known word that is nearest to one that is not known, for errors.

/// Longest word in characters for which a near one is looked for.
const MAX_WORD_CHARS: usize = 64;

/// The word of `known` that `word` was most likely meant to be; `None` when none is near.
pub fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    if word.chars().count() > MAX_WORD_CHARS {
        return None;
    }
    let word = word.to_lowercase();
    let far = word.chars().count().div_ceil(3);
    let measured = known.into_iter().map(|known| (distance(&word, &known.to_lowercase()), known));
    measured.filter(|(distance, _)| *distance <= far).min_by_key(|(distance, _)| *distance).map(|(_, known)| known)
}

/// The nearest word as the end of a message: `; did you mean `x`?`, or nothing.
pub fn did_you_mean<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    nearest(word, known).map_or_else(String::new, |near| format!("; did you mean `{near}`?"))
}

/// Characters to put in, take out, change or swap with their neighbor (optimal string alignment).
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut rows = vec![vec![0; b.len() + 1]; a.len() + 1];
    rows[0] = (0..=b.len()).collect();
    for i in 1..=a.len() {
        rows[i][0] = i;
        for j in 1..=b.len() {
            let change = usize::from(a[i - 1] != b[j - 1]);
            let mut least = (rows[i - 1][j] + 1).min(rows[i][j - 1] + 1).min(rows[i - 1][j - 1] + change);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                least = least.min(rows[i - 2][j - 2] + 1);
            }
            rows[i][j] = least;
        }
    }
    rows[a.len()][b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_of_the_pen_is_near_and_another_word_is_not() {
        let known = ["brand", "category", "price", "match", "range"];
        for (word, near) in [("brnad", "brand"), ("Categorie", "category"), ("prise", "price"), ("rnage", "range")] {
            assert_eq!(nearest(word, known), Some(near), "{word}");
        }
        assert_eq!(nearest("weight", known), None);
        assert_eq!(did_you_mean("machs", known), "; did you mean `match`?");
    }
}
