//! Progress on standard error: a bar on a terminal, plain lines elsewhere, nothing for what is over in a second.

use std::sync::Arc;
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use noctuary_storage::Meter;

use crate::output::sink::note;

/// Nothing is shown before this.
const PATIENCE: Duration = Duration::from_secs(1);
/// How often a bar is drawn.
const REDRAW: Duration = Duration::from_millis(120);
/// How often a line is written where there is no terminal.
const LINE: Duration = Duration::from_secs(5);

/// How far something is.
#[derive(Debug, Clone, Default)]
pub struct Step {
    /// Done so far.
    pub done: u64,
    /// Of how much, if that is known.
    pub total: Option<u64>,
    /// What to say beside it.
    pub message: String,
}

/// What is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// Bytes, shown as such.
    Bytes,
    /// Things.
    Count,
}

/// Watches something until it is dropped.
#[derive(Debug)]
pub struct Watch {
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Watch {
    /// Shows what `read` says, from now on.
    pub fn start(label: &'static str, unit: Unit, read: impl Fn() -> Step + Send + 'static) -> Self {
        let (stop, stopped) = mpsc::channel::<()>();
        let show = move || {
            if stopped.recv_timeout(PATIENCE) != Err(RecvTimeoutError::Timeout) {
                return;
            }
            let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
            if bar.is_hidden() {
                let started = Instant::now();
                loop {
                    line(label, unit, &read(), started.elapsed() + PATIENCE);
                    if stopped.recv_timeout(LINE) != Err(RecvTimeoutError::Timeout) {
                        return;
                    }
                }
            }
            bar.set_prefix(label);
            loop {
                draw(&bar, unit, read());
                if stopped.recv_timeout(REDRAW) != Err(RecvTimeoutError::Timeout) {
                    bar.finish_and_clear();
                    return;
                }
            }
        };
        // Without a thread there is no bar, which is no reason to stop.
        let thread = std::thread::Builder::new().name("progress".to_owned()).spawn(show).ok();
        Self { stop: Some(stop), thread }
    }
}

impl Watch {
    /// Shows a meter, from now on.
    pub fn meter(label: &'static str, unit: Unit) -> (Self, Arc<Meter>) {
        let meter = Arc::new(Meter::default());
        let read = Arc::clone(&meter);
        let step = move || Step { done: read.done(), total: Some(read.total()), message: String::new() };
        (Self::start(label, unit, step), meter)
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn draw(bar: &ProgressBar, unit: Unit, step: Step) {
    if bar.length() != step.total || bar.position() == 0 {
        if let Some(total) = step.total {
            bar.set_length(total);
        }
        let amount = match (unit, step.total) {
            (Unit::Bytes, Some(_)) => "{bar:30} {bytes}/{total_bytes} {binary_bytes_per_sec} {eta}",
            (Unit::Bytes, None) => "{spinner} {bytes} {binary_bytes_per_sec}",
            (Unit::Count, Some(_)) => "{bar:30} {human_pos}/{human_len} {per_sec} {eta}",
            (Unit::Count, None) => "{spinner} {human_pos} {per_sec}",
        };
        if let Ok(style) = ProgressStyle::with_template(&format!("{{prefix}} {amount} {{wide_msg}}")) {
            bar.set_style(style.progress_chars("━╸ "));
        }
    }
    bar.set_position(step.done);
    bar.set_message(step.message);
}

fn line(label: &str, unit: Unit, step: &Step, after: Duration) {
    let amount = |n: u64| match unit {
        Unit::Bytes => crate::bytesize::human(n),
        Unit::Count => n.to_string(),
    };
    let of = step.total.map_or_else(String::new, |t| format!(" of {}", amount(t)));
    note(format_args!("{label}: {}{of} after {} s {}", amount(step.done), after.as_secs(), step.message));
}
