//! What an authority has to remember besides its keys: which files count, how far a succession is, and how long the longest
//! certificate lives. One small text file, replaced as a whole, so that every change of it happens or does not.

use std::path::Path;
use std::time::{Duration, SystemTime};

use super::AuthorityError;
use crate::clock::{from_unix_seconds, unix_seconds};
use crate::files;
use crate::succession::{Phase, Succession, Successor};

const FILE: &str = "authority";
const HEAD: &str =
    "# What the certificate authority in this directory remembers. Written by ripstop, read at its start.";

/// The content of the file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Manifest {
    /// File of the root that counts; `None`: the CA is the user's.
    pub(super) root: Option<String>,
    /// File of the issuer that signs.
    pub(super) issuer: Option<String>,
    /// File of the root that is being made known.
    pub(super) next_root: Option<String>,
    /// File of the issuer that will sign.
    pub(super) next_issuer: Option<String>,
    /// What is under way.
    pub(super) succession: Option<Succession>,
    /// The longest life that was given to a certificate.
    pub(super) longest_leaf: Duration,
}

impl Manifest {
    /// Reads the file in `dir`; empty if there is none.
    pub(super) fn read(dir: &Path) -> Result<Self, AuthorityError> {
        let path = dir.join(FILE);
        let Some(text) = files::read_secret(&path)? else { return Ok(Self::default()) };
        parse(&text).map_err(|reason| AuthorityError::Damaged { path, dir: dir.to_owned(), reason })
    }

    /// Replaces the file in `dir`.
    pub(super) fn write(&self, dir: &Path) -> Result<(), AuthorityError> {
        Ok(files::write_secret(&dir.join(FILE), self.to_text().as_bytes())?)
    }

    fn to_text(&self) -> String {
        let mut text = format!("{HEAD}\nversion 1\n");
        let mut line = |key: &str, value: &str| text.push_str(&format!("{key} {value}\n"));
        let files = [
            ("root", &self.root),
            ("issuer", &self.issuer),
            ("next-root", &self.next_root),
            ("next-issuer", &self.next_issuer),
        ];
        for (key, file) in files {
            if let Some(file) = file {
                line(key, file);
            }
        }
        line("longest-leaf", &self.longest_leaf.as_secs().to_string());
        if let Some(succession) = &self.succession {
            let value = format!(
                "{} {} {} {}",
                succession.what(),
                succession.phase(),
                unix_seconds(succession.begun()),
                unix_seconds(succession.phase_begun())
            );
            line("succession", &value);
        }
        text
    }
}

fn parse(text: &str) -> Result<Manifest, String> {
    let mut manifest = Manifest::default();
    let mut version = None;
    for (number, line) in text.lines().enumerate() {
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let wrong = || format!("line {} is not understood", number + 1);
        let (key, value) = line.split_once(' ').ok_or_else(wrong)?;
        // A name is that of a file beside it.
        let file = || match value.contains(['/', ' ']) || value.starts_with('.') {
            true => Err(wrong()),
            false => Ok(Some(value.to_owned())),
        };
        match key {
            "version" => version = Some(value),
            "root" => manifest.root = file()?,
            "issuer" => manifest.issuer = file()?,
            "next-root" => manifest.next_root = file()?,
            "next-issuer" => manifest.next_issuer = file()?,
            "longest-leaf" => {
                manifest.longest_leaf = Duration::from_secs(value.parse().map_err(|_| wrong())?);
            }
            "succession" => manifest.succession = Some(succession(value).ok_or_else(wrong)?),
            _ => return Err(wrong()),
        }
    }
    match version {
        Some("1") => Ok(manifest),
        Some(other) => Err(format!("it is of version {other}, which this program does not know")),
        None => Err("it is not whole".to_owned()),
    }
}

fn succession(value: &str) -> Option<Succession> {
    let mut words = value.split(' ');
    let what = match words.next()? {
        "issuer" => Successor::Issuer,
        "root" => Successor::Root,
        _ => return None,
    };
    let phase = words.next()?;
    let phase = Phase::ALL.into_iter().find(|known| known.as_str() == phase)?;
    let mut time = || -> Option<SystemTime> { Some(from_unix_seconds(words.next()?.parse().ok()?)) };
    let (begun, phase_begun) = (time()?, time()?);
    words.next().is_none().then(|| Succession::resume(what, phase, begun, phase_begun))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let at = from_unix_seconds;
        let full = Manifest {
            root: Some("root-1.pem".to_owned()),
            issuer: Some("issuer-1.pem".to_owned()),
            next_root: Some("root-2.pem".to_owned()),
            next_issuer: Some("issuer-2.pem".to_owned()),
            succession: Some(Succession::resume(Successor::Root, Phase::Distribute, at(17), at(18))),
            longest_leaf: Duration::from_secs(86_400),
        };
        for manifest in [full, Manifest::default()] {
            assert_eq!(parse(&manifest.to_text()), Ok(manifest));
        }
    }

    #[test]
    fn nonsense_is_refused() {
        let good = Manifest::default().to_text();
        for (text, expected) in [
            ("", "not whole"),
            ("version 2\n", "version 2"),
            (&format!("{good}root ../x.pem\n"), "line 4"),
            (&format!("{good}succession root sideways 1 1\n"), "line 4"),
            (&format!("{good}succession root issue 1\n"), "line 4"),
            (&format!("{good}colour blue\n"), "line 4"),
        ] {
            let error = parse(text).unwrap_err();
            assert!(error.contains(expected), "{text}: {error}");
        }
    }
}
