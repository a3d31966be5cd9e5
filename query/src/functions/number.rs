//! Arithmetic that the engine is built without. Integers stay integers; an overflow is an error.

use super::memo::Memo;
use super::scalar::Kind::{Float, Int, Number};
use super::scalar::{Answer, Function, Input, Row, Value};

/// A function of one float.
macro_rules! of_float {
    ($($name:literal => $apply:expr;)*) => {
        pub(super) const OF_FLOAT: &[Function] = &[$(Function {
            name: $name,
            params: &[Float],
            required: 1,
            returns: Float,
            body: |row, _| Ok(Some(Value::Float(($apply)(row.float(0)?)))),
        },)*];
    };
}

of_float! {
    "sqrt" => f64::sqrt;
    "cbrt" => f64::cbrt;
    "exp" => f64::exp;
    "ln" => f64::ln;
    "log2" => f64::log2;
    "log10" => f64::log10;
}

pub(super) const FUNCTIONS: &[Function] = &[
    Function { name: "abs", params: &[Number], required: 1, returns: Number, body: abs },
    Function { name: "sign", params: &[Number], required: 1, returns: Number, body: sign },
    Function { name: "ceil", params: &[Number], required: 1, returns: Number, body: ceil },
    Function { name: "ceiling", params: &[Number], required: 1, returns: Number, body: ceil },
    Function { name: "floor", params: &[Number], required: 1, returns: Number, body: floor },
    Function { name: "truncate", params: &[Number], required: 1, returns: Number, body: truncate },
    Function { name: "round", params: &[Number, Int], required: 1, returns: Number, body: round },
    Function { name: "mod", params: &[Number, Number], required: 2, returns: Number, body: modulo },
    Function { name: "power", params: &[Float, Float], required: 2, returns: Float, body: power },
    Function { name: "pow", params: &[Float, Float], required: 2, returns: Float, body: power },
];

fn overflow() -> String {
    "the result is outside 64 bits".into()
}

/// Leaves integers alone.
fn of_number(row: &Row<'_>, float: fn(f64) -> f64) -> Answer {
    Ok(Some(match row.input(0)? {
        Input::Int(value) => Value::Int(value),
        _ => Value::Float(float(row.float(0)?)),
    }))
}

fn abs(row: &Row<'_>, _: &mut Memo) -> Answer {
    match row.input(0)? {
        Input::Int(value) => value.checked_abs().map(|v| Some(Value::Int(v))).ok_or_else(overflow),
        _ => Ok(Some(Value::Float(row.float(0)?.abs()))),
    }
}

fn sign(row: &Row<'_>, _: &mut Memo) -> Answer {
    match row.input(0)? {
        Input::Int(value) => Ok(Some(Value::Int(value.signum()))),
        _ => {
            let value = row.float(0)?;
            Ok(Some(Value::Float(if value == 0.0 { 0.0 } else { value.signum() })))
        }
    }
}

fn ceil(row: &Row<'_>, _: &mut Memo) -> Answer {
    of_number(row, f64::ceil)
}

fn floor(row: &Row<'_>, _: &mut Memo) -> Answer {
    of_number(row, f64::floor)
}

fn truncate(row: &Row<'_>, _: &mut Memo) -> Answer {
    of_number(row, f64::trunc)
}

/// Halves go away from zero.
fn round(row: &Row<'_>, _: &mut Memo) -> Answer {
    let digits = if row.has(1) { row.int(1)? } else { 0 };
    match row.input(0)? {
        Input::Int(value) => round_int(value, digits).map(|v| Some(Value::Int(v))).ok_or_else(overflow),
        _ => Ok(Some(Value::Float(round_float(row.float(0)?, digits)))),
    }
}

fn round_int(value: i64, digits: i64) -> Option<i64> {
    if digits >= 0 {
        return Some(value);
    }
    // Past 10^19 every integer is nearer to 0.
    let Some(unit) = u32::try_from(digits.unsigned_abs()).ok().and_then(|d| 10_i128.checked_pow(d)) else {
        return Some(0);
    };
    let value = i128::from(value);
    i64::try_from((value + unit / 2 * value.signum()) / unit * unit).ok()
}

fn round_float(value: f64, digits: i64) -> f64 {
    let scale = 10_f64.powi(i32::try_from(digits.clamp(-300, 300)).unwrap_or(0));
    let scaled = (value * scale).round() / scale;
    if scaled.is_finite() { scaled } else { value }
}

fn modulo(row: &Row<'_>, _: &mut Memo) -> Answer {
    match (row.input(0)?, row.input(1)?) {
        (Input::Int(_), Input::Int(0)) => Err("division by zero".into()),
        (Input::Int(a), Input::Int(b)) => Ok(Some(Value::Int(a.checked_rem(b).unwrap_or(0)))),
        (Input::Int(_), _) => Err("the first number is an integer and the second is not; cast one of them".into()),
        _ => Ok(Some(Value::Float(row.float(0)? % row.float(1)?))),
    }
}

fn power(row: &Row<'_>, _: &mut Memo) -> Answer {
    Ok(Some(Value::Float(row.float(0)?.powf(row.float(1)?))))
}
