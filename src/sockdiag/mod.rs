//! stub
/// stub
#[derive(Debug, Clone, PartialEq, Default)]
pub struct TcpInfoValues;
