//! The key with which servers of an archive sign what they hand out.

use object_store::{ObjectStoreExt, PutMode, PutOptions, PutPayload};
use sha2::{Digest, Sha256};

use crate::archive::Archive;
use crate::error::{Result, StorageError};
use crate::paths;

/// Bytes of a key.
const LENGTH: usize = 32;

impl Archive {
    /// The key of tickets: the same for every server of the archive and its mirrors, at any time. Whoever asks first
    /// makes it.
    ///
    /// # Errors
    /// When there is none yet and none can be put, or what lies in its place is no key.
    pub async fn ticket_key(&self) -> Result<[u8; LENGTH]> {
        let path = paths::ticket_key();
        if let Some(key) = self.key_at(&path).await? {
            return Ok(key);
        }
        // Each of these is 122 random bits.
        let random = [uuid::Uuid::new_v4(), uuid::Uuid::new_v4(), uuid::Uuid::new_v4()];
        let key: [u8; LENGTH] = Sha256::digest(random.map(uuid::Uuid::into_bytes).concat()).into();
        let options = PutOptions { mode: PutMode::Create, ..PutOptions::default() };
        match self.store().put_opts(&path, PutPayload::from(key.to_vec()), options).await {
            Ok(_) => Ok(key),
            Err(object_store::Error::AlreadyExists { .. } | object_store::Error::Precondition { .. }) => {
                let found = self.key_at(&path).await?;
                found.ok_or_else(|| StorageError::damaged(format!("{path} came and went")))
            }
            Err(e) => Err(StorageError::from(e).during("making the key that tickets are signed with")),
        }
    }

    async fn key_at(&self, path: &object_store::path::Path) -> Result<Option<[u8; LENGTH]>> {
        let bytes = match self.store().get(path).await {
            Ok(found) => found.bytes().await?,
            Err(object_store::Error::NotFound { .. }) => return Ok(None),
            Err(e) => return Err(e.into()),
        };
        let wrong = |_| {
            StorageError::damaged(format!(
                "{path} has {} bytes and not {LENGTH}; delete it, and a new key is made (tickets that are out lose their \
                 worth)",
                bytes.len()
            ))
        };
        <[u8; LENGTH]>::try_from(bytes.as_ref()).map(Some).map_err(wrong)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;
    use crate::location::Location;

    #[tokio::test]
    async fn all_who_ask_get_the_same_key() {
        let location = Location::memory().unwrap();
        let archives = [
            Archive::open_or_create(location.clone()).await.unwrap(),
            Archive::open_or_create(location.clone()).await.unwrap(),
        ];
        let (a, b) = tokio::join!(archives[0].ticket_key(), archives[1].ticket_key());
        let key = a.unwrap();
        assert_eq!(key, b.unwrap());
        let another = Archive::open_or_create(Location::memory().unwrap()).await.unwrap();
        assert_ne!(key, another.ticket_key().await.unwrap());
        location.store().put(&paths::ticket_key(), PutPayload::from_static(b"short")).await.unwrap();
        assert_eq!(archives[0].ticket_key().await.unwrap_err().kind(), ErrorKind::Damaged);
    }
}
