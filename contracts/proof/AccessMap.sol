// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {Dtype} from "../program/Dtype.sol";
import {Axis, Operand} from "../program/Program.sol";
import {OpenedChunks} from "./TensorProof.sol";

/// @notice An operand that has been gathered: later operands may look indices up in it.
struct Gathered {
    bytes dense;
    uint8 dtype;
    bool reduced;
}

/// @notice Points [first, first + count) of a reduction box, in its order.
struct Segment {
    uint64 first;
    uint64 count;
}

/// @title Access maps: which elements of an operand an output element is computed from
/// @notice Semantics: `Axis` in contracts/program/Program.sol. TypeScript twin: packages/program/src/accessmap.ts.
/// @dev Instructions come from anybody. All sums here stay far inside 256 bits whatever their fields are: a
///      coefficient times a coordinate is below 2^127, a stride times a coordinate below 2^128, and calldata cannot
///      hold 2^64 axes. What no gas could pay for is refused by `BoxTooLarge`.
library AccessMap {
    /// @dev An operand being read.
    struct Walk {
        uint256 elementSize;
        uint256 length; // elements of the value
        bytes32 fill; // a word of padding elements
        int256[] values; // v of every axis where the current row starts
        int256[] steps; // change of v per point of a row
        Gathered[] tables; // of every axis: the indices that each point adds to v; without elements: none
        uint256 contiguous; // number of the axis whose elements a row reads one after the other, or NONE
        uint256 valid; // points read so far that are not padding
    }

    uint256 internal constant MAX_POINTS = 1 << 24;
    uint256 private constant NONE = type(uint256).max;

    /// @notice The instruction names an element type that Assay does not know.
    error UnknownDtype(uint8 dtype);
    /// @notice The output has no such element.
    error ElementOutOfRange(uint256 element, uint256 length);
    /// @notice The output's dimensions multiply to more than 2^64 - 1 elements.
    error OutputTooLarge();
    /// @notice The reduction box has more points than one proof can hold.
    error BoxTooLarge();
    /// @notice Axis `axis` of the operand has another number of coefficients than there are coordinates.
    error CoefficientCount(uint256 axis, uint256 actual, uint256 expected);
    /// @notice Axis `axis` of the operand has divisor 0.
    error ZeroDivisor(uint256 axis);
    /// @notice The access map leads outside the value: elements [first, end) of `length`.
    error AccessOutOfRange(uint256 first, uint256 end, uint256 length);
    /// @notice The proof does not open a chunk that the access map reads.
    error ChunkNotOpened(uint256 chunk);
    /// @notice The segment holds no points, or points outside the box.
    error SegmentOutOfRange(uint256 first, uint256 count, uint256 points);
    /// @notice Axis `axis` looks indices up in no earlier operand of an integer type, or an operand that is not reduced
    ///         looks them up in one that is.
    error BadLookup(uint256 axis, uint8 lookup);

    /// @notice Number of elements in a space of size `dims`.
    function elementCount(uint64[] memory dims) internal pure returns (uint256 count) {
        count = 1;
        unchecked {
            for (uint256 i; i < dims.length; ++i) {
                count *= dims[i];
                if (count > type(uint64).max) revert OutputTooLarge();
            }
        }
    }

    /// @notice Coordinates of a flat index in the row-major space of size `dims`.
    function coordinatesOf(
        uint256 element,
        uint64[] memory dims
    ) internal pure returns (uint256[] memory coordinates) {
        uint256 count = elementCount(dims);
        if (element >= count) revert ElementOutOfRange(element, count);
        coordinates = new uint256[](dims.length);
        unchecked {
            for (uint256 i = dims.length; i != 0;) {
                --i;
                coordinates[i] = element % dims[i];
                element /= dims[i];
            }
        }
    }

    /// @notice Bits of one element, little-endian.
    function elementAt(
        OpenedChunks memory opened,
        uint256 element,
        uint256 elementSize
    ) internal pure returns (uint256 bits) {
        uint256 source = _find(opened, element * elementSize, elementSize);
        unchecked {
            for (uint256 i; i < elementSize; ++i) {
                uint256 value;
                assembly ("memory-safe") {
                    value := byte(0, calldataload(add(source, i)))
                }
                bits |= value << (8 * i);
            }
        }
    }

    /// @notice Points of a reduction box.
    function boxSize(uint64[] memory reduction) internal pure returns (uint256 points) {
        points = 1;
        unchecked {
            for (uint256 i; i < reduction.length; ++i) {
                points *= reduction[i];
                if (points > MAX_POINTS) revert BoxTooLarge();
            }
        }
    }

    /// @notice Reverts unless a segment has points, all of them in the box.
    function requireInside(Segment memory segment, uint256 points) internal pure {
        if (segment.count == 0 || segment.first >= points || segment.count > points - segment.first)
            revert SegmentOutOfRange(segment.first, segment.count, points);
    }

    /// @notice The operand's elements over a segment of the reduction box (last axis fastest), or its single element.
    /// @param segment points of the box; of no meaning to an operand that is not reduced
    /// @param output coordinates of the output element
    /// @param earlier by number, the operands gathered so far; those that are not have data type 0
    /// @return dense little-endian elements; padding is the operand's fill
    /// @return valid how many of them are not padding
    function gather(
        Operand memory operand,
        uint256[] memory output,
        uint64[] memory reduction,
        Segment memory segment,
        OpenedChunks memory opened,
        Gathered[] memory earlier
    ) internal pure returns (bytes memory dense, uint256 valid) {
        // An operand that is not reduced stays where the box begins.
        uint256 boxRank = operand.reduced ? reduction.length : 0;
        uint256 rowLength = boxRank == 0 ? 1 : reduction[boxRank - 1];
        uint256 points = operand.reduced ? segment.count : 1;
        Walk memory walk = _start(operand, output, reduction.length, boxRank, earlier);
        dense = new bytes(points * walk.elementSize);
        if (points == 0) return (dense, 0);
        uint256[] memory k = new uint256[](boxRank);
        uint256 target;
        assembly ("memory-safe") {
            target := add(dense, 0x20)
        }
        unchecked {
            // The first row may begin in the middle, the last one end there.
            uint256 skipped =
                boxRank == 0 ? 0 : _enter(operand.axes, walk, k, reduction, output.length, segment.first);
            for (uint256 point; point < points;) {
                uint256 length = rowLength - skipped;
                if (length > points - point) length = points - point;
                _row(operand.axes, walk, opened, length, target, point);
                if (skipped != 0) _shift(walk, -int256(skipped));
                skipped = 0;
                point += length;
                target += length * walk.elementSize;
                if (point < points) _advance(operand.axes, walk, k, reduction, output.length);
            }
        }
        valid = walk.valid;
    }

    /// @dev Moves the walk to a point of the box; returns how far inside its row that is.
    function _enter(
        Axis[] memory axes,
        Walk memory walk,
        uint256[] memory k,
        uint64[] memory reduction,
        uint256 outputRank,
        uint256 point
    ) private pure returns (uint256 inRow) {
        if (point == 0) return 0;
        unchecked {
            uint256 last = k.length - 1;
            inRow = point % reduction[last];
            point /= reduction[last];
            for (uint256 i = last; i != 0;) {
                --i;
                k[i] = point % reduction[i];
                point /= reduction[i];
                for (uint256 a; a < axes.length; ++a)
                    walk.values[a] += int256(k[i]) * int256(axes[a].coefficients[outputRank + i]);
            }
        }
        _shift(walk, int256(inRow));
    }

    /// @dev Moves the start of the current row along it.
    function _shift(Walk memory walk, int256 points) private pure {
        unchecked {
            for (uint256 a; a < walk.values.length; ++a) walk.values[a] += walk.steps[a] * points;
        }
    }

    function _start(
        Operand memory operand,
        uint256[] memory output,
        uint256 reductionRank,
        uint256 boxRank,
        Gathered[] memory earlier
    ) private pure returns (Walk memory walk) {
        uint256 elementSize = Dtype.sizeOf(operand.dtype);
        if (elementSize == 0) revert UnknownDtype(operand.dtype);
        uint256 count = operand.axes.length;
        walk.elementSize = elementSize;
        walk.length = operand.length;
        walk.values = new int256[](count);
        walk.steps = new int256[](count);
        walk.tables = new Gathered[](count);
        walk.contiguous = NONE;
        if (operand.fill != 0) walk.fill = _fillWord(operand.fill, elementSize);
        uint256 moving;
        unchecked {
            for (uint256 a; a < count; ++a) {
                Axis memory axis = operand.axes[a];
                int64[] memory coefficients = axis.coefficients;
                if (coefficients.length != output.length + reductionRank)
                    revert CoefficientCount(a, coefficients.length, output.length + reductionRank);
                if (axis.divisor == 0) revert ZeroDivisor(a);
                int256 value = axis.base;
                for (uint256 i; i < output.length; ++i) value += int256(coefficients[i]) * int256(output[i]);
                if (axis.lookup != 0) {
                    Gathered memory table = _tableOf(operand, a, earlier);
                    // One index for all points is part of where the walk starts.
                    if (table.reduced) {
                        walk.tables[a] = table;
                        ++moving;
                    } else value += _lookedUp(table, 0, axis.size);
                }
                walk.values[a] = value;
                int256 step = boxRank == 0 ? int256(0) : coefficients[output.length + boxRank - 1];
                if (step == 0) continue;
                walk.steps[a] = step;
                if (walk.tables[a].reduced) continue;
                ++moving;
                if (step == 1 && axis.stride == 1 && axis.divisor == 1) walk.contiguous = a;
            }
        }
        if (moving != 1) walk.contiguous = NONE;
    }

    function _tableOf(
        Operand memory operand,
        uint256 a,
        Gathered[] memory earlier
    ) private pure returns (Gathered memory table) {
        uint8 lookup = operand.axes[a].lookup;
        if (lookup > earlier.length) revert BadLookup(a, lookup);
        table = earlier[lookup - 1];
        if (!Dtype.isInteger(table.dtype) || (table.reduced && !operand.reduced)) revert BadLookup(a, lookup);
    }

    /// @dev The index that a table holds for a point; negative ones count from the end of the axis.
    function _lookedUp(
        Gathered memory table,
        uint256 point,
        uint64 size
    ) private pure returns (int256 index) {
        uint256 elementSize = Dtype.sizeOf(table.dtype);
        uint256 bits;
        unchecked {
            for (uint256 i = elementSize; i != 0; --i)
                bits = (bits << 8) | uint8(table.dense[point * elementSize + i - 1]);
            index = Dtype.toInteger(table.dtype, bits);
            if (index < 0) index += int256(uint256(size));
        }
    }

    /// @dev Moves to the next row: one step of the box without its last axis, the last of these fastest.
    function _advance(
        Axis[] memory axes,
        Walk memory walk,
        uint256[] memory k,
        uint64[] memory reduction,
        uint256 outputRank
    ) private pure {
        unchecked {
            for (uint256 i = k.length; i > 1;) {
                --i;
                bool carry = ++k[i - 1] == reduction[i - 1];
                int256 step = carry ? int256(1) - int256(uint256(reduction[i - 1])) : int256(1);
                if (carry) k[i - 1] = 0;
                for (uint256 a; a < axes.length; ++a)
                    walk.values[a] += step * int256(axes[a].coefficients[outputRank + i - 1]);
                if (!carry) return;
            }
        }
    }

    /// @dev Reads the points along the last axis of the reduction box.
    function _row(
        Axis[] memory axes,
        Walk memory walk,
        OpenedChunks memory opened,
        uint256 rowLength,
        uint256 target,
        uint256 point
    ) private pure {
        // Axes that do not move along the row decide for all of it.
        uint256 flat;
        unchecked {
            for (uint256 a; a < axes.length; ++a) {
                if (walk.steps[a] != 0 || walk.tables[a].reduced) continue;
                (bool inside, uint256 offset) = _offset(axes[a], walk.values[a]);
                if (!inside) {
                    _fill(walk, target, target + rowLength * walk.elementSize);
                    return;
                }
                flat += offset;
            }
        }
        if (walk.contiguous == NONE) _scatteredRow(axes, walk, opened, rowLength, target, flat, point);
        else _contiguousRow(axes, walk, opened, rowLength, target, flat);
    }

    function _contiguousRow(
        Axis[] memory axes,
        Walk memory walk,
        OpenedChunks memory opened,
        uint256 rowLength,
        uint256 target,
        uint256 flat
    ) private pure {
        unchecked {
            int256 value = walk.values[walk.contiguous];
            int256 left = int256(uint256(axes[walk.contiguous].size)) - value;
            // Points [low, high) of the row are inside the axis.
            uint256 low = value < 0 ? uint256(-value) : 0;
            uint256 high = left < 0 ? 0 : uint256(left);
            if (high > rowLength) high = rowLength;
            if (low > high) low = high;
            uint256 first = target + low * walk.elementSize;
            uint256 end = target + high * walk.elementSize;
            _fill(walk, target, first);
            if (first != end) {
                // value + low is not negative.
                _copy(walk, opened, flat + uint256(value + int256(low)), high - low, first);
                walk.valid += high - low;
            }
            _fill(walk, end, target + rowLength * walk.elementSize);
        }
    }

    function _scatteredRow(
        Axis[] memory axes,
        Walk memory walk,
        OpenedChunks memory opened,
        uint256 rowLength,
        uint256 target,
        uint256 flat,
        uint256 point
    ) private pure {
        unchecked {
            for (uint256 k; k < rowLength; ++k) {
                uint256 position = flat;
                bool inside = true;
                for (uint256 a; a < axes.length; ++a) {
                    int256 value = walk.steps[a];
                    bool lookup = walk.tables[a].reduced;
                    if (value == 0 && !lookup) continue;
                    value = walk.values[a] + value * int256(k);
                    if (lookup) value += _lookedUp(walk.tables[a], point + k, axes[a].size);
                    uint256 offset;
                    (inside, offset) = _offset(axes[a], value);
                    if (!inside) break;
                    position += offset;
                }
                if (inside) {
                    _copy(walk, opened, position, 1, target);
                    ++walk.valid;
                } else _fill(walk, target, target + walk.elementSize);
                target += walk.elementSize;
            }
        }
    }

    /// @dev What an axis adds to the flat index; not inside: the point is padding.
    function _offset(Axis memory axis, int256 value) private pure returns (bool inside, uint256 offset) {
        unchecked {
            if (value < 0) return (false, 0);
            uint256 divisor = axis.divisor;
            uint256 coordinate = uint256(value);
            if (divisor != 1) {
                if (coordinate % divisor != 0) return (false, 0);
                coordinate /= divisor;
            }
            if (coordinate >= axis.size) return (false, 0);
            return (true, coordinate * axis.stride);
        }
    }

    function _copy(
        Walk memory walk,
        OpenedChunks memory opened,
        uint256 first,
        uint256 count,
        uint256 target
    ) private pure {
        unchecked {
            if (first + count > walk.length) revert AccessOutOfRange(first, first + count, walk.length);
            uint256 length = count * walk.elementSize;
            uint256 source = _find(opened, first * walk.elementSize, length);
            assembly ("memory-safe") {
                calldatacopy(target, source, length)
            }
        }
    }

    /// @dev Where bytes [start, start + length) of the tensor lie in calldata. Neighbouring opened chunks are always in
    ///      one run, so bytes that cross the end of a run are not all opened.
    function _find(
        OpenedChunks memory opened,
        uint256 start,
        uint256 length
    ) private pure returns (uint256 source) {
        unchecked {
            uint256 chunk = start >> 5;
            uint256 lastChunk = (start + length - 1) >> 5;
            uint256 run = _findRun(opened, chunk);
            uint256 word = opened.runs[run];
            uint256 first = word >> 128;
            uint256 end = first + uint64(word >> 64);
            if (lastChunk >= end) revert ChunkNotOpened(end);
            source = opened.start + ((uint64(word) + chunk - first) << 5) + (start & 31);
        }
    }

    /// @dev Current run, next run, then binary search.
    function _findRun(OpenedChunks memory opened, uint256 chunk) private pure returns (uint256 run) {
        uint256[] memory runs = opened.runs;
        unchecked {
            run = opened.current;
            if (run < runs.length && _holds(runs[run], chunk)) return run;
            if (++run < runs.length && _holds(runs[run], chunk)) {
                opened.current = run;
                return run;
            }
            // The last run that does not start behind the chunk is run low - 1.
            uint256 low;
            uint256 high = runs.length;
            while (low < high) {
                uint256 middle = (low + high) >> 1;
                if (runs[middle] >> 128 <= chunk) low = middle + 1;
                else high = middle;
            }
            if (low == 0 || !_holds(runs[low - 1], chunk)) revert ChunkNotOpened(chunk);
            run = low - 1;
            opened.current = run;
        }
    }

    function _holds(uint256 run, uint256 chunk) private pure returns (bool) {
        unchecked {
            // A chunk before the run wraps to more than any count.
            return chunk - (run >> 128) < uint64(run >> 64);
        }
    }

    /// @dev Writes padding to memory [from, to). Memory is zero there already.
    function _fill(Walk memory walk, uint256 from, uint256 to) private pure {
        bytes32 word = walk.fill;
        if (word == 0) return;
        assembly ("memory-safe") {
            for {} iszero(lt(sub(to, from), 0x20)) {
                from := add(from, 0x20)
            } {
                mstore(from, word)
            }
            let rest := shl(3, sub(to, from))
            if rest {
                let mask := shr(rest, not(0))
                mstore(from, or(and(mload(from), mask), and(word, not(mask))))
            }
        }
    }

    /// @dev 32 bytes of padding: the fill's little-endian bytes, extended with zeros to an element, repeated.
    function _fillWord(uint256 fill, uint256 elementSize) private pure returns (bytes32) {
        uint256 word;
        unchecked {
            for (uint256 i; i < 32; ++i) word = (word << 8) | ((fill >> (8 * (i % elementSize))) & 0xff);
        }
        return bytes32(word);
    }
}
