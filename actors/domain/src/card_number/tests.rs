//! Card numbers as people and programs write them, and what only looks like one.

use proptest::prelude::*;

use super::*;

/// Published test numbers of the networks.
const NUMBERS: &[&str] = &[
    "4111111111111111",
    "4242424242424242",
    "4222222222222",
    "5555555555554444",
    "2223003122003222",
    "378282246310005",
    "6011111111111117",
    "3056930009020004",
    "36227206271667",
    "3566002020360505",
    "6200000000000005",
    "6759649826438453",
    "2200000000000004",
    "6521111111111110",
];

fn check(text: &str, expected: &str) {
    assert_eq!(masked(text), expected);
    let mut bytes = text.as_bytes().to_vec();
    assert_eq!(mask_text(&mut bytes), text != expected);
    assert_eq!(bytes, expected.as_bytes());
}

#[test]
fn the_networks_test_numbers_are_card_numbers() {
    for number in NUMBERS {
        let luhn_broken = format!(
            "{}{}",
            &number[..number.len() - 1],
            (number.as_bytes()[number.len() - 1] - b'0' + 1) % 10
        );
        assert!(is_card_number(number), "{number}");
        assert!(!is_card_number(&luhn_broken), "{luhn_broken}");
        assert!(number.parse().is_ok_and(is_card_integer), "{number}");
    }
}

#[test]
fn they_are_masked_as_people_write_them() {
    check("4111111111111111", "****************");
    check(
        "card 4111 1111 1111 1111, exp 12/27",
        "card **** **** **** ****, exp 12/27",
    );
    check("4111-1111-1111-1111", "****-****-****-****");
    check("amex 3782-822463-10005.", "amex ****-******-*****.");
    check("visa4111111111111111x", "visa****************x");
    check(
        "pay №4111111111111111 – danke",
        "pay №**************** – danke",
    );
    check(
        "a 4111111111111111 b 5555555555554444",
        "a **************** b ****************",
    );
    check("1 4111 1111 1111 1111 27", "1 **** **** **** **** 27");
}

#[test]
fn other_numbers_stay() {
    for text in [
        "",
        "no digits",
        "1234567890123456",
        "4111111111111112",
        "41111111111111111111",
        "04111111111111111",
        "4111  1111 1111 1111",
        "4111/1111/1111/1111",
        "1790000000000",
        "2026-11-21 12:30:00",
        "41111111-1111-4111-8111-111111111111",
        "id=41111111-1111-4111-8111-111111111111;",
        "a4111111111111111bcdefabcdefabcdefa",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        "abcdefabcdefabcdefabcdefabcd4111-1111-1111-1111",
        "4111-1111-1111-1111abcdefabcdefabcdefabcdefabcd",
    ] {
        check(text, text);
    }
    let sha_512 = format!("{}4111111111111111", "abcdefab".repeat(14));
    check(&sha_512, &sha_512);
    // Longer than any hash, it is a place to hide in.
    check(
        &format!("a{sha_512}"),
        &format!("a{}{}", "abcdefab".repeat(14), "*".repeat(16)),
    );
    assert!(!is_card_number("card 4111111111111111"));
    assert!(is_card_number(" 4111 1111 1111 1111 "));
    assert!(contains_card_number("card 4111111111111111"));
}

#[test]
fn in_messages_text_binary_and_integers_are_masked_and_the_structure_stays() {
    let number = 4_111_111_111_111_111_u64;
    let message = |text: &str, binary: &[u8], integer: [u8; 8], float: [u8; 8]| {
        let mut bytes = vec![0x84, 0xa1, b'a', 0xd9, u8::try_from(text.len()).unwrap()];
        bytes.extend(text.as_bytes());
        bytes.extend([0xa1, b'b', 0xc4, u8::try_from(binary.len()).unwrap()]);
        bytes.extend(binary);
        bytes.extend([0xa1, b'c', 0xcf]);
        bytes.extend(integer);
        bytes.extend([0xa1, b'd', 0xcb]);
        bytes.extend(float);
        bytes
    };
    // 52 bytes: the length byte is the digit 4 in ASCII, and touches the number only for who does not read MessagePack.
    let tail = " thank you, and give my best to everybody";
    let (open, hidden) = (
        format!("4222222222222{tail}"),
        format!("*************{tail}"),
    );
    assert!((48..=57).contains(&open.len()));
    let mut bytes = message(
        &open,
        b"5555555555554444",
        number.to_be_bytes(),
        (number as f64).to_be_bytes(),
    );
    assert!(mask_message(&mut bytes));
    assert_eq!(bytes, message(&hidden, b"****************", [0; 8], [0; 8]));
    assert!(!mask_message(&mut bytes));
}

