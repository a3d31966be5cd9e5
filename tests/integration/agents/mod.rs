//! Log agents: the blocks that connect them, the check of their configuration, and real ones where they are installed.

mod blocks;
mod check;
