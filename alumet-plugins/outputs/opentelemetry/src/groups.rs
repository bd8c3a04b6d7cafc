//! The points of a request, by resource and metric, as OTLP wants them.

use hashbrown::HashMap;

use crate::wire::{field_len, push_bytes, push_head};

/// Collects points. Each group of them, the points of a metric of a resource, is known by a number.
#[derive(Debug)]
pub(crate) struct Groups {
    resources: Vec<Resource>,
    resource_numbers: HashMap<Vec<u8>, usize>,
    groups: Vec<Group>,
    group_numbers: HashMap<(usize, MetricText), usize>,
    /// The resources that have points.
    filled: Vec<usize>,
    /// The scope of all points, encoded.
    scope: Vec<u8>,
}

/// A metric without its points.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct MetricText {
    /// Name, description and unit, encoded.
    pub(crate) head: Vec<u8>,
    /// The number of the field that has the points: that of a gauge or a sum.
    pub(crate) data: u8,
    /// What follows the points in it, encoded.
    pub(crate) tail: Vec<u8>,
}

#[derive(Debug)]
struct Resource {
    /// Its attributes, encoded.
    text: Vec<u8>,
    /// Its groups that have points.
    filled: Vec<usize>,
}

#[derive(Debug)]
struct Group {
    resource: usize,
    metric: MetricText,
    points: Vec<u8>,
}

impl Groups {
    /// No groups, in a scope of this name.
    pub(crate) fn new(name: &str, version: &str) -> Self {
        let (mut scope, mut content) = (Vec::new(), Vec::new());
        push_bytes(&mut content, 1, name.as_bytes());
        push_bytes(&mut content, 2, version.as_bytes());
        push_bytes(&mut scope, 1, &content);
        Self {
            resources: Vec::new(),
            resource_numbers: HashMap::new(),
            groups: Vec::new(),
            group_numbers: HashMap::new(),
            filled: Vec::new(),
            scope,
        }
    }

    /// How many groups there are.
    pub(crate) const fn len(&self) -> usize {
        self.groups.len()
    }

    /// Forgets all groups, and their points.
    pub(crate) fn clear(&mut self) {
        self.resources.clear();
        self.resource_numbers.clear();
        self.groups.clear();
        self.group_numbers.clear();
        self.filled.clear();
    }

    /// The number of the group of a resource, whose attributes are given as they are encoded, and a metric.
    pub(crate) fn number(&mut self, resource: Vec<u8>, metric: MetricText) -> usize {
        let resources = &mut self.resources;
        let resource = *self.resource_numbers.entry(resource).or_insert_with_key(|text| {
            resources.push(Resource {
                text: text.clone(),
                filled: Vec::new(),
            });
            resources.len() - 1
        });
        let groups = &mut self.groups;
        let group = self.group_numbers.entry((resource, metric));
        *group.or_insert_with_key(|(resource, metric)| {
            groups.push(Group {
                resource: *resource,
                metric: metric.clone(),
                points: Vec::new(),
            });
            groups.len() - 1
        })
    }

    /// The points of a group; one is appended to them.
    pub(crate) fn points(&mut self, number: usize) -> &mut Vec<u8> {
        let group = &mut self.groups[number];
        if group.points.is_empty() {
            let resource = &mut self.resources[group.resource];
            if resource.filled.is_empty() {
                self.filled.push(group.resource);
            }
            resource.filled.push(number);
        }
        &mut group.points
    }

    /// The request with all points, which are in no group any more.
    pub(crate) fn take(&mut self) -> Vec<u8> {
        let points: usize = self.groups.iter().map(|group| group.points.len()).sum();
        // What stands around the points is short, unless there are few of them.
        let mut out = Vec::with_capacity(points + points / 4);
        for resource in self.filled.drain(..) {
            let resource = &mut self.resources[resource];
            let metrics = resource.filled.iter();
            let metrics: usize = metrics.map(|metric| field_len(self.groups[*metric].len())).sum();
            let scope = self.scope.len() + metrics;
            push_head(&mut out, 1, field_len(resource.text.len()) + field_len(scope));
            push_bytes(&mut out, 1, &resource.text);
            push_head(&mut out, 2, scope);
            out.extend_from_slice(&self.scope);
            for group in resource.filled.drain(..) {
                let group = &mut self.groups[group];
                push_head(&mut out, 2, group.len());
                out.extend_from_slice(&group.metric.head);
                push_head(&mut out, group.metric.data, group.data_len());
                out.append(&mut group.points);
                out.extend_from_slice(&group.metric.tail);
            }
        }
        out
    }
}

impl Group {
    const fn data_len(&self) -> usize {
        self.points.len() + self.metric.tail.len()
    }

    const fn len(&self) -> usize {
        self.metric.head.len() + field_len(self.data_len())
    }
}
