/// The machine this process runs on.
#[derive(Debug, Clone, Copy, Default)]
pub struct System;
