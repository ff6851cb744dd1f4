//! Events as Talos marshals them, field by field, and bytes that are none.

use hex_literal::hex;
use proptest::prelude::*;

use super::*;

/// Wraps the bytes of an event of the given kind, shorter than 128 bytes, by hand.
fn request(kind: &str, value: &[u8]) -> Vec<u8> {
    let field = |tag: u8, content: &[u8]| {
        let length = u8::try_from(content.len()).unwrap();
        assert!(length < 128);
        [&[tag << 3 | 2, length], content].concat()
    };
    let url = format!("type.googleapis.com/machine.{kind}");
    let any = [field(1, url.as_bytes()), field(2, value)].concat();
    [field(1, &any), field(2, b"d6oj4nau3i80009q23qg")].concat()
}

fn read(kind: &str, value: &[u8]) -> TalosNotice {
    decode(&request(kind, value)).unwrap().notice
}

#[test]
fn an_event_is_read_field_by_field() {
    let url = b"x/machine.RestartEvent";
    let mut bytes = vec![0x0a, 2 + 22 + 2 + 6, 0x0a, 22];
    bytes.extend(url);
    bytes.extend(hex!("1206 08c38ae1aa04" "1202 6964" "1a01 61"));
    let event = decode(&bytes).unwrap();
    assert_eq!((event.id.as_str(), event.actor.as_str()), ("id", "a"));
    let command = RestartCommand(0x4558_4543);
    assert_eq!(event.notice, TalosNotice::Restart { command });
}

#[test]
fn what_is_not_sent_has_its_default() {
    assert_eq!(
        read("MachineStatusEvent", &[]),
        TalosNotice::Status {
            stage: TalosStage::Unknown,
            ready: false,
            unmet: vec![]
        }
    );
    assert_eq!(
        read("SequenceEvent", &hex!("0a01 78")),
        TalosNotice::Sequence {
            sequence: "x".to_owned(),
            action: SequenceAction::Noop,
            error: None
        }
    );
    // An error whose code is 0 and whose text is empty leaves two bytes, and is one.
    let TalosNotice::Sequence { error, .. } = read("SequenceEvent", &hex!("1a00")) else {
        panic!("another event");
    };
    assert_eq!(error.unwrap().code, ErrorCode::Fatal);
    assert_eq!(
        decode(&[]).unwrap().notice,
        TalosNotice::Unknown {
            type_url: String::new()
        }
    );
}

#[test]
fn what_is_newer_than_this_program_is_taken() {
    let TalosNotice::Unknown { type_url } = read("NewEvent", &hex!("ffff")) else {
        panic!("another event");
    };
    assert_eq!(type_url, "type.googleapis.com/machine.NewEvent");
    // An unknown stage, with unknown fields of all wire types around it.
    let value = hex!("0863" "7a03616263" "7801" "7d01020304" "790102030405060708");
    let TalosNotice::Status { stage, .. } = read("MachineStatusEvent", &value) else {
        panic!("another event");
    };
    assert_eq!(stage, TalosStage::Other);
    for (kind, expected) in [
        ("PhaseEvent", "other"),
        ("TaskEvent", "other"),
        ("SequenceEvent", "other"),
        ("ServiceStateEvent", "other"),
    ] {
        let json = format!("{:?}", read(kind, &hex!("1063"))).to_lowercase();
        assert!(json.contains(expected), "{json}");
    }
}

#[test]
fn what_is_damaged_is_taken_as_such() {
    for value in [
        &hex!("0a05 78")[..],
        &hex!("0a01 ff"),
        &hex!("08 ffffffffffffffffffff01"),
    ] {
        let notice = read("SequenceEvent", value);
        assert!(matches!(notice, TalosNotice::Damaged { .. }), "{notice:?}");
    }
    for bytes in [
        &hex!("0a05 78")[..],
        &hex!("ff"),
        &hex!("1202 ffff"),
        &hex!("0b"),
        &hex!("00"),
    ] {
        assert!(decode(bytes).is_err(), "{bytes:02x?}");
    }
}

#[test]
fn addresses_that_are_none_are_left_out() {
    let value = [
        &hex!("0a01 68" "1209")[..],
        b"192.0.2.1",
        &hex!("1203"),
        b"::1",
        &hex!("1202"),
        b"no",
    ]
    .concat();
    assert_eq!(
        read("AddressEvent", &value),
        TalosNotice::Address {
            hostname: "h".to_owned(),
            addresses: vec!["192.0.2.1".parse().unwrap(), "::1".parse().unwrap()],
        }
    );
}

#[test]
fn only_real_times_are_times() {
    for (seconds, nanos, expected) in [
        (0, 0, Some(0)),
        (1, 1_999, Some(1_000_001)),
        (-1, 500_000_000, Some(-500_000)),
        (NO_TIME, 0, None),
        (0, -1, None),
        (0, 1_000_000_000, None),
        (i64::MAX, 0, None),
        (i64::MIN, 0, None),
    ] {
        let got = moment(&message::Timestamp { seconds, nanos });
        assert_eq!(
            got,
            expected.map(Timestamp::from_micros),
            "{seconds} {nanos}"
        );
    }
}

#[test]
fn no_nesting_is_too_deep() {
    // Groups within groups, which only an unknown field can have.
    let bytes = vec![0x7b; 100_000];
    assert!(decode(&bytes).is_err());
}

proptest! {
    #[test]
    fn any_bytes_are_an_event_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = decode(&bytes);
    }

    #[test]
    fn any_content_of_any_kind_is_an_event(
        kind in prop::sample::select(vec![
            "SequenceEvent", "PhaseEvent", "TaskEvent", "ServiceStateEvent", "RestartEvent", "ConfigLoadErrorEvent",
            "ConfigValidationErrorEvent", "AddressEvent", "MachineStatusEvent", "OtherEvent",
        ]),
        value in prop::collection::vec(any::<u8>(), 0..60),
    ) {
        prop_assert_eq!(decode(&request(kind, &value)).unwrap().id, "d6oj4nau3i80009q23qg");
    }
}
