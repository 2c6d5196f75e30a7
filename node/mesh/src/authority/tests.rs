//! What the authority signs, and what it does not.

use rcgen::{PKCS_ECDSA_P384_SHA384, PKCS_ED25519};
use x509_parser::prelude::{FromDer, X509Certificate};

use fruitnode_coordinator::members::CERTIFICATE_LIFE_MS;

use super::*;
use crate::credentials::{Credentials, NodeKey};
use crate::identity::Certified;

const CLUSTER: &str = "ab12cd34";

const NODE_LIFE: Duration = Duration::from_millis(CERTIFICATE_LIFE_MS);

fn authority() -> Authority {
    Authority::create(CLUSTER).unwrap()
}

/// A request that asks for what `ask` says.
fn request(ask: impl Fn(&mut CertificateParams)) -> Vec<u8> {
    let mut parameters = CertificateParams::default();
    ask(&mut parameters);
    let key = KeyPair::generate().unwrap();
    parameters.serialize_request(&key).unwrap().der().to_vec()
}

fn plain() -> Vec<u8> {
    NodeKey::generate().unwrap().request_der().unwrap()
}

fn dns(name: &str) -> SanType {
    SanType::DnsName(name.try_into().unwrap())
}

fn sign(request: &[u8]) -> Result<Vec<Vec<u8>>, RequestError> {
    authority().sign_node(NodeId(3), request, NODE_LIFE)
}

#[test]
fn a_node_gets_its_two_names_both_usages_and_thirty_days() {
    let chain = sign(&plain()).unwrap();
    let certified = Certified::read(&chain[0]).unwrap();
    assert_eq!(certified.identity, Identity::Node(NodeId(3)));
    assert_eq!(certified.cluster, CLUSTER);
    let life = certified.not_after_ms - certified.not_before_ms;
    let (expected, back) = (30 * 24 * 3_600_000, 300_000);
    // Whole seconds, rounded at either end.
    assert!(life.abs_diff(expected + back) <= 1_000, "{life}");
    assert!(certified.not_before_ms < env::wall_ms() - back + 1_000);
    assert_eq!(certified.life_ms(), life - back);
    assert_eq!(certified.renew_at_ms(), certified.not_after_ms - (life - back) / 3);
    let (_, parsed) = X509Certificate::from_der(&chain[0]).unwrap();
    let names = parsed.subject_alternative_name().unwrap().unwrap().value;
    let names: Vec<String> = names.general_names.iter().map(ToString::to_string).collect();
    assert_eq!(names, ["DNSName(n3.ab12cd34.fruitnode)", "DNSName(ab12cd34.fruitnode)"]);
    assert!(!parsed.is_ca());
}

#[test]
fn a_person_gets_one_name_and_calls_alone() {
    let chain = authority().sign_person("ann-2", &plain()).unwrap();
    let certified = Certified::read(&chain[0]).unwrap();
    assert_eq!(certified.identity, Identity::Person("ann-2".to_owned()));
    let (_, parsed) = X509Certificate::from_der(&chain[0]).unwrap();
    let usages = parsed.extended_key_usage().unwrap().unwrap().value;
    assert!(usages.client_auth && !usages.server_auth);
    let life = certified.not_after_ms - certified.not_before_ms;
    assert!(life.abs_diff(365 * 24 * 3_600_000 + 300_000) <= 1_000, "{life}");
}

#[test]
fn names_that_would_say_something_else_are_refused() {
    let authority = authority();
    for name in ["", "Ann", "a.b", "-a", "a-", "a b", "ann\n", "ä", &"a".repeat(41)] {
        let refused = authority.sign_person(name, &plain());
        assert!(matches!(refused, Err(RequestError::Identity(_))), "{name:?}: {refused:?}");
    }
    assert!(Authority::create(&identity::new_cluster()).is_ok());
    for cluster in ["", "ab12cd3", "ab12cd345", "AB12CD34", "ab12cd3.", "../../.."] {
        assert!(Authority::create(cluster).is_err(), "{cluster:?}");
    }
}

