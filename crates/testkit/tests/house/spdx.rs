//! SPDX licence expressions: identifiers with `AND`, `OR`, `WITH` and parentheses (SPDX 2.3, annex D). The old `/` between
//! licences means `OR`, as crates.io reads it.

/// Whether a choice can be made in `expression` so that everything that then applies is `allowed`. An identifier with an
/// exception is asked about as `Apache-2.0 WITH LLVM-exception`.
///
/// # Errors
/// With what is wrong with the expression.
pub fn is_allowed(expression: &str, allowed: &dyn Fn(&str) -> bool) -> Result<bool, String> {
    let spaced = expression.replace('(', " ( ").replace(')', " ) ").replace('/', " OR ");
    let mut parser = Parser { words: spaced.split_whitespace().collect(), at: 0, allowed };
    let result = parser.any_of()?;
    match parser.words.get(parser.at) {
        None => Ok(result),
        Some(word) => Err(format!("`{word}` is not expected in `{expression}`")),
    }
}

struct Parser<'a> {
    words: Vec<&'a str>,
    at: usize,
    allowed: &'a dyn Fn(&str) -> bool,
}

impl<'a> Parser<'a> {
    /// Takes the next word if it is this one.
    fn takes(&mut self, word: &str) -> bool {
        let taken = self.words.get(self.at) == Some(&word);
        self.at += usize::from(taken);
        taken
    }

    fn any_of(&mut self) -> Result<bool, String> {
        let mut result = self.all_of()?;
        while self.takes("OR") {
            result |= self.all_of()?;
        }
        Ok(result)
    }

    fn all_of(&mut self) -> Result<bool, String> {
        let mut result = self.one()?;
        while self.takes("AND") {
            result &= self.one()?;
        }
        Ok(result)
    }

    fn one(&mut self) -> Result<bool, String> {
        if self.takes("(") {
            let result = self.any_of()?;
            return if self.takes(")") { Ok(result) } else { Err("a parenthesis is not closed".to_owned()) };
        }
        let licence = self.identifier()?;
        if !self.takes("WITH") {
            return Ok((self.allowed)(licence));
        }
        let exception = self.identifier()?;
        Ok((self.allowed)(&format!("{licence} WITH {exception}")))
    }

    fn identifier(&mut self) -> Result<&'a str, String> {
        let word = self.words.get(self.at).copied().unwrap_or("the end");
        if ["AND", "OR", "WITH", "(", ")", "the end"].contains(&word) {
            return Err(format!("a licence is expected before {word}"));
        }
        self.at += 1;
        Ok(word)
    }
}

#[test]
fn expressions_are_evaluated() {
    let check = |expression: &str, expected: Option<bool>| {
        let allowed = |licence: &str| ["MIT", "ISC", "Apache-2.0 WITH LLVM-exception"].contains(&licence);
        assert_eq!(is_allowed(expression, &allowed).ok(), expected, "{expression}");
    };
    check("MIT", Some(true));
    check("GPL-3.0", Some(false));
    check("MIT OR GPL-3.0", Some(true));
    check("MIT/GPL-3.0", Some(true));
    check("MIT AND GPL-3.0", Some(false));
    check("GPL-3.0 OR MIT AND ISC", Some(true));
    check("(GPL-3.0 OR MIT) AND ISC", Some(true));
    check("GPL-3.0 AND MIT OR BSD-3-Clause AND ISC", Some(false));
    check("Apache-2.0", Some(false));
    check("Apache-2.0 WITH LLVM-exception OR GPL-3.0", Some(true));
    check("ISC AND (Apache-2.0 OR (MIT))", Some(true));
    for broken in ["", "MIT OR", "MIT ISC", "(MIT", "MIT)", "AND MIT", "MIT WITH"] {
        check(broken, None);
    }
}
