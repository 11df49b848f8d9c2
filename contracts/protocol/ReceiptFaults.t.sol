// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {BatchFixture} from "../../test/solidity/protocol/BatchFixture.sol";
import {Deploy} from "../../test/solidity/protocol/Deploy.sol";
import {vm} from "../../test/solidity/protocol/Vm.sol";
import {BatchEntry, BatchHeader} from "./BatchData.sol";
import {InclusionStatus, IReceiptFaults, ReceiptRules} from "./IReceiptFaults.sol";
import {IStakeManager} from "./IStakeManager.sol";
import {Order, Receipt} from "./Orders.sol";
import {TermsLib} from "./Terms.sol";

/// @notice Receipts that are not kept, and honest executors that no receipt can hurt.
contract ReceiptFaultsTest is BatchFixture {
    uint256 private constant FREE = 5 * COLLATERAL;
    uint256 private constant GAIN = BOUNTY + COMPENSATION;

    function _refused(address caller, bytes memory data, bytes memory expected) private {
        _reverts(address(faults), caller, data, expected);
    }

    function _demand(Order memory order, Receipt memory receipt) private returns (bytes32 receiptHash) {
        bytes memory signature = _signReceipt(receipt);
        vm.prank(challenger);
        faults.forceInclude(order, receipt, signature);
        return faults.receiptHashOf(receipt);
    }

    /// @dev A demand that nobody answers, and its end.
    function _demandInVain(Order memory order, Receipt memory receipt) private returns (bytes32 receiptHash) {
        receiptHash = _demand(order, receipt);
        _pass(INCLUSION_WINDOW);
        faults.settleMissing(order, receipt);
    }

    function _single(Order memory order) private view returns (BatchEntry[] memory entries) {
        entries = new BatchEntry[](1);
        entries[0] = _entryOf(order);
    }

    function _answerCall(
        Order memory order,
        Receipt memory receipt,
        BatchHeader memory header,
        BatchEntry memory entry
    ) private pure returns (bytes memory) {
        return abi.encodeCall(IReceiptFaults.answerInclusion, (order, receipt, header, 0, entry, ""));
    }

    function _checkStatus(bytes32 receiptHash, InclusionStatus status) private view {
        _equal(uint256(faults.inclusionOf(receiptHash).status), uint256(status), "status");
    }

    // --- missing ---

    function test_forceInclude_unanswered_slashesUnlockedStake() public {
        Order memory order = _order();
        Receipt memory receipt = _receipt(order);
        _pass(CLAIM_DELAY);
        bytes32 receiptHash = _demand(order, receipt);
        _pass(INCLUSION_WINDOW - 1);
        bytes memory settle = abi.encodeCall(IReceiptFaults.settleMissing, (order, receipt));
        _refused(
            anyone,
            settle,
            abi.encodeWithSelector(IReceiptFaults.InclusionWindowOpen.selector, time, time + 1)
        );
        _pass(1);
        vm.prank(anyone);
        faults.settleMissing(order, receipt);
        _checkStatus(receiptHash, InclusionStatus.Slashed);
        _checkMoney(FREE - COLLATERAL, 0, GAIN, BOND, 0, 0, BURNED);
        _refused(
            anyone,
            settle,
            abi.encodeWithSelector(
                IReceiptFaults.InclusionNotOpen.selector,
                receiptHash,
                InclusionStatus.Slashed
            )
        );
    }

    /// @notice EIP-7702: an executor whose account takes on code after the signature has signed all the same.
    function test_forceInclude_executorTakesOnCode_isHeldToItsReceipt() public {
        Order memory order = _order();
        Receipt memory receipt = _receipt(order);
        _denyItsWord(executor);
        _pass(CLAIM_DELAY);
        bytes32 receiptHash = _demandInVain(order, receipt);
        _checkStatus(receiptHash, InclusionStatus.Slashed);
        _checkMoney(FREE - COLLATERAL, 0, GAIN, BOND, 0, 0, BURNED);
    }

    /// @notice A withdrawal that was requested right after the signature comes too late.
    function test_forceInclude_lastMoment_reachesStakeThatIsLeaving() public {
        Order memory order = _order();
        Receipt memory receipt = _receipt(order);
        vm.prank(executor);
        stakes.requestWithdrawal(FREE);
        _pass(CLAIM_DELAY + FILING_WINDOW - 1);
        _demandInVain(order, receipt);
        _equal(stakes.accountOf(executor).withdrawing, FREE - COLLATERAL, "withdrawing");
        _checkMoney(0, 0, GAIN, BOND, 0, 0, BURNED);
    }

    /// @notice INVARIANT I3: locked collateral is another claim's; the slash waits for it, the bond does not.
    function test_settleMissing_allStakeLocked_slashesWhenItIsFree() public {
        Order memory order = _order();
        Receipt memory receipt = _receipt(order);
        _pass(CLAIM_DELAY);
        BatchHeader memory header = _postBatch(_entries(5));
        bytes32 receiptHash = _demandInVain(order, receipt);
        _checkStatus(receiptHash, InclusionStatus.Missing);
        _checkMoney(0, 0, 0, BOND, 0, 0, 0);
        _refused(
            anyone,
            abi.encodeCall(IReceiptFaults.settleMissing, (order, receipt)),
            abi.encodeWithSelector(IStakeManager.InsufficientFreeStake.selector, executor, 0, COLLATERAL)
        );
        _finaliseBatch(header);
        faults.settleMissing(order, receipt);
        _checkMoney(FREE - COLLATERAL, 0, GAIN, BOND, 0, 0, BURNED);
    }

    function test_forceInclude_outOfTime_reverts() public {
        Order memory order = _order();
        Receipt memory receipt = _receipt(order);
        bytes memory call_ = abi.encodeCall(
            IReceiptFaults.forceInclude,
            (order, receipt, _signReceipt(receipt))
        );
        _pass(CLAIM_DELAY - 1);
        _refused(
            challenger,
            call_,
            abi.encodeWithSelector(IReceiptFaults.ClaimNotDue.selector, time, time + 1)
        );
        _pass(1 + FILING_WINDOW);
        _refused(
            challenger,
            call_,
            abi.encodeWithSelector(IReceiptFaults.FilingWindowOver.selector, time, time)
        );
    }

    /// @notice One demand for a receipt: a second one would take the first one's bond from whoever is paid for it.
    function test_forceInclude_secondTime_reverts() public {
        Order memory order = _order();
        Receipt memory receipt = _receipt(order);
        _pass(CLAIM_DELAY);
        bytes memory call_ = abi.encodeCall(
            IReceiptFaults.forceInclude,
            (order, receipt, _signReceipt(receipt))
        );
        bytes32 receiptHash = _demand(order, receipt);
        _refused(
            prover,
            call_,
            abi.encodeWithSelector(
                IReceiptFaults.InclusionAlreadyDemanded.selector,
                receiptHash,
                InclusionStatus.Open
            )
        );
    }

    // --- honest is safe ---

    function test_answerInclusion_postedInTime_getsTheBond() public {
        Order memory order = _order();
        Receipt memory receipt = _receipt(order);
        BatchEntry[] memory entries = _single(order);
        BatchHeader memory header = _postBatch(entries);
        _pass(CLAIM_DELAY);
        bytes32 receiptHash = _demand(order, receipt);
        // Even after the batch is final.
        _pass(CHALLENGE_WINDOW);
        _finaliseBatch(header);
        vm.prank(anyone);
        faults.answerInclusion(order, receipt, header, 0, entries[0], "");
        _checkStatus(receiptHash, InclusionStatus.Answered);
        _checkMoney(FREE, BOND, 0, 0, 0, 0, 0);
        _pass(INCLUSION_WINDOW);
        bytes memory again = abi.encodeWithSelector(
            IReceiptFaults.InclusionNotOpen.selector,
            receiptHash,
            InclusionStatus.Answered
        );
        _refused(anyone, abi.encodeCall(IReceiptFaults.settleMissing, (order, receipt)), again);
        _refused(anyone, _answerCall(order, receipt, header, entries[0]), again);
    }

    function test_answerInclusion_postedOnDemand_costsNothing() public {
        Order memory order = _order();
        Receipt memory receipt = _receipt(order);
        _pass(CLAIM_DELAY);
        _demand(order, receipt);
        BatchEntry[] memory entries = _single(order);
        BatchHeader memory header = _postBatch(entries);
        _pass(INCLUSION_WINDOW - 1);
        faults.answerInclusion(order, receipt, header, 0, entries[0], "");
        _equal(stakes.accountOf(challenger).payout, BOND, "the bond is back");
        _equal(stakes.accountOf(executor).payout, 0, "payout");
        _equal(stakes.accountOf(executor).free, FREE - COLLATERAL, "free");
        Order memory late = _order();
        Receipt memory lateReceipt = _receipt(late);
        entries = _single(late);
        _pass(CLAIM_DELAY);
        _demand(late, lateReceipt);
        header = _postBatch(entries);
        _pass(INCLUSION_WINDOW);
        _refused(
            anyone,
            _answerCall(late, lateReceipt, header, entries[0]),
            abi.encodeWithSelector(IReceiptFaults.InclusionWindowOver.selector, time, time)
        );
    }

    /// @notice Orders that differ in anything are different orders, so the same nonce twice is nobody's fault.
    function test_sameNonce_otherInput_isNoFault() public {
        Order memory first = _order();
        Order memory second = _order();
        second.nonce = first.nonce;
        second.inputRoot = "another input";
        Receipt memory receipt = _receipt(first);
        Receipt memory other = _receipt(second);
        other.outputRoot = "another output";
        bytes32 expected = other.orderHash;
        bytes memory call_ = abi.encodeCall(
            IReceiptFaults.proveTwoReceipts,
            (first, receipt, _signReceipt(receipt), other, _signReceipt(other))
        );
        _refused(
            challenger,
            call_,
            abi.encodeWithSelector(IReceiptFaults.WrongOrder.selector, expected, receipt.orderHash)
        );
    }

    function test_faults_whatTheExecutorDidNotSign_reverts() public {
        Order memory order = _order();
        Receipt memory receipt = _receipt(order);
        Receipt memory forged = _receipt(order);
        forged.outputRoot = "another output";
        bytes memory signature = _signReceipt(receipt);
        bytes memory forgery = _sign(REQUESTER_KEY, faults.receiptHashOf(forged));
        bytes memory invalid = abi.encodeWithSelector(
            IReceiptFaults.InvalidReceipt.selector,
            executor,
            faults.receiptHashOf(forged)
        );
        _refused(
            challenger,
            abi.encodeCall(IReceiptFaults.proveTwoReceipts, (order, receipt, signature, forged, forgery)),
            invalid
        );
        _refused(
            challenger,
            abi.encodeCall(IReceiptFaults.proveTwoReceipts, (order, receipt, signature, forged, signature)),
            invalid
        );
        BatchEntry[] memory entries = _single(order);
        BatchHeader memory header = _postBatch(entries);
        _refused(
            challenger,
            abi.encodeCall(
                IReceiptFaults.proveReceiptBroken,
                (order, forged, forgery, header, 0, entries[0], "")
            ),
            invalid
        );
        // The same receipt twice, or with another claimBy, and the claim that it promised, are no fault.
        Receipt memory later = _receipt(order);
        later.claimBy += 5;
        bytes memory same = abi.encodeWithSelector(IReceiptFaults.SameOutput.selector, _outputRoot());
        _refused(
            challenger,
            abi.encodeCall(
                IReceiptFaults.proveTwoReceipts,
                (order, receipt, signature, later, _signReceipt(later))
            ),
            same
        );
        _refused(
            challenger,
            abi.encodeCall(
                IReceiptFaults.proveReceiptBroken,
                (order, receipt, signature, header, 0, entries[0], "")
            ),
            same
        );
        _pass(CLAIM_DELAY);
        _refused(challenger, abi.encodeCall(IReceiptFaults.forceInclude, (order, forged, forgery)), invalid);
    }

    /// @notice Another executor's batch says what it likes: it is not this executor's word.
    function test_proveReceiptBroken_anothersBatch_reverts() public {
        Order memory order = _order();
        Receipt memory receipt = _receipt(order);
        BatchEntry[] memory entries = _single(order);
        entries[0].outputRoot = "another output";
        vm.prank(challenger);
        stakes.deposit(COLLATERAL);
        BatchHeader memory header = _header(entries);
        header.executor = challenger;
        vm.prank(challenger);
        batches.postBatchInCalldata(header, _data(entries), "");
        _refused(
            challenger,
            abi.encodeCall(
                IReceiptFaults.proveReceiptBroken,
                (order, receipt, _signReceipt(receipt), header, 0, entries[0], "")
            ),
            abi.encodeWithSelector(IReceiptFaults.EntryMismatch.selector, faults.receiptHashOf(receipt))
        );
    }

    // --- different ---

    function test_proveTwoReceipts_slashesOncePerOrder() public {
        Order memory order = _order();
        Receipt memory first = _receipt(order);
        Receipt memory second = _receipt(order);
        second.outputRoot = "another output";
        (bytes memory a, bytes memory b) = (_signReceipt(first), _signReceipt(second));
        vm.prank(anyone);
        faults.proveTwoReceipts(order, first, a, second, b);
        _checkMoney(FREE - COLLATERAL, 0, GAIN, 0, 0, 0, BURNED);
        _refused(
            anyone,
            abi.encodeCall(IReceiptFaults.proveTwoReceipts, (order, second, b, first, a)),
            abi.encodeWithSelector(IReceiptFaults.AlreadySlashed.selector, first.orderHash)
        );
        // A demand for the same order ends without another slash, and with the bond back.
        _pass(CLAIM_DELAY);
        bytes32 receiptHash = _demandInVain(order, first);
        _checkStatus(receiptHash, InclusionStatus.Slashed);
        _checkMoney(FREE - COLLATERAL, 0, GAIN, BOND, 0, 0, BURNED);
    }

    function test_proveReceiptBroken_slashes() public {
        Order memory order = _order();
        Receipt memory receipt = _receipt(order);
        BatchEntry[] memory entries = _single(order);
        entries[0].outputRoot = "another output";
        BatchHeader memory header = _postBatch(entries);
        bytes memory signature = _signReceipt(receipt);
        faults.proveReceiptBroken(order, receipt, signature, header, 0, entries[0], "");
        _checkMoney(FREE - 2 * COLLATERAL, 0, GAIN, 0, 0, 0, BURNED);
        _equal(stakes.accountOf(executor).locked, COLLATERAL, "the batch's collateral");
    }

    function deploy(ReceiptRules memory rules) external {
        Deploy.receiptFaults(address(batches), rules);
    }

    function test_constructor_windowOutOfRange_reverts() public {
        uint32[2] memory wrong = [uint32(59), 30 days + 1];
        for (uint256 i; i < 6; ++i) {
            uint32 window = wrong[i / 3];
            ReceiptRules memory rules = ReceiptRules(
                i % 3 == 0 ? window : CLAIM_DELAY,
                i % 3 == 1 ? window : FILING_WINDOW,
                i % 3 == 2 ? window : INCLUSION_WINDOW
            );
            vm.expectRevert(
                abi.encodeWithSelector(TermsLib.WindowOutOfRange.selector, window, 1 minutes, 30 days)
            );
            this.deploy(rules);
        }
    }

    /// @notice Whatever differs from the order or the receipt does not answer a demand.
    function testFuzz_answerInclusion_anythingElse_reverts(uint8 field) public {
        Order memory order = _order();
        Receipt memory receipt = _receipt(order);
        BatchEntry[] memory entries = _single(order);
        field %= 6;
        if (field == 0) entries[0].inputRoot = "other";
        if (field == 1) entries[0].outputRoot = "other";
        if (field == 2) entries[0].orderHash = "other";
        if (field == 3) entries[0].requester = anyone;
        if (field == 4) entries[0].price += 1;
        if (field == 5) order.programRoot = "other";
        if (field == 5) entries[0] = _entryOf(order);
        if (field == 5) receipt = _receipt(order);
        BatchHeader memory header = _postBatch(entries);
        _pass(CLAIM_DELAY);
        bytes32 receiptHash = _demand(order, receipt);
        _refused(
            executor,
            _answerCall(order, receipt, header, entries[0]),
            abi.encodeWithSelector(IReceiptFaults.EntryMismatch.selector, receiptHash)
        );
    }
}
