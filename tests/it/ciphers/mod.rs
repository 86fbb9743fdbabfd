//! Who sends, and what others may read: every way of signing, of letting in and of hiding, played
//! by our client against the rehearsal platform, which judges with code of its own; and the
//! commercial ciphers against OpenSSL's.

mod openssl;
mod played;
mod signers;
