//! Tokens to an expression, by precedence climbing. The grammar is that of Prometheus
//! (<https://github.com/prometheus/prometheus/blob/main/promql/parser/generated_parser.y>) without subqueries and histograms.

use alumet_shared_query::{Matcher, Operator as Compares};

use crate::error::ApiError;
use crate::expr::{
    Aggregation, Aggregator, At, Binary, Cardinality, Expr, Labelling, Operator, Selection, Type,
};
use crate::function::Function;
use crate::labels::NAME;
use crate::lex::{Token, tokens, wrong};

/// How many parts an expression may have; so its depth is limited too.
const MOST_PARTS: usize = 256;

/// Reads an expression.
///
/// # Errors
/// What is wrong in it, or not supported.
pub(crate) fn parse(text: &str) -> Result<Expr, ApiError> {
    let mut parser = Parser::new(text)?;
    let expr = parser.expr(0)?;
    parser.expect_end()?;
    Ok(expr)
}

/// Reads the series that are meant: `name{label="value"}`.
///
/// # Errors
/// What is wrong in it.
pub(crate) fn parse_selector(text: &str) -> Result<Vec<Matcher>, ApiError> {
    let mut parser = Parser::new(text)?;
    let matchers = parser.matchers()?;
    parser.expect_end()?;
    Ok(matchers)
}

struct Parser {
    tokens: Vec<(usize, Token)>,
    next: usize,
    parts: usize,
}

impl Parser {
    fn new(text: &str) -> Result<Self, ApiError> {
        let tokens = tokens(text)?;
        Ok(Self {
            tokens,
            next: 0,
            parts: 0,
        })
    }

    fn peek(&self) -> &Token {
        self.ahead(0)
    }

    fn ahead(&self, by: usize) -> &Token {
        self.tokens
            .get(self.next + by)
            .map_or(&Token::End, |(_, token)| token)
    }

    /// Where the token that follows begins.
    fn at(&self) -> usize {
        let last = self.tokens.last();
        self.tokens
            .get(self.next)
            .or(last)
            .map_or(0, |(position, _)| *position)
    }

    fn unexpected<T>(&self, expected: &str) -> Result<T, ApiError> {
        let found = match self.peek() {
            Token::Word(word) => format!("`{word}`"),
            Token::Number(number) => format!("the number {number}"),
            Token::Duration(_) => "a duration".to_owned(),
            Token::Text(text) => format!("the text {text:?}"),
            Token::Symbol(symbol) => format!("`{symbol}`"),
            Token::End => "the end".to_owned(),
        };
        Err(wrong(
            self.at(),
            &format!("unexpected {found}, where {expected} is expected"),
        ))
    }

    fn accept(&mut self, symbol: &'static str) -> bool {
        let is_it = *self.peek() == Token::Symbol(symbol);
        self.next += usize::from(is_it);
        is_it
    }

    fn expect(&mut self, symbol: &'static str) -> Result<(), ApiError> {
        match self.accept(symbol) {
            true => Ok(()),
            false => self.unexpected(&format!("`{symbol}`")),
        }
    }

    fn expect_end(&self) -> Result<(), ApiError> {
        match self.peek() {
            Token::End => Ok(()),
            _ => self.unexpected("an operator or the end"),
        }
    }

    /// Takes the word that follows if it is this one, in capitals or not.
    fn accept_word(&mut self, word: &str) -> bool {
        let is_it = matches!(self.peek(), Token::Word(found) if found.eq_ignore_ascii_case(word));
        self.next += usize::from(is_it);
        is_it
    }

    fn count_part(&mut self) -> Result<(), ApiError> {
        self.parts += 1;
        if self.parts > MOST_PARTS {
            let text = format!("the expression has more than {MOST_PARTS} parts: ask for less at once");
            return Err(ApiError::execution(text));
        }
        Ok(())
    }

    /// An expression whose operators bind at least so tightly.
    fn expr(&mut self, precedence: u8) -> Result<Expr, ApiError> {
        let mut left = self.unary()?;
        loop {
            let text = match self.peek() {
                Token::Word(word) => word.as_str(),
                Token::Symbol(symbol) => symbol,
                _ => return Ok(left),
            };
            let Some(operator) = Operator::of(text) else {
                return Ok(left);
            };
            if operator.precedence() < precedence {
                return Ok(left);
            }
            let at = self.at();
            self.next += 1;
            self.count_part()?;
            let returns_bool = self.accept_word("bool");
            let matching = self.matching()?;
            // Of powers, the right one is first: 2 ^ 3 ^ 2 is 2 ^ 9.
            let tighter = operator.precedence() + u8::from(operator != Operator::Pow);
            let right = self.expr(tighter)?;
            left = binary(at, operator, returns_bool, matching, left, right)?;
        }
    }

