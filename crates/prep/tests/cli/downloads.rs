//! `--download` against a server of this test, which truncates, stalls, lies and refuses as it is told.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use artifacts::sha256;
use prep::download::{Downloader, Patience, Remote};
use prep::progress::Silent;
use tempfile::tempdir;

use crate::sc_prep;

/// What the server does with one request.
#[derive(Clone)]
enum Answer {
    /// All that is asked for.
    Serve,
    /// All of the file, whatever part is asked for.
    IgnoreRange,
    /// A part that begins elsewhere.
    WrongRange,
    /// The full length announced, `.0` bytes sent.
    Truncate(usize),
    /// The full length announced, `.0` bytes sent, then nothing until the client leaves.
    Stall(usize),
    /// `.0` announced and sent, though there is more.
    Shorten(usize),
    /// `.0` announced, all sent, then nothing until the client leaves.
    Claim(u64),
    /// The full length announced, a byte sent now and then.
    Drip,
    /// Other content in full.
    Other(Vec<u8>),
    /// A status line and no body.
    Status(&'static str),
}

/// A server that answers the requests in turn, and what it was asked.
struct Server {
    base: String,
    ranges: Arc<Mutex<Vec<Option<usize>>>>,
}

impl Server {
    fn new(content: Vec<u8>, answers: Vec<Answer>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let base = format!("http://{}/", listener.local_addr().unwrap());
        let ranges = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&ranges);
        thread::spawn(move || {
            for answer in answers {
                let (stream, _) = listener.accept().unwrap();
                let range = read_request(&stream);
                seen.lock().unwrap().push(range);
                respond(stream, &content, range, &answer);
            }
        });
        Self { base, ranges }
    }

    /// Where each request began, `None` for those of the whole.
    fn ranges(&self) -> Vec<Option<usize>> {
        self.ranges.lock().unwrap().clone()
    }
}

/// Reads a request; gives the start of its range.
fn read_request(stream: &TcpStream) -> Option<usize> {
    let lines = BufReader::new(stream).lines().map_while(Result::ok).take_while(|line| !line.is_empty());
    let lines: Vec<String> = lines.map(|line| line.to_ascii_lowercase()).collect();
    let range = lines.iter().find_map(|line| line.strip_prefix("range: bytes=")?.strip_suffix('-'));
    range.map(|start| start.parse().unwrap())
}

fn respond(mut stream: TcpStream, content: &[u8], range: Option<usize>, answer: &Answer) {
    let start = range.unwrap_or(0).min(content.len());
    let rest = &content[start..];
    let head = |status: &str, length: usize, more: &str| {
        format!("HTTP/1.1 {status}\r\ncontent-length: {length}\r\n{more}connection: close\r\n\r\n")
    };
    let partial = |start: usize| format!("content-range: bytes {start}-{}/{}\r\n", content.len() - 1, content.len());
    let served = |length| match range {
        Some(start) => head("206 Partial Content", length, &partial(start)),
        None => head("200 OK", length, ""),
    };
    let (head, body) = match answer {
        Answer::Serve => (served(rest.len()), rest),
        Answer::IgnoreRange => (head("200 OK", content.len(), ""), content),
        Answer::WrongRange => (head("206 Partial Content", rest.len(), &partial(start + 1)), rest),
        Answer::Truncate(count) | Answer::Stall(count) => (served(rest.len()), &rest[..*count]),
        Answer::Shorten(count) => (served(*count), &rest[..*count]),
        Answer::Claim(length) => (served(*length as usize), rest),
        Answer::Drip => (served(rest.len()), &[][..]),
        Answer::Other(other) => (head("200 OK", other.len(), ""), other.as_slice()),
        Answer::Status(status) => (head(status, 0, ""), &[][..]),
    };
    // The client may leave early.
    let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(body));
    if matches!(answer, Answer::Drip) {
        for byte in rest {
            // Until the client has had enough.
            if stream.write_all(&[*byte]).is_err() {
                break;
            }
            thread::sleep(Duration::from_millis(20));
        }
    }
    if matches!(answer, Answer::Stall(_) | Answer::Claim(_)) {
        let _ = stream.read(&mut [0]);
    }
}

const NAME: &str = "archive.bin";

