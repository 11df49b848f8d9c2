// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {Lanes, OrderedLanes, Tally} from "../numerics/OrderedLanes.sol";
import {Dtype} from "../program/Dtype.sol";
import {IKernel, IStreamingKernel, Judgement, KernelInput, Verdict} from "./IKernel.sol";
import {KernelChecks} from "./KernelChecks.sol";
import {
    HintChanged,
    OperandCount,
    OperandLength,
    ParamsLength,
    UnknownOp,
    WrongHint
} from "./KernelErrors.sol";

/// @title Ordering: positions of extreme elements, judged by rank
/// @dev The rank of an element is the number of elements that beat it: those that are larger (smaller, for the
///      smallest), and of its equals those that come first (last). A claimed position is right when its element has the
///      rank that the operation asks for, so nothing is sorted. All but PoolArgMax stream: the hint then holds the
///      element's bits, which are compared with it in the segment where it is. Rules and proof: docs/numerics/ordering.md. Twin:
///      packages/numerics/src/ordering.ts.
contract OrderingKernel is IStreamingKernel {
    /// @dev A row and the two readings of it: subnormals as they are, and as zeros.
    struct Ranks {
        uint256 exact;
        uint256 flushed;
        bool nan; // some element is NaN: comparisons have no order, and any element may come out
    }

    /// @dev What the segments so far come to.
    struct Run {
        Ranks ranks;
        uint256 length;
        uint256 target; // the hint
    }

    uint8 private constant ARG_MAX = 0;
    uint8 private constant ARG_MIN = 1;
    uint8 private constant ARG_MAX_LAST = 2;
    uint8 private constant ARG_MIN_LAST = 3;
    uint8 private constant TOP_LARGEST = 4;
    uint8 private constant TOP_SMALLEST = 5;
    uint8 private constant HARDMAX = 6;
    uint8 private constant POOL_ARG_MAX = 7;

    uint256 private constant BEFORE = type(uint256).max;

    /// @inheritdoc IKernel
    function judge(KernelInput calldata input) external pure returns (Judgement memory judgement) {
        (Lanes memory lanes, uint256 length) = _check(input);
        if (input.op == POOL_ARG_MAX) {
            judgement.verdict = _pool(input, lanes);
        } else {
            Run memory run;
            run.length = length;
            uint256 own = _own(input);
            if (own < length) {
                run.target = Dtype.at(input.operands[0], own, lanes.width >> 3);
                run.ranks = _ranks(input, lanes, own, length, run.target);
            }
            judgement.verdict = _judgeRun(input, lanes, own, run);
        }
    }

    /// @inheritdoc IStreamingKernel
    function fold(KernelInput calldata part, bytes calldata state) external pure returns (bytes memory) {
        if (part.op == POOL_ARG_MAX) revert UnknownOp(part.op);
        (Lanes memory lanes, uint256 length) = _check(part);
        uint256 target = KernelChecks.hintOf(part);
        Run memory run;
        if (state.length != 0) run = abi.decode(state, (Run));
        else run.target = target;
        if (run.target != target) revert HintChanged(target, run.target);
        if (target >> lanes.width != 0) revert WrongHint(target, target & ((1 << lanes.width) - 1));
        uint256 own = _own(part);
        // relative to this segment; of no meaning where it lies before
        bool behind = own < run.length;
        if (!behind && own - run.length < length) {
            uint256 actual = Dtype.at(part.operands[0], own - run.length, lanes.width >> 3);
            if (actual != target) revert WrongHint(target, actual);
        }
        Ranks memory ranks = _ranks(part, lanes, behind ? BEFORE : own - run.length, length, target);
        run.ranks.exact += ranks.exact;
        run.ranks.flushed += ranks.flushed;
        run.ranks.nan = run.ranks.nan || ranks.nan;
        run.length += length;
        return abi.encode(run);
    }

    /// @inheritdoc IStreamingKernel
    function conclude(
        KernelInput calldata part,
        bytes calldata state
    ) external pure returns (Judgement memory judgement) {
        if (part.op == POOL_ARG_MAX) revert UnknownOp(part.op);
        (Lanes memory lanes, ) = _check(part);
        Run memory run = abi.decode(state, (Run));
        judgement.verdict = _judgeRun(part, lanes, _own(part), run);
    }

    /// @return lanes of the row's type
    /// @return length elements of the row, or of a segment of it
    function _check(KernelInput calldata input) private pure returns (Lanes memory lanes, uint256 length) {
        if (input.op > POOL_ARG_MAX) revert UnknownOp(input.op);
        if (input.params.length != 0) revert ParamsLength(0, input.params.length);
        uint256 count =
            input.op <= ARG_MIN_LAST
                ? 1
                : input.op == POOL_ARG_MAX
                    ? 3
                    : 2;
        if (input.operands.length != count) revert OperandCount(count, input.operands.length);
        lanes = OrderedLanes.lanesOf(KernelChecks.dtypeOf(input, 0));
        bytes calldata row = input.operands[0];
        uint256 size = lanes.width >> 3;
        if (row.length == 0 || row.length % size != 0)
            revert OperandLength(0, row.length - (row.length % size) + size, row.length);
        length = row.length / size;
    }

    /// @dev Position of the element whose rank is asked for: the claimed one, of Hardmax the output's own.
    function _own(KernelInput calldata input) private pure returns (uint256) {
        if (input.op == HARDMAX) {
            KernelChecks.requireOutput(input, KernelChecks.dtypeOf(input, 0));
            return _int64(input, 1);
        }
        KernelChecks.requireOutput(input, Dtype.INT64);
        if (input.op >= TOP_LARGEST) _int64(input, 1);
        return input.claimed;
    }

    /// @dev ArgMax, ArgMin: the claimed element has rank 0. TopK: its rank is its place in the result. Hardmax: 1 at the
    ///      first largest element, 0 elsewhere.
    function _judgeRun(
        KernelInput calldata input,
        Lanes memory lanes,
        uint256 own,
        Run memory run
    ) private pure returns (Verdict) {
        Ranks memory ranks = run.ranks;
        bool right = OrderedLanes.isNaN(lanes, run.target);
        if (input.op != HARDMAX) {
            uint256 place = input.op >= TOP_LARGEST ? _int64(input, 1) : 0;
            if (own >= run.length) return Verdict.Fraudulent;
            return _verdict(right || ranks.exact == place || ranks.flushed == place, ranks.nan);
        }
        if (own >= run.length)
            revert OperandLength(0, (own + 1) * (lanes.width >> 3), input.operands[0].length);
        bool one = input.claimed == OrderedLanes.one(lanes);
        if (!one && input.claimed != 0) return Verdict.Fraudulent;
        bool first = ranks.exact == 0 || ranks.flushed == 0;
        bool behind = ranks.exact != 0 || ranks.flushed != 0;
        return _verdict(right || (one ? first : behind), ranks.nan);
    }

    /// @dev Where a NaN makes comparisons meaningless nothing that is in the row is Fraudulent.
    function _verdict(bool right, bool open) private pure returns (Verdict) {
        return
            right
                ? Verdict.Acceptable
                : open
                    ? Verdict.Imprecise
                    : Verdict.Fraudulent;
    }

    /// @dev The position that operand 1 gives to the first largest point of a pooling window, plus operand 2. Points
    ///      with a negative position are padding.
    function _pool(KernelInput calldata input, Lanes memory lanes) private pure returns (Verdict) {
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
        // Windows start from the lowest value and may find nothing above it: kernels then write a point of the window,
        // or a negative position.
        (bool right, bool nan, bool lowest) = _poolFinds(input, lanes, points, target);
        bool plausible = target != type(uint256).max || claimed >> 63 != 0;
        return _verdict(right || (lowest && plausible), nan || lowest);
    }

    /// @return right whether point `target` is the first largest, or NaN
    /// @return nan whether some point is NaN; comparisons pass it over
    /// @return lowest whether no point is above the lowest number
    function _poolFinds(
        KernelInput calldata input,
        Lanes memory lanes,
        uint256 points,
        uint256 target
    ) private pure returns (bool, bool nan, bool lowest) {
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
        lowest = true;
        for (uint256 i; i < points; ++i) {
            if (Dtype.at(input.operands[1], i, 8) >> 63 != 0) continue;
            uint256 bits = Dtype.at(row, i, lanes.width >> 3);
            if (OrderedLanes.isNaN(lanes, bits)) {
                nan = true;
                if (i == target) return (true, true, false);
                continue;
            }
            if (!OrderedLanes.isLowest(lanes, bits)) lowest = false;
            for (uint256 mode; mode < 2; ++mode) {
                uint256 key = OrderedLanes.key(lanes, bits, mode == 1);
                if (key > best[mode] || (key == best[mode] && i < target)) right[mode] = false;
            }
        }
        return (right[0] || right[1], nan, lowest);
    }

    /// @dev How many of `length` elements beat the one with these bits, with subnormals as they are and read as zeros.
    /// @param own its position; BEFORE: before all of them; at least `length`: behind them
    function _ranks(
        KernelInput calldata input,
        Lanes memory lanes,
        uint256 own,
        uint256 length,
        uint256 bits
    ) private pure returns (Ranks memory ranks) {
        // of a NaN ranks mean nothing
        if (OrderedLanes.isNaN(lanes, bits)) return Ranks(0, 0, true);
        (ranks.exact, ranks.nan) = _rank(input, lanes, own, length, bits, false);
        // Comparisons pass NaN over.
        uint256 passed;
        bool smallest = input.op != HARDMAX && input.op & 1 != 0;
        if (ranks.nan) passed = OrderedLanes.beatingNaNs(input.operands[0], lanes, smallest);
        ranks.exact -= passed;
        // Flushing the others moves none of them across an element that is not flushed itself.
        ranks.flushed = ranks.exact;
        if (OrderedLanes.isTiny(lanes, bits)) {
            (ranks.flushed, ) = _rank(input, lanes, own, length, bits, true);
            ranks.flushed -= passed;
        }
    }

    function _rank(
        KernelInput calldata input,
        Lanes memory lanes,
        uint256 own,
        uint256 length,
        uint256 bits,
        bool flush
    ) private pure returns (uint256 rank, bool nan) {
        uint256 size = lanes.width >> 3;
        bool smallest = input.op != HARDMAX && input.op & 1 != 0;
        uint256 target = OrderedLanes.key(lanes, bits, flush);
        (uint256 cut, uint256 rest) = (0, 0);
        if (own < length) (cut, rest) = (own, own + 1);
        else if (own != BEFORE) (cut, rest) = (length, length);
        bytes calldata row = input.operands[0];
        Tally memory before = OrderedLanes.tally(row[:cut * size], lanes, target, smallest, flush);
        Tally memory behind = OrderedLanes.tally(row[rest * size:], lanes, target, smallest, flush);
        nan = before.nan || behind.nan;
        bool last = input.op == ARG_MAX_LAST || input.op == ARG_MIN_LAST;
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