    fn matching(&mut self) -> Result<Option<(Labelling, Cardinality)>, ApiError> {
        let labelling = if self.accept_word("on") {
            Labelling::Only(self.label_list()?)
        } else if self.accept_word("ignoring") {
            Labelling::Except(self.label_list()?)
        } else {
            return Ok(None);
        };
        let is_left = self.accept_word("group_left");
        let cardinality = if is_left || self.accept_word("group_right") {
            let included = match self.peek() {
                Token::Symbol("(") => self.label_list()?,
                _ => Vec::new(),
            };
            match is_left {
                true => Cardinality::ManyToOne(included),
                false => Cardinality::OneToMany(included),
            }
        } else {
            Cardinality::OneToOne
        };
        Ok(Some((labelling, cardinality)))
    }

    fn label_list(&mut self) -> Result<Vec<String>, ApiError> {
        self.expect("(")?;
        let mut labels = Vec::new();
        while !self.accept(")") {
            match self.peek() {
                Token::Word(word) | Token::Text(word) => labels.push(word.clone()),
                _ => return self.unexpected("the name of a label"),
            }
            self.next += 1;
            if !self.accept(",") && *self.peek() != Token::Symbol(")") {
                return self.unexpected("`,` or `)`");
            }
        }
        Ok(labels)
    }

    fn unary(&mut self) -> Result<Expr, ApiError> {
        self.count_part()?;
        let at = self.at();
        let is_negative = self.accept("-");
        if !is_negative && !self.accept("+") {
            return self.modified();
        }
        let of = self.expr(Operator::Pow.precedence())?;
        match (of.kind(), is_negative) {
            (Type::Scalar | Type::Vector, true) => Ok(Expr::Negation(Box::new(of))),
            (Type::Scalar | Type::Vector, false) => Ok(of),
            (other, _) => Err(wrong(
                at,
                &format!("a sign is for numbers, and this is a {other}"),
            )),
        }
    }

    /// What has a window, an offset or a time of its own.
    fn modified(&mut self) -> Result<Expr, ApiError> {
        let mut expr = self.primary()?;
        let (mut has_offset, mut has_end) = (false, false);
        loop {
            let at = self.at();
            let (is_window, is_at) = (self.accept("["), self.accept("@"));
            if !is_window && !is_at && !self.accept_word("offset") {
                return Ok(expr);
            }
            has_end |= !is_window;
            if is_window && matches!(self.ahead(1), Token::Symbol(":")) {
                return Err(ApiError::execution("subqueries are not supported here"));
            }
            let Expr::Selection(selection) = &mut expr else {
                return Err(wrong(
                    at,
                    "`[…]`, `@` and `offset` follow the series that they are about",
                ));
            };
            let is_again = match (is_window, is_at) {
                (true, _) => selection.window.is_some() || has_end,
                (_, true) => selection.at.is_some(),
                _ => has_offset,
            };
            if is_again {
                return Err(wrong(at, "`[…]`, `@` and `offset` are there once, `[…]` first"));
            }
            if is_window {
                let window = self.duration()?;
                if window == 0 {
                    return Err(wrong(at, "the window must be longer than 0"));
                }
                selection.window = Some(window);
                self.expect("]")?;
            } else if is_at {
                selection.at = Some(self.instant()?);
            } else {
                has_offset = true;
                let is_negative = self.accept("-");
                let offset = self.duration()?;
                selection.offset = if is_negative { -offset } else { offset };
            }
        }
    }

    fn duration(&mut self) -> Result<i64, ApiError> {
        match *self.peek() {
            Token::Duration(duration) => {
                self.next += 1;
                Ok(duration)
            }
            _ => self.unexpected("a duration such as 5m"),
        }
    }

