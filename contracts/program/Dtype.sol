// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

/// @title ONNX TensorProto.DataType codes that Assay knows
/// @dev TypeScript twin: packages/tensor/src/dtype.ts.
library Dtype {
    uint8 internal constant FLOAT32 = 1;
    uint8 internal constant UINT8 = 2;
    uint8 internal constant INT8 = 3;
    uint8 internal constant UINT16 = 4;
    uint8 internal constant INT16 = 5;
    uint8 internal constant INT32 = 6;
    uint8 internal constant INT64 = 7;
    uint8 internal constant BOOL = 9;
    uint8 internal constant FLOAT16 = 10;
    uint8 internal constant FLOAT64 = 11;
    uint8 internal constant UINT32 = 12;
    uint8 internal constant UINT64 = 13;

    /// @dev Bytes per element by code, one nibble each, code 0 lowest.
    uint256 private constant SIZES = 0x84821084221140;

    /// @notice Bytes per element; 0 for an unknown code.
    function sizeOf(uint8 dtype) internal pure returns (uint256) {
        return dtype < 14 ? (SIZES >> (4 * uint256(dtype))) & 15 : 0;
    }

    /// @notice Whether the code is one of the integer types (bool is none).
    function isInteger(uint8 dtype) internal pure returns (bool) {
        return (dtype > 1 && dtype < 8) || dtype == UINT32 || dtype == UINT64;
    }

    /// @notice Whether the code is an integer type with a sign.
    function isSigned(uint8 dtype) internal pure returns (bool) {
        return dtype == INT8 || (dtype > 4 && dtype < 8);
    }

    /// @notice Whether the code is an IEEE-754 type.
    function isFloat(uint8 dtype) internal pure returns (bool) {
        return dtype == FLOAT32 || dtype == FLOAT16 || dtype == FLOAT64;
    }

    /// @notice Whether the bits are a NaN of a floating-point type.
    function isNaN(uint8 dtype, uint256 bits) internal pure returns (bool) {
        if (dtype == FLOAT32) return bits & 0x7fffffff > 0x7f800000;
        if (dtype == FLOAT64) return bits & 0x7fffffffffffffff > 0x7ff0000000000000;
        return dtype == FLOAT16 && bits & 0x7fff > 0x7c00;
    }

    /// @notice The number that the bits of an integer type stand for.
    function toInteger(uint8 dtype, uint256 bits) internal pure returns (int256 value) {
        value = int256(bits);
        if (isSigned(dtype)) {
            uint256 top = 8 * sizeOf(dtype) - 1;
            assembly ("memory-safe") {
                value := signextend(shr(3, top), value)
            }
        }
    }

    /// @notice Bits of little-endian element number `index`.
    function at(bytes calldata elements, uint256 index, uint256 size) internal pure returns (uint256 bits) {
        uint256 start = index * size;
        unchecked {
            for (uint256 i = size; i != 0; --i) bits = (bits << 8) | uint8(elements[start + i - 1]);
        }
    }
}
