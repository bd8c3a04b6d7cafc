//! Tests of the charts, dashboards and rules against the real programs; all of it is in `tests`.