    fn instant(&mut self) -> Result<At, ApiError> {
        for (word, at) in [("start", At::Start), ("end", At::End)] {
            if self.accept_word(word) {
                self.expect("(")?;
                self.expect(")")?;
                return Ok(at);
            }
        }
        let sign = if self.accept("-") { -1.0 } else { 1.0 };
        match *self.peek() {
            Token::Number(seconds) => {
                self.next += 1;
                // Milliseconds, as Prometheus has them.
                let millis = (sign * seconds * 1e3).round() as i64;
                Ok(At::Time(millis.saturating_mul(1_000_000)))
            }
            _ => self.unexpected("seconds since 1970, start() or end()"),
        }
    }

    fn primary(&mut self) -> Result<Expr, ApiError> {
        let followed_by = |word: &str| match self.ahead(1) {
            Token::Symbol("(") => true,
            Token::Word(next) => {
                let is_grouping = ["by", "without"].iter().any(|one| next.eq_ignore_ascii_case(one));
                is_grouping && Operator::of(word).is_none()
            }
            _ => false,
        };
        match self.peek().clone() {
            Token::Symbol("(") => {
                self.next += 1;
                let expr = self.expr(0)?;
                self.expect(")")?;
                Ok(expr)
            }
            Token::Number(number) => {
                self.next += 1;
                Ok(Expr::Number(number))
            }
            Token::Text(text) => {
                self.next += 1;
                Ok(Expr::Text(text))
            }
            Token::Word(word) if followed_by(&word) => match Aggregator::of(&word) {
                Some(aggregator) => self.aggregation(&word, aggregator),
                None => self.call(&word),
            },
            Token::Word(word) if ["inf", "nan"].iter().any(|one| word.eq_ignore_ascii_case(one)) => {
                self.next += 1;
                let is_infinity = word.eq_ignore_ascii_case("inf");
                Ok(Expr::Number(if is_infinity { f64::INFINITY } else { f64::NAN }))
            }
            Token::Word(_) | Token::Symbol("{") => Ok(Expr::Selection(Selection {
                matchers: self.matchers()?,
                window: None,
                offset: 0,
                at: None,
            })),
            _ => self.unexpected("an expression"),
        }
    }

    fn matchers(&mut self) -> Result<Vec<Matcher>, ApiError> {
        let at = self.at();
        let mut matchers = Vec::new();
        if let Token::Word(name) = self.peek() {
            matchers.push(Matcher::equal(NAME, name));
            self.next += 1;
        }
        if matchers.is_empty() || *self.peek() == Token::Symbol("{") {
            self.expect("{")?;
            while !self.accept("}") {
                let matcher = self.matcher()?;
                matchers.push(matcher);
                if !self.accept(",") && *self.peek() != Token::Symbol("}") {
                    return self.unexpected("`,` or `}`");
                }
            }
        }
        let names = matchers.iter().filter(|matcher| matcher.label().name() == NAME);
        if matchers.first().is_some_and(|first| first.label().name() == NAME)
            && names
                .filter(|matcher| matcher.operator() == Compares::Equal)
                .count()
                > 1
        {
            return Err(wrong(at, "the name is there twice"));
        }
        if matchers.iter().all(|matcher| matcher.accepts("")) {
            let text = "something must be demanded that the empty text is not, such as a name";
            return Err(wrong(at, text));
        }
        Ok(matchers)
    }

    fn matcher(&mut self) -> Result<Matcher, ApiError> {
        let label = match self.peek() {
            Token::Text(name) if matches!(self.ahead(1), Token::Symbol("," | "}")) => {
                let matcher = Matcher::equal(NAME, name);
                self.next += 1;
                return Ok(matcher);
            }
            Token::Word(label) | Token::Text(label) => label.clone(),
            _ => return self.unexpected("the name of a label"),
        };
        self.next += 1;
        let operator = match self.peek() {
            Token::Symbol("=") => Compares::Equal,
            Token::Symbol("!=") => Compares::NotEqual,
            Token::Symbol("=~") => Compares::Matches,
            Token::Symbol("!~") => Compares::NotMatches,
            _ => return self.unexpected("`=`, `!=`, `=~` or `!~`"),
        };
        self.next += 1;
        let Token::Text(value) = self.peek() else {
            return self.unexpected("a text between quotes");
        };
        let matcher = Matcher::new(label, operator, value)?;
        self.next += 1;
        Ok(matcher)
    }

    fn arguments(&mut self) -> Result<Vec<Expr>, ApiError> {
        self.expect("(")?;
        let mut arguments = Vec::new();
        while !self.accept(")") {
            arguments.push(self.expr(0)?);
            if *self.peek() != Token::Symbol(")") {
                self.expect(",")?;
                if *self.peek() == Token::Symbol(")") {
                    return self.unexpected("one more argument");
                }
            }
        }
        Ok(arguments)
    }

