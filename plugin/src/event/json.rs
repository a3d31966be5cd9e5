//! Plain JSON: one object per event, no envelope, no metadata.
//! Never types strings: a timestamp is written as text and stays text when read.

use super::json_reader::{DecodeError, DecodeReason, DecodeSettings, Reader};
pub use super::json_writer::{
    write_json_boolean, write_json_float, write_json_integer, write_json_string, write_json_timestamp,
};
use super::value::{EncodeError, LogEvent, Metadata, NestingLimit, Value};

/// Reads one object. White space around it is allowed, anything else is an error.
pub fn decode(line: &[u8], settings: DecodeSettings) -> Result<LogEvent, DecodeError> {
    let mut reader = Reader::new(line, settings);
    reader.peek();
    let start = reader.offset();
    let value = reader.root()?;
    if !matches!(value, Value::Object(_)) {
        let found = value.type_name();
        return Err(reader.error_at(start, DecodeReason::NotAnObject { found }));
    }
    reader.finish()?;
    Ok(LogEvent { value, metadata: Metadata::default() })
}

/// Appends the event as one object without a line end. On an error `out` is as it was.
pub fn encode(event: &LogEvent, nesting: NestingLimit, out: &mut Vec<u8>) -> Result<(), EncodeError> {
    let fields = event.checked_fields(nesting)?;
    super::json_writer::write_object(out, fields);
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn reencoded(line: &[u8]) -> String {
        match decode(line, DecodeSettings::default()) {
            Ok(event) => {
                let mut out = Vec::new();
                encode(&event, NestingLimit::VECTOR, &mut out).unwrap();
                String::from_utf8(out).unwrap()
            }
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn objects_are_read_and_written_sorted() {
        insta::assert_snapshot!(
            reencoded(br#" {"b":[1,-1.50,1e3,true,false,null,{}],"a":"x\u00e9\ud83d\ude00\/\n","":""} "#),
            @r##"{"":"","a":"xé😀/\n","b":[1,-1.5,1000.0,true,false,null,{}]}"##
        );
    }

    #[test]
    fn numbers() {
        insta::assert_snapshot!(
            reencoded(b"{\"n\":[9223372036854775807,9223372036854775808,18446744073709551615,-9223372036854775808,-9223372036854775809,-0,0,1E+2,123456789012345678901234567890]}"),
            @r##"{"n":[9223372036854775807,9.223372036854776e+18,1.8446744073709552e+19,-9223372036854775808,-9.223372036854776e+18,-0.0,0,100.0,1.2345678901234568e+29]}"##
        );
        for bad in ["01", "-", "1.", ".5", "+1", "1e", "1e+", "-a", "1e999", "-1e999", "NaN"] {
            let line = format!("{{\"n\":{bad}}}");
            let error = decode(line.as_bytes(), DecodeSettings::default()).unwrap_err();
            assert_eq!(error.offset, 5, "{bad}: {error}");
        }
        for (bad, offset) in [("1.5.5", 8), ("0x1", 6)] {
            let line = format!("{{\"n\":{bad}}}");
            let error = decode(line.as_bytes(), DecodeSettings::default()).unwrap_err();
            assert_eq!(error.offset, offset, "{bad}: {error}");
        }
    }

    #[test]
    fn errors_say_where_and_why() {
        let cases: [&[u8]; 17] = [
            b"",
            b"  ",
            b"[]",
            b"null",
            b"{} {}",
            b"{\"a\"}",
            b"{\"a\":1,}",
            b"{\"a\":[1 2]}",
            b"{\"a\":tru",
            b"{\"a\":trux}",
            b"{a:1}",
            b"{\"a\":\"x\ny\"}",
            b"{\"a\":\"\\x\"}",
            b"{\"a\":\"\\u12",
            b"{\"a\":\"\\ud800x\"}",
            b"{\"a\":\"\\udc00\"}",
            b"{\"a\":\"\\ud800\\u0041\"}",
        ];
        let report: Vec<String> = cases.iter().map(|line| reencoded(line)).collect();
        insta::assert_snapshot!(report.join("\n"), @r##"
        cannot decode JSON at byte 0 (event 0 of the frame): the text ends too early; was the frame cut?
        cannot decode JSON at byte 2 (event 0 of the frame): the text ends too early; was the frame cut?
        cannot decode JSON at byte 0 (event 0 of the frame): a log must be an object, but this is of type array
        cannot decode JSON at byte 0 (event 0 of the frame): a log must be an object, but this is of type null
        cannot decode JSON at byte 3 (event 0 of the frame): unexpected text after the event; put one event or one array in a frame
        cannot decode JSON at byte 4 (event 0 of the frame): expected ':' after a key
        cannot decode JSON at byte 7 (event 0 of the frame): expected a key in double quotes
        cannot decode JSON at byte 8 (event 0 of the frame): expected ',' or ']' in an array
        cannot decode JSON at byte 5 (event 0 of the frame): the text ends too early; was the frame cut?
        cannot decode JSON at byte 5 (event 0 of the frame): expected a JSON value
        cannot decode JSON at byte 1 (event 0 of the frame): expected a key in double quotes
        cannot decode JSON at byte 7 (event 0 of the frame): a control character inside a string must be escaped
        cannot decode JSON at byte 6 (event 0 of the frame): unknown or incomplete escape sequence
        cannot decode JSON at byte 10 (event 0 of the frame): the text ends too early; was the frame cut?
        cannot decode JSON at byte 6 (event 0 of the frame): a \u escape is half of a surrogate pair; send both halves
        cannot decode JSON at byte 6 (event 0 of the frame): a \u escape is half of a surrogate pair; send both halves
        cannot decode JSON at byte 6 (event 0 of the frame): a \u escape is half of a surrogate pair; send both halves
        "##);
    }

    #[test]
    fn every_prefix_is_an_error() {
        let line = br#"{"a":[1.5e3,"\u00e9\n",{"b":null}],"c":true}"#;
        for end in 0..line.len() {
            let error = decode(&line[..end], DecodeSettings::default()).unwrap_err();
            assert!(error.offset <= end, "{error}");
        }
    }

    #[test]
    fn invalid_utf8_is_replaced_or_refused() {
        let line = b"{\"k\xff\":\"a\xe2\x82b\"}";
        insta::assert_snapshot!(reencoded(line), @r##"{"k�":"a�b"}"##);
        let strict = DecodeSettings { lossy: false, ..DecodeSettings::default() };
        let error = decode(line, strict).unwrap_err();
        assert_eq!((error.offset, error.reason), (3, DecodeReason::NotUtf8));
    }

    #[test]
    fn deep_nesting_is_an_error_and_not_an_overflow() {
        let deep = |levels| format!("{}{}", "{\"a\":".repeat(levels), "[".repeat(1_000_000));
        let error = decode(deep(0).as_bytes(), DecodeSettings::default()).unwrap_err();
        assert_eq!((error.offset, error.reason), (48, DecodeReason::TooDeep { limit: 96 }));
        let widest = DecodeSettings { nesting: NestingLimit::MAX, lossy: true };
        let error = decode(deep(100).as_bytes(), widest).unwrap_err();
        assert_eq!(error.reason, DecodeReason::TooDeep { limit: 384 });
        let objects = |levels: usize| format!("{}{{}}{}", "{\"a\":".repeat(levels), "}".repeat(levels));
        assert!(decode(objects(31).as_bytes(), DecodeSettings::default()).is_ok());
        assert!(decode(objects(32).as_bytes(), DecodeSettings::default()).is_err());
    }

    #[test]
    fn encode_refuses_and_leaves_the_buffer_alone() {
        let mut out = b"kept".to_vec();
        let event = LogEvent { value: Value::from("text"), ..LogEvent::default() };
        insta::assert_snapshot!(encode(&event, NestingLimit::VECTOR, &mut out).unwrap_err(), @r##"cannot encode the event: value at "": the root is of type string, but this encoding needs an object; wrap it in a field"##);
        assert_eq!(out, b"kept");
    }

    proptest! {
        #[test]
        fn reads_what_serde_json_reads(
            tokens in proptest::collection::vec(
                prop::sample::select(vec![
                    "{", "}", "[", "]", ",", ":", "\"a\"", "\"\\u00e9\"", "\"\\ud800\"", "1", "-0",
                    "1.5", "1e400", "true", "null", " ", "\"", "\\", "9223372036854775808",
                ]),
                0..12,
            )
        ) {
            let line = format!("{{\"k\":{}}}", tokens.concat());
            let theirs = serde_json::from_str::<serde_json::Value>(&line);
            let ours = decode(line.as_bytes(), DecodeSettings::default());
            prop_assert_eq!(ours.is_ok(), theirs.is_ok(), "{}", line);
            if let (Ok(ours), Ok(theirs)) = (ours, theirs) {
                prop_assert!(same(&ours.value, &theirs), "{}: {:?} is not {:?}", line, ours.value, theirs);
            }
        }

        #[test]
        fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            let line = [b"{\"k\":\"".as_slice(), &bytes].concat();
            if let Err(error) = decode(&line, DecodeSettings::default()) {
                prop_assert!(error.offset <= line.len());
            }
        }
    }

    /// Whether serde_json read the same, but for two things: it keeps integers up to u64, which
    /// Vector's values do not, and without its `float_roundtrip` feature it may miss the nearest
    /// float by one.
    fn same(ours: &Value, theirs: &serde_json::Value) -> bool {
        match (ours, theirs) {
            (Value::Integer(a), serde_json::Value::Number(b)) => b.as_i64() == Some(*a),
            (Value::Float(a), serde_json::Value::Number(b)) => {
                let b = b.as_f64().unwrap();
                b.is_sign_negative() == a.is_sign_negative() && a.to_bits().abs_diff(b.to_bits()) <= 1
            }
            (Value::Bytes(a), serde_json::Value::String(b)) => a == b.as_bytes(),
            (Value::Boolean(a), serde_json::Value::Bool(b)) => a == b,
            (Value::Null, serde_json::Value::Null) => true,
            (Value::Array(a), serde_json::Value::Array(b)) => {
                a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b))
            }
            (Value::Object(a), serde_json::Value::Object(b)) => {
                a.len() == b.len() && a.iter().all(|(key, a)| b.get(key).is_some_and(|b| same(a, b)))
            }
            _ => false,
        }
    }
}
