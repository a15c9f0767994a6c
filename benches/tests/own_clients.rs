//! The server and the clients in this program understand each other. Nothing is timed here.

#![allow(clippy::unwrap_used, reason = "tests, their server too")]

use std::{
    io::{BufRead as _, BufReader},
    process::{Child, Command, Stdio},
};

use serde_json::Value;

const PROGRAM: &str = env!("CARGO_BIN_EXE_companion-bench");

#[test]
fn the_clients_dial_and_call() {
    let server = Server::start();
    for client in ["bare", "ours"] {
        let dials = server.answer(client, &["dial"], &["5"]);
        assert_eq!(dials["micros"].as_array().unwrap().len(), 5);
        for in_flight in ["1", "7"] {
            let calls = server.answer(client, &["rpc"], &[in_flight, "50"]);
            assert_eq!(calls["micros"].as_array().unwrap().len(), 50);
            assert!(calls["elapsedMicros"].as_f64().unwrap() > 0.0);
            assert!(calls["cpuMicros"].as_f64().unwrap() > 0.0);
        }
    }
}

#[test]
fn the_server_notes_each_hello() {
    let mut server = Server::start();
    for client in ["bare", "ours"] {
        let mut idle = Command::new(PROGRAM);
        idle.args(["client", client, "idle", &server.url]);
        let mut idle = idle.spawn().unwrap();
        let greeted = [server.line(), server.line()];
        idle.kill().unwrap();
        idle.wait().unwrap();
        assert_eq!(greeted[0]["hello"]["role"], "operator");
        assert_eq!(greeted[1]["hello"]["role"], "node");
        assert!(
            greeted[0]["hello"]["unix_nanos"].as_u64()
                <= greeted[1]["hello"]["unix_nanos"].as_u64()
        );
    }
}

struct Server {
    child: Child,
    lines: Box<dyn Iterator<Item = String>>,
    url: String,
}

impl Server {
    fn start() -> Self {
        let mut child = Command::new(PROGRAM)
            .arg("fake-server")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut server = Self {
            child,
            lines: Box::new(lines.map_while(Result::ok)),
            url: String::new(),
        };
        server.url = format!("ws://127.0.0.1:{}", server.line()["listening"]["port"]);
        server
    }

    fn line(&mut self) -> Value {
        serde_json::from_str(&self.lines.next().unwrap()).unwrap()
    }

    fn answer(&self, client: &str, task: &[&str], counts: &[&str]) -> Value {
        let mut command = Command::new(PROGRAM);
        command
            .args(["client", client])
            .args(task)
            .arg(&self.url)
            .args(counts);
        let done = command.stderr(Stdio::inherit()).output().unwrap();
        assert!(done.status.success());
        serde_json::from_slice(&done.stdout).unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
