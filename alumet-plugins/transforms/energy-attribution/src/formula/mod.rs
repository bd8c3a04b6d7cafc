//! Formulas: expressions over series, compiled once to a program over slots.
//!
//! They mean what they mean in evalexpr 11, which the formulas of earlier configurations were written for: whole numbers stay whole, `^`
//! gives a float and is evaluated from left to right, `-2^2` is -4, both branches of `if` are evaluated. Four things differ. The value of
//! a series is always a float. Whole numbers equal floats of the same value. Texts, tuples and assignments are refused; and so is a
//! quotient of two whole numbers that is not whole.

mod parse;
mod token;

use std::fmt;
use std::ops::Range;

use parse::parse;

/// A compiled expression.
#[derive(Debug)]
pub(crate) struct Program {
    text: String,
    ops: Vec<Op>,
}

/// What is wrong with an expression, and where. Shows the line with a mark below.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FormulaError {
    message: String,
    place: Range<usize>,
    text: String,
}

/// Why there is no result for the values at hand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum EvaluationError {
    /// Only a number can be computed with.
    #[error("a number is expected, and this is a truth value")]
    Number,
    /// Only a truth value is true or false.
    #[error("a truth value is expected, and this is a number")]
    Bool,
    /// Beyond 64 bits, or a division by zero.
    #[error("the result of this is no whole number of 64 bits")]
    Integer,
    /// A name has no value.
    #[error("a name of the formula has no value for this consumer at that instant")]
    Missing,
    /// Infinite or not a number.
    #[error("the result is no finite number")]
    NotFinite,
}

