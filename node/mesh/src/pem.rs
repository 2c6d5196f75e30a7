//! Writes DER as PEM. Reading is left to rustls.

/// Characters of base64, in order.
const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// Bytes of one line: 64 characters.
const LINE_BYTES: usize = 48;

/// `der` in PEM, under a label such as `CERTIFICATE`.
pub(super) fn encode(label: &str, der: &[u8]) -> String {
    let mut text = format!("-----BEGIN {label}-----\n");
    for line in der.chunks(LINE_BYTES) {
        for group in line.chunks(3) {
            text.extend(characters(group));
        }
        text.push('\n');
    }
    text.push_str(&format!("-----END {label}-----\n"));
    text
}

/// Four characters for one to three bytes.
fn characters(group: &[u8]) -> [char; 4] {
    let byte = |at: usize| u32::from(group.get(at).copied().unwrap_or_default());
    let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
    std::array::from_fn(|at| {
        if at > group.len() {
            return '=';
        }
        char::from(ALPHABET[(bits >> (18 - 6 * at) & 63) as usize])
    })
}

#[cfg(test)]
mod tests {
    use rustls::pki_types::CertificateDer;
    use rustls::pki_types::pem::PemObject;

    use super::*;

    #[test]
    fn what_is_written_is_read_by_others() {
        for length in [0, 1, 2, 3, 47, 48, 49, 50, 51, 700] {
            let der: Vec<u8> = (0..length).map(|at| (at * 37 % 256) as u8).collect();
            let text = encode("CERTIFICATE", &der);
            assert!(text.lines().all(|line| line.len() <= 64), "{text}");
            let read = CertificateDer::from_pem_slice(text.as_bytes()).unwrap();
            assert_eq!(read.as_ref(), der, "{length} bytes");
        }
    }
}
