//! The ports of a node, which are taken before anything is written or asked for: one that another
//! process has then costs neither a folder nor a use of a token.

use std::io;
use std::net::SocketAddr;

use tokio::net::TcpListener;

use crate::member::MemberError;

/// Ports that this process listens at, and does not answer yet.
#[derive(Debug)]
pub(crate) struct Ports {
    mesh: Bound,
    health: Option<Bound>,
}

/// One of them. Of no runtime: who joins and who runs have one each.
#[derive(Debug)]
struct Bound {
    listener: std::net::TcpListener,
    address: SocketAddr,
}

/// Ports that are answered by the runtime of who opened them.
pub(super) struct Open {
    pub(super) mesh: TcpListener,
    pub(super) address: SocketAddr,
    pub(super) health: Option<TcpListener>,
}

impl Ports {
    /// Takes them: where the node listens, and where its health is told, if anywhere.
    ///
    /// # Errors
    /// When an address is none of this machine, or another process has its port.
    pub(crate) async fn take(
        listen: &str,
        health: Option<SocketAddr>,
    ) -> Result<Self, MemberError> {
        let mesh = Bound::at(resolve(listen).await?).await?;
        let health = match health {
            Some(address) => Some(Bound::at(address).await?),
            None => None,
        };
        Ok(Self { mesh, health })
    }

    fn open(self) -> Result<Open, MemberError> {
        let address = self.mesh.address;
        let health = self.health.map(Bound::open).transpose()?;
        Ok(Open { mesh: self.mesh.open()?, address, health })
    }
}

impl Bound {
    async fn at(address: SocketAddr) -> Result<Self, MemberError> {
        let bound = TcpListener::bind(address).await.and_then(TcpListener::into_std);
        let listener = bound.map_err(taken(address))?;
        Ok(Self { listener, address })
    }

    fn open(self) -> Result<TcpListener, MemberError> {
        TcpListener::from_std(self.listener).map_err(taken(self.address))
    }
}

/// Has this runtime answer at ports, which are taken now if they were not before.
pub(super) async fn open(
    ports: Option<Ports>,
    listen: &str,
    health: Option<SocketAddr>,
) -> Result<Open, MemberError> {
    match ports {
        Some(ports) => ports.open(),
        None => Ports::take(listen, health).await?.open(),
    }
}

fn taken(address: SocketAddr) -> impl FnOnce(io::Error) -> MemberError {
    move |source| MemberError::Listen { address, source }
}

async fn resolve(listen: &str) -> Result<SocketAddr, MemberError> {
    let found = tokio::net::lookup_host(listen).await.ok().and_then(|mut found| found.next());
    found.ok_or_else(|| MemberError::Address {
        address: listen.to_owned(),
        why: "this machine has no such address: use an address of this machine and a free port",
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_port_is_had_once_and_a_health_port_too() {
        let other = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let taken = other.local_addr().unwrap();
        let error = Ports::take(&taken.to_string(), None).await.unwrap_err();
        assert!(matches!(error, MemberError::Listen { address, .. } if address == taken));
        let error = Ports::take("127.0.0.1:0", Some(taken)).await.unwrap_err();
        assert!(matches!(error, MemberError::Listen { address, .. } if address == taken));
        drop(other);
        let ports = Ports::take(&taken.to_string(), None).await.unwrap();
        assert!(Ports::take(&taken.to_string(), None).await.is_err());
        assert_eq!(
            open(Some(ports), "nowhere", None).await.unwrap().mesh.local_addr().unwrap(),
            taken
        );
        let error = Ports::take("nowhere", None).await.unwrap_err();
        assert!(matches!(error, MemberError::Address { .. }));
    }
}
