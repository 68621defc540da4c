//! Amazon Personalize items: `ITEM_ID, PRICE, CATEGORY_L1.., PRODUCT_DESCRIPTION, ...`, several values separated by `|`.

use super::delimited::Row;
use super::draft::Draft;
use super::product::CategoryPath;
use super::template::cut_at_word;
use super::text::plain_text;

/// Longest title made from a description, in characters.
const MAX_SENTENCE_CHARS: usize = 150;

/// Levels of the category tree, from the root.
const CATEGORY_LEVELS: [&str; 5] = ["category_l1", "category_l2", "category_l3", "category_l4", "category_l5"];

/// Columns that hold the title, best first.
const TITLE_COLUMNS: [&str; 4] = ["item_name", "title", "product_name", "name"];

/// Columns whose text is taken whole: a `|` in them is no separator.
const WHOLE_COLUMNS: [&str; 5] = ["id", "title", "description", "price", "brand"];

/// A draft from one record; `columns` are canonical names.
pub(super) fn from_row(columns: &[String], row: Row) -> Draft {
    let mut draft = Draft::new(row.line);
    let mut levels: [Vec<String>; CATEGORY_LEVELS.len()] = Default::default();
    let title_column = TITLE_COLUMNS.into_iter().find(|name| columns.iter().any(|column| column == name));
    for (column, cell) in columns.iter().zip(row.cells) {
        let name = field_name(column, title_column);
        if let Some(level) = CATEGORY_LEVELS.iter().position(|level| *level == column) {
            levels[level].extend(values(&cell));
        } else if WHOLE_COLUMNS.contains(&name) {
            draft.add(name, cell);
        } else {
            values(&cell).for_each(|value| draft.add(name, value));
        }
    }
    draft.categories = paths(&levels);
    if !draft.fields.contains_key("title") {
        let description = draft.fields.get("description").and_then(|values| values.first());
        let title = description.map(|text| first_sentence(&plain_text(text)).to_owned()).unwrap_or_default();
        draft.add("title", title);
    }
    draft
}

fn field_name<'a>(column: &'a str, title_column: Option<&str>) -> &'a str {
    match column {
        "item_id" => "id",
        "product_description" | "item_description" => "description",
        "image_url" => "image_link",
        "product_url" | "url" => "link",
        _ if Some(column) == title_column => "title",
        _ => column,
    }
}

fn values(cell: &str) -> impl Iterator<Item = String> + '_ {
    cell.split('|').map(|value| value.trim().to_owned()).filter(|value| !value.is_empty())
}

/// The n-th value of each level makes the n-th path, which ends at the first level without one.
fn paths(levels: &[Vec<String>]) -> Vec<CategoryPath> {
    let num_paths = levels.first().map_or(0, Vec::len);
    (0..num_paths).map(|n| levels.iter().map_while(|level| level.get(n).cloned()).collect()).collect()
}

fn first_sentence(text: &str) -> &str {
    let end = [". ", "! ", "? "].iter().filter_map(|mark| text.find(mark)).min();
    let sentence = end.map_or(text, |end| &text[..=end]);
    cut_at_word(sentence.trim_end_matches('.'), MAX_SENTENCE_CHARS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_title_is_the_first_sentence_of_the_description() {
        assert_eq!(first_sentence("Steel pan, 28 cm. Fits all stoves."), "Steel pan, 28 cm");
        assert_eq!(first_sentence("Really? Yes."), "Really?");
        assert_eq!(first_sentence("One."), "One");
        assert_eq!(first_sentence(""), "");
        assert!(first_sentence(&"word ".repeat(100)).chars().count() <= MAX_SENTENCE_CHARS);
    }

    #[test]
    fn values_of_the_levels_are_joined_by_position() {
        let levels = [vec!["A".to_owned(), "B".to_owned()], vec!["C".to_owned()], vec![]];
        assert_eq!(paths(&levels), [vec!["A".to_owned(), "C".to_owned()], vec!["B".to_owned()]]);
        assert!(paths(&[vec![], vec!["C".to_owned()]]).is_empty());
    }
}
