//! Where brokers are, and who one is there.

use std::io;

use async_nats::ServerAddr;

/// User and password, or a token.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Login {
    /// The user, or the token.
    pub(super) name: String,
    /// The password; a token has none.
    pub(super) password: Option<String>,
}

/// An error about what the caller has given.
pub(super) fn invalid<T>(message: String) -> io::Result<T> {
    Err(io::Error::new(io::ErrorKind::InvalidInput, message))
}

/// Addresses with commas in between.
///
/// # Errors
/// `InvalidInput`: one is none.
pub(super) fn parse(url: &str) -> io::Result<Vec<ServerAddr>> {
    let parse = |text: &str| {
        let parsed = text.trim().parse::<ServerAddr>();
        parsed.or_else(|error| {
            let place = without_login(text);
            invalid(format!("the address {place:?} is none: {error}"))
        })
    };
    url.split(',').map(parse).collect()
}

/// Addresses with commas in between, without passwords.
pub(super) fn without_logins(url: &str) -> String {
    url.split(',').map(without_login).collect::<Vec<_>>().join(",")
}

/// An address without what is in front of its host.
fn without_login(text: &str) -> &str {
    text.rsplit_once('@').map_or(text, |(_login, place)| place)
}

/// Who one is at these brokers, if an address says it.
///
/// # Errors
/// `InvalidInput`: addresses say different things, or bytes that are no text.
pub(super) fn login(servers: &[ServerAddr]) -> io::Result<Option<Login>> {
    let mut found = None;
    for server in servers {
        let Some(name) = server.username() else { continue };
        let name = decoded(name)?;
        let password = server.password().map(decoded).transpose()?;
        let login = Login { name, password };
        if found.as_ref().is_some_and(|found| *found != login) {
            return invalid("the addresses have different users or passwords".to_owned());
        }
        found = Some(login);
    }
    Ok(found)
}

/// A part of an address with its `%` escapes resolved.
fn decoded(text: &str) -> io::Result<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        let escaped = after.split_first_chunk::<2>().filter(|_| byte == b'%');
        let escaped = escaped.and_then(|(digits, after)| {
            let digits = std::str::from_utf8(digits).ok()?;
            Some((u8::from_str_radix(digits, 16).ok()?, after))
        });
        let (byte, after) = escaped.unwrap_or((byte, after));
        bytes.push(byte);
        rest = after;
    }
    String::from_utf8(bytes)
        .or_else(|_bytes| invalid("a user or a password in an address is no text".to_owned()))
}

/// Whether a host is this machine.
pub(super) fn is_loopback(host: &str) -> bool {
    let host = host.trim_matches(['[', ']']);
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Who one is at these.
    fn login_of(url: &str) -> io::Result<Option<(String, Option<String>)>> {
        Ok(login(&parse(url)?)?.map(|login| (login.name, login.password)))
    }

    #[test]
    fn users_and_passwords_may_have_any_letters() {
        let found = login_of("nats://a,tls://me:p%40s%3as%2F%25%e4%BD%A0@b").unwrap();
        assert_eq!(found, Some(("me".to_owned(), Some("p@s:s/%\u{4f60}".to_owned()))));
        assert_eq!(login_of("nats://t%2fk@a").unwrap(), Some(("t/k".to_owned(), None)));
        assert_eq!(login_of("nats://100%:%z%1@a").unwrap().unwrap().1.unwrap(), "%z%1");
        assert_eq!(login_of("nats://a,nats://b").unwrap(), None);
        for url in ["nats://me:%ff@a", "nats://me:one@a,nats://me:two@b"] {
            assert_eq!(login_of(url).unwrap_err().kind(), io::ErrorKind::InvalidInput, "{url}");
        }
    }

    #[test]
    fn a_wrong_address_is_named_without_its_password() {
        let error = parse("nats://a:1,nats://me:secret@b:port").unwrap_err();
        assert!(error.to_string().contains("\"b:port\""), "{error}");
        assert!(!error.to_string().contains("secret"), "{error}");
    }

    #[test]
    fn this_machine_is_known() {
        assert!(
            ["localhost", "127.0.0.1", "127.3.2.1", "[::1]", "::1"].into_iter().all(is_loopback)
        );
        assert!(
            !["10.0.0.1", "localhost.example", "127.0.0.1.example"].into_iter().any(is_loopback)
        );
    }
}
