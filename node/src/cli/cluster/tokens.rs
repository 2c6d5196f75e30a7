//! `fruitnode token …`, `fruitnode client …` and `fruitnode backup`: who may come in, and what is
//! taken out.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

use serde_json::json;

use fruitnode_env::{unique_name, wall_ms};
use fruitnode_mesh::credentials::{NodeKey, PERSON};
use fruitnode_proto::v1;

use crate::cli::args::{
    BackupArgs, ClientCommand, ClientCreateArgs, TerminalArgs, TokenCommand, TokenCreateArgs,
};
use crate::cli::cluster::reach::{Reach, reaching};
use crate::cli::cluster::say::{done, say};
use crate::cli::cluster::show::founded::{caution, join_line};
use crate::cli::cluster::show::table::bytes;
use crate::cli::cluster::show::{person, token};
use crate::cli::exit::Exit;
use crate::cli::message::CliError;
use crate::cli::summary::shell_word;
use crate::member::save_person;

/// What is asked of tokens.
pub(in crate::cli) fn token(
    command: &TokenCommand,
    terminal: &TerminalArgs,
) -> Result<Exit, CliError> {
    match command {
        TokenCommand::Create(args) => create_token(args, terminal),
        TokenCommand::List(args) => reaching(&args.reach, async |reach| {
            let tokens = reach.contact.list_tokens().await?.tokens;
            let documents = || tokens.iter().map(token::document).collect::<Vec<_>>();
            let json = || json!({"schema_version": 1, "tokens": documents()});
            say(terminal, json, || match tokens.is_empty() {
                true => "there are no tokens; to create one: fruitnode token create\n".to_owned(),
                false => token::table(&tokens, wall_ms()),
            });
            Ok(Exit::Done)
        }),
        TokenCommand::Revoke(args) => reaching(&args.reach, async |reach| {
            reach.contact.revoke_token(v1::NameRequest { name: args.id.clone() }).await?;
            let words = format!("token {} is revoked", args.id);
            done(terminal, json!({"outcome": "revoked", "token": args.id}), &words);
            Ok(Exit::Done)
        }),
    }
}

fn create_token(args: &TokenCreateArgs, terminal: &TerminalArgs) -> Result<Exit, CliError> {
    reaching(&args.reach, async |reach| {
        let ttl_ms = u64::try_from(args.ttl.as_millis()).unwrap_or(u64::MAX);
        let request = v1::CreateTokenRequest { uses: args.uses.get(), ttl_ms };
        let reply = reach.contact.create_token(request).await?;
        let node = join_address(&reach).await;
        let info = reply.info.as_ref().map(token::document);
        let json = || {
            json!({
                "schema_version": 1,
                "token": reply.token,
                "info": info,
                "join": join_line(&node, &reply.token),
                "warning": caution(&node),
            })
        };
        say(terminal, json, || token::created(&reply, &node, wall_ms()));
        Ok(Exit::Done)
    })
}

/// Where others join: a node's address as the cluster knows it, since the one that was named may
/// mean another machine elsewhere.
async fn join_address(reach: &Reach) -> String {
    let status = reach.contact.status().await.unwrap_or_default();
    let known = |wanted: u64| {
        let node = status.nodes.iter().find(|node| node.node == wanted);
        node.map(|node| node.address.clone()).filter(|address| !address.is_empty())
    };
    let first = || reach.addresses.first().cloned();
    known(status.leader).or_else(first).unwrap_or_else(|| "HOST:PORT".to_owned())
}

/// What is asked of people's certificates.
pub(in crate::cli) fn client(
    command: &ClientCommand,
    terminal: &TerminalArgs,
) -> Result<Exit, CliError> {
    match command {
        ClientCommand::Create(args) => create_client(args, terminal),
        ClientCommand::List(args) => reaching(&args.reach, async |reach| {
            let clients = reach.contact.list_clients().await?.clients;
            let documents = || clients.iter().map(person::document).collect::<Vec<_>>();
            let json = || json!({"schema_version": 1, "clients": documents()});
            say(terminal, json, || person::table(&clients, wall_ms()));
            Ok(Exit::Done)
        }),
        ClientCommand::Revoke(args) => reaching(&args.reach, async |reach| {
            reach.contact.revoke_client(v1::NameRequest { name: args.name.clone() }).await?;
            let words = format!("the certificate of {} is revoked", args.name);
            done(terminal, json!({"outcome": "revoked", "client": args.name}), &words);
            Ok(Exit::Done)
        }),
    }
}

