//! Fetching the official archives: into a `.part` file beside the final name, resumed where it broke off, renamed once size
//! and SHA-256 are those that are pinned here.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use artifacts::sha256;
use ureq::Agent;
use ureq::http::{Response, StatusCode, header};

use crate::progress::Progress;
use crate::{Refusal, Result};

/// A file in the network.
#[derive(Clone, Copy, Debug)]
pub struct Remote<'a> {
    /// The folder it lies in, with the last slash.
    pub base: &'a str,
    /// Its name.
    pub name: &'a str,
    /// Its length.
    pub bytes: u64,
    /// Its SHA-256, in lower-case hexadecimal.
    pub sha256: &'a str,
}

const TORONTO: &str = "https://www.cs.toronto.edu/~kriz/";

/// The mirror that torchvision uses; the authors' own server no longer serves the files.
const MNIST_MIRROR: &str = "https://ossci-datasets.s3.amazonaws.com/mnist/";

/// CIFAR-10; its authors publish the MD5 c32a1d4ab5d03f1284b67883e8d87530 of the same file.
pub const CIFAR10: [Remote; 1] = [Remote {
    base: TORONTO,
    name: "cifar-10-binary.tar.gz",
    bytes: 170_052_171,
    sha256: "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd",
}];

/// CIFAR-100; its authors publish the MD5 03b5dce01913d631647c71ecec9e9cb8 of the same file.
pub const CIFAR100: [Remote; 1] = [Remote {
    base: TORONTO,
    name: "cifar-100-binary.tar.gz",
    bytes: 168_513_733,
    sha256: "58a81ae192c23a4be8b1804d68e518ed807d710a4eb253b1f2a199162a40d8ec",
}];

/// The four files of MNIST.
pub const MNIST: [Remote; 4] = [
    mnist("train-images-idx3-ubyte.gz", 9_912_422, "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609"),
    mnist("train-labels-idx1-ubyte.gz", 28_881, "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c"),
    mnist("t10k-images-idx3-ubyte.gz", 1_648_877, "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6"),
    mnist("t10k-labels-idx1-ubyte.gz", 4_542, "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6"),
];

const fn mnist(name: &'static str, bytes: u64, sha256: &'static str) -> Remote<'static> {
    Remote { base: MNIST_MIRROR, name, bytes, sha256 }
}

/// How long to wait, and how often to try.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// For a connection, for an answer, and for each next piece of the file.
    pub timeout: Duration,
    /// How many attempts in a row may bring nothing.
    pub attempts: u32,
    /// Between two attempts; it doubles each time.
    pub pause: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self { timeout: Duration::from_secs(30), attempts: 5, pause: Duration::from_secs(1) }
    }
}

/// An attempt that brings less counts as none, and one that brings less within the timeout is given up: a server that drips must
/// not hold us forever.
const LEAST_PROGRESS: u64 = 1 << 16;

/// Reading from the network and writing beside it happen in pieces of this size.
const PIECE: usize = 1 << 16;

/// Why an attempt ended before the file was whole.
enum Broken {
    /// Another attempt may go on.
    Retry(String),
    /// Nothing will help.
    Fatal(String),
}

/// Fetches files.
#[derive(Debug)]
pub struct Downloader {
    agent: Agent,
    patience: Patience,
}

impl Downloader {
    /// A downloader; `use_proxy` lets it take a proxy from the environment, as other tools do.
    pub fn new(patience: Patience, use_proxy: bool) -> Self {
        let timeout = Some(patience.timeout);
        let mut config = Agent::config_builder()
            .timeout_resolve(timeout)
            .timeout_connect(timeout)
            .timeout_send_request(timeout)
            .timeout_recv_response(timeout)
            .timeout_per_read(timeout)
            .http_status_as_error(false);
        if !use_proxy {
            config = config.proxy(None);
        }
        Self { agent: config.build().into(), patience }
    }

    /// Brings `remote` into `folder` and says where it lies. A file that is already there, whole, is not fetched again.
    ///
    /// # Errors
    /// When the network gives out, the content is another than expected, or the file cannot be written.
    pub fn fetch(&self, remote: Remote, folder: &Path, progress: &dyn Progress) -> Result<PathBuf> {
        let path = folder.join(remote.name);
        if path.exists() {
            check(&path, remote)
                .map_err(|refusal| refusal.hint("remove it, or pass it as the source without --download"))?;
            return Ok(path);
        }
        fs::create_dir_all(folder).map_err(|error| cannot_write(folder, &error))?;
        let part = folder.join(format!("{}.part", remote.name));
        let resumed = part.exists();
        self.complete(remote, &part, progress)?;
        if let Err(refusal) = check(&part, remote) {
            // What lay there may have been of another file: one fresh try tells.
            remove(&part)?;
            if !resumed {
                return Err(refusal.hint("the server sent something else; --url names a mirror"));
            }
            self.complete(remote, &part, progress)?;
            check(&part, remote).inspect_err(|_| drop(fs::remove_file(&part)))?;
        }
        fs::rename(&part, &path).map_err(|error| cannot_write(&path, &error))?;
        Ok(path)
    }

