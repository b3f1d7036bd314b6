//! The hash functions of consistent hashing, as Envoy has them. Not what of a request is hashed.

use xxhash_rust::xxh64::xxh64;

/// The seed that libstdc++ gives MurmurHash 2, which Envoy took over.
const MURMUR_SEED: u64 = 0xc70f_6907;

/// xxHash with 64 bits.
pub fn xx(bytes: &[u8]) -> u64 {
    xxh64(bytes, 0)
}

/// xxHash with 64 bits and a seed.
pub fn xx_seeded(bytes: &[u8], seed: u64) -> u64 {
    xxh64(bytes, seed)
}

/// MurmurHash 2 with 64 bits (Austin Appleby's MurmurHash64A), as libstdc++ hashes text.
pub fn murmur2(bytes: &[u8]) -> u64 {
    const MUL: u64 = 0xc6a4_a793_5bd1_e995;
    let mix = |value: u64| value ^ (value >> 47);
    let mut hash = MURMUR_SEED ^ (bytes.len() as u64).wrapping_mul(MUL);
    let (words, rest) = bytes.as_chunks::<8>();
    for word in words {
        let data = mix(u64::from_le_bytes(*word).wrapping_mul(MUL)).wrapping_mul(MUL);
        hash = (hash ^ data).wrapping_mul(MUL);
    }
    if !rest.is_empty() {
        let mut last = [0; 8];
        last[..rest.len()].copy_from_slice(rest);
        hash = (hash ^ u64::from_le_bytes(last)).wrapping_mul(MUL);
    }
    mix(mix(hash).wrapping_mul(MUL))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_answers() {
        assert_eq!(xx(b""), 0xef46_db37_51d8_e999);
        assert_eq!(xx(b"foo"), 3_728_699_739_546_630_719);
        assert_eq!(murmur2(b"foo"), 9_631_199_822_919_835_226);
        assert_eq!(murmur2(b"bar"), 11_474_628_671_133_349_555);
    }
}
