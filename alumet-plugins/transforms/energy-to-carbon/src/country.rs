//! Countries: what a kWh of electricity emits there.

/// A row of the table.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Country {
    /// By ISO 3166-1 alpha-3.
    code: &'static str,
    pub(crate) name: &'static str,
    /// Of which year the mean is.
    pub(crate) year: u16,
    /// In grams of CO2 equivalent per kWh.
    pub(crate) intensity: f64,
}

impl Country {
    /// The country with that code, in letters of any size.
    ///
    /// # Errors
    /// There is none, but these are near.
    pub(crate) fn find(code: &str) -> Result<Self, String> {
        if let Some(country) = Self::all().find(|country| country.code.eq_ignore_ascii_case(code)) {
            return Ok(country);
        }
        let upper = code.to_uppercase();
        let is_near = |country: &Self| {
            let letters = country.code.chars().zip(upper.chars());
            country.name.to_uppercase().starts_with(&upper)
                || letters.filter(|(one, other)| one == other).count() >= 2
        };
        let mut near: Vec<_> = Self::all().filter(is_near).collect();
        if near.is_empty() || upper.is_empty() {
            near = Self::all().collect();
        }
        let near: Vec<_> = near
            .iter()
            .map(|country| format!("{} ({})", country.code, country.name))
            .collect();
        Err(format!(
            "`{code}` is none of the countries of the table; write {}, or use `intensity_override`",
            near.join(", ")
        ))
    }

    fn all() -> impl Iterator<Item = Self> {
        let row = |line: &'static str| {
            let mut columns = line.split(',');
            Some(Self {
                code: columns.next()?,
                name: columns.next()?,
                year: columns.next()?.parse().ok()?,
                intensity: columns.next()?.parse().ok()?,
            })
        };
        include_str!("countries.csv").lines().filter_map(row)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_row_is_found_by_its_code_alone() {
        let lines = include_str!("countries.csv")
            .lines()
            .filter(|line| !line.starts_with('#'));
        assert_eq!(Country::all().count(), lines.count(), "a row is not understood");
        for country in Country::all() {
            assert_eq!(Country::find(country.code), Ok(country));
            assert!(
                country.code.len() == 3 && (10.0..1000.0).contains(&country.intensity),
                "{country:?}"
            );
        }
        assert_eq!(Country::find("fra").map(|country| country.name), Ok("France"));
    }

    #[test]
    fn a_code_that_there_is_not_is_answered_with_those_that_are_near() {
        for (code, near) in [
            ("FR", "FRA (France)"),
            ("GER", "DEU (Germany)"),
            ("us", "USA (United States)"),
            ("XYZ", "ZAF (South Africa)"),
            ("", "ZAF (South Africa)"),
        ] {
            let error = Country::find(code).unwrap_err();
            assert!(error.contains(near), "{error}");
        }
        assert!(!Country::find("FR").unwrap_err().contains("Germany"));
    }
}
