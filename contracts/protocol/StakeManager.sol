// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import {IClaimBook} from "./IClaimBook.sol";
import {IReferee} from "./IReferee.sol";
import {Account, IStakeManager, Wiring} from "./IStakeManager.sol";

/// @title StakeManager
/// @notice See IStakeManager, which is the specification.
/// @dev Each entry point either moves an amount between two balances of the ledger, or between one balance and the token
///      (_pull, _push; these alone change the sum). The ledger is written before the token is called.
contract StakeManager is IStakeManager, ReentrancyGuardTransient {
    using SafeERC20 for IERC20;

    /// @inheritdoc IStakeManager
    address public constant BURN_ADDRESS = 0x000000000000000000000000000000000000dEaD;

    /// @inheritdoc IStakeManager
    address public immutable token;
    /// @inheritdoc IStakeManager
    uint256 public immutable withdrawalDelay;
    address private immutable _deployer;

    bool private _wired;
    /// @inheritdoc IStakeManager
    mapping(address market => address) public refereeOf;
    /// @inheritdoc IStakeManager
    mapping(address referee => address) public marketOf;

    /// @inheritdoc IStakeManager
    uint256 public accounted;
    mapping(address account => Account) private _accounts;
    /// @inheritdoc IStakeManager
    mapping(address requester => mapping(address executor => uint256)) public prepaidOf;
    /// @inheritdoc IStakeManager
    mapping(bytes32 requestId => uint256) public escrowOf;
    /// @inheritdoc IStakeManager
    mapping(bytes32 claimId => uint256) public bondsOf;
    /// @inheritdoc IStakeManager
    mapping(bytes32 claimId => mapping(address challenger => uint256)) public bondOf;

    modifier onlyMarket() {
        if (refereeOf[msg.sender] == address(0)) revert NotMarket(msg.sender);
        _;
    }

    modifier onlyReferee() {
        if (marketOf[msg.sender] == address(0)) revert NotReferee(msg.sender);
        _;
    }

    /// @param token_ the one ERC-20 for stakes, fees and bonds
    /// @param withdrawalDelay_ seconds; checked against the longest life of a claim when the markets are wired
    constructor(address token_, uint256 withdrawalDelay_) {
        if (token_ == address(0)) revert ZeroAddress();
        token = token_;
        withdrawalDelay = withdrawalDelay_;
        _deployer = msg.sender;
    }

    /// @inheritdoc IStakeManager
    function wire(Wiring[] calldata pairs) external {
        if (msg.sender != _deployer) revert NotDeployer(msg.sender);
        if (_wired) revert AlreadyWired();
        if (pairs.length == 0) revert ZeroAddress();
        _wired = true;
        for (uint256 i; i < pairs.length; ++i) _wire(pairs[i].market, pairs[i].referee);
    }

    // --- anyone ---

    /// @inheritdoc IStakeManager
    function deposit(uint256 amount) external nonReentrant {
        if (amount == 0) revert ZeroAmount();
        _accounts[msg.sender].free += _narrow(amount);
        emit Deposited(msg.sender, amount);
        _pull(msg.sender, amount);
    }

    /// @inheritdoc IStakeManager
    function requestWithdrawal(uint256 amount) external nonReentrant {
        if (amount == 0) revert ZeroAmount();
        Account storage account = _accounts[msg.sender];
        // INVARIANT I3: only free stake can start to leave; locked stake cannot.
        _takeFree(account, msg.sender, amount);
        account.withdrawing += uint128(amount);
        uint64 withdrawableAt = uint64(block.timestamp + withdrawalDelay);
        account.withdrawableAt = withdrawableAt;
        emit WithdrawalRequested(msg.sender, amount, withdrawableAt);
    }

    /// @inheritdoc IStakeManager
    function cancelWithdrawal() external nonReentrant {
        uint128 amount = _takeWithdrawing();
        _accounts[msg.sender].free += amount;
        emit WithdrawalCancelled(msg.sender, amount);
    }

    /// @inheritdoc IStakeManager
    function withdraw() external nonReentrant {
        uint64 withdrawableAt = _accounts[msg.sender].withdrawableAt;
        uint128 amount = _takeWithdrawing();
        if (block.timestamp < withdrawableAt) revert WithdrawalNotReady(block.timestamp, withdrawableAt);
        emit Withdrawn(msg.sender, amount);
        _push(msg.sender, amount);
    }

    /// @inheritdoc IStakeManager
    function claimPayout(address account) external nonReentrant returns (uint256 amount) {
        amount = _accounts[account].payout;
        if (amount == 0) revert NoPayout(account);
        _accounts[account].payout = 0;
        emit PayoutClaimed(account, amount);
        _push(account, amount);
    }

    // --- market ---

    /// @inheritdoc IStakeManager
    function lock(address executor, uint256 amount) external onlyMarket nonReentrant {
        Account storage account = _accounts[executor];
        _takeFree(account, executor, amount);
        account.locked += uint128(amount);
        emit StakeLocked(executor, amount);
    }

    /// @inheritdoc IStakeManager
    function unlock(address executor, uint256 amount) external onlyMarket nonReentrant {
        _takeLocked(executor, amount);
        _accounts[executor].free += uint128(amount);
        emit StakeUnlocked(executor, amount);
    }

    /// @inheritdoc IStakeManager
    function slash(
        address executor,
        address prover,
        uint256 bounty,
        address requester,
        uint256 compensation,
        uint256 burned
    ) external onlyMarket nonReentrant {
        uint256 amount = bounty + compensation + burned;
        _takeLocked(executor, amount);
        emit StakeSlashed(executor, amount);
        _credit(prover, bounty);
        _credit(requester, compensation);
        _credit(BURN_ADDRESS, burned);
    }

    /// @inheritdoc IStakeManager
    function slashUnlocked(
        address executor,
        address requester,
        uint256 compensation,
        uint256 burned
    ) external onlyMarket nonReentrant {
        uint256 amount = compensation + burned;
        Account storage account = _accounts[executor];
        (uint256 free, uint256 withdrawing) = (account.free, account.withdrawing);
        if (free + withdrawing < amount) revert InsufficientFreeStake(executor, free + withdrawing, amount);
        uint256 fromFree = amount < free ? amount : free;
        account.free = uint128(free - fromFree);
        account.withdrawing = uint128(withdrawing - (amount - fromFree));
        emit StakeSlashed(executor, amount);
        _credit(requester, compensation);
        _credit(BURN_ADDRESS, burned);
    }

    /// @inheritdoc IStakeManager
    function takePrepaid(
        address requester,
        address executor,
        uint256 amount
    ) external onlyMarket nonReentrant {
        if (amount == 0) revert ZeroAmount();
        prepaidOf[requester][executor] += _narrow(amount);
        emit PrepaidTaken(requester, executor, amount);
        _pull(requester, amount);
    }

    /// @inheritdoc IStakeManager
    function payPrepaid(
        address requester,
        address executor,
        address to,
        uint256 amount
    ) external onlyMarket nonReentrant {
        uint256 prepaid = prepaidOf[requester][executor];
        if (prepaid < amount) revert InsufficientPrepaid(requester, executor, prepaid, amount);
        prepaidOf[requester][executor] = prepaid - amount;
        _credit(to, amount);
    }

    /// @inheritdoc IStakeManager
    function takeEscrow(
        bytes32 requestId,
        address requester,
        uint256 amount
    ) external onlyMarket nonReentrant {
        if (amount == 0) revert ZeroAmount();
        if (escrowOf[requestId] != 0) revert EscrowExists(requestId);
        escrowOf[requestId] = _narrow(amount);
        emit EscrowTaken(requestId, requester, amount);
        _pull(requester, amount);
    }

    /// @inheritdoc IStakeManager
    function payEscrow(bytes32 requestId, address to, uint256 amount) external onlyMarket nonReentrant {
        uint256 escrow = escrowOf[requestId];
        if (escrow < amount) revert InsufficientEscrow(requestId, escrow, amount);
        escrowOf[requestId] = escrow - amount;
        _credit(to, amount);
    }

    /// @inheritdoc IStakeManager
    function forfeitBonds(
        bytes32 claimId,
        address to
    ) external onlyMarket nonReentrant returns (uint256 amount) {
        amount = bondsOf[claimId];
        bondsOf[claimId] = 0;
        _credit(to, amount);
    }

    // --- referee ---

    /// @inheritdoc IStakeManager
    function takeBond(bytes32 claimId, address challenger, uint256 amount) external onlyReferee nonReentrant {
        if (amount == 0) revert ZeroAmount();
        if (bondOf[claimId][challenger] != 0) revert BondExists(claimId, challenger);
        bondOf[claimId][challenger] = _narrow(amount);
        bondsOf[claimId] += amount;
        emit BondTaken(claimId, challenger, amount);
        _pull(challenger, amount);
    }

    /// @inheritdoc IStakeManager
    function returnBond(
        bytes32 claimId,
        address challenger
    ) external onlyReferee nonReentrant returns (uint256 amount) {
        amount = _takeWholeBond(claimId, challenger);
        _credit(challenger, amount);
    }

    /// @inheritdoc IStakeManager
    function spendBond(
        bytes32 demandId,
        address demander,
        address answerer,
        uint256 reward,
        uint256 burned
    ) external onlyReferee nonReentrant {
        uint256 amount = _takeWholeBond(demandId, demander);
        if (amount != reward + burned) revert InsufficientBonds(demandId, amount, reward + burned);
        _credit(answerer, reward);
        _credit(BURN_ADDRESS, burned);
    }

    // --- views ---

    /// @inheritdoc IStakeManager
    function accountOf(address account) external view returns (Account memory) {
        return _accounts[account];
    }

    /// @inheritdoc IStakeManager
    function unlockedOf(address executor) external view returns (uint256) {
        Account storage account = _accounts[executor];
        return uint256(account.free) + account.withdrawing;
    }

    // --- wiring ---

    function _wire(address market, address referee) private {
        if (market == address(0) || referee == address(0)) revert ZeroAddress();
        if (refereeOf[market] != address(0)) revert AlreadyWired();
        if (IClaimBook(market).stakeManager() != address(this)) revert WiredElsewhere(market);
        if (IReferee(referee).stakeManager() != address(this)) revert WiredElsewhere(referee);
        if (IReferee(referee).market() != market) revert WiredElsewhere(referee);
        // Stake in withdrawal backs no claim, so this is a second fence around locked stake.
        uint256 longest = IClaimBook(market).longestClaimLife();
        if (withdrawalDelay <= longest) revert WithdrawalDelayTooShort(withdrawalDelay, longest);
        refereeOf[market] = referee;
        marketOf[referee] = market;
        emit Wired(market, referee);
    }

    // --- ledger ---

    function _takeFree(Account storage account, address owner, uint256 amount) private {
        uint256 free = account.free;
        if (free < amount) revert InsufficientFreeStake(owner, free, amount);
        account.free = uint128(free - amount);
    }

    function _takeLocked(address executor, uint256 amount) private {
        uint256 locked = _accounts[executor].locked;
        if (locked < amount) revert InsufficientLockedStake(executor, locked, amount);
        _accounts[executor].locked = uint128(locked - amount);
    }

    function _takeWithdrawing() private returns (uint128 amount) {
        Account storage account = _accounts[msg.sender];
        amount = account.withdrawing;
        if (amount == 0) revert NoWithdrawal(msg.sender);
        account.withdrawing = 0;
        account.withdrawableAt = 0;
    }

    function _takeWholeBond(bytes32 id, address owner) private returns (uint256 amount) {
        amount = bondOf[id][owner];
        if (amount == 0) revert NoBond(id, owner);
        uint256 bonds = bondsOf[id];
        if (bonds < amount) revert InsufficientBonds(id, bonds, amount);
        bondOf[id][owner] = 0;
        bondsOf[id] = bonds - amount;
    }

    function _credit(address account, uint256 amount) private {
        if (amount == 0) return;
        _accounts[account].payout += uint128(amount);
        emit PayoutCredited(account, amount);
    }

    // --- token ---

    function _pull(address from, uint256 amount) private {
        // All balances together fit 128 bits, so that no later move between them can fail for its size.
        accounted += _narrow(amount);
        if (accounted > type(uint128).max) revert LedgerFull(amount);
        uint256 before = IERC20(token).balanceOf(address(this));
        IERC20(token).safeTransferFrom(from, address(this), amount);
        _requireMoved(before, IERC20(token).balanceOf(address(this)), amount);
    }

    function _push(address to, uint256 amount) private {
        accounted -= amount;
        uint256 before = IERC20(token).balanceOf(address(this));
        IERC20(token).safeTransfer(to, amount);
        _requireMoved(IERC20(token).balanceOf(address(this)), before, amount);
    }

    /// @dev What comes in fits the ledger's words; all other amounts are parts of what came in, see _pull.
    function _narrow(uint256 amount) private pure returns (uint128) {
        if (amount > type(uint128).max) revert LedgerFull(amount);
        return uint128(amount);
    }

    /// @dev INVARIANT I1: what came or left is what the ledger says.
    function _requireMoved(uint256 lower, uint256 higher, uint256 amount) private pure {
        uint256 moved = higher > lower ? higher - lower : 0;
        if (moved != amount) revert TransferMismatch(amount, moved);
    }
}
