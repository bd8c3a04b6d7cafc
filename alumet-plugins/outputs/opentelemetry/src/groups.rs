//! The points of a request, by resource and metric, as OTLP wants them.

use indexmap::IndexSet;

use crate::wire::{field_len, push_bytes, push_head};

/// Collects points. Each belongs to a group, the points of a metric of a resource.
#[derive(Debug)]
pub(crate) struct Groups {
    /// The attributes of resources, encoded.
    resources: IndexSet<Box<[u8]>>,
    metrics: IndexSet<MetricText>,
    /// The points of the request, in the order of the samples.
    points: Vec<u8>,
    places: Vec<Place>,
    /// The scope of all points, encoded.
    scope: Vec<u8>,
    /// How long the last request was.
    last: usize,
}

/// A metric without its points.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(crate) struct MetricText {
    /// Name, description and unit, encoded.
    pub(crate) head: Vec<u8>,
    /// The number of the field that has the points: that of a gauge or a sum.
    pub(crate) data: u8,
    /// What follows the points in it, encoded.
    pub(crate) tail: Vec<u8>,
}

/// The numbers of a resource and of a metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Group {
    resource: usize,
    metric: usize,
}

/// Where a point stands.
#[derive(Debug)]
struct Place {
    group: Group,
    begin: usize,
    end: usize,
}

impl Groups {
    /// No groups, in a scope of this name.
    pub(crate) fn new(name: &str, version: &str) -> Self {
        let (mut scope, mut content) = (Vec::new(), Vec::new());
        push_bytes(&mut content, 1, name.as_bytes());
        push_bytes(&mut content, 2, version.as_bytes());
        push_bytes(&mut scope, 1, &content);
        Self {
            resources: IndexSet::new(),
            metrics: IndexSet::new(),
            points: Vec::new(),
            places: Vec::new(),
            scope,
            last: 0,
        }
    }

    /// How many resources and metrics are known.
    pub(crate) fn len(&self) -> usize {
        self.resources.len() + self.metrics.len()
    }

    /// Forgets all groups, between two requests.
    pub(crate) fn clear(&mut self) {
        self.resources.clear();
        self.metrics.clear();
    }

    /// The group of a resource, whose attributes are given as they are encoded, and a metric.
    pub(crate) fn group(&mut self, resource: Vec<u8>, metric: MetricText) -> Group {
        Group {
            resource: self.resources.insert_full(resource.into()).0,
            metric: self.metrics.insert_full(metric).0,
        }
    }

    /// Adds what `write` appends as a point of a group.
    pub(crate) fn add(&mut self, group: Group, write: impl FnOnce(&mut Vec<u8>)) {
        let begin = self.points.len();
        write(&mut self.points);
        let end = self.points.len();
        self.places.push(Place { group, begin, end });
    }

    /// The request with all points, which are in no group any more.
    pub(crate) fn take(&mut self) -> Vec<u8> {
        let Self {
            resources,
            metrics,
            points,
            places,
            scope,
            last,
        } = self;
        // Those of a group keep their order.
        places.sort_by_key(|place| place.group);
        let mut out = Vec::with_capacity(points.len().max(*last + *last / 8));
        for of_resource in places.chunk_by(|one, other| one.group.resource == other.group.resource) {
            let of_metrics = || {
                let each = of_resource.chunk_by(|one, other| one.group.metric == other.group.metric);
                each.filter_map(|places| {
                    let metric = metrics.get_index(places.first()?.group.metric)?;
                    Some((metric, places, metric.data_len(places)))
                })
            };
            let lens = of_metrics().map(|(metric, _, data)| field_len(metric.len(data)));
            let in_scope = scope.len() + lens.sum::<usize>();
            let resource = of_resource.first().map(|place| place.group.resource);
            let resource = resource.and_then(|number| resources.get_index(number));
            let resource: &[u8] = resource.map_or(&[], |text| text);
            push_head(&mut out, 1, field_len(resource.len()) + field_len(in_scope));
            push_bytes(&mut out, 1, resource);
            push_head(&mut out, 2, in_scope);
            out.extend_from_slice(scope);
            for (metric, places, data) in of_metrics() {
                push_head(&mut out, 2, metric.len(data));
                out.extend_from_slice(&metric.head);
                push_head(&mut out, metric.data, data);
                for place in places {
                    out.extend_from_slice(&points[place.begin..place.end]);
                }
                out.extend_from_slice(&metric.tail);
            }
        }
        points.clear();
        places.clear();
        *last = out.len();
        out
    }
}

impl MetricText {
    /// How long the field is that has the points.
    fn data_len(&self, places: &[Place]) -> usize {
        let points: usize = places.iter().map(|place| place.end - place.begin).sum();
        points + self.tail.len()
    }

    const fn len(&self, data: usize) -> usize {
        self.head.len() + field_len(data)
    }
}
