//! The bodies of the fruits as distance functions: negative inside, about the distance outside.
//!
//! Body coordinates: the stem's axis is y, pointing up; a body fits into a ball of radius 1,
//! stems and leaves into [`REACH`].

use super::geometry::{Vec3, smooth_min, smooth_step, vec3};
use super::scene::{Kind, Leaf, Scene, Stem};

/// Nothing of a fruit lies farther from the origin.
pub(super) const REACH: f64 = 1.15;

/// What a point of the surface belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    Skin,
    Stem,
    Leaf,
}

/// Distance to the nearest part, and which it is.
pub(super) fn nearest(scene: &Scene, at: Vec3) -> (f64, Part) {
    let mut found = (body(scene, at), Part::Skin);
    if let Some(stem) = &scene.stem {
        let distance = stem_distance(stem, at);
        if distance < found.0 {
            found = (distance, Part::Stem);
        }
    }
    if let Some(leaf) = &scene.leaf {
        let distance = leaf_distance(leaf, at);
        if distance < found.0 {
            found = (distance, Part::Leaf);
        }
    }
    found
}

/// How far the leaves of a strawberry cover the skin here, 0 to 1.
pub(super) fn calyx(scene: &Scene, at: Vec3) -> f64 {
    let star = folded(at.x, at.z, 7) + 0.3 * folded(at.x, at.z, 3);
    let edge = 0.62 - 0.22 * star - scene.shape[1] * 0.12;
    smooth_step(edge - 0.03, edge + 0.03, (at - vec3(0.0, 0.12, 0.0)).unit().y)
}

/// Angle along a banana, -1 at the blossom's end, 1 at the stem's, beyond them outside.
pub(super) fn along_banana(at: Vec3) -> f64 {
    libm::atan2(at.x, BANANA_CENTER - at.y) / BANANA_HALF_ANGLE
}

const BANANA_CENTER: f64 = 0.82;
const BANANA_RADIUS: f64 = 1.0;
const BANANA_HALF_ANGLE: f64 = 0.92;

fn body(scene: &Scene, at: Vec3) -> f64 {
    let [a, b] = scene.shape;
    let length = at.length().max(1e-9);
    let c = at.y / length;
    let top = 1.0 - c;
    let bottom = 1.0 + c;
    match scene.kind {
        Kind::AppleRed | Kind::AppleGolden => {
            let lobes = (0.015 + 0.02 * b) * folded(at.x, at.z, 5) * (1.0 - c * c) * top;
            let dips = 0.42 / (1.0 + top / 0.05) + 0.20 / (1.0 + bottom / 0.04);
            let height = if scene.kind == Kind::AppleRed { 0.05 } else { 0.12 };
            let radius = 0.86 + 0.07 * c + (height * a - 0.04) * c * c + lobes - dips;
            0.7 * (length - radius)
        }
        Kind::Orange => {
            let radius = 0.86 - (0.02 + 0.05 * a) * c * c - 0.05 / (1.0 + top / 0.02);
            0.9 * (length - radius)
        }
        Kind::Lemon => {
            let c2 = c * c;
            let c8 = c2 * c2 * c2 * c2;
            let tips = (0.16 + 0.06 * b) * c8 * c8 * if c < 0.0 { 1.2 } else { 0.6 };
            0.75 * (length - (0.62 + (0.06 + 0.08 * a) * c2 + 0.06 * c8 + tips))
        }
        Kind::Pear => {
            let belly = (at - vec3(0.0, -0.32, 0.0)).length() - (0.56 + 0.05 * a);
            let neck = (at - vec3(0.04 * b, 0.42, 0.0)).length() - (0.25 + 0.06 * b);
            let dip = 0.08 / (1.0 + bottom / 0.02);
            0.85 * (smooth_min(belly, neck, 0.6) + dip)
        }
        Kind::Plum => {
            let side = (1.0 - c * c).max(0.0).sqrt();
            let crease = if at.x > 0.0 { 0.05 / (1.0 + at.z * at.z / 0.006) * side } else { 0.0 };
            let radius = 0.76 + (0.06 + 0.12 * a) * c * c - crease - 0.10 / (1.0 + top / 0.02);
            0.75 * (length - radius)
        }
        Kind::Strawberry => {
            let shoulder = (at - vec3(0.0, 0.2, 0.0)).length() - (0.56 + 0.05 * a);
            let tip = (at - vec3(0.05 * b, -0.62, 0.0)).length() - (0.1 + 0.08 * b);
            let flesh = smooth_min(shoulder, tip, 0.85);
            if flesh > 0.2 { flesh - 0.08 } else { 0.7 * (flesh - 0.05 * calyx(scene, at)) }
        }
        Kind::Banana => banana(at, a),
    }
}

/// A bent, tapering body of five rounded edges.
fn banana(at: Vec3, plump: f64) -> f64 {
    let share = along_banana(at).clamp(-1.0, 1.0);
    let (sin, cos) = libm::sincos(share * BANANA_HALF_ANGLE);
    let outward = vec3(sin, -cos, 0.0);
    let from_axis = at - vec3(0.0, BANANA_CENTER, 0.0) - outward * BANANA_RADIUS;
    let edges = folded(from_axis.dot(outward), from_axis.z, 5);
    let s2 = share * share;
    let taper = 1.0 - 0.55 * s2 * s2 - 0.25 * smooth_step(0.7, 0.95, share.abs());
    let thickness = (0.19 + 0.05 * plump) * taper.max(0.2) * (1.0 + 0.045 * edges);
    0.8 * (from_axis.length() - thickness)
}

/// Cosine of `n` times the angle of (x, y), without trigonometry.
fn folded(x: f64, y: f64, n: u32) -> f64 {
    let radius = (x * x + y * y).sqrt().max(1e-9);
    let (cos, sin) = (x / radius, y / radius);
    let mut power = (1.0, 0.0);
    for _ in 0..n {
        power = (power.0 * cos - power.1 * sin, power.0 * sin + power.1 * cos);
    }
    power.0
}

fn stem_distance(stem: &Stem, at: Vec3) -> f64 {
    let axis = stem.to - stem.from;
    let share = ((at - stem.from).dot(axis) / axis.dot(axis)).clamp(0.0, 1.0);
    let thickness = stem.thickness * (1.0 + 0.6 * share * share);
    (at - stem.from - axis * share).length() - thickness
}

fn leaf_distance(leaf: &Leaf, at: Vec3) -> f64 {
    let local = at - leaf.foot;
    let u = local.dot(leaf.along) / leaf.length - 1.0;
    let v = local.dot(leaf.across);
    let normal = leaf.along.cross(leaf.across);
    // The blade droops along its length and is folded along its vein.
    let w = local.dot(normal) + 0.25 * leaf.length * (u + 1.0) * (u + 1.0) - 0.35 * v.abs();
    let half_width = 0.38 * leaf.length * (1.0 - u * u).max(0.0) * (1.0 - 0.25 * u);
    let beside = (v.abs() - half_width).max(0.0);
    let beyond = (u.abs() - 1.0).max(0.0) * leaf.length;
    0.6 * ((beside * beside + beyond * beyond + w * w).sqrt() - 0.012)
}
