//! From a scene to pixels: rays marched through the distance functions, a lamp, bright walls,
//! a table, and a sensor with a little noise.

use super::geometry::{Vec3, mix, vec3};
use super::noise::{SplitMix, noise};
use super::scene::Scene;
use super::shape::{Part, REACH, nearest};
use super::skin::surface;
use crate::decode::Rgb;

/// Rays per pixel and axis.
const RAYS: u32 = 2;
const STEPS_MAX: usize = 48;
const CLOSE: f64 = 0.002;
/// Standard deviation of the sensor's noise, about, in levels of 0 to 255.
const SENSOR_NOISE: f64 = 0.8;

pub(super) fn render(scene: &Scene, width: u32, height: u32) -> Rgb {
    let mut sensor = SplitMix::new(scene.grain ^ 0xf00d);
    let mut pixels = Vec::with_capacity(3 * (width * height) as usize);
    let per_pixel = 2.0 * scene.zoom / f64::from(width.min(height));
    for row in 0..height {
        for column in 0..width {
            let mut light = vec3(0.0, 0.0, 0.0);
            for ray in 0..RAYS * RAYS {
                let inside = |step: u32| (f64::from(step) + 0.5) / f64::from(RAYS);
                let x = f64::from(column) + inside(ray % RAYS) - 0.5 * f64::from(width);
                let y = 0.5 * f64::from(height) - f64::from(row) - inside(ray / RAYS);
                light = light + look(scene, vec3(x * per_pixel, y * per_pixel, 0.0) - scene.center);
            }
            let light = light * (1.0 / f64::from(RAYS * RAYS));
            for part in [light.x, light.y, light.z] {
                let grain = sensor.between(-1.0, 1.0) + sensor.between(-1.0, 1.0);
                let level = 255.0 * encode(part) + SENSOR_NOISE * 1.2 * grain;
                pixels.push((level + 0.5).clamp(0.0, 255.0) as u8);
            }
        }
    }
    Rgb { width, height, pixels }
}

/// The light that comes from a place of the picture, seen straight on.
fn look(scene: &Scene, at: Vec3) -> Vec3 {
    let beside = at.x * at.x + at.y * at.y;
    if beside < REACH * REACH {
        let half_chord = (REACH * REACH - beside).sqrt();
        let mut depth = half_chord;
        for _ in 0..STEPS_MAX {
            let here = scene.pose.to_body(vec3(at.x, at.y, depth));
            let (distance, part) = nearest(scene, here);
            if distance < CLOSE {
                return shade(scene, here, part);
            }
            depth -= distance;
            if depth < -half_chord {
                break;
            }
        }
    }
    background(scene, at)
}

fn background(scene: &Scene, at: Vec3) -> Vec3 {
    let paper = vec3(1.0, 1.0, 1.0) * scene.walls;
    if scene.shadow == 0.0 {
        return paper;
    }
    // The lamp throws the shadow to the other side, onto a table just below the fruit.
    let x = at.x + 0.25 * scene.lamp.x;
    let y = at.y + 0.82;
    let shadow = scene.shadow * libm::exp(-(x * x / 0.35 + y * y / 0.035));
    paper * (1.0 - shadow)
}

fn shade(scene: &Scene, at: Vec3, part: Part) -> Vec3 {
    let surface = surface(scene, part, at);
    let (height, fineness) = surface.bumps;
    let relief =
        |p: Vec3| nearest(scene, p).0 - height * 0.1 * noise(p * (fineness * 2.0), scene.grain ^ 7);
    let normal = scene.pose.to_camera(gradient(relief, at)).unit();
    let facing = normal.dot(scene.lamp);
    // Flesh lets some light through, so that the edge of the shade is soft.
    let wrapped = (0.5 * facing + 0.5).max(0.0);
    let direct = 0.78 * facing.max(0.0) + 0.2 * wrapped * wrapped;
    let room = 0.30 + 0.14 * normal.y;
    let bounce = 0.16 * (0.5 - 0.5 * normal.y);
    let open = openness(scene, at, normal);
    let light = scene.lamp_color * direct + vec3(1.0, 1.0, 1.0) * ((room + bounce) * open);
    let half = (scene.lamp + vec3(0.0, 0.0, 1.0)).unit();
    let along = normal.dot(half).max(0.0);
    let sharp = libm::pow(along, 60.0);
    let broad = libm::pow(along, 9.0);
    let highlight = surface.gloss * (1.1 * sharp + 0.14 * broad) * open;
    let rim = libm::pow(1.0 - normal.z.clamp(0.0, 1.0), 4.0) * 0.22 * open;
    let lit = surface.color.times(light) + scene.lamp_color * highlight;
    mix(lit, vec3(1.0, 1.0, 1.0) * scene.walls, rim)
}

/// How much of the room a point sees: less in dips and under leaves.
fn openness(scene: &Scene, at: Vec3, normal: Vec3) -> f64 {
    let outward = scene.pose.to_body(normal);
    let near = nearest(scene, at + outward * 0.07).0 / 0.07;
    let far = nearest(scene, at + outward * 0.22).0 / 0.22;
    (0.35 + 0.5 * near + 0.45 * far).clamp(0.25, 1.0)
}

fn gradient(field: impl Fn(Vec3) -> f64, at: Vec3) -> Vec3 {
    const STEP: f64 = 0.004;
    const CORNERS: [Vec3; 4] =
        [vec3(1.0, -1.0, -1.0), vec3(-1.0, -1.0, 1.0), vec3(-1.0, 1.0, -1.0), vec3(1.0, 1.0, 1.0)];
    CORNERS
        .into_iter()
        .map(|corner| corner * field(at + corner * STEP))
        .fold(vec3(0.0, 0.0, 0.0), |sum, term| sum + term)
}

/// Linear light to the display's curve (sRGB, IEC 61966-2-1).
fn encode(light: f64) -> f64 {
    let light = light.clamp(0.0, 1.0);
    if light <= 0.003_130_8 { 12.92 * light } else { 1.055 * libm::pow(light, 1.0 / 2.4) - 0.055 }
}
