//! An operator of NATS: keys, and JSON Web Tokens that these sign, as the tool `nsc` makes them.
//! `openssl` has the cryptography.
//!
//! The operator signs accounts, an account signs its users, and a user signs what the broker gives it to.
//! So a broker that knows the operator knows them all.

use std::process::Command;

use super::servers::file;

/// What a key is of; the first letter of its text.
#[derive(Clone, Copy)]
enum Kind {
    Operator = 14 << 3,
    Account = 0,
    User = 20 << 3,
}

/// The first letter of a secret key.
const SEED: u8 = 18 << 3;

/// A key; its secret is in a file.
struct Key {
    /// The file.
    path: String,
    /// What names it.
    public: String,
}

impl Key {
    /// Makes one.
    fn new(kind: Kind, name: &str) -> Self {
        let path = file(&format!("{name}.der"));
        openssl(&["genpkey", "-algorithm", "ed25519", "-outform", "DER", "-out", &path]);
        let form = ["-inform", "DER", "-pubout", "-outform", "DER"];
        let public = openssl(&[&["pkey", "-in", &path][..], &form].concat());
        Self { path, public: checked(&[kind as u8], last_32(&public)) }
    }

    /// Its secret as text.
    fn seed(&self, kind: Kind) -> String {
        let kind = kind as u8;
        let secret = std::fs::read(&self.path).unwrap();
        checked(&[SEED | kind >> 5, (kind & 31) << 3], last_32(&secret))
    }

    /// A token about `of`, which has these claims.
    fn token(&self, of: &Self, name: &str, claims: &str) -> String {
        let head = r#"{"typ":"JWT","alg":"ed25519-nkey"}"#;
        let claims = format!(
            r#"{{"jti":"{name}","iat":1700000000,"iss":"{}","sub":"{}","name":"{name}","nats":{{{claims},"version":2}}}}"#,
            self.public, of.public
        );
        let text = format!("{}.{}", base64(head.as_bytes()), base64(claims.as_bytes()));
        let unsigned = file(&format!("{name}.unsigned"));
        std::fs::write(&unsigned, &text).unwrap();
        let key = ["-keyform", "DER", "-inkey", &self.path];
        let signature =
            openssl(&[&["pkeyutl", "-sign", "-rawin", "-in", &unsigned][..], &key].concat());
        format!("{text}.{}", base64(&signature))
    }
}

/// An operator with an account for its brokers.
pub(crate) struct Operator {
    key: Key,
    /// Lines of a configuration.
    pub(crate) config: String,
}

/// An account.
pub(crate) struct Account(Key);

impl Operator {
    /// Makes one, that brokers trust which have its configuration, and these accounts, which may use
    /// JetStream.
    pub(crate) fn new<const N: usize>(name: &str, accounts: [&str; N]) -> (Self, [Account; N]) {
        let key = Key::new(Kind::Operator, name);
        let mut operator = Self { key, config: String::new() };
        let token = operator.key.token(&operator.key, name, r#""type":"operator""#);
        let system = operator.account(&format!("{name}-system"), 0);
        let accounts = accounts.map(|name| operator.account(name, -1));
        operator.config = format!(
            "operator: {token}\nsystem_account: {}\nresolver: MEMORY\nresolver_preload: {{\n{}}}\n",
            system.0.public, operator.config
        );
        (operator, accounts)
    }

    /// Makes an account that may store so much; -1: anything.
    fn account(&mut self, name: &str, storage: i8) -> Account {
        let account = Key::new(Kind::Account, name);
        let limits = ["subs", "data", "payload", "imports", "exports", "conn", "leaf"];
        let limits = limits.map(|limit| format!("\"{limit}\":-1,")).concat();
        let stores = ["mem_storage", "disk_storage", "streams", "consumer"];
        let stores = stores.map(|limit| format!("\"{limit}\":{storage}")).join(",");
        let claims = format!(r#""type":"account","limits":{{{limits}"wildcards":true,{stores}}}"#);
        let token = self.key.token(&account, name, &claims);
        self.config.push_str(&["  ", &account.public, ": ", &token, "\n"].concat());
        Account(account)
    }
}

impl Account {
    /// Makes a user and a file NAME.creds of it.
    pub(crate) fn user(&self, name: &str) {
        let user = Key::new(Kind::User, name);
        let claims = r#""type":"user","pub":{},"sub":{},"subs":-1,"data":-1,"payload":-1"#;
        let token = self.0.token(&user, name, claims);
        let part = |what: &str, text: &str| {
            format!("-----BEGIN {what}-----\n{text}\n------END {what}------\n\n")
        };
        let seed = user.seed(Kind::User);
        let text = part("NATS USER JWT", &token) + &part("USER NKEY SEED", &seed);
        std::fs::write(file(&format!("{name}.creds")), text).unwrap();
    }
}

/// What `openssl` says to this.
fn openssl(arguments: &[&str]) -> Vec<u8> {
    let output = Command::new("openssl").args(arguments).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

/// The bytes of a key at the end of its file.
fn last_32(der: &[u8]) -> &[u8] {
    &der[der.len() - 32..]
}

/// Bytes with what they are of in front, and a checksum (CRC-16/XMODEM) behind, as text.
fn checked(kind: &[u8], bytes: &[u8]) -> String {
    let mut all = [kind, bytes].concat();
    let mut sum = 0_u16;
    for &byte in &all {
        sum ^= u16::from(byte) << 8;
        for _ in 0..8 {
            sum = if sum & 0x8000 == 0 { sum << 1 } else { sum << 1 ^ 0x1021 };
        }
    }
    all.extend_from_slice(&sum.to_le_bytes());
    encoded(&all, 5, b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567")
}

/// Base64 for addresses.
fn base64(bytes: &[u8]) -> String {
    let letters = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    encoded(bytes, 6, letters)
}

/// Bytes as letters of so many bits.
fn encoded(bytes: &[u8], bits: usize, letters: &[u8]) -> String {
    let of_byte = |byte: u8| (0..8).rev().map(move |n| usize::from(byte >> n & 1));
    let mut all: Vec<_> = bytes.iter().copied().flat_map(of_byte).collect();
    all.resize(all.len().next_multiple_of(bits), 0);
    let number = |chunk: &[usize]| chunk.iter().fold(0, |number, bit| 2 * number + bit);
    all.chunks(bits).map(|chunk| char::from(letters[number(chunk)])).collect()
}
