// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {IAccessManager} from "@openzeppelin/contracts/access/manager/IAccessManager.sol";
import {Verdict} from "../../../contracts/kernels/IKernel.sol";
import {IKernelVersions} from "../../../contracts/proof/IKernelVersions.sol";
import {IClaimBook} from "../../../contracts/protocol/IClaimBook.sol";
import {IInferenceMarket, RequestParams} from "../../../contracts/protocol/IInferenceMarket.sol";
import {IStakeManager, Wiring} from "../../../contracts/protocol/IStakeManager.sol";
import {Terms} from "../../../contracts/protocol/Terms.sol";
import {DevToken} from "../../../contracts/token/DevToken.sol";
import {Deploy} from "./Deploy.sol";
import {HostileConsumer, Mood} from "./HostileConsumer.sol";
import {Habit, HostileToken} from "./HostileToken.sol";
import {ProtocolFixture} from "./ProtocolFixture.sol";
import {VerifierDouble} from "./VerifierDouble.sol";
import {vm} from "./Vm.sol";

/// @notice Enemies for random histories, beside the people: a governance that does all it may and tries all it may not, a
///         token with bad habits, and consumers with bad moods.
abstract contract HostileCast is ProtocolFixture {
    /// @dev What a passed proposal acts as.
    address internal constant GOVERNANCE = address(0x60);
    uint64 private constant ROLE = 1;
    uint256 internal constant MOODS = uint256(type(Mood).max) + 1;

    IAccessManager private _manager;
    /// @dev Finds everything fraudulent; a kernel version that must not judge programs of earlier versions.
    VerifierDouble private _condemner;
    HostileConsumer[6] internal consumers;
    /// @dev Moves until the token behaves again.
    uint256 private _badMoves;

    /// @notice What histories reached, so that a run that reached nothing is noticed.
    uint256 public termsAppended;
    uint256 public versionsAdded;
    uint256 public excesses;
    uint256 public badTransfers;
    uint256 public reentries;

    /// @inheritdoc ProtocolFixture
    function _newToken() internal virtual override returns (DevToken) {
        return new HostileToken();
    }

    /// @inheritdoc ProtocolFixture
    function _versions() internal virtual override returns (address) {
        _manager = Deploy.accessManager(address(this));
        _condemner = new VerifierDouble();
        _condemner.setVerdict(Verdict.Fraudulent);
        return address(Deploy.versions(address(_manager), address(verifier)));
    }

    /// @dev As ignition/modules/Assay.ts does it: one role for two functions, and nobody administers it.
    function _installGovernance(address book) internal {
        bytes4[] memory selectors = new bytes4[](1);
        selectors[0] = IClaimBook.appendTerms.selector;
        _manager.setTargetFunctionRole(book, selectors, ROLE);
        selectors[0] = IKernelVersions.add.selector;
        _manager.setTargetFunctionRole(versions, selectors, ROLE);
        _manager.grantRole(ROLE, GOVERNANCE, 0);
        // Of the administrator, number 0.
        _manager.renounceRole(0, address(this));
    }

    // --- governance ---

    /// @dev What governance may do to `book`: it goes through, and what exists does not notice. The collateral is `collateral`.
    function _govern(address book, uint256 what, uint128 collateral) internal {
        bool terms = what % 4 != 0;
        bytes memory data =
            terms
                ? abi.encodeCall(IClaimBook.appendTerms, (_nextTerms(what >> 8, collateral)))
                : abi.encodeCall(IKernelVersions.add, (address(_condemner)));
        vm.prank(GOVERNANCE);
        (bool ok, ) = (terms ? book : versions).call(data);
        require(ok, "governance cannot do what it is for");
        if (terms) ++termsAppended;
        else ++versionsAdded;
    }

    /// @dev What it may not, and nobody else may: it fails, whoever of them calls.
    function _exceed(address book, uint256 what, bytes32 claimId, bytes32 requestId) internal {
        (address target, bytes memory data) = _excess(book, what >> 16, claimId, requestId);
        address[3] memory callers = [GOVERNANCE, address(_manager), executor];
        vm.prank(callers[(what >> 8) % 3]);
        (bool ok, ) = target.call(data);
        require(!ok, string.concat("governance went too far: ", string(bytes.concat(bytes4(data)))));
        ++excesses;
    }

    /// @dev Within the hard limits, which are relative to the first terms.
    function _nextTerms(uint256 seed, uint128 collateral) private pure returns (Terms memory terms) {
        terms.collateral = collateral;
        terms.bountyBps = 4_000;
        terms.compensationBps = uint16((seed >> 16) % 5_001);
        terms.challengeBond = collateral / 40 + uint128(seed % 1_000);
        terms.voidCostCap = collateral / 25;
        terms.challengeWindow = CHALLENGE_WINDOW / 2 + uint32((seed >> 32) % (CHALLENGE_WINDOW / 2));
        terms.revealWindow = REVEAL_WINDOW / 2 + uint32((seed >> 48) % (REVEAL_WINDOW / 2));
        terms.answerWindow = ANSWER_WINDOW / 2 + uint32((seed >> 64) % (ANSWER_WINDOW / 2));
        terms.proofWindow = 8 * ANSWER_WINDOW + uint32((seed >> 80) % (PROOF_WINDOW - 8 * ANSWER_WINDOW));
        terms.dataPrice = 1 + uint128((seed >> 96) % 10);
        terms.demandInterval = 1 + uint32((seed >> 112) % (ANSWER_WINDOW / 128));
    }

    function _excess(
        address book,
        uint256 what,
        bytes32 claimId,
        bytes32 requestId
    ) private view returns (address target, bytes memory data) {
        uint256 kind = what % 4;
        what >>= 8;
        if (kind == 0) return (address(stakes), _onStake(what, claimId, requestId));
        if (kind == 1) return (book, _onBook(what, claimId));
        if (kind == 2) return (address(_manager), _onManager(what, book));
        // Terms beyond the limits, and a verifier that is none.
        if (what % 8 == 0) return (versions, abi.encodeCall(IKernelVersions.add, (address(0xBEEF))));
        return (book, abi.encodeCall(IClaimBook.appendTerms, (_badTerms(what % 8))));
    }

    function _badTerms(uint256 what) private pure returns (Terms memory terms) {
        terms = _terms();
        if (what == 1) terms.challengeWindow = CHALLENGE_WINDOW / 2 - 1;
        if (what == 2) terms.revealWindow = REVEAL_WINDOW / 2 - 1;
        if (what == 3) terms.proofWindow = PROOF_WINDOW / 2 - 1;
        if (what == 4) terms.collateral = 10 * COLLATERAL + 1;
        if (what == 5) terms.bountyBps = 7_000;
        if (what == 6) terms.challengeBond = 1;
        // Longer than stake takes to leave.
        if (what == 7) terms.challengeWindow = CHALLENGE_WINDOW + 1;
    }

    function _onStake(uint256 what, bytes32 claimId, bytes32 requestId) private view returns (bytes memory) {
        what %= 12;
        if (what == 0) return abi.encodeCall(IStakeManager.lock, (executor, 1));
        if (what == 1) return abi.encodeCall(IStakeManager.unlock, (executor, 1));
        if (what == 2) return abi.encodeCall(IStakeManager.slash, (executor, GOVERNANCE, 1, anyone, 0, 0));
        if (what == 3) return abi.encodeCall(IStakeManager.slashUnlocked, (executor, GOVERNANCE, 1, 0));
        if (what == 4) return abi.encodeCall(IStakeManager.takePrepaid, (requester, executor, 1));
        if (what == 5) return abi.encodeCall(IStakeManager.payPrepaid, (requester, executor, GOVERNANCE, 0));
        if (what == 6) return abi.encodeCall(IStakeManager.takeEscrow, (requestId, requester, 1));
        if (what == 7) return abi.encodeCall(IStakeManager.payEscrow, (requestId, GOVERNANCE, 1));
        if (what == 8) return abi.encodeCall(IStakeManager.forfeitBonds, (claimId, GOVERNANCE));
        if (what == 9) return abi.encodeCall(IStakeManager.takeBond, (claimId, challenger, 1));
        if (what == 10) return abi.encodeCall(IStakeManager.returnBond, (claimId, challenger));
        Wiring[] memory pairs = new Wiring[](1);
        pairs[0] = Wiring(GOVERNANCE, GOVERNANCE);
        return abi.encodeCall(IStakeManager.wire, (pairs));
    }

    function _onBook(uint256 what, bytes32 claimId) private pure returns (bytes memory) {
        what %= 8;
        if (what == 0) return abi.encodeCall(IClaimBook.recordChallenge, (claimId, GOVERNANCE));
        if (what == 1) return abi.encodeCall(IClaimBook.recordTrace, (claimId, "trace"));
        if (what == 2) return abi.encodeCall(IClaimBook.recordImprecision, (claimId, GOVERNANCE));
        if (what == 3) return abi.encodeCall(IClaimBook.recordDemand, (claimId, false));
        if (what == 4) return abi.encodeCall(IClaimBook.recordAnswer, (claimId));
        if (what == 5) return abi.encodeCall(IClaimBook.settleWithheld, (claimId, GOVERNANCE));
        if (what == 6) return abi.encodeCall(IClaimBook.settleSlashed, (claimId, GOVERNANCE));
        return abi.encodeCall(IClaimBook.settleVoided, (claimId));
    }

    function _onManager(uint256 what, address book) private view returns (bytes memory) {
        what %= 5;
        bytes4[] memory selectors = new bytes4[](1);
        selectors[0] = IClaimBook.settleSlashed.selector;
        if (what == 0) return abi.encodeCall(IAccessManager.grantRole, (0, GOVERNANCE, 0));
        if (what == 1) return abi.encodeCall(IAccessManager.grantRole, (ROLE, executor, 0));
        if (what == 2) return abi.encodeCall(IAccessManager.setTargetFunctionRole, (book, selectors, ROLE));
        if (what == 3) return abi.encodeCall(IAccessManager.setTargetClosed, (book, true));
        return abi.encodeCall(IAccessManager.updateAuthority, (book, GOVERNANCE));
    }

    // --- the token ---

    function _hostile() private view returns (HostileToken) {
        return HostileToken(address(token));
    }

    /// @dev For a few moves; if it re-enters, by `call` to `target`.
    function _spoilToken(uint256 habit, address target, bytes memory call) internal {
        Habit bad = Habit(1 + (habit % uint256(type(Habit).max)));
        if (bad == Habit.Reenters) _hostile().setReentry(target, call);
        else _hostile().setHabit(bad);
        _badMoves = 1 + ((habit >> 8) % 3);
    }

    function _mendToken() internal {
        _hostile().setHabit(Habit.Honest);
        _badMoves = 0;
    }

    /// @dev After each move: whatever the token did, what the contracts hold is what they account for.
    function _afterMove(bool ok, bytes memory result) internal {
        if (_badMoves == 0) return;
        _equal(token.balanceOf(address(stakes)), stakes.accounted(), "I1: a bad transfer went through");
        if (!ok && bytes4(result) == IStakeManager.TransferMismatch.selector) ++badTransfers;
        if (_hostile().reentryResult().length != 0) ++reentries;
        if (--_badMoves == 0) _mendToken();
    }

    // --- consumers ---

    function _inviteConsumers() internal {
        for (uint256 i; i < MOODS; ++i) {
            consumers[i] = new HostileConsumer(address(market), Mood(i));
            _fund(address(consumers[i]));
        }
    }

    /// @notice How many of the consumers have heard of a result; those that revert cannot remember.
    function toldConsumers() external view returns (uint256 count) {
        for (uint256 i; i < MOODS; ++i) if (consumers[i].toldOf() != 0) ++count;
    }

    /// @dev Makes one of the consumers the request's callback, or none.
    function _callback(RequestParams memory params, uint256 die) internal {
        if (die % 2 == 0) return;
        Mood mood = Mood((die >> 1) % MOODS);
        params.callback = address(consumers[uint256(mood)]);
        params.callbackGas = mood == Mood.BurnGas ? 50_000 : 700_000;
        if (mood != Mood.AskAgain) return;
        RequestParams memory next = _requestParams();
        next.deadline = time + 3 hours;
        consumers[uint256(mood)].prepare(next);
    }
}
