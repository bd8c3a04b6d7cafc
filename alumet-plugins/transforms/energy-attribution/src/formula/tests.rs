use evalexpr::{ContextWithMutableVariables, HashMapContext};
use proptest::prelude::*;

use super::*;

const NAMES: [&str; 3] = ["energy", "usage", "math::x"];
const VALUES: [f64; 3] = [40.0, 12.5, -3.0];

fn evaluate(text: &str) -> Result<f64, EvaluationError> {
    let program = Program::compile(text, &NAMES).unwrap();
    program.evaluate(&VALUES, &mut Vec::new())
}

/// What evalexpr makes of it, as a number if it is one.
fn oracle(text: &str) -> Option<f64> {
    let mut context = HashMapContext::new();
    for (name, value) in NAMES.iter().zip(VALUES) {
        context.set_value((*name).to_owned(), value.into()).unwrap();
    }
    let number = evalexpr::eval_number_with_context(text, &context).ok();
    number.filter(|number| number.is_finite())
}

#[test]
fn formulas_mean_what_they_meant() {
    for (text, value) in [
        ("energy * usage / 100.0", 5.0),
        ("(energy/1000)*(usage/100.0)", 0.005),
        ("10/5*2", 4.0),
        ("-2^2", -4.0),
        ("2^3^2", 64.0),
        ("2^-1", 0.5),
        ("2^-2^2", 0.0625),
        ("- -2", 2.0),
        ("7 % 4 * 2", 6.0),
        ("1e3 + 0x10 + 2e-1 + .5", 1016.7),
        ("if(usage > 50, 1, 2)", 2.0),
        ("if(usage > 50 || !(energy < 1) && true, 1.5, 2)", 1.5),
        (
            "min(usage, 100, 3) + max(1, 0.5) + math::abs(-2) + abs(math::x)",
            9.0,
        ),
        ("floor(2.7) + round(2.5) + ceil(2.1)", 8.0),
        ("math::sqrt(16) * math::pow(2, 3)", 32.0),
        ("math::x\n * 2", -6.0),
    ] {
        assert!((evaluate(text).unwrap() - value).abs() < 1e-12, "{text}");
        let theirs = oracle(&text.replace(" abs(", " math::abs("));
        assert!(
            theirs.is_some_and(|theirs| (theirs - value).abs() < 1e-12),
            "{text}"
        );
    }
}

#[test]
fn whole_numbers_equal_floats_unlike_before() {
    assert_eq!(
        evaluate("if(usage == 12.5 && energy == 40 && energy != 41, 1, 2)"),
        Ok(1.0)
    );
    assert_eq!(evaluate("if(true == (1 < 2), 1, 2)"), Ok(1.0));
}

#[test]
fn what_has_no_result_says_why() {
    for (text, error) in [
        ("energy / 0", EvaluationError::NotFinite),
        ("math::ln(0 - energy)", EvaluationError::NotFinite),
        ("5 % 0", EvaluationError::Integer),
        ("9223372036854775807 + 1", EvaluationError::Integer),
        // The other branch is computed, too, and then it is a number after all.
        ("energy * if(usage > 50, 1 < 2, 1 < 3)", EvaluationError::Number),
    ] {
        let program = Program::compile(text, &NAMES);
        let result = program.map(|program| program.evaluate(&VALUES, &mut Vec::new()));
        assert!(result.is_err() || result == Ok(Err(error)), "{text}");
    }
}

