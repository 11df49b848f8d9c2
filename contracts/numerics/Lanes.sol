// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

/// @title Eight float32 at a time: one 32-bit lane of a word each, the first element in the highest lane
library Lanes {
    /// @notice Position in calldata where the elements begin.
    function start(bytes calldata elements) internal pure returns (uint256 pointer) {
        assembly ("memory-safe") {
            pointer := elements.offset
        }
    }

    /// @notice The eight little-endian elements at `pointer` as numbers; lanes at or past `end` are `fill`'s.
    function load(uint256 pointer, uint256 end, uint256 fill) internal pure returns (uint256 word) {
        assembly ("memory-safe") {
            word := calldataload(pointer)
            word := or(
                and(shr(8, word), 0x00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff),
                shl(8, and(word, 0x00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff))
            )
            word := or(
                and(shr(16, word), 0x0000ffff0000ffff0000ffff0000ffff0000ffff0000ffff0000ffff0000ffff),
                shl(16, and(word, 0x0000ffff0000ffff0000ffff0000ffff0000ffff0000ffff0000ffff0000ffff))
            )
            if gt(add(pointer, 32), end) {
                let missing := shr(shl(3, sub(end, pointer)), not(0))
                word := or(and(word, not(missing)), and(missing, fill))
            }
        }
    }
}
