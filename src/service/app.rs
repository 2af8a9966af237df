//! The application server's answers.
/// A request.
#[derive(Debug)]
pub struct Request<'a>(pub &'a [u8]);
