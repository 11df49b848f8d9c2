// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {ClaimBook} from "./ClaimBook.sol";
import {IPaymentChannels} from "./IPaymentChannels.sol";
import {IStakeManager} from "./IStakeManager.sol";
import {Orders, Voucher} from "./Orders.sol";
import {Signatures} from "./Signatures.sol";
import {TermsLib} from "./Terms.sol";

/// @title PaymentChannels
/// @notice See IPaymentChannels, which is the specification.
abstract contract PaymentChannels is ClaimBook, IPaymentChannels {
    using Orders for Voucher;

    struct Channel {
        uint128 settled;
        uint64 closableAt;
    }

    /// @dev A prover's cost that an executor still owes.
    struct VoidCost {
        address prover;
        uint96 next; // number of the next one; 0: the last
        uint128 amount;
    }

    struct VoidCosts {
        uint96 first; // 0: none
        uint96 last;
    }

    /// @dev Most costs that one redemption pays, so that none can be made too expensive.
    uint256 private constant MAX_COSTS_AT_ONCE = 8;

    /// @inheritdoc IPaymentChannels
    uint256 public immutable closeDelay;

    mapping(address requester => mapping(address executor => Channel)) private _channels;
    mapping(address executor => VoidCosts) private _voidCosts;
    mapping(uint256 number => VoidCost) private _costs;
    uint96 private _costCount;

    constructor(uint32 closeDelay_) {
        TermsLib.validateWindow(closeDelay_);
        closeDelay = closeDelay_;
    }

    /// @inheritdoc IPaymentChannels
    function fund(address executor, uint256 amount) external nonReentrant {
        if (executor == address(0)) revert ZeroAddress();
        _channels[msg.sender][executor].closableAt = 0;
        emit ChannelFunded(msg.sender, executor, amount);
        IStakeManager(stakeManager).takePrepaid(msg.sender, executor, amount);
    }

    /// @inheritdoc IPaymentChannels
    function requestClose(address executor) external nonReentrant {
        uint64 closableAt = uint64(block.timestamp + closeDelay);
        _channels[msg.sender][executor].closableAt = closableAt;
        emit CloseRequested(msg.sender, executor, closableAt);
    }

    /// @inheritdoc IPaymentChannels
    function close(address executor) external nonReentrant {
        Channel storage channel = _channels[msg.sender][executor];
        uint64 closableAt = channel.closableAt;
        if (closableAt == 0) revert CloseNotRequested(msg.sender, executor);
        if (block.timestamp < closableAt) revert CloseNotReady(block.timestamp, closableAt);
        // What was settled stays: old vouchers must not count again when the channel is funded again.
        channel.closableAt = 0;
        IStakeManager stakes = IStakeManager(stakeManager);
        uint256 amount = stakes.prepaidOf(msg.sender, executor);
        emit ChannelClosed(msg.sender, executor, amount);
        stakes.payPrepaid(msg.sender, executor, msg.sender, amount);
    }

    /// @inheritdoc IPaymentChannels
    function redeem(
        Voucher calldata voucher,
        bytes calldata signature
    ) external nonReentrant returns (uint256 amount) {
        (address requester, address executor) = (voucher.requester, voucher.executor);
        Channel storage channel = _channels[requester][executor];
        uint128 settled = channel.settled;
        IStakeManager stakes = IStakeManager(stakeManager);
        if (voucher.cumulative > settled) {
            amount = voucher.cumulative - settled;
            uint256 balance = stakes.prepaidOf(requester, executor);
            if (amount > balance) amount = balance;
        }
        if (amount == 0) revert NothingToRedeem(requester, executor, voucher.cumulative, settled);
        bytes32 digest = voucherHashOf(voucher);
        if (!Signatures.isSignedBy(requester, digest, signature)) revert InvalidVoucher(requester, digest);
        settled += uint128(amount);
        channel.settled = settled;
        emit VoucherRedeemed(requester, executor, amount, settled);
        uint256 costs = _payVoidCosts(requester, executor, amount);
        stakes.payPrepaid(requester, executor, executor, amount - costs);
    }

    /// @inheritdoc IPaymentChannels
    function channelOf(
        address requester,
        address executor
    ) external view returns (uint256 balance, uint256 settled, uint64 closableAt) {
        Channel storage channel = _channels[requester][executor];
        balance = IStakeManager(stakeManager).prepaidOf(requester, executor);
        return (balance, channel.settled, channel.closableAt);
    }

    /// @inheritdoc IPaymentChannels
    function voidCostsOf(address executor) external view returns (uint256 amount) {
        for (uint256 number = _voidCosts[executor].first; number != 0; number = _costs[number].next)
            amount += _costs[number].amount;
    }

    /// @inheritdoc IPaymentChannels
    function voucherHashOf(Voucher calldata voucher) public view returns (bytes32) {
        return _hashTypedDataV4(voucher.structHash());
    }

    /// @dev Sets the price of an order off against later vouchers, less what the prover is to get of it. Stake and tokens
    ///      stay where they are: the executor earns that much less.
    function _refundOrder(
        bytes32 claimId,
        address requester,
        address executor,
        uint256 price,
        address prover,
        uint256 cost
    ) internal returns (uint256 refund) {
        refund = price - cost;
        Channel storage channel = _channels[requester][executor];
        uint256 settled = channel.settled + refund;
        // Saturates: no settlement may fail for an amount (INVARIANT I8).
        channel.settled = settled > type(uint128).max ? type(uint128).max : uint128(settled);
        if (cost != 0) {
            uint96 number = ++_costCount;
            _costs[number] = VoidCost(prover, 0, uint128(cost));
            VoidCosts storage queue = _voidCosts[executor];
            if (queue.first == 0) queue.first = number;
            else _costs[queue.last].next = number;
            queue.last = number;
        }
        emit OrderRefunded(requester, executor, claimId, refund, cost);
    }

    function _payVoidCosts(
        address requester,
        address executor,
        uint256 available
    ) private returns (uint256 paid) {
        VoidCosts storage queue = _voidCosts[executor];
        uint96 number = queue.first;
        if (number == 0) return 0;
        for (uint256 n; n < MAX_COSTS_AT_ONCE && number != 0 && paid < available; ++n) {
            VoidCost storage cost = _costs[number];
            uint256 amount = cost.amount;
            if (amount > available - paid) amount = available - paid;
            paid += amount;
            cost.amount -= uint128(amount);
            emit VoidCostPaid(executor, cost.prover, amount);
            IStakeManager(stakeManager).payPrepaid(requester, executor, cost.prover, amount);
            if (cost.amount == 0) number = cost.next;
        }
        queue.first = number;
    }
}
