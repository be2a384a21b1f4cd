//! Polygons of great circles.
//!
//! A closed line that does not cross itself has two sides; the inside is the smaller one. Which one that is follows
//! from how the line turns: after Gauss and Bonnet the area on its left is 2π less the sum of its turns to the left.
//! Whether a point is inside follows from a way to some place on the line: it arrives there from the left or the right,
//! and changes sides wherever it crosses the line before.
//!
//! Which side of an edge a point is on is never guessed: a way on which it cannot be told is given up for another one.

use noctuary_engine::Extent;
use noctuary_storage::index::{Circle, Touch};

use super::vectors::{Vector, side};
use crate::define::Region;

/// A point closer to an edge than this is inside, in radians: 1e-10 degrees, below any instrument and above rounding.
const EDGE: f64 = 1e-10 / 180.0 * std::f64::consts::PI;

/// A polygon on the sphere.
#[derive(Debug, Clone)]
pub(super) struct Polygon {
    edges: Vec<Edge>,
    /// The inside is on the left of the edges.
    left: bool,
    /// A circle about all of it, by its middle and the cosine of its radius, if there is one that is not too large.
    around: Option<(Vector, f64)>,
}

/// The shorter arc between two points.
#[derive(Debug, Clone, Copy)]
struct Edge {
    from: Vector,
    to: Vector,
    /// The pole of its great circle, to its left.
    pole: Vector,
}

/// Why some points are not the vertices of a polygon.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub(super) enum PolygonError {
    #[error("the vertices are {0} numbers; give pairs of right ascension and declination")]
    Odd(usize),
    #[error("vertex {0} has the declination {1}, which must lie between -90 and 90")]
    OffTheSphere(usize, f64),
    #[error("a polygon has at least 3 vertices, and these are {0} that differ from the one before")]
    TooFew(usize),
    #[error("the vertices {0} and {1} are antipodes, and any arc could join them; put a vertex between them")]
    Antipodes(usize, usize),
    #[error("all vertices lie on one great circle, which has no smaller side; move one of them off it")]
    OneCircle,
    #[error("the edges at vertex {0} lie on each other; leave out the vertex or move it")]
    Back(usize),
    #[error("the edges after the vertices {0} and {1} cross; give the vertices in order round the polygon")]
    Crossing(usize, usize),
    #[error("both sides of the polygon are half of the sky; which one is meant cannot be told")]
    Halves,
}

impl Polygon {
    /// The polygon with these vertices in order, each a right ascension and a declination in degrees. The first may be
    /// repeated as the last.
    ///
    /// # Errors
    /// When they do not bound a smaller side; vertices are counted from 1.
    pub(super) fn new(numbers: &[f64]) -> Result<Self, PolygonError> {
        if !numbers.len().is_multiple_of(2) {
            return Err(PolygonError::Odd(numbers.len()));
        }
        // Vertices with their numbers, as some may be left out.
        let mut vertices: Vec<(usize, Vector)> = Vec::with_capacity(numbers.len() / 2);
        for (at, pair) in numbers.chunks_exact(2).enumerate() {
            if !(-90.0..=90.0).contains(&pair[1]) {
                return Err(PolygonError::OffTheSphere(at + 1, pair[1]));
            }
            let vertex = Vector::towards(pair[0], pair[1]);
            if vertices.last().is_none_or(|(_, last)| !same(*last, vertex)) {
                vertices.push((at + 1, vertex));
            }
        }
        while let [(_, first), .., (_, last)] = vertices.as_slice()
            && same(*first, *last)
        {
            vertices.pop();
        }
        if vertices.len() < 3 {
            return Err(PolygonError::TooFew(vertices.len()));
        }
        let next = |at: usize| vertices[(at + 1) % vertices.len()];
        let mut edges = Vec::with_capacity(vertices.len());
        for (at, &(number, from)) in vertices.iter().enumerate() {
            let (to_number, to) = next(at);
            if from.plus(to).length() < EDGE {
                return Err(PolygonError::Antipodes(number, to_number));
            }
            edges.push(Edge { from, to, pole: from.twice_cross(to).unit() });
        }
        let polygon = Self { left: true, around: circle(&edges), edges };
        polygon.on_one_circle()?;
        let turned = polygon.turned().map_err(|at| PolygonError::Back(vertices[at].0))?;
        if let Some((one, other)) = polygon.crossing() {
            return Err(PolygonError::Crossing(vertices[one].0, vertices[other].0));
        }
        if turned.abs() < 1e-9 {
            return Err(PolygonError::Halves);
        }
        Ok(Self { left: turned > 0.0, ..polygon })
    }