/// A step of the evaluation; takes its operands from a stack, and puts its result there.
#[derive(Debug, Clone, Copy)]
enum Op {
    Push(Value),
    Slot(usize),
    Neg,
    Not,
    Binary(Binary),
    Call(Function, usize),
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Value {
    Int(i64),
    Float(f64),
    Bool(bool),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Binary {
    Pow,
    Mul,
    Div,
    Rem,
    Add,
    Sub,
    Less,
    Greater,
    LessEqual,
    GreaterEqual,
    Equal,
    NotEqual,
    And,
    Or,
}

#[derive(Debug, Clone, Copy)]
enum Function {
    If,
    Min,
    Max,
    Abs,
    Float(fn(f64) -> f64),
    Float2(fn(f64, f64) -> f64),
    Test(fn(f64) -> bool),
}

impl Program {
    /// Compiles an expression over these names, whose values are given in the same order.
    ///
    /// # Errors
    /// What is wrong, and where.
    pub(crate) fn compile(text: &str, names: &[&str]) -> Result<Self, FormulaError> {
        let error = |error: FormulaError| FormulaError {
            text: text.to_owned(),
            ..error
        };
        let parsed = parse(text, names).map_err(error)?;
        let program = Self {
            text: text.to_owned(),
            ops: parsed.ops,
        };
        // Types hardly depend on values: what is wrong with them shows at once.
        let ones = vec![1.0; names.len()];
        match program.run(&ones, &mut Vec::new()) {
            Err((at, wrong @ (EvaluationError::Number | EvaluationError::Bool))) => {
                let place = parsed.places.get(at).cloned().unwrap_or_default();
                Err(error(FormulaError::new(wrong.to_string(), place)))
            }
            _ => Ok(program),
        }
    }

    /// The expression.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// The value for these values of the names, on a stack whose memory is used again.
    ///
    /// # Errors
    /// When the values do not fit the expression, or the result is not finite.
    pub(crate) fn evaluate(&self, slots: &[f64], stack: &mut Vec<Value>) -> Result<f64, EvaluationError> {
        self.run(slots, stack).map_err(|(_, error)| error)
    }

    /// Gives the step that failed, too.
    fn run(&self, slots: &[f64], stack: &mut Vec<Value>) -> Result<f64, (usize, EvaluationError)> {
        stack.clear();
        for (at, op) in self.ops.iter().enumerate() {
            op.run(slots, stack).map_err(|error| (at, error))?;
        }
        let last = self.ops.len().saturating_sub(1);
        let result = stack
            .pop()
            .unwrap_or(Value::Bool(false))
            .number()
            .map_err(|error| (last, error))?;
        if result.is_finite() {
            Ok(result)
        } else {
            Err((last, EvaluationError::NotFinite))
        }
    }
}

impl Op {
    fn run(self, slots: &[f64], stack: &mut Vec<Value>) -> Result<(), EvaluationError> {
        // The parser has seen to it that operands are there.
        let mut pop = || stack.pop().unwrap_or(Value::Bool(false));
        let value = match self {
            Self::Push(value) => value,
            Self::Slot(slot) => Value::Float(slots.get(slot).copied().unwrap_or(f64::NAN)),
            Self::Neg => match pop() {
                Value::Int(value) => Value::of_int(value.checked_neg())?,
                value => Value::Float(-value.number()?),
            },
            Self::Not => Value::Bool(!pop().bool()?),
            Self::Binary(binary) => {
                let (right, left) = (pop(), pop());
                binary.of_values(left, right)?
            }
            Self::Call(function, count) => {
                let start = stack.len().saturating_sub(count);
                let value = function.call(&stack[start..])?;
                stack.truncate(start);
                value
            }
        };
        stack.push(value);
        Ok(())
    }
}

impl Value {
    fn of_int(value: Option<i64>) -> Result<Self, EvaluationError> {
        value.map(Self::Int).ok_or(EvaluationError::Integer)
    }

    fn number(self) -> Result<f64, EvaluationError> {
        match self {
            Self::Int(value) => Ok(value as f64),
            Self::Float(value) => Ok(value),
            Self::Bool(_) => Err(EvaluationError::Number),
        }
    }

    fn bool(self) -> Result<bool, EvaluationError> {
        match self {
            Self::Bool(value) => Ok(value),
            Self::Int(_) | Self::Float(_) => Err(EvaluationError::Bool),
        }
    }
}

impl Binary {
    /// The operator of a symbol, and how tightly it binds.
    fn of(symbol: &str) -> Option<(Self, u8)> {
        Some(match symbol {
            "^" => (Self::Pow, 120),
            "*" => (Self::Mul, 100),
            "/" => (Self::Div, 100),
            "%" => (Self::Rem, 100),
            "+" => (Self::Add, 95),
            "-" => (Self::Sub, 95),
            "<" => (Self::Less, 80),
            ">" => (Self::Greater, 80),
            "<=" => (Self::LessEqual, 80),
            ">=" => (Self::GreaterEqual, 80),
            "==" => (Self::Equal, 80),
            "!=" => (Self::NotEqual, 80),
            "&&" => (Self::And, 75),
            "||" => (Self::Or, 70),
            _ => return None,
        })
    }

    fn of_values(self, left: Value, right: Value) -> Result<Value, EvaluationError> {
        if let (Value::Int(left), Value::Int(right)) = (left, right)
            && let Some(value) = self.of_ints(left, right)
        {
            return value;
        }
        if let (Value::Bool(left), Value::Bool(right)) = (left, right) {
            match self {
                Self::Equal => return Ok(Value::Bool(left == right)),
                Self::NotEqual => return Ok(Value::Bool(left != right)),
                _ => {}
            }
        }
        Ok(match self {
            Self::And => {
                let (left, right) = (left.bool()?, right.bool()?);
                Value::Bool(left && right)
            }
            Self::Or => {
                let (left, right) = (left.bool()?, right.bool()?);
                Value::Bool(left || right)
            }
            _ => self.of_floats(left.number()?, right.number()?),
        })
    }

    /// Where whole numbers stay whole, or are compared without loss.
    fn of_ints(self, left: i64, right: i64) -> Option<Result<Value, EvaluationError>> {
        let value = match self {
            Self::Mul => left.checked_mul(right),
            Self::Div => left.checked_div(right),
            Self::Rem => left.checked_rem(right),
            Self::Add => left.checked_add(right),
            Self::Sub => left.checked_sub(right),
            Self::Less => return Some(Ok(Value::Bool(left < right))),
            Self::Greater => return Some(Ok(Value::Bool(left > right))),
            Self::LessEqual => return Some(Ok(Value::Bool(left <= right))),
            Self::GreaterEqual => return Some(Ok(Value::Bool(left >= right))),
            Self::Equal => return Some(Ok(Value::Bool(left == right))),
            Self::NotEqual => return Some(Ok(Value::Bool(left != right))),
            Self::Pow | Self::And | Self::Or => return None,
        };
        Some(Value::of_int(value))
    }

    fn of_floats(self, left: f64, right: f64) -> Value {
        match self {
            Self::Pow => Value::Float(left.powf(right)),
            Self::Mul => Value::Float(left * right),
            Self::Div => Value::Float(left / right),
            Self::Rem => Value::Float(left % right),
            Self::Add => Value::Float(left + right),
            Self::Sub => Value::Float(left - right),
            Self::Less => Value::Bool(left < right),
            Self::Greater => Value::Bool(left > right),
            Self::LessEqual => Value::Bool(left <= right),
            Self::GreaterEqual => Value::Bool(left >= right),
            Self::NotEqual => Value::Bool(left != right),
            Self::Equal | Self::And | Self::Or => Value::Bool(left == right),
        }
    }
}

const FUNCTIONS: [(&str, Function); 37] = [
    ("if", Function::If),
    ("min", Function::Min),
    ("max", Function::Max),
    ("abs", Function::Abs),
    ("floor", Function::Float(f64::floor)),
    ("round", Function::Float(f64::round)),
    ("ceil", Function::Float(f64::ceil)),
    ("math::abs", Function::Abs),
    ("math::ln", Function::Float(f64::ln)),
    ("math::log", Function::Float2(f64::log)),
    ("math::log2", Function::Float(f64::log2)),
    ("math::log10", Function::Float(f64::log10)),
    ("math::exp", Function::Float(f64::exp)),
    ("math::exp2", Function::Float(f64::exp2)),
    ("math::pow", Function::Float2(f64::powf)),
    ("math::sqrt", Function::Float(f64::sqrt)),
    ("math::cbrt", Function::Float(f64::cbrt)),
    ("math::hypot", Function::Float2(f64::hypot)),
    ("math::sin", Function::Float(f64::sin)),
    ("math::cos", Function::Float(f64::cos)),
    ("math::tan", Function::Float(f64::tan)),
    ("math::asin", Function::Float(f64::asin)),
    ("math::acos", Function::Float(f64::acos)),
    ("math::atan", Function::Float(f64::atan)),
    ("math::atan2", Function::Float2(f64::atan2)),
    ("math::sinh", Function::Float(f64::sinh)),
    ("math::cosh", Function::Float(f64::cosh)),
    ("math::tanh", Function::Float(f64::tanh)),
    ("math::asinh", Function::Float(f64::asinh)),
    ("math::acosh", Function::Float(f64::acosh)),
    ("math::atanh", Function::Float(f64::atanh)),
    ("math::is_nan", Function::Test(f64::is_nan)),
    ("math::is_finite", Function::Test(f64::is_finite)),
    ("math::is_infinite", Function::Test(f64::is_infinite)),
    ("math::is_normal", Function::Test(f64::is_normal)),
    ("math::floor", Function::Float(f64::floor)),
    ("math::ceil", Function::Float(f64::ceil)),
];

impl Function {
    fn of(name: &str) -> Option<Self> {
        let (_, function) = FUNCTIONS.iter().find(|(known, _)| *known == name)?;
        Some(*function)
    }

    fn names() -> String {
        let names: Vec<_> = FUNCTIONS.iter().map(|(name, _)| format!("`{name}`")).collect();
        names.join(", ")
    }

    /// How many arguments it takes, at least and at most.
    const fn arguments(self) -> (usize, usize) {
        match self {
            Self::If => (3, 3),
            Self::Min | Self::Max => (2, usize::MAX),
            Self::Abs | Self::Float(_) | Self::Test(_) => (1, 1),
            Self::Float2(_) => (2, 2),
        }
    }

    fn call(self, arguments: &[Value]) -> Result<Value, EvaluationError> {
        let number = |index: usize| {
            arguments
                .get(index)
                .copied()
                .unwrap_or(Value::Bool(false))
                .number()
        };
        Ok(match (self, arguments) {
            (Self::If, [condition, then, otherwise]) => {
                if condition.bool()? {
                    *then
                } else {
                    *otherwise
                }
            }
            (Self::Abs, [Value::Int(value)]) => Value::of_int(value.checked_abs())?,
            (Self::Abs, _) => Value::Float(number(0)?.abs()),
            (Self::Min, _) => extreme(arguments, f64::INFINITY, |one, other| one < other, f64::min)?,
            (Self::Max, _) => extreme(arguments, f64::NEG_INFINITY, |one, other| one > other, f64::max)?,
            (Self::Float(function), _) => Value::Float(function(number(0)?)),
            (Self::Float2(function), _) => Value::Float(function(number(0)?, number(1)?)),
            (Self::Test(function), _) => Value::Bool(function(number(0)?)),
            (Self::If, _) => return Err(EvaluationError::Bool),
        })
    }
}

/// The best of whole numbers if it is better than the best of floats, and else that.
fn extreme(
    arguments: &[Value],
    worst: f64,
    is_better: fn(f64, f64) -> bool,
    best_of: fn(f64, f64) -> f64,
) -> Result<Value, EvaluationError> {
    let (mut integer, mut float) = (None, worst);
    for argument in arguments {
        match *argument {
            Value::Int(value) => match integer {
                Some(best) if !is_better(value as f64, best as f64) => {}
                _ => integer = Some(value),
            },
            value => float = best_of(float, value.number()?),
        }
    }
    Ok(match integer {
        Some(integer) if is_better(integer as f64, float) => Value::Int(integer),
        _ => Value::Float(float),
    })
}

impl FormulaError {
    fn new(message: impl Into<String>, place: Range<usize>) -> Self {
        Self {
            message: message.into(),
            place,
            text: String::new(),
        }
    }
}

/// The message, the line of the expression, and below it a mark under the place.
impl fmt::Display for FormulaError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { message, place, text } = self;
        let start = text[..place.start].rfind('\n').map_or(0, |newline| newline + 1);
        let line = text[start..].lines().next().unwrap_or("");
        let before = text[start..place.start].chars().count();
        let marks = text[place.clone()].chars().count().max(1);
        write!(
            f,
            "{message}\n  {line}\n  {}{}",
            " ".repeat(before),
            "^".repeat(marks)
        )
    }
}

#[cfg(test)]
mod tests;
