// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

/// @notice Parameters of the Contraction family: y = act((alpha·Σ)/divisor + beta·bias).
struct ContractionParams {
    uint32 alpha; // float32 bits
    uint32 beta; // float32 bits
    uint32 divisor; // 1: none; 0: the number of points that are not padding
    uint8 activation; // 0: none; 1: clamp to [low, high]
    uint32 low; // float32 bits
    uint32 high; // float32 bits
    uint32 lambda; // integrity multiplier in 1/256
}

/// @notice emax is outside what any float32 operands need.
error EmaxOutOfRange(uint256 emax, uint256 lowest, uint256 highest);
/// @notice The segments of a stream were given different hints.
error EmaxChanged(uint256 emax, uint256 before);
/// @notice Some product has a larger exponent than the hint says.
error EmaxTooSmall(uint256 emax);
/// @notice `valid` exceeds the number of terms.
error ValidTooLarge(uint256 valid, uint256 terms);
/// @notice No activation has this code.
error UnknownActivation(uint8 activation);
/// @notice Clamp bounds must be ordered, and neither NaN nor subnormal.
error BadClamp(uint32 low, uint32 high);
/// @notice alpha or beta is NaN or infinite.
error BadCoefficient(uint32 bits);
/// @notice The divisor is not exact in float32.
error DivisorTooLarge(uint256 divisor, uint256 limit);
