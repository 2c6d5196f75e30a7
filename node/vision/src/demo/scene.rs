//! What is on one picture: a kind of fruit, its pose, its growth, its light, all by chance.

use super::geometry::{Rotation, Vec3, vec3};
use super::noise::SplitMix;

/// The kinds that are drawn; the folder bears the name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    AppleGolden,
    AppleRed,
    Banana,
    Lemon,
    Orange,
    Pear,
    Plum,
    Strawberry,
}

/// All kinds, in the order of their names.
pub(super) const KINDS: [Kind; 8] = [
    Kind::AppleGolden,
    Kind::AppleRed,
    Kind::Banana,
    Kind::Lemon,
    Kind::Orange,
    Kind::Pear,
    Kind::Plum,
    Kind::Strawberry,
];

impl Kind {
    /// The folder's name.
    pub(super) fn name(self) -> &'static str {
        match self {
            Kind::AppleGolden => "Apple Golden",
            Kind::AppleRed => "Apple Red",
            Kind::Banana => "Banana",
            Kind::Lemon => "Lemon",
            Kind::Orange => "Orange",
            Kind::Pear => "Pear",
            Kind::Plum => "Plum",
            Kind::Strawberry => "Strawberry",
        }
    }

    fn has_stem(self) -> bool {
        matches!(self, Kind::AppleGolden | Kind::AppleRed | Kind::Pear | Kind::Plum)
    }
}

/// One picture.
#[derive(Debug, Clone)]
pub(super) struct Scene {
    pub(super) kind: Kind,
    /// Two numbers of 0 to 1 that vary the body.
    pub(super) shape: [f64; 2],
    /// 0 (unripe, plain) to 1 (ripe, marked).
    pub(super) ripeness: f64,
    /// Seed of the textures.
    pub(super) grain: u64,
    pub(super) pose: Rotation,
    /// Body lengths per unit of the picture, whose shorter side is 2 wide.
    pub(super) zoom: f64,
    /// Where the body's origin stands in the picture.
    pub(super) center: Vec3,
    pub(super) stem: Option<Stem>,
    pub(super) leaf: Option<Leaf>,
    /// Direction towards the lamp, in the camera's axes.
    pub(super) lamp: Vec3,
    /// Colour of the lamp, linear.
    pub(super) lamp_color: Vec3,
    /// Brightness of the studio's walls.
    pub(super) walls: f64,
    /// Strength of the shadow on the table, 0 for a fruit cut out of its background.
    pub(super) shadow: f64,
}

/// A straight, tapering stem.
#[derive(Debug, Clone, Copy)]
pub(super) struct Stem {
    pub(super) from: Vec3,
    pub(super) to: Vec3,
    pub(super) thickness: f64,
}

/// A leaf: its foot, and its directions of length and width with their half-lengths.
#[derive(Debug, Clone, Copy)]
pub(super) struct Leaf {
    pub(super) foot: Vec3,
    pub(super) along: Vec3,
    pub(super) across: Vec3,
    pub(super) length: f64,
}

impl Scene {
    /// Draws lots for everything but the kind.
    pub(super) fn random(kind: Kind, random: &mut SplitMix) -> Scene {
        let shape = [random.between(0.0, 1.0), random.between(0.0, 1.0)];
        let azimuth = random.between(-1.1, 1.1);
        let height = random.between(0.5, 1.1);
        let (sin, cos) = libm::sincos(azimuth);
        let warmth = random.between(-0.05, 0.05);
        let power = random.between(0.9, 1.15);
        Scene {
            kind,
            shape,
            ripeness: random.between(0.0, 1.0),
            grain: random.next(),
            pose: pose(kind, random),
            zoom: random.between(1.0, 1.18) * if kind == Kind::Banana { 0.84 } else { 1.0 },
            center: vec3(random.between(-0.05, 0.05), random.between(-0.05, 0.05), 0.0),
            stem: stem(kind, random),
            leaf: leaf(kind, random),
            lamp: vec3(sin, height, 0.4 + 0.8 * cos).unit(),
            lamp_color: vec3(1.0 + warmth, 1.0, 1.0 - warmth) * power,
            walls: random.between(0.94, 1.0),
            shadow: if random.chance(0.5) { random.between(0.15, 0.4) } else { 0.0 },
        }
    }
}

/// How the fruit lies: apples may show any side, bananas lie flat, the rest stands or leans.
fn pose(kind: Kind, random: &mut SplitMix) -> Rotation {
    let (turn, tip, lean) = match kind {
        Kind::Banana => {
            let turn = if random.chance(0.5) { 0.0 } else { std::f64::consts::PI };
            (turn + random.between(-0.5, 0.5), random.between(-0.3, 0.6), random.between(-3.1, 3.1))
        }
        Kind::Lemon => {
            (random.between(-3.1, 3.1), random.between(-0.6, 0.9), random.between(0.4, 2.6))
        }
        Kind::Strawberry => {
            (random.between(-3.1, 3.1), random.between(-0.2, 0.9), random.between(-1.2, 1.2))
        }
        Kind::Pear => {
            (random.between(-3.1, 3.1), random.between(-0.5, 0.9), random.between(-1.7, 1.7))
        }
        Kind::AppleGolden | Kind::AppleRed | Kind::Orange | Kind::Plum => {
            (random.between(-3.1, 3.1), random.between(-0.7, 1.5), random.between(-0.9, 0.9))
        }
    };
    Rotation::new(turn, tip, lean)
}

fn stem(kind: Kind, random: &mut SplitMix) -> Option<Stem> {
    if !kind.has_stem() || random.chance(0.1) {
        return None;
    }
    let sideways = vec3(random.between(-0.15, 0.15), 0.0, random.between(-0.15, 0.15));
    let (foot, tall, thickness) = match kind {
        Kind::Pear => (0.62, random.between(0.22, 0.38), 0.026),
        Kind::Plum => (0.70, random.between(0.12, 0.25), 0.022),
        _ => (0.45, random.between(0.38, 0.55), 0.026),
    };
    let from = vec3(0.0, foot, 0.0);
    Some(Stem { from, to: from + sideways + vec3(0.0, tall, 0.0), thickness })
}

fn leaf(kind: Kind, random: &mut SplitMix) -> Option<Leaf> {
    let probability = match kind {
        Kind::AppleGolden | Kind::AppleRed => 0.25,
        Kind::Orange | Kind::Lemon => 0.3,
        Kind::Pear => 0.2,
        Kind::Banana | Kind::Plum | Kind::Strawberry => 0.0,
    };
    if !random.chance(probability) {
        return None;
    }
    let (sin, cos) = libm::sincos(random.between(-3.1, 3.1));
    let along = vec3(cos, random.between(0.25, 0.5), sin).unit();
    let across = along.cross(vec3(0.0, 1.0, 0.0)).unit();
    let foot_height = match kind {
        Kind::AppleGolden | Kind::AppleRed => 0.68,
        Kind::Orange => 0.80,
        _ => 0.76,
    };
    Some(Leaf {
        foot: vec3(0.0, foot_height, 0.0),
        along,
        across,
        length: random.between(0.24, 0.30),
    })
}
