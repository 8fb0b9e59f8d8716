//! A panic in a call is a value, and the worker goes on.

use processes::{JoinError, Pool};

#[test]
fn message_and_location_arrive_and_the_worker_survives() {
    let pool = Pool::new(1).unwrap();
    let before = pool.submit(|()| std::process::id(), ()).join().unwrap();
    let error = pool.submit(|x: u32| -> u32 { panic!("bad value {x}") }, 4).join().unwrap_err();
    let JoinError::Panicked { message, location, .. } = error else { panic!("{error}") };
    assert_eq!(message, "bad value 4");
    assert!(location.unwrap().contains("panic.rs:"));
    assert_eq!(pool.submit(|()| std::process::id(), ()).join().unwrap(), before);
    assert_eq!(pool.stats().panicked, 1);
}

#[test]
fn a_payload_that_is_no_text_is_said_to_be_none() {
    let pool = Pool::new(1).unwrap();
    let error = pool.submit(|()| -> u8 { std::panic::panic_any(17_u8) }, ()).join().unwrap_err();
    assert!(error.to_string().contains("not text"), "{error}");
}

#[test]
fn a_very_long_message_is_cut() {
    let pool = Pool::new(1).unwrap();
    let error = pool.submit(|()| panic!("{}", "ä".repeat(1 << 20)), ()).join();
    let error: Result<(), JoinError> = error;
    assert!(matches!(error, Err(JoinError::Panicked { message, .. }) if message.len() > 1000));
}

#[test]
fn an_error_of_another_call_travels_as_a_value() {
    let pool = Pool::new(1).unwrap();
    let nested: fn(()) -> Result<u8, JoinError> =
        |()| Pool::new(1).unwrap().submit(|()| panic!("far below"), ()).join();
    let error = pool.submit(nested, ()).join().unwrap().unwrap_err();
    assert!(
        matches!(&error, JoinError::Panicked { message, location: Some(_), .. }
            if message == "far below"),
        "{error}"
    );
}

#[test]
fn a_result_of_the_user_travels_as_a_value() {
    let pool = Pool::new(1).unwrap();
    let parse: fn(String) -> Result<i32, String> =
        |text| text.parse().map_err(|error: std::num::ParseIntError| error.to_string());
    assert_eq!(pool.submit(parse, "12".to_owned()).join().unwrap(), Ok(12));
    assert!(pool.submit(parse, "twelve".to_owned()).join().unwrap().is_err());
}
