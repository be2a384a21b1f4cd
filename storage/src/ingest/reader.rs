//! Reading inputs from front to back on a thread of its own: unpacking gzip and tar, cutting containers into blocks.

use std::cell::{Cell, RefCell};
use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;

use bytes::Bytes;
use noctuary_packet::blocks::{Blocks, Lost};
use noctuary_packet::container::MAGIC;
use noctuary_packet::frame::{KEPT_OF_TOO_LARGE, MAX_PACKET_BYTES};
use noctuary_packet::hash::PacketHash;
use noctuary_packet::reason::{Reason, Rejection};
use sha2::{Digest, Sha256};
use tokio::sync::mpsc::Sender;

use super::item::{Broken, Item, Payload};
use super::progress::Progress;
use super::source::{From, Input, looks_like_alerts};
use crate::log::SourceId;
use crate::snapshot::Snapshot;

/// Pieces travel in chunks of about this many bytes.
const CHUNK_BYTES: usize = 8 << 20;
const CHUNK_ITEMS: usize = 2_048;
/// Enough of a file to know what it is: a tar says so at byte 257.
const SNIFF_BYTES: usize = 512;
const TAR_BLOCK: usize = 512;
const GZIP: [u8; 2] = [0x1f, 0x8b];

/// The one who listens has gone; there is nothing left to read for.
struct Gone;

/// Reads inputs and sends chunks of pieces.
pub(super) struct Reader {
    to: Sender<Vec<Item>>,
    chunk: Vec<Item>,
    weight: usize,
    progress: Arc<Progress>,
}

impl Reader {
    pub fn new(to: Sender<Vec<Item>>, progress: Arc<Progress>) -> Self {
        Self { to, chunk: Vec::new(), weight: 0, progress }
    }

    /// Reads everything that the snapshot has not got yet.
    pub fn run(mut self, inputs: Vec<Input>, snapshot: &Snapshot) {
        for input in inputs {
            let position = snapshot.position(&input.id);
            if position.complete {
                self.progress.skip(input.size);
                continue;
            }
            if self.input(input, position.at).is_err() {
                return;
            }
        }
        // Nobody listens any more if this fails, and nobody needs it.
        let _ = self.flush();
    }

    fn input(&mut self, input: Input, from: u64) -> Result<(), Gone> {
        self.progress.begin(&input.id.url);
        let (source, fault) = (Arc::new(input.id), Fault::default());
        let mut out = Pieces { reader: self, source, next: 0, from, member: None, broken: 0, fault, unreadable: false };
        match input.from {
            From::File(path) => match File::open(&path) {
                Ok(file) => out.stream(out.counted(file), &path)?,
                Err(e) => out.unreadable(e.to_string())?,
            },
            From::Stdin => out.stream(out.counted(std::io::stdin()), Path::new("-"))?,
            From::Packets(packets) => {
                for packet in packets {
                    out.progress().read(packet.len() as u64);
                    out.packets(&packet[..], &packet)?;
                }
            }
        }
        out.put(0, || Payload::End)
    }

    fn push(&mut self, item: Item) -> Result<(), Gone> {
        self.weight += item.weight();
        self.chunk.push(item);
        if self.weight >= CHUNK_BYTES || self.chunk.len() >= CHUNK_ITEMS { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> Result<(), Gone> {
        self.weight = 0;
        let chunk = std::mem::take(&mut self.chunk);
        if chunk.is_empty() { Ok(()) } else { self.to.blocking_send(chunk).map_err(|_| Gone) }
    }
}

/// Numbers the pieces of one input and drops those that the archive has.
struct Pieces<'r> {
    reader: &'r mut Reader,
    source: Arc<SourceId>,
    next: u64,
    from: u64,
    member: Option<Arc<str>>,
    /// Pieces that could not be read.
    broken: u64,
    /// What went wrong with the input itself.
    fault: Fault,
    /// True once that has been told; nothing follows.
    unreadable: bool,
}

/// Why an input could not be read further, shared with whoever reads it.
type Fault = Rc<RefCell<Option<String>>>;

impl Pieces<'_> {
    fn progress(&self) -> Arc<Progress> {
        Arc::clone(&self.reader.progress)
    }

