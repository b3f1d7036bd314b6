//! Reads the fields of a JSON object and collects everything that is wrong with them, so that a client learns of
//! all problems at once. It knows kinds of values, not users or products.

use std::ops::RangeInclusive;

use serde_json::Value;

use crate::api_error::{ApiError, Problems};

/// The longest e-mail address that can be delivered to (RFC 5321 §4.5.3.1.3, without the angle brackets).
const MAX_EMAIL_LEN: usize = 254;
/// The longest part before the `@` (RFC 5321 §4.5.3.1.1).
const MAX_EMAIL_LOCAL_LEN: usize = 64;

/// The fields of a JSON object as a request brought them.
pub type Fields = serde_json::Map<String, Value>;

/// The fields not yet read, and the problems found so far.
///
/// A field with a problem reads as an empty or zero value: [`Form::finish`] then refuses the whole form.
#[derive(Debug)]
pub struct Form {
    fields: Fields,
    problems: Problems,
}

impl Form {
    /// A form of these fields.
    #[must_use]
    pub fn new(fields: Fields) -> Self {
        Self { fields, problems: Problems::new() }
    }

    /// Lets a field be present without reading it: one that the service itself sets.
    pub fn ignore(&mut self, field: &str) {
        self.fields.remove(field);
    }

    /// Reads a text of this many characters, without the white space around it. Control characters are refused.
    pub fn text(&mut self, field: &str, chars: RangeInclusive<usize>) -> String {
        let Some(text) = self.string(field) else { return String::new() };
        if !chars.contains(&text.chars().count()) {
            let (least, most) = chars.into_inner();
            self.problem(field, format!("must have {least} to {most} characters"));
        }
        if text.chars().any(char::is_control) {
            self.problem(field, "must not contain control characters".into());
        }
        text
    }

    /// Reads an e-mail address. Whether it exists, only sending to it would tell.
    pub fn email(&mut self, field: &str) -> String {
        let Some(text) = self.string(field) else { return String::new() };
        if !is_plausible_email(&text) {
            self.problem(field, "must be an e-mail address like `name@example.com`".into());
        }
        text
    }

    /// Reads a whole number in this range.
    pub fn integer(&mut self, field: &str, range: RangeInclusive<u64>) -> u64 {
        let value = match self.fields.remove(field) {
            None => {
                self.problem(field, "is required".into());
                return 0;
            }
            Some(value) => value,
        };
        match value.as_u64().filter(|number| range.contains(number)) {
            Some(number) => number,
            None => {
                let (least, most) = range.into_inner();
                self.problem(field, format!("must be a whole number from {least} to {most}"));
                0
            }
        }
    }

    /// Ends the reading. Fields that nobody read are problems too.
    ///
    /// # Errors
    /// [`ApiError::Invalid`] with all problems, when there is one.
    pub fn finish(mut self) -> Result<(), ApiError> {
        for field in std::mem::take(&mut self.fields).into_iter().map(|(field, _)| field) {
            self.problem(&field, "is not known here".into());
        }
        if self.problems.is_empty() { Ok(()) } else { Err(ApiError::Invalid(self.problems)) }
    }

    fn string(&mut self, field: &str) -> Option<String> {
        match self.fields.remove(field) {
            Some(Value::String(text)) => Some(text.trim().to_owned()),
            Some(_) => {
                self.problem(field, "must be a text".into());
                None
            }
            None => {
                self.problem(field, "is required".into());
                None
            }
        }
    }

    fn problem(&mut self, field: &str, problem: String) {
        self.problems.entry(field.to_owned()).or_default().push(problem);
    }
}

/// One `@`, something before it, and after it a domain of at least two labels.
fn is_plausible_email(text: &str) -> bool {
    let Some((local, domain)) = text.split_once('@') else { return false };
    let labels_are_plausible = domain.split('.').all(|label| {
        !label.is_empty()
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.chars().all(|c| c.is_alphanumeric() || c == '-')
    });
    text.len() <= MAX_EMAIL_LEN
        && (1..=MAX_EMAIL_LOCAL_LEN).contains(&local.len())
        && !local.chars().any(|c| c.is_whitespace() || c.is_control())
        && domain.contains('.')
        && labels_are_plausible
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use serde_json::json;

    use super::*;

    fn form(value: Value) -> Form {
        let Value::Object(fields) = value else { panic!("an object is needed") };
        Form::new(fields)
    }

    #[test]
    fn good_fields_are_read_and_trimmed() {
        let mut form = form(json!({ "user_id": "7", "name": " Ada ", "price_cents": 5 }));
        form.ignore("user_id");
        assert_eq!(form.text("name", 1..=100), "Ada");
        assert_eq!(form.integer("price_cents", 0..=10), 5);
        form.finish().unwrap();
    }

    #[test]
    fn all_problems_are_told_at_once() {
        let mut form = form(json!({ "name": " ", "email": 4, "price_cents": -1, "colour": "red" }));
        form.text("name", 1..=100);
        form.email("email");
        form.integer("price_cents", 0..=10);
        form.integer("stock", 0..=10);
        let ApiError::Invalid(problems) = form.finish().unwrap_err() else { panic!("another error") };
        let expected = json!({
            "name": ["must have 1 to 100 characters"],
            "email": ["must be a text"],
            "price_cents": ["must be a whole number from 0 to 10"],
            "stock": ["is required"],
            "colour": ["is not known here"],
        });
        assert_eq!(json!(problems), expected);
    }

    #[test]
    fn emails_are_plausible_or_not() {
        for good in ["ada@example.com", "a.b+c@mail.example.co.uk", "ü@bücher.example"] {
            assert!(is_plausible_email(good), "{good}");
        }
        let long = format!("{}@example.com", "a".repeat(65));
        for bad in [
            "",
            "ada",
            "@example.com",
            "ada@",
            "ada@localhost",
            "a@b@c.de",
            "a da@example.com",
            "a@.com",
            "a@-b.com",
            &long,
        ] {
            assert!(!is_plausible_email(bad), "{bad}");
        }
    }
}
