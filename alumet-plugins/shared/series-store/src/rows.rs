//! The rows of a series: an instant each, with one number or several.

use alumet_core::ValueType;
use alumet_shared_query::Bucket;

/// What a run holds: samples, or what they come to in intervals.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Resolution {
    Raw,
    Minute,
    Hour,
}

pub(crate) const SECOND: i64 = 1_000_000_000;
pub(crate) const MINUTE: i64 = 60 * SECOND;
pub(crate) const HOUR: i64 = 60 * MINUTE;
pub(crate) const DAY: i64 = 24 * HOUR;

/// The columns of a bucket in an interval. Its start is the instant of the row; `first_at` and `last_at` count from that.
const BUCKET: [ValueType; 9] = [
    ValueType::U64, // count
    ValueType::F64, // sum
    ValueType::F64, // min
    ValueType::F64, // max
    ValueType::F64, // first
    ValueType::F64, // last
    ValueType::U64, // first_at
    ValueType::U64, // last_at
    ValueType::F64, // rise
];

impl Resolution {
    pub(crate) const ALL: [Self; 3] = [Self::Raw, Self::Minute, Self::Hour];

    /// In nanoseconds: how long an interval is; of samples, 1.
    pub(crate) const fn step(self) -> i64 {
        match self {
            Self::Raw => 1,
            Self::Minute => MINUTE,
            Self::Hour => HOUR,
        }
    }

    /// In nanoseconds: how long the windows are, of which each has runs of its own.
    pub(crate) const fn window(self) -> i64 {
        match self {
            Self::Raw => HOUR,
            Self::Minute => DAY,
            Self::Hour => 30 * DAY,
        }
    }

    /// When the window begins that has an instant.
    pub(crate) const fn window_of(self, at: i64) -> i64 {
        let length = self.window();
        at.div_euclid(length).saturating_mul(length)
    }

    /// How it is written in the file: the seconds of an interval.
    pub(crate) const fn number(self) -> i64 {
        match self {
            Self::Raw => 0,
            Self::Minute => 60,
            Self::Hour => 3600,
        }
    }

    pub(crate) fn of_number(number: i64) -> Option<Self> {
        Self::ALL.into_iter().find(|one| one.number() == number)
    }

    /// The types of the columns of a series with values of that type.
    pub(crate) const fn columns(self, value_type: ValueType) -> &'static [ValueType] {
        match (self, value_type) {
            (Self::Minute | Self::Hour, _) => &BUCKET,
            (Self::Raw, ValueType::U64) => &[ValueType::U64],
            (Self::Raw, ValueType::I64) => &[ValueType::I64],
            (Self::Raw, ValueType::F64) => &[ValueType::F64],
        }
    }
}

/// Rows of one series. The numbers are bits, as in [`Batch::bits`](alumet_core::Batch::bits).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Rows {
    /// Nanoseconds since 1970.
    pub(crate) times: Vec<i64>,
    pub(crate) columns: Vec<Vec<u64>>,
}

impl Rows {
    pub(crate) fn new(columns: usize) -> Self {
        Self {
            times: Vec::new(),
            columns: vec![Vec::new(); columns],
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.times.len()
    }

    pub(crate) fn clear(&mut self) {
        self.times.clear();
        self.columns.iter_mut().for_each(Vec::clear);
    }

    /// Appends rows of the same series.
    pub(crate) fn append(&mut self, later: &Self) {
        self.columns
            .resize_with(later.columns.len().max(self.columns.len()), Vec::new);
        self.times.extend_from_slice(&later.times);
        for (column, more) in self.columns.iter_mut().zip(&later.columns) {
            column.extend_from_slice(more);
        }
    }

    /// Only the rows in `from..until`; the rows are in order of time.
    pub(crate) fn cut(&mut self, from: i64, until: i64) {
        let start = self.times.partition_point(|at| *at < from);
        let end = self.times.partition_point(|at| *at < until).max(start);
        if (start, end) != (0, self.len()) {
            self.times.truncate(end);
            self.times.drain(..start);
            for column in &mut self.columns {
                column.truncate(end);
                column.drain(..start);
            }
        }
    }

    /// Brings the rows in order of time, one per instant: of several, the one that was appended last.
    pub(crate) fn settle(&mut self) {
        if self.times.is_sorted_by(|one, next| one < next) {
            return;
        }
        let mut order: Vec<usize> = (0..self.len()).collect();
        order.sort_by_key(|index| self.times[*index]);
        let mut kept = Vec::with_capacity(order.len());
        for (place, index) in order.iter().enumerate() {
            let next = order.get(place + 1);
            if next.is_none_or(|next| self.times[*next] != self.times[*index]) {
                kept.push(*index);
            }
        }
        self.times = kept.iter().map(|index| self.times[*index]).collect();
        for column in &mut self.columns {
            *column = kept.iter().map(|index| column[*index]).collect();
        }
    }

    pub(crate) fn push_bucket(&mut self, bucket: &Bucket) {
        let start = bucket.start;
        let since = |at: i64| at.wrapping_sub(start).cast_unsigned();
        let row = [
            bucket.count,
            bucket.sum.to_bits(),
            bucket.min.to_bits(),
            bucket.max.to_bits(),
            bucket.first.to_bits(),
            bucket.last.to_bits(),
            since(bucket.first_at),
            since(bucket.last_at),
            bucket.rise.to_bits(),
        ];
        self.times.push(start);
        for (column, bits) in self.columns.iter_mut().zip(row) {
            column.push(bits);
        }
    }

    /// The bucket in a row of a resolution that has buckets.
    pub(crate) fn bucket(&self, row: usize) -> Bucket {
        let start = self.times[row];
        let bits = |column: usize| self.columns[column][row];
        let float = |column: usize| f64::from_bits(bits(column));
        let at = |column: usize| start.wrapping_add(bits(column).cast_signed());
        Bucket {
            start,
            count: bits(0),
            sum: float(1),
            min: float(2),
            max: float(3),
            first: float(4),
            last: float(5),
            first_at: at(6),
            last_at: at(7),
            rise: float(8),
        }
    }
}

/// The number that bits of that type are.
pub(crate) fn number(value_type: ValueType, bits: u64) -> f64 {
    match value_type {
        ValueType::U64 => bits as f64,
        ValueType::I64 => bits.cast_signed() as f64,
        ValueType::F64 => f64::from_bits(bits),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_rows_with_the_same_instant_the_last_is_kept() {
        let mut rows = Rows {
            times: vec![5, 3, 9, 5, 3],
            columns: vec![vec![1, 2, 3, 4, 5]],
        };
        rows.settle();
        assert_eq!(
            (rows.times.as_slice(), rows.columns[0].as_slice()),
            (&[3, 5, 9][..], &[5, 4, 3][..])
        );
        rows.cut(4, 9);
        assert_eq!((rows.times, rows.columns[0].as_slice()), (vec![5], &[4][..]));
    }

    #[test]
    fn a_bucket_survives_its_row() {
        let bucket = Bucket {
            start: -MINUTE,
            count: 3,
            sum: 4.5,
            min: 1.0,
            max: 2.0,
            first: 1.5,
            last: 1.0,
            first_at: 7 - MINUTE,
            last_at: -1,
            rise: 0.5,
        };
        let mut rows = Rows::new(BUCKET.len());
        rows.push_bucket(&bucket);
        assert_eq!(rows.bucket(0), bucket);
    }
}
