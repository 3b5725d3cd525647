//! What can befall a service besides its own death: it freezes, or the gateway, the broker, the disk or the data folder
//! fails it. Whatever it is, every promise is kept once it is over.

mod disk;
mod escalation;
mod folder;
mod frozen;
mod others;
