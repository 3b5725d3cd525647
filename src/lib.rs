//! Almoner.

pub mod commands {
    //! The commands of the binary, one a file.

    pub mod gateway_sim;
}
pub mod simulator;
