//! Colour conversion of decoded JPEG samples, in the fixed point of libjpeg (16 bits) and, for
//! inks, of Pillow, so that colours differ from Pillow's by the inverse transform alone.

const HALF: i32 = 1 << 15;
const CR_TO_R: i32 = fixed(1.402);
const CB_TO_B: i32 = fixed(1.772);
const CR_TO_G: i32 = fixed(0.714_14);
const CB_TO_G: i32 = fixed(0.344_14);

/// Samples of full-range BT.601 YCbCr, three to a pixel, become RGB in place.
pub(super) fn ycc_to_rgb(pixels: &mut [u8]) {
    for pixel in pixels.chunks_exact_mut(3) {
        let rgb = rgb_of_ycc([pixel[0], pixel[1], pixel[2]]);
        pixel.copy_from_slice(&rgb);
    }
}

/// Four samples to a pixel become three. `ycck` says that the first three are YCbCr of the
/// inks' complements; otherwise they are the inks as Adobe stores them (255: no ink).
pub(super) fn inks_to_rgb(samples: &[u8], ycck: bool) -> Vec<u8> {
    let mut pixels = Vec::with_capacity(samples.len() / 4 * 3);
    for s in samples.chunks_exact(4) {
        let first = [s[0], s[1], s[2]];
        let inks = if ycck { rgb_of_ycc(first) } else { first.map(|v| 255 - v) };
        let light = i32::from(s[3]);
        for ink in inks {
            let shade = i32::from(ink) * light + 128;
            let shade = ((shade >> 8) + shade) >> 8;
            pixels.push(clamp(light - shade));
        }
    }
    pixels
}

/// One sample to a pixel becomes three equal ones.
pub(super) fn gray_to_rgb(samples: &[u8]) -> Vec<u8> {
    samples.iter().flat_map(|&v| [v; 3]).collect()
}

/// Nothing here can overflow; the wrapping operations only keep the checks out of the loop.
#[inline(always)]
fn rgb_of_ycc([y, cb, cr]: [u8; 3]) -> [u8; 3] {
    let y = i32::from(y);
    let cb = i32::from(cb).wrapping_sub(128);
    let cr = i32::from(cr).wrapping_sub(128);
    let red = CR_TO_R.wrapping_mul(cr).wrapping_add(HALF);
    let green = HALF.wrapping_sub(CB_TO_G.wrapping_mul(cb)).wrapping_sub(CR_TO_G.wrapping_mul(cr));
    let blue = CB_TO_B.wrapping_mul(cb).wrapping_add(HALF);
    [red, green, blue].map(|part| clamp(y.wrapping_add(part >> 16)))
}

#[inline(always)]
fn clamp(value: i32) -> u8 {
    value.clamp(0, 255) as u8
}

const fn fixed(factor: f64) -> i32 {
    (factor * 65_536.0 + 0.5) as i32
}
