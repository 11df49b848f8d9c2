// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

/// @notice Where the value behind an operand is committed.
enum Origin {
    Input, // leaf of the claim's input root
    Constant, // leaf of the program's constants root
    Trace // leaf of the trace root: the output of the instruction with the same index
}

/// @notice Kernel families of instruction set version 1. An instruction's `family` is one of these.
enum Family {
    Contraction,
    Elementwise,
    Reduction,
    Normalization,
    Movement,
    Indexed,
    Ordering,
    Quantised,
    Scalar,
    Integer
}

/// @notice One axis of an operand's access map. With output coordinates o and reduction coordinates k,
///         v = base + Σ coefficients[i]·(o ‖ k)[i] and the coordinate on this axis is v / divisor.
///         A v outside [0, size·divisor) or not divisible by `divisor` reads padding. With `lookup` n > 0 the integer
///         element of operand n - 1 is added to v, after `size` was added to it if it is negative.
/// @dev The flat index of the element (in stored order) is Σ stride·coordinate over all axes.
struct Axis {
    uint64 size;
    uint64 stride;
    int64 base;
    uint64 divisor;
    uint8 lookup; // 0, or 1 + the number of an earlier operand that holds indices
    int64[] coefficients;
}

/// @notice An operand: a committed value and the access map that selects the elements to read.
struct Operand {
    Origin origin;
    uint32 index; // leaf in its origin's tree
    uint8 dtype; // ONNX TensorProto.DataType code
    uint64 length; // elements of the whole value; gives the depth of its tensor tree
    bool reduced; // true: one element per point of the reduction box; false: one element
    uint64 fill; // bits that padding reads as
    Axis[] axes;
}

/// @notice One instruction of a tensor program; it writes the trace value of its own index.
/// @dev Canonical bytes are abi.encode(Instruction); the instruction tree's leaf is their SHA-256.
struct Instruction {
    Family family;
    uint8 op; // meaning depends on the family, see its kernel
    uint8 dtype; // of the output
    uint64[] dims; // output coordinates o, in stored order
    uint64[] reduction; // reduction coordinates k; empty: a single point
    Operand[] operands;
    bytes params; // abi.encode of the family's parameter struct; may be empty
}

/// @notice A program input or output as ONNX names it, and its commitment layout.
/// @dev The ONNX tensor (C order) is reshaped to `factors` and transposed by `order`: stored axis i is factor order[i].
struct Port {
    string name;
    uint8 dtype;
    uint64[] dims; // as ONNX sees it
    uint64[] factors;
    uint8[] order;
    uint32 index; // inputs: leaf of the input root; outputs: the instruction that writes it
    // By how much a claimed float32 output may differ from the trace's, |claimed - traced| <= absolute +
    // relative·|traced|, as float32 bits. Both 0, as for every input and any other type: bit for bit.
    uint32 toleranceAbsolute;
    uint32 toleranceRelative;
}

/// @notice What a program root commits to: programRoot = SHA-256(abi.encode(ProgramHeader)).
struct ProgramHeader {
    uint16 version; // of the instruction set; 1
    uint16 accuracyProfile; // of the scalar functions; 1, see docs/numerics/accuracy.md
    bytes32 instructionsRoot;
    uint32 instructionCount;
    bytes32 constantsRoot;
    uint32 constantCount;
    Port[] inputs;
    Port[] outputs;
}
