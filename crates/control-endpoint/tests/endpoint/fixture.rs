use companion_core::{
    Command, Done, GatewayId, Problem, Snapshot,
    snapshot::{Overall, SecretStoreKind, SecretStoreView},
};
use companion_runtime::scripted;
use companion_store::{DataDir, read_private};
use control_endpoint::{Endpoint, serve};
use std::{
    io::{self, Write},
    sync::{Arc, Mutex, OnceLock},
    time::Duration,
};
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::watch,
    time::timeout,
};
use tracing_subscriber::fmt::MakeWriter;

/// An open endpoint before a scripted companion.
pub(crate) struct Fixture {
    pub(crate) endpoint: Endpoint,
    pub(crate) dir: DataDir,
    pub(crate) token: String,
    pub(crate) authority: String,
    pub(crate) publish: watch::Sender<Arc<Snapshot>>,
    pub(crate) commands: Arc<Mutex<Vec<Command>>>,
    _folder: TempDir,
}

impl Fixture {
    pub(crate) async fn new() -> Self {
        log();
        let folder = tempfile::tempdir().unwrap();
        let dir = DataDir::at(folder.path()).unwrap();
        let commands = Arc::new(Mutex::new(vec![]));
        let heard = Arc::clone(&commands);
        let (companion, publish) = scripted(snapshot(1, Overall::NoGateways), move |command| {
            heard.lock().unwrap().push(command.clone());
            match command {
                Command::Pair { .. } | Command::Connect { .. } => Ok(Done::Accepted {
                    gateway: GatewayId::new("gw-1"),
                }),
                Command::Forget { .. } => Err(Problem::unknown_gateway()),
                Command::Reconnect { .. } | Command::OpenWindow | Command::Quit => Ok(Done::Done),
            }
        });
        let endpoint = serve(companion, &dir, Some(0)).await.unwrap();
        let rest = endpoint.url().strip_prefix("http://").unwrap();
        let authority = rest.strip_suffix("/mcp").unwrap().to_owned();
        let token = read_private(&dir.path().join("control-token")).unwrap();
        Self {
            authority,
            token: String::from_utf8(token.to_vec()).unwrap(),
            endpoint,
            dir,
            publish,
            commands,
            _folder: folder,
        }
    }

    pub(crate) fn port(&self) -> &str {
        self.authority.rsplit(':').next().unwrap()
    }

    /// A request that is let in, to be spoilt by a test.
    pub(crate) fn post(&self, body: &str) -> Draft {
        let bearer = format!("Bearer {}", self.token);
        Draft {
            line: "POST /mcp HTTP/1.1".to_owned(),
            headers: vec![
                ("Host".to_owned(), self.authority.clone()),
                ("Authorization".to_owned(), bearer),
                ("Content-Type".to_owned(), "application/json".to_owned()),
                (
                    "Accept".to_owned(),
                    "application/json, text/event-stream".to_owned(),
                ),
                ("Content-Length".to_owned(), body.len().to_string()),
            ],
            body: body.as_bytes().to_vec(),
        }
    }

    pub(crate) fn get(&self, target: &str) -> Draft {
        Draft {
            line: format!("GET {target} HTTP/1.1"),
            headers: vec![("Host".to_owned(), self.authority.clone())],
            body: vec![],
        }
    }

    pub(crate) async fn send(&self, draft: Draft) -> Reply {
        self.send_raw(&draft.set("Connection", "close").bytes())
            .await
    }

    pub(crate) async fn send_raw(&self, bytes: &[u8]) -> Reply {
        let mut stream = TcpStream::connect(&self.authority).await.unwrap();
        // the listener may answer and close before it has read everything
        let _ = stream.write_all(bytes).await;
        let mut answer = vec![];
        let read = timeout(Duration::from_secs(20), stream.read_to_end(&mut answer));
        let _ = read.await.expect("an answer in time");
        Reply::parse(&answer)
    }
}

/// A request as it is written.
#[derive(Clone)]
pub(crate) struct Draft {
    pub(crate) line: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Draft {
    pub(crate) fn line(mut self, line: &str) -> Self {
        self.line = line.to_owned();
        self
    }

    pub(crate) fn add(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    pub(crate) fn set(self, name: &str, value: &str) -> Self {
        self.without(name).add(name, value)
    }

    pub(crate) fn without(mut self, name: &str) -> Self {
        self.headers.retain(|(known, _)| known != name);
        self
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut text = format!("{}\r\n", self.line);
        for (name, value) in &self.headers {
            text += &format!("{name}: {value}\r\n");
        }
        text += "\r\n";
        [text.as_bytes(), &self.body].concat()
    }
}

#[derive(Debug)]
pub(crate) struct Reply {
    /// 0 if the connection was closed without an answer.
    pub(crate) status: u16,
    /// In lower case.
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Reply {
    fn parse(bytes: &[u8]) -> Self {
        let text = String::from_utf8_lossy(bytes);
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
        Self {
            status: head
                .split(' ')
                .nth(1)
                .and_then(|status| status.parse().ok())
                .unwrap_or(0),
            head: head.to_lowercase(),
            body: body.to_owned(),
        }
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap_or_else(|_| panic!("{self:?}"))
    }
}

pub(crate) fn snapshot(revision: u64, overall: Overall) -> Snapshot {
    Snapshot {
        revision,
        version: "1.2.3".to_owned(),
        pid: 42,
        overall,
        problems: vec![],
        secret_store: SecretStoreView {
            kind: SecretStoreKind::Memory,
            usable: true,
        },
        local_gateway: None,
        gateways: vec![],
    }
}

/// Everything that all tests of this program log.
pub(crate) fn log() -> &'static Log {
    static LOG: OnceLock<Log> = OnceLock::new();
    LOG.get_or_init(|| {
        let log = Log::default();
        tracing_subscriber::fmt()
            .with_max_level(tracing::Level::TRACE)
            .with_writer(log.clone())
            .init();
        log
    })
}

#[derive(Clone, Default)]
pub(crate) struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.lock().unwrap()).into_owned()
    }
}

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut log = self.0.lock().map_err(|_| io::ErrorKind::Other)?;
        log.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Log {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}
