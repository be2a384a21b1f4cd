//! Where output goes: standard output, or a file that appears once it is whole.

use std::fs::File;
use std::io::{self, BufWriter, IsTerminal, Stdout, Write};
use std::path::{Path, PathBuf};

use crate::error::{Failure, Result};

/// Standard output or a file. Never panics when the reader of a pipe goes away.
#[derive(Debug)]
pub struct Sink {
    inner: BufWriter<Inner>,
    /// Where the file is written, and the name that it gets once it is whole.
    rename: Option<(PathBuf, PathBuf)>,
    /// The first failure to write, which some writers hide in a text.
    failed: Option<Failure>,
}

#[derive(Debug)]
enum Inner {
    Stdout(Stdout),
    File(File),
}

impl Sink {
    /// Standard output.
    pub fn stdout() -> Self {
        Self { inner: BufWriter::new(Inner::Stdout(io::stdout())), rename: None, failed: None }
    }

    /// A file if one is named, else standard output.
    ///
    /// # Errors
    /// When the file cannot be made.
    pub fn open(path: Option<&Path>) -> Result<Self> {
        let Some(path) = path.filter(|p| p.as_os_str() != "-") else { return Ok(Self::stdout()) };
        let failed = |e: io::Error| Failure::from(e).during(format!("could not write {}", path.display()));
        match path.metadata() {
            Ok(found) if found.is_dir() => {
                return Err(Failure::request(format!("{} is a folder; name a file in it", path.display())));
            }
            // Devices and pipes are written to where they are.
            Ok(found) if !found.is_file() => {
                let file = File::options().write(true).open(path).map_err(failed)?;
                return Ok(Self { inner: BufWriter::new(Inner::File(file)), rename: None, failed: None });
            }
            Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(failed(e)),
            _ => {}
        }
        let target = behind_links(path).map_err(failed)?;
        let (file, part) = part_of(&target).map_err(failed)?;
        Ok(Self { inner: BufWriter::new(Inner::File(file)), rename: Some((part, target)), failed: None })
    }

    /// The failure to write behind another failure, if there was one.
    pub fn cause_of(&self, failure: Failure) -> Failure {
        self.failed.clone().unwrap_or(failure)
    }

    fn remember<T>(&mut self, result: io::Result<T>) -> io::Result<T> {
        if let Err(e) = &result
            && self.failed.is_none()
            && e.kind() != io::ErrorKind::Interrupted
        {
            self.failed = Some(Failure::from(io::Error::new(e.kind(), e.to_string())));
        }
        result
    }

    /// True if a person reads it.
    pub fn is_terminal(&self) -> bool {
        match self.inner.get_ref() {
            Inner::Stdout(stdout) => stdout.is_terminal(),
            Inner::File(file) => file.is_terminal(),
        }
    }

    /// Refuses to send bytes that are no text to a terminal.
    ///
    /// # Errors
    /// If it is one.
    pub fn refuse_terminal(&self, what: &str) -> Result<()> {
        if self.is_terminal() {
            return Err(Failure::request(format!("{what} is not for a terminal; write it to a file with -o FILE")));
        }
        Ok(())
    }

    /// Writes what is left, and gives a file its name.
    ///
    /// # Errors
    /// When that fails; then there is no file.
    pub fn finish(mut self) -> Result<()> {
        self.inner.flush()?;
        if let Some((part, path)) = &self.rename {
            std::fs::rename(part, path)
                .map_err(|e| Failure::from(e).during(format!("could not write {}", path.display())))?;
            self.rename = None;
        }
        Ok(())
    }
}

/// The file that a link, or a chain of links, leads to. It need not be there yet.
fn behind_links(path: &Path) -> io::Result<PathBuf> {
    let mut path = path.to_owned();
    while path.is_symlink() {
        let to = std::fs::read_link(&path)?;
        path = path.parent().map_or_else(|| to.clone(), |folder| folder.join(&to));
    }
    Ok(path)
}

/// A new file beside another, `NAME.part` or `NAME.1.part` and so on: what has such a name already is not ours.
fn part_of(target: &Path) -> io::Result<(File, PathBuf)> {
    for number in 0_u32.. {
        let mut name = target.file_name().unwrap_or_default().to_owned();
        name.push(if number == 0 { ".part".to_owned() } else { format!(".{number}.part") });
        let part = target.with_file_name(name);
        match File::options().write(true).create_new(true).open(&part) {
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {}
            opened => return Ok((opened?, part)),
        }
    }
    Err(io::ErrorKind::AlreadyExists.into())
}

impl Drop for Sink {
    fn drop(&mut self) {
        if let Some((part, _)) = &self.rename {
            // Not finished: half a file helps nobody.
            let _ = std::fs::remove_file(part);
        }
    }
}

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let result = self.inner.write(bytes);
        self.remember(result)
    }

    fn flush(&mut self) -> io::Result<()> {
        let result = self.inner.flush();
        self.remember(result)
    }
}

impl Write for Inner {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Stdout(out) => out.write(bytes),
            Self::File(out) => out.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Stdout(out) => out.flush(),
            Self::File(out) => out.flush(),
        }
    }
}

/// Writes text to standard output in one piece.
///
/// # Errors
/// When it cannot be written.
pub fn print(text: &str) -> Result<()> {
    let mut sink = Sink::stdout();
    sink.write_all(text.as_bytes())?;
    sink.finish()
}

/// Says something to the user beside the output: standard error, and no panic if nobody listens there.
pub fn note(text: impl std::fmt::Display) {
    let _ = writeln!(io::stderr().lock(), "{text}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_appears_once_it_is_whole() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out.csv");
        let mut sink = Sink::open(Some(&path)).unwrap();
        sink.write_all(b"a,b\n").unwrap();
        drop(sink);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);

        let mut sink = Sink::open(Some(&path)).unwrap();
        sink.write_all(b"a,b\n").unwrap();
        assert!(!path.exists());
        sink.finish().unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"a,b\n");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn files_of_others_with_names_like_ours_are_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let (path, kept) = (folder.path().join("keep.csv"), folder.path().join("keep.csv.part"));
        std::fs::write(&kept, "mine").unwrap();
        let mut sink = Sink::open(Some(&path)).unwrap();
        sink.write_all(b"a\n").unwrap();
        sink.finish().unwrap();
        drop(Sink::open(Some(&path)).unwrap());
        assert_eq!(std::fs::read(&kept).unwrap(), b"mine");
        assert_eq!(std::fs::read(&path).unwrap(), b"a\n");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 2);
        assert!(Sink::open(Some(folder.path())).unwrap_err().message.contains("folder"));
    }

    #[cfg(unix)]
    #[test]
    fn a_link_stays_one_and_what_it_leads_to_is_replaced() {
        use std::os::unix::fs::symlink;
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("far")).unwrap();
        let (link, target) = (folder.path().join("link.csv"), folder.path().join("far/target.csv"));
        symlink("far/target.csv", &link).unwrap();
        for text in ["not there before\n", "longer than what comes next\n", "short\n"] {
            let mut sink = Sink::open(Some(&link)).unwrap();
            sink.write_all(text.as_bytes()).unwrap();
            sink.finish().unwrap();
            assert!(link.is_symlink());
            assert_eq!(std::fs::read_to_string(&target).unwrap(), text);
        }
        let circle = folder.path().join("circle.csv");
        symlink("circle.csv", &circle).unwrap();
        assert!(Sink::open(Some(&circle)).is_err());
        let device = folder.path().join("device.csv");
        symlink("/dev/null", &device).unwrap();
        Sink::open(Some(&device)).unwrap().finish().unwrap();
        assert!(device.is_symlink());
    }
}
