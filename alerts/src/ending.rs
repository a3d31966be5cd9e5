//! What ends an alert over a single record: another record, which says so.
//!
//! Both records name what they are about by the same fields, so an alert and its end have one id without anything being
//! remembered. It must never end an alert whose record lacks one of these fields.

use crate::detect::{Detection, Parameters};
use crate::fault::{Flaw, shown};
use crate::field::Field;
use crate::record::Record;
use crate::yaml::Node;

/// Most fields that tell alerts of one rule apart.
const MOST: usize = 8;

/// Names with values.
pub(crate) type Pairs = Vec<(String, String)>;

/// The key `ends` of a rule.
#[derive(Debug, Clone)]
pub(crate) struct Ending {
    /// The record that ends an alert.
    pub(crate) detection: Detection,
    /// What has to be the same in both.
    same: Vec<(String, Field)>,
}

impl Ending {
    /// Reads the value of `ends`.
    pub(crate) fn parse(node: &Node, parameters: &Parameters) -> Result<Self, Flaw> {
        node.only("`ends`", &["detection", "same"])?;
        let detection = node.get("detection").ok_or_else(|| Flaw::new(node.at, "`ends` has no `detection`"))?;
        let fields =
            node.get("same").ok_or_else(|| Flaw::new(node.at, "`ends` has no `same`: fields of both records"))?;
        let mut same = Vec::new();
        for (at, name) in fields.texts("a field")? {
            let field = Field::new(name)
                .map_err(|near| Flaw::new(at, format!("there is no field {}; did you mean `{near}`?", shown(name))))?;
            same.push((name.to_owned(), field));
        }
        if same.is_empty() || same.len() > MOST {
            return Err(Flaw::new(fields.at, format!("`same` names 1 to {MOST} fields")));
        }
        Ok(Self { detection: Detection::parse(detection, parameters)?, same })
    }

    /// What a record is about; `None` when it lacks one of the fields, so that nothing can end it.
    pub(crate) fn about(&self, record: &Record<'_>) -> Option<Pairs> {
        let value = |(name, field): &(String, Field)| {
            let values = field.texts(record);
            (!values.is_empty()).then(|| (name.clone(), values.join(", ")))
        };
        self.same.iter().map(value).collect()
    }
}
