// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

/// @notice One account's balances in the ledger, in token units.
/// @dev What changes together shares a word.
struct Account {
    uint128 free; // stake that can back a claim
    uint128 locked; // collateral of open claims
    uint128 payout; // to be collected with `claimPayout`
    uint128 withdrawing; // stake on its way out; backs no claim
    uint64 withdrawableAt; // time from which `withdraw` pays `withdrawing`
}

/// @notice A market and the referee of its claims.
struct Wiring {
    address market; // an IClaimBook
    address referee;
}

/// @title The only holder of tokens, and the ledger of whose they are
/// @notice INVARIANT I1: token.balanceOf(this) = accounted() (tokens sent here past the entry points only add to the left).
/// @dev One ERC-20 token, fixed at construction. Transfers must move exactly the amount: tokens that take a fee are
///      refused by measurement, rebasing tokens are unsupported. Money only ever enters with its owner's own call (through
///      the market and the referee, which pull from msg.sender) and only leaves in `withdraw` and `claimPayout`, so that
///      no settlement depends on a transfer. Requesters, executors and challengers approve this contract.
interface IStakeManager {
    /// @notice A market and its referee are named, for good.
    event Wired(address indexed market, address indexed referee);
    /// @notice `amount` was added to the free stake.
    event Deposited(address indexed executor, uint256 amount);
    /// @notice `amount` left the free stake; all that is on its way out can be withdrawn from `withdrawableAt` on.
    event WithdrawalRequested(address indexed executor, uint256 amount, uint64 withdrawableAt);
    /// @notice `amount` came back to the free stake.
    event WithdrawalCancelled(address indexed executor, uint256 amount);
    /// @notice `amount` was paid out.
    event Withdrawn(address indexed executor, uint256 amount);
    /// @notice A claim was posted: free → locked.
    event StakeLocked(address indexed executor, uint256 amount);
    /// @notice A claim was finalised or voided: locked → free.
    event StakeUnlocked(address indexed executor, uint256 amount);
    /// @notice A claim was slashed: `amount` of locked stake is gone.
    event StakeSlashed(address indexed executor, uint256 amount);
    /// @notice A requester's payment channel with an executor was funded.
    event PrepaidTaken(address indexed requester, address indexed executor, uint256 amount);
    /// @notice A request's fee and royalty were taken in.
    event EscrowTaken(bytes32 indexed requestId, address indexed requester, uint256 amount);
    /// @notice A challenger's bond was taken in.
    event BondTaken(bytes32 indexed claimId, address indexed challenger, uint256 amount);
    /// @notice `amount` was added to what `account` can collect.
    event PayoutCredited(address indexed account, uint256 amount);
    /// @notice `amount` was paid to `account`.
    event PayoutClaimed(address indexed account, uint256 amount);

    error ZeroAddress();
    error NotDeployer(address caller);
    error AlreadyWired();
    /// @notice Market or referee were built for another StakeManager, or the referee for another market.
    error WiredElsewhere(address component);
    /// @notice A withdrawal could overtake a claim: the delay must be longer than the longest life of a claim.
    error WithdrawalDelayTooShort(uint256 delay, uint256 longestClaimLife);
    error NotMarket(address caller);
    error NotReferee(address caller);
    error ZeroAmount();
    /// @notice A transfer moved another amount than it was asked to.
    error TransferMismatch(uint256 expected, uint256 actual);
    error InsufficientFreeStake(address executor, uint256 free, uint256 needed);
    error InsufficientLockedStake(address executor, uint256 locked, uint256 needed);
    error NoWithdrawal(address executor);
    error WithdrawalNotReady(uint256 time, uint256 withdrawableAt);
    error InsufficientPrepaid(address requester, address executor, uint256 prepaid, uint256 needed);
    /// @notice The ledger holds amounts up to 2^128 - 1, all together.
    error LedgerFull(uint256 amount);
    error EscrowExists(bytes32 requestId);
    error InsufficientEscrow(bytes32 requestId, uint256 escrow, uint256 needed);
    error BondExists(bytes32 claimId, address challenger);
    error NoBond(bytes32 claimId, address challenger);
    error InsufficientBonds(bytes32 claimId, uint256 bonds, uint256 needed);
    error NoPayout(address account);

    // --- anyone ---

    /// @notice Adds to the caller's free stake; the tokens are pulled from the caller.
    function deposit(uint256 amount) external;

