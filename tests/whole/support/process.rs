//! A process of ours: what it says is kept and shown when a story fails; it never outlives its owner.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use super::wait::wait_until;

/// So many of its last lines are shown when a story fails.
const SHOWN_LINES_MAX: usize = 60;

/// The binary under test.
pub fn almoner() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_almoner"));
    command.env_clear();
    command
}

/// The same command, that goes on when its files must not grow: the write fails instead.
pub fn ignoring_file_limits(command: &Command) -> Command {
    let mut shell = Command::new("sh");
    let run = "trap '' XFSZ; exec \"$0\" \"$@\"";
    shell
        .env_clear()
        .args(["-c", run])
        .arg(command.get_program());
    shell.args(command.get_args());
    shell.envs(
        command
            .get_envs()
            .filter_map(|(name, value)| Some((name, value?))),
    );
    shell
}

/// A running process, or one that ended and was not looked at yet.
pub struct Process {
    name: String,
    child: Child,
    said: Said,
    readers: Vec<JoinHandle<()>>,
}

/// What it said, stdout and stderr, in lines.
#[derive(Clone, Default)]
struct Said(Arc<Mutex<Vec<String>>>);

impl Said {
    fn lines(&self) -> MutexGuard<'_, Vec<String>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn read(&self, from: impl Read + Send + 'static) -> JoinHandle<()> {
        let said = self.clone();
        std::thread::spawn(move || {
            for line in BufReader::new(from).lines().map_while(Result::ok) {
                said.lines().push(line);
            }
        })
    }
}

impl Process {
    /// Starts it; `name` stands before what it said when a story fails.
    pub fn start(name: &str, command: &mut Command) -> Self {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let said = Said::default();
        let readers = vec![
            said.read(child.stdout.take().unwrap()),
            said.read(child.stderr.take().unwrap()),
        ];
        Self {
            name: name.to_owned(),
            child,
            said,
            readers,
        }
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// All that it has said so far.
    pub fn said(&self) -> String {
        self.said.lines().join("\n")
    }

    /// How many lines it has said: progress.
    pub fn said_lines(&self) -> u64 {
        self.said.lines().len() as u64
    }

    /// Waits for a line with this in it. A process that ends without having said it is a failure.
    pub fn wait_line(&mut self, part: &str) -> String {
        let what = format!("{} to say {part:?}", self.name);
        let said = self.said.clone();
        let find = || {
            said.lines()
                .iter()
                .find(|line| line.contains(part))
                .cloned()
        };
        wait_until(
            &what,
            || self.said.lines().len() as u64,
            || match (find(), self.child.try_wait().unwrap()) {
                (Some(line), _) => Some(line),
                (None, None) => None,
                // Its last words may still be on the way.
                (None, Some(status)) => {
                    for reader in self.readers.drain(..) {
                        reader.join().unwrap();
                    }
                    Some(find().unwrap_or_else(|| panic!("{what}: it ended, {status}")))
                }
            },
        )
    }

    /// Whether it has not ended.
    pub fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// `kill -9`: it is gone when this returns.
    pub fn kill(&mut self) {
        // One that has ended cannot be killed, which is as well.
        let _ = self.child.kill();
        self.child.wait().unwrap();
    }

    /// It stands still, as in a long pause of a virtual machine.
    pub fn freeze(&self) {
        self.signal("STOP");
    }

    /// It goes on.
    pub fn thaw(&self) {
        self.signal("CONT");
    }

    /// SIGTERM.
    pub fn terminate(&self) {
        self.signal("TERM");
    }

    /// Waits until it has ended by itself, and all that it said is read.
    pub fn wait_exit(&mut self) -> ExitStatus {
        let what = format!("{} to end", self.name);
        let said = self.said.clone();
        let status = wait_until(
            &what,
            || said.lines().len() as u64,
            || self.child.try_wait().unwrap(),
        );
        for reader in self.readers.drain(..) {
            reader.join().unwrap();
        }
        status
    }

    /// How large its files may get, in bytes, as `prlimit --fsize` takes it.
    pub fn limit_files(&self, limit: &str) {
        let (pid, limit) = (self.pid().to_string(), format!("--fsize={limit}"));
        let set = Command::new("prlimit")
            .args(["--pid", &pid, &limit])
            .status();
        assert!(set.unwrap().success(), "{} was not limited", self.name);
    }

    /// The most memory that it ever held, in bytes.
    pub fn memory_peak_bytes(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kib: u64 = line
            .unwrap()
            .trim()
            .trim_end_matches(" kB")
            .parse()
            .unwrap();
        kib * 1024
    }

    fn signal(&self, signal: &str) {
        let pid = self.pid().to_string();
        let sent = Command::new("sh")
            .args(["-c", "kill -s \"$0\" \"$1\"", signal, &pid])
            .status()
            .unwrap();
        assert!(sent.success(), "{} could not be sent {signal}", self.name);
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // A frozen process is killed as well as any.
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            let lines = self.said.lines();
            let shown = lines.len().saturating_sub(SHOWN_LINES_MAX);
            eprintln!("---- {} said, at last:", self.name);
            for line in &lines[shown..] {
                eprintln!("{line}");
            }
        }
    }
}
