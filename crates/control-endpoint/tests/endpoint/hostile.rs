//! Requests of an attacker, and what each gets.

use crate::fixture::{Draft, Fixture};

const LIST: &str = r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#;

#[tokio::test]
async fn every_hostile_request_gets_its_status_and_nothing_of_ours() {
    let fixture = Fixture::new().await;
    assert_eq!(fixture.send(fixture.post(LIST)).await.status, 200);
    let rows = rows(&fixture);
    for (name, draft, expected) in rows {
        let reply = fixture.send(draft).await;
        assert!(
            expected.contains(&reply.status),
            "{name}: {} is none of {expected:?}",
            reply.status
        );
        assert!(!reply.head.contains("access-control-"), "{name}");
        assert!(!reply.body.contains("control-token"), "{name}");
        assert!(!reply.body.contains(&fixture.token), "{name}");
        if reply.status == 401 {
            assert!(reply.head.contains("www-authenticate: bearer"), "{name}");
        }
        if reply.status == 405 {
            assert!(reply.head.contains("allow: "), "{name}");
        }
    }
    assert_eq!(fixture.send(fixture.post(LIST)).await.status, 200);
    assert!(fixture.commands.lock().unwrap().is_empty());
}

fn rows(fixture: &Fixture) -> Vec<(String, Draft, &'static [u16])> {
    let good = || fixture.post(LIST);
    let (token, port) = (&fixture.token, fixture.port());
    let mut rows: Vec<(String, Draft, &'static [u16])> = vec![];
    let mut row =
        |name: &str, draft: Draft, expected| rows.push((name.to_owned(), draft, expected));

    row("H01 no token", good().without("Authorization"), &[401]);
    for (name, value) in [
        ("H02 wrong token", format!("Bearer {}", "x".repeat(43))),
        ("H03 one byte more", format!("Bearer {token}A")),
        ("H03 one byte less", format!("Bearer {}", &token[..42])),
        ("H04 empty", "Bearer ".to_owned()),
        ("H05 basic", format!("Basic {token}")),
    ] {
        row(name, good().set("Authorization", &value), &[401]);
    }
    let bare = || good().without("Authorization");
    let query = format!("POST /mcp?token={token} HTTP/1.1");
    row("H06 token in query", bare().line(&query), &[401]);
    row(
        "H06 token in cookie",
        bare().add("Cookie", &format!("token={token}")),
        &[401],
    );
    let bearer = format!("Bearer {token}");
    row(
        "H07 two headers",
        good().add("Authorization", &bearer),
        &[401],
    );

    for origin in [
        "https://evil.example",
        "null",
        "http://localhost.evil.example",
        "http://127.0.0.1.evil.example",
        "http://127.0.0.1:1",
        "file://",
        "chrome-extension://abcdef",
        "http://127.0.0.1@evil.example",
        &format!("http://{}", fixture.authority),
        "",
    ] {
        row(
            &format!("H08 {origin}"),
            good().add("Origin", origin),
            &[403],
        );
    }
    row(
        "H09",
        good().add("Origin", "null").add("Origin", "null"),
        &[403],
    );

    for host in [
        "evil.example",
        &format!("localhost.evil.example:{port}"),
        &format!("127.0.0.1.nip.io:{port}"),
        &format!("0.0.0.0:{port}"),
        &format!("[::ffff:127.0.0.1]:{port}"),
        &format!("2130706433:{port}"),
        &format!("0x7f000001:{port}"),
        &format!("127.1:{port}"),
        "127.0.0.1:1",
        "127.0.0.1",
        &format!("user@127.0.0.1:{port}"),
        &format!("localhost.:{port}"),
    ] {
        row(&format!("H10 {host}"), good().set("Host", host), &[403]);
    }
    row("H11 no host", good().without("Host"), &[400]);
    row(
        "H12 two hosts",
        good().add("Host", &fixture.authority),
        &[400],
    );
    row(
        "H13",
        good().line("POST http://evil.example/mcp HTTP/1.1"),
        &[403],
    );
    let preflight = fixture
        .get("/mcp")
        .line("OPTIONS /mcp HTTP/1.1")
        .add("Origin", "https://evil.example")
        .add("Access-Control-Request-Method", "POST")
        .add("Access-Control-Request-Private-Network", "true");
    row("H14 preflight", preflight, &[403]);
    row("H15", good().add("Sec-Fetch-Site", "cross-site"), &[403]);
    row(
        "H15 same site",
        good().add("Sec-Fetch-Site", "same-origin"),
        &[403],
    );
    row(
        "H15 referer",
        good().add("Referer", "https://evil.example/"),
        &[403],
    );
    row(
        "H16 image",
        fixture.get("/mcp").add("Sec-Fetch-Site", "cross-site"),
        &[403],
    );
    row("H16 plain image", fixture.get("/mcp"), &[401]);

    for kind in [
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "text/plain; application/json",
        "application/jsonp",
    ] {
        row(
            &format!("H17 {kind}"),
            good().set("Content-Type", kind),
            &[415],
        );
    }
    row("H17 none", good().without("Content-Type"), &[415]);
    for method in ["GET", "PUT", "PATCH", "DELETE", "TRACE", "FOO"] {
        let line = format!("{method} /mcp HTTP/1.1");
        row(&format!("H18 {method}"), good().line(&line), &[405]);
    }
    for path in [
        "/", "/admin", "/mcp/", "/mcp/..", "/../mcp", "/%6dcp", "/mcp%00", "/mcp;a", "/x%2fmcp",
    ] {
        let line = format!("POST {path} HTTP/1.1");
        row(&format!("H19 {path}"), good().line(&line), &[404, 400]);
        row(&format!("H20 {path}"), bare().line(&line), &[401]);
    }
    row("H21", good().set("Content-Length", "10000000000"), &[413]);
    let chunks = fixture
        .post(&format!("400000\r\n{}\r\n0\r\n\r\n", "a".repeat(0x40_0000)))
        .without("Content-Length")
        .add("Transfer-Encoding", "chunked");
    row("H22 four megabytes in chunks", chunks, &[413]);
    row("H24 two lengths", good().add("Content-Length", "7"), &[400]);
    row("H24 negative", good().set("Content-Length", "-1"), &[400]);
    row(
        "H25 long header",
        good().add("X", &"a".repeat(128 * 1024)),
        &[431, 400, 0],
    );
    let many = (0..2000).fold(good(), |draft, _| draft.add("X", "a"));
    row("H25 many headers", many, &[431, 400, 0]);
    let long = format!("POST /{} HTTP/1.1", "a".repeat(128 * 1024));
    row("H26 long target", good().line(&long), &[414, 431, 400, 0]);
    row("H27 NUL", good().add("X", "a\0b"), &[400]);

    for (name, body) in [
        ("H28 no JSON", "{".to_owned()),
        (
            "H28 depth",
            format!("{}{}", "[".repeat(100_000), "]".repeat(100_000)),
        ),
        ("H29 batch", format!("[{LIST}]")),
        ("H30 version", LIST.replace("2.0", "1.0")),
        ("H31 null", "null".to_owned()),
        ("H31 no message", r#"{"jsonrpc":"2.0","id":{}}"#.to_owned()),
    ] {
        row(name, fixture.post(&body), &[400]);
    }
    row(
        "H32",
        good().add("MCP-Protocol-Version", "1999-01-01"),
        &[400],
    );
    row("H34", good().set("Accept", "text/html"), &[406]);
    row("H35", good().line("PRI * HTTP/2.0"), &[400, 505, 0]);
    let upgrade = fixture
        .get("/mcp")
        .add("Upgrade", "websocket")
        .set("Connection", "Upgrade")
        .add("Origin", "https://evil.example");
    row("H36", upgrade, &[401, 403]);
    rows
}

#[tokio::test]
async fn a_good_answer_is_neither_cached_nor_sniffed_nor_signed() {
    let fixture = Fixture::new().await;
    for draft in [fixture.post(LIST), fixture.get("/healthz")] {
        let reply = fixture.send(draft).await;
        assert_eq!(reply.status, 200);
        assert!(reply.head.contains("x-content-type-options: nosniff"));
        assert!(reply.head.contains("cache-control: no-store"));
        assert!(reply.head.contains("content-type: application/json"));
        assert!(!reply.head.contains("\r\nserver:"));
    }
}

#[tokio::test]
async fn wrong_tokens_do_not_lock_the_right_one_out() {
    let fixture = Fixture::new().await;
    for _ in 0..60 {
        let wrong = fixture.post(LIST).set("Authorization", "Bearer wrong");
        assert_eq!(fixture.send(wrong).await.status, 401);
    }
    assert_eq!(fixture.send(fixture.post(LIST)).await.status, 200);
}

#[tokio::test]
async fn a_bad_token_is_refused_before_its_body_is_asked_for() {
    let fixture = Fixture::new().await;
    let draft = fixture
        .post("")
        .set("Authorization", "Bearer wrong")
        .set("Content-Length", "1000")
        .add("Expect", "100-continue");
    assert_eq!(fixture.send(draft).await.status, 401);
}

#[tokio::test]
async fn a_second_request_on_the_same_connection_is_checked_again() {
    let fixture = Fixture::new().await;
    let good = fixture.post(LIST).bytes();
    let bad = fixture
        .post(LIST)
        .set("Host", "evil.example")
        .set("Connection", "close");
    let reply = fixture.send_raw(&[good, bad.bytes()].concat()).await;
    assert_eq!(reply.status, 200);
    assert!(reply.body.contains("HTTP/1.1 403"));
}