    fn put(&mut self, offset: u64, payload: impl FnOnce() -> Payload) -> Result<(), Gone> {
        if self.unreadable {
            return Ok(());
        }
        let payload = payload();
        let broken = matches!(payload, Payload::Broken(_));
        // A disk that fails says nothing of the packets on it. They are not judged by the half that was read: the
        // source stays where it is, and is read on from there another time.
        if (broken || matches!(payload, Payload::End))
            && let Some(why) = self.fault.take()
        {
            return self.unreadable(why);
        }
        let piece = self.next;
        self.next += 1;
        self.broken += u64::from(broken);
        if piece < self.from {
            return Ok(());
        }
        self.push(piece, offset, payload)
    }

    fn push(&mut self, piece: u64, offset: u64, payload: Payload) -> Result<(), Gone> {
        let item = Item { source: Arc::clone(&self.source), piece, member: self.member.clone(), offset, payload };
        self.reader.push(item)
    }

    fn unreadable(&mut self, why: String) -> Result<(), Gone> {
        self.unreadable = true;
        let read = match self.next {
            0 => String::new(),
            n => format!(" behind {n} pieces"),
        };
        self.push(self.next, 0, Payload::Unreadable(format!("could not be read{read} ({why}); ingest it again")))
    }

    fn counted<R: Read>(&self, input: R) -> Counted<R> {
        Counted { input, progress: self.progress(), fault: Rc::clone(&self.fault) }
    }

    fn broken(&mut self, rejection: Rejection, bytes: Vec<u8>) -> Result<(), Gone> {
        self.put(0, || Payload::Broken(Broken::new(rejection, bytes.into())))
    }

    /// A file: gzip'd or not, a tar or not.
    fn stream(&mut self, input: impl Read, path: &Path) -> Result<(), Gone> {
        let (head, whole) = sniff(BufReader::with_capacity(1 << 20, input), 2);
        if head.starts_with(&GZIP) {
            self.unpacked(flate2::read::MultiGzDecoder::new(whole), path)
        } else {
            self.unpacked(whole, path)
        }
    }

    fn unpacked(&mut self, input: impl Read, path: &Path) -> Result<(), Gone> {
        let (head, whole) = sniff(input, SNIFF_BYTES);
        let name = path.to_string_lossy().to_lowercase();
        let is_tar =
            head.get(257..262) == Some(b"ustar") || [".tar", ".tar.gz", ".tgz"].iter().any(|end| name.ends_with(end));
        if is_tar { self.tar(whole) } else { self.packets(whole, &head) }
    }

    fn tar(&mut self, input: impl Read) -> Result<(), Gone> {
        let tail = Rc::new(Tail::default());
        let mut archive = tar::Archive::new(Zeros { input, tail: Rc::clone(&tail) });
        let entries = match archive.entries() {
            Ok(entries) => entries,
            Err(e) => return self.broken(broken_source(&e), Vec::new()),
        };
        let mut members = 0;
        let mut cut_inside = false;
        for entry in entries {
            let entry = match entry {
                Ok(entry) => entry,
                // The end of a tar that is cut inside a member has been told with that member.
                Err(_) if cut_inside => break,
                Err(e) => {
                    self.member = None;
                    let what = format!("the tar cannot be read behind member {members} ({e})");
                    return self.broken(Rejection::new(Reason::SourceBroken, what), Vec::new());
                }
            };
            members += 1;
            let path = entry.path().map_or_else(|_| "?".into(), |p| p.to_path_buf());
            let kind = entry.header().entry_type();
            if kind.is_dir() {
                continue;
            }
            if !kind.is_file() || !looks_like_alerts(&path) {
                self.progress().skipped(format!("{}!{}", self.source.url, path.display()));
                continue;
            }
            self.member = Some(path.to_string_lossy().into());
            let before = self.broken;
            self.member(entry)?;
            cut_inside = tail.ended.get() && self.broken > before;
        }
        self.member = None;
        if members == 0 {
            return self.broken(Rejection::new(Reason::Empty, "a tar without members"), Vec::new());
        }
        if tail.zeros.get() < TAR_BLOCK && !cut_inside {
            let what = format!("the tar ends behind member {members} without its end mark: it was cut short");
            return self.broken(Rejection::new(Reason::SourceBroken, what), Vec::new());
        }
        Ok(())
    }

