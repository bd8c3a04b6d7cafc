//! The functions: their names, what they take and what they give.

use crate::expr::Type;

/// A function of an expression.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Function {
    /// Of the samples in a window.
    Window(Window),
    /// Of each value.
    Math(fn(f64) -> f64),
    Clamp,
    ClampMin,
    ClampMax,
    Round,
    Time,
    Timestamp,
    Scalar,
    Vector,
    Sort,
    SortDesc,
    Absent,
}

/// What is computed of the samples in a window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Window {
    Rate,
    Increase,
    Delta,
    Irate,
    Avg,
    Min,
    Max,
    Sum,
    Count,
    Last,
    Present,
    Quantile,
}

const FUNCTIONS: [(&str, Function); 32] = [
    ("rate", Function::Window(Window::Rate)),
    ("increase", Function::Window(Window::Increase)),
    ("irate", Function::Window(Window::Irate)),
    ("delta", Function::Window(Window::Delta)),
    ("avg_over_time", Function::Window(Window::Avg)),
    ("min_over_time", Function::Window(Window::Min)),
    ("max_over_time", Function::Window(Window::Max)),
    ("sum_over_time", Function::Window(Window::Sum)),
    ("count_over_time", Function::Window(Window::Count)),
    ("last_over_time", Function::Window(Window::Last)),
    ("present_over_time", Function::Window(Window::Present)),
    ("quantile_over_time", Function::Window(Window::Quantile)),
    ("abs", Function::Math(f64::abs)),
    ("ceil", Function::Math(f64::ceil)),
    ("floor", Function::Math(f64::floor)),
    ("exp", Function::Math(f64::exp)),
    ("ln", Function::Math(f64::ln)),
    ("log2", Function::Math(f64::log2)),
    ("log10", Function::Math(f64::log10)),
    ("sqrt", Function::Math(f64::sqrt)),
    ("sgn", Function::Math(sign)),
    ("round", Function::Round),
    ("clamp", Function::Clamp),
    ("clamp_min", Function::ClampMin),
    ("clamp_max", Function::ClampMax),
    ("time", Function::Time),
    ("timestamp", Function::Timestamp),
    ("scalar", Function::Scalar),
    ("vector", Function::Vector),
    ("sort", Function::Sort),
    ("sort_desc", Function::SortDesc),
    ("absent", Function::Absent),
];

impl Function {
    /// The names of all.
    pub(crate) fn names() -> impl Iterator<Item = &'static str> {
        FUNCTIONS.into_iter().map(|(name, _)| name)
    }

    pub(crate) fn of(name: &str) -> Option<Self> {
        let mut all = FUNCTIONS.into_iter();
        all.find_map(|(other, function)| (other == name).then_some(function))
    }

    /// The types of the arguments, and how many of them may be left out.
    pub(crate) const fn arguments(self) -> (&'static [Type], usize) {
        use Type::{Matrix, Scalar, Vector};
        match self {
            Self::Window(Window::Quantile) => (&[Scalar, Matrix], 0),
            Self::Window(_) => (&[Matrix], 0),
            Self::Clamp => (&[Vector, Scalar, Scalar], 0),
            Self::ClampMin | Self::ClampMax => (&[Vector, Scalar], 0),
            Self::Round => (&[Vector, Scalar], 1),
            Self::Time => (&[], 0),
            Self::Vector => (&[Scalar], 0),
            Self::Math(_) | Self::Timestamp | Self::Scalar | Self::Sort | Self::SortDesc | Self::Absent => {
                (&[Vector], 0)
            }
        }
    }

    pub(crate) const fn kind(self) -> Type {
        match self {
            Self::Time | Self::Scalar => Type::Scalar,
            _ => Type::Vector,
        }
    }

    /// Whether the values count that a counter has, and not only how it moves.
    pub(crate) const fn needs_values(self) -> bool {
        use Window::{Count, Delta, Increase, Irate, Present, Rate};
        !matches!(
            self,
            Self::Window(Rate | Increase | Irate | Delta | Count | Present) | Self::Timestamp | Self::Absent
        )
    }
}

fn sign(value: f64) -> f64 {
    if value > 0.0 {
        1.0
    } else if value < 0.0 {
        -1.0
    } else {
        value
    }
}
