//! Small files in messages: cleaned and named before they are sent, given out as they came.

use super::backend::{Inner, message_id};
use super::copies;
use super::messages::stored;
use super::pictures::cleaned;
use crate::api::error::{BAD_REQUEST, PICTURE};
use crate::api::{ApiError, Response};
use data_encoding::BASE64;
use karvon_protocol::body::Content;
use karvon_protocol::engine::api::{Command, ContactId};
use karvon_protocol::error::ErrorKind;
use zeroize::Zeroizing;

/// Media types by the end of a name; others are just bytes.
const MEDIA: &[(&str, &str)] = &[
    ("txt", "text/plain"),
    ("pdf", "application/pdf"),
    ("ogg", "audio/ogg"),
    ("opus", "audio/ogg"),
    ("oga", "audio/ogg"),
    ("mp3", "audio/mpeg"),
    ("m4a", "audio/mp4"),
    ("gif", "image/gif"),
];

/// Answers [`crate::api::Request::SendFile`].
pub(super) async fn send(
    inner: &Inner,
    contact: ContactId,
    name: &str,
    data: &str,
) -> Result<Response, ApiError> {
    let (name, media, data) = prepared(name, data)?;
    inner.queued(Command::SendFile { contact, name, media, data, forwarded: false }).await
}

/// Name, media type and bytes of a file as it is sent: a picture without what it tells beside the picture.
///
/// # Errors
/// `bad_request`, or `picture` if a picture can not be cleaned.
pub(super) fn prepared(name: &str, data: &str) -> Result<(String, String, Zeroizing<Vec<u8>>), ApiError> {
    let bytes = BASE64
        .decode(data.as_bytes())
        .map(Zeroizing::new)
        .map_err(|_| ApiError::new(BAD_REQUEST, "the data of a file is base64"))?;
    let (bytes, media) = cleaned(&bytes).map_err(|fault| ApiError::new(PICTURE, fault.to_string()))?;
    // Folders of the sender's device are nobody's business.
    let name = name.rsplit(['/', '\\']).next().unwrap_or_default().to_owned();
    let end = name.rsplit_once('.').map(|(_, end)| end.to_lowercase()).unwrap_or_default();
    let by_name = MEDIA.iter().find(|(known, _)| *known == end).map(|(_, media)| *media);
    let media = media.or(by_name).unwrap_or("application/octet-stream").to_owned();
    Ok((name, media, Zeroizing::new(bytes)))
}

/// Answers [`crate::api::Request::File`].
pub(super) async fn read(inner: &Inner, id: &str) -> Result<Response, ApiError> {
    message_id(id)?;
    match copies::spoken(stored(inner, id).await?.content) {
        Content::File { name, media, data } => {
            Ok(Response::File { name, media_type: media, data: BASE64.encode(&data) })
        }
        _ => Err(ApiError::new("no_file", "there is no file in this message")),
    }
}

/// Answers [`crate::api::Request::AddIntroduced`].
pub(super) async fn introduced(inner: &Inner, id: &str, name: String) -> Result<Command, ApiError> {
    match stored(inner, id).await?.content {
        Content::Introduction { name: theirs, invitation } => Ok(Command::Add {
            invitation: Zeroizing::new(invitation),
            name: if name.is_empty() { theirs } else { name },
            text: String::new(),
        }),
        _ => Err(ErrorKind::NoSuchMessage.into()),
    }
}