    fn on_one_circle(&self) -> Result<(), PolygonError> {
        let from = |edge: &Edge| edge.from;
        let first = self.edges[0].from;
        // The circle through the first vertex and the one that is best to define it with.
        let poles = self.edges.iter().map(|edge| first.twice_cross(from(edge)));
        let Some(pole) = poles.max_by(|a, b| a.length().total_cmp(&b.length())) else { return Ok(()) };
        let pole = pole.unit();
        let off = self.edges.iter().any(|edge| pole.dot(from(edge)).abs() > EDGE);
        if off { Ok(()) } else { Err(PolygonError::OneCircle) }
    }

    /// By how much the line turns to the left in all, in radians.
    ///
    /// # Errors
    /// The vertex at which it goes back the way it came.
    fn turned(&self) -> Result<f64, usize> {
        let mut sum = 0.0;
        for (at, edge) in self.edges.iter().enumerate() {
            let before = self.edges[(at + self.edges.len() - 1) % self.edges.len()];
            let way = side(before.from, before.to, edge.to);
            let along = before.pole.dot(edge.pole);
            if way == 0 && along < 0.0 {
                return Err(at);
            }
            sum += f64::from(way) * before.pole.cross(edge.pole).length().atan2(along);
        }
        Ok(sum)
    }

    /// Two edges that cross.
    fn crossing(&self) -> Option<(usize, usize)> {
        let balls: Vec<(Vector, f64)> = self.edges.iter().map(Edge::ball).collect();
        for (at, edge) in self.edges.iter().enumerate() {
            for (other, ball) in balls.iter().enumerate().skip(at + 1) {
                let near = balls[at].0.minus(ball.0).length() <= balls[at].1 + ball.1;
                if near && edge.crosses(self.edges[other].from, self.edges[other].to) == Some(true) {
                    return Some((at, other));
                }
            }
        }
        None
    }

    fn on_edge(&self, point: Vector) -> bool {
        self.edges.iter().any(|edge| edge.touches(point))
    }

    /// What it has of a circle.
    fn touch(&self, circle: &Circle) -> Touch {
        let middle = Vector::towards(circle.ra, circle.dec);
        let near = circle.radius.to_radians();
        if self.edges.iter().any(|edge| edge.distance(middle) <= near) {
            Touch::Part
        } else if self.holds(circle.ra, circle.dec) {
            Touch::Whole
        } else {
            Touch::Nothing
        }
    }

    /// Whether the way from a point to some place on an edge says that the point is inside; `None` where it is too
    /// close to a vertex to tell.
    fn inside_by(&self, point: Vector, on: usize, part: f64) -> Option<bool> {
        let edge = self.edges[on];
        let goal = edge.from.times(1.0 - part).plus(edge.to.times(part)).unit();
        let from_left = match side(edge.from, edge.to, point) {
            0 => return None,
            side => side > 0,
        };
        // The way to an antipode may go anywhere.
        if point.dot(goal) < -0.999 {
            return None;
        }
        let way = Edge { from: point, to: goal, pole: edge.pole };
        let mut inside = from_left == self.left;
        for (at, other) in self.edges.iter().enumerate() {
            if at != on && way.crosses(other.from, other.to)? {
                inside = !inside;
            }
        }
        Some(inside)
    }
}