    /// A member of a tar; it may be gzip'd, and it ends before its stated size if the tar is cut short.
    fn member<R: Read>(&mut self, mut entry: tar::Entry<'_, R>) -> Result<(), Gone> {
        let stated = entry.size();
        let (head, whole) = sniff(&mut entry, 4);
        if head.starts_with(&MAGIC) {
            return self.packets(whole, &head);
        }
        if head.starts_with(&GZIP) {
            let (head, unpacked) = sniff(flate2::read::MultiGzDecoder::new(whole), 4);
            return self.packets(unpacked, &head);
        }
        let (message, error) = message(whole, stated);
        if let (None, Message::Whole(bytes)) = (&error, &message)
            && (bytes.len() as u64) < stated
        {
            let what = format!("the tar ends after {} of the {stated} bytes of this member", bytes.len());
            return self.broken(Rejection::new(Reason::SourceBroken, what), bytes.clone());
        }
        self.message(message, error)
    }

    /// A container, or one message.
    fn packets(&mut self, input: impl Read, head: &[u8]) -> Result<(), Gone> {
        if !head.starts_with(&MAGIC) {
            let (message, error) = message(input, 0);
            return self.message(message, error);
        }
        // What was read of a header that turns out to be none is kept, so that nothing is lost.
        let mut input = Kept { input, kept: Vec::new(), keep: true };
        let blocks = match Blocks::open(&mut input) {
            Ok(blocks) => blocks,
            Err(rejection) => {
                let start = std::mem::take(&mut input.kept);
                input.keep = false;
                let (message, _) = message(start.as_slice().chain(&mut input), 0);
                return match message {
                    Message::Whole(bytes) => self.broken(rejection, bytes),
                    Message::TooLarge(mut broken) => {
                        broken.rejection = rejection;
                        self.put(0, || Payload::Broken(broken))
                    }
                };
            }
        };
        let header = Arc::clone(blocks.header());
        let mut any = false;
        for block in blocks {
            any = true;
            match block {
                Ok(block) => self.put(block.offset, || Payload::Block {
                    header: Arc::clone(&header),
                    records: block.records,
                    bytes: block.bytes.into(),
                })?,
                Err(lost) => {
                    let Lost { rejection, offset, length, bytes, hash } = lost;
                    let bytes = Bytes::from(bytes);
                    self.put(offset, || Payload::Broken(Broken { rejection, bytes, length, hash }))?;
                }
            }
        }
        if !any {
            let what = "a container without blocks";
            return self.broken(Rejection::new(Reason::Empty, what), header.bytes().to_vec());
        }
        Ok(())
    }

    fn message(&mut self, message: Message, error: Option<Rejection>) -> Result<(), Gone> {
        match (message, error) {
            (Message::TooLarge(broken), _) => self.put(0, || Payload::Broken(broken)),
            (Message::Whole(bytes), Some(rejection)) => self.broken(rejection, bytes),
            (Message::Whole(bytes), None) => self.put(0, || Payload::Message(bytes.into())),
        }
    }
}

enum Message {
    Whole(Vec<u8>),
    TooLarge(Broken),
}