#[test]
fn what_is_no_messagepack_is_masked_as_text() {
    let mut json = br#"{"card":"4111111111111111"}"#.to_vec();
    assert!(mask_message(&mut json));
    assert_eq!(json, br#"{"card":"****************"}"#);

    let mut cut = b"\x82\xa4card\xd9\x40".to_vec();
    cut.extend(b"4111111111111111 and no more");
    assert!(mask_message(&mut cut));
    assert!(cut.ends_with(b"**************** and no more"), "{cut:?}");
}

#[test]
fn a_length_is_no_digit_of_the_text_after_it() {
    // 52 bytes of text, and 52 is the digit 4 in ASCII.
    let mut bytes = [b"\xd94", &[b'1'; 15][..], &[b' '; 37]].concat();
    assert!(!mask_message(&mut bytes), "{bytes:?}");
}

#[test]
fn what_masking_lays_bare_is_masked_too() {
    // A map that is cut. As text it is one run of 32 digits; read, it is a text of 16 and then small numbers.
    let mut bytes = b"\x8f\xb041111111111111115555555555554444".to_vec();
    assert!(mask_message(&mut bytes));
    assert_eq!(bytes, b"\x8f\xb0********************************");
}

#[test]
fn chance_masks_no_uuid() {
    // Of ids that are all digits and begin as Visa's numbers do, chance would mask many a one; as UUIDs they are exempt.
    for n in 0..20_000u64 {
        let digits = format!("4{:015}{:016}", n * 7_919, n * 104_729);
        let uuid = uuid::Uuid::parse_str(&digits)
            .unwrap()
            .hyphenated()
            .to_string();
        check(&uuid, &uuid);
    }
}

/// Bytes rich in digits, separators and card numbers.
fn digit_soup() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        proptest::sample::select(NUMBERS).prop_map(|number| number.as_bytes().to_vec()),
        "[0-9]{1,20}".prop_map(String::into_bytes),
        "[ \\-a-f]{1,3}".prop_map(String::into_bytes),
        proptest::collection::vec(any::<u8>(), 0..6),
        Just(vec![0xcf]),
        (0..NUMBERS.len()).prop_map(|i| NUMBERS[i]
            .parse::<u64>()
            .unwrap_or(0)
            .to_be_bytes()
            .to_vec()),
    ];
    proptest::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn masking_keeps_the_length_and_is_idempotent(mut bytes in digit_soup()) {
        let length = bytes.len();
        mask_message(&mut bytes);
        prop_assert_eq!(bytes.len(), length);
        prop_assert!(!mask_message(&mut bytes));

        mask_text(&mut bytes);
        prop_assert!(find(&bytes).next().is_none());
    }

    #[test]
    fn text_and_bytes_are_masked_alike(text in "[0-9 a-f\\-é]{0,60}") {
        let mut bytes = text.clone().into_bytes();
        mask_text(&mut bytes);
        let hidden = masked(&text);
        prop_assert_eq!(hidden.as_bytes(), &bytes[..]);
        prop_assert_eq!(masked(&hidden), hidden.clone());
    }

    #[test]
    fn a_number_in_any_grouping_is_found(
        which in 0..NUMBERS.len(),
        gaps in proptest::collection::vec(proptest::option::weighted(0.3, proptest::sample::select(vec![' ', '-'])), 19),
        before in "[a-z(:]{0,4}", after in "[a-z):.]{0,4}",
    ) {
        let mut written = before;
        for (i, digit) in NUMBERS[which].chars().enumerate() {
            if i > 0 {
                written.extend(gaps[i]);
            }
            written.push(digit);
        }
        written.push_str(&after);
        prop_assert!(!masked(&written).contains(|char: char| char.is_ascii_digit()), "{}", written);
    }

    #[test]
    fn an_id_in_base_62_is_left_alone(id in "pi_[0-9A-Za-z]{24}") {
        prop_assert!(!contains_card_number(&id));
    }
}
