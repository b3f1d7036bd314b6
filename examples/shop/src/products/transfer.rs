//! Bulk transfer in both directions without buffering: a generated CSV file of any size out, any body in. The rows
//! are made up; neither direction touches the store.

use std::{
    convert::Infallible,
    fmt::Write,
    pin::Pin,
    task::{Context, Poll},
};

use actix_web::{
    HttpRequest, HttpResponse,
    body::{BodySize, MessageBody},
    http::header::CONTENT_LENGTH,
    web::{self, Bytes},
};
use futures_util::StreamExt;
use serde::Deserialize;
use serde_json::json;

use crate::api_error::ApiError;

/// The most that is sent or taken in one request: 4 GiB.
pub const MAX_TRANSFER_BYTES: u64 = 4 << 30;

const CSV_HEADER: &[u8] = b"product_id,name,price_cents\n";
/// How many rows make up the block that is sent over and over, about 64 KiB.
const ROWS_PER_BLOCK: u64 = 2_000;

#[derive(Deserialize)]
pub(super) struct ExportQuery {
    bytes: u64,
}

/// `GET /products/export?bytes=N`: exactly N bytes of CSV; the last row may be cut.
pub(super) async fn export(query: web::Query<ExportQuery>) -> Result<HttpResponse, ApiError> {
    if query.bytes > MAX_TRANSFER_BYTES {
        return Err(ApiError::invalid(
            "bytes",
            format!("must be a whole number from 0 to {MAX_TRANSFER_BYTES}"),
        ));
    }
    Ok(HttpResponse::Ok().content_type("text/csv").body(CsvBody::new(query.bytes)))
}

/// `POST /products/import`: takes the body as it comes and answers how much it was.
pub(super) async fn import(request: HttpRequest, mut body: web::Payload) -> Result<HttpResponse, ApiError> {
    let too_large = ApiError::BodyTooLarge { limit_bytes: MAX_TRANSFER_BYTES };
    let declared = request.headers().get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
    if declared.is_some_and(|bytes: u64| bytes > MAX_TRANSFER_BYTES) {
        return Err(too_large);
    }
    let mut received_bytes = 0;
    while let Some(chunk) = body.next().await {
        received_bytes += chunk?.len() as u64;
        if received_bytes > MAX_TRANSFER_BYTES {
            return Err(too_large);
        }
    }
    Ok(HttpResponse::Ok().json(json!({ "received_bytes": received_bytes })))
}

/// The CSV file as a body: the header, then one block of rows again and again. Every chunk is a view of the same
/// memory, so the size of the file does not matter.
struct CsvBody {
    size_bytes: u64,
    remaining_bytes: u64,
    block: Bytes,
}

impl CsvBody {
    fn new(size_bytes: u64) -> Self {
        let mut block = String::new();
        for row in 1..=ROWS_PER_BLOCK {
            // Writing to a String cannot fail.
            let _ = writeln!(block, "{row},Generated product {row},{}", row * 100 - 1);
        }
        Self { size_bytes, remaining_bytes: size_bytes, block: block.into() }
    }
}

impl MessageBody for CsvBody {
    type Error = Infallible;

    fn size(&self) -> BodySize {
        BodySize::Sized(self.size_bytes)
    }

    fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Bytes, Infallible>>> {
        if self.remaining_bytes == 0 {
            return Poll::Ready(None);
        }
        let at_start = self.remaining_bytes == self.size_bytes;
        let mut chunk = if at_start { Bytes::from_static(CSV_HEADER) } else { self.block.clone() };
        chunk.truncate(usize::try_from(self.remaining_bytes).unwrap_or(usize::MAX));
        self.remaining_bytes -= chunk.len() as u64;
        Poll::Ready(Some(Ok(chunk)))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use actix_web::body::to_bytes;

    use super::*;

    #[actix_web::test]
    async fn a_file_has_exactly_the_size_asked_for() {
        for size in [0, 1, 28, 29, 1_000_000] {
            assert_eq!(to_bytes(CsvBody::new(size)).await.unwrap().len() as u64, size);
        }
    }

    #[actix_web::test]
    async fn a_file_is_csv() {
        let file = to_bytes(CsvBody::new(200)).await.unwrap();
        let text = str::from_utf8(&file).unwrap();
        assert!(text.starts_with("product_id,name,price_cents\n1,Generated product 1,99\n2,"), "{text}");
    }
}
