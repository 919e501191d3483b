//! A desk that writes a note per command, and does as the command says.

use shared_runtime::db::Rows;
use shared_runtime::group::{Abort, Desk, Group, Unanswered};
use shared_runtime::log::LogError;
use shared_runtime::{Db, Tx, fetch_all};
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use testkit::core::{World, soon, until};
use testkit::databases::Door;
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use uuid::Uuid;

/// What a command does beside writing its word.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Does {
    Nothing,
    /// Waits for the gate.
    Waits,
    /// Aborts the group with an error of its own, also when it is alone.
    Fails,
    /// Says in so many rounds that something changed.
    Conflicts(u32),
    Panics,
    /// Is left out of the answers.
    Unanswered,
}

pub struct Command {
    pub subject: Uuid,
    pub word: String,
    pub does: Does,
}

/// Who is at the desk, and what it has seen.
pub struct Notes {
    pub gate: Semaphore,
    /// Commands that wait at the gate, or did.
    pub waiting: AtomicUsize,
    pub commits: AtomicUsize,
    /// Size and round of every group that was tried.
    pub tried: Mutex<Vec<(usize, u32)>>,
}

impl Desk for Notes {
    type Command = Command;
    type Outcome = String;

    fn subject(&self, command: &Command) -> Uuid {
        command.subject
    }

    async fn execute(&self, tx: &mut Tx, commands: &[Command], round: u32) -> Result<Vec<String>, Abort> {
        self.tried.lock().unwrap().push((commands.len(), round));
        tx.insert(Rows::of("notes").from(commands, "word", |command| command.word.clone()), "").await?;
        let mut outcomes = Vec::new();
        for command in commands {
            match command.does {
                Does::Waits => {
                    self.waiting.fetch_add(1, SeqCst);
                    self.gate.acquire().await.unwrap().forget();
                }
                Does::Fails => return Err(Abort::Log(LogError::Unopened(command.subject))),
                Does::Conflicts(rounds) if round < rounds => return Err(Abort::Conflict),
                Does::Panics => panic!("planted"),
                Does::Unanswered => continue,
                Does::Nothing | Does::Conflicts(_) => {}
            }
            outcomes.push(command.word.clone());
        }
        Ok(outcomes)
    }

    fn committed(&self) {
        self.commits.fetch_add(1, SeqCst);
    }
}

pub type Answer = Result<String, Unanswered>;

pub struct Bench {
    pub world: World,
    pub notes: Arc<Notes>,
    pub group: Group<Notes>,
    held: Vec<JoinHandle<Answer>>,
}

impl Bench {
    pub async fn new(door: Door) -> Bench {
        let world = World::new(door).await;
        let db = world.db.clone();
        Bench::on(world, db)
    }

    /// With writers on another pool than the world's.
    pub fn on(world: World, db: Db) -> Bench {
        let notes = Arc::new(Notes {
            gate: Semaphore::new(0),
            waiting: AtomicUsize::new(0),
            commits: AtomicUsize::new(0),
            tried: Mutex::default(),
        });
        let group = Group::start(db, notes.clone());
        Bench { world, notes, group, held: Vec::new() }
    }

    /// Submits; the command is on its way when this returns.
    pub fn submit(&self, word: &str, does: Does) -> JoinHandle<Answer> {
        let (group, subject, word) = (self.group.clone(), self.world.id(), word.to_owned());
        tokio::spawn(async move { group.submit(Command { subject, word, does }).await })
    }

    /// Keeps every writer busy, so that what is submitted now gathers.
    pub async fn hold(&mut self) {
        self.notes.waiting.store(0, SeqCst);
        for number in 1..=self.world.db.writers() {
            self.held.push(self.submit("holds", Does::Waits));
            until("a writer is held", || async { self.notes.waiting.load(SeqCst) >= number }).await;
        }
        self.notes.tried.lock().unwrap().clear();
    }

    /// Submits, in the order given, while the writers are held.
    pub async fn gather(&self, commands: Vec<(Uuid, String, Does)>) -> Vec<JoinHandle<Answer>> {
        let mut callers = Vec::new();
        for (subject, word, does) in commands {
            let mut submitting = Box::pin({
                let group = self.group.clone();
                async move { group.submit(Command { subject, word, does }).await }
            });
            // Polled once, it is in the queue.
            assert!(futures_util::poll!(&mut submitting).is_pending());
            callers.push(tokio::spawn(submitting));
        }
        callers
    }

    /// Lets those go that were held.
    pub async fn release(&mut self) {
        self.notes.gate.add_permits(self.held.len());
        for held in self.held.drain(..) {
            soon("the writer that was held", held).await.unwrap().unwrap();
        }
    }

    /// The words that were written, sorted.
    pub async fn words(&self) -> Vec<String> {
        let mut reader = self.world.db.read().await.unwrap();
        let sql = "select word from notes where word <> 'holds' order by word";
        fetch_all!(reader.conn(), (String,), sql).unwrap().into_iter().map(|(word,)| word).collect()
    }
}