#[test]
fn a_request_that_asks_to_sign_others_is_refused() {
    for ca in [BasicConstraints::Unconstrained, BasicConstraints::Constrained(3)] {
        let asked = request(|parameters| parameters.is_ca = IsCa::Ca(ca));
        assert_eq!(sign(&asked), Err(RequestError::Authority));
    }
    for usage in [KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign] {
        let asked = request(|parameters| parameters.key_usages = vec![usage]);
        assert_eq!(sign(&asked), Err(RequestError::Authority), "{usage:?}");
    }
}

#[test]
fn a_request_that_asks_for_names_is_refused() {
    for name in [
        dns("n1.ab12cd34.fruitnode"),
        dns("n3.ab12cd34.fruitnode"),
        dns("example.org"),
        SanType::IpAddress([127, 0, 0, 1].into()),
        SanType::Rfc822Name("root@example.org".try_into().unwrap()),
        SanType::URI("https://example.org".try_into().unwrap()),
    ] {
        let asked = request(|parameters| parameters.subject_alt_names = vec![name.clone()]);
        assert_eq!(sign(&asked), Err(RequestError::Names), "{name:?}");
    }
}

#[test]
fn a_request_that_asks_for_usages_is_refused() {
    for usage in [
        ExtendedKeyUsagePurpose::CodeSigning,
        ExtendedKeyUsagePurpose::Any,
        ExtendedKeyUsagePurpose::ServerAuth,
        ExtendedKeyUsagePurpose::ClientAuth,
    ] {
        let asked = request(|parameters| parameters.extended_key_usages = vec![usage.clone()]);
        assert_eq!(sign(&asked), Err(RequestError::Usages), "{usage:?}");
    }
    let custom = ExtendedKeyUsagePurpose::Other(vec![1, 3, 6, 1, 4, 1, 99_999, 1]);
    let asked = request(|parameters| parameters.extended_key_usages = vec![custom.clone()]);
    assert_eq!(sign(&asked), Err(RequestError::Extensions));
    let asked = request(|parameters| {
        let extension = rcgen::CustomExtension::from_oid_content(&[2, 5, 29, 30], vec![48, 0]);
        parameters.custom_extensions = vec![extension];
    });
    assert!(matches!(sign(&asked), Err(RequestError::Extensions | RequestError::Unreadable)));
}

#[test]
fn nothing_of_a_request_but_its_key_is_in_the_certificate() {
    let asked = request(|parameters| {
        parameters.distinguished_name.push(DnType::CommonName, "n1.ab12cd34.fruitnode");
        parameters.distinguished_name.push(DnType::OrganizationName, "somebody else");
    });
    let chain = sign(&asked).unwrap();
    let (_, parsed) = X509Certificate::from_der(&chain[0]).unwrap();
    assert_eq!(parsed.subject().to_string(), "CN=node n3");
}

#[test]
fn a_request_must_be_signed_by_the_key_it_holds() {
    let mut asked = plain();
    let last = asked.len() - 1;
    asked[last] ^= 1;
    assert!(matches!(sign(&asked), Err(RequestError::Signature | RequestError::Unreadable)));
    // The key of another request under the signature of the first.
    let (mut first, second) = (plain(), plain());
    let point = |der: &[u8]| der.windows(3).position(|window| window == [3, 66, 0]).unwrap() + 3;
    let (to, from) = (point(&first), point(&second));
    first[to..to + 65].copy_from_slice(&second[from..from + 65]);
    assert_eq!(sign(&first), Err(RequestError::Signature));
}

#[test]
fn what_is_no_request_is_refused() {
    let whole = plain();
    for wrong in [&[][..], &[0x30], &whole[..whole.len() / 2], &[0x41; 20_000]] {
        assert_eq!(sign(wrong), Err(RequestError::Unreadable));
    }
    for algorithm in [&PKCS_ED25519, &PKCS_ECDSA_P384_SHA384] {
        let key = KeyPair::generate_for(algorithm).unwrap();
        let asked = CertificateParams::default().serialize_request(&key).unwrap();
        assert_eq!(sign(asked.der()), Err(RequestError::Key), "{algorithm:?}");
    }
}

#[test]
fn every_certificate_has_a_serial_number_of_its_own() {
    let (authority, request) = (authority(), plain());
    let serials = [(); 3].map(|()| {
        let chain = authority.sign_node(NodeId(3), &request, NODE_LIFE).unwrap();
        Certified::read(&chain[0]).unwrap().serial
    });
    assert!(serials.iter().all(|serial| serial.len() == 32), "{serials:?}");
    assert!(serials[0] != serials[1] && serials[1] != serials[2] && serials[0] != serials[2]);
}

