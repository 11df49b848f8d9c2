// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

/// @title Exact sums of products of integers
/// @dev Operands are little-endian calldata of equal length; the caller has checked that. What does not fill a word of
///      32 bytes is masked, so no byte behind an operand counts. Twin: packages/numerics/src/integer-dot.ts. Proofs:
///      docs/numerics/quantised.md.
library IntegerDot {
    uint256 internal constant MAX_TERMS = 1 << 20;

    // The lowest and the highest byte of each 32-bit lane, ones in lanes, and what lane swaps keep.
    uint256 private constant BYTES = 0x000000ff000000ff000000ff000000ff000000ff000000ff000000ff000000ff;
    uint256 private constant TOPS = 0xff000000ff000000ff000000ff000000ff000000ff000000ff000000ff000000;
    uint256 private constant ONES_32 = 0x0000000100000001000000010000000100000001000000010000000100000001;
    uint256 private constant ONES_64 = 0x0000000000000001000000000000000100000000000000010000000000000001;
    uint256 private constant HALF_64 = 0x0000000000000000ffffffffffffffff0000000000000000ffffffffffffffff;
    uint256 private constant HALF_32 = 0x00000000ffffffff00000000ffffffff00000000ffffffff00000000ffffffff;
    uint256 private constant HALF_16 = 0x0000ffff0000ffff0000ffff0000ffff0000ffff0000ffff0000ffff0000ffff;
    uint256 private constant HALF_8 = 0x00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff;
    uint256 private constant SIGNS = 0x8080808080808080808080808080808080808080808080808080808080808080;

    /// @notice Σ(a - zeroA)·(b - zeroB) of 8-bit elements; zero points as numbers of the elements' own types.
    function ofBytes(
        bytes calldata a,
        bool aSigned,
        int256 zeroA,
        bytes calldata b,
        bool bSigned,
        int256 zeroB
    ) internal pure returns (int256) {
        // A signed byte x is (x ^ 0x80) - 128: with 128 more in the zero point, all bytes are unsigned.
        uint256 flipA = aSigned ? SIGNS : 0;
        uint256 flipB = bSigned ? SIGNS : 0;
        unchecked {
            if (aSigned) zeroA += 128;
            if (bSigned) zeroB += 128;
            // at most 2^20 terms below 2^17 each
            int256 result = int256(_products(a, flipA, b, flipB)) + int256(a.length) * zeroA * zeroB;
            if (zeroA != 0) result -= zeroA * int256(_sum(b, flipB));
            if (zeroB != 0) result -= zeroB * int256(_sum(a, flipA));
            return result;
        }
    }

    /// @notice Σ a·b modulo 2^64 of elements of `size` 4 or 8 bytes; an empty b stands for ones.
    /// @dev Residues multiply and add as their numbers do, so signs need no care.
    function ofWords(bytes calldata a, bytes calldata b, uint256 size) internal pure returns (uint256 sum) {
        uint256 ones = size == 4 ? ONES_32 : ONES_64;
        assembly ("memory-safe") {
            // little-endian lanes to numbers
            function swap(word, wide) -> swapped {
                swapped := or(and(shr(8, word), HALF_8), shl(8, and(word, HALF_8)))
                swapped := or(and(shr(16, swapped), HALF_16), shl(16, and(swapped, HALF_16)))
                if wide {
                    swapped := or(and(shr(32, swapped), HALF_32), shl(32, and(swapped, HALF_32)))
                }
            }
            let wide := eq(size, 8)
            let pointer := a.offset
            let end := add(pointer, a.length)
            for {} lt(pointer, end) {
                pointer := add(pointer, 32)
            } {
                let x := calldataload(pointer)
                if lt(sub(end, pointer), 32) {
                    x := and(x, not(shr(shl(3, sub(end, pointer)), not(0))))
                }
                x := swap(x, wide)
                let y := ones
                if b.length {
                    y := swap(calldataload(add(sub(pointer, a.offset), b.offset)), wide)
                }
                switch wide
                case 0 {
                    for {} x {
                        x := shr(32, x)
                        y := shr(32, y)
                    } {
                        sum := add(sum, mul(and(x, 0xffffffff), and(y, 0xffffffff)))
                    }
                }
                default {
                    for {} x {
                        x := shr(64, x)
                        y := shr(64, y)
                    } {
                        sum := add(sum, mul(and(x, 0xffffffffffffffff), and(y, 0xffffffffffffffff)))
                    }
                }
            }
        }
    }

    /// @dev Eight lanes of 32 bits at a time: with one factor's lanes reversed, the eighth coefficient of the product of
    ///      two such words is the sum of the lanes' products, and no coefficient (below 2^19) reaches the next.
    function _products(
        bytes calldata a,
        uint256 flipA,
        bytes calldata b,
        uint256 flipB
    ) private pure returns (uint256 sum) {
        assembly ("memory-safe") {
            let pointer := a.offset
            let end := add(pointer, a.length)
            let toB := sub(b.offset, pointer)
            for {} lt(pointer, end) {
                pointer := add(pointer, 32)
            } {
                let x := xor(calldataload(pointer), flipA)
                let y := xor(calldataload(add(pointer, toB)), flipB)
                if lt(sub(end, pointer), 32) {
                    x := and(x, not(shr(shl(3, sub(end, pointer)), not(0))))
                }
                y := or(shr(128, y), shl(128, y))
                y := or(and(shr(64, y), HALF_64), shl(64, and(y, HALF_64)))
                y := or(and(shr(32, y), HALF_32), shl(32, and(y, HALF_32)))
                sum := add(sum, shr(224, mul(and(x, BYTES), and(y, BYTES))))
                sum := add(sum, shr(224, mul(and(shr(8, x), BYTES), and(shr(8, y), BYTES))))
                sum := add(sum, shr(224, mul(and(shr(16, x), BYTES), and(shr(16, y), BYTES))))
                sum := add(sum, shr(224, mul(shr(24, and(x, TOPS)), shr(24, and(y, TOPS)))))
            }
        }
    }

    /// @dev Σ of bytes, in eight lanes that stay below 2^10·2^15.
    function _sum(bytes calldata a, uint256 flip) private pure returns (uint256 sum) {
        assembly ("memory-safe") {
            let pointer := a.offset
            let end := add(pointer, a.length)
            for {} lt(pointer, end) {
                pointer := add(pointer, 32)
            } {
                let x := xor(calldataload(pointer), flip)
                if lt(sub(end, pointer), 32) {
                    x := and(x, not(shr(shl(3, sub(end, pointer)), not(0))))
                }
                // pairs of bytes, then of pairs
                x := add(and(x, HALF_8), and(shr(8, x), HALF_8))
                sum := add(sum, add(and(x, HALF_16), and(shr(16, x), HALF_16)))
            }
            sum := shr(224, mul(sum, ONES_32))
        }
    }
}