/// Reads a message whole, up to the size limit; of a larger one the beginning and the digest. An error comes with
/// what could be read before it. With the length that is expected, memory for just that is asked for.
fn message(mut input: impl Read, expected: u64) -> (Message, Option<Rejection>) {
    let corrupt = |e: std::io::Error| match e.kind() {
        std::io::ErrorKind::InvalidInput | std::io::ErrorKind::InvalidData | std::io::ErrorKind::UnexpectedEof => {
            Rejection::new(Reason::Corrupt, format!("does not unpack ({e})"))
        }
        _ => broken_source(&e),
    };
    let expected = usize::try_from(expected).unwrap_or(MAX_PACKET_BYTES).min(MAX_PACKET_BYTES);
    let mut bytes = Vec::with_capacity(expected);
    if let Err(e) = input.by_ref().take(MAX_PACKET_BYTES as u64 + 1).read_to_end(&mut bytes) {
        return (Message::Whole(bytes), Some(corrupt(e)));
    }
    if bytes.len() <= MAX_PACKET_BYTES {
        return (Message::Whole(bytes), None);
    }
    let mut hash = Sha256::new();
    hash.update(&bytes);
    let mut length = bytes.len() as u64;
    bytes.truncate(KEPT_OF_TOO_LARGE);
    let mut buffer = vec![0; 1 << 20];
    loop {
        match input.read(&mut buffer) {
            Ok(0) => break,
            Ok(n) => {
                hash.update(&buffer[..n]);
                length += n as u64;
            }
            Err(e) if e.kind() == std::io::ErrorKind::Interrupted => {}
            // As far as it unpacks: length and digest are those of the part that does.
            Err(_) => break,
        }
    }
    let what = format!("{length} bytes; packets of up to {} MiB are stored", MAX_PACKET_BYTES >> 20);
    let rejection = Rejection::new(Reason::TooLarge, what);
    (
        Message::TooLarge(Broken { rejection, bytes: bytes.into(), length, hash: PacketHash(hash.finalize().into()) }),
        None,
    )
}

fn broken_source(error: &std::io::Error) -> Rejection {
    Rejection::new(Reason::SourceBroken, format!("could not be read ({error})"))
}

/// The first bytes of an input, and the input with these bytes still in it. An error on the way is met again where
/// it was met, so that what lies before it is not lost.
fn sniff<R: Read>(mut input: R, n: usize) -> (Vec<u8>, impl Read) {
    let mut head = Vec::with_capacity(n);
    let error = input.by_ref().take(n as u64).read_to_end(&mut head).err();
    (head.clone(), std::io::Cursor::new(head).chain(Fails { error }).chain(input))
}

/// Fails once, or not at all.
struct Fails {
    error: Option<std::io::Error>,
}

impl Read for Fails {
    fn read(&mut self, _: &mut [u8]) -> std::io::Result<usize> {
        self.error.take().map_or(Ok(0), Err)
    }
}

/// Where the reading of a tar has come to.
#[derive(Default)]
struct Tail {
    /// Zeros at the end of what has been read: a tar ends with blocks of them.
    zeros: Cell<usize>,
    /// True if nothing is left, or nothing more can be read.
    ended: Cell<bool>,
}

/// Keeps the tail of what is read.
struct Zeros<R> {
    input: R,
    tail: Rc<Tail>,
}

impl<R: Read> Read for Zeros<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let read = self.input.read(buffer);
        self.tail.ended.set(!matches!(read, Ok(1..)) && !buffer.is_empty());
        let n = read?;
        self.tail.zeros.set(match buffer[..n].iter().rposition(|byte| *byte != 0) {
            Some(last) => n - last - 1,
            None => self.tail.zeros.get() + n,
        });
        Ok(n)
    }
}

/// Reports what is read of a file as it lies on disk, and remembers if the disk fails.
struct Counted<R> {
    input: R,
    progress: Arc<Progress>,
    fault: Fault,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        match self.input.read(buffer) {
            Ok(n) => {
                self.progress.read(n as u64);
                Ok(n)
            }
            Err(e) => {
                if e.kind() != std::io::ErrorKind::Interrupted {
                    *self.fault.borrow_mut() = Some(e.to_string());
                }
                Err(e)
            }
        }
    }
}

/// Remembers what is read while `keep` is set, within the limit of a header.
struct Kept<R> {
    input: R,
    kept: Vec<u8>,
    keep: bool,
}

impl<R: Read> Read for Kept<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let n = self.input.read(buffer)?;
        if self.keep && self.kept.len() <= noctuary_packet::container::MAX_HEADER_BYTES {
            self.kept.extend_from_slice(&buffer[..n]);
        }
        Ok(n)
    }
}
