//! Numbers as text: the shortest decimal that reads back to the same bits. One formatter, that of
//! serde_json, for tables, pictures and reports alike, so that no two files disagree.

/// Appends a finite single as the shortest decimal that reads back to it, `-0` as `0.0`. Of two
/// that are equally near, the one with an even last digit. The very small and the very large have
/// an exponent (`1.5e-7`, `1e+16`).
pub(crate) fn push_f32(out: &mut Vec<u8>, value: f32) {
    debug_assert!(value.is_finite(), "JSON would say null");
    // Adding zero turns -0 into 0 and changes nothing else.
    serde_json::to_writer(out, &(value + 0.0)).expect("a Vec takes every number");
}

/// The shortest decimal of a finite double, by the rules of [`push_f32`].
pub(crate) fn shortest(value: f64) -> String {
    debug_assert!(value.is_finite(), "JSON would say null");
    serde_json::to_string(&(value + 0.0)).expect("a String takes every number")
}

/// A double with a fixed number of decimals, correctly rounded; never `-0`.
pub(crate) fn fixed(value: f64, decimals: usize) -> String {
    let text = format!("{value:.decimals$}");
    match text.strip_prefix('-') {
        Some(rest) if rest.bytes().all(|byte| matches!(byte, b'0' | b'.')) => rest.to_owned(),
        _ => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn single(value: f32) -> String {
        let mut out = Vec::new();
        push_f32(&mut out, value);
        String::from_utf8(out).unwrap()
    }

    /// Significant digits of a decimal.
    fn digits(text: &str) -> usize {
        let mantissa = text.split('e').next().unwrap_or_default();
        let bare: String = mantissa.chars().filter(char::is_ascii_digit).collect();
        bare.trim_matches('0').len()
    }

    #[test]
    fn singles_are_as_short_as_numpy_prints_them_and_read_back() {
        let recorded = include_str!("../../../tests/data/output_decimals.csv");
        let mut count = 0;
        for line in recorded.lines().skip(1) {
            let (bits, numpy) = line.split_once(',').unwrap();
            let value = f32::from_bits(u32::from_str_radix(bits, 16).unwrap());
            let text = single(value);
            assert_eq!(digits(&text), digits(numpy), "{text} where NumPy has {numpy}");
            assert_eq!(text.parse::<f32>().unwrap().to_bits(), value.to_bits());
            // Python reads a double first: rounding twice must not hurt.
            assert_eq!(text.parse::<f64>().unwrap() as f32, value);
            count += 1;
        }
        assert!(count > 400, "only {count} numbers were compared");
    }

    #[test]
    fn a_hundred_thousand_singles_read_back_to_the_same_bits() {
        let mut bits = 1u32;
        for _ in 0..100_000 {
            bits = bits.wrapping_mul(2_891_336_453).wrapping_add(1_234_567);
            let value = f32::from_bits(bits);
            if value.is_finite() && value != 0.0 {
                let text = single(value);
                assert_eq!(text.parse::<f32>().unwrap().to_bits(), bits, "{text}");
            }
        }
    }

    /// The layout is part of the published bytes: a library that changes it is noticed here.
    #[test]
    fn the_layout_is_the_one_that_was_published_before() {
        for (value, text) in [
            (0.0, "0.0"),
            (-0.0, "0.0"),
            (1.0, "1.0"),
            (-2.5, "-2.5"),
            (120.0, "120.0"),
            (f32::from_bits(0x41a2_1000), "20.257812"),
            (16_777_216.0, "16777216.0"),
            (1e10, "10000000000.0"),
            (1e16, "1e+16"),
            (3e-5, "0.00003"),
            (1.5e-8, "1.5e-8"),
            (1e-45, "1e-45"),
            (f32::MAX, "3.4028235e+38"),
        ] {
            assert_eq!(single(value), text);
        }
        assert_eq!(shortest(0.1 + 0.2), "0.30000000000000004");
        assert_eq!(shortest(-0.0), "0.0");
        assert_eq!(shortest(5e-324), "5e-324");
        assert_eq!(shortest(f64::MAX), "1.7976931348623157e+308");
    }

    #[test]
    fn fixed_decimals_are_rounded_and_never_minus_zero() {
        assert_eq!(fixed(2.5, 0), "2");
        assert_eq!(fixed(0.125, 2), "0.12");
        assert_eq!(fixed(0.126, 2), "0.13");
        assert_eq!(fixed(-0.001, 2), "0.00");
        assert_eq!(fixed(-0.01, 2), "-0.01");
    }
}
