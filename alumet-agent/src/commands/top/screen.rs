//! The terminal while this program has all of it.

use std::io::{self, BufWriter, IsTerminal, Stdout};
use std::thread;

use nix::sys::signal::{Signal, raise};
use ratatui::backend::CrosstermBackend;
use ratatui::crossterm::cursor::{Hide, Show};
use ratatui::crossterm::event::{Event, read};
use ratatui::crossterm::execute;
use ratatui::crossterm::terminal::{
    EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode,
};
use ratatui::layout::Rect;
use ratatui::widgets::Widget;
use ratatui::{Terminal, TerminalOptions, Viewport};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use crate::exit::Failed;

/// The screen; dropping it gives the terminal back as it was.
pub(super) struct Screen {
    terminal: Terminal<CrosstermBackend<BufWriter<Stdout>>>,
}

/// A frame is sent at once: this is more than any has.
const FRAME_BYTES: usize = 1 << 16;

impl Screen {
    /// Takes the terminal.
    ///
    /// # Errors
    /// When there is none.
    pub(super) fn open() -> Result<Self, Failed> {
        if !io::stdout().is_terminal() {
            return Err(Failed::usage(
                "`top` fills a terminal, and the standard output is none\n  help: `top --batch` prints text, `top --once` does so \
                 one time",
            ));
        }
        let backend = CrosstermBackend::new(BufWriter::with_capacity(FRAME_BYTES, io::stdout()));
        let viewport = Viewport::Fixed(area());
        let terminal = Terminal::with_options(backend, TerminalOptions { viewport })?;
        let mut screen = Self { terminal };
        screen.enter()?;
        Ok(screen)
    }

    fn enter(&mut self) -> io::Result<()> {
        enable_raw_mode()?;
        execute!(io::stdout(), EnterAlternateScreen, Hide)
    }

    fn leave() -> io::Result<()> {
        disable_raw_mode()?;
        execute!(io::stdout(), Show, LeaveAlternateScreen)
    }

    /// How many lines there are.
    pub(super) fn height(&mut self) -> u16 {
        self.terminal.get_frame().area().height
    }

    /// Draws what has changed.
    pub(super) fn draw(&mut self, view: impl Widget) -> io::Result<()> {
        self.terminal
            .draw(|frame| frame.render_widget(view, frame.area()))?;
        Ok(())
    }

    /// The terminal may have another size, or something else on it.
    pub(super) fn begin_anew(&mut self) -> io::Result<()> {
        self.terminal.resize(area())
    }

    /// Gives the terminal back and stops this process, as a terminal does at Ctrl+Z; goes on when it is continued.
    pub(super) fn suspend(&mut self) -> io::Result<()> {
        Self::leave()?;
        raise(Signal::SIGSTOP)?;
        self.resume()
    }

    /// Takes the terminal again, which a shell has had.
    pub(super) fn resume(&mut self) -> io::Result<()> {
        // The library believes that it is raw, and would leave it as it is.
        disable_raw_mode()?;
        self.enter()?;
        self.begin_anew()
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        // Nobody is left to tell.
        let _ = Self::leave();
    }
}

/// What the terminal shows; some tell nothing, and are taken for the usual size.
fn area() -> Rect {
    match rustix::termios::tcgetwinsize(io::stdout()) {
        Ok(size) if size.ws_col > 0 && size.ws_row > 0 => Rect::new(0, 0, size.ws_col, size.ws_row),
        _ => Rect::new(0, 0, 80, 24),
    }
}

/// Keys and changes of the size, from a thread that waits for them until the program ends; none any more when the terminal is
/// gone.
pub(super) fn events() -> Result<UnboundedReceiver<Event>, Failed> {
    let (sender, events) = unbounded_channel();
    let wait = move || {
        while let Ok(event) = read()
            && sender.send(event).is_ok()
        {}
    };
    thread::Builder::new()
        .name("alumet-keys".to_owned())
        .spawn(wait)?;
    Ok(events)
}