impl Region for Polygon {
    fn holds(&self, ra: f64, dec: f64) -> bool {
        let point = Vector::towards(ra, dec);
        if self.around.is_some_and(|(middle, cosine)| middle.dot(point) < cosine) {
            return false;
        }
        if self.on_edge(point) {
            return true;
        }
        // A way that cannot be told meets a vertex. Others from the same point do not meet the same one.
        let parts = [0.5, 0.31, 0.73, 0.12, 0.93];
        let mut ways = parts.iter().flat_map(|part| (0..self.edges.len()).map(|on| (on, *part)));
        ways.find_map(|(on, part)| self.inside_by(point, on, part)).unwrap_or(false)
    }

    fn extent(&self) -> Option<Extent> {
        let circle = self.around.map(|(middle, cosine)| {
            let (ra, dec) = middle.angles();
            Circle { ra, dec, radius: cosine.acos().to_degrees() }
        });
        Some(Extent::of(circle, |circle| self.touch(circle)))
    }
}

impl Edge {
    /// Whether it crosses the arc between two points; `None` if that is too close to call.
    fn crosses(&self, from: Vector, to: Vector) -> Option<bool> {
        let (one, two) = (side(self.from, self.to, from), side(self.from, self.to, to));
        if one == two && one != 0 {
            return Some(false);
        }
        let (three, four) = (side(from, to, self.from), side(from, to, self.to));
        if three == four && three != 0 {
            return Some(false);
        }
        if one == 0 || two == 0 || three == 0 || four == 0 {
            return None;
        }
        // Where the great circles meet opposite of each other, one arc has its side there and the other its own.
        Some(one != three)
    }

    /// True if a point is so close to it that it counts as on it.
    fn touches(&self, point: Vector) -> bool {
        let close = self.pole.dot(point).abs() <= EDGE;
        (close && self.beside(point)) || same(self.from, point) || same(self.to, point)
    }

    /// The angle between a point and the place on it that is nearest, in radians.
    fn distance(&self, point: Vector) -> f64 {
        let angle = |to: Vector| point.cross(to).length().atan2(point.dot(to));
        if self.beside(point) {
            // To the great circle, whose pole is a right angle away.
            self.pole.dot(point).abs().min(1.0).asin()
        } else {
            angle(self.from).min(angle(self.to))
        }
    }

    /// True if the great circle through a point and the pole meets it.
    fn beside(&self, point: Vector) -> bool {
        self.pole.cross(self.from).dot(point) >= 0.0 && self.to.cross(self.pole).dot(point) >= 0.0
    }

    /// A ball that holds it, by its middle and radius: the chord's, with room for the arc above it.
    fn ball(&self) -> (Vector, f64) {
        let half = self.to.minus(self.from).length() / 2.0;
        let middle = self.from.plus(self.to).unit();
        // The farthest points of the arc from its middle are its ends.
        let radius = self.from.minus(middle).length().max(half);
        (middle, radius)
    }
}

fn same(a: Vector, b: Vector) -> bool {
    a.minus(b).length() <= EDGE
}

/// A circle that holds all edges, and is so small that it holds the smaller side too.
fn circle(edges: &[Edge]) -> Option<(Vector, f64)> {
    let sum = edges.iter().fold(Vector(0.0, 0.0, 0.0), |sum, edge| sum.plus(edge.from));
    if sum.length() < 1e-3 {
        return None;
    }
    let middle = sum.unit();
    let cosine = edges.iter().map(|edge| middle.dot(edge.from)).fold(1.0, f64::min);
    // Circles of less than a hemisphere hold the arc between any two of their points. The cosine is a little less, for
    // rounding.
    (cosine > 0.05).then_some((middle, cosine - 1e-12))
}

#[cfg(test)]
mod tests;
