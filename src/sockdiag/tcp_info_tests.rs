use proptest::prelude::*;

use super::*;

/// 280 bytes, as Linux 6.18 sends, that differ from one another.
fn bytes() -> Vec<u8> {
    (0..280u16).map(|byte| (byte % 251) as u8 + 1).collect()
}

/// The fields that are there, by their JSON keys.
fn present(bytes: &[u8]) -> Vec<String> {
    let json = serde_json::to_value(TcpInfo::new(bytes).values()).unwrap();
    let object = json.as_object().unwrap();
    object
        .iter()
        .filter(|(_, value)| !value.is_null())
        .map(|(key, _)| key.clone())
        .collect()
}

#[test]
fn the_fields_fill_the_struct_without_a_gap() {
    // Bytes 6 and 7 are bit fields.
    let mut end = 0;
    for &(name, offset, size) in FIELDS {
        assert_eq!(offset, if end == 6 { 8 } else { end }, "{name}");
        assert_eq!(offset % size, 0, "{name}");
        end = offset + size;
    }
    assert_eq!(end, 280);
}

#[test]
fn a_field_is_there_when_its_last_byte_is() {
    for length in 0..=bytes().len() {
        let info = &bytes()[..length];
        let found = present(info);
        for &(name, offset, size) in FIELDS {
            let expected = length >= offset + size;
            assert_eq!(
                found.contains(&name.to_owned()),
                expected,
                "{name} in {length}"
            );
        }
        assert_eq!(TcpInfo::new(info).rcv_wscale().is_some(), length > 6);
        assert_eq!(
            TcpInfo::new(info).fastopen_client_fail().is_some(),
            length > 7
        );
    }
}

#[test]
fn a_longer_struct_of_a_later_kernel_is_read() {
    let longer = [bytes(), vec![0xff; 100]].concat();
    let info = TcpInfo::new(&longer);
    assert_eq!(info.len(), 380);
    assert_eq!(info.values(), TcpInfo::new(&bytes()).values());
}

#[test]
#[cfg(target_endian = "little")]
fn bit_fields_begin_at_the_low_end() {
    let mut bytes = [0; 8];
    bytes[6] = 0xa7;
    bytes[7] = 0b101;
    let info = TcpInfo::new(&bytes);
    assert_eq!((info.snd_wscale(), info.rcv_wscale()), (Some(7), Some(10)));
    assert_eq!(info.delivery_rate_app_limited(), Some(true));
    assert_eq!(info.fastopen_client_fail(), Some(2));
}

#[test]
fn numbers_that_stand_for_unknown_are_unknown() {
    let unlimited = [0xff; 280];
    let info = TcpInfo::new(&unlimited);
    assert_eq!(info.pacing_rate_bytes_per_second(), None);
    assert_eq!(info.max_pacing_rate_bytes_per_second(), None);
    assert_eq!(info.min_rtt_us(), None);
    assert_eq!(info.bytes_acked(), Some(u64::MAX));
    let unmeasured = [0; 280];
    let info = TcpInfo::new(&unmeasured);
    assert_eq!((info.rtt_us(), info.rcv_rtt_us()), (None, None));
    assert_eq!((info.rto_us(), info.min_rtt_us()), (Some(0), Some(0)));
    let mut no_loss_yet = [0; 80];
    no_loss_yet[76..].copy_from_slice(&0x7fff_ffffu32.to_ne_bytes());
    assert_eq!(TcpInfo::new(&no_loss_yet).snd_ssthresh(), None);
}

proptest! {
    #[test]
    fn any_bytes_are_read(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        let values = TcpInfo::new(&bytes).values();
        prop_assert_eq!(values.state, bytes.first().copied());
    }
}
