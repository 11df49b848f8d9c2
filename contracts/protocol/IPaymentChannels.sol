// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {Voucher} from "./Orders.sol";

/// @title Prepaid payment of off-chain orders, one channel per requester and executor
/// @notice A requester funds a channel and signs vouchers off-chain, each over all that it has ever owed the executor; the
///         executor redeems the latest when it likes. To leave, the requester asks to close and waits `closeDelay`, in
///         which the executor redeems.
/// @dev The money is in the StakeManager's ledger (prepaid balances, INVARIANT I1). What void and slashed claims give back
///      is set off against later vouchers, so that no requester loses more to an order than its price.
interface IPaymentChannels {
    /// @notice A channel was funded; a pending close is called off.
    event ChannelFunded(address indexed requester, address indexed executor, uint256 amount);
    /// @notice The requester wants its money back; the executor can redeem until `closableAt` at least.
    event CloseRequested(address indexed requester, address indexed executor, uint64 closableAt);
    /// @notice What was left of a channel, `amount`, went back to the requester.
    event ChannelClosed(address indexed requester, address indexed executor, uint256 amount);
    /// @notice `amount` was taken from a channel.
    /// @param settled all that was ever paid by, or set off in, the channel
    event VoucherRedeemed(
        address indexed requester,
        address indexed executor,
        uint256 amount,
        uint256 settled
    );
    /// @notice `refund` was set off against what the requester owes; `cost` is kept from the executor for the prover.
    event OrderRefunded(
        address indexed requester,
        address indexed executor,
        bytes32 indexed claimId,
        uint256 refund,
        uint256 cost
    );
    /// @notice A prover got its cost of a void claim out of what the executor redeemed.
    event VoidCostPaid(address indexed executor, address indexed prover, uint256 amount);

    error NothingToRedeem(address requester, address executor, uint256 cumulative, uint256 settled);
    error InvalidVoucher(address requester, bytes32 voucherHash);
    error CloseNotRequested(address requester, address executor);
    error CloseNotReady(uint256 time, uint256 closableAt);

    /// @notice Adds to the caller's channel with `executor`; pulls the tokens from the caller (who has approved the
    ///         StakeManager).
    function fund(address executor, uint256 amount) external;

    /// @notice Starts the delay after which the caller can close its channel with `executor`.
    function requestClose(address executor) external;

    /// @notice Gives the caller what is left in its channel, to be collected with `claimPayout`.
    function close(address executor) external;

    /// @notice Pays the executor what the voucher promises beyond what was settled already, as far as the channel has it.
    ///         Anyone may send it; only the executor (and provers that it owes) are paid.
    /// @param signature the requester's (ECDSA or EIP-1271)
    function redeem(Voucher calldata voucher, bytes calldata signature) external returns (uint256 amount);

    /// @notice A channel's state.
    /// @return balance what can still be redeemed or closed
    /// @return settled all that was ever paid by, or set off in, the channel
    /// @return closableAt 0: no close is requested
    function channelOf(
        address requester,
        address executor
    ) external view returns (uint256 balance, uint256 settled, uint64 closableAt);

    /// @notice What an executor's next redemptions owe to provers of void claims.
    function voidCostsOf(address executor) external view returns (uint256 amount);

    /// @notice Seconds from requesting to making a close.
    function closeDelay() external view returns (uint256);

    /// @notice The EIP-712 digest of a voucher.
    function voucherHashOf(Voucher calldata voucher) external view returns (bytes32);
}
