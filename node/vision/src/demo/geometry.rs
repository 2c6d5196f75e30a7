//! Vectors and rotations in three dimensions, and smooth steps between numbers.

use std::ops::{Add, Mul, Sub};

/// A point, a direction or a colour.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Vec3 {
    pub(super) x: f64,
    pub(super) y: f64,
    pub(super) z: f64,
}

pub(super) const fn vec3(x: f64, y: f64, z: f64) -> Vec3 {
    Vec3 { x, y, z }
}

impl Vec3 {
    pub(super) fn dot(self, other: Vec3) -> f64 {
        self.x * other.x + self.y * other.y + self.z * other.z
    }

    pub(super) fn length(self) -> f64 {
        self.dot(self).sqrt()
    }

    pub(super) fn unit(self) -> Vec3 {
        self * (1.0 / self.length().max(1e-12))
    }

    pub(super) fn cross(self, o: Vec3) -> Vec3 {
        vec3(self.y * o.z - self.z * o.y, self.z * o.x - self.x * o.z, self.x * o.y - self.y * o.x)
    }

    /// Products of the components: light on a colour.
    pub(super) fn times(self, o: Vec3) -> Vec3 {
        vec3(self.x * o.x, self.y * o.y, self.z * o.z)
    }
}

impl Add for Vec3 {
    type Output = Vec3;
    fn add(self, o: Vec3) -> Vec3 {
        vec3(self.x + o.x, self.y + o.y, self.z + o.z)
    }
}

impl Sub for Vec3 {
    type Output = Vec3;
    fn sub(self, o: Vec3) -> Vec3 {
        vec3(self.x - o.x, self.y - o.y, self.z - o.z)
    }
}

impl Mul<f64> for Vec3 {
    type Output = Vec3;
    fn mul(self, factor: f64) -> Vec3 {
        vec3(self.x * factor, self.y * factor, self.z * factor)
    }
}

/// A rotation: its rows are the body's axes as the camera sees them.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rotation {
    rows: [Vec3; 3],
}

impl Rotation {
    /// Turns about the vertical axis, then tips towards the camera, then leans sideways (radians).
    pub(super) fn new(turn: f64, tip: f64, lean: f64) -> Rotation {
        let (st, ct) = libm::sincos(turn);
        let (sp, cp) = libm::sincos(tip);
        let (sl, cl) = libm::sincos(lean);
        let upright = |v: Vec3| vec3(cl * v.x - sl * v.y, sl * v.x + cl * v.y, v.z);
        let tipped = |v: Vec3| upright(vec3(v.x, cp * v.y - sp * v.z, sp * v.y + cp * v.z));
        Rotation {
            rows: [
                tipped(vec3(ct, 0.0, -st)),
                tipped(vec3(0.0, 1.0, 0.0)),
                tipped(vec3(st, 0.0, ct)),
            ],
        }
    }

    /// From the camera's axes to the body's.
    pub(super) fn to_body(self, v: Vec3) -> Vec3 {
        vec3(self.rows[0].dot(v), self.rows[1].dot(v), self.rows[2].dot(v))
    }

    /// From the body's axes to the camera's.
    pub(super) fn to_camera(self, v: Vec3) -> Vec3 {
        self.rows[0] * v.x + self.rows[1] * v.y + self.rows[2] * v.z
    }
}

/// 0 below `low`, 1 above `high`, smooth between.
pub(super) fn smooth_step(low: f64, high: f64, x: f64) -> f64 {
    let t = ((x - low) / (high - low)).clamp(0.0, 1.0);
    t * t * (3.0 - 2.0 * t)
}

pub(super) fn mix(a: Vec3, b: Vec3, share: f64) -> Vec3 {
    a + (b - a) * share.clamp(0.0, 1.0)
}

/// The smaller of two distances, rounded over a width of `k` where they are close.
pub(super) fn smooth_min(a: f64, b: f64, k: f64) -> f64 {
    let h = (k - (a - b).abs()).max(0.0) / k;
    a.min(b) - h * h * k * 0.25
}
