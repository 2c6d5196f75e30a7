//! Colours of skins, stems and leaves, from the place on the body: linear light, 0 to 1.

use super::geometry::{Vec3, mix, smooth_step, vec3};
use super::noise::{clouds, noise};
use super::scene::{Kind, Scene};
use super::shape::{Part, along_banana, calyx};

/// How a point of the surface takes the light.
#[derive(Debug, Clone, Copy)]
pub(super) struct Surface {
    /// Share of the light that is thrown back, per channel.
    pub(super) color: Vec3,
    /// Strength of the highlight.
    pub(super) gloss: f64,
    /// Height and fineness (features per body length) of small bumps.
    pub(super) bumps: (f64, f64),
}

/// The surface at a point of a part, in body coordinates.
pub(super) fn surface(scene: &Scene, part: Part, at: Vec3) -> Surface {
    match part {
        Part::Stem => wood(scene, at),
        Part::Leaf => foliage(scene, at),
        Part::Skin => match scene.kind {
            Kind::AppleRed => apple_red(scene, at),
            Kind::AppleGolden => apple_golden(scene, at),
            Kind::Banana => banana(scene, at),
            Kind::Lemon => lemon(scene, at),
            Kind::Orange => orange(scene, at),
            Kind::Pear => pear(scene, at),
            Kind::Plum => plum(scene, at),
            Kind::Strawberry => strawberry(scene, at),
        },
    }
}

fn wood(scene: &Scene, at: Vec3) -> Surface {
    let grain = clouds(at * 9.0, scene.grain);
    Surface {
        color: mix(vec3(0.10, 0.05, 0.02), vec3(0.26, 0.17, 0.07), grain),
        gloss: 0.05,
        bumps: (0.01, 14.0),
    }
}

fn foliage(scene: &Scene, at: Vec3) -> Surface {
    let grain = clouds(at * 8.0, scene.grain ^ 3);
    Surface {
        color: mix(vec3(0.05, 0.16, 0.02), vec3(0.16, 0.34, 0.05), grain),
        gloss: 0.15,
        bumps: (0.008, 12.0),
    }
}

fn apple_red(scene: &Scene, at: Vec3) -> Surface {
    let up = at.unit().y;
    let streaks = noise(vec3(at.x * 13.0, at.y * 1.5, at.z * 13.0), scene.grain);
    let patches = clouds(at * 1.7, scene.grain ^ 1);
    let green = smooth_step(0.78, 1.0, up) * 0.8
        + smooth_step(0.55, 0.9, 0.55 * streaks + 0.75 * patches - 0.25 * scene.ripeness);
    let red = mix(vec3(0.48, 0.03, 0.03), vec3(0.26, 0.008, 0.02), streaks * scene.ripeness);
    let color = mix(red, vec3(0.62, 0.42, 0.10), 0.75 * green);
    Surface {
        color: dotted(scene, at, color, vec3(0.72, 0.5, 0.3), 0.5),
        gloss: 0.42,
        bumps: (0.004, 6.0),
    }
}

fn apple_golden(scene: &Scene, at: Vec3) -> Surface {
    let up = at.unit().y;
    let patches = clouds(at * 1.5, scene.grain);
    let base = mix(vec3(0.46, 0.50, 0.08), vec3(0.74, 0.55, 0.10), scene.ripeness);
    let blush = smooth_step(0.5, 0.85, patches + 0.25 * at.x) * scene.ripeness;
    let color = mix(base, vec3(0.70, 0.28, 0.07), 0.6 * blush);
    let russet = smooth_step(0.86, 0.99, up + 0.08 * patches);
    let color = mix(color, vec3(0.34, 0.22, 0.08), 0.6 * russet);
    Surface {
        color: dotted(scene, at, color, vec3(0.36, 0.24, 0.08), 0.6),
        gloss: 0.4,
        bumps: (0.004, 6.0),
    }
}

fn banana(scene: &Scene, at: Vec3) -> Surface {
    let share = along_banana(at);
    let patches = clouds(at * 4.0, scene.grain);
    let base = mix(vec3(0.66, 0.62, 0.10), vec3(0.84, 0.58, 0.05), scene.ripeness);
    let green = smooth_step(0.55, 1.0, share.abs()) * (1.0 - 0.8 * scene.ripeness);
    let color = mix(base, vec3(0.28, 0.42, 0.06), 0.8 * green);
    let fine = noise(at * 15.0, scene.grain ^ 2);
    let spots = smooth_step(0.78, 0.9, fine) + smooth_step(0.72, 0.85, patches);
    let color = mix(color, vec3(0.16, 0.07, 0.02), 0.7 * spots * scene.ripeness);
    let tips = smooth_step(0.93, 1.0, -share) + 0.7 * smooth_step(0.97, 1.03, share);
    Surface {
        color: mix(color, vec3(0.05, 0.035, 0.02), 0.9 * tips),
        gloss: 0.2,
        bumps: (0.006, 7.0),
    }
}

