//! A small client of `Infer`: photographs in, one line of JSON for each out, in order.
//!
//! `infer-example HOST:PORT CERTIFICATES [--model PLACE] PHOTOGRAPH...`, where CERTIFICATES is the
//! folder of a person's certificate, such as `~/.config/fruitnode/client`. With PLACE, such as
//! `s3://BUCKET/Results/model`, rows are coordinates by that model; without, they are features.

use std::error::Error;
use std::io::Write;
use std::path::Path;

use serde_json::json;
use tokio::runtime::Runtime;
use tokio::sync::mpsc;

use fruitnode_mesh::client::Contact;
use fruitnode_mesh::credentials::Credentials;
use fruitnode_proto::v1::{InferOptions, InferRequest};

/// Photographs that are under way: the node makes the client wait when it has enough.
const UNDER_WAY_MAX: usize = 8;

fn main() -> Result<(), Box<dyn Error>> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [host, certificates, rest @ ..] = &words[..] else {
        return Err(
            "usage: infer-example HOST:PORT CERTIFICATES [--model PLACE] PHOTOGRAPH...".into()
        );
    };
    let (options, photographs) = match rest {
        [flag, model, photographs @ ..] if flag == "--model" => {
            (InferOptions { model: model.clone(), ..InferOptions::default() }, photographs)
        }
        photographs => {
            (InferOptions { size: "100".to_owned(), ..InferOptions::default() }, photographs)
        }
    };
    Runtime::new()?.block_on(infer(host, Path::new(certificates), options, photographs.to_vec()))
}

async fn infer(
    host: &str,
    certificates: &Path,
    options: InferOptions,
    photographs: Vec<String>,
) -> Result<(), Box<dyn Error>> {
    let credentials = Credentials::load(certificates, "client")?;
    let contact = Contact::connect(&[host.to_owned()], &credentials).await?;
    let (send, requests) = mpsc::channel(UNDER_WAY_MAX);
    let names = photographs.clone();
    let sending = async move {
        let options = Some(options);
        send.send(InferRequest { options, ..InferRequest::default() }).await?;
        for name in photographs {
            let photograph = std::fs::read(&name)?;
            // One that is larger than a message is cut into parts on its way.
            send.send(InferRequest { photograph, ..InferRequest::default() }).await?;
        }
        Ok::<_, Box<dyn Error>>(())
    };
    let receiving = async move {
        let mut replies = contact.infer(requests).await?;
        for name in names {
            let reply = replies.next().await?.ok_or("the node said less than was asked")?;
            let line = match reply.code.is_empty() {
                true => json!({ "photograph": name, "row": reply.row }),
                false => json!({ "photograph": name, "code": reply.code, "why": reply.detail }),
            };
            writeln!(std::io::stdout(), "{line}")?;
        }
        Ok::<_, Box<dyn Error>>(())
    };
    let (sent, received) = tokio::join!(sending, receiving);
    received.and(sent)
}
