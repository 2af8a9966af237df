//! stub
/// stub: the fields that are used so far, by the names of the real one.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct TcpInfoValues {
    /// stub
    pub rtt_us: Option<u32>,
    /// stub
    pub bytes_sent: Option<u64>,
    /// stub
    pub bytes_received: Option<u64>,
    /// stub
    pub total_retrans: Option<u32>,
}
