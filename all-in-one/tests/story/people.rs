//! Invented people, in the shape of a real clinic's export.

/// People of a register.
pub struct People(Vec<Person>);

struct Person {
    first: String,
    last: String,
    born: String,
    email: String,
    phone: String,
}

impl People {
    /// So many of them, the same each time.
    pub fn invented(count: usize) -> People {
        let person = |n: usize| Person {
            first: format!("Zelda{n:03}"),
            last: format!("Quillfeather{n:03}"),
            born: format!("19{:02}-{:02}-{:02}", 20 + n % 70, 1 + n % 12, 1 + n % 28),
            email: format!("zelda{n:03}.quill@example.org"),
            phone: format!("+1 617 555 {n:04}"),
        };
        People((0..count).map(person).collect())
    }

    /// As a CSV file with more columns than anybody needs.
    pub fn csv(&self) -> String {
        let mut file =
            String::from("Id,BIRTHDATE,DEATHDATE,SSN,PREFIX,FIRST,LAST,ADDRESS,CITY,EMAIL,PHONE\n");
        for (n, p) in self.0.iter().enumerate() {
            file.push_str(&format!(
                "MRN-{n:05},{},,999-99-{n:04},Ms.,{},{},\"{n} Mill Lane, Flat 2\",Leeds,{},{}\n",
                p.born, p.first, p.last, p.email, p.phone
            ));
        }
        file
    }

    /// Strings that must not be found where nothing personal may be.
    pub fn planted(&self) -> impl Iterator<Item = &str> {
        self.0.iter().flat_map(|p| [p.email.as_str(), p.last.as_str(), p.phone.as_str()])
    }
}
