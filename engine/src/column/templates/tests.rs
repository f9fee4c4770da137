//! Templates as a whole: every text comes back, any bytes are refused or read.

use super::*;

struct Texts {
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

impl Texts {
    fn new(texts: impl Iterator<Item = String>) -> Self {
        let mut all = Self { bytes: Vec::new(), ends: Vec::new() };
        for text in texts {
            all.bytes.extend_from_slice(text.as_bytes());
            all.ends.push(all.bytes.len());
        }
        all
    }

    fn run(&self) -> Run<'_> {
        Run { bytes: &self.bytes, start: 0, ends: &self.ends }
    }
}

/// Writes and reads back; the bytes of the form and the page.
fn round_trip(texts: &Texts) -> Option<(usize, usize)> {
    let templates = Templates::of(texts.run(), Codec::Lz4, &mut Packer::default())?;
    let mut form = Vec::new();
    templates.write(&mut form);
    let mut input = form.as_slice();
    let read = Templates::read(&mut input).expect("the form reads");
    assert!(input.is_empty() && read == templates);
    let mut page = Vec::new();
    templates.put(texts.run(), &mut page);
    let (mut out, mut ends) = (Vec::new(), Vec::new());
    read.decode(&page, texts.ends.len(), &mut out, &mut ends).expect("the page reads");
    assert_eq!((&out, &ends), (&texts.bytes, &texts.ends));
    // A part of the texts is a page as well.
    let part = texts.run().part(100..200);
    page.clear();
    templates.put(part, &mut page);
    read.decode(&page, 100, &mut out, &mut ends).expect("the page reads");
    assert_eq!(out, part.whole());
    Some((form.len(), page.len()))
}

#[test]
fn messages_come_back_as_they_were() {
    let message = |n: u64| match n % 7 {
        0 => format!("served /items/{n} in {}.{:03} ms", n % 50, n % 1000),
        1 => {
            format!("stored mem_{:014x} with {} tokens", n.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 8, n % 4000)
        }
        2 => format!("model gpt-4o{} said {}", if n.is_multiple_of(2) { "" } else { "-mini" }, n),
        3 => "heartbeat".to_owned(),
        4 => format!("{n}"),
        5 => format!("\u{e4}\u{4e2d} {n:05} \u{1f600}{n}x"),
        _ => String::new(),
    };
    let texts = Texts::new((0..5000).map(message));
    let (form, page) = round_trip(&texts).expect("these have templates");
    assert!(form < 400 && page < 600, "{form} and {page} bytes");
}

#[test]
fn odd_words_come_back_as_they_were() {
    let odd = [
        "0",
        "00",
        "007",
        "18446744073709551616",
        "999999999999999999",
        "0a",
        "A0",
        "a0",
        "1_2",
        "x\u{0}1",
        "1\u{0}",
    ];
    let message = |n: usize| format!("value {} and {}", odd[n % odd.len()], n % 13);
    round_trip(&Texts::new((0..3000).map(message)));
    let padded = |n: usize| format!("{:02}:{:02} {}", n % 24, n % 60, ["0", "00", "10"][n % 3]);
    assert!(round_trip(&Texts::new((0..3000).map(padded))).is_some());
    let mostly = |n: usize| if n.is_multiple_of(5) { "y".repeat(n % 97) } else { format!("n={n}") };
    assert!(round_trip(&Texts::new((0..3000).map(mostly))).is_some());
}

#[test]
fn a_form_and_a_page_are_read_for_ever() {
    // Stored: two templates, "a" number "-" hex "!" and "b" text; then texts 1, none, 2, 1.
    let list = b"\x02\x02\x01a\x01-\x01!\x03\x05\x04\x42\x01\x01b\x00\x13";
    let form =
        [&[0, u8::try_from(list.len()).unwrap(), u8::try_from(list.len()).unwrap()], &list[..]].concat();
    let page = b"\x61\x01\x01?\x02\x027q\xa2\x3f\xa7\x0c";
    let read = Templates::read(&mut form.as_slice()).unwrap();
    let (mut out, mut ends) = (Vec::new(), Vec::new());
    read.decode(page, 4, &mut out, &mut ends).unwrap();
    assert_eq!(String::from_utf8_lossy(&out), "a007-af3!?b7qa012-ac0!");
    assert_eq!(ends, [9, 10, 13, 22]);
}

#[test]
fn prose_has_no_templates() {
    let words = ["alpha", "beta", "gamma", "delta", "eps", "zeta", "eta", "theta"];
    let prose = |n: usize| {
        (0..9).map(|at| words[(n >> at) * 31 % 8]).collect::<Vec<_>>().join(" ") + &"-".repeat(n % 200)
    };
    assert!(
        Templates::of(Texts::new((0..5000).map(prose)).run(), Codec::Lz4, &mut Packer::default()).is_none()
    );
    assert!(
        Templates::of(
            Texts::new((0..10).map(|n| format!("n {n}"))).run(),
            Codec::Lz4,
            &mut Packer::default()
        )
        .is_none()
    );
}

#[test]
fn any_page_and_any_form_are_refused_or_read() {
    let texts = Texts::new((0..600).map(|n| format!("step {n} of {:04x} took {}ms", n * 77, n % 9)));
    let templates = Templates::of(texts.run(), Codec::Stored, &mut Packer::default()).unwrap();
    let (mut form, mut page) = (Vec::new(), Vec::new());
    templates.write(&mut form);
    templates.put(texts.run(), &mut page);
    let (mut out, mut ends) = (Vec::new(), Vec::new());
    for at in 0..form.len() {
        for bit in 0..8 {
            let mut form = form.clone();
            form[at] ^= 1 << bit;
            if let Some(read) = Templates::read(&mut form.as_slice()) {
                let _ = read.decode(&page, 600, &mut out, &mut ends);
            }
        }
    }
    for at in 0..page.len() {
        let mut page = page.clone();
        page[at] ^= 0xff;
        let _ = templates.decode(&page, 600, &mut out, &mut ends);
    }
    for len in 0..page.len() {
        assert_eq!(templates.decode(&page[..len], 600, &mut out, &mut ends), None, "cut at {len}");
    }
    assert_eq!(templates.decode(&page, 599, &mut out, &mut ends), None);
}
