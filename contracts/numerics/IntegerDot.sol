// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

/// @title Exact sums of products of integers
/// @dev Operands are little-endian calldata of equal length; the caller has checked that. What does not fill a word of
///      32 bytes is masked, so no byte behind an operand counts. Twin: packages/numerics/src/integer-dot.ts. Proofs:
///      docs/numerics/quantised.md.
library IntegerDot {
    uint256 internal constant MAX_TERMS = 1 << 20;

    // The lowest byte of each 32-bit lane, ones in lanes, and what lane swaps keep.
    uint256 private constant BYTES = 0x000000ff000000ff000000ff000000ff000000ff000000ff000000ff000000ff;
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
        (uint256 product, uint256 sumA, uint256 sumB) = _bytes(
            a,
            aSigned ? SIGNS : 0,
            b,
            bSigned ? SIGNS : 0
        );
        unchecked {
            if (aSigned) zeroA += 128;
            if (bSigned) zeroB += 128;
            // at most 2^20 terms below 2^17 each
            return
                int256(product) -
                zeroA * int256(sumB) -
                zeroB * int256(sumA) +
                int256(a.length) * zeroA * zeroB;
        }
    }

    /// @dev Eight lanes of 32 bits at a time: with one factor's lanes reversed, the eighth coefficient of the product of
    ///      two such words is the sum of the lanes' products, and no coefficient (below 2^19) reaches the next.
    function _bytes(
        bytes calldata a,
        uint256 flipA,
        bytes calldata b,
        uint256 flipB
    ) private pure returns (uint256 product, uint256 sumA, uint256 sumB) {
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
                    let kept := not(shr(shl(3, sub(end, pointer)), not(0)))
                    x := and(x, kept)
                    y := and(y, kept)
                }
                y := or(shr(128, y), shl(128, y))
                y := or(and(shr(64, y), HALF_64), shl(64, and(y, HALF_64)))
                y := or(and(shr(32, y), HALF_32), shl(32, and(y, HALF_32)))
                for {
                    let i := 0
                } lt(i, 4) {
                    i := add(i, 1)
                } {
                    let u := and(x, BYTES)
                    let v := and(y, BYTES)
                    product := add(product, shr(224, mul(u, v)))
                    // lanes below 2^10·2^20/32
                    sumA := add(sumA, u)
                    sumB := add(sumB, v)
                    x := shr(8, x)
                    y := shr(8, y)
                }
            }
            sumA := shr(224, mul(sumA, ONES_32))
            sumB := shr(224, mul(sumB, ONES_32))
        }
    }

    /// @notice Σ a·b modulo 2^64 of elements of `size` 4 or 8 bytes; an empty b stands for ones.
    /// @dev Residues multiply and add as their numbers do, so signs need no care.
    function ofWords(bytes calldata a, bytes calldata b, uint256 size) internal pure returns (uint256 sum) {
        uint256 ones = size == 4 ? ONES_32 : ONES_64;
        uint256 lanes = 32 / size;
        assembly ("memory-safe") {
            // little-endian lanes to numbers
            function swap(word, bytes_) -> swapped {
                swapped := or(and(shr(8, word), HALF_8), shl(8, and(word, HALF_8)))
                swapped := or(and(shr(16, swapped), HALF_16), shl(16, and(swapped, HALF_16)))
                if eq(bytes_, 8) {
                    swapped := or(and(shr(32, swapped), HALF_32), shl(32, and(swapped, HALF_32)))
                }
            }
            let bits := shl(3, size)
            let mask := sub(shl(bits, 1), 1)
            let pointer := a.offset
            let end := add(pointer, a.length)
            let toB := sub(b.offset, pointer)
            for {} lt(pointer, end) {
                pointer := add(pointer, 32)
            } {
                let x := calldataload(pointer)
                if lt(sub(end, pointer), 32) {
                    x := and(x, not(shr(shl(3, sub(end, pointer)), not(0))))
                }
                x := swap(x, size)
                let y := ones
                if b.length {
                    y := swap(calldataload(add(pointer, toB)), size)
                }
                for {
                    let i := 0
                } lt(i, lanes) {
                    i := add(i, 1)
                } {
                    sum := add(sum, mul(and(x, mask), and(y, mask)))
                    x := shr(bits, x)
                    y := shr(bits, y)
                }
            }
        }
    }
}
