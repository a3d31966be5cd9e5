//! The project and its Logstores: what each store is called on the wire.
//! There must never be a name for anything that can be written.

use innertrail_logstore::Store;

/// Names of a trail's project and Logstores.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Names {
    project: String,
    trail: String,
}

impl Names {
    /// The names of a trail in a project.
    #[must_use]
    pub fn new(project: impl Into<String>, trail: impl Into<String>) -> Self {
        Self { project: project.into(), trail: trail.into() }
    }

    /// The project.
    #[must_use]
    pub fn project(&self) -> &str {
        &self.project
    }

    /// The Logstore of a store: the dedicated one is `innertrail_<trail>`, the others have a word behind it.
    #[must_use]
    pub fn logstore(&self, store: Store) -> String {
        match store {
            Store::Log => format!("innertrail_{}", self.trail),
            other => format!("innertrail_{}-{}", self.trail, other.name()),
        }
    }

    /// The store of a Logstore.
    #[must_use]
    pub fn store(&self, logstore: &str) -> Option<Store> {
        Store::ALL.into_iter().find(|store| self.logstore(*store) == logstore)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_store_has_one_name_and_no_other_name_is_one() {
        let names = Names::new("audit", "main-trail");
        for store in Store::ALL {
            assert_eq!(names.store(&names.logstore(store)), Some(store));
        }
        assert_eq!(names.logstore(Store::Log), "innertrail_main-trail");
        assert_eq!(names.store("innertrail_main-trail-log"), None);
        assert_eq!(names.store(""), None);
    }
}
