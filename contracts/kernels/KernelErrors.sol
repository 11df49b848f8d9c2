// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

// Malformed input of a kernel. The TypeScript twins throw an AssayError whose code is the name in UPPER_SNAKE_CASE.

/// @notice The family has no operation with this number.
error UnknownOp(uint8 op);
/// @notice The operation takes another number of operands.
error OperandCount(uint256 expected, uint256 actual);
/// @notice Operand `operand` has the wrong number of bytes.
error OperandLength(uint256 operand, uint256 expected, uint256 actual);
/// @notice The instruction's parameters have the wrong number of bytes.
error ParamsLength(uint256 expected, uint256 actual);
/// @notice The operation is not defined for elements of this type (operand type.max: the output).
error UnsupportedDtype(uint256 operand, uint8 dtype);
/// @notice The reduction box is larger than the accumulator holds.
error TooManyTerms(uint256 terms, uint256 limit);
/// @notice The hint has the wrong number of bytes.
error HintLength(uint256 expected, uint256 actual);
/// @notice The hint of a proof in segments is not what the operands say.
error WrongHint(uint256 hint, uint256 actual);
/// @notice Segments of one proof have different hints.
error HintChanged(uint256 hint, uint256 earlier);
