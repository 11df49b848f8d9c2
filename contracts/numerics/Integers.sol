// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {Dtype} from "../program/Dtype.sol";

/// @title Extremes and sums of many integers, of any type
/// @notice Twin: packages/numerics/src/integer-fold.ts.
library Integers {
    /// @dev What a row of integers comes to; nothing wraps at up to 2^64 elements.
    struct Totals {
        int256 largest;
        int256 smallest;
        int256 sum;
        int256 magnitude; // Σ|x|
        int256 square; // Σx²
    }

    uint256 private constant BYTES = 0x00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff;
    uint256 private constant PAIRS = 0x0000ffff0000ffff0000ffff0000ffff0000ffff0000ffff0000ffff0000ffff;
    uint256 private constant QUADS = 0x00000000ffffffff00000000ffffffff00000000ffffffff00000000ffffffff;
    uint256 private constant OCTETS = 0x0000000000000000ffffffffffffffff0000000000000000ffffffffffffffff;

    /// @notice Adds the totals of other integers.
    function join(Totals memory totals, Totals memory others) internal pure {
        if (others.largest > totals.largest) totals.largest = others.largest;
        if (others.smallest < totals.smallest) totals.smallest = others.smallest;
        totals.sum += others.sum;
        totals.magnitude += others.magnitude;
        totals.square += others.square;
    }

    /// @notice The totals of at least one integer, or bool read as uint8.
    function fold(bytes calldata elements, uint8 dtype) internal pure returns (Totals memory totals) {
        uint256 bits = 8 * Dtype.sizeOf(dtype);
        // what signextend takes: the sign's byte, or none
        uint256 signByte = Dtype.isSigned(dtype) ? (bits >> 3) - 1 : 31;
        int256 largest = type(int256).min;
        int256 smallest = type(int256).max;
        int256 sum = 0;
        int256 magnitude = 0;
        int256 square = 0;
        uint256 pointer;
        assembly ("memory-safe") {
            pointer := elements.offset
        }
        uint256 end = pointer + elements.length;
        unchecked {
            for (; pointer < end; pointer += 32) {
                uint256 word;
                assembly ("memory-safe") {
                    word := calldataload(pointer)
                }
                // all bytes in reverse: the first element in the lowest bits
                word = ((word >> 8) & BYTES) | ((word & BYTES) << 8);
                word = ((word >> 16) & PAIRS) | ((word & PAIRS) << 16);
                word = ((word >> 32) & QUADS) | ((word & QUADS) << 32);
                word = ((word >> 64) & OCTETS) | ((word & OCTETS) << 64);
                word = (word >> 128) | (word << 128);
                uint256 left = (end - pointer) << 3;
                if (left > 256) left = 256;
                for (uint256 at = 0; at < left; at += bits) {
                    int256 x = int256(word & ((1 << bits) - 1));
                    word >>= bits;
                    assembly ("memory-safe") {
                        x := signextend(signByte, x)
                    }
                    if (x > largest) largest = x;
                    if (x < smallest) smallest = x;
                    sum += x;
                    magnitude += x < 0 ? -x : x;
                    square += x * x;
                }
            }
        }
        totals = Totals(largest, smallest, sum, magnitude, square);
    }
}
