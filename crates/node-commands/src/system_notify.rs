use serde::Deserialize;
use serde_json::{Value, json};

use crate::command::{CommandError, code, invalid, read};

/// What a person sees. Both texts are plain (no markup), free of control and text-direction override characters, and
/// not both empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notification {
    /// One line of up to 200 characters; may be empty.
    pub title: String,
    /// Lines of up to 2000 characters together; may be empty.
    pub body: String,
    /// How much it may interrupt.
    pub urgency: Urgency,
}

/// How much a notification may interrupt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Urgency {
    /// Can wait (`passive` on the wire).
    Low,
    /// The usual (`active`, or nothing that we know).
    Normal,
    /// Matters now (`timeSensitive`).
    Critical,
}

/// Shows notifications on this desktop.
pub trait Notifier: Send + Sync {
    /// Shows one notification. It is called where blocking is allowed.
    ///
    /// # Errors
    /// [`NotifyError`] when nobody will see it.
    fn notify(&self, notification: Notification) -> Result<(), NotifyError>;
}

/// Why a notification was not shown.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotifyError {
    /// This session has no notification service, such as one without a screen.
    #[error("This computer has no notification service running.")]
    NoService,
    /// The notification service answered no.
    #[error("The notification service did not take it: {reason}")]
    Refused {
        /// What the service said.
        reason: String,
    },
}

pub(crate) fn perform(params: Value, desktop: &dyn Notifier) -> Result<Value, CommandError> {
    desktop
        .notify(notification(params)?)
        .map_err(|error| CommandError {
            code: code::NOTIFICATIONS_UNAVAILABLE,
            message: error.to_string(),
        })?;
    Ok(json!({ "sent": true }))
}

#[derive(Deserialize)]
struct Params {
    title: Option<String>,
    body: Option<String>,
    priority: Option<String>,
}

fn notification(params: Value) -> Result<Notification, CommandError> {
    let params: Params = read(params)?;
    let title = shorten(&one_line(&clean(params.title.as_deref())), TITLE_LIMIT);
    let body = shorten(&clean(params.body.as_deref()), BODY_LIMIT);
    if title.is_empty() && body.is_empty() {
        return Err(invalid("A notification needs a title or a body."));
    }
    let urgency = match params.priority.as_deref() {
        Some("passive") => Urgency::Low,
        Some("timeSensitive") => Urgency::Critical,
        Some(_) | None => Urgency::Normal,
    };
    Ok(Notification {
        title,
        body,
        urgency,
    })
}

fn clean(text: Option<&str>) -> String {
    let text = text.unwrap_or_default().replace("\r\n", "\n");
    let kept: String = text
        .chars()
        .filter(|&character| character == '\n' || !character.is_control())
        .filter(|&character| !overrides_direction(character))
        .collect();
    kept.trim().to_owned()
}

fn one_line(text: &str) -> String {
    text.replace(['\n', '\u{2028}', '\u{2029}'], " ")
}

/// Embeddings, overrides and isolates can make text read as something else than it is.
fn overrides_direction(character: char) -> bool {
    matches!(character, '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}')
}

fn shorten(text: &str, limit: usize) -> String {
    if text.chars().count() <= limit {
        return text.to_owned();
    }
    text.chars().take(limit - 1).chain(['…']).collect()
}

const TITLE_LIMIT: usize = 200;
const BODY_LIMIT: usize = 2000;

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Mutex;

    #[test]
    fn shows_clean_short_text() {
        let cases = [
            (json!({"title": "Hi", "body": "there"}), ("Hi", "there")),
            (json!({"title": "Hi"}), ("Hi", "")),
            (json!({"title": null, "body": "there"}), ("", "there")),
            (
                json!({"title": " a\nb\r\nc ", "body": " a\nb\r\nc "}),
                ("a b c", "a\nb\nc"),
            ),
            (json!({"title": "a\u{2028}b", "body": ""}), ("a b", "")),
            (json!({"title": "a\u{0}\u{7}\u{1b}[31mb"}), ("a[31mb", "")),
            (
                json!({"title": "exe\u{202e}gpj.\u{2066}x\u{2069}"}),
                ("exegpj.x", ""),
            ),
            (json!({"title": "שלום\u{200f}!"}), ("שלום\u{200f}!", "")),
            (
                json!({"title": "Hi", "sound": 7, "delivery": ["x"], "new": {}}),
                ("Hi", ""),
            ),
        ];
        for (params, (title, body)) in cases {
            let shown = notification(params.clone()).unwrap();
            assert_eq!((&*shown.title, &*shown.body), (title, body), "{params}");
        }
    }

    #[test]
    fn refuses_what_shows_nothing_or_has_the_wrong_type() {
        let cases = [
            json!({}),
            json!({"title": "", "body": "  \n "}),
            json!({"title": "\u{202e}\u{0}"}),
            json!({"title": 7}),
            json!({"title": "Hi", "body": ["x"]}),
            json!({"title": "Hi", "priority": 1}),
        ];
        for params in cases {
            let error = notification(params.clone()).unwrap_err();
            assert_eq!(error.code, code::INVALID_REQUEST, "{params}");
        }
    }

    #[test]
    fn caps_characters_not_bytes() {
        let long = "é".repeat(3000);
        let shown = notification(json!({"title": long, "body": long})).unwrap();
        assert_eq!(shown.title, format!("{}…", "é".repeat(199)));
        assert_eq!(shown.body, format!("{}…", "é".repeat(1999)));
        let exact = notification(json!({"title": "é".repeat(200)})).unwrap();
        assert_eq!(exact.title, "é".repeat(200));
    }

    #[test]
    fn priority_becomes_urgency() {
        let cases = [
            (json!("passive"), Urgency::Low),
            (json!("active"), Urgency::Normal),
            (json!("timeSensitive"), Urgency::Critical),
            (json!("of another day"), Urgency::Normal),
            (json!(null), Urgency::Normal),
        ];
        for (priority, urgency) in cases {
            let shown = notification(json!({"body": "x", "priority": priority})).unwrap();
            assert_eq!(shown.urgency, urgency, "{priority}");
        }
    }

    #[test]
    fn hands_the_notification_to_the_desktop() {
        let desktop = Desktop::default();
        let payload = perform(json!({"title": "Hi", "body": "there"}), &desktop);
        assert_eq!(payload, Ok(json!({ "sent": true })));
        let shown = desktop.shown.into_inner().unwrap();
        assert_eq!(
            shown,
            [Notification {
                title: "Hi".to_owned(),
                body: "there".to_owned(),
                urgency: Urgency::Normal
            }]
        );
    }

    #[test]
    fn a_desktop_that_cannot_show_it_is_an_error() {
        let cases = [
            NotifyError::NoService,
            NotifyError::Refused {
                reason: "too many".to_owned(),
            },
        ];
        for refusal in cases {
            let desktop = Desktop {
                refusal: Some(refusal.clone()),
                ..Desktop::default()
            };
            let error = perform(json!({"title": "Hi"}), &desktop).unwrap_err();
            assert_eq!(error.code, code::NOTIFICATIONS_UNAVAILABLE);
            assert_eq!(error.message, refusal.to_string());
        }
    }

    #[derive(Default)]
    struct Desktop {
        shown: Mutex<Vec<Notification>>,
        refusal: Option<NotifyError>,
    }

    impl Notifier for Desktop {
        fn notify(&self, notification: Notification) -> Result<(), NotifyError> {
            let mut shown = self.shown.lock().map_err(|_| NotifyError::NoService)?;
            shown.push(notification);
            self.refusal.clone().map_or(Ok(()), Err)
        }
    }
}