/// The key is made here and goes nowhere.
fn create_client(args: &ClientCreateArgs, terminal: &TerminalArgs) -> Result<Exit, CliError> {
    let folder = &args.to;
    if folder.join(format!("{PERSON}.key")).exists() {
        let words =
            format!("{} already contains a certificate: name another folder", folder.display());
        return Err(CliError::new(Exit::Conflict, "target_taken", words));
    }
    DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(trouble(folder))?;
    let unusable = |error: &dyn std::error::Error| CliError::of(Exit::Failed, "bad_key", error);
    let key = NodeKey::generate().map_err(|error| unusable(&error))?;
    let request = key.request_der().map_err(|error| unusable(&error))?;
    reaching(&args.reach, async |reach| {
        let request = v1::CreateClientRequest { name: args.name.clone(), request };
        let reply = reach.contact.create_client(request).await?;
        let credentials = key.with(reply.certificates).map_err(|error| unusable(&error))?;
        save_person(&credentials, folder, &reach.addresses.join("\n"))?;
        let place = folder.display().to_string();
        let words = format!(
            "the certificate for {} is in {place}; to use it: fruitnode status --certs-dir {}",
            args.name,
            shell_word(&place)
        );
        done(terminal, json!({"outcome": "created", "client": args.name, "dir": place}), &words);
        Ok(Exit::Done)
    })
}

/// Writes what the cluster knows into a file, whole or not at all.
pub(in crate::cli) fn backup(args: &BackupArgs, terminal: &TerminalArgs) -> Result<Exit, CliError> {
    let to = &args.to;
    if to.exists() {
        let words = format!("{} already exists: name a new file", to.display());
        return Err(CliError::new(Exit::Conflict, "target_taken", words));
    }
    let mut beside = to.as_os_str().to_owned();
    beside.push(format!(".{}", unique_name()));
    let beside = Path::new(&beside);
    let written = reaching(&args.reach, async |reach| {
        let mut options = OpenOptions::new();
        let opened = options.write(true).create_new(true).mode(0o600).open(beside);
        let mut file = opened.map_err(trouble(to))?;
        let mut pieces = reach.contact.backup().await?;
        let mut length = 0;
        while let Some(piece) = pieces.next().await? {
            file.write_all(&piece.bytes).map_err(trouble(to))?;
            length += piece.bytes.len() as u64;
        }
        finish(file, beside, to).map_err(trouble(to))?;
        Ok(length)
    });
    let length = written.inspect_err(|_| {
        // It may not be there at all.
        let _ = fs::remove_file(beside);
    })?;
    let place = to.display().to_string();
    let words = format!(
        "{place}: {}, without keys and tokens. To recover from it after a majority was lost: \
         fruitnode recover --unsafe --from {}",
        bytes(length),
        shell_word(&place)
    );
    done(terminal, json!({"outcome": "written", "file": place, "bytes": length}), &words);
    Ok(Exit::Done)
}

fn finish(file: File, beside: &Path, to: &Path) -> io::Result<()> {
    file.sync_all()?;
    // Unlike a rename, a link never takes the place of a file that came in between.
    fs::hard_link(beside, to)?;
    fs::remove_file(beside)?;
    let folder = to.parent().filter(|folder| !folder.as_os_str().is_empty());
    File::open(folder.unwrap_or_else(|| Path::new(".")))?.sync_all()
}

fn trouble(path: &Path) -> impl Fn(io::Error) -> CliError {
    let path = path.to_owned();
    move |error| {
        let words = format!("cannot write {}: {error}", path.display());
        let exit = match error.kind() {
            io::ErrorKind::AlreadyExists => Exit::Conflict,
            io::ErrorKind::PermissionDenied => Exit::Refused,
            _ => Exit::Failed,
        };
        CliError::new(exit, "storage_refused", words)
    }
}
