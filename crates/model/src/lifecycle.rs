//! What was ordered of a device, and what became of it.
//!
//! Two state machines side by side, each a function of state and event: [`Install`], from the order over the attempts to the proof, and
//! [`Wipe`], from the order to the one script that carries it out. Nothing is installed over a proven install, and nothing wiped,
//! without an order by a person that came after it.

mod install;
#[cfg(test)]
mod tests;
mod wipe;

pub use install::{Install, InstallEvent, InstallProof, Scene};
pub use wipe::{WIPE_VALID, Wipe, WipeEvent};

use crate::error::word_enum;
use crate::{Actor, BootOrder, EventKind, StandingOrder, Timestamp, Verdict};

word_enum! {
    /// By what something is proven.
    ProofSource, "a source of proof: events, kernel_log or operator", {
        /// Talos's events (`talos.events.sink`).
        Events = "events",
        /// Talos's kernel log (`talos.logging.kernel`).
        KernelLog = "kernel_log",
        /// A signed-in person said so.
        Operator = "operator",
    }
}

impl ProofSource {
    /// Whose word it is, in words.
    pub const fn named(self) -> &'static str {
        match self {
            Self::Events => "Talos's events",
            Self::KernelLog => "Talos's kernel log",
            Self::Operator => "a person",
        }
    }
}

/// The orders of one device and how far they are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lifecycle {
    /// What a network boot does, unless a wipe comes before.
    pub order: StandingOrder,
    /// How the install stands.
    pub install: Install,
    /// How a wipe stands.
    pub wipe: Wipe,
}

impl Default for Lifecycle {
    /// A device that is new: to be installed once it is approved.
    fn default() -> Self {
        Self {
            order: StandingOrder::Install,
            install: Install::default(),
            wipe: Wipe::None,
        }
    }
}

impl Lifecycle {
    /// What the next network boot does once the device is approved.
    pub fn boot_order(&self) -> BootOrder {
        match self.wipe {
            Wipe::Ordered { .. } => BootOrder::Wipe,
            _ => self.order.into(),
        }
    }

    /// A person gives a standing order, also the one there is: an install is then done once more. It answers whatever is asked or
    /// ordered of a wipe with a no.
    pub fn give(&mut self, order: StandingOrder) {
        self.order = order;
        self.wipe = self.wipe.after(&WipeEvent::Overruled);
        let event = match order {
            StandingOrder::Install => InstallEvent::Ordered,
            StandingOrder::Local | StandingOrder::Menu => InstallEvent::Countermanded,
        };
        self.install = self.install.after(&event, &Scene::default());
    }

    /// A person orders a wipe, after which `then` stands.
    pub fn give_wipe(&mut self, by: Actor, at: Timestamp, then: StandingOrder) -> EventKind {
        self.wipe = self.wipe.after(&WipeEvent::Ordered { by, at, then });
        EventKind::WipeOrdered {
            then,
            expires: at.plus(WIPE_VALID),
        }
    }

    /// A person changed something else of the device: an ordered wipe was for what it was before.
    pub fn change(&mut self) -> Option<EventKind> {
        self.wipe_event(&WipeEvent::Changed, EventKind::WipeCancelled)
    }

    /// A person says no to a wipe that is asked for or ordered.
    pub fn decline_wipe(&mut self) -> Option<EventKind> {
        self.wipe_event(&WipeEvent::Declined, EventKind::WipeCancelled)
    }

    /// Somebody at the console asks for a wipe.
    pub fn ask_wipe(&mut self, at: Timestamp) -> Option<EventKind> {
        self.wipe_event(&WipeEvent::Asked { at }, EventKind::WipeAsked)
    }

    /// Takes back what is asked or ordered of a wipe if its time is over.
    pub fn expire(&mut self, now: Timestamp) -> Option<EventKind> {
        if self.wipe.is_over(now) {
            return self.wipe_event(&WipeEvent::Expired, EventKind::WipeExpired);
        }
        None
    }

    /// The one script that wipes is about to leave; `None` if no wipe is ordered, and then none may leave.
    pub fn spend_wipe(&mut self, at: Timestamp) -> Option<EventKind> {
        self.wipe_event(&WipeEvent::Sent { at }, EventKind::WipeSent)
    }

    fn wipe_event(&mut self, event: &WipeEvent, told: EventKind) -> Option<EventKind> {
        let next = self.wipe.after(event);
        let changed = next != self.wipe;
        self.wipe = next;
        changed.then_some(told)
    }

    /// Takes what a machine said of itself, or a person of it. The event is what came of it; `None` if it changes nothing.
    pub fn hear(
        &mut self,
        verdict: &Verdict,
        source: ProofSource,
        scene: &Scene,
    ) -> Option<EventKind> {
        match verdict {
            Verdict::Installed | Verdict::Running => {
                self.install_event(&InstallEvent::Proven(source), scene)
            }
            Verdict::InstallFailed { error } | Verdict::BootFailed { error } => {
                self.install_event(&InstallEvent::Failed(error.clone()), scene)
            }
            Verdict::Wiped => self.wiped(source, scene),
            Verdict::Maintenance => None,
        }
    }

    /// Something happened to the install. The event is what came of it.
    pub fn install_event(&mut self, event: &InstallEvent, scene: &Scene) -> Option<EventKind> {
        let next = self.install.after(event, scene);
        if next == self.install {
            return None;
        }
        self.install = next;
        match &self.install {
            Install::Installed { by, .. } => {
                // What else a person ordered in the meantime stays.
                if self.order == StandingOrder::Install {
                    self.order = StandingOrder::Local;
                }
                Some(EventKind::InstallProven { by: *by })
            }
            Install::Failed {
                attempt,
                error,
                last_stage,
                ..
            } => Some(EventKind::InstallFailed {
                attempt: *attempt,
                error: error.clone(),
                last_stage: *last_stage,
            }),
            Install::Begun {
                attempt,
                released: false,
                ..
            } => Some(EventKind::InstallRepeated { attempt: *attempt }),
            // That a config goes out has an event of its own.
            Install::Begun { .. } | Install::Waiting { .. } => None,
        }
    }

    fn wiped(&mut self, source: ProofSource, scene: &Scene) -> Option<EventKind> {
        let Wipe::Spent { then, .. } = self.wipe else {
            return None;
        };
        self.wipe = self.wipe.after(&WipeEvent::Proven {
            by: source,
            at: scene.at,
        });
        self.install = self.install.after(&InstallEvent::Wiped, scene);
        self.order = then;
        Some(EventKind::WipeProven { by: source, then })
    }
}
