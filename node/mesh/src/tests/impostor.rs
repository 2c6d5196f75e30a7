//! Somebody who answers at the address of a node, with an authority of their own, and writes down
//! every byte they get to read.

use std::sync::{Arc, Mutex};

use rustls::ServerConfig;
use rustls::pki_types::PrivateKeyDer;
use rustls::version::TLS13;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::runtime::Handle;
use tokio_rustls::TlsAcceptor;

use fruitnode_proto::v1;

use super::world::{World, soon};
use crate::client::enroll;
use crate::error::MeshError;
use crate::token::Token;

/// Answers with this chain and key, and keeps what can be read of what callers send.
async fn impostor(chain: Vec<Vec<u8>>, key: Vec<u8>) -> (String, Arc<Mutex<Vec<u8>>>) {
    let key = PrivateKeyDer::try_from(key).unwrap();
    let chain = chain.into_iter().map(Into::into).collect();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&TLS13])
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .unwrap();
    config.alpn_protocols = vec![b"h2".to_vec()];
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let heard = Arc::new(Mutex::new(Vec::new()));
    let kept = heard.clone();
    Handle::current().spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let Ok(mut stream) = acceptor.accept(stream).await else {
                continue;
            };
            // Empty settings, so that a caller who trusts it goes on.
            let _ = stream.write_all(&[0, 0, 0, 4, 0, 0, 0, 0, 0]).await;
            let mut bytes = [0; 4096];
            while let Ok(count @ 1..) = stream.read(&mut bytes).await {
                kept.lock().unwrap().extend_from_slice(&bytes[..count]);
                if count < 64 {
                    continue;
                }
                break;
            }
        }
    });
    (address, heard)
}

async fn join(address: &str, token: &Token) -> Result<v1::EnrollReply, MeshError> {
    let request = v1::EnrollRequest {
        request: vec![1; 64],
        address: "10.0.0.9:7401".to_owned(),
        ..v1::EnrollRequest::default()
    };
    enroll(&[address.to_owned()], token, request).await
}

#[tokio::test]
async fn an_impostor_with_its_own_authority_never_reads_a_byte() {
    let (real, own) = (World::new(), World::new());
    let token = Token::create(real.authority.pin());
    let false_node = own.node(1);
    let mut with_real_ca = false_node.chain.clone();
    with_real_ca[1] = real.authority.certificate_der().to_vec();
    let mut with_both = false_node.chain.clone();
    with_both.push(real.authority.certificate_der().to_vec());
    let mut real_leaf_first = false_node.chain.clone();
    real_leaf_first.truncate(1);
    for chain in [false_node.chain.clone(), with_real_ca, with_both, real_leaf_first] {
        let (address, heard) = impostor(chain, false_node.key.clone()).await;
        let error = soon(join(&address, &token)).await.unwrap_err();
        let MeshError::Tls { words, .. } = &error else { panic!("{error:?}") };
        assert!(words.contains("the authority in the token"), "{error}");
        assert!(error.to_string().contains(&address), "{error}");
        assert_eq!(heard.lock().unwrap().len(), 0, "the impostor has read something");
    }
}

#[tokio::test]
async fn a_person_of_the_cluster_cannot_collect_secrets_either() {
    let real = World::new();
    let token = Token::create(real.authority.pin());
    let person = real.person("eve");
    let (address, heard) = impostor(person.chain.clone(), person.key.clone()).await;
    let error = soon(join(&address, &token)).await.unwrap_err();
    assert!(matches!(error, MeshError::Tls { .. }), "{error:?}");
    assert_eq!(heard.lock().unwrap().len(), 0, "the impostor has read something");
}

#[tokio::test]
async fn whoever_is_pinned_does_read_so_that_the_others_prove_something() {
    let own = World::new();
    let token = Token::create(own.authority.pin());
    let node = own.node(1);
    let (address, heard) = impostor(node.chain.clone(), node.key.clone()).await;
    let error = soon(join(&address, &token)).await.unwrap_err();
    assert!(matches!(error, MeshError::Unreachable { .. }), "{error:?}");
    let heard = heard.lock().unwrap();
    assert!(heard.starts_with(b"PRI * HTTP/2.0"), "{heard:?}");
    // Even then the first question is asked without the secret.
    let secret = |window: &[u8]| window == &token.secret[..8];
    assert!(!heard.windows(8).any(secret), "the secret came with the first question");
}
