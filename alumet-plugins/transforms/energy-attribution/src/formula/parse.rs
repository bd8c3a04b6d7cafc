//! From tokens to a program: precedence climbing (Pratt 1973).

use super::token::{Kind, Token, tokens};
use super::{Binary, FormulaError, Function, Op, Value};

/// The operations of an expression in postfix order, with the token of each.
pub(super) struct Parsed {
    pub(super) ops: Vec<Op>,
    pub(super) places: Vec<std::ops::Range<usize>>,
}

struct Parser<'a> {
    tokens: Vec<Token<'a>>,
    next: usize,
    names: &'a [&'a str],
    parsed: Parsed,
    depth: usize,
}

/// Nesting beyond that is no formula of a person, and would need as much of the stack.
const DEEPEST: usize = 200;

/// Binds more tightly than all operators but `^`.
const OF_UNARY: u8 = 110;

/// Parses an expression over these names.
pub(super) fn parse(text: &str, names: &[&str]) -> Result<Parsed, FormulaError> {
    let mut parser = Parser {
        tokens: tokens(text)?,
        next: 0,
        names,
        parsed: Parsed {
            ops: Vec::new(),
            places: Vec::new(),
        },
        depth: 0,
    };
    parser.expression(0)?;
    let end = parser.take();
    match end.kind {
        Kind::End => Ok(parser.parsed),
        _ => Err(FormulaError::new(
            "an operator is expected before this",
            end.place,
        )),
    }
}

impl<'a> Parser<'a> {
    /// Parses operands and operators that bind at least as tightly.
    fn expression(&mut self, least: u8) -> Result<(), FormulaError> {
        self.depth += 1;
        if self.depth > DEEPEST {
            return Err(FormulaError::new(
                "this is nested too deeply",
                self.peek().place.clone(),
            ));
        }
        let start = self.parsed.ops.len();
        self.operand()?;
        while let Kind::Symbol(symbol) = self.peek().kind
            && let Some((binary, precedence)) = Binary::of(symbol)
            && precedence >= least
        {
            let token = self.take();
            let right = self.parsed.ops.len();
            // All are evaluated from left to right.
            self.expression(precedence + 1)?;
            if binary == Binary::Div
                && let [Op::Push(Value::Int(one)), Op::Push(Value::Int(other))] = self.parsed.ops[start..]
                && right == start + 1
                && one.checked_rem(other).is_none_or(|rest| rest != 0)
            {
                let message =
                    format!("the quotient of two whole numbers is a whole number; write `{one}.0 / {other}`");
                return Err(FormulaError::new(message, token.place));
            }
            self.push(Op::Binary(binary), token);
        }
        self.depth -= 1;
        Ok(())
    }

    fn operand(&mut self) -> Result<(), FormulaError> {
        let token = self.take();
        match token.kind {
            Kind::Literal(value) => self.push(Op::Push(value), token),
            Kind::Name(name) if self.peek().kind == Kind::Symbol("(") => self.call(name, token)?,
            Kind::Name(name) => match self.names.iter().position(|known| *known == name) {
                Some(slot) => self.push(Op::Slot(slot), token),
                None => return Err(FormulaError::new(self.unknown(name), token.place)),
            },
            Kind::Symbol("(") => {
                self.expression(0)?;
                self.expect(")", &token)?;
            }
            Kind::Symbol(symbol @ ("-" | "!")) => {
                self.expression(OF_UNARY)?;
                self.push(if symbol == "-" { Op::Neg } else { Op::Not }, token);
            }
            Kind::Symbol(_) | Kind::End => {
                return Err(FormulaError::new(
                    "a number, a name or `(` is expected here",
                    token.place,
                ));
            }
        }
        Ok(())
    }

    fn call(&mut self, name: &str, token: Token<'a>) -> Result<(), FormulaError> {
        let Some(function) = Function::of(name) else {
            let message = format!("there is no function `{name}`; there are {}", Function::names());
            return Err(FormulaError::new(message, token.place));
        };
        let open = self.take();
        let mut count = 1;
        self.expression(0)?;
        while self.peek().kind == Kind::Symbol(",") {
            self.take();
            self.expression(0)?;
            count += 1;
        }
        self.expect(")", &open)?;
        let (least, most) = function.arguments();
        if count < least || count > most {
            let wanted = if least == most {
                least.to_string()
            } else {
                format!("{least} or more")
            };
            let message = format!("`{name}` takes {wanted} arguments, not {count}");
            return Err(FormulaError::new(message, token.place));
        }
        self.push(Op::Call(function, count), token);
        Ok(())
    }

    fn expect(&mut self, symbol: &str, open: &Token<'a>) -> Result<(), FormulaError> {
        let token = self.take();
        match token.kind {
            Kind::Symbol(found) if found == symbol => Ok(()),
            Kind::End => Err(FormulaError::new("this is not closed", open.place.clone())),
            _ => Err(FormulaError::new(
                "an operator or `)` is expected before this",
                token.place,
            )),
        }
    }

    fn unknown(&self, name: &str) -> String {
        if Function::of(name).is_some() {
            return format!("`{name}` is a function; write its arguments in parentheses");
        }
        let known: Vec<_> = self.names.iter().map(|name| format!("`{name}`")).collect();
        format!(
            "`{name}` is not in `per_resource` and not in `per_consumer`; there are {}",
            known.join(", ")
        )
    }

    fn push(&mut self, op: Op, token: Token<'a>) {
        self.parsed.ops.push(op);
        self.parsed.places.push(token.place);
    }

    fn peek(&self) -> &Token<'a> {
        &self.tokens[self.next]
    }

    /// The next token; the end comes again and again.
    fn take(&mut self) -> Token<'a> {
        let token = self.tokens[self.next].clone();
        self.next = (self.next + 1).min(self.tokens.len() - 1);
        token
    }
}
