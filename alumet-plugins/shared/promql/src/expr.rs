//! What an expression is made of.

use alumet_shared_query::Matcher;

use crate::function::Function;

/// An expression whose parts have the types that they must have.
#[derive(Debug)]
pub(crate) enum Expr {
    Number(f64),
    Text(String),
    Selection(Selection),
    Negation(Box<Self>),
    Call(Function, Vec<Self>),
    Aggregation(Box<Aggregation>),
    Binary(Box<Binary>),
}

/// The type of an expression.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Type {
    Scalar,
    Vector,
    Matrix,
    Text,
}

/// The samples of series: the newest of each, or those of a window.
#[derive(Debug)]
pub(crate) struct Selection {
    pub(crate) matchers: Vec<Matcher>,
    /// How long the window is, in nanoseconds.
    pub(crate) window: Option<i64>,
    /// How long before, in nanoseconds.
    pub(crate) offset: i64,
    pub(crate) at: Option<At>,
}

/// The time of a selection, if it is not that of each step.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum At {
    Start,
    End,
    /// In nanoseconds since 1970.
    Time(i64),
}

#[derive(Debug)]
pub(crate) struct Aggregation {
    pub(crate) aggregator: Aggregator,
    pub(crate) parameter: Option<Expr>,
    pub(crate) of: Expr,
    pub(crate) grouping: Labelling,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Aggregator {
    Sum,
    Avg,
    Min,
    Max,
    Count,
    Group,
    Quantile,
    Topk,
    Bottomk,
}

/// Which labels count.
#[derive(Debug)]
pub(crate) enum Labelling {
    /// These: `by`, `on`.
    Only(Vec<String>),
    /// All but these and the name: `without`, `ignoring`.
    Except(Vec<String>),
}

#[derive(Debug)]
pub(crate) struct Binary {
    pub(crate) operator: Operator,
    pub(crate) returns_bool: bool,
    pub(crate) matching: Labelling,
    pub(crate) cardinality: Cardinality,
    pub(crate) left: Expr,
    pub(crate) right: Expr,
}

/// How many series of each side belong together.
#[derive(Debug)]
pub(crate) enum Cardinality {
    OneToOne,
    /// `group_left`, with the labels that come from the right side.
    ManyToOne(Vec<String>),
    /// `group_right`, with the labels that come from the left side.
    OneToMany(Vec<String>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Operator {
    Add,
    Sub,
    Mul,
    Div,
    Mod,
    Pow,
    Atan2,
    Equal,
    NotEqual,
    Greater,
    Less,
    GreaterOrEqual,
    LessOrEqual,
    And,
    Or,
    Unless,
}

impl Aggregator {
    pub(crate) const ALL: [(&'static str, Self); 9] = [
        ("sum", Self::Sum),
        ("avg", Self::Avg),
        ("min", Self::Min),
        ("max", Self::Max),
        ("count", Self::Count),
        ("group", Self::Group),
        ("quantile", Self::Quantile),
        ("topk", Self::Topk),
        ("bottomk", Self::Bottomk),
    ];

    pub(crate) fn of(word: &str) -> Option<Self> {
        let mut all = Self::ALL.into_iter();
        all.find_map(|(name, aggregator)| name.eq_ignore_ascii_case(word).then_some(aggregator))
    }

    pub(crate) const fn has_parameter(self) -> bool {
        matches!(self, Self::Quantile | Self::Topk | Self::Bottomk)
    }
}

impl Operator {
    const ALL: [(&'static str, Self); 16] = [
        ("+", Self::Add),
        ("-", Self::Sub),
        ("*", Self::Mul),
        ("/", Self::Div),
        ("%", Self::Mod),
        ("^", Self::Pow),
        ("atan2", Self::Atan2),
        ("==", Self::Equal),
        ("!=", Self::NotEqual),
        (">", Self::Greater),
        ("<", Self::Less),
        (">=", Self::GreaterOrEqual),
        ("<=", Self::LessOrEqual),
        ("and", Self::And),
        ("or", Self::Or),
        ("unless", Self::Unless),
    ];

    pub(crate) fn of(text: &str) -> Option<Self> {
        let mut all = Self::ALL.into_iter();
        all.find_map(|(name, operator)| name.eq_ignore_ascii_case(text).then_some(operator))
    }

    /// The larger, the tighter it binds.
    pub(crate) const fn precedence(self) -> u8 {
        match self {
            Self::Or => 1,
            Self::And | Self::Unless => 2,
            _ if self.is_comparison() => 3,
            Self::Add | Self::Sub => 4,
            Self::Pow => 6,
            _ => 5,
        }
    }

    pub(crate) const fn is_comparison(self) -> bool {
        matches!(
            self,
            Self::Equal
                | Self::NotEqual
                | Self::Greater
                | Self::Less
                | Self::GreaterOrEqual
                | Self::LessOrEqual
        )
    }

    pub(crate) const fn is_of_sets(self) -> bool {
        matches!(self, Self::And | Self::Or | Self::Unless)
    }
}

impl Expr {
    pub(crate) fn kind(&self) -> Type {
        match self {
            Self::Number(_) => Type::Scalar,
            Self::Text(_) => Type::Text,
            Self::Selection(selection) if selection.window.is_some() => Type::Matrix,
            Self::Selection(_) | Self::Aggregation(_) => Type::Vector,
            Self::Negation(of) => of.kind(),
            Self::Call(function, _) => function.kind(),
            Self::Binary(binary) => match (binary.left.kind(), binary.right.kind()) {
                (Type::Scalar, Type::Scalar) => Type::Scalar,
                _ => Type::Vector,
            },
        }
    }
}

impl std::fmt::Display for Type {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Scalar => "scalar",
            Self::Vector => "instant vector",
            Self::Matrix => "range vector",
            Self::Text => "string",
        })
    }
}
