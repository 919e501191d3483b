//! Inputs: exports as they are met, and what may become of them on the way.

/// A small generator of numbers, so that a seed gives the same run again.
pub struct Dice(u64);

impl Dice {
    pub fn new(seed: u64) -> Dice {
        Dice(seed ^ 0x9e37_79b9_7f4a_7c15)
    }

    /// Below `sides`, which is not zero.
    pub fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) as usize % sides
    }

    fn pick<'a, T: ?Sized>(&mut self, from: &[&'a T]) -> &'a T {
        from[self.roll(from.len())]
    }
}

/// Files of several programs. Three bytes for the choices stand before each.
pub fn seeds() -> Vec<Vec<u8>> {
    let mut files: Vec<Vec<u8>> = [
        "email,first_name,last_name,phone,dob\r\nada@example.org,Ada,Lovelace,+44 20 7946 0000,1815-12-10\r\n",
        "\u{feff}Nachname;Vorname;Größe\r\nMüller;Jörg;1,85\r\nWeiß;\"Zoë \"\"Z\"\"\";1,60\r\n",
        "sep=|\r\nid|name|notes\r\n1|Ada|\"two\r\nlines\"\r\n2|Eve|5\" tall\r\n",
        "MRN\tName\tDOB\n001\tO'Brien, Pat\t31/12/1970\n\n002\t=1+1\t12/31/1970\n\t\t\n",
        "a,b\rone,\"x\ny\"\rtwo,z\r",
        "name,note\nx,\"never closed\ny,z\nw,\"fine\"\n",
        "'+1,'@x,\"'=y\"\n,,\n\"\",\" \"\n",
    ]
    .iter()
    .map(|text| text.as_bytes().to_vec())
    .collect();
    files.push(b"Nom;Pr\xe9nom\r\nLef\xe8vre;Zo\xeb\r\n\x84Ja\x93;\x80\r\n".to_vec());
    let wide = "id,Name\r\n1,Ada\r\n".encode_utf16();
    files.push([0xff, 0xfe].into_iter().chain(wide.flat_map(u16::to_le_bytes)).collect());
    files.push(b"PK\x03\x04\x14\x00[Content_Types].xml".to_vec());
    files.into_iter().map(|file| [&[0, 0, 0], &file[..]].concat()).collect()
}

const PARTS: [&[u8]; 34] = [
    b"\"",
    b"\"\"",
    b"\"\"\"",
    b",",
    b";",
    b"\t",
    b"|",
    b"\r\n",
    b"\n",
    b"\r",
    b"\0",
    b"\xef\xbb\xbf",
    b"\xff\xfe",
    b"\xfe\xff",
    b"\xc3\xa9",
    b"\xe2\x82\xac",
    b"\xf0\x9f\x98\x80",
    b"\xe9",
    b"\x81",
    b"\xdf\x93",
    b"\xc3",
    b"\xe2\x82",
    b"sep=;\n",
    b"sep=",
    b"'",
    b"=",
    b"+",
    b"'=",
    b" ",
    b"\xc2\xa0",
    b"\",\"",
    b"\"\n\"",
    b"31/12/1970",
    b"<",
];

/// Another input, from these.
pub fn mutate(dice: &mut Dice, corpus: &[Vec<u8>]) -> Vec<u8> {
    let mut input = corpus[dice.roll(corpus.len())].clone();
    for _ in 0..=dice.roll(6) {
        let at = dice.roll(input.len() + 1);
        let end = (at + dice.roll(24)).min(input.len());
        match dice.roll(9) {
            0 => input.truncate(at),
            1 => drop(input.drain(at..end)),
            2 => drop(input.splice(at..at, dice.pick(&PARTS).iter().copied())),
            3 => drop(input.splice(at..end, dice.pick(&PARTS).iter().copied())),
            4 => {
                let other = &corpus[dice.roll(corpus.len())];
                let from = dice.roll(other.len() + 1);
                input.splice(at..end, other[from..].iter().copied());
            }
            5 => {
                let part = input[at..end].repeat(1 + dice.roll(4));
                input.splice(at..at, part);
            }
            6 if at < input.len() => input[at] ^= 1 << dice.roll(8),
            7 if at < input.len() => input[at] = dice.roll(256) as u8,
            _ => (0..3.min(input.len())).for_each(|place| input[place] = dice.roll(256) as u8),
        }
        input.truncate(4096);
    }
    // Now and then something past the sizes at which reading decides: the first KiB, the first 64.
    if dice.roll(2000) == 0 && input.len() > 8 {
        let tail = input[3..].repeat((1 << (8 + dice.roll(10))) / input.len() + 1);
        input.extend(tail);
    }
    input
}
