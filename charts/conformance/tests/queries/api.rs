//! The HTTP API of Prometheus, of whoever has it.

use alumet_core::time::{Clock, SystemClock};
use serde_json::Value as Json;

use crate::dashboard::{Dashboard, Query, list, substitute, text};
use crate::http::{get, percent};

/// How much of the past is asked for, in seconds.
const RANGE: u64 = 20;
/// How long a window of rates is.
const WINDOW: &str = "20s";
/// What was measured in the last seconds is still on its way.
const DELAY: u64 = 5;

/// Who is asked.
pub(crate) struct Api {
    pub(crate) port: u16,
    /// What stands before `/api/v1`.
    pub(crate) path: &'static str,
}

/// What is chosen where there is a choice.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Choice {
    /// "All".
    All,
    /// The first value.
    First,
}

impl Api {
    /// The data of an answer, or why there is none.
    pub(crate) fn ask(&self, question: &str) -> Result<Json, String> {
        let (status, body) = get(self.port, &format!("{}/api/v1/{question}", self.path));
        let answer: Json = serde_json::from_str(&body).map_err(|error| format!("{error}: {body}"))?;
        match answer["status"] == "success" {
            true => Ok(answer["data"].clone()),
            false => Err(format!("{status}: {body}")),
        }
    }

    /// The values that a dashboard puts in its queries, each with the name of the variable.
    pub(crate) fn choose(
        &self,
        dashboard: &Dashboard,
        choice: Choice,
    ) -> Result<Vec<(String, String)>, String> {
        let mut chosen = Vec::new();
        for variable in dashboard.variables() {
            let query = filled(text(&variable["query"]["query"]), &chosen);
            let of = query
                .strip_prefix("label_values(")
                .and_then(|rest| rest.strip_suffix(')'));
            let (selector, label) = of
                .and_then(|of| of.rsplit_once(", "))
                .ok_or_else(|| query.clone())?;
            let found = self.ask(&format!("label/{label}/values?match[]={}", percent(selector)))?;
            let found: Vec<_> = list(&found).iter().map(text).collect();
            let first = *found
                .first()
                .ok_or_else(|| format!("{}: nothing to choose: {query}", dashboard.name))?;
            let value = match (choice, variable["allValue"].as_str()) {
                (Choice::First, _) => first.to_owned(),
                (Choice::All, Some(all)) => all.to_owned(),
                (Choice::All, None) => found.join("|"),
            };
            chosen.push((text(&variable["name"]).to_owned(), value));
        }
        Ok(chosen)
    }

    /// The last values of the series that a query gives.
    pub(crate) fn values(&self, query: &Query, chosen: &[(String, String)]) -> Result<Vec<f64>, String> {
        // What is compared with 0 is shown when something happens.
        let expr = query.expr.strip_suffix(" > 0").unwrap_or(&query.expr);
        let expr = percent(&filled(expr, chosen));
        let end = SystemClock.now().wall.as_nanos().cast_unsigned() / 1_000_000_000 - DELAY;
        let data = match query.is_instant {
            true => self.ask(&format!("query?query={expr}&time={end}")),
            false => self.ask(&format!(
                "query_range?query={expr}&start={}&end={end}&step=5",
                end - RANGE
            )),
        };
        let series = data?["result"].as_array().cloned().unwrap_or_default();
        let last = |series: &Json| match query.is_instant {
            true => series["value"][1].as_str()?.parse().ok(),
            false => list(&series["values"]).last()?[1].as_str()?.parse().ok(),
        };
        Ok(series.iter().filter_map(last).collect())
    }
}

fn filled(expr: &str, chosen: &[(String, String)]) -> String {
    substitute(expr, |name| match name {
        "__rate_interval" => WINDOW.to_owned(),
        "__range" => format!("{RANGE}s"),
        name => {
            let value = chosen.iter().find(|(chosen, _)| chosen == name);
            value.map(|(_, value)| value.clone()).unwrap_or_default()
        }
    })
}