fn content() -> Vec<u8> {
    (0..200_000_u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect()
}

/// Fetches from a server that gives these answers; the outcome, where requests began, and what lies in the folder.
fn fetch(dir: &Path, answers: Vec<Answer>) -> (prep::Result<Vec<u8>>, Vec<Option<usize>>) {
    let content = content();
    let hash = sha256::of_bytes(&content);
    let bytes = content.len() as u64;
    let server = Server::new(content, answers);
    let remote = Remote { base: &server.base, name: NAME, bytes, sha256: &hash };
    let patience = Patience { timeout: Duration::from_millis(500), attempts: 3, pause: Duration::ZERO };
    let fetched = Downloader::new(patience, false).fetch(remote, dir, &Silent);
    (fetched.map(|path| std::fs::read(path).unwrap()), server.ranges())
}

fn names(dir: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(dir).unwrap();
    let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn what_breaks_off_is_resumed() {
    use Answer::{Claim, IgnoreRange, Serve, Shorten, Stall, Status, Truncate};
    type Case = (&'static str, Vec<Answer>, Vec<Option<usize>>);
    let cases: Vec<Case> = vec![
        ("whole", vec![Serve], vec![None]),
        ("truncated", vec![Truncate(70_000), Serve], vec![None, Some(70_000)]),
        ("stalled", vec![Stall(65_536), Serve], vec![None, Some(65_536)]),
        ("shorter than true", vec![Shorten(150_000), Serve], vec![None, Some(150_000)]),
        ("longer than true", vec![Claim(1 << 60)], vec![None]),
        ("range ignored", vec![Truncate(70_000), IgnoreRange], vec![None, Some(70_000)]),
        ("busy", vec![Status("503 Service Unavailable"), Status("429 Too Many Requests"), Serve], vec![None; 3]),
        (
            "slowly",
            vec![Truncate(70_000), Truncate(70_000), Status("500 x"), Status("500 x"), Serve],
            vec![None, Some(70_000), Some(140_000), Some(140_000), Some(140_000)],
        ),
    ];
    for (name, answers, ranges) in cases {
        let dir = tempdir().unwrap();
        let (fetched, asked) = fetch(dir.path(), answers);
        assert!(fetched.unwrap() == content(), "{name}");
        assert_eq!(asked, ranges, "{name}");
        assert_eq!(names(dir.path()), [NAME], "{name}");
    }
}

#[test]
fn a_server_that_drips_is_left_and_does_not_hold_us() {
    let dir = tempdir().unwrap();
    let (fetched, asked) = fetch(dir.path(), vec![Answer::Drip, Answer::Drip, Answer::Serve]);
    assert!(fetched.unwrap() == content());
    // What came drop by drop is kept.
    assert!(asked.len() == 3 && asked[0].is_none() && asked[1] < asked[2], "{asked:?}");
    let dir = tempdir().unwrap();
    let message = fetch(dir.path(), vec![Answer::Drip; 3]).0.unwrap_err().to_string();
    assert!(message.contains("3 attempts in a row failed") && message.contains("too few to wait for"), "{message}");
}

#[test]
fn what_is_not_the_file_never_gets_its_name() {
    use Answer::{Other, Serve, Status, Truncate, WrongRange};
    let mut wrong = content();
    wrong[7] ^= 1;
    let longer = [content(), vec![0]].concat();
    let part = || vec![format!("{NAME}.part")];
    let cases = [
        ("other bytes", vec![Other(wrong)], "instead of", vec![]),
        ("absent", vec![Status("404 Not Found")], "the server answers 404 Not Found", vec![]),
        (
            "gives out",
            vec![Truncate(70_000), Truncate(9), Truncate(9), Truncate(9)],
            "attempts in a row failed",
            part(),
        ),
        ("wrong part", vec![Truncate(70_000), WrongRange], "asked for the bytes from 70000", part()),
    ];
    for (name, answers, why, left) in cases {
        let dir = tempdir().unwrap();
        let message = fetch(dir.path(), answers).0.unwrap_err().to_string();
        assert!(message.contains(why), "{name}: {message}");
        assert_eq!(names(dir.path()), left, "{name}");
    }
    // More than the file is never read.
    let dir = tempdir().unwrap();
    assert!(fetch(dir.path(), vec![Other(longer)]).0.unwrap() == content());
    // A part of another file costs one more request.
    std::fs::remove_file(dir.path().join(NAME)).unwrap();
    std::fs::write(dir.path().join(format!("{NAME}.part")), [1; 100]).unwrap();
    let (fetched, asked) = fetch(dir.path(), vec![Serve, Serve]);
    assert!(fetched.unwrap() == content());
    assert_eq!(asked, [Some(100), None]);
}

#[test]
fn what_is_there_is_not_fetched_again() {
    let dir = tempdir().unwrap();
    std::fs::write(dir.path().join(NAME), content()).unwrap();
    let (fetched, asked) = fetch(dir.path(), Vec::new());
    assert!(fetched.is_ok() && asked.is_empty());
    std::fs::write(dir.path().join(NAME), b"other").unwrap();
    let refusal = fetch(dir.path(), Vec::new()).0.unwrap_err();
    assert!(refusal.to_string().contains("5 bytes instead of 200000"), "{refusal}");
}

#[test]
fn the_command_fails_cleanly_without_its_archive() {
    let dir = tempdir().unwrap();
    let server = Server::new(Vec::new(), vec![Answer::Status("404 Not Found")]);
    let output = sc_prep(dir.path(), &format!("cifar10 --download --url {} --out set.safetensors", server.base));
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    assert!(stderr.contains("cifar-10-binary.tar.gz: the server answers 404 Not Found"), "{stderr}");
    assert!(names(dir.path()).is_empty());
    for arguments in ["cifar10", "cifar10 source --download", "folder --download"] {
        let output = sc_prep(dir.path(), &format!("{arguments} --out set.safetensors"));
        assert_eq!(output.status.code(), Some(2), "{arguments}");
    }
}