fn lemon(scene: &Scene, at: Vec3) -> Surface {
    let up = at.unit().y;
    let patches = clouds(at * 2.0, scene.grain);
    let base = mix(vec3(0.72, 0.66, 0.06), vec3(0.88, 0.64, 0.03), scene.ripeness);
    let green = smooth_step(0.75, 1.0, up.abs()) + smooth_step(0.6, 0.9, patches) * 0.5;
    let color = mix(base, vec3(0.40, 0.46, 0.06), 0.6 * green * (1.0 - 0.7 * scene.ripeness));
    let foot = smooth_step(0.992, 0.998, up);
    Surface {
        color: mix(color, vec3(0.20, 0.16, 0.06), 0.8 * foot),
        gloss: 0.35,
        bumps: (0.035, 13.0),
    }
}

fn orange(scene: &Scene, at: Vec3) -> Surface {
    let up = at.unit().y;
    let patches = clouds(at * 1.8, scene.grain);
    let base = mix(vec3(0.88, 0.40, 0.02), vec3(0.86, 0.26, 0.01), scene.ripeness);
    let color = mix(base, vec3(0.80, 0.52, 0.06), 0.35 * patches);
    let foot = smooth_step(0.990, 0.996, up);
    let color = mix(color, vec3(0.20, 0.24, 0.06), 0.9 * foot);
    Surface { color, gloss: 0.35, bumps: (0.04, 15.0) }
}

fn pear(scene: &Scene, at: Vec3) -> Surface {
    let patches = clouds(at * 1.9, scene.grain);
    let base = mix(vec3(0.34, 0.46, 0.08), vec3(0.68, 0.56, 0.12), scene.ripeness);
    let blush = smooth_step(0.55, 0.9, patches + 0.3 * at.z) * scene.shape[1];
    let color = mix(base, vec3(0.56, 0.16, 0.06), 0.6 * blush);
    let russet = smooth_step(0.42, 0.68, at.y + 0.2 * patches - 0.08);
    let color = mix(color, vec3(0.32, 0.20, 0.07), 0.6 * russet);
    Surface {
        color: dotted(scene, at, color, vec3(0.26, 0.18, 0.06), 0.75),
        gloss: 0.25,
        bumps: (0.01, 9.0),
    }
}

fn plum(scene: &Scene, at: Vec3) -> Surface {
    let patches = clouds(at * 2.2, scene.grain);
    let base = mix(vec3(0.20, 0.02, 0.06), vec3(0.05, 0.015, 0.07), scene.ripeness);
    let color = mix(base, vec3(0.34, 0.05, 0.07), smooth_step(0.5, 0.9, patches) * 0.7);
    let bloom = clouds(at * 5.0, scene.grain ^ 4) * smooth_step(0.2, 0.7, patches + 0.2 * at.y);
    Surface {
        color: mix(color, vec3(0.30, 0.30, 0.46), 0.32 * bloom),
        gloss: 0.5 * (1.0 - 0.8 * bloom),
        bumps: (0.006, 8.0),
    }
}

fn strawberry(scene: &Scene, at: Vec3) -> Surface {
    let leaf = calyx(scene, at);
    let patches = clouds(at * 2.0, scene.grain);
    let ripe = mix(vec3(0.66, 0.05, 0.03), vec3(0.44, 0.008, 0.02), scene.ripeness);
    let pale = smooth_step(0.25, 0.75, at.y + 0.2 * patches) * (1.0 - 0.6 * scene.ripeness);
    let flesh = mix(ripe, vec3(0.76, 0.36, 0.20), 0.7 * pale);
    let (seed, pit) = seeds(at);
    let flesh = mix(flesh, flesh * 0.45, pit);
    let flesh = mix(flesh, vec3(0.78, 0.56, 0.16), seed);
    let green = foliage(scene, at).color;
    Surface { color: mix(flesh, green, leaf), gloss: 0.5 * (1.0 - 0.7 * leaf), bumps: (0.012, 7.0) }
}

/// Seeds of a strawberry in staggered rows: how much of a seed, and of the pit around it.
fn seeds(at: Vec3) -> (f64, f64) {
    const ROW: f64 = 0.155;
    let row = (at.y / ROW).floor();
    let around = (at.x * at.x + at.z * at.z).sqrt();
    let per_row = (around * std::f64::consts::TAU / 0.2).round().max(3.0);
    let turns = libm::atan2(at.z, at.x) / std::f64::consts::TAU * per_row + 0.5 * row;
    let dx = (turns - turns.floor() - 0.5) * 0.2;
    let dy = (at.y / ROW - row - 0.5) * ROW;
    let distance = (dx * dx * 2.2 + dy * dy).sqrt();
    (1.0 - smooth_step(0.018, 0.03, distance), 1.0 - smooth_step(0.025, 0.06, distance))
}

/// The small dots through which the skins of apples and pears breathe.
fn dotted(scene: &Scene, at: Vec3, skin: Vec3, dot: Vec3, strength: f64) -> Vec3 {
    let field = noise(at * 17.0, scene.grain ^ 9);
    mix(skin, dot, strength * smooth_step(0.80, 0.92, field))
}
