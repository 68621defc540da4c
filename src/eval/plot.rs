//! The evidence ladder as a picture: nDCG against the orders that a held-out product was given back, a line a method.
//!
//! Plain SVG text, so that it needs no library and the same figures give the same bytes.

use std::fmt::Write as _;
use std::path::Path;

use super::error::EvalError;
use super::protocol::Rung;
use super::report::MethodReport;

const WIDTH: f64 = 760.0;
const HEIGHT: f64 = 440.0;
const LEFT: f64 = 60.0;
const RIGHT: f64 = 180.0;
const TOP: f64 = 40.0;
const BOTTOM: f64 = 60.0;

/// Colours that stay apart for readers who see few of them (Okabe and Ito 2008); the reference, drawn last, is black.
const COLORS: [&str; 7] = ["#999999", "#56b4e9", "#009e73", "#e69f00", "#cc79a7", "#0072b2", "#d55e00"];
/// Strokes, in turn where colours come round again.
const DASHES: [&str; 3] = ["none", "7 4", "2 3"];
const REFERENCE: Pen = Pen { color: "#000000", dash: "none", width: 3 };

/// How a method's line is drawn: no two alike.
#[derive(Clone, Copy)]
struct Pen {
    color: &'static str,
    dash: &'static str,
    width: u32,
}

impl Pen {
    fn of(number: usize) -> Self {
        let round = number / COLORS.len() % DASHES.len();
        Self { color: COLORS[number % COLORS.len()], dash: DASHES[round], width: 2 }
    }
}

/// Writes the picture of `rungs` to `path`.
///
/// Returns an error if the file cannot be written.
pub fn write_ladder(path: &Path, rungs: &[Rung]) -> Result<(), EvalError> {
    std::fs::write(path, ladder_svg(rungs)).map_err(|source| EvalError::WritePlot { path: path.to_owned(), source })
}

/// Where figures lie in the picture. Rungs are evenly spaced: they grow about as powers do.
struct Frame {
    num_rungs: usize,
    highest: f64,
}

impl Frame {
    fn x(&self, rung: usize) -> f64 {
        let gaps = self.num_rungs.saturating_sub(1).max(1) as f64;
        LEFT + (WIDTH - LEFT - RIGHT) * rung as f64 / gaps
    }

    fn y(&self, value: f64) -> f64 {
        HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * value / self.highest
    }
}

fn ladder_svg(rungs: &[Rung]) -> String {
    let values = rungs.iter().flat_map(|rung| rung.report.methods.iter().map(|method| method.ndcg.interval.high));
    let highest = (values.fold(0.0, f64::max) * 20.0).ceil().max(1.0) / 20.0;
    let frame = Frame { num_rungs: rungs.len(), highest };
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" font-family=\"sans-serif\" font-size=\"12\">\n\
         <rect width=\"{WIDTH}\" height=\"{HEIGHT}\" fill=\"#ffffff\"/>\n"
    );
    draw_axes(&mut svg, &frame, rungs);
    let names: Vec<&str> =
        rungs.first().map_or(Vec::new(), |rung| rung.report.methods.iter().map(|method| &*method.method).collect());
    for (number, name) in names.iter().enumerate() {
        let pen = if number + 1 == names.len() { REFERENCE } else { Pen::of(number) };
        let methods: Vec<&MethodReport> = rungs.iter().filter_map(|rung| rung.report.methods.get(number)).collect();
        draw_method(&mut svg, &frame, &methods, pen);
        draw_label(&mut svg, number, name, pen);
    }
    svg.push_str("</svg>\n");
    svg
}

fn draw_axes(svg: &mut String, frame: &Frame, rungs: &[Rung]) {
    let k = rungs.first().map_or(0, |rung| rung.report.k);
    let (right, bottom) = (WIDTH - RIGHT, HEIGHT - BOTTOM);
    for step in 0..=5 {
        let value = frame.highest * f64::from(step) / 5.0;
        let y = frame.y(value);
        push(svg, format_args!("<line x1=\"{LEFT}\" y1=\"{y:.1}\" x2=\"{right}\" y2=\"{y:.1}\" stroke=\"#dddddd\"/>"));
        push(
            svg,
            format_args!("<text x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{value:.2}</text>", LEFT - 8.0, y + 4.0),
        );
    }
    for (at, rung) in rungs.iter().enumerate() {
        let (x, y) = (frame.x(at), bottom + 18.0);
        push(svg, format_args!("<text x=\"{x:.1}\" y=\"{y}\" text-anchor=\"middle\">{}</text>", rung.orders));
    }
    let middle = (LEFT + right) / 2.0;
    let below = bottom + 40.0;
    push(
        svg,
        format_args!(
            "<text x=\"{middle}\" y=\"{below}\" text-anchor=\"middle\">orders known of the product that is asked about</text>"
        ),
    );
    push(svg, format_args!("<text x=\"{LEFT}\" y=\"24\">nDCG@{k} of the rest of its order, 95 % intervals</text>"));
}