    fn call(&mut self, name: &str) -> Result<Expr, ApiError> {
        let at = self.at();
        let Some(function) = Function::of(name) else {
            let known: Vec<&str> = Function::names()
                .chain(Aggregator::ALL.into_iter().map(|(name, _)| name))
                .collect();
            return Err(ApiError::execution(format!(
                "`{name}` is not supported here; these are: {}",
                known.join(", ")
            )));
        };
        self.next += 1;
        let arguments = self.arguments()?;
        let (types, optional) = function.arguments();
        if !(types.len() - optional..=types.len()).contains(&arguments.len()) {
            let text = format!(
                "`{name}` has {} arguments, and not {}",
                types.len(),
                arguments.len()
            );
            return Err(wrong(at, &text));
        }
        for (argument, wanted) in arguments.iter().zip(types) {
            demand(at, name, argument, *wanted)?;
        }
        Ok(Expr::Call(function, arguments))
    }

    fn aggregation(&mut self, name: &str, aggregator: Aggregator) -> Result<Expr, ApiError> {
        let at = self.at();
        self.next += 1;
        let before = self.grouping()?;
        let mut arguments = self.arguments()?;
        let grouping = match before {
            Some(grouping) => grouping,
            None => self.grouping()?.unwrap_or(Labelling::Only(Vec::new())),
        };
        let wanted = 1 + usize::from(aggregator.has_parameter());
        if arguments.len() != wanted {
            let text = format!("`{name}` has {wanted} arguments, and not {}", arguments.len());
            return Err(wrong(at, &text));
        }
        let Some(of) = arguments.pop() else {
            return self.unexpected("an argument");
        };
        demand(at, name, &of, Type::Vector)?;
        let parameter = arguments.pop();
        if let Some(parameter) = &parameter {
            demand(at, name, parameter, Type::Scalar)?;
        }
        Ok(Expr::Aggregation(Box::new(Aggregation {
            aggregator,
            parameter,
            of,
            grouping,
        })))
    }

    fn grouping(&mut self) -> Result<Option<Labelling>, ApiError> {
        if self.accept_word("by") {
            return Ok(Some(Labelling::Only(self.label_list()?)));
        }
        if self.accept_word("without") {
            return Ok(Some(Labelling::Except(self.label_list()?)));
        }
        Ok(None)
    }
}

fn demand(at: usize, name: &str, argument: &Expr, wanted: Type) -> Result<(), ApiError> {
    match argument.kind() {
        kind if kind == wanted => Ok(()),
        kind => Err(wrong(
            at,
            &format!("`{name}` expects type {wanted}, and has got {kind}"),
        )),
    }
}

fn binary(
    at: usize,
    operator: Operator,
    returns_bool: bool,
    matching: Option<(Labelling, Cardinality)>,
    left: Expr,
    right: Expr,
) -> Result<Expr, ApiError> {
    let (left_type, right_type) = (left.kind(), right.kind());
    let is_number = |kind| matches!(kind, Type::Scalar | Type::Vector);
    let are_scalars = (left_type, right_type) == (Type::Scalar, Type::Scalar);
    let are_vectors = (left_type, right_type) == (Type::Vector, Type::Vector);
    let is_grouped = !matches!(matching, None | Some((_, Cardinality::OneToOne)));
    let fault = if !is_number(left_type) || !is_number(right_type) {
        "an operator is between scalars and instant vectors"
    } else if returns_bool && !operator.is_comparison() {
        "`bool` belongs to comparisons"
    } else if are_scalars && operator.is_comparison() && !returns_bool {
        "a comparison of scalars needs `bool`"
    } else if !are_vectors && operator.is_of_sets() {
        "`and`, `or` and `unless` are between instant vectors"
    } else if !are_vectors && matching.is_some() {
        "`on` and `ignoring` are for instant vectors"
    } else if is_grouped && operator.is_of_sets() {
        "`and`, `or` and `unless` have no `group_left` or `group_right`"
    } else {
        let (matching, cardinality) =
            matching.unwrap_or((Labelling::Except(Vec::new()), Cardinality::OneToOne));
        return Ok(Expr::Binary(Box::new(Binary {
            operator,
            returns_bool,
            matching,
            cardinality,
            left,
            right,
        })));
    };
    Err(wrong(at, fault))
}
