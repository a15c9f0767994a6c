//! Just enough of Rust's grammar to tell code from comments and text.

/// The source with comments and the contents of text replaced by spaces, line for line and byte for byte.
pub(super) fn code(source: &str) -> String {
    let mut scan = Scan {
        rest: source,
        code: String::with_capacity(source.len()),
    };
    while let Some(next) = scan.rest.chars().next() {
        let after_word = scan
            .code
            .ends_with(|last: char| last.is_alphanumeric() || last == '_');
        if scan.rest.starts_with("//") {
            scan.blank(scan.rest.find('\n').unwrap_or(scan.rest.len()));
        } else if scan.rest.starts_with("/*") {
            scan.blank(block_comment(scan.rest));
        } else if let Some(length) = raw_text(scan.rest).filter(|_| !after_word) {
            scan.blank(length);
        } else if next == '"' {
            scan.blank(quoted(scan.rest));
        } else if next == '\''
            && let Some(length) = character(scan.rest)
        {
            scan.blank(length);
        } else {
            scan.keep(next);
        }
    }
    scan.code
}

/// The line, from 1, that this byte is in.
pub(super) fn line(source: &str, offset: usize) -> usize {
    source
        .bytes()
        .take(offset)
        .filter(|byte| *byte == b'\n')
        .count()
        + 1
}

/// What stands between the parenthesis that `text` starts with and its partner.
pub(super) fn in_parentheses(text: &str) -> Option<&str> {
    let inner = text.strip_prefix('(')?;
    let mut depth = 1_usize;
    for (offset, character) in inner.char_indices() {
        match character {
            '(' => depth += 1,
            ')' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return inner.get(..offset);
        }
    }
    None
}

/// Whether this word stands in the code, not as a part of a longer one.
pub(super) fn has_word(code: &str, word: &str) -> bool {
    code.split(|character: char| !character.is_alphanumeric() && character != '_')
        .any(|found| found == word)
}

struct Scan<'a> {
    rest: &'a str,
    code: String,
}

impl Scan<'_> {
    fn keep(&mut self, character: char) {
        self.code.push(character);
        self.rest = self.rest.get(character.len_utf8()..).unwrap_or_default();
    }

    fn blank(&mut self, length: usize) {
        let (blanked, rest) = self
            .rest
            .split_at_checked(length)
            .unwrap_or((self.rest, ""));
        self.code.extend(
            blanked
                .bytes()
                .map(|byte| if byte == b'\n' { '\n' } else { ' ' }),
        );
        self.rest = rest;
    }
}

fn block_comment(text: &str) -> usize {
    let mut depth = 0_usize;
    let mut offset = 0;
    while let Some(rest) = text.get(offset..) {
        let Some(next) = rest.chars().next() else {
            break;
        };
        if rest.starts_with("/*") {
            depth += 1;
            offset += 2;
        } else if rest.starts_with("*/") {
            depth -= 1;
            offset += 2;
        } else {
            offset += next.len_utf8();
        }
        if depth == 0 {
            break;
        }
    }
    offset
}

fn raw_text(text: &str) -> Option<usize> {
    let prefix = ["br", "cr", "r"]
        .into_iter()
        .find(|prefix| text.starts_with(prefix))?;
    let after = text.get(prefix.len()..)?;
    let hashes = after.len() - after.trim_start_matches('#').len();
    let open = prefix.len() + hashes + 1;
    after.get(hashes..)?.strip_prefix('"')?;
    let close = format!("\"{}", "#".repeat(hashes));
    let length = text.get(open..)?.find(&close)?;
    Some(open + length + close.len())
}

fn quoted(text: &str) -> usize {
    let mut escaped = false;
    for (offset, character) in text.char_indices().skip(1) {
        match character {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return offset + 1,
            _ => {}
        }
    }
    text.len()
}

/// A character such as `'a'`, not a lifetime such as `'a`.
fn character(text: &str) -> Option<usize> {
    let inner = text.get(1..)?;
    if inner.starts_with('\\') {
        let escaped = inner.chars().nth(1)?.len_utf8() + 1;
        return Some(1 + escaped + inner.get(escaped..)?.find('\'')? + 1);
    }
    let length = inner.chars().next()?.len_utf8();
    inner.get(length..)?.starts_with('\'').then_some(length + 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn squeezed(source: &str) -> String {
        let code = code(source);
        assert_eq!(code.len(), source.len());
        code.split_whitespace().collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn comments_and_text_are_blanked() {
        assert_eq!(squeezed("a(); // todo!()\nb();"), "a(); b();");
        assert_eq!(squeezed("a /* x /* y */ todo!() */ b"), "a b");
        assert_eq!(squeezed(r#"a("todo!() \" unix", b)"#), "a( , b)");
        assert_eq!(squeezed("a(r#\"say \"unix\"\"#, br\"x\")"), "a( , )");
        assert_eq!(squeezed("\"größer\" a"), "a");
    }

    #[test]
    fn lifetimes_are_code_and_characters_are_not() {
        assert_eq!(
            squeezed("fn a<'a>(x: &'a str) { f('\"', '\\'', 'é') }"),
            "fn a<'a>(x: &'a str) { f( , , ) }"
        );
    }

    #[test]
    fn a_name_that_ends_in_r_does_not_open_raw_text() {
        assert_eq!(squeezed("for\"x\" b"), "for b");
        assert_eq!(squeezed("r#type b"), "r#type b");
    }

    #[test]
    fn parentheses_are_matched() {
        assert_eq!(in_parentheses("(all(unix, b)) c)"), Some("all(unix, b)"));
        assert_eq!(in_parentheses("(open"), None);
    }

    #[test]
    fn words_are_whole() {
        assert!(has_word("not(windows)", "windows"));
        assert!(!has_word("windows_subsystem", "windows"));
    }
}
