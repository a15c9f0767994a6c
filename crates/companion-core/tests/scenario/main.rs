//! What a person lives through, told to the core as inputs and checked on effects and snapshot.

#![expect(clippy::expect_used, reason = "a test stops at the first surprise")]

mod harness;
mod pairing;
mod properties;
mod staying;