fn draw_method(svg: &mut String, frame: &Frame, methods: &[&MethodReport], pen: Pen) {
    let Pen { color, dash, width } = pen;
    let mut line = String::new();
    for (at, method) in methods.iter().enumerate() {
        let (x, low, high) = (frame.x(at), frame.y(method.ndcg.interval.low), frame.y(method.ndcg.interval.high));
        let y = frame.y(method.ndcg.value);
        let _ = write!(line, "{x:.1},{y:.1} ");
        push(
            svg,
            format_args!(
                "<line x1=\"{x:.1}\" y1=\"{low:.1}\" x2=\"{x:.1}\" y2=\"{high:.1}\" stroke=\"{color}\" stroke-opacity=\"0.4\"/>"
            ),
        );
        push(svg, format_args!("<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"2.5\" fill=\"{color}\"/>"));
    }
    let points = line.trim_end();
    push(
        svg,
        format_args!(
            "<polyline points=\"{points}\" fill=\"none\" stroke=\"{color}\" stroke-width=\"{width}\" stroke-dasharray=\"{dash}\"/>"
        ),
    );
}

fn draw_label(svg: &mut String, number: usize, name: &str, pen: Pen) {
    let Pen { color, dash, width } = pen;
    let (x, y) = (WIDTH - RIGHT + 20.0, TOP + 20.0 * number as f64);
    push(
        svg,
        format_args!(
            "<line x1=\"{x}\" y1=\"{y}\" x2=\"{}\" y2=\"{y}\" stroke=\"{color}\" stroke-width=\"{width}\" stroke-dasharray=\"{dash}\"/>",
            x + 20.0
        ),
    );
    push(svg, format_args!("<text x=\"{}\" y=\"{}\">{name}</text>", x + 28.0, y + 4.0));
}

fn push(svg: &mut String, line: std::fmt::Arguments<'_>) {
    // Writing to a String cannot fail.
    let _ = writeln!(svg, "{line}");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::eval::report::{Estimate, Report};

    fn rung(orders: u32, values: &[f64]) -> Rung {
        let method = |(number, value): (usize, &f64)| MethodReport {
            method: format!("m{number}"),
            ndcg: Estimate { value: *value, ..Estimate::default() },
            ..MethodReport::default()
        };
        let methods = values.iter().enumerate().map(method).collect();
        let report = Report {
            protocol: "ladder".into(),
            k: 10,
            keeps_seen: false,
            num_cases: 1,
            num_groups: 1,
            num_products: 1,
            num_train_sessions: 1,
            seed: 1,
            draws: 1,
            reference: "m1".into(),
            methods,
        };
        Rung { orders, report }
    }

    #[test]
    fn every_method_is_a_line_through_every_rung_and_more_is_higher() {
        let svg = ladder_svg(&[rung(0, &[0.02, 0.03]), rung(5, &[0.04, 0.05])]);
        let lines: Vec<&str> = svg.lines().filter(|line| line.starts_with("<polyline")).collect();
        assert_eq!((lines.len(), svg.matches("<circle").count()), (2, 4));
        let points = lines[0].split('"').nth(1).unwrap();
        let heights: Vec<f64> =
            points.split(' ').map(|point| point.split(',').nth(1).unwrap().parse().unwrap()).collect();
        assert!(heights[1] < heights[0], "0.04 lies above 0.02: {heights:?}");
        let many = ladder_svg(&[rung(0, &[0.1; 14]), rung(5, &[0.1; 14])]);
        let styles: std::collections::HashSet<&str> = many
            .lines()
            .filter_map(|line| line.strip_prefix("<polyline")?.split_once("fill"))
            .map(|(_, style)| style)
            .collect();
        assert_eq!(styles.len(), 14, "lines that lie on each other are told apart");
        assert!(svg.starts_with("<svg") && svg.ends_with("</svg>\n") && svg.contains(">m1</text>"));
    }
}
