use serde::Serialize;

/// What a plugin finds out about the machine, without measuring: one thing that works, or does not, and how to mend it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What was looked at: `pressure stall information`.
    pub subject: String,
    /// Whether it works.
    pub verdict: Verdict,
    /// What was found.
    pub detail: String,
    /// The command or setting that would mend it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remedy: Option<String>,
}

/// Whether something works.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Verdict {
    /// It works.
    Works,
    /// This machine does not have it, and that is no fault.
    Absent,
    /// It works in part, or at a higher cost.
    Limited,
    /// It does not work, although it should.
    Broken,
}

words! {
    Verdict {
        Works: "works",
        Absent: "absent",
        Limited: "limited",
        Broken: "broken",
    }
}

impl Finding {
    /// Something works.
    pub fn works(subject: impl Into<String>, detail: impl Into<String>) -> Self {
        Self {
            subject: subject.into(),
            verdict: Verdict::Works,
            detail: detail.into(),
            remedy: None,
        }
    }

    /// This machine does not have something, and that is no fault.
    pub fn absent(subject: impl Into<String>, detail: impl Into<String>) -> Self {
        Self {
            verdict: Verdict::Absent,
            ..Self::works(subject, detail)
        }
    }

    /// Something works in part; `remedy` would mend it.
    pub fn limited(subject: impl Into<String>, detail: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self {
            verdict: Verdict::Limited,
            remedy: Some(remedy.into()),
            ..Self::works(subject, detail)
        }
    }

    /// Something does not work; `remedy` would mend it.
    pub fn broken(subject: impl Into<String>, detail: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self {
            verdict: Verdict::Broken,
            remedy: Some(remedy.into()),
            ..Self::works(subject, detail)
        }
    }
}
