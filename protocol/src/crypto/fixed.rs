//! Reads records of fixed layout without ever looking past their end.

/// What is left to read.
pub(crate) struct Reader<'a>(pub(crate) &'a [u8]);

impl<'a> Reader<'a> {
    /// The next `N` bytes.
    pub(crate) fn take<const N: usize>(&mut self) -> Option<&'a [u8; N]> {
        let (head, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(head)
    }

    /// The next `count` bytes.
    pub(crate) fn slice(&mut self, count: usize) -> Option<&'a [u8]> {
        let (head, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(head)
    }

    pub(crate) fn u8(&mut self) -> Option<u8> {
        self.take::<1>().map(|[byte]| *byte)
    }

    pub(crate) fn u16(&mut self) -> Option<u16> {
        self.take().map(|raw| u16::from_be_bytes(*raw))
    }

    pub(crate) fn u32(&mut self) -> Option<u32> {
        self.take().map(|raw| u32::from_be_bytes(*raw))
    }

    pub(crate) fn u64(&mut self) -> Option<u64> {
        self.take().map(|raw| u64::from_be_bytes(*raw))
    }

    /// Succeeds only if nothing is left.
    pub(crate) const fn end(&self) -> Option<()> {
        if self.0.is_empty() { Some(()) } else { None }
    }
}
