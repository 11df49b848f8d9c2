// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {Float32} from "./Float32.sol";

/// @title Sums of float32 products in one 256-bit word
/// @dev A finite element is ±m·2^(e-150) with m < 2^24 and e = max(biased exponent, 1), so a product is
///      ±ma·mb·2^(E-300) with E = ea + eb. Given emax ≥ max E, terms are counted in units of 2^(emax-363): a product
///      is shifted left by E-emax+63, or by 0 where that is negative, which counts the term as larger than it is, by
///      less than 2^48 units. Products are below 2^48, shifts at most 63 and terms at most 2^16, so the sum of the
///      positive terms fits the lower 128 bits of a word and that of the negative ones the upper 128 bits.
///      Proofs: docs/numerics/contraction.md §2. Twin: packages/numerics/src/dot-product.ts.
library DotProduct {
    struct Sum {
        uint256 positive; // sum of the positive terms
        uint256 negative; // sum of the magnitudes of the negative terms
        bool fits; // emax ≥ max E; otherwise both sums are meaningless
        bool nonFinite; // some element is NaN or infinite
        bool subnormal; // some element is subnormal and not zero
    }

    uint256 internal constant MAX_TERMS = 1 << 16;
    /// @dev Below it a lane that violates emax could wrap around unnoticed.
    uint256 internal constant MIN_EMAX = 134;
    /// @dev Two factors of the largest biased exponent, 254.
    uint256 internal constant MAX_EMAX = 508;

    // One 32-bit lane per element.
    uint256 private constant LANES = 0x0000000100000001000000010000000100000001000000010000000100000001;
    uint256 private constant EXPONENT = 0x7f8000007f8000007f8000007f8000007f8000007f8000007f8000007f800000;
    uint256 private constant FRACTION = 0x007fffff007fffff007fffff007fffff007fffff007fffff007fffff007fffff;
    uint256 private constant SIGN = 0x8000000080000000800000008000000080000000800000008000000080000000;
    uint256 private constant HIDDEN = 0x0080000000800000008000000080000000800000008000000080000000800000;
    uint256 private constant BYTES_02 = 0x00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff;
    uint256 private constant HALF_0 = 0x0000ffff0000ffff0000ffff0000ffff0000ffff0000ffff0000ffff0000ffff;

    /// @notice Σ a[i]·b[i] in units of 2^(emax-363); an empty b stands for ones.
    /// @dev The caller has checked the lengths and that MIN_EMAX ≤ emax ≤ MAX_EMAX.
    function accumulate(
        bytes calldata a,
        bytes calldata b,
        uint256 emax
    ) internal pure returns (Sum memory sum) {
        uint256 word;
        uint256 shifts;
        uint256 infinite;
        uint256 tiny;
        if (b.length == 0) (word, shifts, infinite, tiny) = _sumOctets(a, emax);
        else (word, shifts, infinite, tiny) = _dotOctets(a, b, emax);

        sum.fits = shifts & (LANES * 0x1c0) == 0;
        sum.nonFinite = infinite & (LANES * 0x80000000) != 0;
        sum.subnormal = tiny & HIDDEN != 0;
        // what does not fill a word of eight
        unchecked {
            for (uint256 i = (a.length >> 5) << 3; i < a.length >> 2; ++i) {
                uint32 x = Float32.at(a, i);
                uint32 y = b.length == 0 ? Float32.ONE : Float32.at(b, i);
                if (!Float32.isFinite(x) || !Float32.isFinite(y)) sum.nonFinite = true;
                if (Float32.isSubnormal(x) || Float32.isSubnormal(y)) sum.subnormal = true;
                (uint256 product, uint256 exponent) = _product(x, y);
                if (exponent > emax) sum.fits = false;
                uint256 shift = exponent + 63 > emax ? exponent + 63 - emax : 0;
                word += product << (shift | (((x ^ y) >> 31) << 7));
            }
        }
        sum.positive = word & type(uint128).max;
        sum.negative = word >> 128;
    }

    /// @notice Σ |a[i]·b[i]| in the same units over the terms with a factor whose biased exponent is below `threshold`.
    function sumSmall(
        bytes calldata a,
        bytes calldata b,
        uint256 emax,
        uint256 threshold
    ) internal pure returns (uint256 sum) {
        sum = _smallOctets(a, b, emax, threshold);
        unchecked {
            for (uint256 i = (a.length >> 5) << 3; i < a.length >> 2; ++i) {
                uint32 x = Float32.at(a, i);
                uint32 y = b.length == 0 ? Float32.ONE : Float32.at(b, i);
                if ((x >> 23) & 0xff >= threshold && (y >> 23) & 0xff >= threshold) continue;
                (uint256 product, uint256 exponent) = _product(x, y);
                sum += product << (exponent + 63 > emax ? exponent + 63 - emax : 0);
            }
        }
    }

    /// @notice Largest biased exponent among the elements.
    function largestExponent(bytes calldata elements) internal pure returns (uint256 largest) {
        unchecked {
            for (uint256 i = 0; i < elements.length >> 2; ++i) {
                uint256 exponent = (Float32.at(elements, i) >> 23) & 0xff;
                if (exponent > largest) largest = exponent;
            }
        }
    }

    /// @dev {sumSmall} of the whole words of eight elements. An executor may put subnormals wherever zeros are
    ///      acceptable, so this pass, too, must be cheap enough for any element to be provable.
    function _smallOctets(
        bytes calldata a,
        bytes calldata b,
        uint256 emax,
        uint256 threshold
    ) private pure returns (uint256 sum) {
        assembly ("memory-safe") {
            let pointer := a.offset
            let end := add(pointer, and(a.length, not(31)))
            let toB := sub(b.offset, pointer)
            let bias := mul(sub(577, emax), LANES)
            let guard := mul(0x80000000, LANES)
            let limit := mul(shl(23, threshold), LANES)
            for {} lt(pointer, end) {
                pointer := add(pointer, 32)
            } {
                let x := calldataload(pointer)
                x := or(and(shr(8, x), BYTES_02), shl(8, and(x, BYTES_02)))
                x := or(and(shr(16, x), HALF_0), shl(16, and(x, HALF_0)))
                let y := mul(0x3f800000, LANES)
                if b.length {
                    y := calldataload(add(pointer, toB))
                    y := or(and(shr(8, y), BYTES_02), shl(8, and(y, BYTES_02)))
                    y := or(and(shr(16, y), HALF_0), shl(16, and(y, HALF_0)))
                }
                let ex := and(x, EXPONENT)
                let ey := and(y, EXPONENT)
                // bit 31 of a lane stays where an exponent reaches the threshold
                let small := and(sub(or(ex, guard), limit), sub(or(ey, guard), limit))
                small := and(not(small), guard)
                if small {
                    // 31 bits of the lanes that count
                    small := sub(small, shr(31, small))
                    let hx := and(shr(8, add(ex, EXPONENT)), HIDDEN)
                    let hy := and(shr(8, add(ey, EXPONENT)), HIDDEN)
                    let l := add(shr(23, sub(add(ex, ey), add(hx, hy))), bias)
                    let positive := and(l, mul(LANES, 0x200))
                    l := and(l, sub(positive, shr(9, positive)))
                    x := and(add(and(x, FRACTION), hx), small)
                    y := add(and(y, FRACTION), hy)
                    for {
                        let lanes := 0
                    } lt(lanes, 2) {
                        lanes := add(lanes, 1)
                    } {
                        let p := mul(and(x, 0xffffff0000000000ffffff), and(y, 0xffffff0000000000ffffff))
                        sum := add(sum, shl(byte(31, l), and(p, 0xffffffffffff)))
                        sum := add(sum, shl(byte(23, l), shr(128, p)))
                        p := mul(
                            and(x, 0xffffff0000000000ffffff00000000),
                            and(y, 0xffffff0000000000ffffff00000000)
                        )
                        sum := add(sum, shl(byte(27, l), and(shr(64, p), 0xffffffffffff)))
                        sum := add(sum, shl(byte(19, l), shr(192, p)))
                        x := shr(128, x)
                        y := shr(128, y)
                        l := shr(128, l)
                    }
                }
            }
        }
    }

    function _product(uint32 x, uint32 y) private pure returns (uint256 product, uint256 exponent) {
        uint256 ex = (x >> 23) & 0xff;
        uint256 ey = (y >> 23) & 0xff;
        uint256 mx = x & 0x7fffff;
        uint256 my = y & 0x7fffff;
        unchecked {
            if (ex == 0) ex = 1;
            else mx |= 0x800000;
            if (ey == 0) ey = 1;
            else my |= 0x800000;
            return (mx * my, ex + ey);
        }
    }

    /// @dev The whole words of eight elements. A lane of `l` is 512 + 63 + E - emax, which lies in [69, 951]: its bit
    ///      9 says whether the shift is positive and the lower nine bits are the shift, at most 63 unless emax is too
    ///      small. Bit 7 of the final shift selects the half for negative terms.
    /// @return word the two sums
    /// @return shifts all shifts together; a bit of 0x1c0 in a lane: emax is too small
    /// @return infinite bit 31 of a lane: an element with exponent 255
    /// @return tiny bit 23 of a lane: a subnormal that is not zero
    function _dotOctets(
        bytes calldata a,
        bytes calldata b,
        uint256 emax
    ) private pure returns (uint256 word, uint256 shifts, uint256 infinite, uint256 tiny) {
        assembly ("memory-safe") {
            let pointer := a.offset
            let end := add(pointer, and(a.length, not(31)))
            let toB := sub(b.offset, pointer)
            // 577 = 512 + 63 + 2: both exponents below are counted from 0, not from 1
            let bias := mul(sub(577, emax), LANES)
            // infinite and tiny, then shifts: on the stack they would make all else move around, 35 gas a term
            mstore(0x00, 0)
            mstore(0x20, 0)
            for {} lt(pointer, end) {
                pointer := add(pointer, 32)
            } {
                let x := calldataload(pointer)
                let y := calldataload(add(pointer, toB))
                // little-endian lanes to numbers
                x := or(and(shr(8, x), BYTES_02), shl(8, and(x, BYTES_02)))
                x := or(and(shr(16, x), HALF_0), shl(16, and(x, HALF_0)))
                y := or(and(shr(8, y), BYTES_02), shl(8, and(y, BYTES_02)))
                y := or(and(shr(16, y), HALF_0), shl(16, and(y, HALF_0)))
                let l
                {
                    let ex := and(x, EXPONENT)
                    let ey := and(y, EXPONENT)
                    mstore(0x00, or(mload(0x00), and(or(add(ex, HIDDEN), add(ey, HIDDEN)), SIGN)))
                    // the hidden bit: bit 23 where the biased exponent is not 0
                    let hx := and(shr(8, add(ex, EXPONENT)), HIDDEN)
                    let hy := and(shr(8, add(ey, EXPONENT)), HIDDEN)
                    l := add(shr(23, sub(add(ex, ey), add(hx, hy))), bias)
                    let positive := and(l, mul(LANES, 0x200))
                    l := and(l, sub(positive, shr(9, positive)))
                    mstore(0x20, or(mload(0x20), l))
                    l := add(l, and(shr(24, xor(x, y)), mul(LANES, 0x80)))
                    x := and(x, FRACTION)
                    y := and(y, FRACTION)
                    mstore(
                        0x00,
                        or(
                            mload(0x00),
                            and(or(and(not(hx), add(x, FRACTION)), and(not(hy), add(y, FRACTION))), HIDDEN)
                        )
                    )
                    x := add(x, hx)
                    y := add(y, hy)
                }
                // Two lanes 64 bits apart multiply at once: their cross terms stay between bits 64 and 113.
                {
                    let p := mul(and(x, 0xffffff0000000000ffffff), and(y, 0xffffff0000000000ffffff))
                    word := add(
                        add(word, shl(byte(31, l), and(p, 0xffffffffffff))),
                        shl(byte(23, l), shr(128, p))
                    )
                }
                {
                    let p := mul(
                        and(x, 0xffffff0000000000ffffff00000000),
                        and(y, 0xffffff0000000000ffffff00000000)
                    )
                    word := add(
                        add(word, shl(byte(27, l), and(shr(64, p), 0xffffffffffff))),
                        shl(byte(19, l), shr(192, p))
                    )
                }
                x := shr(128, x)
                y := shr(128, y)
                {
                    let p := mul(and(x, 0xffffff0000000000ffffff), and(y, 0xffffff0000000000ffffff))
                    word := add(
                        add(word, shl(byte(15, l), and(p, 0xffffffffffff))),
                        shl(byte(7, l), shr(128, p))
                    )
                }
                {
                    let p := mul(
                        and(x, 0xffffff0000000000ffffff00000000),
                        and(y, 0xffffff0000000000ffffff00000000)
                    )
                    word := add(
                        add(word, shl(byte(11, l), and(shr(64, p), 0xffffffffffff))),
                        shl(byte(3, l), shr(192, p))
                    )
                }
            }
            infinite := mload(0x00)
            tiny := infinite
            shifts := mload(0x20)
        }
    }

    /// @dev {_dotOctets} with b = 1.0, that is mantissa 2^23 and exponent 127: fractions are summed, then scaled.
    function _sumOctets(
        bytes calldata a,
        uint256 emax
    ) private pure returns (uint256 word, uint256 shifts, uint256 infinite, uint256 tiny) {
        assembly ("memory-safe") {
            let pointer := a.offset
            let end := add(pointer, and(a.length, not(31)))
            // 703 = 512 + 63 + 127 + 1
            let bias := mul(sub(703, emax), LANES)
            for {} lt(pointer, end) {
                pointer := add(pointer, 32)
            } {
                let x := calldataload(pointer)
                x := or(and(shr(8, x), BYTES_02), shl(8, and(x, BYTES_02)))
                x := or(and(shr(16, x), HALF_0), shl(16, and(x, HALF_0)))
                let ex := and(x, EXPONENT)
                infinite := or(infinite, add(ex, HIDDEN))
                let hx := and(shr(8, add(ex, EXPONENT)), HIDDEN)
                let l := add(shr(23, sub(ex, hx)), bias)
                let positive := and(l, mul(LANES, 0x200))
                l := and(l, sub(positive, shr(9, positive)))
                shifts := or(shifts, l)
                l := add(l, and(shr(24, x), mul(LANES, 0x80)))
                x := and(x, FRACTION)
                tiny := or(tiny, and(not(hx), add(x, FRACTION)))
                x := add(x, hx)
                word := add(word, shl(byte(31, l), and(x, 0xffffff)))
                word := add(word, shl(byte(27, l), and(shr(32, x), 0xffffff)))
                word := add(word, shl(byte(23, l), and(shr(64, x), 0xffffff)))
                word := add(word, shl(byte(19, l), and(shr(96, x), 0xffffff)))
                word := add(word, shl(byte(15, l), and(shr(128, x), 0xffffff)))
                word := add(word, shl(byte(11, l), and(shr(160, x), 0xffffff)))
                word := add(word, shl(byte(7, l), and(shr(192, x), 0xffffff)))
                word := add(word, shl(byte(3, l), shr(224, x)))
            }
            word := shl(23, word)
        }
    }
}
