// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {Lanes, OrderedLanes, Tally} from "../numerics/OrderedLanes.sol";
import {Dtype} from "../program/Dtype.sol";
import {IKernel, Judgement, KernelInput, Verdict} from "./IKernel.sol";
import {KernelChecks} from "./KernelChecks.sol";
import {OperandCount, OperandLength, ParamsLength, UnknownOp} from "./KernelErrors.sol";

/// @title Ordering: positions of extreme elements, judged by rank
/// @dev The rank of an element is the number of elements that beat it: those that are larger (smaller, for the
///      smallest), and of its equals those that come first (last). A claimed position is right when its element has the
///      rank that the operation asks for, so nothing is sorted. Rules and proof: docs/numerics/ordering.md. Twin:
///      packages/numerics/src/ordering.ts.
contract OrderingKernel is IKernel {
    /// @dev A row and the two readings of it: subnormals as they are, and as zeros.
    struct Ranks {
        uint256 exact;
        uint256 flushed;
        bool nan; // some element is NaN: comparisons have no order, and any element may come out
    }

    uint8 private constant ARG_MAX = 0;
    uint8 private constant ARG_MIN = 1;
    uint8 private constant ARG_MAX_LAST = 2;
    uint8 private constant ARG_MIN_LAST = 3;
    uint8 private constant TOP_LARGEST = 4;
    uint8 private constant TOP_SMALLEST = 5;
    uint8 private constant HARDMAX = 6;
    uint8 private constant POOL_ARG_MAX = 7;

    /// @inheritdoc IKernel
    function judge(KernelInput calldata input) external pure returns (Judgement memory judgement) {
        if (input.op > POOL_ARG_MAX) revert UnknownOp(input.op);
        if (input.params.length != 0) revert ParamsLength(0, input.params.length);
        uint256 count =
            input.op <= ARG_MIN_LAST
                ? 1
                : input.op == POOL_ARG_MAX
                    ? 3
                    : 2;
        if (input.operands.length != count) revert OperandCount(count, input.operands.length);
        Lanes memory lanes = OrderedLanes.lanesOf(KernelChecks.dtypeOf(input, 0));
        bytes calldata row = input.operands[0];
        uint256 size = lanes.width >> 3;
        if (row.length == 0 || row.length % size != 0)
            revert OperandLength(0, row.length - (row.length % size) + size, row.length);

        bool acceptable;
        if (input.op == POOL_ARG_MAX) acceptable = _pool(input, lanes);
        else if (input.op == HARDMAX) acceptable = _hardmax(input, lanes);
        else acceptable = _position(input, lanes);
        judgement.verdict = acceptable ? Verdict.Acceptable : Verdict.Fraudulent;
    }

    /// @dev ArgMax, ArgMin: the claimed element has rank 0. TopK: its rank is its place in the result.
    function _position(KernelInput calldata input, Lanes memory lanes) private pure returns (bool) {
        KernelChecks.requireOutput(input, Dtype.INT64);
        uint256 place;
        if (input.op >= TOP_LARGEST) place = _int64(input, 1);
        if (input.claimed >= (input.operands[0].length << 3) / lanes.width) return false;
        bool smallest = input.op & 1 != 0;
        bool last = input.op == ARG_MAX_LAST || input.op == ARG_MIN_LAST;
        Ranks memory ranks = _ranks(input.operands[0], lanes, input.claimed, smallest, last);
        return ranks.nan || ranks.exact == place || ranks.flushed == place;
    }

    /// @dev 1 at the first largest element, 0 elsewhere.
    function _hardmax(KernelInput calldata input, Lanes memory lanes) private pure returns (bool) {
        KernelChecks.requireOutput(input, KernelChecks.dtypeOf(input, 0));
        uint256 own = _int64(input, 1);
        uint256 length = (input.operands[0].length << 3) / lanes.width;
        if (own >= length) revert OperandLength(0, (own + 1) * (lanes.width >> 3), input.operands[0].length);
        bool one = input.claimed == OrderedLanes.one(lanes);
        if (!one && input.claimed != 0) return false;
        Ranks memory ranks = _ranks(input.operands[0], lanes, own, false, false);
        return
            ranks.nan ||
            (one ? ranks.exact == 0 || ranks.flushed == 0 : ranks.exact != 0 || ranks.flushed != 0);
    }

    /// @dev The position that operand 1 gives to the first largest point of a pooling window, plus operand 2. Points
    ///      with a negative position are padding.
    function _pool(KernelInput calldata input, Lanes memory lanes) private pure returns (bool) {
        KernelChecks.requireOutput(input, Dtype.INT64);
        KernelChecks.requireOperand(input, 1, Dtype.INT64);
        uint256 offset = _int64(input, 2);
        bytes calldata row = input.operands[0];
        uint256 size = lanes.width >> 3;
        uint256 points = row.length / size;
        if (input.operands[1].length != points * 8)
            revert OperandLength(1, points * 8, input.operands[1].length);
        uint256 claimed;
        unchecked {
            claimed = uint64(uint256(input.claimed) - offset);
        }
        uint256 target = type(uint256).max;
        for (uint256 i; i < points; ++i) {
            uint256 position = Dtype.at(input.operands[1], i, 8);
            if (position >> 63 == 0 && position == claimed) target = i;
        }
        return _poolAccepts(input, lanes, points, target);
    }

    function _poolAccepts(
        KernelInput calldata input,
        Lanes memory lanes,
        uint256 points,
        uint256 target
    ) private pure returns (bool) {
        bytes calldata row = input.operands[0];
        bool found = target != type(uint256).max;
        uint256[2] memory best =
            found
                ? [
                    OrderedLanes.key(lanes, Dtype.at(row, target, lanes.width >> 3), false),
                    OrderedLanes.key(lanes, Dtype.at(row, target, lanes.width >> 3), true)
                ]
                : [uint256(0), 0];
        bool[2] memory right = [found, found];
        // Windows start from the lowest value and may find nothing above it: the position then means nothing.
        bool undefined = true;
        for (uint256 i; i < points; ++i) {
            if (Dtype.at(input.operands[1], i, 8) >> 63 != 0) continue;
            uint256 bits = Dtype.at(row, i, lanes.width >> 3);
            if (OrderedLanes.isNaN(lanes, bits)) return true;
            if (!OrderedLanes.isLowest(lanes, bits)) undefined = false;
            for (uint256 mode; mode < 2; ++mode) {
                uint256 key = OrderedLanes.key(lanes, bits, mode == 1);
                if (key > best[mode] || (key == best[mode] && i < target)) right[mode] = false;
            }
        }
        return undefined || right[0] || right[1];
    }

    /// @dev How many elements beat element `own`, with subnormals as they are and read as zeros.
    function _ranks(
        bytes calldata row,
        Lanes memory lanes,
        uint256 own,
        bool smallest,
        bool last
    ) private pure returns (Ranks memory ranks) {
        uint256 bits = Dtype.at(row, own, lanes.width >> 3);
        (ranks.exact, ranks.nan) = _rank(row, lanes, own, smallest, last, false);
        ranks.nan = ranks.nan || OrderedLanes.isNaN(lanes, bits);
        // Flushing the others moves none of them across an element that is not flushed itself.
        ranks.flushed = ranks.exact;
        if (OrderedLanes.isTiny(lanes, bits))
            (ranks.flushed, ) = _rank(row, lanes, own, smallest, last, true);
    }

    function _rank(
        bytes calldata row,
        Lanes memory lanes,
        uint256 own,
        bool smallest,
        bool last,
        bool flush
    ) private pure returns (uint256 rank, bool nan) {
        uint256 size = lanes.width >> 3;
        uint256 target = OrderedLanes.key(lanes, Dtype.at(row, own, size), flush);
        Tally memory before = OrderedLanes.tally(row[:own * size], lanes, target, smallest, flush);
        Tally memory behind = OrderedLanes.tally(row[(own + 1) * size:], lanes, target, smallest, flush);
        nan = before.nan || behind.nan;
        rank = before.beating + behind.beating + (last ? behind.equal : before.equal);
    }

    /// @dev The only element of an int64 operand, as 64 bits.
    function _int64(KernelInput calldata input, uint256 operand) private pure returns (uint256) {
        KernelChecks.requireOperand(input, operand, Dtype.INT64);
        bytes calldata element = input.operands[operand];
        if (element.length != 8) revert OperandLength(operand, 8, element.length);
        return Dtype.at(element, 0, 8);
    }
}
