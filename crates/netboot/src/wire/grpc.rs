//! The frame that gRPC puts before each message: a flag for compression, then the length.

/// The frame and content of an empty message.
pub const EMPTY_MESSAGE: [u8; HEAD] = [0; HEAD];

/// The length of a frame's head in bytes.
pub const HEAD: usize = 5;

/// Why a body is not one message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FrameFault {
    /// There is less than the frame says, or not even a frame.
    #[error("the message is cut off")]
    CutOff,
    /// There is more than one message, as a stream has.
    #[error("there is more than one message")]
    MoreThanOne,
    /// The message is compressed, which nobody asked for.
    #[error("compression is not supported")]
    Compressed,
}

/// The one message of a unary call's body.
pub fn message(body: &[u8]) -> Result<&[u8], FrameFault> {
    let (head, content) = body.split_first_chunk::<HEAD>().ok_or(FrameFault::CutOff)?;
    let [flag, a, b, c, d] = *head;
    if flag != 0 {
        return Err(FrameFault::Compressed);
    }
    let length = u32::from_be_bytes([a, b, c, d]);
    let there = u32::try_from(content.len()).unwrap_or(u32::MAX);
    match length.cmp(&there) {
        std::cmp::Ordering::Equal => Ok(content),
        std::cmp::Ordering::Greater => Err(FrameFault::CutOff),
        std::cmp::Ordering::Less => Err(FrameFault::MoreThanOne),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_is_one_message_or_refused() {
        for (body, expected) in [
            (&[0, 0, 0, 0, 0][..], Ok(&[][..])),
            (&[0, 0, 0, 0, 2, 7, 8], Ok(&[7, 8])),
            (&[], Err(FrameFault::CutOff)),
            (&[0, 0, 0, 0], Err(FrameFault::CutOff)),
            (&[0, 0, 0, 0, 2, 7], Err(FrameFault::CutOff)),
            (&[0, 0xff, 0xff, 0xff, 0xff, 7], Err(FrameFault::CutOff)),
            (
                &[0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
                Err(FrameFault::MoreThanOne),
            ),
            (&[1, 0, 0, 0, 0], Err(FrameFault::Compressed)),
        ] {
            assert_eq!(message(body), expected, "{body:?}");
        }
        assert_eq!(message(&EMPTY_MESSAGE), Ok(&[][..]));
    }
}