    /// @notice Moves free stake on its way out. It backs no claim from now on; a further request starts the delay anew
    ///         for the whole.
    function requestWithdrawal(uint256 amount) external;

    /// @notice Brings all stake that is on its way out back to free stake.
    function cancelWithdrawal() external;

    /// @notice Pays the caller its withdrawing stake, from `withdrawableAt` on.
    function withdraw() external;

    /// @notice Pays `account` what it has to collect; anyone may call, only `account` is paid.
    /// @dev With `account` = BURN_ADDRESS this carries out the burns.
    function claimPayout(address account) external returns (uint256 amount);

    // --- deployer, once ---

    /// @notice Names the only contracts that may move balances; only the deployer, only once for all of them, checks the
    ///         withdrawal delay against each.
    function wire(Wiring[] calldata pairs) external;

    // --- market ---

    /// @notice free → locked. INVARIANT I3.
    function lock(address executor, uint256 amount) external;

    /// @notice locked → free.
    function unlock(address executor, uint256 amount) external;

    /// @notice locked → payouts: bounty, compensation and burn. INVARIANT I2: with slashUnlocked the only way stake leaves
    ///         unasked.
    function slash(
        address executor,
        address prover,
        uint256 bounty,
        address requester,
        uint256 compensation,
        uint256 burned
    ) external;

    /// @notice free and, beyond that, withdrawing → payouts: for a proven fault that no locked collateral stands for. Locked
    ///         stake is not touched (INVARIANT I3); reverts with InsufficientFreeStake while the rest is too little.
    function slashUnlocked(
        address executor,
        address requester,
        uint256 compensation,
        uint256 burned
    ) external;

    /// @notice Pulls into a requester's prepaid balance for an executor.
    function takePrepaid(address requester, address executor, uint256 amount) external;

    /// @notice prepaid → payouts of `to`.
    function payPrepaid(address requester, address executor, address to, uint256 amount) external;

    /// @notice Pulls a request's escrow from the requester.
    function takeEscrow(bytes32 requestId, address requester, uint256 amount) external;

    /// @notice escrow → payouts.
    function payEscrow(bytes32 requestId, address to, uint256 amount) external;

    /// @notice All bonds of a claim → payouts of `to`.
    function forfeitBonds(bytes32 claimId, address to) external returns (uint256 amount);

    // --- referee ---

    /// @notice Pulls a challenger's bond, one per claim and challenger; or that of a demand of data, under the demand's id.
    function takeBond(bytes32 claimId, address challenger, uint256 amount) external;

    /// @notice One challenger's bond → its payouts.
    function returnBond(bytes32 claimId, address challenger) external returns (uint256 amount);

    /// @notice The bond of a demand of data → payouts of who answered it, and the burn.
    function spendBond(
        bytes32 demandId,
        address demander,
        address answerer,
        uint256 reward,
        uint256 burned
    ) external;

    // --- views ---

    /// @notice The one ERC-20 for stakes, fees and bonds.
    function token() external view returns (address);

    /// @notice Where burned tokens go: 0x…dEaD, since ERC-20 has no burn and many tokens refuse the zero address.
    function BURN_ADDRESS() external view returns (address);

    /// @notice Seconds between requesting and making a withdrawal.
    function withdrawalDelay() external view returns (uint256);

    /// @notice The referee of a market, which may lock, unlock, slash and move escrow; 0 for any other address.
    function refereeOf(address market) external view returns (address);

    /// @notice The market of a referee, which may take and return bonds; 0 for any other address.
    function marketOf(address referee) external view returns (address);

    /// @notice Balances of one account.
    function accountOf(address account) external view returns (Account memory);

    /// @notice Stake that slashUnlocked can take: free and withdrawing.
    function unlockedOf(address executor) external view returns (uint256);

    /// @notice What a requester has prepaid for an executor and neither redeemed nor taken back.
    function prepaidOf(address requester, address executor) external view returns (uint256);

    /// @notice What the contract still holds for a request.
    function escrowOf(bytes32 requestId) external view returns (uint256);

    /// @notice Sum of the bonds that a claim holds.
    function bondsOf(bytes32 claimId) external view returns (uint256);

    /// @notice The bond that a challenger has in a claim.
    function bondOf(bytes32 claimId, address challenger) external view returns (uint256);

    /// @notice INVARIANT I1: what the contract owes = free stake + locked stake + stake in withdrawal + escrow + bonds
    ///         + prepaid + unclaimed payouts. Changes when tokens come or go, and by nothing else.
    function accounted() external view returns (uint256);
}
