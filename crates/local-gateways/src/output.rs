/// The last lines of `text`, without colours, and without anything long enough to be a token.
pub(crate) fn last_lines(text: &str) -> String {
    let plain = without_control(text);
    let lines: Vec<&str> = plain
        .lines()
        .map(str::trim_end)
        .filter(|line| !line.is_empty())
        .collect();
    let shown = &lines[lines.len().saturating_sub(LINES)..];
    redact(&shown.join("\n"))
}

fn without_control(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text.chars().peekable();
    while let Some(character) = rest.next() {
        if character == '\u{1b}' && rest.next_if_eq(&'[').is_some() {
            rest.by_ref().find(|end| ('@'..='~').contains(end));
        } else if character == '\n' || !character.is_control() {
            plain.push(character);
        }
    }
    plain
}

fn redact(text: &str) -> String {
    let mut clean = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find(in_token) {
        let (before, from) = rest.split_at(start);
        let end = from.find(|c| !in_token(c)).unwrap_or(from.len());
        let (word, after) = from.split_at(end);
        clean.push_str(before);
        clean.push_str(if word.len() < TOKEN_LENGTH {
            word
        } else {
            "(redacted)"
        });
        rest = after;
    }
    clean.push_str(rest);
    clean
}

fn in_token(character: char) -> bool {
    character.is_ascii_alphanumeric() || matches!(character, '-' | '_' | '+')
}

const LINES: usize = 15;
/// Shorter than any token or key that a gateway writes, longer than the words of its messages.
const TOKEN_LENGTH: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_the_end_without_colours() {
        let text: String = (1..=40)
            .map(|n| format!("\u{1b}[90mline {n}\u{1b}[39m \r\n\n"))
            .collect();
        let shown = last_lines(&text);
        assert_eq!(shown.lines().count(), 15);
        assert!(shown.starts_with("line 26\n") && shown.ends_with("line 40"));
        assert!(!shown.contains('\u{1b}') && !shown.contains("[90m"));
    }

    #[test]
    fn removes_what_may_be_a_token() {
        let hex = "0123456789abcdef".repeat(4);
        let cases = [
            (format!("token={hex}"), "token=(redacted)"),
            (
                format!("ws://127.0.0.1/#token={hex}&x=1"),
                "ws://127.0.0.1/#token=(redacted)&x=1",
            ),
            (
                "eyJ1cmwiOiJ3czovLzEyNy4wLjAuMToyMzQ1MSIsI_-x".to_owned(),
                "(redacted)",
            ),
            (
                "cannot read /home/someone/private-gateway/openclaw.json: é".to_owned(),
                "cannot read /home/someone/private-gateway/openclaw.json: é",
            ),
            (String::new(), ""),
        ];
        for (text, shown) in cases {
            assert_eq!(last_lines(&text), shown);
        }
    }
}
