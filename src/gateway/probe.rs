//! Does the gateway know our key? Asked by a harmless read, so that it is known before the first charge.

use super::{ListError, PAGE_MAX_BYTES, StripeGateway, list};

impl StripeGateway {
    /// Reads a list of one payment intent with our key. One request, never repeated here.
    ///
    /// # Errors
    /// Why it is not known that the gateway accepts the key.
    pub async fn probe(&self) -> Result<(), ListError> {
        let client = &self.client;
        let request = client.requests.page_of_one(client.version.api_version)?;
        let reply = client.transport.send(request, PAGE_MAX_BYTES).await?;
        list::read(&reply).map(drop)
    }
}
