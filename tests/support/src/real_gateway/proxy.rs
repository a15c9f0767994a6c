use std::net::{Ipv4Addr, SocketAddr};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _, copy_bidirectional},
    net::{TcpListener, TcpStream},
    task::{JoinHandle, JoinSet},
};

/// A reverse proxy on 127.0.0.1 that adds `X-Forwarded-For` to each connection. Ends, with its connections, when dropped.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    forwarding: JoinHandle<()>,
}

impl Proxy {
    pub(super) async fn start(gateway: u16, from: &str) -> Self {
        let bound = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await;
        let listener = bound.expect("a free port on 127.0.0.1");
        let address = listener.local_addr().expect("a bound address");
        let header = format!("X-Forwarded-For: {from}\r\n");
        let forwarding = tokio::spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((client, _)) = listener.accept().await {
                let header = header.clone();
                connections.spawn(async move {
                    // a side that went away ends the connection
                    let _ = forward(client, gateway, &header).await;
                });
            }
        });
        Self {
            address,
            forwarding,
        }
    }

    /// `ws://127.0.0.1:<port>`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("ws://{}", self.address)
    }

    /// Its port on 127.0.0.1.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.address.port()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.forwarding.abort();
    }
}

async fn forward(mut client: TcpStream, gateway: u16, header: &str) -> std::io::Result<()> {
    let mut head = Vec::new();
    let request_line = loop {
        if let Some(end) = head.windows(2).position(|two| two == b"\r\n") {
            break end + 2;
        }
        if client.read_buf(&mut head).await? == 0 {
            return Ok(());
        }
    };
    let mut gateway = TcpStream::connect((Ipv4Addr::LOCALHOST, gateway)).await?;
    gateway.write_all(&head[..request_line]).await?;
    gateway.write_all(header.as_bytes()).await?;
    gateway.write_all(&head[request_line..]).await?;
    copy_bidirectional(&mut client, &mut gateway).await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn adds_the_address_to_the_head_and_passes_the_rest() {
        let gateway = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let port = gateway.local_addr().unwrap().port();
        let proxy = Proxy::start(port, "192.168.1.77").await;
        let mut client = TcpStream::connect(("127.0.0.1", proxy.port()))
            .await
            .unwrap();
        client
            .write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\nbody")
            .await
            .unwrap();
        client.shutdown().await.unwrap();
        let (mut accepted, _) = gateway.accept().await.unwrap();
        let mut seen = String::new();
        accepted.read_to_string(&mut seen).await.unwrap();
        assert_eq!(
            seen,
            "GET / HTTP/1.1\r\nX-Forwarded-For: 192.168.1.77\r\nHost: x\r\n\r\nbody"
        );
        accepted.write_all(b"answer").await.unwrap();
        drop(accepted);
        let mut answer = String::new();
        client.read_to_string(&mut answer).await.unwrap();
        assert_eq!(answer, "answer");
    }
}