    /// Attempt after attempt, until the part has all its bytes.
    fn complete(&self, remote: Remote, part: &Path, progress: &dyn Progress) -> Result<()> {
        let url = format!("{}{}", remote.base, remote.name);
        let failed = |why: String| {
            Refusal::at(&url, why).hint(
                "rerun the command to continue the download, or fetch the file by other means and pass it as the source",
            )
        };
        let (mut failures, mut pause) = (0, self.patience.pause);
        loop {
            let before = length(part);
            if before == remote.bytes {
                return Ok(());
            }
            match self.attempt(&url, remote, part, before, progress) {
                Ok(()) => {}
                Err(Broken::Fatal(why)) => return Err(failed(why)),
                Err(Broken::Retry(why)) => {
                    if length(part).saturating_sub(before) >= LEAST_PROGRESS {
                        (failures, pause) = (0, self.patience.pause);
                    } else {
                        failures += 1;
                    }
                    if failures >= self.patience.attempts {
                        return Err(failed(format!("{failures} attempts in a row failed: {why}")));
                    }
                    std::thread::sleep(pause);
                    pause *= 2;
                }
            }
        }
    }

    /// One request for what is missing.
    fn attempt(
        &self,
        url: &str,
        remote: Remote,
        part: &Path,
        have: u64,
        progress: &dyn Progress,
    ) -> std::result::Result<(), Broken> {
        let start = if have > remote.bytes { 0 } else { have };
        let mut request = self.agent.get(url);
        if start > 0 {
            request = request.header(header::RANGE, format!("bytes={start}-"));
        }
        let mut response = request.call().map_err(|error| match error {
            ureq::Error::BadUri(_) | ureq::Error::Http(_) => Broken::Fatal(error.to_string()),
            other => Broken::Retry(other.to_string()),
        })?;
        let start = accepted_start(&response, start)?;
        let mut file = open_at(part, start).map_err(|error| disk(&error))?;
        progress.stage("fetching bytes", Some(remote.bytes));
        progress.advance(start);
        let left = remote.bytes - start;
        copy(&mut response.body_mut().as_reader(), &mut file, left, self.patience.timeout, progress)?;
        file.sync_all().map_err(|error| disk(&error))
    }
}

/// Opens a file for writing after its first `start` bytes; what follows them is dropped.
fn open_at(path: &Path, start: u64) -> io::Result<File> {
    let mut file = OpenOptions::new().create(true).write(true).truncate(false).open(path)?;
    file.set_len(start)?;
    file.seek(SeekFrom::Start(start))?;
    Ok(file)
}

/// Where in the file the body of this answer begins.
fn accepted_start<T>(response: &Response<T>, wanted: u64) -> std::result::Result<u64, Broken> {
    let status = response.status();
    match status {
        StatusCode::OK => Ok(0),
        StatusCode::PARTIAL_CONTENT => {
            let range = response.headers().get(header::CONTENT_RANGE).and_then(|range| range.to_str().ok());
            let start = range.and_then(|range| range.strip_prefix("bytes ")?.split('-').next()?.parse().ok());
            if start == Some(wanted) {
                Ok(wanted)
            } else {
                Err(Broken::Fatal(format!("asked for the bytes from {wanted}, was sent {range:?}")))
            }
        }
        _ if status.is_server_error()
            || [StatusCode::TOO_MANY_REQUESTS, StatusCode::REQUEST_TIMEOUT].contains(&status) =>
        {
            Err(Broken::Retry(format!("the server answers {status}")))
        }
        _ => Err(Broken::Fatal(format!("the server answers {status}"))),
    }
}

/// Copies exactly `bytes` bytes; keeps what came before it broke off.
fn copy(
    body: &mut impl Read,
    file: &mut File,
    bytes: u64,
    timeout: Duration,
    progress: &dyn Progress,
) -> std::result::Result<(), Broken> {
    let mut piece = vec![0; PIECE];
    let mut left = bytes;
    let (mut since, mut brought) = (Instant::now(), 0);
    while left > 0 {
        let wanted = left.min(PIECE as u64) as usize;
        match body.read(&mut piece[..wanted]) {
            Ok(0) => return Err(Broken::Retry(format!("the connection ended {left} bytes before the end"))),
            Ok(count) => {
                file.write_all(&piece[..count]).map_err(|error| disk(&error))?;
                left -= count as u64;
                brought += count as u64;
                progress.advance(count as u64);
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(Broken::Retry(error.to_string())),
        }
        // The timeout of a read starts anew with every byte.
        if brought >= LEAST_PROGRESS {
            (since, brought) = (Instant::now(), 0);
        } else if left > 0 && since.elapsed() > timeout {
            let seconds = timeout.as_secs_f64();
            return Err(Broken::Retry(format!("it sent {brought} bytes in {seconds} seconds, too few to wait for")));
        }
    }
    Ok(())
}

fn disk(error: &io::Error) -> Broken {
    Broken::Fatal(format!("cannot write what it sends: {error}"))
}

/// Refuses a file that is not the expected one.
fn check(path: &Path, remote: Remote) -> Result<()> {
    let found = length(path);
    if found != remote.bytes {
        return Err(Refusal::at(path.display(), format!("{found} bytes instead of {}", remote.bytes)));
    }
    let found = sha256::of_file(path).map_err(|error| Refusal::at(path.display(), error))?;
    if found != remote.sha256 {
        return Err(Refusal::at(path.display(), format!("SHA-256 {found} instead of {}", remote.sha256)));
    }
    Ok(())
}

fn length(path: &Path) -> u64 {
    path.metadata().map_or(0, |facts| facts.len())
}

fn remove(path: &Path) -> Result<()> {
    fs::remove_file(path).map_err(|error| cannot_write(path, &error))
}

fn cannot_write(path: &Path, error: &io::Error) -> Refusal {
    Refusal::at(path.display(), format!("cannot write: {error}"))
}
