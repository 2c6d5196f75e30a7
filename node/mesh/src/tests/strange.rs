//! Certificates of the right authority that say what it never signs: somebody has its key, or it
//! had another release.

use rcgen::{
    BasicConstraints, CertificateParams, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, SanType,
};

use super::world::{CLUSTER, Told, World, roster, soon};
use crate::client::Contact;
use crate::credentials::Credentials;
use crate::error::MeshError;
use crate::identity::{Certified, IdentityError};
use crate::tests::handshakes::raw_as;

/// A certificate with these names and usages.
fn certificate(
    world: &World,
    names: &[&str],
    usages: &[ExtendedKeyUsagePurpose],
    is_ca: IsCa,
) -> Credentials {
    let authority = &world.authority;
    let ca = authority.certificate_der().to_vec();
    let signer = KeyPair::try_from(authority.key_pkcs8()).unwrap();
    let issuer = Issuer::from_ca_cert_der(&ca.as_slice().into(), signer).unwrap();
    let mut parameters = CertificateParams::default();
    let name = |name: &&str| SanType::DnsName((*name).try_into().unwrap());
    parameters.subject_alt_names = names.iter().map(name).collect();
    parameters.extended_key_usages = usages.to_vec();
    parameters.is_ca = is_ca;
    let key = KeyPair::generate().unwrap();
    let leaf = parameters.signed_by(&key, &issuer).unwrap();
    let key = key.serialized_der().to_vec();
    Credentials { chain: vec![leaf.der().to_vec(), ca.clone()], ca, key }
}

fn read(credentials: &Credentials) -> Result<Certified, IdentityError> {
    Certified::read(&credentials.chain[0])
}

const BOTH: [ExtendedKeyUsagePurpose; 2] =
    [ExtendedKeyUsagePurpose::ClientAuth, ExtendedKeyUsagePurpose::ServerAuth];

#[test]
fn names_that_are_not_exactly_those_of_somebody_are_nobodys() {
    let world = World::new();
    let right = ["n3.ab12cd34.fruitnode", "ab12cd34.fruitnode"];
    assert!(read(&certificate(&world, &right, &BOTH, IsCa::NoCa)).is_ok());
    for names in [
        &[][..],
        &["n3.ab12cd34.fruitnode"],
        &["ab12cd34.fruitnode", "n3.ab12cd34.fruitnode"],
        &["n3.ab12cd34.fruitnode", "ab12cd34.fruitnode", "n1.ab12cd34.fruitnode"],
        &["n3.ab12cd34.fruitnode", "00000001.fruitnode"],
        &["n03.ab12cd34.fruitnode", "ab12cd34.fruitnode"],
        &["n.ab12cd34.fruitnode", "ab12cd34.fruitnode"],
        &["*.ab12cd34.fruitnode", "ab12cd34.fruitnode"],
        &["n3.AB12CD34.fruitnode", "AB12CD34.fruitnode"],
        &["n3.ab12cd34.fruitnode.example.org", "ab12cd34.fruitnode.example.org"],
        &["ann.person.ab12cd34.fruitnode", "n3.ab12cd34.fruitnode"],
    ] {
        let found = read(&certificate(&world, names, &BOTH, IsCa::NoCa));
        assert!(matches!(found, Err(IdentityError::Names(_))), "{names:?}: {found:?}");
    }
}

#[test]
fn usages_that_are_not_exactly_those_of_the_names_are_refused() {
    let world = World::new();
    let node = ["n3.ab12cd34.fruitnode", "ab12cd34.fruitnode"];
    let person = ["ann.person.ab12cd34.fruitnode"];
    let [client, server] = BOTH;
    let ca = || IsCa::Ca(BasicConstraints::Unconstrained);
    for (names, usages, is_ca) in [
        (&node[..], vec![client.clone()], IsCa::NoCa),
        (&node, vec![server.clone()], IsCa::NoCa),
        (&node, vec![], IsCa::NoCa),
        (&node, vec![client.clone(), server.clone()], ca()),
        (
            &node,
            vec![client.clone(), server.clone(), ExtendedKeyUsagePurpose::CodeSigning],
            IsCa::NoCa,
        ),
        (&person, vec![client.clone(), server], IsCa::NoCa),
        (&person, vec![client.clone()], ca()),
    ] {
        let found = read(&certificate(&world, names, &usages, is_ca));
        assert!(matches!(found, Err(IdentityError::Usages(_))), "{names:?} {usages:?}: {found:?}");
    }
    assert!(read(&certificate(&world, &person, &[client], IsCa::NoCa)).is_ok());
}

#[test]
fn what_is_no_certificate_is_nobodys() {
    let world = World::new();
    let whole = world.node(1).chain.swap_remove(0);
    let longer = [whole.as_slice(), b"x"].concat();
    for wrong in [&[][..], b"x", &whole[..whole.len() - 1], &longer] {
        assert_eq!(Certified::read(wrong), Err(IdentityError::Unreadable));
    }
    assert!(Certified::read(world.authority.certificate_der()).is_err());
}

#[tokio::test]
async fn a_caller_with_strange_names_does_not_get_through_the_handshake() {
    let world = World::new();
    let told = Told::alone(1);
    let node = world.start(told.clone(), roster(1, &[1], "")).await;
    let good = ["ann.person.ab12cd34.fruitnode"];
    let client = [ExtendedKeyUsagePurpose::ClientAuth];
    let ann = certificate(&world, &good, &client, IsCa::NoCa);
    assert!(raw_as(&world, &node, &ann).await.is_ok());
    for names in [
        // Not a name the cluster gives.
        ["root.ab12cd34.fruitnode"],
        // Outside of what the authority may sign.
        ["ann.person.00000001.fruitnode"],
        ["example.org"],
    ] {
        let strange = certificate(&world, &names, &client, IsCa::NoCa);
        let refused = raw_as(&world, &node, &strange).await;
        assert!(refused.is_err(), "{names:?}: {refused:?}");
    }
    let contact = soon(Contact::connect(&[node.address], &world.person("ann"))).await.unwrap();
    assert!(soon(contact.status()).await.is_ok());
    assert_eq!(told.addresses().len(), 1);
}

#[tokio::test]
async fn credentials_with_strange_names_are_not_even_tried() {
    let world = World::new();
    let client = [ExtendedKeyUsagePurpose::ClientAuth];
    let strange = certificate(&world, &["root.ab12cd34.fruitnode"], &client, IsCa::NoCa);
    let error = Contact::connect(&["127.0.0.1:1".to_owned()], &strange).await.err().unwrap();
    assert!(matches!(&error, MeshError::Invalid(words) if words.contains("root")), "{error:?}");
    assert!(error.to_string().contains(CLUSTER), "{error}");
}
