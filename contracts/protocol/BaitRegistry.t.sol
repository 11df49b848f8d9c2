// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {ContractWallet} from "../../test/solidity/protocol/ContractWallet.sol";
import {DemandFixture} from "../../test/solidity/protocol/DemandFixture.sol";
import {vm} from "../../test/solidity/protocol/Vm.sol";
import {Verdict} from "../kernels/IKernel.sol";
import {BaitCommitment, BaitOpening, BaitOutcome, BaitTally, IBaitRegistry} from "./IBaitRegistry.sol";
import {BaitRegistry} from "./BaitRegistry.sol";
import {Phase} from "./ClaimLife.sol";
import {Claim, RequestParams} from "./IInferenceMarket.sol";
import {InferenceConsumer} from "./InferenceConsumer.sol";

/// @notice A consumer that takes strangers' results, but no baits.
contract Reader is InferenceConsumer {
    constructor(address market_) InferenceConsumer(market_) {}

    function take(IBaitRegistry baits, bytes32 claimId) external view {
        _requireNoBait(baits, claimId);
    }

    function _onInference(bytes32, bytes32, bytes32) internal override {}
}

/// @notice Baits: what can be committed, when and by whom they can be revealed, what the counts say, and that no money cares.
contract BaitRegistryTest is DemandFixture {
    uint256 private constant ASKER_KEY = 0xA5;
    uint256 private constant FREE = 5 * COLLATERAL;
    address private constant LAYER = address(0x1A7E);

    BaitRegistry private baits;
    address private asker = vm.addr(ASKER_KEY);
    /// @dev Of the commitment that is being built: leaves by index.
    bytes32[] private leaves;

    function setUp() public override {
        super.setUp();
        // From its artifact, as the rest: what is tested is what is deployed.
        bytes memory code = bytes.concat(
            vm.getCode("BaitRegistry.sol:BaitRegistry"),
            abi.encode(address(market))
        );
        address deployed;
        assembly ("memory-safe") {
            deployed := create(0, add(code, 32), mload(code))
        }
        require(deployed != address(0), "deployed");
        baits = BaitRegistry(deployed);
        _fund(asker);
    }

    // --- parts ---

    /// @dev With a deadline that does not move with time, so that ids can be known in advance.
    function _asked() private view returns (RequestParams memory params) {
        params = _requestParams();
        params.deadline = 1_800_000_000 + 1 days;
    }

    /// @dev The asker's next claim as it will be, before anything of it is on the chain.
    function _planned(bytes32 traceRoot) private view returns (Claim memory) {
        return _claim(market.requestIdOf(asker, _asked()), traceRoot);
    }

    /// @dev The asker asks, and the planned claim is posted.
    function _lay(Claim memory claim) private returns (bytes32 claimId) {
        vm.prank(asker);
        require(market.request(_asked()) == claim.requestId, "request id");
        return _post(claim);
    }

    function _leaf(bytes32 claimId) private pure returns (bytes32) {
        return keccak256(abi.encode(claimId, SALT));
    }

    function _node(uint256 level, uint256 index) private view returns (bytes32) {
        if (level == 0) return index < leaves.length ? leaves[index] : bytes32(0);
        return keccak256(abi.encode(_node(level - 1, 2 * index), _node(level - 1, 2 * index + 1)));
    }

    function _depth() private view returns (uint256 depth) {
        while ((1 << depth) < leaves.length) ++depth;
    }

    function _commit() private returns (bytes32 root) {
        root = _node(_depth(), 0);
        vm.prank(LAYER);
        baits.commitBaits(root, uint32(leaves.length), time + 30 days);
    }

    /// @dev A commitment to this claim alone, a second before now.
    function _commitTo(bytes32 claimId) private returns (bytes32 root) {
        delete leaves;
        leaves.push(_leaf(claimId));
        root = _commit();
        _pass(1);
    }

    /// @dev Committed in time, then posted.
    function _laid(bytes32 traceRoot) private returns (bytes32 root, bytes32 claimId) {
        Claim memory claim = _planned(traceRoot);
        root = _commitTo(market.claimIdOf(claim));
        claimId = _lay(claim);
    }

    function _opening(bytes32 claimId, uint32 index) private view returns (BaitOpening memory opening) {
        bytes32 consent = baits.consentOf(claimId, LAYER);
        opening.index = index;
        opening.claimId = claimId;
        opening.salt = SALT;
        opening.path = new bytes32[](_depth());
        for (uint256 i; i < opening.path.length; ++i) opening.path[i] = _node(i, (index >> i) ^ 1);
        opening.requesterSignature = _sign(ASKER_KEY, consent);
        opening.executorSignature = _sign(EXECUTOR_KEY, consent);
    }

    function _open(bytes32 root, bytes32 claimId) private returns (BaitOutcome) {
        return baits.revealBait(LAYER, root, _opening(claimId, 0));
    }

    function _refused(bytes32 root, BaitOpening memory opening, bytes memory expected) private {
        _reverts(
            address(baits),
            anyone,
            abi.encodeCall(IBaitRegistry.revealBait, (LAYER, root, opening)),
            expected
        );
    }

    function _tally(
        uint256 committed,
        uint256 caught,
        uint256 missed,
        uint256 voided,
        uint256 unlaid
    ) private view {
        BaitTally memory tally = baits.tallyOf(LAYER);
        _equal(tally.committed, committed, "committed");
        _equal(tally.caught, caught, "caught");
        _equal(tally.missed, missed, "missed");
        _equal(tally.voided, voided, "voided");
        _equal(tally.unlaid, unlaid, "unlaid");
    }

    // --- commitments ---

    function test_commitBaits_isDated() public {
        leaves.push("leaf");
        vm.prank(LAYER);
        baits.commitBaits("leaf", 1, time + 365 days);
        BaitCommitment memory commitment = baits.commitmentOf(LAYER, "leaf");
        _equal(commitment.committedAt, time, "committedAt");
        _equal(commitment.revealBy, time + 365 days, "revealBy");
        _equal(commitment.count, 1, "count");
        _equal(commitment.revealed, 0, "revealed");
        _tally(1, 0, 0, 0, 0);
    }

    function test_commitBaits_twice_reverts_butAnotherLayerMay() public {
        vm.prank(anyone); // copied from the mempool, and first
        baits.commitBaits("root", 1, time + 1);
        vm.prank(LAYER);
        baits.commitBaits("root", 2, time + 1);
        _commitReverts(
            "root",
            3,
            time + 1,
            abi.encodeWithSelector(IBaitRegistry.AlreadyCommitted.selector, LAYER, bytes32("root"))
        );
        _tally(2, 0, 0, 0, 0);
    }

    function test_commitBaits_outOfRange_reverts() public {
        bytes4 count = IBaitRegistry.BaitCountOutOfRange.selector;
        _commitReverts("root", 0, time + 1, abi.encodeWithSelector(count, 0, 1 << 16));
        _commitReverts(
            "root",
            (1 << 16) + 1,
            time + 1,
            abi.encodeWithSelector(count, (1 << 16) + 1, 1 << 16)
        );
        bytes4 by = IBaitRegistry.RevealByOutOfRange.selector;
        uint64 latest = time + 365 days;
        _commitReverts("root", 1, time, abi.encodeWithSelector(by, time, time + 1, latest));
        _commitReverts("root", 1, latest + 1, abi.encodeWithSelector(by, latest + 1, time + 1, latest));
    }

    function _commitReverts(bytes32 root, uint32 count, uint64 revealBy, bytes memory expected) private {
        _reverts(
            address(baits),
            LAYER,
            abi.encodeCall(IBaitRegistry.commitBaits, (root, count, revealBy)),
            expected
        );
    }

    function test_constructor_zeroMarket_reverts() public {
        bytes memory code = bytes.concat(vm.getCode("BaitRegistry.sol:BaitRegistry"), abi.encode(address(0)));
        bytes memory result;
        assembly ("memory-safe") {
            if iszero(create(0, add(code, 32), mload(code))) {
                result := mload(0x40)
                mstore(result, returndatasize())
                returndatacopy(add(result, 32), 0, returndatasize())
                mstore(0x40, add(result, 64))
            }
        }
        require(bytes4(result) == IBaitRegistry.ZeroAddress.selector, "not refused");
    }

    /// @notice As many as a commitment can hold; the last place can be shown.
    function test_commitBaits_most() public {
        bytes32 claimId = "the last";
        bytes32[] memory path = new bytes32[](16);
        bytes32 root = _leaf(claimId);
        for (uint256 i; i < 16; ++i) root = keccak256(abi.encode(path[i], root));
        vm.prank(LAYER);
        baits.commitBaits(root, 1 << 16, time + 1);
        BaitOpening memory opening = _opening(claimId, 0);
        (opening.index, opening.path) = ((1 << 16) - 1, path);
        require(baits.revealBait(LAYER, root, opening) == BaitOutcome.Unlaid, "the last place");
    }

    // --- the four ends ---

    /// @notice A bait costs bounty and burn, and nothing comes from the registry.
    function test_revealBait_caught_catcherHasItsBounty() public {
        (bytes32 root, bytes32 claimId) = _laid(0);
        _challenge(claimId, challenger);
        _pass(REVEAL_WINDOW);
        referee.settleUnrevealed(claimId);
        require(_open(root, claimId) == BaitOutcome.Caught, "outcome");
        _tally(1, 1, 0, 0, 0);
        (BaitOutcome outcome, address layer) = baits.baitOf(claimId);
        require(outcome == BaitOutcome.Caught && layer == LAYER && baits.isBait(claimId), "marked");
        _checkMoney(FREE - COLLATERAL, 0, 0, BOUNTY, 0, 0, BURNED);
        _equal(stakes.accountOf(asker).payout, COMPENSATION + FEE + ROYALTY, "the layer's own requester");
        _equal(token.balanceOf(address(baits)), 0, "registry's tokens");
    }

    function test_revealBait_missed_isMarkedBeforeItIsFinal() public {
        (bytes32 root, bytes32 claimId) = _laid(0);
        _pass(CHALLENGE_WINDOW);
        _checkPhase(claimId, Phase.Finalisable);
        require(!baits.isBait(claimId), "unknown");
        vm.prank(anyone);
        require(_open(root, claimId) == BaitOutcome.Missed, "outcome");
        require(baits.isBait(claimId), "marked");
        _tally(1, 0, 1, 0, 0);
        market.finalise(claimId);
        _checkMoney(FREE, FEE, 0, 0, 0, ROYALTY, 0);
        _refused(
            root,
            _opening(claimId, 0),
            abi.encodeWithSelector(IBaitRegistry.AlreadyRevealed.selector, claimId)
        );
    }

    function test_revealBait_missedAndFinal() public {
        (bytes32 root, bytes32 claimId) = _laid(0);
        _pass(CHALLENGE_WINDOW);
        market.finalise(claimId);
        require(_open(root, claimId) == BaitOutcome.Missed, "outcome");
    }

    function test_revealBait_voided_isNeither() public {
        (bytes32 root, bytes32 claimId) = _laid(_honestTrace());
        _proveElement(claimId, prover, Verdict.Imprecise);
        _pass(PROOF_WINDOW);
        _refused(root, _opening(claimId, 0), _notEnded(claimId, Phase.Voidable));
        referee.settleImprecise(claimId);
        require(_open(root, claimId) == BaitOutcome.Voided, "outcome");
        _tally(1, 0, 0, 1, 0);
    }

    /// @notice What was never posted is counted, but marks nothing.
    function test_revealBait_unlaid_marksNothing() public {
        bytes32 claimId = market.claimIdOf(_planned(0));
        bytes32 root = _commitTo(claimId);
        require(_open(root, claimId) == BaitOutcome.Unlaid, "outcome");
        _tally(1, 0, 0, 0, 1);
        require(baits.isRevealed(LAYER, root, 0) && !baits.isBait(claimId), "marks");
        // Posted after all, it is a claim like any other.
        _lay(_planned(0));
        _pass(CHALLENGE_WINDOW);
        _refused(
            root,
            _opening(claimId, 0),
            abi.encodeWithSelector(IBaitRegistry.AlreadyRevealed.selector, claimId)
        );
        require(!baits.isBait(claimId), "mark");
    }

    function test_revealBait_beforeTheEnd_reverts() public {
        (bytes32 root, bytes32 claimId) = _laid(0);
        _refused(root, _opening(claimId, 0), _notEnded(claimId, Phase.Open));
        _pass(CHALLENGE_WINDOW - 1);
        _challenge(claimId, challenger);
        _refused(root, _opening(claimId, 0), _notEnded(claimId, Phase.AwaitingReveal));
        _reveal(claimId, _honestTrace());
        _refused(root, _opening(claimId, 0), _notEnded(claimId, Phase.Provable));
    }

    function test_revealBait_unrevealedTrace_waitsForTheBounty() public {
        (bytes32 root, bytes32 claimId) = _laid(0);
        _challenge(claimId, challenger);
        _pass(REVEAL_WINDOW);
        _refused(root, _opening(claimId, 0), _notEnded(claimId, Phase.Unrevealed));
    }

    function _notEnded(bytes32 claimId, Phase phase) private pure returns (bytes memory) {
        return abi.encodeWithSelector(IBaitRegistry.BaitNotEnded.selector, claimId, phase);
    }

    // --- dates ---

    function test_revealBait_committedInTheSecondOfPosting_reverts() public {
        Claim memory claim = _planned(0);
        bytes32 claimId = market.claimIdOf(claim);
        leaves.push(_leaf(claimId));
        bytes32 root = _commit();
        _lay(claim);
        _pass(CHALLENGE_WINDOW);
        _refused(
            root,
            _opening(claimId, 0),
            _tooLate(claimId, time - CHALLENGE_WINDOW, time - CHALLENGE_WINDOW)
        );
    }

    /// @notice A cheater that is caught cannot say afterwards that it was a bait, nor can one that was not.
    function test_revealBait_committedOnceCaught_reverts() public {
        uint64 posted = time;
        bytes32 claimId = _lay(_planned(0));
        _challenge(claimId, challenger);
        _pass(1);
        bytes32 root = _commitTo(claimId);
        _pass(REVEAL_WINDOW);
        referee.settleUnrevealed(claimId);
        _refused(root, _opening(claimId, 0), _tooLate(claimId, posted + 1, posted));
    }

    /// @notice Demands put the challenge window off; the date of posting does not move with it.
    function test_revealBait_windowPutOff_dateStays() public {
        uint64 posted = time + 1;
        (bytes32 root, bytes32 claimId) = _laid(0);
        _demand(claimId, challenger, _inputPage());
        _show(claimId, executor, _inputPage());
        _pass(1);
        BaitOpening memory opening = _opening(claimId, 0);
        opening.salt = "salt 2";
        bytes32 late = keccak256(abi.encode(claimId, opening.salt));
        vm.prank(LAYER);
        baits.commitBaits(late, 1, time + 1 days);
        _pass(CHALLENGE_WINDOW + 2 * ANSWER_WINDOW);
        _refused(late, opening, _tooLate(claimId, posted + 1, posted));
        require(_open(root, claimId) == BaitOutcome.Missed, "in time");
    }

    /// @notice A trace that was revealed hides whether the window was put off: then the earliest date is taken.
    function test_revealBait_revealedTrace_earliestDate() public {
        Claim memory claim = _planned(0);
        bytes32 claimId = market.claimIdOf(claim);
        bytes32 early = _commitTo(claimId);
        bytes32 late = keccak256(abi.encode(claimId, bytes32("salt 2")));
        vm.prank(LAYER);
        baits.commitBaits(late, 1, time + 1 days);
        uint64 second = time;
        _pass(2 * ANSWER_WINDOW);
        _lay(claim);
        _challenge(claimId, challenger);
        _reveal(claimId, _honestTrace());
        _pass(PROOF_WINDOW);
        BaitOpening memory opening = _opening(claimId, 0);
        opening.salt = "salt 2";
        _refused(late, opening, _tooLate(claimId, second, second));
        require(_open(early, claimId) == BaitOutcome.Missed, "a second earlier");
    }

    function _tooLate(
        bytes32 claimId,
        uint256 committedAt,
        uint256 postedAt
    ) private pure returns (bytes memory) {
        return
            abi.encodeWithSelector(IBaitRegistry.CommittedTooLate.selector, claimId, committedAt, postedAt);
    }

    // --- openings ---

    function test_revealBait_anotherSaltClaimOrPlace_reverts() public {
        bytes32 claimId = market.claimIdOf(_planned(0));
        bytes32 other = "another claim";
        leaves.push(_leaf(claimId));
        leaves.push(_leaf(other));
        leaves.push(_leaf("a third"));
        bytes32 root = _commit();
        BaitOpening memory opening = _opening(claimId, 0);
        opening.salt = "wrong";
        _noLeaf(root, opening);
        opening = _opening(claimId, 0);
        opening.claimId = other;
        _noLeaf(root, opening);
        opening = _opening(claimId, 0);
        opening.index = 1;
        _noLeaf(root, opening);
        opening.index = 3; // a padding place
        _refused(root, opening, abi.encodeWithSelector(IBaitRegistry.BaitIndexOutOfRange.selector, 3, 3));
        opening = _opening(claimId, 0);
        opening.path = new bytes32[](1);
        _refused(root, opening, abi.encodeWithSelector(IBaitRegistry.PathLengthMismatch.selector, 1, 2));
        _refused(
            "no root",
            opening,
            abi.encodeWithSelector(IBaitRegistry.UnknownCommitment.selector, LAYER, bytes32("no root"))
        );
        _tally(3, 0, 0, 0, 0);
    }

    function _noLeaf(bytes32 root, BaitOpening memory opening) private {
        (bool ok, bytes memory result) = address(baits).call(
            abi.encodeCall(IBaitRegistry.revealBait, (LAYER, root, opening))
        );
        require(!ok && bytes4(result) == IBaitRegistry.RootMismatch.selector, "opened");
    }

    /// @notice One claim in two places counts once, and the other place stays hidden.
    function test_revealBait_oneClaimTwice_countsOnce() public {
        Claim memory claim = _planned(0);
        bytes32 claimId = market.claimIdOf(claim);
        leaves.push(_leaf(claimId));
        leaves.push(_leaf(claimId));
        bytes32 root = _commit();
        _pass(1);
        _lay(claim);
        _pass(CHALLENGE_WINDOW);
        baits.revealBait(LAYER, root, _opening(claimId, 1));
        bytes memory expected = abi.encodeWithSelector(IBaitRegistry.AlreadyRevealed.selector, claimId);
        _refused(root, _opening(claimId, 1), expected);
        _refused(root, _opening(claimId, 0), expected);
        _tally(2, 0, 1, 0, 0);
        _equal(baits.commitmentOf(LAYER, root).revealed, 1, "revealed");
    }

    /// @notice Every place of a commitment of any size can be opened, once, and no other.
    function testFuzz_revealBait_everyPlace(uint256 size) public {
        size = 1 + (size % 33);
        for (uint256 i; i < size; ++i) leaves.push(_leaf(bytes32(i)));
        bytes32 root = _commit();
        for (uint32 i; i < size; ++i) {
            BaitOpening memory opening = _opening(bytes32(uint256(i)), i);
            baits.revealBait(LAYER, root, opening);
            require(baits.isRevealed(LAYER, root, i), "revealed");
            _refused(
                root,
                opening,
                abi.encodeWithSelector(IBaitRegistry.AlreadyRevealed.selector, bytes32(uint256(i)))
            );
        }
        _tally(size, 0, 0, 0, size);
    }

    // --- consent ---

    /// @notice Claims of honest executors can be foretold too: only who asked and who answered can make one a bait.
    function test_revealBait_othersClaim_reverts() public {
        (bytes32 root, bytes32 claimId) = _laid(0);
        _pass(CHALLENGE_WINDOW);
        BaitOpening memory opening = _opening(claimId, 0);
        opening.requesterSignature = opening.executorSignature;
        // An executor that lied to somebody else.
        _refused(root, opening, abi.encodeWithSelector(IBaitRegistry.NoConsent.selector, claimId, asker));
        opening = _opening(claimId, 0);
        opening.executorSignature = opening.requesterSignature;
        // A requester that wants an honest answer forgotten.
        _refused(root, opening, abi.encodeWithSelector(IBaitRegistry.NoConsent.selector, claimId, executor));
        opening = _opening(claimId, 0);
        opening.executorSignature = _sign(EXECUTOR_KEY, baits.consentOf(claimId, anyone));
        // A signature for another layer.
        _refused(root, opening, abi.encodeWithSelector(IBaitRegistry.NoConsent.selector, claimId, executor));
        require(!baits.isBait(claimId), "marked");
        _tally(1, 0, 0, 0, 0);
    }

    function test_revealBait_walletAsRequester() public {
        ContractWallet wallet = new ContractWallet(asker);
        address before = asker;
        asker = address(wallet);
        _fund(asker);
        (bytes32 root, bytes32 claimId) = _laid(0);
        _pass(CHALLENGE_WINDOW);
        require(_open(root, claimId) == BaitOutcome.Missed && asker != before, "outcome");
    }

    // --- abuse ---

    /// @notice Who calls each of its cheats a bait gets nothing for it: caught by itself it is short of the burn all the same.
    function test_revealBait_selfCaught_losesTheBurn() public {
        (bytes32 root, bytes32 claimId) = _laid(0);
        _challenge(claimId, asker);
        _pass(REVEAL_WINDOW);
        referee.settleUnrevealed(claimId);
        referee.reclaimBond(claimId, asker);
        _open(root, claimId);
        uint256 coalition =
            stakes.accountOf(executor).free +
                stakes.accountOf(executor).payout +
                stakes.accountOf(asker).payout +
                token.balanceOf(executor) +
                token.balanceOf(asker) +
                token.balanceOf(LAYER);
        _equal(coalition, 2 * FUNDS - BURNED, "all that it has");
    }

    // --- consumers ---

    function test_requireNoBait_knownBait_reverts() public {
        Reader reader = new Reader(address(market));
        (bytes32 root, bytes32 claimId) = _laid(0);
        _pass(CHALLENGE_WINDOW);
        reader.take(baits, claimId); // nobody can know yet
        _open(root, claimId);
        _reverts(
            address(reader),
            anyone,
            abi.encodeCall(Reader.take, (baits, claimId)),
            abi.encodeWithSelector(InferenceConsumer.DeliberatelyWrong.selector, claimId, LAYER)
        );
    }
}