#[test]
fn an_authority_is_the_same_after_a_copy_of_its_key() {
    let first = authority();
    let copy = Authority::load(first.certificate_der(), first.key_pkcs8()).unwrap();
    assert_eq!(copy.cluster(), CLUSTER);
    assert_eq!(copy.pin(), first.pin());
    assert_eq!(pin_of(first.certificate_der()), Ok(first.pin()));
    assert!(copy.sign_node(NodeId(1), &plain(), NODE_LIFE).is_ok());

    let other = authority();
    assert!(Authority::load(first.certificate_der(), other.key_pkcs8()).is_err());
    assert!(Authority::load(first.certificate_der(), b"no key").is_err());
    let leaf = first.sign_node(NodeId(1), &plain(), NODE_LIFE).unwrap().swap_remove(0);
    assert!(Authority::load(&leaf, first.key_pkcs8()).is_err());
    assert!(!format!("{first:?}").contains("key"), "{first:?}");
}

#[test]
fn the_authority_is_bound_to_its_cluster_and_to_leaves() {
    let authority = authority();
    let (_, parsed) = X509Certificate::from_der(authority.certificate_der()).unwrap();
    let constraints = parsed.basic_constraints().unwrap().unwrap().value;
    assert_eq!((constraints.ca, constraints.path_len_constraint), (true, Some(0)));
    let names = parsed.name_constraints().unwrap().unwrap();
    assert!(names.critical);
    let permitted = names.value.permitted_subtrees.as_ref().unwrap();
    assert_eq!(permitted.len(), 1);
    assert_eq!(permitted[0].base.to_string(), "DNSName(ab12cd34.fruitnode)");
}

#[test]
fn credentials_are_the_same_after_the_disk_and_nobody_elses_to_read() {
    use std::os::unix::fs::PermissionsExt;

    let folder = tempfile::tempdir().unwrap();
    let (authority, key) = (authority(), NodeKey::generate().unwrap());
    let request = key.request_der().unwrap();
    let chain = authority.sign_node(NodeId(3), &request, NODE_LIFE).unwrap();
    let credentials = key.with(chain).unwrap();
    for _ in 0..2 {
        credentials.save(folder.path(), "node").unwrap();
        authority.save(folder.path()).unwrap();
    }
    assert_eq!(Credentials::load(folder.path(), "node").unwrap(), credentials);
    assert_eq!(Authority::open(folder.path()).unwrap().unwrap().pin(), authority.pin());
    let mut files: Vec<(String, u32)> = std::fs::read_dir(folder.path())
        .unwrap()
        .map(|entry| {
            let entry = entry.unwrap();
            let mode = entry.metadata().unwrap().permissions().mode() & 0o777;
            (entry.file_name().into_string().unwrap(), mode)
        })
        .collect();
    files.sort();
    let names: Vec<&str> = files.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["authority.key", "ca.pem", "node.key", "node.pem"], "nothing is left over");
    for (name, mode) in &files {
        assert_eq!(mode & 0o077 == 0, name.ends_with(".key"), "{name} {mode:o}");
    }
    assert!(!format!("{credentials:?} {key:?}").contains("BEGIN"));

    // The same key, for a certificate of its second month.
    let request = NodeKey::of(&credentials).unwrap().request_der().unwrap();
    let renewed = authority.sign_node(NodeId(3), &request, NODE_LIFE).unwrap();
    assert!(NodeKey::of(&credentials).unwrap().with(renewed).is_ok());
}

#[test]
fn files_that_are_not_what_they_should_be_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let error = Credentials::load(folder.path(), "node").unwrap_err();
    assert!(error.to_string().contains("ca.pem"), "{error}");
    assert!(Authority::open(folder.path()).unwrap().is_none());
    authority().save(folder.path()).unwrap();
    std::fs::write(folder.path().join("node.pem"), "no PEM").unwrap();
    let error = Credentials::load(folder.path(), "node").unwrap_err();
    assert!(error.to_string().contains("node.pem"), "{error}");
    std::fs::write(folder.path().join("authority.key"), "no PEM").unwrap();
    assert!(Authority::open(folder.path()).is_err());
}