#[test]
fn an_error_points_at_its_token() {
    for (text, shown) in [
        (
            "energy * usag",
            "`usag` is not in `per_resource` and not in `per_consumer`; there are `energy`, `usage`, `math::x`\n  energy * usag\n           ^^^^",
        ),
        (
            "energy *",
            "a number, a name or `(` is expected here\n  energy *\n          ^",
        ),
        ("(energy", "this is not closed\n  (energy\n  ^"),
        (
            "energy usage",
            "an operator is expected before this\n  energy usage\n         ^^^^^",
        ),
        (
            "min(energy 2)",
            "an operator or `)` is expected before this\n  min(energy 2)\n             ^",
        ),
        (
            "é * 2",
            "`é` is not in `per_resource` and not in `per_consumer`; there are `energy`, `usage`, `math::x`\n  é * 2\n  ^",
        ),
        (
            "energy +\n  usage $ 2\n",
            "`$` means nothing in an expression\n    usage $ 2\n          ^",
        ),
        (
            "x = energy",
            "an expression computes one value and assigns none; compare with `==`\n  x = energy\n    ^",
        ),
        (
            "\"a\"",
            "an expression computes with numbers and truth values, and has no texts\n  \"a\"\n  ^",
        ),
        (
            "min + 1",
            "`min` is a function; write its arguments in parentheses\n  min + 1\n  ^^^",
        ),
        (
            "if(true, 1)",
            "`if` takes 3 arguments, not 2\n  if(true, 1)\n  ^^",
        ),
        (
            "energy * (1/2)",
            "the quotient of two whole numbers is a whole number; write `1.0 / 2`\n  energy * (1/2)\n             ^",
        ),
        (
            "energy && true",
            "a truth value is expected, and this is a number\n  energy && true\n         ^^",
        ),
        (
            "energy < 1",
            "a number is expected, and this is a truth value\n  energy < 1\n         ^",
        ),
        ("1.2.3", "`1.2.3` is no number\n  1.2.3\n  ^^^^^"),
    ] {
        assert_eq!(Program::compile(text, &NAMES).unwrap_err().to_string(), shown);
    }
    let unknown = Program::compile("sin(1)", &NAMES).unwrap_err().to_string();
    assert!(
        unknown.starts_with("there is no function `sin`; there are `if`, `min`"),
        "{unknown}"
    );
    assert!(Program::compile(&"(".repeat(100_000), &NAMES).is_err());
    assert!(Program::compile(&"-".repeat(100_000), &NAMES).is_err());
}

/// A number, written as people write it.
fn number() -> impl Strategy<Value = String> {
    prop_oneof![
        (0_i64..100).prop_map(|number| number.to_string()),
        (0.0..100.0_f64).prop_map(|number| format!("{number:?}")),
        Just("1e2".to_owned()),
        proptest::sample::select(&NAMES[..]).prop_map(str::to_owned),
    ]
}

/// An expression whose types are right, as a number.
fn expression() -> impl Strategy<Value = String> {
    number().prop_recursive(6, 40, 4, |inner| {
        let condition = (
            inner.clone(),
            proptest::sample::select(&["<", ">", "<=", ">="][..]),
            inner.clone(),
        );
        let condition = condition.prop_map(|(left, op, right)| format!("({left} {op} {right})"));
        prop_oneof![
            (
                inner.clone(),
                proptest::sample::select(&["+", "-", "*", "/", "%", "^"][..]),
                inner.clone()
            )
                .prop_map(|(left, op, right)| format!("{left} {op} {right}")),
            (
                inner.clone(),
                proptest::sample::select(&["+", "-", "*"][..]),
                inner.clone()
            )
                .prop_map(|(left, op, right)| format!("{left}{op}{right}")),
            inner.clone().prop_map(|inner| format!("({inner})")),
            inner.clone().prop_map(|inner| format!("-({inner})")),
            (
                proptest::sample::select(
                    &["floor", "round", "ceil", "math::sqrt", "math::abs", "math::exp2"][..]
                ),
                inner.clone()
            )
                .prop_map(|(function, inner)| format!("{function}({inner})")),
            (
                proptest::sample::select(&["min", "max"][..]),
                // Of floats beyond 64 bits, evalexpr gives the end of the range of whole numbers.
                proptest::collection::vec(inner.clone().prop_map(|inner| format!("({inner}) % 1000")), 2..4)
            )
                .prop_map(|(function, inner)| format!("{function}({})", inner.join(", "))),
            (condition.clone(), condition, inner.clone(), inner).prop_map(
                |(one, other, then, otherwise)| format!(
                    "if({one} && !{other} || {other}, {then}, {otherwise})"
                )
            ),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn every_expression_gives_what_evalexpr_gives(text in expression()) {
        let ours = match Program::compile(&text, &NAMES) {
            Ok(program) => program.evaluate(&VALUES, &mut Vec::new()).ok(),
            // A quotient that would silently lose its fraction.
            Err(error) if error.to_string().starts_with("the quotient") => return Ok(()),
            Err(error) => return Err(TestCaseError::fail(error.to_string())),
        };
        let theirs = oracle(&text);
        prop_assert!(ours == theirs || ours.zip(theirs).is_some_and(|(ours, theirs)| (ours - theirs).abs() <= 1e-12 * theirs.abs()),
            "{text}: {ours:?}, not {theirs:?}");
    }

    #[test]
    fn any_text_is_compiled_or_refused_with_a_message(text in "[a-z0-9 +*/()<>=!&|.,^%:eE\u{e9}\"\n-]{0,40}") {
        if let Err(error) = Program::compile(&text, &NAMES) {
            prop_assert!(error.to_string().lines().count() >= 3);
        }
    }
}
