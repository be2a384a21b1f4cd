//! A light curve in a terminal: a letter for each point, bars for its error.

use std::fmt::Write as _;

/// One measurement.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Point {
    /// Time, in days.
    pub x: f64,
    /// Flux or magnitude.
    pub y: f64,
    /// Standard error of `y`; 0 if unknown.
    pub error: f64,
    /// What stands for it: its band.
    pub mark: char,
}

/// Draws points in a field of `width` by `height` characters, axes outside. Points that are not finite are left out.
pub fn scatter(points: &[Point], width: usize, height: usize, x_label: &str, y_label: &str) -> String {
    let points: Vec<Point> = points.iter().copied().filter(|p| p.x.is_finite() && p.y.is_finite()).collect();
    let (width, height) = (width.max(16), height.max(4));
    let span = |values: &mut dyn Iterator<Item = f64>| {
        let (low, high) = values.fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), v| (l.min(v), h.max(v)));
        if low < high { (low, high) } else { (low - 0.5, low + 0.5) }
    };
    if points.is_empty() {
        return format!("{y_label}: nothing to show\n");
    }
    let error = |p: &Point| if p.error.is_finite() { p.error.abs() } else { 0.0 };
    let (x0, x1) = span(&mut points.iter().map(|p| p.x));
    let (y0, y1) = span(&mut points.iter().flat_map(|p| [p.y - error(p), p.y + error(p)]));
    let place = |value: f64, low: f64, high: f64, cells: usize| {
        let at = (value - low) / (high - low) * (cells - 1) as f64;
        (at.round().max(0.0) as usize).min(cells - 1)
    };
    let mut field = vec![vec![' '; width]; height];
    for point in &points {
        let column = place(point.x, x0, x1, width);
        let row = |y: f64| height - 1 - place(y, y0, y1, height);
        let reach = row(point.y + error(point))..=row(point.y - error(point));
        for cells in &mut field[reach] {
            if cells[column] == ' ' {
                cells[column] = '│';
            }
        }
    }
    // Marks last, so that no error bar hides one.
    for point in &points {
        field[height - 1 - place(point.y, y0, y1, height)][place(point.x, x0, x1, width)] = point.mark;
    }
    let labels = [tick(y1, y1 - y0), tick(y0, y1 - y0)];
    let margin = labels.iter().map(|l| l.chars().count()).max().unwrap_or(0);
    let mut out = String::new();
    let _ = writeln!(out, "{:margin$}  {y_label}", "");
    for (row, cells) in field.iter().enumerate() {
        let label = match row {
            0 => labels[0].as_str(),
            _ if row == height - 1 => labels[1].as_str(),
            _ => "",
        };
        let cells: String = cells.iter().collect();
        let _ = writeln!(out, "{label:>margin$} ┤{}", cells.trim_end());
    }
    let _ = writeln!(out, "{:margin$} └{}", "", "─".repeat(width));
    let (left, right) = (tick(x0, x1 - x0), tick(x1, x1 - x0));
    let gap = width.saturating_sub(left.chars().count() + right.chars().count());
    let _ = writeln!(out, "{:margin$}  {left}{x_label:^gap$}{right}", "");
    out
}

/// As many digits as tell the ends of an axis apart.
fn tick(value: f64, span: f64) -> String {
    let digits = (2.0 - span.log10()).clamp(0.0, 6.0).ceil() as usize;
    format!("{value:.digits$}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn point(x: f64, y: f64, error: f64, mark: char) -> Point {
        Point { x, y, error, mark }
    }

    #[test]
    fn every_point_is_somewhere() {
        let points = [point(0.0, 0.0, 0.0, 'g'), point(1.0, 10.0, 2.0, 'r'), point(0.5, f64::NAN, 0.0, 'z')];
        let text = scatter(&points, 20, 5, "days", "nJy");
        assert!(text.contains('g') && text.contains('r') && !text.contains('z'), "{text}");
        assert!(text.lines().any(|l| l.trim_start().starts_with("12.")), "{text}");
        assert_eq!(text.lines().count(), 5 + 3);
    }

    #[test]
    fn one_point_and_none_are_no_trouble() {
        assert!(scatter(&[point(3.0, 3.0, f64::NAN, 'i')], 20, 5, "x", "y").contains('i'));
        assert!(scatter(&[], 20, 5, "x", "y").contains("nothing"));
    }
}
