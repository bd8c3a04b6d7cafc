//! Services: what several plugins share, such as one watch of a hierarchy.

use std::any::{Any, TypeId};
use std::fmt;
use std::sync::{Arc, Weak};

use hashbrown::HashMap;
use parking_lot::Mutex;

/// One shared thing of each type, alive as long as a plugin holds it. Cheap to clone; all clones are the same services.
#[derive(Clone, Default)]
pub struct Services {
    by_type: Arc<Mutex<HashMap<TypeId, Weak<dyn Any + Send + Sync>>>>,
}

impl Services {
    /// The service of type `T`; made by `make` if nobody holds one.
    ///
    /// # Errors
    /// The error of `make`.
    pub fn get_or_try_insert<T: Send + Sync + 'static, E>(
        &self,
        make: impl FnOnce() -> Result<T, E>,
    ) -> Result<Arc<T>, E> {
        // Held while the service is made, so that two plugins cannot make one each.
        let mut by_type = self.by_type.lock();
        let alive = by_type.get(&TypeId::of::<T>()).and_then(Weak::upgrade);
        if let Some(service) = alive.and_then(|service| service.downcast::<T>().ok()) {
            return Ok(service);
        }
        let service = Arc::new(make()?);
        let erased: Arc<dyn Any + Send + Sync> = Arc::clone(&service) as _;
        by_type.insert(TypeId::of::<T>(), Arc::downgrade(&erased));
        Ok(service)
    }
}

/// The number of services.
impl fmt::Debug for Services {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let by_type = self.by_type.lock();
        write!(
            f,
            "Services({})",
            by_type
                .values()
                .filter(|service| service.strong_count() > 0)
                .count()
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_is_shared_while_somebody_holds_it_and_made_anew_afterwards() {
        let services = Services::default();
        let make = |value: u8| services.get_or_try_insert(|| Ok::<_, ()>(value)).unwrap();
        let (one, two) = (make(1), make(2));
        assert_eq!((*one, *two), (1, 1));
        drop((one, two));
        assert_eq!(*make(3), 3);
        assert_eq!(services.get_or_try_insert::<u16, _>(|| Err("no")), Err("no"));
    }
}
