//! Services: what several plugins share, such as one watch of a hierarchy.

use std::any::{Any, TypeId};
use std::convert::Infallible;
use std::sync::{Arc, Weak};

use hashbrown::HashMap;
use parking_lot::Mutex;

/// One shared thing of each type, alive as long as a plugin holds it. Cheap to clone; all clones are the same services.
#[derive(Clone, Default)]
pub struct Services {
    by_type: Arc<Mutex<HashMap<TypeId, Slot>>>,
    kept: Arc<Mutex<HashMap<TypeId, Service>>>,
}

type Service = Arc<dyn Any + Send + Sync>;

/// Locked while its service is made, so that two plugins cannot make one each; `None` before the first time.
type Slot = Arc<Mutex<Option<Weak<dyn Any + Send + Sync>>>>;

impl Services {
    /// The service of type `T`; made by `make` if nobody holds one. `make` may ask for other services.
    ///
    /// # Errors
    /// The error of `make`.
    pub fn get_or_try_insert<T: Send + Sync + 'static, E>(
        &self,
        make: impl FnOnce() -> Result<T, E>,
    ) -> Result<Arc<T>, E> {
        let slot = Arc::clone(self.by_type.lock().entry(TypeId::of::<T>()).or_default());
        let mut slot = slot.lock();
        let alive = slot.as_ref().and_then(Weak::upgrade);
        if let Some(service) = alive.and_then(|service| service.downcast::<T>().ok()) {
            return Ok(service);
        }
        let service = Arc::new(make()?);
        let erased: Service = Arc::clone(&service) as _;
        *slot = Some(Arc::downgrade(&erased));
        Ok(service)
    }

    /// The same, alive until the program ends: what a plugin leaves to its successor when its configuration changes.
    pub fn get_or_keep<T: Default + Send + Sync + 'static>(&self) -> Arc<T> {
        let Ok(service) = self.get_or_try_insert(|| Ok::<T, Infallible>(T::default()));
        self.kept
            .lock()
            .insert(TypeId::of::<T>(), Arc::clone(&service) as _);
        service
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

    #[test]
    fn a_service_that_is_kept_outlives_who_holds_it() {
        let services = Services::default();
        services.get_or_keep::<Mutex<u8>>().lock().clone_from(&7);
        assert_eq!(*services.get_or_keep::<Mutex<u8>>().lock(), 7);
    }

    #[test]
    fn a_service_may_be_made_of_another_one() {
        struct Outer(Arc<u8>);
        let services = Services::default();
        let outer = services.get_or_try_insert(|| {
            let inner = services.get_or_try_insert(|| Ok::<_, ()>(7_u8))?;
            Ok::<_, ()>(Outer(inner))
        });
        assert_eq!(*outer.unwrap().0, 7);
    }

    #[test]
    fn two_threads_that_want_the_same_service_make_one() {
        let services = Services::default();
        let makers = std::sync::Barrier::new(2);
        let make = || {
            makers.wait();
            services.get_or_try_insert(|| {
                std::thread::sleep(std::time::Duration::from_millis(20));
                Ok::<_, ()>(String::new())
            })
        };
        std::thread::scope(|scope| {
            let other = scope.spawn(make);
            let (one, other) = (make().unwrap(), other.join().unwrap().unwrap());
            assert!(Arc::ptr_eq(&one, &other));
        });
    }
}
