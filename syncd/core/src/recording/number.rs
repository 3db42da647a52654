//! Numbers and bytes of an entry: how everything else is written. Reading never panics and never asks for memory.

use alloc::vec::Vec;

use super::decoder::Damage;

/// A value with a form in bytes.
pub(super) trait Coded: Sized {
    /// Appends it.
    fn put(&self, out: &mut Vec<u8>);
    /// Reads it.
    fn take(from: &mut Bytes<'_>) -> Result<Self, Damage>;
}

/// What is left of an entry.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bytes<'a>(pub(super) &'a [u8]);

impl<'a> Bytes<'a> {
    /// So many bytes.
    pub(super) fn bytes(&mut self, count: usize) -> Result<&'a [u8], Damage> {
        let (taken, rest) = self.0.split_at_checked(count).ok_or(Damage::Short)?;
        self.0 = rest;
        Ok(taken)
    }

    /// An array.
    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N], Damage> {
        let (taken, rest) = self.0.split_first_chunk().ok_or(Damage::Short)?;
        self.0 = rest;
        Ok(*taken)
    }

    /// Bytes with their count in front.
    pub(super) fn counted(&mut self) -> Result<&'a [u8], Damage> {
        let count = usize::try_from(u64::take(self)?).map_err(|_| Damage::Short)?;
        self.bytes(count)
    }

    /// Nothing may be left.
    pub(super) const fn end(self) -> Result<(), Damage> {
        if self.0.is_empty() { Ok(()) } else { Err(Damage::Long) }
    }
}

/// Appends bytes with their count in front.
pub(super) fn put_counted(bytes: &[u8], out: &mut Vec<u8>) {
    (bytes.len() as u64).put(out);
    out.extend_from_slice(bytes);
}

impl Coded for u64 {
    fn put(&self, out: &mut Vec<u8>) {
        let mut rest = *self;
        while rest >= 0x80 {
            out.push(rest.to_le_bytes()[0] | 0x80);
            rest >>= 7;
        }
        out.push(rest.to_le_bytes()[0]);
    }

    fn take(from: &mut Bytes<'_>) -> Result<Self, Damage> {
        let mut number = 0;
        for shift in (0..Self::BITS).step_by(7) {
            let [byte] = from.array()?;
            let bits = Self::from(byte & 0x7f);
            if bits << shift >> shift != bits {
                return Err(Damage::Number);
            }
            number |= bits << shift;
            if byte & 0x80 == 0 {
                return Ok(number);
            }
        }
        Err(Damage::Number)
    }
}

/// Small numbers near zero, of either sign, stay short.
impl Coded for i64 {
    fn put(&self, out: &mut Vec<u8>) {
        ((self << 1) ^ (self >> 63)).cast_unsigned().put(out);
    }

    fn take(from: &mut Bytes<'_>) -> Result<Self, Damage> {
        let folded = u64::take(from)?;
        Ok((folded >> 1).cast_signed() ^ -(folded & 1).cast_signed())
    }
}

impl Coded for u32 {
    fn put(&self, out: &mut Vec<u8>) {
        u64::from(*self).put(out);
    }

    fn take(from: &mut Bytes<'_>) -> Result<Self, Damage> {
        u64::take(from)?.try_into().map_err(|_| Damage::Number)
    }
}

impl Coded for u16 {
    fn put(&self, out: &mut Vec<u8>) {
        u64::from(*self).put(out);
    }

    fn take(from: &mut Bytes<'_>) -> Result<Self, Damage> {
        u64::take(from)?.try_into().map_err(|_| Damage::Number)
    }
}

impl Coded for u8 {
    fn put(&self, out: &mut Vec<u8>) {
        out.push(*self);
    }

    fn take(from: &mut Bytes<'_>) -> Result<Self, Damage> {
        from.array().map(|[byte]| byte)
    }
}

impl Coded for bool {
    fn put(&self, out: &mut Vec<u8>) {
        out.push(u8::from(*self));
    }

    fn take(from: &mut Bytes<'_>) -> Result<Self, Damage> {
        match u8::take(from)? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(Damage::Value),
        }
    }
}

impl<T: Coded> Coded for Option<T> {
    fn put(&self, out: &mut Vec<u8>) {
        self.is_some().put(out);
        if let Some(value) = self {
            value.put(out);
        }
    }

    fn take(from: &mut Bytes<'_>) -> Result<Self, Damage> {
        Ok(if bool::take(from)? { Some(T::take(from)?) } else { None })
    }
}
