//! Until when a certificate counts: as much of X.509 as that takes.

use base64::{Engine, engine::general_purpose::STANDARD};
use jiff::{SignedDuration, Timestamp, civil::DateTime, tz::TimeZone};

use super::Report;

const SEQUENCE: u8 = 0x30;
const VERSION: u8 = 0xa0;
const UTC_TIME: u8 = 0x17;
/// Who has less time than this left should see to it now.
const SOON: SignedDuration = SignedDuration::from_hours(14 * 24);

/// Says how long the certificate still counts.
pub(super) fn judge(report: &mut Report, expiry: Timestamp, now: Timestamp) {
    let left = now.duration_until(expiry);
    let text = format!("the certificate counts until {expiry}");
    if left.is_negative() {
        report.fail("TLS", format!("{text}, which is over; replace it"));
    } else if left < SOON {
        report.warn("TLS", format!("{text}; replace it soon"));
    } else {
        report.ok("TLS", text);
    }
}

/// When the first certificate of a PEM file expires.
pub(super) fn expiry(pem: &[u8]) -> Option<Timestamp> {
    let der = decode_pem(std::str::from_utf8(pem).ok()?)?;
    let (_, certificate, _) = read(&der)?;
    let (_, mut fields, _) = read(certificate)?;
    // tbsCertificate: [version,] serial number, signature algorithm, issuer, validity
    if fields.first() == Some(&VERSION) {
        fields = read(fields)?.2;
    }
    for _ in 0..3 {
        fields = read(fields)?.2;
    }
    let (SEQUENCE, validity, _) = read(fields)? else {
        return None;
    };
    let (kind, not_after, _) = read(read(validity)?.2)?;
    instant(kind, std::str::from_utf8(not_after).ok()?)
}

fn decode_pem(pem: &str) -> Option<Vec<u8>> {
    let (_, rest) = pem.split_once("-----BEGIN CERTIFICATE-----")?;
    let (body, _) = rest.split_once("-----END CERTIFICATE-----")?;
    let body: String = body.split_whitespace().collect();
    STANDARD.decode(body).ok()
}

/// Reads one DER value: its tag, its content, and what stands behind it.
fn read(der: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&tag, rest) = der.split_first()?;
    let (&first, rest) = rest.split_first()?;
    let (length, rest) = if first < 0x80 {
        (usize::from(first), rest)
    } else {
        let (bytes, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
        if bytes.len() > 4 {
            return None;
        }
        let length = bytes
            .iter()
            .fold(0, |length, byte| (length << 8) | usize::from(*byte));
        (length, rest)
    };
    let (content, rest) = rest.split_at_checked(length)?;
    Some((tag, content, rest))
}

/// `YYMMDDHHMMSSZ` or `YYYYMMDDHHMMSSZ`.
fn instant(kind: u8, text: &str) -> Option<Timestamp> {
    let text = if kind == UTC_TIME {
        let century = if text.get(..2)? < "50" { "20" } else { "19" };
        format!("{century}{text}")
    } else {
        text.to_owned()
    };
    let civil = DateTime::strptime("%Y%m%d%H%M%SZ", &text).ok()?;
    TimeZone::UTC.to_timestamp(civil).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_expiry_of_a_real_certificate_is_read() {
        let key = rcgen::KeyPair::generate().unwrap();
        for (year, month) in [(2030, 2), (2055, 11)] {
            let mut params = rcgen::CertificateParams::new(["localhost".to_owned()]).unwrap();
            params.not_after = rcgen::date_time_ymd(year, month, 3);
            let pem = params.self_signed(&key).unwrap().pem();
            let expected: Timestamp = format!("{year}-{month:02}-03T00:00:00Z").parse().unwrap();
            assert_eq!(expiry(pem.as_bytes()), Some(expected));
        }
    }

    #[test]
    fn what_is_no_certificate_has_no_expiry() {
        let begin = "-----BEGIN CERTIFICATE-----";
        let end = "-----END CERTIFICATE-----";
        for body in ["", "AAAA", "MIIB", "MIT/////"] {
            assert_eq!(expiry(format!("{begin}\n{body}\n{end}").as_bytes()), None);
        }
        assert_eq!(expiry(b"\xff"), None);
    }
}
